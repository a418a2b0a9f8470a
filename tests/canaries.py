"""The one word that tests plant where prompts and keys stand. No output of any test may hold it.

``tests/canary_watch.py`` searches every test's output for it, and fails the test that lets it out.
"""

from __future__ import annotations

CANARY = "xanthophyll"
KEY = f"sk-ant-{CANARY}"
