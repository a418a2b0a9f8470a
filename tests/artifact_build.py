"""``sam build`` as a user types it, and its result for every test of a run."""

from __future__ import annotations

import fcntl
import os
import subprocess
from typing import TYPE_CHECKING

from infra.local.lambda_emulator import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SAM = ROOT / ".tools/sam/bin/sam"


def sam_build(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run what the user types; where to is all that differs."""
    return subprocess.run(  # noqa: S603 - our own command
        [str(SAM), "build", "--build-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, **environment},  # noqa: TID251 - pip's own settings
        capture_output=True,
        text=True,
        check=False,
    )


def built_once(folder: Path) -> Path:
    """Build into a folder that several processes share; the first builds, the others wait for it.

    Returns:
        The function's own folder.
    """
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "build/template.yaml").exists():  # what SAM writes last
            done = sam_build(folder / "build")
            assert done.returncode == 0, done.stderr
    return folder / "build/WarmerFunction"
