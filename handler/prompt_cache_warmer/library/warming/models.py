"""The models a warmer warms on and the name of its key, checked by the rules of a target document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.values.document import MAX_MODELS, MODEL_PATTERN, NAME_PATTERN
from prompt_cache_warmer.values.problems import shown
from prompt_cache_warmer.values.validation import PATTERN_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence


def checked_models(model: object, models: Sequence[str] | None) -> tuple[str, ...]:
    """Return the models to warm, from ``model`` or ``models``.

    Raises:
        ArgumentTypeError: for anything but text.
        ArgumentValueError: for none, both, too many, or an id that cannot be one.
    """
    if model is None and models is None:
        raise ArgumentValueError("model", "is missing; pass model='claude-sonnet-4-6', or models=[...] for several")
    if model is not None and models is not None:
        raise ArgumentValueError("models", "stands beside model; pass one of them")
    if isinstance(models, str):
        raise ArgumentTypeError("models", f"{shown(models)} is not a list; pass model={models!r} for one")
    named = [("model", model)] if models is None else [(f"models[{at}]", one) for at, one in enumerate(models)]
    if not 1 <= len(named) <= MAX_MODELS:
        raise ArgumentValueError("models", f"{len(named)} models are not allowed; allowed: 1 to {MAX_MODELS}")
    found: list[str] = []
    for place, value in named:
        if not isinstance(value, str):
            raise ArgumentTypeError(place, f"a value of type {type(value).__name__} is not a model id")
        if not re.fullmatch(MODEL_PATTERN, value):
            raise ArgumentValueError(place, f"{shown(value)} is not allowed; allowed: {PATTERN_WORDS[MODEL_PATTERN]}")
        if value in found:
            raise ArgumentValueError(place, f"{shown(value)} is named twice")
        found.append(value)
    return tuple(found)


def checked_name(argument: str, value: object) -> str:
    """Return a name as metrics and tables take it.

    Raises:
        ArgumentTypeError: for anything but text.
        ArgumentValueError: for one that is not allowed.
    """
    if not isinstance(value, str):
        raise ArgumentTypeError(argument, f"a value of type {type(value).__name__} is not a name")
    if not re.fullmatch(NAME_PATTERN, value):
        raise ArgumentValueError(argument, f"{shown(value)} is not allowed; allowed: {PATTERN_WORDS[NAME_PATTERN]}")
    return value
