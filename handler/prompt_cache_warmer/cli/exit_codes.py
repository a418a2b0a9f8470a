"""What the exit codes mean, for every command and on the page of commands."""

from __future__ import annotations

EXIT_CODES = {
    0: "all is well",
    1: "it was read or asked, and the answer is bad: something is invalid, different, cold, not proven, broken or "
    "there already, or there is nothing to report",
    2: "it was called wrongly, or could not be asked or written at all: no region, no credentials, no network, a "
    "refusal",
}


def in_a_sentence() -> str:
    """Say them in the help of the program."""
    return f"Exit codes: {'; '.join(f'{code} {words}' for code, words in EXIT_CODES.items())}."
