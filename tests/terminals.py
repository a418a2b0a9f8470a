"""The command line on a real terminal: standard error is one, standard output is a pipe."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import prompt_cache_warmer

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROGRAM = (sys.executable, "-c", "from prompt_cache_warmer.cli import main; main()")
_HOME = Path(prompt_cache_warmer.__file__).parents[1]  # the package that is tested, wherever one is installed
_CHUNK_BYTES = 65_536


def typed(*arguments: str, folder: Path, environment: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Type a command; returns its exit code, what it printed, and what stood on the terminal."""
    terminal, its_end = pty.openpty()
    screen: list[bytes] = []
    reader = Thread(target=_read, args=(terminal, screen))
    reader.start()
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [*_PROGRAM, *arguments],
            cwd=folder,
            env={"PYTHONPATH": str(_HOME), "HOME": str(folder), "TERM": "xterm", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=its_end,
            check=False,
        )
    finally:
        os.close(its_end)
        reader.join()
        os.close(terminal)
    return done.returncode, done.stdout.decode(), b"".join(screen).decode()


def _read(terminal: int, screen: list[bytes]) -> None:
    """Read until the other end is closed."""
    while True:
        try:
            chunk = os.read(terminal, _CHUNK_BYTES)
        except OSError:  # what Linux says of a terminal that nobody has open any more
            return
        if not chunk:
            return
        screen.append(chunk)
