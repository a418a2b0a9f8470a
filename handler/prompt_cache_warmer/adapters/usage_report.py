"""The Usage API over the official SDK: what the provider says it billed, by model and workspace.

``GET /v1/organizations/usage_report/messages`` with an admin key, in API version 2023-06-01 whatever the SDK's own
is. Two shapes of an answer are read: time buckets with ``results``, as this endpoint is documented, and rows with
``group`` and ``usage``, as the SDK's newer reports by dimension are typed. A row of any other shape is an error
and never counted as nothing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import anthropic

from prompt_cache_warmer.adapters.anthropic_messages import DEFAULT_BASE_URL
from prompt_cache_warmer.adapters.talkative import hush
from prompt_cache_warmer.rules.effect_figures import add_usage
from prompt_cache_warmer.rules.effect_sources import ReportedUsage, SourceError
from prompt_cache_warmer.rules.effect_window import PAGE_BUCKETS
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.rules.effect_window import BucketWidth, Window

PATH = "/v1/organizations/usage_report/messages"
API_VERSION = "2023-06-01"

TIMEOUT_SECONDS = 30.0  # a page has a few hundred rows
POLL_SECONDS = 60.0  # documented: ask at most once a minute
MAX_WAIT_SECONDS = 120.0  # whoever is told to wait longer had better come back later
ATTEMPTS = 3
MAX_PAGES = 20  # 455 days in pages of 31 are 15; more is an answer that does not end

_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY_REQUESTS = 401, 403, 404, 429
_TOKENS = ("uncached_input_tokens", "cache_read_input_tokens", "cache_creation")


class AnthropicUsageReports:
    """Reads the Usage API, at most once a minute.

    Args:
        admin_key: an admin key of the organization; it is sent there and nowhere written.
        clock: waits between two requests.
        base_url: the API's address.
    """

    def __init__(self, admin_key: str, *, clock: Clock, base_url: str = DEFAULT_BASE_URL) -> None:
        self._admin_key = admin_key
        self._clock = clock
        self._base_url = base_url
        self._asked_at_seconds: float | None = None
        hush()

    async def read(self, window: Window, width: BucketWidth) -> tuple[ReportedUsage, ...]:
        """Return the tokens of a window in buckets of a width, by model and workspace.

        Raises:
            SourceError: when the API refuses, does not answer, or answers what is not known here.
        """
        asked: dict[str, Any] = {
            "starting_at": _time(window.start.isoformat()),
            "ending_at": _time(window.end.isoformat()),
            "bucket_width": width,
            "group_by": ["model", "workspace_id"],
            "limit": PAGE_BUCKETS[width],
        }
        found: dict[tuple[str | None, str | None], Usage] = defaultdict(Usage)
        async with anthropic.AsyncAnthropic(
            api_key=self._admin_key, base_url=self._base_url, max_retries=0, timeout=TIMEOUT_SECONDS
        ) as client:
            for _ in range(MAX_PAGES):
                page = await self._page(client, asked)
                for row in rows_of(page):
                    found[row.model, row.workspace_id] = add_usage(found[row.model, row.workspace_id], row.usage)
                if not page.get("has_more"):
                    return tuple(ReportedUsage(*key, usage) for key, usage in found.items())
                asked = {**asked, "page": _text(page, "next_page")}
        raise SourceError(f"the Usage API has more than {MAX_PAGES} pages: ask for a shorter time")

    async def _page(self, client: anthropic.AsyncAnthropic, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask for one page, as often as the API says that it was asked too soon."""
        attempts_left = ATTEMPTS
        while True:
            attempts_left -= 1
            await self._wait()
            try:
                answer = await client.get(PATH, cast_to=object, options={"params": asked, "headers": self._headers()})
            except anthropic.APIStatusError as error:
                seconds = _retry_after_seconds(error)
                if error.status_code != _TOO_MANY_REQUESTS or seconds > MAX_WAIT_SECONDS or not attempts_left:
                    raise SourceError(_sentence(error)) from None
                await self._clock.sleep(seconds)
            except anthropic.APIError as error:
                cause = type(error.__cause__ or error).__name__
                raise SourceError(f"the Usage API does not answer: {cause}; check the network path") from None
            else:
                if not isinstance(answer, dict):
                    raise _unknown("the answer is no JSON object")
                return answer

    def _headers(self) -> Mapping[str, str | anthropic.Omit]:
        """Return what this endpoint is documented with; the SDK by itself sends a bearer token and its own version."""
        return {
            "X-Api-Key": self._admin_key,
            "Authorization": anthropic.Omit(),
            "anthropic-version": API_VERSION,
        }

    async def _wait(self) -> None:
        """Wait until a minute has passed since the last request."""
        now_seconds = self._clock.monotonic_seconds()
        if self._asked_at_seconds is not None:
            await self._clock.sleep(max(0.0, self._asked_at_seconds + POLL_SECONDS - now_seconds))
        self._asked_at_seconds = self._clock.monotonic_seconds()


def rows_of(page: Mapping[str, Any]) -> Iterator[ReportedUsage]:
    """Read the rows of a page, in either shape.

    Raises:
        SourceError: for any other.
    """
    for item in _list(page, "data"):
        if isinstance(item, dict) and "results" in item:
            for result in _list(item, "results"):
                yield _row(result, result)
        elif isinstance(item, dict) and isinstance(item.get("group"), dict):
            yield _row(item["group"], item.get("usage"))
        else:
            raise _unknown("an entry of data has neither results nor group")


def _row(names: Any, tokens: Any) -> ReportedUsage:  # noqa: ANN401 - any JSON value
    if not isinstance(tokens, dict) or any(tokens.get(field) is None for field in _TOKENS):
        raise _unknown(f"a row lacks one of {', '.join(_TOKENS)}")
    counts = {**tokens, "input_tokens": tokens["uncached_input_tokens"]}
    try:
        usage = Usage.from_api(counts, unsplit_ttl="5m")
    except ValueError as error:
        raise _unknown(str(error)) from None
    return ReportedUsage(_name(names, "model"), _name(names, "workspace_id"), usage)


def _name(names: Mapping[str, Any], field: str) -> str | None:
    name = names.get(field)
    return name if isinstance(name, str) else None


def _list(holder: Mapping[str, Any], field: str) -> list[Any]:
    found = holder.get(field)
    if not isinstance(found, list):
        raise _unknown(f"{field} is no list")
    return found


def _text(page: Mapping[str, Any], field: str) -> str:
    found = page.get(field)
    if not isinstance(found, str):
        raise _unknown(f"has_more without a {field}")
    return found


def _time(written: str) -> str:
    return written.replace("+00:00", "Z")


def _unknown(what: str) -> SourceError:
    return SourceError(f"the Usage API answered in a shape this version does not know: {what}")


def _retry_after_seconds(error: anthropic.APIStatusError) -> float:
    try:
        return max(0.0, float(error.response.headers.get("retry-after", "")))
    except ValueError:
        return POLL_SECONDS


def _sentence(error: anthropic.APIStatusError) -> str:
    """Say what to do, without the API's own words: they may quote the key."""
    status = error.status_code
    advice = {
        _UNAUTHORIZED: "check the admin key: one that begins with sk-ant-admin, of the organization that pays",
        _FORBIDDEN: "check the admin key: it may not read usage reports",
        _NOT_FOUND: "check ANTHROPIC_BASE_URL: Bedrock and Claude Platform on AWS have no Usage API",
        _TOO_MANY_REQUESTS: "it may be asked once a minute by all together; try again later",
    }.get(status, "try again later")
    return f"the Usage API answered {status}: {advice}"
