"""Commands to type, as the last words of a command's help."""

from __future__ import annotations

_AS_IT_IS = "\b"  # click's sign for lines that it is not to fill


def examples(*lines: str) -> str:
    """Write commands to type as an epilog, a line each.

    Args:
        lines: the commands, without a prompt; a test reads each of them as the command line would.
    """
    head = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join((_AS_IT_IS, head, *(f"  {line}" for line in lines)))
