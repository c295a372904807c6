"""ContextCompressor: a context shortened to a number of tokens before a model reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, PrivateAttr, SkipValidation

from langchain_costguard.callbacks.wrapping import is_model
from langchain_costguard.compression.inputs import document_texts, documents_of, opened
from langchain_costguard.compression.messages import KEEPS, Keep, long_parts
from langchain_costguard.compression.passages import as_passages, checked_bound, checked_cached, checked_query
from langchain_costguard.compression.result import CompressionMethod  # noqa: TC001 - pydantic reads it
from langchain_costguard.compression.running import Runner
from langchain_costguard.compression.tasks import Job, Terms
from langchain_costguard.compression.telling import atell, tell
from langchain_costguard.compression.turns import CompressedMessages, compressed_messages, paying_parts
from langchain_costguard.pricing.book import PriceBook

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from langchain_core.callbacks import Callbacks
    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.compression.before import CompressingModel
    from langchain_costguard.compression.messages import Part
    from langchain_costguard.compression.result import Compressed

_METHODS: Final = ("extractive", "abstractive")


class ContextCompressor(BaseDocumentCompressor, Runnable[Any, Any]):
    """Shortens a context to at most `max_tokens`, keeping what a question needs.

    Extractive by default: whole sentences, as they stand and in their order, chosen by the question; it needs no model,
    makes no call and takes milliseconds. Abstractive: a small model writes a summary, and where that is too long, cut
    off, empty or has numbers of its own, sentences are selected instead.

    `compress()` gives a result with its spans; as a Runnable it takes and gives a text, a list of texts, messages or
    documents; and it is a LangChain document compressor.

    Args:
        max_tokens: the most tokens of the result; of messages, of each text in them.
        method: `"extractive"` or `"abstractive"`.
        model: the chat model that writes summaries.
        embedder: any LangChain embedding model, to add meaning to words when sentences are chosen.
        keep: what is kept whole: `"system"` and `"ai"` messages, `"code"` in fences, `"json"` texts of messages, and
            the `"question"`: first and last line of what the user wrote. Tool calls always are.
        count_model: whose tokenizer counts; `for_model` if not given, and o200k where that has no public one.
        for_model: who will read the result. Its price decides whether compression pays: a summary that costs more than
            it saves is not asked for, and what would break a cached prefix at a loss stays as it is.
        provider: who serves that model, as for `PriceBook.price`.
        later_calls: how many calls more will send the same context.
        prices: the price book; list prices if not given.
        max_input_tokens: a longer context is cut to this by sentences before a summary is asked for.

    Raises:
        ValueError: the method is unknown or has no model, a name in `keep` is unknown, or a number is out of range.
        TypeError: the model is no chat model, or the embedder no embedding model.

    Example:
        ```python
        compressor = ContextCompressor(max_tokens=500)
        result = compressor.compress([doc.page_content for doc in docs], query="Who won in 1901?")
        result.text, result.tokens, result.saved_tokens, result.spans
        ```
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    name: str | None = None
    max_tokens: int
    method: CompressionMethod
    embedder: SkipValidation[Any]
    keep: frozenset[Keep]
    count_model: str | None
    for_model: str | None
    _runner: Runner = PrivateAttr()

    def __init__(
        self,
        max_tokens: int = 2000,
        method: CompressionMethod = "extractive",
        model: Runnable[Any, Any] | None = None,
        *,
        embedder: Embeddings | None = None,
        keep: Collection[Keep] = KEEPS,
        count_model: str | None = None,
        for_model: str | None = None,
        provider: str | None = None,
        later_calls: int = 0,
        prices: PriceBook | None = None,
        max_input_tokens: int = 32_000,
    ) -> None:
        """Check the arguments; nothing is loaded yet."""
        checked_bound(max_tokens)
        checked_bound(max_input_tokens)
        _check_method(method, model)
        given: object = embedder
        if given is not None and not isinstance(given, Embeddings):
            msg = f"embedder={given!r:.60} is no embedding model of LangChain: give one, such as OpenAIEmbeddings()"
            raise TypeError(msg)
        unknown = sorted(set([keep] if isinstance(keep, str) else keep) - set(KEEPS))
        if unknown:
            msg = f"keep= has {unknown[0]!r}, which is not known: give some of {', '.join(map(repr, KEEPS))}"
            raise ValueError(msg)
        if later_calls < 0:
            msg = f"later_calls={later_calls} is below zero: give 0 or more"
            raise ValueError(msg)
        count_model = count_model or for_model
        fields: dict[str, Any] = {"max_tokens": max_tokens, "method": method, "embedder": embedder}
        kept = frozenset([keep] if isinstance(keep, str) else keep)
        super().__init__(**fields, keep=kept, count_model=count_model, for_model=for_model)  # type: ignore[call-arg] # pydantic reads the fields
        terms = Terms(
            count_model=count_model,
            for_model=for_model,
            provider=provider,
            prices=prices or PriceBook(),
            later_calls=later_calls,
            keeps_code="code" in self.keep,
            max_input_tokens=max(max_input_tokens, max_tokens),
        )
        self._runner = Runner(terms, model if method == "abstractive" else None, embedder)

    @property
    def model(self) -> Runnable[Any, Any] | None:
        """The model that writes summaries: no field, or whoever looks for the model of a chain would find this one."""
        return self._runner.writer

    def compress(
        self, passages: str | Sequence[str], query: str | None = None, *, cached_prefix_tokens: int = 0
    ) -> Compressed:
        """Shorten passages to `max_tokens`.

        Args:
            passages: a text or several.
            query: what they are to answer; without one, what is central to them is kept.
            cached_prefix_tokens: how many of their first tokens the provider has in its cache; with `for_model`.

        Returns:
            The result, never over `max_tokens` unless `skipped_reason` says that a cached prefix is cheaper. Where no
            sentence fits whole it is the beginning of the best one, up to a clause or a word.

        Raises:
            TypeError: something given is no text.
            ValueError: code that is kept does not fit, or something is cached and `for_model` is not given.
        """
        return self._runner.run(self._job(as_passages(passages), checked_query(query), cached_prefix_tokens))

    async def acompress(
        self, passages: str | Sequence[str], query: str | None = None, *, cached_prefix_tokens: int = 0
    ) -> Compressed:
        """The same as `compress`; an event loop goes on meanwhile."""
        return await self._runner.arun(self._job(as_passages(passages), checked_query(query), cached_prefix_tokens))

    def compress_messages(
        self, messages: Sequence[BaseMessage], query: str | None = None, *, cached_prefix_tokens: int = 0
    ) -> CompressedMessages:
        """Shorten each long text of a conversation to `max_tokens`; ids, types, tool calls and all else stay.

        Args:
            messages: the conversation.
            query: what the texts are to answer; for each the user's last question by then if not given.
            cached_prefix_tokens: how many of the first tokens of the conversation the provider has in its cache; with
                `for_model`. What is in there is only touched where that pays.

        Returns:
            The messages and what was left out.

        Raises:
            TypeError: something given is no message.
            ValueError: something is cached and `for_model` is not given.
        """
        parts, reason = self._parts(messages, query, cached_prefix_tokens)
        return compressed_messages(messages, parts, [self._runner.run(self._part_job(part)) for part in parts], reason)

    async def acompress_messages(
        self, messages: Sequence[BaseMessage], query: str | None = None, *, cached_prefix_tokens: int = 0
    ) -> CompressedMessages:
        """The same as `compress_messages`; an event loop goes on meanwhile."""
        parts, reason = self._parts(messages, query, cached_prefix_tokens)
        results = [await self._runner.arun(self._part_job(part)) for part in parts]
        return compressed_messages(messages, parts, results, reason)

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Shorten documents together to `max_tokens`; those of which nothing is kept are left out.

        Args:
            documents: what was retrieved; a title in their metadata helps to choose, and does not count.
            query: the question.
            callbacks: who is told, by LangChain.

        Returns:
            Copies with what was kept; `metadata["kept_spans"]` says from where in the original text.
        """
        job = self._document_job(documents, query)
        result = self._runner.run(job)
        tell(result.saved_tokens, callbacks)
        return documents_of(documents, result)

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The same as `compress_documents`; an event loop goes on meanwhile."""
        result = await self._runner.arun(self._document_job(documents, query))
        await atell(result.saved_tokens, callbacks)
        return documents_of(documents, result)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ANN401 - LangChain's signature
        """Shorten a text, a list of texts, messages, a prompt or documents; gives what it was given.

        Args:
            input: one of those, or `{"passages": one of them, "query": str}`.
            config: LangChain's.
            kwargs: `query` and `cached_prefix_tokens`, as for `compress`.
        """
        return self._call_with_config(self._transform, input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ANN401 - LangChain's signature
        """The same as `invoke`."""
        return await self._acall_with_config(self._atransform, input, config, **kwargs)

    def before(self, model: Runnable[Any, Any], *, cached_prefix_tokens: int = 0) -> CompressingModel:
        """A model whose prompts are shortened before it reads them, and whose ledger lines say by how much.

        Args:
            model: a chat model, or anything else that takes a prompt.
            cached_prefix_tokens: how many of the first tokens of each prompt the provider has in its cache, such as a
                long system prompt; with `for_model`.

        Returns:
            A Runnable with the model's `bind_tools` and `with_structured_output`; streams are streams.

        Example:
            ```python
            model = ContextCompressor(max_tokens=1000).before(ChatOpenAI(model="gpt-4o"))
            ```
        """
        from langchain_costguard.compression.before import CompressingModel

        return CompressingModel(self, model, cached_prefix_tokens)

    def _transform(self, value: Any, *, query: str | None = None, cached_prefix_tokens: int = 0) -> Any:  # noqa: ANN401 - as `invoke`
        given = opened(value, query)
        if given.kind == "documents":
            return self.compress_documents(given.documents, given.query or "")
        if given.kind == "messages":
            found = self.compress_messages(given.messages, given.query, cached_prefix_tokens=cached_prefix_tokens)
            tell(found.saved_tokens)
            return given.like(found.messages)
        result = self.compress(given.texts, given.query, cached_prefix_tokens=cached_prefix_tokens)
        tell(result.saved_tokens)
        return result.text if given.kind == "text" else result.passages

    async def _atransform(self, value: Any, *, query: str | None = None, cached_prefix_tokens: int = 0) -> Any:  # noqa: ANN401 - as `invoke`
        given = opened(value, query)
        if given.kind == "documents":
            return await self.acompress_documents(given.documents, given.query or "")
        if given.kind == "messages":
            found = await self.acompress_messages(
                given.messages, given.query, cached_prefix_tokens=cached_prefix_tokens
            )
            await atell(found.saved_tokens)
            return given.like(found.messages)
        result = await self.acompress(given.texts, given.query, cached_prefix_tokens=cached_prefix_tokens)
        await atell(result.saved_tokens)
        return result.text if given.kind == "text" else result.passages

    def _job(self, texts: Sequence[str], query: str | None, cached: int) -> Job:
        checked_cached(cached, self.for_model)
        return Job(texts, query, self.max_tokens, cached)

    def _part_job(self, part: Part) -> Job:
        return Job([part.text], part.query, part.most, must_fit=False)

    def _document_job(self, documents: Sequence[Document], query: str) -> Job:
        texts, titles = document_texts(documents)
        return Job(texts, checked_query(query), self.max_tokens, titles=titles)

    def _parts(self, messages: Sequence[BaseMessage], query: str | None, cached: int) -> tuple[list[Part], str | None]:
        checked_cached(cached, self.for_model)
        parts = long_parts(messages, self.max_tokens, self.keep, self.count_model, checked_query(query))
        return paying_parts(messages, parts, cached, self._runner.terms)


def _check_method(method: object, model: object) -> None:
    if method not in _METHODS:
        msg = f"method={method!r} is not known: give 'extractive' or 'abstractive'"
        raise ValueError(msg)
    if method == "abstractive" and model is None:
        msg = "method='abstractive' needs a chat model that writes summaries: give model=, such as a mini model"
        raise ValueError(msg)
    if model is not None and not is_model(model):
        msg = f"model={model!r:.60} is no chat model: give one, such as ChatOpenAI(model='gpt-4o-mini')"
        raise TypeError(msg)
