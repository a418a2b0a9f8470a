"""``make demo LIVE=1``: one example against the real API, twice, after asking. It costs a few cents."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from infra.local.aws import LocalAws
from infra.local.cloud import BUCKET, NAMESPACE, SECRET, SERVICE, schedule_event
from infra.local.function import InProcessFunction
from infra.local.lambda_emulator import ROOT
from prompt_cache_warmer.adapters.anthropic_messages import DEFAULT_BASE_URL
from prompt_cache_warmer.cli.report_table import report_table
from prompt_cache_warmer.values.pricing import cost_usd
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLE = "support-agent"
MODEL = "claude-haiku-4-5"  # the cheapest of the example's models
ESTIMATED_TOKENS = 8_000  # the handbook is estimated at 5,600; real tokenizers count more
PAUSE_SECONDS = 3  # an immediate second call may miss: the entry is spread for a moment


def warm_live(console: Console, api_key: str | None) -> None:
    """Warm one example on one model with a real key: a write, then a refresh."""
    if not api_key:
        sys.exit("LIVE=1 needs a key of your own in ANTHROPIC_API_KEY")
    usages = (Usage(write_5m_tokens=ESTIMATED_TOKENS), Usage(read_tokens=ESTIMATED_TOKENS))
    costs = [cost_usd(MODEL, usage, at=datetime.now(UTC)) for usage in usages]
    estimate = sum(cost for cost in costs if cost is not None)
    question = f"This makes two real calls on {MODEL} with your key, about {estimate:.4f} USD. Go on?"
    if not click.confirm(question, default=False):
        return
    with LocalAws() as aws:
        aws.s3.create_bucket(Bucket=BUCKET)
        document = json.loads((ROOT / f"infra/examples/targets/{EXAMPLE}.json").read_text(encoding="utf-8"))
        prompt = document["request"]["system"][0]["text_from"]
        aws.s3.put_object(
            Bucket=BUCKET, Key=f"targets/{EXAMPLE}.json", Body=json.dumps({**document, "models": [MODEL]})
        )
        aws.s3.put_object(Bucket=BUCKET, Key=prompt, Body=(ROOT / "infra/examples" / prompt).read_bytes())
        aws.secrets.create_secret(Name=SECRET, SecretString=api_key)
        function = InProcessFunction(
            {
                **aws.environment(),
                "ANTHROPIC_BASE_URL": DEFAULT_BASE_URL,
                "ANTHROPIC_SECRET_ID": SECRET,
                "TARGETS_BUCKET": BUCKET,
                "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
                "POWERTOOLS_SERVICE_NAME": SERVICE,
            }
        )
        for number in (1, 2):
            console.print(f"Real call {number}")
            console.print(report_table(function.invoke(schedule_event(f"live-{number}", function.now()))))
            time.sleep(PAUSE_SECONDS)
