"""What a provider's Batch API can do, and which one a chat model belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from langchain_costguard.batching.jobs.job_errors import UnsupportedChainError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from langchain_core.language_models import BaseChatModel
    from langchain_core.outputs import ChatResult

    from langchain_costguard.batching.jobs.batch_results import BatchItemError
    from langchain_costguard.batching.jobs.rows import PartRow


class Request(NamedTuple):
    """One request, as the model would have sent it."""

    url: str
    """The endpoint, such as `"/v1/chat/completions"`."""
    model: str
    body: Mapping[str, Any]
    betas: tuple[str, ...] = ()
    """Anthropic's beta features, which hold for a whole batch."""


class Seen(NamedTuple):
    """A batch, as the provider tells it."""

    state: str
    """The provider's word."""
    has_ended: bool
    is_refused: bool = False
    """Whether the whole batch failed validation, so that nothing of it was done or billed."""
    is_queue_full: bool = False
    """Whether that was because too many tokens are enqueued already."""
    outputs: tuple[str, ...] = ()
    """What `download` fetches the answers by."""
    errors: tuple[tuple[int | None, str], ...] = ()
    """Why it was refused: the line of the file, from 1, and a sentence."""
    completed: int | None = None
    failed: int | None = None
    expires_us: int | None = None
    unanswered: str = "missing"
    """The cause that is given to items which the files do not have."""


class Answer(NamedTuple):
    """One line of a provider's answers."""

    custom_id: str
    body: Mapping[str, Any] | None
    """The response body; `None` where there is an error."""
    error: BatchItemError | None = None


class Wire(Protocol):
    """How one model step's inputs become requests, and its responses messages."""

    def request(self, value: Any) -> Request:  # noqa: ANN401 - whatever a chat model takes
        """The request the model would have sent."""

    def result(self, body: Mapping[str, Any]) -> ChatResult:
        """What the model would have made of the response."""

    def brief(self, body: Mapping[str, Any]) -> ChatResult:
        """The same, as far as its usage and its model are concerned."""


class BatchProvider(Protocol):
    """A provider's Batch API, through the client of the model.

    Every method raises `BatchProviderError`; its `is_certain` says whether the provider has done nothing.
    """

    name: str
    max_requests: int
    max_bytes: int

    def wire(self, model: BaseChatModel, kwargs: Mapping[str, Any]) -> Wire:
        """How a model's requests are made."""

    def line(self, custom_id: str, url: str, body: bytes) -> bytes:
        """One line of a file of requests; the body is JSON already."""

    def body_in(self, line: bytes) -> dict[str, Any]:
        """The body of such a line."""

    def upload(self, path: Path, name: str) -> str | None:
        """Send a file; its id, `None` where the provider has no files."""

    def find_upload(self, name: str, since_us: int) -> str | None:
        """The file of this name that an earlier attempt has sent."""

    def create(self, part: PartRow, path: Path, key: str) -> str:
        """Have a part worked on; the id of the batch. The client does not retry this by itself."""

    def find(self, part: PartRow, key: str, known: frozenset[str]) -> str | None:
        """The batch that an earlier attempt to create this part has made, if it has.

        Args:
            part: the part.
            key: what it was created with.
            known: the ids of batches that belong to other parts.
        """

    def look(self, batch_id: str) -> Seen:
        """How a batch stands."""

    def cancel(self, batch_id: str) -> None:
        """Have a batch stopped."""

    def download(self, batch_id: str, output: str, path: Path) -> None:
        """Fetch a file of answers, whole or not at all."""

    def answers(self, path: Path) -> Iterator[Answer | bytes]:
        """The lines of such a file, one after the other; those that cannot be read as they are."""


PROVIDERS: Final = ("openai", "anthropic")
_OWN_HOSTS: Final = {"openai": "api.openai.com", "anthropic": "api.anthropic.com"}


def provider_of(model: BaseChatModel, named: str | None = None) -> BatchProvider:
    """The Batch API that a model's requests can go through.

    Args:
        model: a chat model.
        named: what the caller says, for a `base_url` that is not the provider's own.

    Raises:
        UnsupportedChainError: there is none, or it cannot be known.
    """
    if named is not None and named not in PROVIDERS:
        msg = f"provider={named!r} has no Batch API here: give one of {', '.join(PROVIDERS)}"
        raise UnsupportedChainError(msg)
    kind = _kind_of(model)
    if kind is None or (named is not None and named != kind):
        msg = (
            f"{type(model).__name__} has no Batch API here: use ChatOpenAI or ChatAnthropic, or run_many for calls at "
            "the usual price"
        )
        raise UnsupportedChainError(msg)
    client = _client_of(model, kind)
    host = client.base_url.host or ""
    if named is None and host != _OWN_HOSTS[kind] and not host.endswith("." + _OWN_HOSTS[kind]):
        msg = (
            f"{host} is not {kind}'s own endpoint, and whether it has a Batch API is not known: give provider={kind!r} "
            "if it has, or use run_many"
        )
        raise UnsupportedChainError(msg)
    if kind == "openai":
        from langchain_costguard.batching.jobs.openai import OpenAIBatches

        return OpenAIBatches(client)
    from langchain_costguard.batching.jobs.anthropic import AnthropicBatches

    return AnthropicBatches(client)


def _kind_of(model: BaseChatModel) -> str | None:
    for one in type(model).__mro__:
        package = one.__module__.partition(".")[0]
        if package == "langchain_openai" and one.__name__ == "BaseChatOpenAI":
            return "openai"
        if package == "langchain_anthropic" and one.__name__ == "ChatAnthropic":
            return "anthropic"
    return None


def _client_of(model: BaseChatModel, kind: str) -> Any:  # noqa: ANN401 - a client of the provider's package
    """The model's own client: its key, address, headers and proxies."""
    client = getattr(model, "root_client" if kind == "openai" else "_client", None)
    if client is None:
        msg = (
            f"{type(model).__name__} has no synchronous client, by which batches are submitted: give it an api_key "
            "that is a text or a synchronous function"
        )
        raise UnsupportedChainError(msg)
    return client
