"""The page on security: its tables are the template's policies, and every proof it names is a test there is."""

from __future__ import annotations

import ast
import json
import re

import pytest

from infra.local.generate_security import TEMPLATE, statements
from infra.local.lambda_emulator import ROOT
from infra.local.transform import read
from prompt_cache_warmer.adapters.documents import MAX_DEPTH, MAX_VALUES
from prompt_cache_warmer.values.limits import MAX_TARGET_BYTES
from prompt_cache_warmer.values.references import MAX_REFERENCES
from tests.docs.pages import page, rows

PAGE = page("security.md")
TEXT = TEMPLATE.read_text(encoding="utf-8")


def sids(logical_id: str) -> list[str]:
    """Return the ids of a resource's statements as they stand in the text of the template."""
    part = re.split(r"^  (?=[A-Z])", TEXT.partition(f"\n  {logical_id}:\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"- Sid: (\w+)", part)


@pytest.mark.parametrize(("part", "logical_id"), [("function", "WarmerRole"), ("application", "ApplicationPolicy")])
def test_every_statement_has_its_row(part: str, logical_id: str) -> None:
    """One for one, in order, each with what it allows, on what, and why."""
    found = rows(PAGE, part)
    assert [cells[0].strip("`") for cells in found] == sids(logical_id)
    assert len(found) >= 5
    assert all(action and resource and why for _, action, resource, _, why in found)


def test_rows_are_read_right() -> None:
    """By hand: a plain one, one with a condition of its own, one that is there only with a parameter."""
    function = {cells[0].strip("`"): cells[1:] for cells in rows(PAGE, "function")}
    assert function["ListTargets"] == [
        "`s3:ListBucket`",
        "`arn:aws:s3:::<Bucket>`",
        "StringLike `s3:prefix`: `<TargetsPrefix>*`, `<PromptsPrefix>*`",
        "To know which targets and prompts there are, and which changed since the last tick.",
    ]
    assert function["ReadUploads"][1:3] == ["`<UploadsQueue.Arn>`", "where `WarmOnUpload` is `ENABLED`"]
    assert function["DecryptWithYourKey"][2].startswith("where `DecryptKeyArn` is set; StringEquals `kms:ViaService`: ")
    resources = {cells[0].strip("`"): cells[1:] for cells in rows(PAGE, "resources")}
    assert resources["TlsOnly"][:2] == ["anybody", "`never s3:*`"]
    assert resources["TlsOnly"][3] == "where `ExistingBucketName` is empty; Bool `aws:SecureTransport`: `false`"
    assert resources["UploadsRule"][0] == "`events.amazonaws.com`"
    assert resources["UploadsRuleOnly"][:2] == ["anybody", "`never sqs:SendMessage`"]


def test_a_statement_without_a_reason_is_an_error() -> None:
    """So no permission can be added that nobody explained."""
    bare = re.sub(r"^ *# To remember entries and spending.*\n", "", TEXT, flags=re.MULTILINE)
    assert bare != TEXT
    with pytest.raises(LookupError, match=r"statement RememberState of WarmerRole .* has no comment that says why"):
        statements("WarmerRole", _read(bare), bare)


def test_a_new_statement_under_a_condition_appears_by_itself() -> None:
    """With its reason of two lines, its condition by its parameters, and what the deployment fills in."""
    more = """              # To do what is new:
              # for a test.
              - !If
                - AsksForUploadEvents
                - Sid: New
                  Effect: Allow
                  Action: sts:GetWebIdentityToken
                  Resource: !Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${MetricsNamespace}
                  Condition:
                    "ForAnyValue:StringEquals":
                      sts:IdentityTokenAudience: !Split [",", !Ref LogLevel]
                - !Ref AWS::NoValue
"""
    anchor = "              # To remember entries and spending"
    text = TEXT.replace(anchor, more + anchor, 1)
    assert text != TEXT
    found = {each.sid: each for each in statements("WarmerRole", _read(text), text)}["New"]
    assert found.reason == "To do what is new: for a test."
    assert found.only_if == "`WarmOnUpload` is `ENABLED` and `ExistingBucketName` is set"
    assert found.resources == ("arn:aws:iam::<AWS::AccountId>:role/<MetricsNamespace>",)
    assert found.conditions == "ForAnyValue:StringEquals `sts:IdentityTokenAudience`: `each of <LogLevel>`"


PROOFS = re.findall(r"^\| .+ \| `(tests/.+)` \|$", PAGE, re.MULTILINE)


def test_every_proof_is_a_test_there_is() -> None:
    """By its file and its name; the suite runs them all."""
    assert len(PROOFS) >= 10
    for proof in PROOFS:
        path, name = proof.split("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }


def test_the_limits_named_in_words_are_the_codes() -> None:
    """References, bytes, values and levels of one document."""
    flat = " ".join(PAGE.split())
    assert "at most 64 of them" in flat
    assert "8 MiB, 200,000 values and 64 levels" in flat
    assert (MAX_REFERENCES, MAX_TARGET_BYTES, MAX_VALUES, MAX_DEPTH) == (64, 8 * 1024 * 1024, 200_000, 64)


def test_the_policies_of_resources_are_all_in_their_table() -> None:
    """Those of the template and of the monitoring stack."""
    both = TEXT + (ROOT / "infra/monitoring.yaml").read_text(encoding="utf-8")
    policies = len(re.findall(r"^    Type: AWS::\w+::(?:Bucket|Queue|Topic)Policy$", both, re.MULTILINE))
    assert len(rows(PAGE, "resources")) >= policies >= 2


def test_the_keys_policy_lets_the_two_services_in_and_nobody_else() -> None:
    """EventBridge of this account and the log group of this stack: what no role of the account speaks for."""
    (block,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    events, logs = json.loads(block)
    assert events["Principal"] == {"Service": "events.amazonaws.com"}
    assert events["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert events["Condition"] == {"StringEquals": {"aws:SourceAccount": "ACCOUNT"}}
    assert logs["Principal"] == {"Service": "logs.REGION.amazonaws.com"}
    (group,) = logs["Condition"]["ArnEquals"].values()
    name = read(TEMPLATE)["Resources"]["WarmerLogGroup"]["Properties"]["LogGroupName"]["Fn::Sub"]
    assert group.endswith(":log-group:" + name.replace("${AWS::StackName}", "STACK"))


def test_every_row_of_who_can_cost_money_names_its_test() -> None:
    """A claim of what stops somebody is worth what proves it."""
    table = PAGE.partition("## Who can cost you money")[2].partition("\n\n")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(table) >= 10
    assert all(re.search(r"\| `tests/[\w/]+\.py::test_\w+` \|$", row) for row in table)


def _read(text: str) -> dict[str, object]:
    """Read a template that is a text."""
    from cfnlint.decode import decode_str  # type: ignore[import-untyped] # noqa: PLC0415 - published without types

    template, _ = decode_str(text)
    assert isinstance(template, dict)
    return template
