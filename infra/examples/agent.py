"""A support agent that says what its requests do to the cache. The lines marked (1) to (3) are all it takes.

    python infra/examples/agent.py --bucket BUCKET --table TABLE --stack STACK "Where is my tent?"

BUCKET, TABLE and STACK are the stack's outputs TargetsBucketName and StateTableName, and its name. Needs
ANTHROPIC_API_KEY, and AWS credentials with the stack's ApplicationPolicy.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anthropic

from prompt_cache_warmer import CacheObserver

if TYPE_CHECKING:
    from anthropic.types import MessageParam, TextBlockParam

MODEL = "claude-sonnet-4-6"
HANDBOOK = Path(__file__).with_name("prompts") / "support-handbook.md"


class SupportAgent:
    """Answers customers out of a handbook, which is what the target ``support-agent`` keeps warm.

    Args:
        client: the application's client.
        handbook: the text of the handbook.
    """

    def __init__(self, client: anthropic.Anthropic, handbook: str) -> None:
        self._client = client
        # The marker stands on the last block that all requests share: what follows is the customer's.
        self._system: list[TextBlockParam] = [
            {"type": "text", "text": handbook, "cache_control": {"type": "ephemeral"}}
        ]
        self._messages: list[MessageParam] = []

    def request(self, question: str) -> dict[str, Any]:
        """Return the request for a customer's next question, with what was said before."""
        self._messages.append({"role": "user", "content": question})
        return {"model": MODEL, "max_tokens": 1024, "system": self._system, "messages": self._messages}

    def answer(self, question: str) -> str:
        """Answer a question."""
        message = self._client.messages.create(**self.request(question))
        return self.said("".join(block.text for block in message.content if block.type == "text"))

    def stream(self, question: str) -> str:
        """Answer a question word by word, and return the whole answer."""
        with self._client.messages.stream(**self.request(question)) as stream:
            return self.said("".join(stream.text_stream))

    def said(self, text: str) -> str:
        """Remember what was answered."""
        self._messages.append({"role": "assistant", "content": text})
        return text


def main() -> None:
    """Answer one question, and print what it read from the cache."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--stack", required=True)
    parser.add_argument("question")
    arguments = parser.parse_args()

    observer = CacheObserver(  # (1) made once, beside the client
        targets=f"s3://{arguments.bucket}/targets/",
        target="support-agent",  # what this client's requests belong to, so that a drift is told
        state_table=arguments.table,
        metrics="cloudwatch",
        service=arguments.stack,
    )
    client = anthropic.Anthropic(middleware=[observer])  # (2)
    print(SupportAgent(client, HANDBOOK.read_text(encoding="utf-8")).stream(arguments.question))
    observer.flush()  # (3) in Lambda, before the handler returns; a process that ends by itself flushes by itself
    counts = observer.counts
    print(f"hits: {counts.hits}, cold starts: {counts.cold_starts}, of no target: {counts.unascribed}")


if __name__ == "__main__":
    main()
