"""A working week of a support agent's requests, made up: what the README replays.

Nobody's traffic was recorded for it. Conversations begin at random, by the hour's rate; each has a few
requests, as the customer answers. The seed is fixed, and only ``random.random`` is asked, whose numbers
are the same in every version of Python.
"""

from __future__ import annotations

import math
import random

SEED = 20_261_122
WORKING_DAYS = 5  # from Monday 00:00 on, which is 0 seconds
HOUR_SECONDS = 3_600
# Conversations an hour: quiet before eight, busiest at ten, a lunch break, some customers in the evening.
FIRST_HOUR = 7
CONVERSATIONS_AN_HOUR = (0.5, 2.0, 3.5, 4.0, 3.0, 1.0, 2.5, 3.5, 3.0, 2.0, 1.0, 0.4, 0.4, 0.4, 0.2)
MEAN_REQUESTS = 3  # of one conversation
MEAN_ANSWER_SECONDS = 75  # until the customer writes again


def csv_text() -> str:
    """Return the week as CSV."""
    return "t_s\n" + "".join(f"{time_s:.1f}\n" for time_s in sorted(_requests(random.Random(SEED))))  # noqa: S311 - no secret


def _requests(dice: random.Random) -> list[float]:
    found: list[float] = []
    for day in range(WORKING_DAYS):
        for hour, rate in enumerate(CONVERSATIONS_AN_HOUR, start=FIRST_HOUR):
            hour_s = (24 * day + hour) * HOUR_SECONDS
            begins_s = _wait(dice, HOUR_SECONDS / rate)
            while begins_s < HOUR_SECONDS:
                found += _conversation(dice, hour_s + begins_s)
                begins_s += _wait(dice, HOUR_SECONDS / rate)
    return found


def _conversation(dice: random.Random, begins_s: float) -> list[float]:
    found = [begins_s]
    while dice.random() > 1 / MEAN_REQUESTS:
        found.append(found[-1] + _wait(dice, MEAN_ANSWER_SECONDS))
    return found


def _wait(dice: random.Random, mean_s: float) -> float:
    """Wait for something that happens at random."""
    return -mean_s * math.log(1 - dice.random())
