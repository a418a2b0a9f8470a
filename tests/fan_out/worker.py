"""``python -m tests.fan_out.worker``: one worker process. It invokes the handler as Lambda's runtime does.

Each line of its input is an event, each line of its output an answer. It dies as a sandbox does: by a signal.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time

MILLISECONDS = 1000


class Context:
    """The part of Lambda's context object that the handler reads."""

    def __init__(self, timeout_seconds: float) -> None:
        self._deadline = time.monotonic() + timeout_seconds

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left."""
        return max(0, int((self._deadline - time.monotonic()) * MILLISECONDS))


def main() -> None:
    """Answer events until there are none any more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the handler prints is no answer
    app = importlib.import_module("app")
    importlib.import_module("prompt_cache_warmer.adapters.anthropic_messages")
    answers.write("{}\n")  # ready: a cold start is not what is looked at
    for line in sys.stdin:
        try:
            answer = app.lambda_handler(json.loads(line), Context(float(sys.argv[1])))
        except Exception as error:  # noqa: BLE001 - as the runtime does
            answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
