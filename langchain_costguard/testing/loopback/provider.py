"""LoopbackProvider: the provider as a test holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from langchain_costguard.testing.loopback.batch_behaviour import BatchBehaviour
from langchain_costguard.testing.loopback.batch_clock import BatchClock
from langchain_costguard.testing.loopback.batch_rules import BatchLimits
from langchain_costguard.testing.loopback.behaviour import Behaviour
from langchain_costguard.testing.loopback.faults import Fault
from langchain_costguard.testing.loopback.front import Front
from langchain_costguard.testing.loopback.server import LoopbackServer
from langchain_costguard.testing.loopback.service import LoopbackService

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal
    from types import TracebackType

    from langchain_anthropic import ChatAnthropic
    from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings

    from langchain_costguard.testing.loopback.files import StoredFile
    from langchain_costguard.testing.loopback.front import Moment
    from langchain_costguard.testing.loopback.prices import ModelPrice
    from langchain_costguard.testing.loopback.records import LoopbackRequest


class LoopbackProvider:
    """A provider on 127.0.0.1 that bills every request, exactly, by a price table of its own.

    It speaks OpenAI's protocol (chat completions, the Responses API, text completions, embeddings, models, files and
    batches) and Anthropic's (messages and message batches), streamed or not; a batch costs half. It
    counts tokens with a tokenizer of its own and reports them as usage, so cost that is computed from usage must equal
    `billed` to the last digit, unless the script makes it lie: retries the client never sees, answers that arrive after
    the client has left, streams that break. Prompts are neither printed nor, unless asked, kept.

    Args:
        reply: the usual answer, or a function of the request's body.
        behave: says how a request is served, by its body, where the script says nothing; `None` for as usual.
        prices: models beside its own (`gpt-4o`, `gpt-4o-mini`, `gpt-4.1`, `o3`, `gpt-5` ...); others do not exist.
        keep_bodies: remember the content of requests.
        report_cost: report the bill in `usage.cost`, as OpenRouter does.
        batch_limits: how large batches may be; the limits of the real providers where nothing is said.
        batch_seconds: how long a batch takes, in seconds; `None`: each poll takes it a step further.
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
        behave: Callable[[Mapping[str, Any]], Behaviour | None] | None = None,
        prices: Mapping[str, ModelPrice] | None = None,
        keep_bodies: bool = False,
        report_cost: bool = False,
        batch_limits: BatchLimits | None = None,
        batch_seconds: float | None = None,
        keep_alive: bool = False,
    ) -> None:
        """Make a provider; it serves once it is entered or started."""
        self._service = LoopbackService(
            usual_reply=reply,
            behave=behave,
            prices=prices or {},
            keep_bodies=keep_bodies,
            report_cost=report_cost,
        )
        clock = BatchClock(batch_seconds=batch_seconds)
        self._front = Front(self._service, batch_limits or BatchLimits(), clock)
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
    def batch_items(self) -> tuple[LoopbackRequest, ...]:
        """Every request of a batch that was answered, or refused, so far; they are not among `requests`."""
        return self._service.items

    @property
    def batches(self) -> list[dict[str, Any]]:
        """Every batch as `GET /v1/batches/{id}`, or `GET /v1/messages/batches/{id}`, tells it; this is no poll."""
        return self._front.batches

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """Every file it holds, oldest first."""
        return self._front.files.all

    @property
    def billed(self) -> Decimal:
        """What all requests, those of batches included, cost together, in US dollars, exactly."""
        return self._service.billed

    def start(self) -> Self:
        """Begin to serve; returns itself."""
        if self._server is None:
            self._server = LoopbackServer(self._front.handle, keep_alive=self._keep_alive)
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

    def next_batch(self, **behaviour: Any) -> None:  # noqa: ANN401 - the fields of BatchBehaviour
        """Say how the next batch that is created, and that nothing was said about yet, is served.

        Args:
            **behaviour: fields of `BatchBehaviour`, such as `failed_share=0.03` or `expires_after_share=0.4`.
        """
        self._front.batch_script.append(BatchBehaviour(**behaviour))

    def fault(self, route: str, *, times: int = 1, **fault: Any) -> None:  # noqa: ANN401 - the fields of Fault
        """Let the next requests of a route go wrong.

        Args:
            route: method and path, `*` for any part: `"POST /v1/batches"`, `"GET /v1/files/*/content"`.
            times: how many of them.
            **fault: fields of `Fault`, such as `status=429, retry_after_seconds=0` or `answer_lost=True`.
        """
        self._front.faults.add(route, Fault(**fault), times)

    def take_requests(self) -> tuple[LoopbackRequest, ...]:
        """Every request it received and still knows, which it then forgets; `billed` goes on counting them.

        For runs of hours, in which `requests` would fill the memory.
        """
        return self._service.take_requests()

    def on_request(self, watcher: Callable[[Moment, str, str], object]) -> None:
        """Be told of every request, in the thread that serves it: with it a test can stop the client at any moment.

        Args:
            watcher: is given the moment (`"received"`: nothing is done yet; `"served"`: all is done, but the answer
                is not sent), the method and the path.
        """
        self._front.watchers.append(watcher)

    def chat_model(self, **kwargs: Any) -> ChatOpenAI:  # noqa: ANN401 - the fields of ChatOpenAI
        """A real `ChatOpenAI` that asks this provider, by default for `gpt-4o-mini`; `kwargs` are its own.

        Like any `ChatOpenAI` with a `base_url`, it asks for usage in streams only with `stream_usage=True`.
        """
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(**{"model": "gpt-4o-mini", **self._connection, **kwargs})

    def anthropic_model(self, **kwargs: Any) -> ChatAnthropic:  # noqa: ANN401 - the fields of ChatAnthropic
        """A real `ChatAnthropic` that asks this provider, by default for `claude-haiku-4-5`; `kwargs` are its own."""
        from langchain_anthropic import ChatAnthropic

        connection = {"base_url": self.base_url.removesuffix("/v1"), "api_key": "loopback"}
        return ChatAnthropic(**{"model": "claude-haiku-4-5", **connection, **kwargs})

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
