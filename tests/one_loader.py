"""botocore's descriptions of the services, read once per process: each session of its own reads them anew."""

from __future__ import annotations

from functools import cache

import botocore.loaders
import botocore.session


def share() -> None:
    """Let all sessions of this process have one loader."""
    botocore.session.create_loader = cache(botocore.loaders.create_loader)
