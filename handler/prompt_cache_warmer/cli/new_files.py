"""Files that commands write: whole or not at all, and none that exists is overwritten by accident."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prompt_cache_warmer.cli.request_files import UnusableError

if TYPE_CHECKING:
    from pathlib import Path


def write_file(path: Path, content: bytes, *, may_replace: bool = False) -> None:
    """Write a file: beside it first, and then into its name.

    Args:
        path: where it is to stand; its folder is there.
        content: its bytes.
        may_replace: whether one that exists is replaced.

    Raises:
        UnusableError: with one line, when it exists and is not to be replaced, or cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        if not may_replace:
            path.open("xb").close()
        beside.replace(path)
    except FileExistsError as error:
        raise UnusableError(f"{path} exists and is not overwritten") from error
    except OSError as error:
        raise UnusableError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)
