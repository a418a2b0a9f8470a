"""The words that tests plant where prompts and keys stand. No output of any test may hold one of them.

``tests/canary_watch.py`` searches every test's output for them, and fails the test that lets one out.
"""

from __future__ import annotations

from infra.local.cloud import API_KEY

CANARY = "xanthophyll"
"""What a test plants where a prompt or a key stands."""

CAMPAIGN_PROMPT, CAMPAIGN_KEY, CAMPAIGN_BODY = "plumbago", "kalanchoe", "canary-of-a-body-4b1d"
"""What the campaign plants, and searches by itself: in prompts, in keys, in bodies of answers."""

CANARIES = (CANARY, CAMPAIGN_PROMPT, CAMPAIGN_KEY, CAMPAIGN_BODY, API_KEY)
"""Every one of them; the last is the key of the local cloud, which most end-to-end tests call with."""
