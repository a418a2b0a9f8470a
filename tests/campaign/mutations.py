"""Breaks the handler on purpose, for every invariant and every defect found, and has the campaign find it.

Each runs in a copy of its own: ``python -m tests.campaign.mutations``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.invariants import AGREEMENT, CAPS, CONDUCT, COVERAGE, HEALING, INVARIANTS, LEASE, PROOF, SECRECY
from tests.campaign.results import write_mutations

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("results.md")
COPIED = ("handler", "infra", "tests", "pyproject.toml")
PACKAGE = "handler/prompt_cache_warmer"
SEEDS, TICKS = range(100, 106), 12  # so many seeds are tried until one finds it


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change that some invariant must not survive.

    Attributes:
        file: below the package.
        old: what stands there, once.
        new: what takes its place.
        invariant: what does not hold any more.
    """

    file: str
    old: str
    new: str
    invariant: str


MUTATIONS = (
    Mutation(
        "rules/verdict.py",
        "return Verdict.WRITTEN if usage.written_tokens else Verdict.UNCACHED",
        "return Verdict.WRITTEN",
        PROOF,
    ),
    Mutation("warm/called.py", "Amount(worst.known_usd * self.unanswered,", "Amount(worst.known_usd * 0,", CAPS),
    Mutation("adapters/anthropic_exchange.py", '.get("input_tokens") is None:', '.get("model") == 0:', PROOF),
    Mutation("warm/claims.py", 'results += failed([case], "state-unavailable", str(error), advice)', "pass", COVERAGE),
    Mutation("rules/decision.py", "if state.claim is not None and now < state.claim.until:", "if now is None:", LEASE),
    Mutation(
        "adapters/state_writes.py",
        "update.require_number(entry_name(key, items.SEQUENCE), request.sequence)",
        "pass",
        LEASE,
    ),
    Mutation(
        "adapters/anthropic_errors.py",
        'return ": (the API\'s message quotes the request and is withheld)"',
        'return f": {message}"',
        SECRECY,
    ),
    Mutation("adapters/anthropic_errors.py", "_WORD.fullmatch(value)", "value", SECRECY),
    Mutation(
        "rules/breaker.py", "REFUSED_COOL_DOWN = timedelta(hours=1)", "REFUSED_COOL_DOWN = timedelta(days=9)", HEALING
    ),
    Mutation("adapters/s3_bucket.py", "len(content) != stored.size_bytes:", "len(content) < 0:", HEALING),
    Mutation("rules/measurement.py", "[sum(usage.read_tokens for usage in usages)]", "[len(usages)]", AGREEMENT),
    Mutation("warm/ledger.py", "self.spent += spent", "self.spent = spent", CAPS),
    Mutation("adapters/anthropic_exchange.py", 'getattr(answer, "input_tokens", None)', "answer.input_tokens", CONDUCT),
    Mutation("adapters/anthropic_exchange.py", 'frozenset({"httpx", "httpx2"})', "frozenset()", CONDUCT),
    Mutation("adapters/anthropic_messages.py", "except (ValueError, RecursionError):", "except ValueError:", CONDUCT),
    Mutation("values/usage.py", "0 <= value <= MAX_COUNT", "0 <= value", PROOF),
)


def caught(mutation: Mutation) -> tuple[Mutation, str]:
    """Run seeds on a mutated copy; says which one found it, or which others found it by something else."""
    others: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "build"))
            else:
                shutil.copy(source, copy / name)
        path = copy / PACKAGE / mutation.file
        text = path.read_text(encoding="utf-8")
        if text.count(mutation.old) != 1:
            return mutation, f"{mutation.old!r} stands {text.count(mutation.old)} times in {mutation.file}"
        path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        for seed in SEEDS:
            command = [sys.executable, "-m", "tests.campaign", "--seed", str(seed), "--ticks", str(TICKS)]
            done = subprocess.run(  # noqa: S603 - our own program
                command, cwd=copy, env={"PYTHONPATH": "handler:."}, capture_output=True, text=True, check=False
            )
            if f": {mutation.invariant}: " in done.stderr:
                return mutation, f"seed {seed}"
            others += [f"seed {seed}: {one}" for one in INVARIANTS if f": {one}: " in done.stderr]
    return mutation, f"nobody; {', '.join(others)}" if others else "nobody"


def main() -> int:
    """Run them all; 1 where one survives."""
    chosen = [one for one in MUTATIONS if len(sys.argv) == 1 or str(MUTATIONS.index(one)) in sys.argv[1:]]
    with ThreadPoolExecutor(2) as pool:
        found, rows = [], []
        for mutation, words in pool.map(caught, chosen):
            row = (
                mutation.invariant,
                *(f"`{one}`" for one in (mutation.file, mutation.old, mutation.new)),
                words,
            )
            rows.append(f"| {' | '.join(row)} |")
            found.append(words)
            sys.stdout.write(f"{rows[-1]}\n")
            sys.stdout.flush()
            write_mutations(RESULTS, rows)  # after each, so that a run that is broken off leaves what it found
    return int(not all(words.startswith("seed") for words in found))


if __name__ == "__main__":
    sys.exit(main())
