"""A deployment under its own alarms: the real handler, the real observer, and what AWS itself would report of them.

The template's alarms are resolved with the parameters of the deployment, and the handler gets the environment the
same template gives it, so that names that do not meet are seen.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anthropic

from infra.local import emf
from infra.local.agent_day import AgentClock
from infra.local.alarms import Alarm, State, Watch
from infra.local.cloud import API_KEY, BUCKET, STATE_TABLE, schedule_event
from infra.local.metric_data import MetricData, MetricKey
from infra.local.template_values import ResolvedStack
from infra.local.transform import Template, read, transform
from prompt_cache_warmer import CacheObserver
from prompt_cache_warmer.errors import RunError
from tests.deployments import MONDAY, TICK_MINUTES, Deployment, prompt
from tests.fakes import MODEL, document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from infra.local.cloud import LocalCloud

ROOT = Path(__file__).resolve().parents[1]
STACK = "warmer-production"
SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:anthropic-AbCdEf"
TOPIC_ARN = "arn:aws:sns:eu-central-1:123456789012:on-call"
QUEUE_URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/failures"
UNWARMED_QUEUE_URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/unwarmed"
TARGET = "bot"
# Everything that can be watched is watched, so that every alarm is there; no cap is near.
WATCHED = {
    "AnthropicSecretArn": SECRET_ARN,
    "AlarmEmail": "on-call@example.com",
    "MaxUsdPerDay": "1000",
    "MaxUsdPerMonth": "10000",
    "MinHitRatioPercent": "90",
    "FanOut": "ENABLED",
}
# What the local cloud says itself; everything else of the environment is the template's. Here the one function makes
# its calls itself: what the workers' queue keeps is said by the test, as what the queue of failures keeps is.
_LOCAL = frozenset({"TARGETS_BUCKET", "STATE_TABLE", "DUE_QUEUE_URL", "FAN_OUT_WORKERS"})
_LOCAL_PREFIX = "ANTHROPIC_"
RUN_MS = 900.0  # what a run takes when nothing is wrong


@cache
def template(name: str) -> Template:
    """Return a template of the repository, transformed."""
    return transform(read(ROOT / name))


def deployed(**parameters: str) -> ResolvedStack:
    """Return the stack with its parameters chosen; nothing is watched unless they say so."""
    return ResolvedStack(
        STACK,
        template("template.yaml"),
        {"AnthropicSecretArn": SECRET_ARN, **parameters},
        {
            "FailuresQueue": QUEUE_URL,
            "UnwarmedQueue": UNWARMED_QUEUE_URL,
            "WarmerLogGroup": f"/aws/lambda/{STACK}",
        },
    )


def monitoring(stack: ResolvedStack) -> ResolvedStack | None:
    """Return the nested stack; None where there is none."""
    return stack.nested("Monitoring", template("infra/monitoring.yaml"))


def watched(**parameters: str) -> ResolvedStack:
    """Return the nested stack of a deployment in which everything is watched."""
    found = monitoring(deployed(**{**WATCHED, **parameters}))
    assert found is not None
    return found


def alarms(stack: ResolvedStack) -> dict[str, Alarm]:
    """Return the alarms of a nested stack by what follows the service in their names."""
    found = [Alarm.from_template(one) for one in stack.resources("AWS::CloudWatch::Alarm").values()]
    return {alarm.name.removeprefix(f"{STACK}-"): alarm for alarm in found}


class Monitored:
    """A deployment, its application and its alarms.

    Args:
        cloud: where it is deployed.
        day: on which day of January it begins.
        hour: at what time of its first day it begins.
        parameters: those of the template that are not as ``WATCHED`` has them.
    """

    def __init__(self, cloud: LocalCloud, *, day: int = 5, hour: int = 0, **parameters: str) -> None:
        self.cloud = cloud
        self.nested = f"{STACK}-Monitoring"
        stack = deployed(**{**WATCHED, **parameters})
        variables = stack.resources("AWS::Lambda::Function")["WarmerFunction"]["Environment"]["Variables"]
        settings = {name: str(one) for name, one in variables.items() if name not in _LOCAL}
        self.deployment = Deployment(
            cloud, **{name: one for name, one in settings.items() if not name.startswith(_LOCAL_PREFIX) and one}
        )
        self.deployment.wait_until(MONDAY.replace(day=day, hour=hour))
        self.data = MetricData()
        self.alarms = alarms(watched(**parameters))
        self.watches = {
            name: Watch(alarm, self.data, since=self.deployment.now()) for name, alarm in self.alarms.items()
        }
        self.run_ms = RUN_MS
        self.dead_letters = 0
        self.unwarmed = 0
        self.output = ""
        self._function = MetricKey("AWS/Lambda", "", frozenset({("FunctionName", f"{STACK}-WarmerFunction")}))
        self._failures, self._unwarmed = (_waiting_in(name) for name in ("FailuresQueue", "UnwarmedQueue"))
        self._events = 0
        self._clients: dict[str, anthropic.Anthropic] = {}
        self._observer = CacheObserver(
            targets=f"s3://{BUCKET}/targets/",
            target=TARGET,
            state_table=STATE_TABLE,
            metrics="cloudwatch",
            service=settings["POWERTOOLS_SERVICE_NAME"],
            namespace=settings["POWERTOOLS_METRICS_NAMESPACE"],
            session=self,
            clock=AgentClock(cloud.api.clock),
        )

    def client(self, service: str, *, config: Any) -> Any:
        """Make the observer's clients: CloudWatch is the one the alarms look at."""
        return self.data if service == "cloudwatch" else self.cloud.aws.client(service, config=config)

    def now(self) -> datetime:
        """Return the time."""
        return self.deployment.now()

    def put(self, name: str = TARGET, **changes: Any) -> None:
        """Upload a target of about 4,000 tokens that is kept warm for five minutes at a time."""
        changes = {"request": prompt("5m"), **changes}
        self.cloud.put(f"targets/{name}.json", document(name, **changes))

    def invoke(self, event: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Invoke the function, by the schedule unless there is an event; None where the run failed as a whole."""
        self._events += 1
        function = self.deployment.function
        before, at = len(function.output()), self.now()
        try:
            return function.invoke(event or schedule_event(f"tick-{self._events}", at))
        except RunError:  # anything else is a mistake of the test
            self._of_lambda("Errors", 1, at)
            return None
        finally:
            printed = function.output()[before:]
            self.output += printed
            emf.publish(printed, self.data)
            for name, value in (("Invocations", 1), ("Errors", 0), ("Throttles", 0), ("Duration", self.run_ms)):
                self._of_lambda(name, value, at)

    def ask(
        self, request: dict[str, Any] | None = None, *, key: str = API_KEY, times: int = 1, streams: bool = False
    ) -> None:
        """Let the application send requests, the target's own unless said, and its observer tell of them."""
        body = {"messages": [{"role": "user", "content": "Hello?"}], **(request or prompt("5m"))}
        if key not in self._clients:
            self._clients[key] = anthropic.Anthropic(
                api_key=key, base_url=self.cloud.api.base_url, max_retries=0, middleware=[self._observer]
            )
        for _ in range(times):
            answer = self._clients[key].messages.create(model=MODEL, max_tokens=1, stream=streams, **body)
            if streams:
                list(answer)
        assert self._observer.flush()

    def wait(self, minutes: int) -> None:
        """Let time pass without a tick; SQS reports every minute."""
        for _ in range(minutes):
            self.data.put(self._failures, self.dead_letters, at=self.now())
            self.data.put(self._unwarmed, self.unwarmed, at=self.now())
            self.deployment.wait(1)
            for watch in self.watches.values():
                watch.until(self.now())

    def ticks(self, minutes: int, *, every: int = TICK_MINUTES) -> Iterator[None]:
        """Tick for some minutes; what is done between the ticks is the caller's."""
        for _ in range(0, minutes, every):
            self.invoke()
            yield
            self.wait(every)

    def tick(self, minutes: int, *, every: int = TICK_MINUTES) -> None:
        """Tick for some minutes."""
        for _ in self.ticks(minutes, every=every):
            pass

    def state(self, alarm: str) -> State:
        """Return the state of an alarm."""
        return self.watches[alarm].state

    def firing(self) -> set[str]:
        """Return the alarms that fire."""
        return {name for name, watch in self.watches.items() if watch.state is State.ALARM}

    def close(self) -> None:
        """End the application."""
        for client in self._clients.values():
            client.close()
        self._observer.close()

    def _of_lambda(self, name: str, value: float, at: datetime) -> None:
        self.data.put(MetricKey(self._function.namespace, name, self._function.dimensions), value, at=at)


def _waiting_in(queue: str) -> MetricKey:
    return MetricKey(
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        frozenset({("QueueName", f"{STACK}-{queue}.QueueName")}),
    )
