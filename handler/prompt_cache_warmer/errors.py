"""Every error this package raises, as a tree whose branches answer "what should the operator do?".

    CacheWarmerError
    |-- ArgumentError                correct the call: the message names the argument, the value and what is allowed
    |   |-- ArgumentValueError       a value that is not allowed; also a ValueError
    |   `-- ArgumentTypeError        a value of the wrong type; also a TypeError
    |-- OverBudgetError              raise the budget or ask for less; nothing was called, counted or cut
    |   |-- CostCapError             a call may cost more than its cap
    |   |-- PoolExhaustedError       a pool has no room for what was asked
    |   `-- MessagesTooLongError     what must be kept of the messages does not fit
    |-- SettingsError                fix the function's environment
    |-- RunError                     the run as a whole could not happen: look at the bucket, the secret or the table
    |   |-- EventError               correct the event the function was invoked with
    |   |-- TargetsUnreadableError   the bucket could not be listed
    |   |-- SecretUnreadableError    the secret could not be read, or holds no key
    |   `-- StateUnavailableError    the state table could not be read or written: look at the table and the role
    |-- ArrivalsError                correct the file of recorded requests
    |-- UnpricedError                name a model with a known price
    |-- CaptureError                 look at what the bucket holds, and capture again; nothing was written
    |-- TargetUnavailableError       one target's body could not be fetched: the next tick tries again
    `-- WarmCallError                one warm call failed
        |-- CredentialError          correct the key, rule or role (401, 403, unknown credential)
        |   `-- ExchangeRefusedError correct the federation rule: no identity was exchanged
        |-- SpendLimitError          raise the limit or wait for the period to end; never retried
        |-- RejectedError            correct the target: the API will refuse it again (400, 404, 413, ...)
        |   `-- ZeroRefusedError     nothing: the call is made again with max_tokens: 1
        |-- TransportError           look at what your own transport raised; it is the error's cause
        `-- TransientError           nothing: the next tick tries again
            |-- RateLimitedError     429 with a wait that may be given
            |-- OverloadedError      529 and the other 5xx
            |-- UnexpectedCallError  a defect of prompt-cache-warmer: report it
            `-- UnreachableError     no answer: connection refused or dropped, not an API answer
                |-- NotConnectedError    no connection at all, so nothing was sent and nothing is billed
                `-- CallTimeoutError     none in time: raise REQUEST_TIMEOUT_SECONDS if it lasts

Messages name the value, where it stands and what is allowed. They never quote a prompt, a key or a request body.
"""

from __future__ import annotations

import copyreg
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from decimal import Decimal

_FIRST_ERROR_STATUS = 400  # below it an answer was begun: a stream that breaks off later keeps its status of 200


class CacheWarmerError(Exception):
    """The root of every error this package raises; all of them can be sent to another process."""

    def __reduce__(self) -> tuple[object, ...]:
        """Take it apart without its constructor's arguments, which are no part of every message."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined] # pickle's own


class ArgumentError(CacheWarmerError):
    """An argument of a public function is not usable; nothing was done but what the message says.

    Attributes:
        argument: the argument's name, with the place inside it: ``system_prompt[1].text``.
    """

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(f"{argument}: {message}")
        self.argument = argument


class ArgumentValueError(ArgumentError, ValueError):
    """An argument has a value that is not allowed."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument has the wrong type."""


class OverBudgetError(CacheWarmerError):
    """What was asked for does not fit into a budget, so nothing was done."""


class CostCapError(OverBudgetError):
    """A call may cost more than its cap.

    Attributes:
        estimate_usd: what it may cost.
        cap_usd: what it may cost at most.
        model: the model it would be made on.
    """

    def __init__(self, *, estimate_usd: Decimal, cap_usd: Decimal, model: str) -> None:
        super().__init__(f"a call on {model} may cost {estimate_usd:f} USD; the cap is {cap_usd:f} USD")
        self.estimate_usd, self.cap_usd, self.model = estimate_usd, cap_usd, model


class PoolExhaustedError(OverBudgetError):
    """A pool has no room for what was asked.

    Attributes:
        cap: the cap's name.
        limit: its value.
        taken: what is used and reserved under it.
        wanted: what was asked for on top.
    """

    def __init__(self, *, cap: str, limit: Decimal | int, taken: Decimal | int, wanted: Decimal | int) -> None:
        super().__init__(f"{cap} is {limit:,}; {taken:,} are taken and {wanted:,} more do not fit")
        self.cap, self.limit, self.taken, self.wanted = cap, limit, taken, wanted


class MessagesTooLongError(OverBudgetError):
    """What must be kept of the messages has more tokens than the budget.

    Attributes:
        budget_tokens: what there is room for.
        needed_tokens: what must be kept.
    """

    def __init__(self, *, budget_tokens: int, needed_tokens: int) -> None:
        super().__init__(f"what must be kept has {needed_tokens:,} tokens; the budget is {budget_tokens:,}")
        self.budget_tokens, self.needed_tokens = budget_tokens, needed_tokens


class SettingsError(CacheWarmerError):
    """The environment does not make valid settings.

    Attributes:
        problems: one sentence for each variable that is wrong; all of them, not the first.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("the environment is not valid: " + "; ".join(problems))
        self.problems = problems


class RunError(CacheWarmerError):
    """The run as a whole could not happen, so the invocation fails and Lambda's Errors metric counts it."""


class EventError(RunError):
    """The event the function was invoked with says something this version does not understand."""


class TargetsUnreadableError(RunError):
    """The bucket that holds the targets could not be listed."""


class SecretUnreadableError(RunError):
    """The secret that holds the API keys could not be read, or holds no usable key."""


class StateUnavailableError(RunError):
    """The state table could not be read or written; without it nothing may be spent under a cap."""


class ArrivalsError(CacheWarmerError):
    """Recorded requests are not usable: the message names the line, the value and what is allowed."""


class UnpricedError(CacheWarmerError):
    """A model has no known price, so nothing can be compared."""


class CaptureError(CacheWarmerError):
    """A captured prefix could not become a target of the bucket, or may not; nothing was written."""


class TargetUnavailableError(CacheWarmerError):
    """One target's body changed, vanished or could not be fetched between the listing and the warm call."""


class WarmCallError(CacheWarmerError):
    """One warm call failed.

    Attributes:
        code: the stable word for this failure in reports, logs and tests.
        advice: one sentence that says what the operator should do.
        is_end_known: whether it is known how far the call came.
        http_status: the status the API answered with, None when there was no answer.
        request_id: the API's own id of the request, None when there was no answer.
        workspace_id: the workspace the credential resolved to, None when the API did not say.
        retry_after_seconds: how long the API asked to wait, None when it did not.
        rate_headers: what the answer's headers say of the rate limits; None when there was no answer.
    """

    code: ClassVar[str] = "failed"
    advice: ClassVar[str] = "Read the message; the next tick tries again."
    is_end_known: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        http_status: int | None = None,
        request_id: str | None = None,
        workspace_id: str | None = None,
        retry_after_seconds: float | None = None,
        rate_headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.http_status, self.request_id, self.workspace_id = http_status, request_id, workspace_id
        self.retry_after_seconds, self.rate_headers = retry_after_seconds, rate_headers

    @property
    def may_be_billed(self) -> bool:
        """Whether the call may be billed all the same: only an answer with an error status says that it is not."""
        return not self.is_end_known or (self.http_status is not None and self.http_status < _FIRST_ERROR_STATUS)


class CredentialError(WarmCallError):
    """The API refused the credential, or there is none of that name."""

    code = "credential"
    advice = "Check the credential: its key, rule or role, and the workspace it is for; it is not retried within a run."


class ExchangeRefusedError(CredentialError):
    """The identity token was refused in exchange for one of the API's, whatever the status: no call can be made."""


class SpendLimitError(WarmCallError):
    """A spend limit stops the account; waiting seconds does not help."""

    code = "spend-limit"
    advice = "Raise the limit in the console or wait for the period to end; it is never retried within a run."


class RejectedError(WarmCallError):
    """The API refused the request itself and will refuse it again."""

    code = "rejected"
    advice = "Correct the target's request or models: the API refuses it as it stands."


class ZeroRefusedError(RejectedError):
    """The API refused ``max_tokens: 0``; the same request with ``max_tokens: 1`` may work."""


class TransportError(WarmCallError):
    """A transport of the library's caller raised something of its own; that is this error's cause."""

    code = "transport"
    advice = "Look at what the transport raised; the call may be billed."
    is_end_known = False


class TransientError(WarmCallError):
    """The API could not answer now; the same request may work later."""

    code = "transient"


class RateLimitedError(TransientError):
    """The API answered 429: the workspace sends too much right now."""

    code = "rate-limited"
    advice = "If it lasts, raise the workspace's rate limit or lower MAX_CONCURRENCY; the next tick tries again."


class OverloadedError(TransientError):
    """The API answered 529 or another 5xx."""

    code = "overloaded"
    advice = "Nothing: the API is overloaded or failing; the next tick tries again."


class UnexpectedCallError(TransientError):
    """Something nobody expected went wrong in a call; what it cost is not known."""

    code = "internal"
    advice = "This is a defect of prompt-cache-warmer: please report it with this line."
    is_end_known = False


class UnreachableError(TransientError):
    """No usable answer came: connection refused or dropped, a timeout, or not an API's answer."""

    code = "unreachable"
    advice = "If it lasts, check the network path and ANTHROPIC_BASE_URL."

    @property
    def may_be_billed(self) -> bool:
        """Whether the call may be billed all the same: only an answer with an error status says that it is not."""
        return self.http_status is None or super().may_be_billed


class NotConnectedError(UnreachableError):
    """No connection could be made, so the request was never sent."""

    @property
    def may_be_billed(self) -> bool:
        """Whether the call may be billed all the same: it was never sent."""
        return False


class CallTimeoutError(UnreachableError):
    """The answer did not come within REQUEST_TIMEOUT_SECONDS; the call may be billed all the same."""

    code = "timeout"
    advice = "If it lasts, raise REQUEST_TIMEOUT_SECONDS; the call may be billed. The next tick tries again."
