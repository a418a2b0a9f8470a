"""From a decoded document to a target, or to every reason why it is not one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from prompt_cache_warmer.values.body_checks import Place, body_errors, prefix_warnings
from prompt_cache_warmer.values.caps import Caps
from prompt_cache_warmer.values.limits import MAX_TARGET_BYTES
from prompt_cache_warmer.values.markers import mark
from prompt_cache_warmer.values.prefix import (
    PrefixEnd,
    digest,
    estimate_tokens,
    fingerprint,
    prefix_blocks,
    shared_body,
)
from prompt_cache_warmer.values.problems import Problem, ProblemCode, Severity, json_path, listed, shown
from prompt_cache_warmer.values.references import (
    find_references,
    missing_references,
    reference_problems,
    repeated_bytes,
    resolve_references,
)
from prompt_cache_warmer.values.targets import Target, TargetSummary
from prompt_cache_warmer.values.validation import parse_document, unknown_request_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prompt_cache_warmer.values.body import Json
    from prompt_cache_warmer.values.document import TargetDocument

_SHORT_FORM_FIELDS = {"tools": "tools", "system_prompt": "system", "seed_messages": "messages"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a document came from.

    Attributes:
        source: the object key or file.
        version: changes whenever the document or an object it refers to changes.
        size_bytes: size of the document with everything it refers to.
        prompts_prefix: the only prefix its references may have.
    """

    source: str
    version: str
    size_bytes: int
    prompts_prefix: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of one document: a target or none, and every problem found."""

    target: Target | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep it from being a target."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)


def read_target(
    value: object, origin: Origin, texts: Mapping[str, str], *, lost: Mapping[str, str] | None = None
) -> Reading:
    """Read a target from a decoded document.

    Args:
        value: the decoded JSON or YAML.
        origin: where it came from.
        texts: the text of every object it refers to, by key; a missing one is an error of this target.
        lost: why one is missing, by key; an object that is not there needs no word.
    """
    escaping = tuple(reference_problems(value, source=origin.source, prompts_prefix=origin.prompts_prefix))
    document = parse_document(value, origin.source)
    if isinstance(document, tuple):
        places = {problem.path for problem in document}
        found = (*document, *(problem for problem in escaping if problem.path not in places))
        return Reading(None, listed((*found, *_body_errors_beside(found, value, origin.source))))
    raw = cast("Json", value)
    missing = () if escaping else tuple(missing_references(raw, texts, lost=lost or {}, source=origin.source))
    form = _form_problems(document, raw, origin.source)
    if escaping or missing or form:
        return Reading(None, listed((*escaping, *missing, *form)))
    origin = replace(origin, size_bytes=origin.size_bytes + repeated_bytes(raw, texts))
    if origin.size_bytes > MAX_TARGET_BYTES:
        message = f"{origin.size_bytes:,} bytes with every use of what it refers to; at most {MAX_TARGET_BYTES:,}"
        return Reading(None, (Problem(ProblemCode.TOO_LARGE, origin.source, "$", message),))
    return _read_body(document, raw, origin, texts)


def _body_errors_beside(problems: Sequence[Problem], value: object, source: str) -> list[Problem]:
    """Check the body of a document whose other fields are wrong, so that all problems are told at once."""
    if not isinstance(value, dict) or any(_is_of_body(problem.path) for problem in problems):
        return []
    short_form = not isinstance(value.get("request"), dict)
    return list(body_errors(_request_body(value, _AnyText()), Place(source, short_form)))


def _is_of_body(path: str) -> bool:
    """Whether a problem's place is the body or in it, so that the body cannot be walked."""
    return path == "$" or path.startswith(tuple(f"$.{field}" for field in ("request", *_SHORT_FORM_FIELDS)))


class _AnyText(dict[str, str]):
    """Stands for every referred text where only the shape of the body matters."""

    def __missing__(self, key: str) -> str:
        return key


def rebuild_target(value: object, summary: TargetSummary, texts: Mapping[str, str]) -> Target:
    """Make the target of a document that was read before, in the same version: nothing is checked again.

    Raises:
        ValueError: when the document has no prefix, so it is not the one the summary speaks of.
    """
    raw = cast("Json", value)
    marked = mark(_request_body(raw, texts))
    if marked is None:
        raise ValueError(f"{summary.source} has nothing to cache")
    return Target(summary, marked, _betas(raw), seeds=not isinstance(raw.get("request"), dict))


def _betas(raw: Mapping[str, Any]) -> tuple[str, ...]:
    request = raw.get("request") or {}
    return tuple(raw.get("betas") or request.get("betas") or ())


def _form_problems(document: TargetDocument, raw: Mapping[str, Any], source: str) -> tuple[Problem, ...]:
    """Report a document that mixes the two forms, has neither, or says its models or betas twice."""
    found: list[Problem] = []
    short = [field for field in _SHORT_FORM_FIELDS if raw.get(field) is not None]
    if document.request is None and not short:
        message = "there is no prompt; write request, or the short form (system_prompt, tools, seed_messages)"
        found.append(Problem(ProblemCode.MISSING_FIELD, source, "$.request", message))
    if document.request is not None and short:
        message = f"{short[0]} stands beside request; write either request or the short form"
        found.append(Problem(ProblemCode.NOT_ALLOWED, source, json_path((short[0],)), message))
    if document.request is not None and document.request.betas and document.betas:
        message = "betas stands in the request and beside it; write it once"
        found.append(Problem(ProblemCode.NOT_ALLOWED, source, "$.request.betas", message))
    repeated = {model for model in document.models if document.models.count(model) > 1}
    found += [
        Problem(ProblemCode.NOT_ALLOWED, source, "$.models", f"models names {shown(model)} more than once")
        for model in sorted(repeated)
    ]
    return tuple(found)


def _read_body(document: TargetDocument, raw: Json, origin: Origin, texts: Mapping[str, str]) -> Reading:
    short_form = document.request is None
    place = Place(origin.source, short_form)
    body = _request_body(raw, texts)
    problems = list(body_errors(body, place))
    hints = list(unknown_request_fields(raw["request"], origin.source)) if document.request is not None else []
    marked = mark(body)
    if marked is None and not problems:
        message = "there is nothing to cache: no marked message, no system prompt and no tool"
        problems.append(place.problem(ProblemCode.NOTHING_TO_CACHE, (), message))
    if marked is None or problems:
        return Reading(None, listed((*problems, *hints)))
    betas = _betas(raw)
    prefix = prefix_blocks(marked.body, marked.end)
    tokens = estimate_tokens(prefix)
    warnings = list(prefix_warnings(body, marked, prefix, place, models=document.models, prefix_tokens=tokens))
    if document.request is not None:
        warnings += hints
        warnings += _model_warning(document, origin.source)
    kept = listed(warnings)
    summary = TargetSummary(
        name=document.name,
        source=origin.source,
        version=origin.version,
        models=tuple(document.models),
        keep=document.keep,
        credential=document.credential,
        enabled=document.enabled,
        expected_requests=document.expected_requests,
        fingerprint=fingerprint(marked.body, marked.end, betas),
        prefix_end=PrefixEnd.of(prefix),
        call_digest=digest(shared_body(marked.body, marked.end), betas),
        prefix_tokens=tokens,
        ttls=marked.ttls,
        size_bytes=origin.size_bytes,
        warnings=kept,
        windows=tuple(window.window() for window in document.windows or ()),
        cold_start_value_usd=document.cold_start_value_usd,
        caps=Caps(
            usd_per_day=document.max_usd_per_day,
            usd_per_call=document.max_usd_per_call,
            tokens_per_day=document.max_tokens_per_day,
            tokens_per_call=document.max_tokens_per_call,
        ),
        references=find_references(raw),
    )
    return Reading(Target(summary, marked, betas, seeds=short_form), kept)


def _request_body(raw: Mapping[str, Any], texts: Mapping[str, str]) -> Json:
    """Take the application's body out of either form, references resolved, key order kept."""
    request = raw.get("request")
    if isinstance(request, dict):
        body = {field: value for field, value in request.items() if value is not None}
    else:
        body = {
            _SHORT_FORM_FIELDS[field]: value
            for field, value in raw.items()
            if field in _SHORT_FORM_FIELDS and value is not None
        }
    return {
        field: resolve_references(value, texts) if field in ("system", "messages") else value
        for field, value in body.items()
    }


def _model_warning(document: TargetDocument, source: str) -> list[Problem]:
    pasted = document.request.model if document.request else None
    if pasted is None or pasted in document.models:
        return []
    message = f"request.model={shown(pasted)} is not in models ({', '.join(document.models)}); models is what counts"
    return [Problem(ProblemCode.MODEL_NOT_LISTED, source, "$.request.model", message)]
