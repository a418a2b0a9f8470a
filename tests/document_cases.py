"""Broken target documents and what is said of each: everything outside the request, and the two forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prompt_cache_warmer.values.problems import ProblemCode as Code
from tests.documents import PROSE, target_document, tool

if TYPE_CHECKING:
    from collections.abc import Mapping

ALL_FIELDS = (
    "$schema, name, models, keep, windows, cold_start_value_usd, max_usd_per_day, max_usd_per_call, "
    "max_tokens_per_day, max_tokens_per_call, request, system_prompt, tools, seed_messages, betas, credential, "
    "expected_requests, enabled"
)
A_NAME = "1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
A_MODEL = "a model id: 1 to 128 printable ASCII characters without blanks"
THE_RULES = "'always', 'while-used' or 'once'"
A_BETA = "1 to 128 of letters, digits, '.', '_' and '-'"


@dataclass(frozen=True)
class Case:
    """One document and the one problem it has.

    Attributes:
        document: the decoded document.
        code: the problem's code.
        path: the problem's exact JSON path.
        message: the whole message.
        texts: the objects it may refer to.
    """

    document: object
    code: Code
    path: str
    message: str
    texts: Mapping[str, str] = field(default_factory=dict)


DOCUMENTS: dict[str, Case] = {
    "a list": Case([], Code.NOT_AN_OBJECT, "$", "a target document must be an object, not a list of 0"),
    "prose": Case(
        "Be brief.", Code.NOT_AN_OBJECT, "$", "a target document must be an object, not a string of 9 characters"
    ),
    "nothing": Case(None, Code.NOT_AN_OBJECT, "$", "a target document must be an object, not null"),
    "misspelt field": Case(
        target_document(enabeld=True),
        Code.UNKNOWN_FIELD,
        "$.enabeld",
        f"unknown field 'enabeld'; did you mean 'enabled'?; allowed: {ALL_FIELDS}",
    ),
    "field nobody knows": Case(
        target_document(zzz=1), Code.UNKNOWN_FIELD, "$.zzz", f"unknown field 'zzz'; allowed: {ALL_FIELDS}"
    ),
    "prose as a field": Case(
        target_document(**{"You are kind": "and brief"}),
        Code.UNKNOWN_FIELD,
        "$[a name of 12 characters]",
        f"unknown field a name of 12 characters; allowed: {ALL_FIELDS}",
    ),
    "python's name of a field": Case(
        target_document(schema_uri="x"),
        Code.UNKNOWN_FIELD,
        "$.schema_uri",
        f"unknown field 'schema_uri'; did you mean '$schema'?; allowed: {ALL_FIELDS}",
    ),
    "no name": Case(target_document(name=None), Code.MISSING_FIELD, "$.name", "name is missing"),
    "no models": Case(target_document(models=None), Code.MISSING_FIELD, "$.models", "models is missing"),
    "models in the request": Case(
        target_document(models=None, request={"model": "claude-opus-5", "system": PROSE}),
        Code.MISSING_FIELD,
        "$.models",
        "models is missing; request.model says 'claude-opus-5': write \"models\": [...] with it",
    ),
    "no keep": Case(
        target_document(keep=None),
        Code.MISSING_FIELD,
        "$.keep",
        "keep is missing; say how long to keep the prefix warm, because that is what costs money: 'always' (around the "
        "clock, or inside its windows), 'while-used' (as long as its users come often enough to pay for it) or 'once' "
        "(on upload, on demand and when a window opens)",
    ),
    "misspelt keep": Case(
        target_document(keep="allways"),
        Code.NOT_ALLOWED,
        "$.keep",
        f"keep='allways' is not allowed; allowed: {THE_RULES}; did you mean 'always'?",
    ),
    "keep with a blank": Case(
        target_document(keep="while used"),
        Code.NOT_ALLOWED,
        "$.keep",
        f"keep='while used' is not allowed; allowed: {THE_RULES}; did you mean 'while-used'?",
    ),
    "keep nobody knows": Case(
        target_document(keep="never"),
        Code.NOT_ALLOWED,
        "$.keep",
        f"keep='never' is not allowed; allowed: {THE_RULES}",
    ),
    "keep is a flag": Case(
        target_document(keep=True), Code.NOT_ALLOWED, "$.keep", f"keep=true is not allowed; allowed: {THE_RULES}"
    ),
    "name with capitals": Case(
        target_document(name="Support Agent"),
        Code.NOT_ALLOWED,
        "$.name",
        f"name='Support Agent' is not allowed; allowed: {A_NAME}",
    ),
    "name too long": Case(
        target_document(name="a" * 65),
        Code.NOT_ALLOWED,
        "$.name",
        f"name=a string of 65 characters is not allowed; allowed: {A_NAME}",
    ),
    "name ends in a newline": Case(
        target_document(name="a\n"), Code.NOT_ALLOWED, "$.name", f"name='a\\n' is not allowed; allowed: {A_NAME}"
    ),
    "name is a number": Case(target_document(name=7), Code.WRONG_TYPE, "$.name", "name=7 must be text"),
    "empty models": Case(
        target_document(models=[]),
        Code.NOT_ALLOWED,
        "$.models",
        "models=a list of 0 is not allowed; allowed: at least 1",
    ),
    "17 models": Case(
        target_document(models=[f"m{number}" for number in range(17)]),
        Code.NOT_ALLOWED,
        "$.models",
        "models=a list of 17 is not allowed; allowed: at most 16",
    ),
    "one model as text": Case(
        target_document(models="claude-opus-5"), Code.WRONG_TYPE, "$.models", "models='claude-opus-5' must be a list"
    ),
    "blank in a model": Case(
        target_document(models=["a", "b c"]),
        Code.NOT_ALLOWED,
        "$.models[1]",
        f"models[1]='b c' is not allowed; allowed: {A_MODEL}",
    ),
    "escape sequence in a model": Case(
        target_document(models=["\x1b[31m"]),
        Code.NOT_ALLOWED,
        "$.models[0]",
        f"models[0]='\\x1b[31m' is not allowed; allowed: {A_MODEL}",
    ),
    "model that is no metric dimension": Case(
        target_document(models=["clåude"]),
        Code.NOT_ALLOWED,
        "$.models[0]",
        f"models[0]='clåude' is not allowed; allowed: {A_MODEL}",
    ),
    "a model twice": Case(
        target_document(models=["a", "b", "a"]), Code.NOT_ALLOWED, "$.models", "models names 'a' more than once"
    ),
    "beta that ends the header": Case(
        target_document(betas=["a\r\nx-api-key: b"]),
        Code.NOT_ALLOWED,
        "$.betas[0]",
        f"betas[0]='a\\r\\nx-api-key: b' is not allowed; allowed: {A_BETA}",
    ),
    "pasted beta that ends the header": Case(
        target_document(request={"system": PROSE, "betas": ["a,b"]}),
        Code.NOT_ALLOWED,
        "$.request.betas[0]",
        f"betas[0]='a,b' is not allowed; allowed: {A_BETA}",
    ),
    "betas twice": Case(
        target_document(betas=["a"], request={"system": PROSE, "betas": ["a"]}),
        Code.NOT_ALLOWED,
        "$.request.betas",
        "betas stands in the request and beside it; write it once",
    ),
    "credential with a slash": Case(
        target_document(credential="a/b"),
        Code.NOT_ALLOWED,
        "$.credential",
        f"credential='a/b' is not allowed; allowed: {A_NAME}",
    ),
    "no expected requests": Case(
        target_document(expected_requests=0),
        Code.NOT_ALLOWED,
        "$.expected_requests",
        "expected_requests=0 is not allowed; allowed: at least 1",
    ),
    "too many expected requests": Case(
        target_document(expected_requests=1_000_000_001),
        Code.NOT_ALLOWED,
        "$.expected_requests",
        "expected_requests=1000000001 is not allowed; allowed: at most 1,000,000,000",
    ),
    "half a request": Case(
        target_document(expected_requests=1.5),
        Code.WRONG_TYPE,
        "$.expected_requests",
        "expected_requests=1.5 must be a whole number",
    ),
    "enabled as text": Case(
        target_document(enabled="no"), Code.WRONG_TYPE, "$.enabled", "enabled='no' must be true or false"
    ),
    "no prompt": Case(
        target_document(request=None),
        Code.MISSING_FIELD,
        "$.request",
        "there is no prompt; write request, or the short form (system_prompt, tools, seed_messages)",
    ),
    "both forms": Case(
        target_document(tools=[tool()]),
        Code.NOT_ALLOWED,
        "$.tools",
        "tools stands beside request; write either request or the short form",
    ),
}
