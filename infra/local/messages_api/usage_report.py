"""The Usage API over what the emulator answered: `GET /v1/organizations/usage_report/messages`.

It counts every answered message of the emulator's log, by time bucket, model and workspace. Like the real one it
needs an admin key, is five minutes late, answers in pages, and may be asked once a minute (the emulator's clock).
Two shapes of an answer are documented for usage reports: time buckets that hold `results`, as this endpoint
answers in API version 2023-06-01, and rows that hold a `group` and a `usage`, as newer reports by dimension do.

What it does not know: whether the real limit is a window or a bucket, and how late it really is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from infra.local.messages_api.errors import ApiError, invalid_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from multidict import MultiMapping

    from infra.local.messages_api.behaviour import Behaviour
    from infra.local.messages_api.clock import EmulatorClock
    from infra.local.messages_api.records import ReceivedRequest
    from infra.local.messages_api.usage import Usage

USAGE_REPORT_PATH = "/v1/organizations/usage_report/messages"
DELAY_SECONDS = 300  # documented: data appears within five minutes
POLL_SECONDS = 60  # documented: once a minute

# bucket width: seconds, default and largest number of buckets a page
_WIDTHS = {"1m": (60, 60, 1_440), "1h": (3_600, 24, 168), "1d": (86_400, 7, 31)}
_GROUPS = ("model", "workspace_id")
_PAGE = "page_"


class UsageReport:
    """Answers the endpoint. Not safe to use from several threads: the server has one."""

    def __init__(self, *, clock: EmulatorClock, behaviour: Behaviour) -> None:
        self._clock = clock
        self._behaviour = behaviour
        self._free_at_seconds = -math.inf

    def answer(
        self,
        headers: Mapping[str, str],
        query: MultiMapping[str],
        log: Iterable[ReceivedRequest],
        workspace_of: Callable[[Mapping[str, str]], str],
    ) -> dict[str, Any]:
        """Report what was answered.

        Raises:
            ApiError: 400, 401 or 429.
        """
        if headers.get("x-api-key") not in self._behaviour.admin_keys:
            raise ApiError(status=HTTPStatus.UNAUTHORIZED, message="invalid x-api-key")
        self._admit()
        if not headers.get("anthropic-version"):
            raise invalid_request("anthropic-version: header is required")
        seconds, default, largest = _WIDTHS.get(query.get("bucket_width", "1d"), (0, 0, 0))
        limit = int(query.get("limit", default))
        groups = query.getall("group_by[]", [])
        if not seconds or not 1 <= limit <= largest or not set(groups) <= set(_GROUPS) or "starting_at" not in query:
            raise invalid_request("starting_at, bucket_width, limit or group_by is not allowed")
        now_seconds = self._clock.now_seconds()
        first = _seconds(query["starting_at"]) // seconds
        last = _seconds(query["ending_at"]) // seconds if "ending_at" in query else now_seconds // seconds + 1
        offset = int(query.get("page", f"{_PAGE}0").removeprefix(_PAGE))
        buckets = range(int(first) + offset, min(int(last), int(first) + offset + limit))
        counted = self._count(log, workspace_of, seconds, groups, now_seconds - DELAY_SECONDS)
        data = [entry for bucket in buckets for entry in self._entries(bucket, seconds, groups, counted[bucket])]
        has_more = offset + limit < int(last) - int(first)
        return {"data": data, "has_more": has_more, "next_page": f"{_PAGE}{offset + limit}" if has_more else None}

    def _admit(self) -> None:
        """Let one request a minute pass."""
        now_seconds = self._clock.now_seconds()
        if now_seconds < self._free_at_seconds:
            wait_seconds = max(1, math.ceil(self._free_at_seconds - now_seconds))
            raise ApiError(
                status=HTTPStatus.TOO_MANY_REQUESTS,
                message="Usage reports may be asked for once a minute.",
                headers={"retry-after": str(wait_seconds)},
            )
        self._free_at_seconds = now_seconds + POLL_SECONDS

    @staticmethod
    def _count(
        log: Iterable[ReceivedRequest],
        workspace_of: Callable[[Mapping[str, str]], str],
        seconds: int,
        groups: list[str],
        until_seconds: float,
    ) -> dict[int, dict[tuple[str | None, ...], list[Usage]]]:
        """Sort the answered messages into buckets and groups; what is too young is not known yet."""
        counted: dict[int, dict[tuple[str | None, ...], list[Usage]]] = defaultdict(lambda: defaultdict(list))
        for received in log:
            if received.usage is not None and received.started_at_seconds <= until_seconds:
                names = {"model": received.body["model"], "workspace_id": workspace_of(received.headers)}
                key = tuple(names[group] if group in groups else None for group in _GROUPS)
                counted[int(received.started_at_seconds // seconds)][key].append(received.usage)
        return counted

    def _entries(
        self, bucket: int, seconds: int, groups: list[str], counted: Mapping[tuple[str | None, ...], list[Usage]]
    ) -> list[dict[str, Any]]:
        """Write one bucket, in the shape that is in force."""
        span = {"starting_at": _time(bucket * seconds), "ending_at": _time((bucket + 1) * seconds)}
        rows = [(dict(zip(_GROUPS, key, strict=True)), _tokens(usages)) for key, usages in counted.items()]
        if self._behaviour.reports_rows:
            asked = [({name: names[name] for name in _GROUPS if name in groups}, tokens) for names, tokens in rows]
            return [{**span, "group": names, "usage": tokens} for names, tokens in asked]
        return [{**span, "results": [{**names, **tokens} for names, tokens in rows]}]


def _tokens(usages: list[Usage]) -> dict[str, Any]:
    return {
        "uncached_input_tokens": sum(usage.input_tokens for usage in usages),
        "cache_creation": {
            "ephemeral_5m_input_tokens": sum(usage.ephemeral_5m_input_tokens for usage in usages),
            "ephemeral_1h_input_tokens": sum(usage.ephemeral_1h_input_tokens for usage in usages),
        },
        "cache_read_input_tokens": sum(usage.cache_read_input_tokens for usage in usages),
        "output_tokens": sum(usage.output_tokens for usage in usages),
    }


def _seconds(written: str) -> float:
    try:
        return datetime.fromisoformat(written).timestamp()
    except ValueError:
        raise invalid_request("starting_at, ending_at: an RFC 3339 time is required") from None


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
