"""The fan-out on SQS with worker processes that die: a short version of ``make fan-out``."""

from __future__ import annotations

import sys

import pytest

from tests.fan_out.proof import prove

ENTRIES = 160
CAP_USD = "20"


@pytest.mark.timeout(300)  # some 25 s on free cores
@pytest.mark.skipif(sys.platform == "win32", reason="workers are killed by a signal")
def test_nothing_is_lost_or_called_twice_when_messages_come_twice_and_workers_die() -> None:
    """By the ledger of the API and the table: each is called, again only after a dead claim, and under the cap."""
    found = prove(ENTRIES, seed=7, cap_usd=CAP_USD)
    assert found.violations == ()
    assert (found.messages, found.duplicated, found.killed, found.uncalled) == (5, 2, 1, 0)
    assert found.interrupted >= 1
    assert ENTRIES <= found.calls <= ENTRIES + found.interrupted
