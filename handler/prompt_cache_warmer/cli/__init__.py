"""The command line: ``prompt-cache-warmer``. One small module per command.

Exit codes: 0 all is well, 1 it was asked and the answer is bad, 2 it was called wrongly or could not be asked or told.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import NoReturn

DEBUG_VARIABLE = "PROMPT_CACHE_WARMER_DEBUG"
_NOT_DONE = 2
_ABORTED = 1
_CLOSED_PIPE = 1  # click's own: who closed it wants to hear no more, and nothing is said

# What writing to standard output or standard error fails with; other errors of the system are no matter of theirs.
_OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EPIPE})


def main() -> None:
    """Run the command line."""
    try:
        from prompt_cache_warmer.cli.commands import commands  # noqa: PLC0415 - so that a missing extra is explained
    except ModuleNotFoundError as error:
        from prompt_cache_warmer.values.installation import from_a_clone  # noqa: PLC0415 - only where it is asked for

        needs = f"the command line needs, {from_a_clone('cli')}"
        _leave(f"prompt-cache-warmer: {error.name} is not installed; {needs}")
    except KeyboardInterrupt:  # as click does it from here on
        sys.exit(_ABORTED)
    try:
        try:
            commands(prog_name="prompt-cache-warmer")
        finally:
            _flush()
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OUTPUT_ERRORS and error.filename is None:
            if error.errno == errno.EPIPE:
                _discard()
                sys.exit(_CLOSED_PIPE)
            _leave(f"Error: the output cannot be written: {error.strerror}")
        if os.environ.get(DEBUG_VARIABLE):  # noqa: TID251 - before any command has read its options
            raise
        advice = f"please report it, with what {DEBUG_VARIABLE}=1 shows of it"
        _leave(f"Error: {type(error).__name__}: this is a defect of prompt-cache-warmer: {advice}")


def _leave(sentence: str) -> NoReturn:
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{sentence}\n")
    _discard()
    sys.exit(_NOT_DONE)


def _flush() -> None:
    if sys.stdout is not None:  # as it is where it was closed before the start
        sys.stdout.flush()


def _discard() -> None:
    """Throw away what cannot be written, or the interpreter complains of it once more when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
