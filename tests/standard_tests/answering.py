"""A script that knows the questions of LangChain's suite for chat models, and calls the tools they want."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage

from langchain_costguard.testing import Reply

_DETAILED = {
    "input_tokens": 30,
    "output_tokens": 12,
    "total_tokens": 42,
    "input_token_details": {"cache_read": 10},
    "output_token_details": {"reasoning": 5},
}
_TOOL_CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "magic_function(3)": ("magic_function", {"input": 3}),
    "weather in San Francisco": ("get_weather", {"location": "San Francisco"}),
    "你好啊集团": ("unicode_customer", {"customer_name": "你好啊集团", "description": "技术公司"}),
    "こんにちは株式会社": ("unicode_customer", {"customer_name": "こんにちは株式会社", "description": "会社"}),
}
"""The calls that the questions of the suite want."""


def answer(messages: list[BaseMessage]) -> Reply:
    """Call the tool that the suite's question wants; answer everything else in words."""
    question = messages[-1]
    calls = [
        call for words, call in _TOOL_CALLS.items() if words in question.text and isinstance(question, HumanMessage)
    ]
    return Reply("" if calls else "A detailed, deliberate answer.", usage=_DETAILED, tool_calls=calls)
