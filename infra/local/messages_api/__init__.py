"""A local stand-in for the Claude Messages API that imitates its prompt caching.

    with LocalMessagesApi(clock=EmulatorClock(frozen=True)) as api:
        client = anthropic.Anthropic(base_url=api.base_url, api_key="any", max_retries=0)
        ...
        api.clock.advance(240)

It serves `POST /v1/messages` and `POST /v1/messages/count_tokens` to the real SDK on a loopback port,
holds hundreds of open connections, and is the oracle that a cache warmer is tested against. For that
it shares no code with the warmer. Each module's docstring states the rules it implements.

What it does not know. It is not Anthropic's code; it was written from the public documentation, the
SDK's types and published measurements. Hence:

- **Tokens are estimated**: `ceil(UTF-8 bytes of the rendered block / 4)`, nothing for turns or tools
  as such, and an image is as large as its JSON.
- **Minimums** of some models differ between sources (`minimums`); models outside the table get 1,024.
- **5m and 1h**: whether a 5m marker hits a 1h entry is unknown. Here the ttl is not in the key, so each
  finds the other's entry and refreshes it with the ttl it was written with (`cache`).
- **Lifetime's edge**: at exactly its ttl after the request's start an entry is gone (`cache`).
- **Which entries a read refreshes**: those that a breakpoint's lookback found, no others (`cache`).
- **Thinking and effort** enter all tiers on the model families named in `keys`, the messages tier alone
  on others; absent and default values count as different; `output_config.format` is not in the key.
- **Hanging up** during prefill or after `message_start` leaves the entry; a stream that is cut is
  recorded with one output token. What is billed in reality is unknown.
- **Eviction** happens only when told to (`forget_entries`); in reality a cache is best effort, and a
  second call right after the first may miss.
- **Rate limits** are fixed one-minute windows unless token buckets are asked for, and `count_tokens` shares them.
- **Signatures** are verified where AWS callers are given (`signatures`), but not their age; **identity tokens** are
  exchanged by the rules that are given (`federation`), which know the key of one local issuer.
- Answers never use tools, never think and never refuse; there are no batches, files or models routes.
"""

from infra.local.messages_api.cache import CacheEntry
from infra.local.messages_api.clock import EmulatorClock
from infra.local.messages_api.faults import Fault
from infra.local.messages_api.federation import FederationRule
from infra.local.messages_api.limits import RateLimits
from infra.local.messages_api.local_api import LocalMessagesApi
from infra.local.messages_api.records import ReceivedRequest
from infra.local.messages_api.signatures import AwsCaller
from infra.local.messages_api.usage import Usage

__all__ = [
    "AwsCaller",
    "CacheEntry",
    "EmulatorClock",
    "Fault",
    "FederationRule",
    "LocalMessagesApi",
    "RateLimits",
    "ReceivedRequest",
    "Usage",
]
