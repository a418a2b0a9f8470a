"""A tick on which nothing is due never loads the SDK, whatever it lists, reads and remembers."""

from __future__ import annotations

import json
import logging
from typing import Any

from infra.local.cloud import LocalCloud
from tests.interpreter import printed

SCRIPT = """
import gc, json, logging, os, sys
os.environ |= json.loads({environment!r})
import app
class Context:
    def get_remaining_time_in_millis(self): return 110_000
report = app.lambda_handler({{}}, Context())
found = [entry.get("verdict") or entry["code"] for entry in report["entries"]]
print(found, "anthropic" in sys.modules)
print(gc.isenabled(), logging.getLogger("botocore").level)
"""


def tick(cloud: LocalCloud) -> str:
    """Run a tick in an interpreter of its own; say what it found, and whether the SDK was loaded.

    Whatever it loaded, the collector runs afterwards, and boto3 writes no requests into the log.
    """
    *_, found, after = printed(SCRIPT.format(environment=json.dumps(cloud.environment()))).splitlines()
    assert after == f"True {logging.WARNING}"
    return found


def target(name: str, **fields: object) -> dict[str, Any]:
    """Return a document that lives for an hour once it was called."""
    text = f"You are {name}, and you answer. " * 1_000
    block = {"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    return {"name": name, "models": ["claude-sonnet-4-6"], "keep": "always", "request": {"system": [block]}, **fields}


def test_only_a_due_call_loads_the_sdk() -> None:
    """Not a disabled target, not one that lives on, only the tick that calls."""
    with LocalCloud(state=True) as cloud:
        cloud.put("targets/resting.json", target("resting", enabled=False))
        assert tick(cloud) == "['disabled'] False"
        cloud.put("targets/agent.json", target("agent"))
        assert tick(cloud) == "['written', 'disabled'] True"
        assert tick(cloud) == "['outlives-tick', 'disabled'] False"
        assert len(cloud.api.requests) == 1
