"""The proof of the fan-out: many entries, worker processes that are killed, messages that come twice, one ledger."""
