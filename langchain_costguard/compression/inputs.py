"""What a compressor is given as a Runnable: a text, texts, messages, a prompt or documents, and how it goes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Literal

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, convert_to_messages
from langchain_core.prompt_values import ChatPromptValue, PromptValue

from langchain_costguard.compression.passages import as_passages, checked_query
from langchain_costguard.compression.result import joined

if TYPE_CHECKING:
    from langchain_costguard.compression.result import Compressed

_ASKED: Final = frozenset({"passages", "query"})
_NO_INPUT: Final = (
    "give a str, a list of str, messages, a prompt or Documents, or a dict with just 'passages' and 'query'"
)


@dataclass(frozen=True, slots=True)
class Given:
    """An input that was understood."""

    kind: Literal["text", "texts", "messages", "documents"]
    query: str | None = None
    texts: list[str] = field(default_factory=list)
    messages: list[BaseMessage] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    form: type[object] = list
    """What messages were given as."""

    def like(self, messages: list[BaseMessage]) -> Any:  # noqa: ANN401 - the form they came in
        """The messages in the form they were given in."""
        if issubclass(self.form, BaseMessage):
            return messages[0]
        return ChatPromptValue(messages=messages) if issubclass(self.form, PromptValue) else messages


def opened(value: Any, query: str | None = None) -> Given:  # noqa: ANN401 - refused here where it is nothing known
    """What an input holds.

    Args:
        value: see `ContextCompressor.invoke`.
        query: the question, where it is not in the input.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(value, Mapping):
        if set(value) != _ASKED:
            msg = f"a dict with {sorted(map(str, value))} is no input: {_NO_INPUT}"
            raise TypeError(msg)
        return opened(value["passages"], checked_query(value["query"]) or query)
    query = checked_query(query)
    if isinstance(value, str):
        return Given("text", query, texts=[value])
    if isinstance(value, BaseMessage):
        return Given("messages", query, messages=[value], form=type(value))
    if isinstance(value, PromptValue):
        return Given("messages", query, messages=value.to_messages(), form=type(value))
    if isinstance(value, Document):
        value = [value]
    if not isinstance(value, Sequence) or isinstance(value, bytes | bytearray):
        msg = f"{value!r:.60} is a {type(value).__name__}: {_NO_INPUT}"
        raise TypeError(msg)
    if any(isinstance(one, Document) for one in value):
        return Given("documents", query, documents=_all_documents(value))
    if value and not all(isinstance(one, str) for one in value):
        return Given("messages", query, messages=_as_messages(value))
    return Given("texts", query, texts=as_passages(value))


def document_texts(documents: Sequence[Document]) -> tuple[list[str], list[str]]:
    """The texts of documents, and their titles where any has one."""
    known = _all_documents(documents)
    titles = [str(document.metadata.get("title") or "") for document in known]
    return [document.page_content for document in known], titles if any(titles) else []


def documents_of(documents: Sequence[Document], result: Compressed) -> list[Document]:
    """What was kept of each document, with its id and metadata; a summary is one document of its own."""
    if result.method == "abstractive":
        return [_summary(documents, result.text)]
    kept = [(at, list(spans)) for at, spans in groupby(result.spans, key=lambda span: span.source)]
    return [
        documents[at].model_copy(
            update={
                "page_content": joined(spans),
                "metadata": {**documents[at].metadata, "kept_spans": [(span.start, span.end) for span in spans]},
            }
        )
        for at, spans in kept
    ]


def _summary(documents: Sequence[Document], text: str) -> Document:
    """A summary as a document: with the metadata that is the same in all, and that of each."""
    each = [document.metadata for document in documents]
    common = {name: value for name, value in each[0].items() if all(name in one and one[name] == value for one in each)}
    return Document(page_content=text, metadata={**common, "summary_of": each})


def _all_documents(documents: Sequence[Any]) -> list[Document]:
    for at, document in enumerate(documents):
        if not isinstance(document, Document):
            msg = f"documents[{at}] is a {type(document).__name__}: give Documents, or texts to compress()"
            raise TypeError(msg)
    return list(documents)


def _as_messages(value: Sequence[Any]) -> list[BaseMessage]:
    try:
        return convert_to_messages(value)
    except (ValueError, NotImplementedError) as error:
        msg = f"{value!r:.60} is no list of messages: {_NO_INPUT}"
        raise TypeError(msg) from error
