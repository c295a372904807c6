"""What the tests of batches share: the real clients, and requests to put into a batch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anthropic
import openai

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openai.types import Batch

    from langchain_costguard.testing import LoopbackProvider

CHAT = "/v1/chat/completions"


def openai_client(provider: LoopbackProvider) -> openai.OpenAI:
    """The real client of OpenAI."""
    return openai.OpenAI(base_url=provider.base_url, api_key="loopback", max_retries=0)


def anthropic_client(provider: LoopbackProvider) -> anthropic.Anthropic:
    """The real client of Anthropic."""
    return anthropic.Anthropic(base_url=provider.base_url.removesuffix("/v1"), api_key="loopback", max_retries=0)


def line(custom_id: str, **changed: Any) -> dict[str, Any]:
    """A request as a line of a batch's file; `changed` replaces parts of its body."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}], **changed}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body}


def lines(number: int) -> list[dict[str, Any]]:
    """So many requests, `r0`, `r1` ..."""
    return [line(f"r{index}") for index in range(number)]


def message(custom_id: str, **changed: Any) -> dict[str, Any]:
    """A request of a message batch; `changed` replaces parts of its parameters."""
    params = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
    return {"custom_id": custom_id, "params": {**params, **changed}}


def upload(client: openai.OpenAI, rows: Iterable[Any], name: str = "requests.jsonl") -> str:
    """Upload a file; a row that is a text stands as it is. Returns the file's id."""
    content = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n"
    return client.files.create(file=(name, content.encode()), purpose="batch").id


def create(client: openai.OpenAI, rows: Iterable[Any], **changed: Any) -> Batch:
    """Upload the requests and create a batch of them."""
    asked = {"endpoint": CHAT, "completion_window": "24h", **changed}
    return client.batches.create(input_file_id=upload(client, rows), **asked)


def polled(client: openai.OpenAI, batch: Batch, times: int = 3) -> Batch:
    """The batch after so many polls."""
    for _ in range(times):
        batch = client.batches.retrieve(batch.id)
    return batch


def read(client: openai.OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    """The lines of a file of answers."""
    assert file_id is not None
    return [json.loads(row) for row in client.files.content(file_id).text.splitlines()]
