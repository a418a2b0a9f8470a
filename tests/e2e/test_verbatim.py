"""From S3 to HTTP nothing is reordered: the bytes of the document's request are the bytes that are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.function import InProcessFunction

if TYPE_CHECKING:
    from infra.local.cloud import LocalCloud

TOOLS = (
    '[{"input_schema":{"type":"object","properties":{"zulu":{"type":"number","minimum":0.10},'
    '"alpha":{"enum":[3,1,2],"type":"integer"}}},"name":"z","description":"Größe “x” ÿ"}]'
)
SYSTEM = '[{"text":"You are a bot.","cache_control":{"ttl":"1h","type":"ephemeral"},"type":"text"}]'


def test_key_order_survives_from_s3_through_the_model_to_http(cloud: LocalCloud) -> None:
    """The API's cache key is sensitive to it, so a JSON document is sent as it was written."""
    cloud.put(
        "targets/a.json",
        '{"keep":"always","models":["claude-sonnet-4-6"],"name":"a",'
        f'"request":{{"tools":{TOOLS},"max_tokens":99,"system":{SYSTEM}}}}}',
    )
    InProcessFunction(cloud.environment()).invoke({})
    sent = cloud.api.requests[0].raw_body.decode()
    assert f'"tools":{TOOLS.replace("0.10", "0.1")}' in sent
    assert f'"system":{SYSTEM}' in sent


def test_a_yaml_document_sends_what_the_same_json_would(cloud: LocalCloud) -> None:
    """Both forms of one target make the same warm call, so they are called once."""
    cloud.put(
        "targets/a.yaml",
        f"name: a\nmodels: [claude-sonnet-4-6]\nkeep: always\nrequest:\n  tools: {TOOLS}\n  system: {SYSTEM}\n",
    )
    cloud.put(
        "targets/b.json",
        f'{{"name":"b","models":["claude-sonnet-4-6"],"keep":"always","request":{{"tools":{TOOLS},"system":{SYSTEM}}}}}',
    )
    answer = InProcessFunction(cloud.environment()).invoke({})
    assert len(cloud.api.requests) == 1
    assert [entry.get("shared_with") for entry in answer["entries"]] == [None, "a"]
