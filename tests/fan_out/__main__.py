"""``python -m tests.fan_out``: the whole proof with the built artifact, and a second one in which a cap binds."""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.generated_tables import table
from infra.local.lambda_emulator import ROOT
from tests.fan_out.proof import EMULATED_RUN_SECONDS, PREFILL_SECONDS, WORKERS, prove
from tests.fan_out.source import DUPLICATED, KILLED

if TYPE_CHECKING:
    from tests.fan_out.proof import Proof

ARTIFACT = ROOT / "build/artifact/WorkerFunction"
PAGE = ROOT / "tests/bench/fan_out.md"
ENTRIES, CAP_USD = 10_000, "400"
CAPPED_ENTRIES, CAPPED_USD = 500, "2.50"  # some four hundred writes' worth
SEED = 1

ROWS = (
    ("entries", "entries"),
    ("messages", "messages"),
    ("deliveries that were duplicates", "duplicated"),
    ("workers killed mid-call", "killed"),
    ("claims they left behind", "interrupted"),
    ("messages that went back", "returned"),
    ("calls the API received", "calls"),
    ("entries called a second time", "repeated"),
    ("entries never called", "uncalled"),
    ("USD by the API's answers", "spent_usd"),
    ("USD spent or reserved by the table", "counted_usd"),
    ("cap in USD", "cap_usd"),
)


def main() -> int:
    """Prove it, write the page, and return 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.fan_out", description=__doc__)
    parser.add_argument("--artifact", type=Path, default=ARTIFACT, help="the built folder")
    parser.add_argument("--entries", type=int, default=ENTRIES, help="how many; fewer write no page")
    parser.add_argument("--seed", type=int, default=SEED, help="says what goes wrong")
    arguments = parser.parse_args()
    proofs, seconds = [], []
    capped = min(CAPPED_ENTRIES, arguments.entries)
    for entries, cap_usd in ((arguments.entries, CAP_USD), (capped, CAPPED_USD)):
        started = time.monotonic()
        proofs.append(prove(entries, seed=arguments.seed, cap_usd=cap_usd, artifact=arguments.artifact))
        seconds.append(time.monotonic() - started)
        for violation in proofs[-1].violations:
            sys.stderr.write(f"{violation}\n")
    page = _page(proofs, seconds, seed=arguments.seed)
    if arguments.entries == ENTRIES:
        PAGE.write_text(page, encoding="utf-8")
    sys.stdout.write(page)
    return int(any(proof.violations for proof in proofs))


def _page(proofs: list[Proof], seconds: list[float], *, seed: int) -> str:
    rows = [(words, *(_figure(getattr(proof, name)) for proof in proofs)) for words, name in ROWS]
    rows.append(("what does not hold", *("; ".join(proof.violations) or "nothing" for proof in proofs)))
    return f"""# Fan-out over SQS

Written by `make fan-out`, seed {seed}, in {sum(seconds) / 60:.0f} minutes on {platform.machine()} with Python \
{platform.python_version()}. One tick of the real handler sends every entry to moto's SQS. {WORKERS} workers at once are
processes of the built artifact under Lambda's runtime emulator; a poller plays Lambda's event source mapping. Of the
messages {DUPLICATED:.0%} are delivered twice, and of {KILLED:.0%} the worker gets SIGKILL while the API holds an answer
back. A run has {EMULATED_RUN_SECONDS} s, a message is hidden for a little longer, and an answer takes \
{PREFILL_SECONDS * 1000:.0f} ms.

{table(("", "all of it", "under a cap that binds"), rows)}
Judged by the API's own ledger and the state table: an entry is called once, and once more for each claim that a killed
worker left behind, after that claim has ended and not before; every call whose worker lived is remembered; the table
counts at least what the API billed, and never more than the cap; what was never called, or not again after its worker
died, a worker said that a cap held.
"""


def _figure(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
