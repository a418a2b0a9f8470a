"""Real clients of the SDK for the library's tests over HTTP; apart, because loading the SDK takes its time."""

from __future__ import annotations

import anthropic


def client(base_url: str) -> anthropic.Anthropic:
    """Return a real client for the local Messages API."""
    return anthropic.Anthropic(api_key="sk-ant-local", base_url=base_url)


def async_client(base_url: str) -> anthropic.AsyncAnthropic:
    """Return a real asynchronous client for the local Messages API."""
    return anthropic.AsyncAnthropic(api_key="sk-ant-local", base_url=base_url)
