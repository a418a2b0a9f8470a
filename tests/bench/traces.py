"""Recorded arrivals, thinned: the traces that the policy bench replays.

They lie outside the repository, in ``../shared/traces``. Clients and sessions are split in two halves
by their number: the rule was shaped on the even half, so the odd one is the judge.

Sparser shapes come from thinning a client's requests at random, seed fixed. Positions inside a
10-minute window are drawn from the family the source fitted to it. Only the requests that survive
the thinning are drawn: the sum of many gaps is drawn at once, exactly for gamma gaps, and by a
gamma of the same mean and variance for Weibull ones.
"""

from __future__ import annotations

import csv
import gzip
import math
import random
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.replay.arrivals import MICROSECONDS, Arrivals

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACES = Path(__file__).resolve().parents[3] / "shared" / "traces"
CLIENTS = TRACES / "servegen_client_10min_counts.csv.gz"
SESSIONS = TRACES / "claude_code_sessions.csv.gz"
SEED = 20_261_122
PREFIX_TOKENS = 50_000
WINDOW_SECONDS = 600.0
DAY_SECONDS = 86_400.0
RATES = {
    "1/min": 60.0,
    "1/5min": 300.0,
    "1/15min": 900.0,
    "1/h": 3_600.0,
    "1/3h": 10_800.0,
    "1/12h": 43_200.0,
    "1/day": DAY_SECONDS,
}
CODING = "coding"
# Shorter ones have no day to advise on, and fewer requests say nothing.
MIN_DAYS = 1.0
MIN_REQUESTS = 5
HALVES = ("even", "odd")


@dataclass(frozen=True, slots=True)
class Trace:
    """One file's worth of arrivals.

    Attributes:
        source: its client or session.
        half: which half it belongs to.
        rate: the rate it was thinned to; ``coding`` for a session.
        arrivals: the requests.
    """

    source: str
    half: str
    rate: str
    arrivals: Arrivals

    @property
    def requests_per_day(self) -> float:
        """The rate, over the time from the first request to the last, and at least over a day."""
        days = (self.arrivals.times_us[-1] - self.arrivals.times_us[0]) / MICROSECONDS / DAY_SECONDS
        return len(self.arrivals) / max(days, 1.0)


def traces() -> Iterator[Trace]:
    """Yield every trace of both sources."""
    yield from sessions()
    yield from clients()


def clients() -> Iterator[Trace]:
    """Yield every production client, thinned to each rate it reaches."""
    with gzip.open(CLIENTS, "rt", encoding="utf-8", newline="") as file:
        rows = groupby(csv.DictReader(file), key=lambda row: (row["model"], row["client"]))
        counts = {
            key: [
                (float(row["window_start_s"]), int(row["requests"]), row["iat_family"], float(row["iat_shape"] or 1))
                for row in windows
            ]
            for key, windows in rows
        }
    for number, ((model, client), counted) in enumerate(sorted(counts.items())):
        days = (counted[-1][0] + WINDOW_SECONDS - counted[0][0]) / DAY_SECONDS
        requests = sum(count for _, count, _, _ in counted)
        for rate, seconds in RATES.items():
            share = days * DAY_SECONDS / seconds / requests
            if days < MIN_DAYS or share > 1:
                continue
            dice = random.Random(f"{SEED} {model} {client} {rate}")  # noqa: S311 - a repeatable sample
            times_us = sorted(
                round((start + WINDOW_SECONDS * part) * MICROSECONDS)
                for start, count, family, shape in counted
                for part in thinned(dice, share, count, family, shape)
            )
            if len(times_us) >= MIN_REQUESTS:
                arrivals = Arrivals(times_us, [PREFIX_TOKENS] * len(times_us))
                yield Trace(f"{model} {client}", HALVES[number % 2], rate, arrivals)


def thinned(dice: random.Random, share: float, count: int, family: str, shape: float) -> list[float]:
    """Return where in a window the requests are that survive thinning, as parts of the window."""
    ranks = [rank for rank in survivors(dice, share, count) if rank <= count]
    if not ranks:
        return []
    steps = [later - earlier for earlier, later in zip((0, *ranks), (*ranks, count + 1), strict=True)]
    gaps = [drawn_sum(dice, step, family, shape) for step in steps]
    whole = sum(gaps)
    if not 0 < whole < math.inf:  # shapes near 0 underflow: nothing is known but the order
        return sorted(dice.random() for _ in ranks)
    at, parts = 0.0, []
    for gap in gaps[:-1]:
        at += gap
        parts.append(min(at / whole, 1.0))
    return parts


def survivors(dice: random.Random, share: float, count: int) -> Iterator[int]:
    """Yield the ranks of the requests that are kept, up to one beyond the last."""
    rank = 0
    while rank <= count:
        rank += 1 if share >= 1 else 1 + int(math.log(1 - dice.random()) / math.log(1 - share))
        yield rank


def drawn_sum(dice: random.Random, gaps: int, family: str, shape: float) -> float:
    """Draw the sum of some gaps of one family, in units of their scale."""
    if family == "G":
        return dice.gammavariate(gaps * shape, 1.0)
    few = 8  # so many are drawn one by one
    if gaps <= few:
        return sum(dice.weibullvariate(1.0, shape) for _ in range(gaps))
    first, second = math.gamma(1 + 1 / shape), math.gamma(1 + 2 / shape)
    variance = second - first * first
    return dice.gammavariate(gaps * first * first / variance, variance / first)


def sessions() -> Iterator[Trace]:
    """Yield every coding session, the longest of each group of forks."""
    longest: dict[str, list[tuple[float, int]]] = {}
    with gzip.open(SESSIONS, "rt", encoding="utf-8", newline="") as file:
        for (group, _), rows in groupby(csv.DictReader(file), key=lambda row: (row["dup_group"], row["session"])):
            requests = sorted((float(row["t_s"]), int(row["input_tokens"])) for row in rows)
            longest[group] = max(longest.get(group, []), requests, key=len)
    for number, (group, requests) in enumerate(sorted(longest.items())):
        times_us = [round(seconds * MICROSECONDS) for seconds, _ in requests]
        yield Trace(group, HALVES[number % 2], CODING, Arrivals(times_us, [max(1, tokens) for _, tokens in requests]))
