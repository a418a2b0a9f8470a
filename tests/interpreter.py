"""Scripts in an interpreter of their own, for forks, exits and imports; coverage follows none of them."""

from __future__ import annotations

import os
import subprocess
import sys

TIMEOUT_SECONDS = 60


def printed(script: str) -> str:
    """Run a script and return everything it printed, errors included."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # noqa: TID251 - a child needs the whole of it
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return done.stdout
