"""What is true of every test: nothing lets a planted word out, and the handler asks AWS for what it may do only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings

from tests import call_watch, canary_watch, one_loader, tracing

if TYPE_CHECKING:
    import pytest

# A loaded machine is not a defect. The command line may name another profile, which is loaded after this one.
settings.register_profile("without-deadline", deadline=None)
settings.load_profile("without-deadline")


def pytest_configure(config: pytest.Config) -> None:
    """Listen, and trace no more than is needed."""
    canary_watch.watch(config)
    call_watch.watch(config)
    tracing.keep_short(config)
    one_loader.share()
