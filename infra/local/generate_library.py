"""Generated parts of the library's pages: its public names, and the figures in which it differs from its siblings."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import prompt_cache_warmer
from infra.local.generated_tables import table
from prompt_cache_warmer import CacheTracker, CacheWarmer, add_cache_breakpoints
from prompt_cache_warmer.values.pricing import cost_usd
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from decimal import Decimal

    from prompt_cache_warmer import WarmResult

# A day on which every model below has one price; the page says what it is about, not what today's price is.
_DAY = datetime(2026, 11, 22, tzinfo=UTC)
_MODEL, _OPUS = "claude-sonnet-4-6", "claude-opus-4-7"
_TOKENS = 50_000  # the article's own prefix
_MTOK = 1_000_000
_COLD_WRITES = 100
_MARKED = {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}
_PROMPT = "You answer questions about our products, and you never guess. " * 500


def names_table() -> str:
    """List every public name with the first sentence of its documentation."""
    rows = []
    for name in prompt_cache_warmer.__all__:
        documented = inspect.getdoc(getattr(prompt_cache_warmer, name)) or ""
        rows.append((f"`{name}`", " ".join(documented.partition("\n\n")[0].split())))
    return table(("name", "what it is"), rows)


def figures_table() -> str:
    """List the figures in which the library differs from the packages it replaces; ours are computed by it."""
    written, read = Usage(write_5m_tokens=_TOKENS), Usage(read_tokens=_TOKENS)
    refreshed, verified = _warm(0, _TOKENS), _warm(_TOKENS, 0, verify=True)
    opus = _usd(_OPUS, Usage(uncached_tokens=_MTOK))
    marked = add_cache_breakpoints([_MARKED, _MARKED, _MARKED, {"type": "text", "text": "Be brief."}], count=4)
    rows = (
        ("what a refresh of 50,000 tokens is said to save on 100 requests", "0", _money(refreshed.estimated_savings)),
        ("what 50,000 tokens written and verified are said to cost", _money(_usd(_MODEL, written)), _money(verified)),
        (f"1,000,000 plain tokens on {_OPUS}", _money(3 * opus), _money(opus)),
        (
            "50,000 tokens written for an hour",
            _money(_usd(_MODEL, written)),
            _money(_usd(_MODEL, Usage(write_1h_tokens=_TOKENS))),
        ),
        ("markers after asking for 4 where 3 stand", "6", str(sum("cache_control" in block for block in marked))),
        (f"alerts on the first writes of {_COLD_WRITES} prefixes", str(_COLD_WRITES), str(_alerts())),
    )
    assert _money(_usd(_MODEL, read)) == "0.0150 USD"  # noqa: S101 - the article's own arithmetic hangs on it
    return table(("", "there", "here"), rows)


def _usd(model: str, usage: Usage) -> Decimal:
    cost = cost_usd(model, usage, at=_DAY)
    if cost is None:
        raise LookupError(f"{model} has no known price")
    return cost


def _money(amount: Decimal | WarmResult) -> str:
    cost = amount.cost_usd if isinstance(amount, prompt_cache_warmer.WarmResult) else amount
    return f"{cost:,.4f} USD"


def _warm(written: int, read: int, *, verify: bool = False) -> WarmResult:
    """Warm over a transport that answers with these tokens, and then reads what was written."""
    answers = [(written, read), (0, written)]

    def transport(_: dict[str, Any]) -> object:
        write, hit = answers.pop(0)
        return {"usage": {"input_tokens": 0, "cache_creation_input_tokens": write, "cache_read_input_tokens": hit}}

    warmer = CacheWarmer(client=transport, model=_MODEL)
    warmer.add(system_prompt=_PROMPT)
    return warmer.warm(verify=verify)


def _alerts() -> int:
    """Count the alerts of a tracker that sees nothing but first writes."""
    alerts: list[object] = []
    tracker = CacheTracker(alert_threshold=0.6, on_alert=alerts.append)
    for number in range(_COLD_WRITES):
        request = {"model": _MODEL, "system": [{**_MARKED, "text": f"{number}: {_PROMPT}"}]}
        tracker.record({"usage": {"input_tokens": 8, "cache_creation_input_tokens": _TOKENS}}, request=request)
    return len(alerts)
