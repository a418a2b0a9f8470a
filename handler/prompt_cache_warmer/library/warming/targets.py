"""Targets added in code: the same reading as a target document's, with arguments in the place of fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.library.prompts.bodies import as_json, sent_body
from prompt_cache_warmer.values.body import BETA_HEADER
from prompt_cache_warmer.values.problems import Problem, ProblemCode
from prompt_cache_warmer.values.reading import Origin, read_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompt_cache_warmer.values.body import Json
    from prompt_cache_warmer.values.model_prices import PriceList
    from prompt_cache_warmer.values.targets import Target

# Names of targets nobody named: the same prefix has the same name in every process.
_UNNAMED = "prefix-"
_DIGEST_CHARACTERS = 16
_WRONG_TYPES = frozenset({ProblemCode.WRONG_TYPE, ProblemCode.NOT_AN_OBJECT})


def added_target(
    *,
    name: str | None,
    models: Sequence[str],
    prompt: Mapping[str, Any],
    expected_requests: int,
    prices: PriceList | None,
    credential: str,
) -> Target:
    """Make a target of what ``add`` was given.

    Args:
        name: the target's name; one is made of the prefix where there is none.
        models: the models to warm it on.
        prompt: the arguments that make up the prompt, by name; absent ones are None.
        expected_requests: how many real requests the savings estimate speaks of.
        prices: prices of one's own in place of the known ones.
        credential: the name under which the client's key is remembered.

    Raises:
        ArgumentTypeError: for a value of the wrong type, naming the argument and the place in it.
        ArgumentValueError: for one that is not allowed.
    """
    given = {field: as_json(value, (field,)) for field, value in prompt.items() if value is not None}
    if not given:
        raise ArgumentValueError("system_prompt", "is missing; pass system_prompt, tools, seed_messages, or a request")
    if isinstance(given.get("request"), dict):
        given["request"] = sent_body(given["request"], "request")
    document: Json = {
        "name": _UNNAMED if name is None else name,
        "models": list(models),
        # Without reported traffic the schedule calls it at every interval; with it, by break-even.
        "keep": "while-used",
        "credential": credential,
        "expected_requests": expected_requests,
        **given,
    }
    reading = read_target(document, Origin("add()", "", _size_bytes(given), ""), {})
    if reading.target is None:
        _refuse(reading.errors)
    # The version is that of the call's bytes: whoever corrects a request that was refused is not kept waiting.
    summary = replace(reading.target.summary, prices=prices, version=reading.target.summary.call_digest)
    if name is None:
        summary = replace(summary, name=f"{_UNNAMED}{summary.prefix_digest[:_DIGEST_CHARACTERS]}")
    return replace(reading.target, summary=summary)


def unsent_options(request: object) -> list[str]:
    """Name what stands in a request as it is passed to the SDK's ``create`` and goes with no warm call."""
    given = request if isinstance(request, Mapping) else {}
    headers = given.get("extra_headers")
    others = [str(name) for name in headers if str(name).lower() != BETA_HEADER] if isinstance(headers, Mapping) else []
    return [f"extra_headers[{name!r}]" for name in others] + (["extra_query"] if given.get("extra_query") else [])


def _size_bytes(given: Json) -> int:
    """Measure the largest text a body holds; the engine bounds the bytes in flight by it."""
    return sum(_text_bytes(value) for value in given.values())


def _text_bytes(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return sum(map(_text_bytes, value.values()))
    return sum(map(_text_bytes, value)) if isinstance(value, list) else 0


def _refuse(problems: Sequence[Problem]) -> NoReturn:
    """Raise the first problem of what was added, with the number of the others."""
    first, more = problems[0], len(problems) - 1
    error = ArgumentTypeError if first.code in _WRONG_TYPES else ArgumentValueError
    rest = f" (and {more} more problems: {', '.join(problem.path[2:] for problem in problems[1:4])})" if more else ""
    place = "request" if first.path == "$" else first.path.removeprefix("$.")
    raise error(place, f"{first.message}{rest}")
