"""The Usage API of the emulator: admin keys, pages, both shapes, its delay and its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from tests.infra.messages_api.messages_api_bodies import KEY, MODEL, create, warm_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    import anthropic

ADMIN_KEY = "sk-ant-admin-local"
PATH = "/v1/organizations/usage_report/messages"
START = "2026-01-01T00:00:00Z"


@pytest.fixture
def api() -> Iterator[LocalMessagesApi]:
    """Run an emulator on a frozen clock that begins in 2026 and has an admin key."""
    clock = EmulatorClock(frozen=True)
    with LocalMessagesApi(clock=clock, admin_keys=frozenset({ADMIN_KEY})) as running:
        yield running


def ask(api: LocalMessagesApi, *keys: str, **query: Any) -> httpx2.Response:
    """Ask for a report, with an admin key unless another key is given."""
    headers = {"x-api-key": keys[0] if keys else ADMIN_KEY, "anthropic-version": "2023-06-01"}
    asked = {"starting_at": START, "group_by[]": ["model", "workspace_id"], **query}
    return httpx2.get(api.base_url + PATH, params=asked, headers=headers, timeout=30.0)


def test_it_reports_what_was_answered_in_buckets(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """A write, then a read an hour later: each in its hour, with the ledger's own tokens and the key's workspace."""
    written = create(client, warm_body()).usage.cache_creation_input_tokens
    api.clock.advance(200)
    create(client, warm_body())
    api.clock.advance(3_600)
    workspace = ask(api, bucket_width="1h", limit=3).json()["data"][0]["results"][0].pop("workspace_id")
    assert workspace.startswith("wrkspc_")
    api.clock.advance(60)
    answer = ask(api, bucket_width="1h", limit=3, ending_at="2026-01-01T02:00:00Z").json()
    first, second = answer["data"]
    assert (first["starting_at"], first["ending_at"]) == (START, "2026-01-01T01:00:00Z")
    assert first["results"] == [
        {
            "model": MODEL,
            "workspace_id": workspace,
            "uncached_input_tokens": 2 * api.requests[0].usage.input_tokens if api.requests[0].usage else 0,
            "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
            "cache_read_input_tokens": written,
            "output_tokens": 0,
        }
    ]
    assert second["results"] == []
    assert (answer["has_more"], answer["next_page"]) == (False, None)


def test_the_other_shape_holds_the_same(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """Rows with the groups that were asked for, and their usage; a bucket without any has no row."""
    create(client, warm_body())
    api.clock.advance(3_600)
    api.reports_rows = True
    answer = ask(api, bucket_width="1h", **{"group_by[]": ["model"]}).json()
    (row,) = answer["data"]
    assert (row["starting_at"], row["ending_at"]) == (START, "2026-01-01T01:00:00Z")
    assert row["group"] == {"model": MODEL}
    assert row["usage"]["cache_creation"]["ephemeral_5m_input_tokens"] > 0


def test_what_is_younger_than_five_minutes_is_not_known_yet(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """It appears with the fifth minute."""
    create(client, warm_body())
    api.clock.advance(299)
    assert ask(api, bucket_width="1d").json()["data"][0]["results"] == []
    api.clock.advance(61)
    assert len(ask(api, bucket_width="1d").json()["data"][0]["results"]) == 1


@pytest.mark.parametrize(("end", "pages"), [("05", [[1, 0], [0, 1], [0]]), ("04", [[1, 0], [0, 1]])])
def test_it_answers_in_pages(
    api: LocalMessagesApi, client: anthropic.Anthropic, end: str, pages: list[list[int]]
) -> None:
    """The next page is named until there is none, and none is empty."""
    create(client, warm_body())
    api.clock.advance(3 * 3_600)
    create(client, warm_body())
    api.clock.advance(600)
    counts: list[list[int]] = []
    query: dict[str, Any] = {"bucket_width": "1h", "limit": 2, "ending_at": f"2026-01-01T{end}:00:00Z"}
    while True:
        page = ask(api, **query).json()
        counts.append([len(bucket["results"]) for bucket in page["data"]])
        if not page["has_more"]:
            break
        query = {**query, "page": page["next_page"]}
        api.clock.advance(60)
    assert counts == pages


def test_it_may_be_asked_once_a_minute(api: LocalMessagesApi) -> None:
    """The second request of a minute is 429, and is told how long to wait."""
    assert ask(api).status_code == 200
    api.clock.advance(18)
    refused = ask(api)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "42")
    assert refused.json()["error"]["type"] == "rate_limit_error"
    api.clock.advance(42)
    assert ask(api).status_code == 200


def test_it_needs_an_admin_key(api: LocalMessagesApi) -> None:
    """A key that may send messages may not read reports, and asking with it costs no minute."""
    refused = ask(api, KEY)
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "authentication_error")
    assert ask(api).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        {"bucket_width": "2h"},
        {"bucket_width": "1h", "limit": 169},
        {"bucket_width": "1m", "limit": 1_441},
        {"limit": 32},
        {"limit": 0},
        {"group_by[]": ["mood"]},
        {"starting_at": "yesterday"},
    ],
    ids=["width", "hours", "minutes", "days", "none", "group", "time"],
)
def test_what_is_not_allowed_is_refused(api: LocalMessagesApi, query: dict[str, Any]) -> None:
    """400, as the documented limits of each width say."""
    assert ask(api, **query).status_code == 400


def test_the_version_header_is_required(api: LocalMessagesApi) -> None:
    """As everywhere in the API."""
    answer = httpx2.get(api.base_url + PATH, params={"starting_at": START}, headers={"x-api-key": ADMIN_KEY})
    assert answer.status_code == 400
