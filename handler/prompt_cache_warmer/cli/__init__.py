"""The command line: ``prompt-cache-warmer``. One small module per command.

Exit codes: 0 all is well, 1 something was found, 2 the command was called wrongly.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from prompt_cache_warmer.cli.commands import commands  # noqa: PLC0415 - so that a missing extra is explained
    except ModuleNotFoundError as error:
        needs = "the command line needs: pip install 'prompt-cache-warmer[cli]'"
        sys.exit(f"prompt-cache-warmer: {error.name} is not installed; {needs}")
    commands(prog_name="prompt-cache-warmer")
