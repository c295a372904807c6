"""ChatAnthropic's requests and answers, made by the very methods the model uses when it is invoked.

Those methods are private, so that a release of `langchain-anthropic` may change them: a contract test holds them, and
where one is missing the error says so before anything is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.batching.jobs.bodies import clean_body
from langchain_costguard.batching.jobs.contracts import private
from langchain_costguard.batching.jobs.providers import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.language_models import BaseChatModel
    from langchain_core.outputs import ChatResult

PACKAGE: Final = "langchain-anthropic"
_MESSAGES: Final = "/v1/messages"


class AnthropicWire:
    """Requests and results of one `ChatAnthropic` with what is bound to it; see `Wire`."""

    def __init__(self, model: BaseChatModel, kwargs: Mapping[str, Any]) -> None:
        """Find the model's own methods.

        Raises:
            UnsupportedChainError: this release of `langchain-anthropic` does not have them.
        """
        self._kwargs = dict(kwargs)
        self._payload_of = private(model, "_get_request_payload", PACKAGE)
        self._result_of = private(model, "_format_output", PACKAGE)

    def request(self, value: Any) -> Request:  # noqa: ANN401 - whatever a chat model takes
        """The request the model would have sent; its beta features are those of the whole batch."""
        body = clean_body(self._payload_of(value, **self._kwargs))
        betas = tuple(body.pop("betas", None) or ())
        return Request(_MESSAGES, str(body["model"]), body, betas)

    def result(self, body: Mapping[str, Any]) -> ChatResult:
        """What the model would have made of the response."""
        from anthropic.types import Message

        result: ChatResult = self._result_of(Message.construct(**body))
        return result

    def brief(self, body: Mapping[str, Any]) -> ChatResult:
        """The same: there is no faster way."""
        return self.result(body)
