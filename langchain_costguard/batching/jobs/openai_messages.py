"""ChatOpenAI's requests and answers, made by the very methods the model uses when it is invoked.

Those methods are private, so that a release of `langchain-openai` may change them: a contract test holds them, and
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

PACKAGE: Final = "langchain-openai"
_CHAT: Final = "/v1/chat/completions"
_RESPONSES: Final = "/v1/responses"


class OpenAIWire:
    """Requests and results of one `ChatOpenAI` with what is bound to it; see `Wire`."""

    def __init__(self, model: BaseChatModel, kwargs: Mapping[str, Any]) -> None:
        """Find the model's own methods.

        Raises:
            UnsupportedChainError: this release of `langchain-openai` does not have them.
        """
        self._model: Any = model
        self._kwargs = dict(kwargs)
        self._payload_of = private(model, "_get_request_payload", PACKAGE)
        self._result_of = private(model, "_create_chat_result", PACKAGE)
        schema = self._kwargs.get("response_format")
        self._schema: Any = schema if isinstance(schema, type) else None

    def request(self, value: Any) -> Request:  # noqa: ANN401 - whatever a chat model takes
        """The request the model would have sent."""
        body = clean_body(self._payload_of(value, **self._kwargs))
        if isinstance(body.get("response_format"), type):
            from openai.lib._parsing._completions import type_to_response_format_param

            body["response_format"] = type_to_response_format_param(body["response_format"])
        if "text_format" in body:
            from openai.lib._parsing._responses import type_to_text_format_param

            body["text"] = {**(body.get("text") or {}), "format": type_to_text_format_param(body.pop("text_format"))}
        return Request(_CHAT if "messages" in body else _RESPONSES, str(body["model"]), body)

    def result(self, body: Mapping[str, Any]) -> ChatResult:
        """What the model would have made of the response."""
        return self._of_responses(body) if body.get("object") == "response" else self._of_chat(body)

    def brief(self, body: Mapping[str, Any]) -> ChatResult:
        """The same as far as usage and model are concerned, which is all that is booked; several times as fast."""
        if body.get("object") == "response":
            return self._of_responses(body)
        result: ChatResult = self._result_of(dict(body), {})
        return result

    def _of_chat(self, body: Mapping[str, Any]) -> ChatResult:
        from openai._types import NOT_GIVEN
        from openai.types.chat import ChatCompletion

        completion = ChatCompletion.construct(**body)
        if self._schema is None:
            result: ChatResult = self._result_of(completion, {})
            return result
        from openai.lib._parsing._completions import parse_chat_completion

        parsed = parse_chat_completion(
            response_format=self._schema, input_tools=NOT_GIVEN, chat_completion=completion  # type: ignore[arg-type] # a model's class, known at run time only
        )  # fmt: skip
        result = self._result_of(parsed, {})
        return result  # noqa: RET504 - typed by its declaration above

    def _of_responses(self, body: Mapping[str, Any]) -> ChatResult:
        from langchain_openai.chat_models import base
        from openai._types import NOT_GIVEN
        from openai.types.responses import Response

        construct = private(base, "_construct_lc_result_from_responses_api", PACKAGE)
        response: Any = Response.construct(**body)
        if self._schema is not None:
            from openai.lib._parsing._responses import parse_response

            response = parse_response(text_format=self._schema, input_tools=NOT_GIVEN, response=response)  # type: ignore[arg-type] # the same
        result: ChatResult = construct(
            response,
            schema=self._kwargs.get("response_format"),
            metadata={},
            output_version=self._model.output_version,
        )
        return result
