"""An observer without the optional libraries, and one that is forked or closed."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from prompt_cache_warmer import CacheObserver
from prompt_cache_warmer.errors import ArgumentValueError
from prompt_cache_warmer.library.observing import observer as module
from tests.fakes import document
from tests.observer_cases import REQUEST, Watch
from tests.observer_parts import Offline

S3 = "s3://bucket/targets/"
NEEDS_AWS = "prompt_cache_warmer.wiring.observing"


@pytest.mark.parametrize(
    ("without", "options", "argument"),
    [
        (NEEDS_AWS, {"targets": S3, "state_table": "table"}, "targets"),
        (NEEDS_AWS, {"state_table": "table"}, "state_table"),
        (NEEDS_AWS, {"metrics": "cloudwatch"}, "metrics"),
        ("prompt_cache_warmer.adapters.emf", {"metrics": "emf"}, "metrics"),
        ("prompt_cache_warmer.adapters.file_targets", {"targets": "a.yaml"}, "targets"),
    ],
    ids=["s3", "state", "cloudwatch", "emf", "files"],
)
def test_what_needs_a_library_says_which_argument_does(
    without: str, options: dict[str, Any], argument: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And how to install it; mappings with a callback need none."""
    monkeypatch.setitem(sys.modules, without, None)
    with pytest.raises(ArgumentValueError) as caught:
        CacheObserver(**{"targets": document(), **options})
    assert str(caught.value).startswith(f"{argument}: ")
    assert str(caught.value).endswith("; install it from a clone of prompt-cache-warmer: pip install '.[aws]'")
    CacheObserver(targets=document(), on_request=print)


def test_a_forked_child_begins_anew_in_every_part() -> None:
    """Counts, what waits, metrics and captures; what it then sees is its own."""
    plain = Watch()
    full = CacheObserver(targets=S3, metrics="cloudwatch", capture="new", target="new", session=Offline())
    plain.client.messages.create(**REQUEST)
    assert plain.counted == {"requests": 1, "hits": 1}
    module._begin_all_anew()
    assert plain.counted == {}
    plain.client.messages.create(**REQUEST)
    assert plain.counted == {"requests": 1, "hits": 1}
    assert full.close()


def test_at_the_exit_what_was_dropped_is_recorded() -> None:
    """By every observer there is."""
    watch = Watch()
    stream = watch.client.messages.create(**REQUEST, stream=True)
    next(stream)
    del stream
    assert watch.told == []
    module._record_all()
    assert len(watch.told) == 1


def test_a_closed_observer_goes_on_with_the_next_request() -> None:
    """Closing sends what is waiting and ends the thread, no more."""
    watch = Watch()
    assert watch.observer.close()
    watch.client.messages.create(**REQUEST)
    assert watch.counted == {"requests": 1, "hits": 1}
