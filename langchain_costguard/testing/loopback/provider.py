"""LoopbackProvider: the provider as a test holds it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from langchain_costguard.testing.loopback.behaviour import Behaviour
from langchain_costguard.testing.loopback.server import LoopbackServer
from langchain_costguard.testing.loopback.service import LoopbackService

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings

    from langchain_costguard.testing.loopback.prices import ModelPrice
    from langchain_costguard.testing.loopback.records import LoopbackRequest


class LoopbackProvider:
    """An OpenAI-compatible provider on 127.0.0.1 that bills every request, exactly, by a price table of its own.

    Chat completions, the Responses API, text completions, embeddings and the list of models, streamed or not. It
    counts tokens with a tokenizer of its own and reports them as usage, so cost that is computed from usage must equal
    `billed` to the last digit, unless the script makes it lie: retries the client never sees, answers that arrive after
    the client has left, streams that break. Prompts are neither printed nor, unless asked, kept.

    Args:
        reply: the usual answer, or a function of the request's body.
        prices: models beside its own (`gpt-4o`, `gpt-4o-mini`, `gpt-4.1`, `o3`, `gpt-5` ...); others do not exist.
        keep_bodies: remember the content of requests.
        report_cost: report the bill in `usage.cost`, as OpenRouter does.
        keep_alive: let a connection serve many requests, as real providers do. The OpenAI clients never close such
            connections, and a test run that turns warnings into errors would fail on them.

    Example:
        >>> with LoopbackProvider() as provider:
        ...     provider.next(text="Paris")
        ...     answer = provider.chat_model(model="gpt-4o-mini").invoke("The capital of France?")
        ...     answer.content, provider.billed
        ('Paris', Decimal('0.000003150'))
    """

    def __init__(
        self,
        *,
        reply: str | Callable[[Mapping[str, Any]], str] = "An answer from the loopback provider.",
        prices: Mapping[str, ModelPrice] | None = None,
        keep_bodies: bool = False,
        report_cost: bool = False,
        keep_alive: bool = False,
    ) -> None:
        """Make a provider; it serves once it is entered or started."""
        self._service = LoopbackService(
            usual_reply=reply, prices=prices or {}, keep_bodies=keep_bodies, report_cost=report_cost
        )
        self._keep_alive = keep_alive
        self._server: LoopbackServer | None = None

    @property
    def base_url(self) -> str:
        """Where it serves, such as `"http://127.0.0.1:54321/v1"`.

        Raises:
            RuntimeError: it does not serve.
        """
        if self._server is None:
            msg = "the loopback provider does not serve: use it as `with LoopbackProvider() as provider:`"
            raise RuntimeError(msg)
        return f"http://127.0.0.1:{self._server.port}/v1"

    @property
    def requests(self) -> tuple[LoopbackRequest, ...]:
        """Every request it received (the list of models aside), in the order of arrival; known before the answer is."""
        return self._service.requests

    @property
    def billed(self) -> Decimal:
        """What all requests together cost, in US dollars, exactly."""
        return sum((request.billed for request in self.requests), Decimal(0))

    def start(self) -> Self:
        """Begin to serve; returns itself."""
        if self._server is None:
            self._server = LoopbackServer(self._service.handle, keep_alive=self._keep_alive)
            self._server.start()
        return self

    def close(self) -> None:
        """Stop serving; what was billed stays known."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def __enter__(self) -> Self:
        """Serve."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop serving."""
        self.close()

    def next(self, **behaviour: Any) -> None:  # noqa: ANN401 - the fields of Behaviour
        """Say how the next request that nothing was said about yet is served.

        Args:
            **behaviour: fields of `Behaviour`, such as `text="Paris"` or `status=429, retry_after_seconds=0`.
        """
        self.script(Behaviour(**behaviour))

    def script(self, *behaviours: Behaviour | str | int) -> None:
        """Say how the next requests are served, one each; afterwards it gives its usual reply again.

        Args:
            *behaviours: a text to answer, an HTTP status to fail with, or a whole `Behaviour`.
        """
        self._service.script.extend(_behaviour(one) for one in behaviours)

    def chat_model(self, **kwargs: Any) -> ChatOpenAI:  # noqa: ANN401 - the fields of ChatOpenAI
        """A real `ChatOpenAI` that asks this provider, by default for `gpt-4o-mini`; `kwargs` are its own.

        Like any `ChatOpenAI` with a `base_url`, it asks for usage in streams only with `stream_usage=True`.
        """
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(**{"model": "gpt-4o-mini", **self._connection, **kwargs})

    def text_model(self, **kwargs: Any) -> OpenAI:  # noqa: ANN401 - the fields of OpenAI
        """A real `OpenAI` text model that asks this provider, by default for `gpt-3.5-turbo-instruct`."""
        from langchain_openai import OpenAI

        return OpenAI(**{"model": "gpt-3.5-turbo-instruct", **self._connection, **kwargs})

    def embeddings(self, **kwargs: Any) -> OpenAIEmbeddings:  # noqa: ANN401 - the fields of OpenAIEmbeddings
        """Real `OpenAIEmbeddings` that ask this provider, by default for `text-embedding-3-small`.

        They send texts, not token ids, so that no token vocabulary is needed.
        """
        from langchain_openai import OpenAIEmbeddings

        settings = {"model": "text-embedding-3-small", "check_embedding_ctx_length": False}
        return OpenAIEmbeddings(**{**settings, **self._connection, **kwargs})

    @property
    def _connection(self) -> dict[str, Any]:
        return {"base_url": self.base_url, "api_key": "loopback"}


def _behaviour(given: Behaviour | str | int) -> Behaviour:
    if isinstance(given, Behaviour):
        return given
    return Behaviour(text=given) if isinstance(given, str) else Behaviour(status=given)
