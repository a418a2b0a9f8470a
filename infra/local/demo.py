"""``make demo``: the real handler keeps real targets warm on the local cloud, and shows what each call proved.

Six ticks with the clock of the Messages API moved in between, the metrics read back from CloudWatch,
the totals, and the application's own request hitting the warm cache; then a day in fast motion with its
bill (``demo_day``). It exits with 0 only if every verdict is the one written by hand in
``infra/examples/expected`` and the day came out as claimed.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anthropic
import click
import yaml
from rich.console import Console, Group
from rich.live import Live

from infra.local.cloud import API_KEY, LocalCloud
from infra.local.demo_day import show_day
from infra.local.demo_tables import MetricRow, history_table, metrics_table
from infra.local.function import Function, InProcessFunction, LocalClock
from infra.local.lambda_emulator import ROOT, LambdaEmulator
from prompt_cache_warmer.cli.report_table import report_table

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLES = ROOT / "infra/examples"
ARTIFACT = ROOT / "build/artifact/WarmerFunction"
TICK_MINUTES = (0, 4, 8, 14, 18, 22)  # four minutes apart, with one gap of six after the third
SECONDS_PER_MINUTE = 60
FUNCTION_TIMEOUT_SECONDS = 110  # the template's default
INVALID = "invalid"
WIDE_COLUMNS = 118  # for output that is not a terminal: the tables without folded words
SHOWN_METRICS = (
    *("EntriesDue", "EntriesRefreshed", "EntriesWritten", "EntriesUncached", "EntriesFailed", "TargetsInvalid"),
    *("CacheReadTokens", "CacheWrite5mTokens", "CacheWrite1hTokens", "UncachedInputTokens", "WarmCostUSD"),
)

Verdicts = dict[tuple[str, str], list[str]]
"""By target and model, the verdict of each tick."""


@click.command()
@click.option("--artifact", is_flag=True, help="Run the built artifact under the real Lambda runtime emulator.")
@click.option("--live", is_flag=True, help="Then warm one example against the real API, after asking.")
@click.option("--api-key", envvar="ANTHROPIC_API_KEY", hidden=True)
def main(*, artifact: bool, live: bool, api_key: str | None) -> None:
    """Run the service on the embedded local cloud."""
    console = Console() if sys.stdout.isatty() else Console(width=WIDE_COLUMNS)
    if live:
        from infra.local.live import warm_live  # noqa: PLC0415 - only where a real call is asked for

        warm_live(console, api_key)
        return
    with ExitStack() as stack:
        cloud = stack.enter_context(LocalCloud(state=True))
        function: Function = (
            stack.enter_context(artifact_function(cloud.environment()))
            if artifact
            else InProcessFunction(cloud.environment(), clock=LocalClock(cloud.api.clock))
        )
        where = "the built artifact under the Lambda runtime emulator" if artifact else "the handler in this process"
        is_right = show(console, cloud, function, where)
    if is_right and not artifact:  # the artifact goes by the machine's clock, for which a day is a day
        is_right = show_day(console)
    sys.exit(0 if is_right else 1)


def artifact_function(environment: Mapping[str, str], *, folder: Path = ARTIFACT) -> LambdaEmulator:
    """Return the built artifact under the runtime emulator, with the timeout the template gives it."""
    return LambdaEmulator(task_root=folder, environment=environment, timeout_seconds=FUNCTION_TIMEOUT_SECONDS)


def show(console: Console, cloud: LocalCloud, function: Function, where: str) -> bool:
    """Run the demo; tell whether every verdict was the expected one."""
    since = datetime.now(UTC) - timedelta(seconds=1)
    console.print(f"[bold]prompt-cache-warmer[/] on a local cloud: {where},")
    console.print("the real Anthropic SDK and boto3 over HTTP, AWS and the Messages API emulated on loopback.\n")
    console.print(f"Uploaded to S3: {', '.join(cloud.upload(EXAMPLES))}\n")
    console.print("Six ticks, each verdict proved by the call's own usage:")
    answers, seen = _ticks(console, cloud, function)
    console.print(metrics_table(_metrics(cloud, since)))
    cost = sum((Decimal(answer["totals"]["cost_usd"]) for answer in answers), Decimal(0))
    console.print(f"\nSix ticks cost [bold]{cost:.4f} USD[/] in warm calls.")
    hit = _application_request(console, cloud)
    wrong = list(differences(expected_verdicts(), seen, answers[-1]))
    for line in wrong:
        console.print(f"[bold red]not as expected:[/] {line}")
    checked = sum(len(verdicts) for verdicts in seen.values())
    if not wrong and hit:
        console.print(
            f"\n[bold green]All {checked} verdicts are the ones written by hand in infra/examples/expected.[/]"
        )
    return not wrong and hit


def _ticks(console: Console, cloud: LocalCloud, function: Function) -> tuple[list[dict[str, Any]], Verdicts]:
    """Run the ticks, with the clock moved in between, and show them as they happen."""
    answers: list[dict[str, Any]] = []
    seen: Verdicts = {}
    previous_minute = 0
    with Live(console=console, auto_refresh=False) as live:
        for number, minute in enumerate(TICK_MINUTES, start=1):
            cloud.api.clock.advance((minute - previous_minute) * SECONDS_PER_MINUTE)
            previous_minute = minute
            answers.append(cloud.tick(function, f"demo-tick-{number}"))
            for line in answers[-1]["entries"]:
                seen.setdefault((line["target"], line["model"]), []).append(line.get("verdict") or line["code"])
            latest = f"\nMinute {minute}: the run report"
            live.update(Group(history_table(seen, TICK_MINUTES), latest, report_table(answers[-1])), refresh=True)
    return answers, seen


def _metrics(cloud: LocalCloud, since: datetime) -> list[MetricRow]:
    return [
        MetricRow(
            name,
            cloud.metric_sum(name, since),
            cloud.metric_sum(name, since, Target="support-agent"),
        )
        for name in SHOWN_METRICS
    ]


def _application_request(console: Console, cloud: LocalCloud) -> bool:
    """Send what the application itself would send, and show that it reads the cache."""
    target = yaml.safe_load((EXAMPLES / "targets/support-agent.json").read_text(encoding="utf-8"))
    block = target["request"]["system"][0]
    handbook = (EXAMPLES / block["text_from"]).read_text(encoding="utf-8")
    with anthropic.Anthropic(api_key=API_KEY, base_url=cloud.api.base_url, max_retries=0) as client:
        usage = client.messages.create(
            model=target["models"][0],
            max_tokens=target["request"]["max_tokens"],
            system=[{"type": "text", "text": handbook, "cache_control": block["cache_control"]}],
            messages=[{"role": "user", "content": "My sleeping bag is one day late for my trip. What now?"}],
        ).usage
    read = usage.cache_read_input_tokens or 0
    written = usage.cache_creation_input_tokens or 0
    console.print(
        f"The application's own next request on {target['models'][0]}: [bold]{read:,} tokens read from the cache[/], "
        f"{written:,} written, {usage.input_tokens:,} plain."
    )
    return read > 0 and written == 0


def expected_verdicts() -> dict[str, dict[str, list[str]]]:
    """Read what was written by hand: by target, then model, the verdict of each tick."""
    return {
        path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted((EXAMPLES / "expected").glob("*.yaml"))
    }


def differences(
    expected: Mapping[str, Mapping[str, list[str]]], seen: Verdicts, answer: Mapping[str, Any]
) -> list[str]:
    """Compare, in both directions, what was seen with what was written by hand."""
    found: list[str] = []
    wanted: Verdicts = {}
    for target, models in expected.items():
        for model, verdicts in models.items():
            if model == INVALID:
                paths = [problem["path"] for problem in answer["problems"] if Path(problem["source"]).stem == target]
                found += [f"{target}: no problem at $.{field}" for field in verdicts if f"$.{field}" not in paths]
            else:
                wanted[target, model] = verdicts
    for target, model in sorted(wanted.keys() | seen.keys()):
        want, got = wanted.get((target, model)), seen.get((target, model))
        if want != got:
            found.append(f"{target} on {model}: expected {want}, got {got}")
    return found


if __name__ == "__main__":
    main()
