"""Ask whether a locked dependency has a known vulnerability: pip-audit over the locked files it is given.

It runs in pip-audit's own environment and imports nothing else. Where nobody answers it says so in one line and
succeeds, so that a build without a network is a build; whatever is found fails. It asks about one package first:
an index without advisories answers for none of them, and then nobody is asked hundreds of times in vain.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_SECONDS = 15  # of one request
WHOLE_SECONDS = 180  # of everything: CI has a quarter of an hour for all it does
NOBODY = "audit: the advisory service does not answer; nothing was audited"

_PIP_AUDIT = (sys.executable, "-m", "pip_audit")
_OPTIONS = ("--disable-pip", "--no-deps", "--format=json", "--progress-spinner=off", f"--timeout={TIMEOUT_SECONDS}")
_LOCKED = re.compile(r"^[A-Za-z0-9._-]+==[^\s;\\]+", re.MULTILINE)


def audit(files: Sequence[Path], *, command: Sequence[str] = _PIP_AUDIT) -> int:
    """Audit what files lock, and print what is known.

    Args:
        files: requirement files in which every version is pinned.
        command: what audits.

    Returns:
        1 when a vulnerability is known, else 0, also when nobody could be asked.
    """
    locked = sorted({found for file in files for found in _LOCKED.findall(file.read_text(encoding="utf-8"))})
    if not _answered(locked[:1], command):
        print(NOBODY)
        return 0
    answered = _answered(locked, command)
    found = [
        f"{each['name']} {each['version']}: {known['id']}, fixed in {', '.join(known['fix_versions']) or 'no version'}"
        for each in answered
        for known in each["vulns"]
    ]
    print("\n".join(["audit: known vulnerabilities", *found] if found else []), end="\n" if found else "")
    print(f"audit: {len(answered)} of {len(locked)} locked versions were asked about, {len(found)} vulnerabilities")
    return 1 if found else 0


def _answered(locked: Sequence[str], command: Sequence[str]) -> list[dict[str, Any]]:
    """Return the dependencies that something is known about, be it that there is nothing against them."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text("\n".join(locked) + "\n", encoding="utf-8")
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter, or what a test passes
                [*command, *_OPTIONS, "--requirement", str(file)],
                capture_output=True,
                text=True,
                check=False,
                timeout=WHOLE_SECONDS,
            )
            told = json.loads(done.stdout)["dependencies"]
        except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
            return []  # no answer, or none of an advisory service: pip-audit then prints no JSON
    return [each for each in told if "skip_reason" not in each]


if __name__ == "__main__":
    sys.exit(audit([Path(name) for name in sys.argv[1:]]))
