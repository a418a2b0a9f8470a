"""What every problem of a document means, why it matters and how to mend it: the words of ``check --explain``.

One catalogue for all codes there are (a test holds the two sets equal). Where it helps there is an example
of a document, or of some of its fields, that has the problem, and one that has not; tests read them all.
"""

from __future__ import annotations

from dataclasses import dataclass

from prompt_cache_warmer.values.body import MAX_MARKERS
from prompt_cache_warmer.values.limits import LOOKBACK_POSITIONS, MAX_TARGET_BYTES, WORTH_WARMING_TOKENS
from prompt_cache_warmer.values.problems import ProblemCode as Code
from prompt_cache_warmer.values.references import MAX_REFERENCES

_MIB_BYTES = 1024 * 1024
_BLOCK = '{"type": "text", "text": "..."'
_MARKED = _BLOCK + ', "cache_control": {"type": "ephemeral", "ttl": "1h"}}'
_UNMARKED = _BLOCK + "}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of one code.

    Attributes:
        meaning: what was found.
        why: why it matters.
        mend: what to do about it.
        wrong: fields of a document that have the problem, as JSON; None where no example helps.
        right: the same without it.
    """

    meaning: str
    why: str
    mend: str
    wrong: str | None = None
    right: str | None = None


EXPLANATIONS: dict[Code, Explanation] = {
    Code.UNREADABLE: Explanation(
        "The document is there and cannot be read.",
        "What cannot be read is no target, so nothing keeps its prefix warm.",
        "Look at the permissions of the file. In a bucket whoever asks needs s3:GetObject on it, and kms:Decrypt where "
        "a key of your own encrypts it; a passing failure is over at the next tick.",
    ),
    Code.UNKNOWN_FORMAT: Explanation(
        "The name of the document ends in none of .json, .yaml and .yml.",
        "The ending says how it is read, and nothing is guessed.",
        "Rename it; what is no target does not belong under targets/.",
    ),
    Code.SYNTAX: Explanation(
        "The document is not JSON, or not YAML that says what JSON can say.",
        "Readers differ in what they make of it: a comma too many, NaN, a tag, a merge key, bytes that are not UTF-8.",
        "Go to the line and column of the message. In YAML put text that begins with !, *, & or % in quotes.",
        '{"keep": "once",}',
        '{"keep": "once"}',
    ),
    Code.DUPLICATE_KEY: Explanation(
        "An object has the same key twice.",
        "Each reader keeps another one of the two, so the document would not mean the same to all.",
        "Take one of them out.",
        '{"keep": "once", "keep": "always"}',
        '{"keep": "always"}',
    ),
    Code.TOO_LARGE: Explanation(
        f"The document is larger than {MAX_TARGET_BYTES // _MIB_BYTES} MiB with every text it refers to, each time it "
        "refers to it, or it holds more values than any context window does.",
        "Documents are held in memory while they are warmed, and one of them must not crowd out the others.",
        "Shorten it, or make two targets of it. YAML aliases count as what they expand to.",
    ),
    Code.TOO_DEEP: Explanation(
        "Lists and objects are nested deeper than in any request that the API takes.",
        "It is a mistake or an attack, and reading it costs the time of the other targets.",
        "Look for a list that holds itself, such as text that was quoted as JSON several times.",
    ),
    Code.NOT_AN_OBJECT: Explanation(
        "The document is a list, a text or a number, and no object.",
        "One document is one target: an object with its name, models, keep and request.",
        "Put each target of a list into a document of its own.",
        '[{"name": "support-agent"}]',
        '{"name": "support-agent"}',
    ),
    Code.UNKNOWN_FIELD: Explanation(
        "A field of the target, of a window or of a marker has a name that nobody knows.",
        "A misspelt field would be without effect, and the target would cost or do something else than you meant.",
        "Write the nearest name that the message suggests. Fields of the API belong in `request`.",
        '{"modles": ["claude-sonnet-4-6"]}',
        '{"models": ["claude-sonnet-4-6"]}',
    ),
    Code.MISSING_FIELD: Explanation(
        "A field that is required is not there.",
        "What is left out is not guessed, least of all keep: it is what costs money.",
        "Add the field; the message says what it may be.",
        '{"request": null}',
        '{"request": {"system": [' + _MARKED + "]}}",
    ),
    Code.WRONG_TYPE: Explanation(
        "A field holds another type of value than it takes.",
        "Nothing is converted, because the text 'false' is not false.",
        "Write the type that the message names.",
        '{"models": "claude-sonnet-4-6"}',
        '{"models": ["claude-sonnet-4-6"]}',
    ),
    Code.NOT_ALLOWED: Explanation(
        "A field has a value that it does not take.",
        "The document would be refused by the API, or would not mean what it says.",
        "Write one of the values that the message lists.",
        '{"keep": "allways"}',
        '{"keep": "always"}',
    ),
    Code.DUPLICATE_NAME: Explanation(
        "Another document has the same name already.",
        "A name stands for one target in metrics, in the state and on the command line; the first document keeps it.",
        "Give one of the two another name, or delete the one you no longer mean.",
    ),
    Code.BLANK_PROMPT: Explanation(
        "A text has nothing but blanks in it.",
        "The API refuses blank text, so every warm call would fail.",
        "Write the text, or take the block out. With text_from, look whether the object is empty.",
        '{"request": {"system": " "}}',
        '{"request": {"system": "You are a support agent."}}',
    ),
    Code.NOTHING_TO_CACHE: Explanation(
        "There is no system prompt, no tool and no marked message.",
        "Only those can be shared by several requests; what comes after the last marker is different in each.",
        "Paste the request of your application with its system prompt and tools.",
        '{"request": {"messages": [{"role": "user", "content": "Hello"}]}}',
        '{"request": {"system": [' + _MARKED + '], "messages": [{"role": "user", "content": "Hello"}]}}',
    ),
    Code.TOO_MANY_MARKERS: Explanation(
        f"There are more than {MAX_MARKERS} cache_control markers; automatic caching counts as one.",
        "The API refuses such a request.",
        "Keep those at the ends of what is shared: the last tool, the last system block, the last shared message.",
    ),
    Code.MARKER_MISPLACED: Explanation(
        "A marker stands on a block that cannot carry one, such as a thinking block, an empty text or a block inside "
        "a block.",
        "The API refuses such a request.",
        "Put the marker on the nearest text, tool or tool_result block before it, or on the outer block.",
    ),
    Code.MARKER_ORDER: Explanation(
        "A marker for 1 hour comes after one for 5 minutes.",
        "The API refuses it: what lives longer has to come first in a request.",
        "Give the earlier markers the ttl 1h too, or the later ones 5m.",
        '{"request": {"system": [' + _MARKED.replace("1h", "5m") + ", " + _MARKED + "]}}",
        '{"request": {"system": [' + _MARKED + ", " + _MARKED.replace("1h", "5m") + "]}}",
    ),
    Code.REFERENCE_NOT_ALLOWED: Explanation(
        "text_from names something else than an object under the prompts' prefix of the same bucket, stands where no "
        f"text does, or there are more than {MAX_REFERENCES} of them.",
        "A document must not make the function read whatever its role can.",
        "Put the text under prompts/ and name its key, without a bucket, a leading slash or '..'.",
        '{"request": {"system": [{"type": "text", "text_from": "../secrets.md"}]}}',
        '{"request": {"system": [{"type": "text", "text_from": "prompts/support.md"}]}}',
    ),
    Code.REFERENCE_MISSING: Explanation(
        "The object that text_from names is not there, or is not UTF-8 text.",
        "Without the text there is no prefix, so the target is not warmed until the text is there.",
        "Upload the prompt before the target. For files, --root says which folder stands for the bucket.",
    ),
    Code.NO_SUCH_TARGET: Explanation(
        "A name that was asked for is that of no valid target.",
        "Nothing was warmed or verified for it.",
        "Look for a misspelling, and whether the target's document is valid: prompt-cache-warmer check.",
    ),
    Code.NOT_READ_YET: Explanation(
        "A run had no time left to read this document.",
        "Reading takes at most half of a run, so that the other half warms what is known; the next tick goes on.",
        "Nothing, unless it lasts: then raise MemorySize, which makes reading faster too.",
    ),
    Code.UNKNOWN_REQUEST_FIELD: Explanation(
        "A field of request is none that is known of the Messages API.",
        "It is sent as it is, because the API has new fields before this program knows them; it may refuse it.",
        "Look for a misspelling. What your application really sends may stay.",
        '{"request": {"sytem": [], "system": [' + _MARKED + "]}}",
        '{"request": {"system": [' + _MARKED + "]}}",
    ),
    Code.MODEL_NOT_LISTED: Explanation(
        "request.model, as it was pasted, is not one of models.",
        "models is what counts: each has a cache of its own, and that of the pasted model is not kept warm.",
        "Add it to models, or take it out of the request.",
        '{"models": ["claude-opus-4-8"], "request": {"model": "claude-sonnet-4-6", "system": [' + _MARKED + "]}}",
        '{"models": ["claude-opus-4-8"], "request": {"system": [' + _MARKED + "]}}",
    ),
    Code.MARKER_ADDED: Explanation(
        "The request has no cache_control marker, so one is added where it is most likely meant.",
        "The API reads from the cache only where the request has a marker: without one in your application its "
        "requests find nothing of what is kept warm.",
        "Put the marker on the last block that all requests share, in the application and in the target.",
        '{"request": {"system": [' + _UNMARKED + "]}}",
        '{"request": {"system": [' + _MARKED + "]}}",
    ),
    Code.AUTOMATIC_CACHING: Explanation(
        "The request asks for automatic caching and has no marker of its own.",
        f"Automatic caching marks the last block and looks back {LOOKBACK_POSITIONS} blocks for what is warm: longer "
        "conversations do not find it.",
        "Put a marker on the last system block too, in the application and in the target.",
        '{"request": {"cache_control": {"type": "ephemeral"}, "system": "You are a support agent."}}',
        '{"request": {"cache_control": {"type": "ephemeral", "ttl": "1h"}, "system": [' + _MARKED + "]}}",
    ),
    Code.BELOW_MINIMUM: Explanation(
        "The prefix is probably shorter than the model caches, by its size in bytes.",
        "Below its minimum the API caches nothing and says nothing: warm calls would be paid for nothing.",
        "Make the prefix longer, choose a model with a smaller minimum, or drop the target; warm says for certain.",
    ),
    Code.MINIMUM_DISPUTED: Explanation(
        "The prefix is longer than the documented minimum and shorter than the one that third parties measured.",
        "Nobody but the API knows whether it is cached.",
        "Warm it once: the verdict uncached or written settles it.",
    ),
    Code.HARDLY_WORTH_IT: Explanation(
        f"The prefix has fewer than {WORTH_WARMING_TOKENS:,} tokens, by its size in bytes.",
        "What a hit saves is small, so warm calls rarely earn what they cost.",
        "prompt-cache-warmer plan says from how many requests a day it pays.",
    ),
    Code.CHANGING_TEXT: Explanation(
        "The prefix holds what looks like a time stamp, a uuid or today's date.",
        "If it differs by request, no request ever has the prefix that is kept warm.",
        "Move it behind the last marker, such as into the first user message.",
        '{"request": {"system": [{"type": "text", "text": "Today\'s date is 2026-11-23."}]}}',
        '{"request": {"system": [{"type": "text", "text": "The user says which day it is."}]}}',
    ),
    Code.IMAGES_CUT: Explanation(
        "Images stand behind the prefix, and the prefix ends in a message.",
        "The API keys messages differently where a request has images, so such requests do not find it.",
        "Mark the last system block too: tools and system are not affected by images.",
    ),
}
"""The explanation of each code."""
