"""LangChain's hooks as calls that begin and end, handed to the recorders of those who watch.

One synchronous class serves `invoke`, `ainvoke`, `stream`, `astream` and `batch`. It runs inline, because nothing in it
waits: what has to (a database, a vocabulary on disk) leaves an event loop for the worker thread.
"""

# ruff: noqa: ANN401, ARG002 - the signatures are LangChain's

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from langchain_costguard.callbacks.calls import CALLS, close_call
from langchain_costguard.callbacks.gate import begin_call
from langchain_costguard.callbacks.inline import PlacedHandler
from langchain_costguard.callbacks.prompts import ChatPrompt, chat_text, chat_tokens, plain_text
from langchain_costguard.callbacks.results import name_of, read_answer, read_failure
from langchain_costguard.callbacks.shortened import SHORTENED
from langchain_costguard.callbacks.wrapped import WRAPPED
from langchain_costguard.exceptions import BudgetExceededError, BudgetStoreError
from langchain_costguard.pricing.names import provider_of_host
from langchain_costguard.recorder import Outcome, StartedCall, StreamUsage, View
from langchain_costguard.tags import COMPRESSED_EVENT, WRAPPER_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import LLMResult

    from langchain_costguard.guard.guard import BudgetGuard

_ENDPOINT_KEYS: Final = ("openai_api_base", "base_url", "anthropic_api_url", "endpoint_url")


class CallView(View, Protocol):
    """Somebody who can be told of calls: a handler, as those see it who watch on its behalf."""

    @property
    def is_closed(self) -> bool:
        """Whether it takes no note of calls that begin from here on."""

    @property
    def is_disabled(self) -> bool:
        """Whether it takes no note of anything."""

    @property
    def guard(self) -> BudgetGuard | None:
        """The budgets it holds calls to, if any."""

    def flush(self) -> bool:
        """See to it that every finished call is written and counted."""


class CallWatcher(PlacedHandler):
    """Watches runs on behalf of one or more views; every hook guards itself, so that tracking never breaks a chain."""

    raise_error = True

    def __init__(self) -> None:
        """Watch for nobody yet; `views` says for whom."""
        super().__init__()

    @property
    def views(self) -> Sequence[CallView]:
        """The handlers that want to see the calls this one is told about."""
        raise NotImplementedError

    def open_views(self) -> Sequence[CallView]:
        """Those of the views that still take note of calls that begin."""
        return [view for view in self.views if not (view.is_closed or view.is_disabled)]

    # -- model calls -------------------------------------------------------------------------------------------------

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A chat model run begins."""
        try:
            views = self.open_views()
            if not views:
                return
            params = kwargs.get("invocation_params")
            if params and params.get("_type") in WRAPPER_TYPES:
                CALLS.enter_chain(run_id, parent_run_id, _name(serialized, kwargs, "model"))
                run = StartedCall(run_id, "chat", ChatPrompt(messages[0] if messages else (), params), chat_text)
                describe_call(run, serialized, params, parent_run_id, tags, metadata, is_call=False)
                WRAPPED.note(run, views)
                return
            sent = messages[0] if messages else None
            call = CALLS.known(run_id, sent, params)
            is_new = call is None
            if call is None:
                call = StartedCall(run_id, "chat", ChatPrompt(sent or (), params), chat_text)
                call.sent = sent
                call.prompt_tokens = chat_tokens
                describe_call(call, serialized, params, parent_run_id, tags, metadata)
                if kwargs.get("batch_size", 1) > 1:
                    call.batch_group = params
            begin_call(call, views, serialized, is_new=is_new, is_inline=self.is_inline)
        except (BudgetExceededError, BudgetStoreError):
            raise
        except Exception as error:  # noqa: BLE001 - tracking never breaks the chain
            self._note_fault(error)

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A text model run begins."""
        try:
            views = self.open_views()
            if not views:
                return
            sent = prompts[0] if prompts else ""
            params = kwargs.get("invocation_params")
            call = CALLS.known(run_id, sent, params)
            is_new = call is None
            if call is None:
                call = StartedCall(run_id, "llm", sent, plain_text)
                call.sent = sent
                describe_call(call, serialized, params, parent_run_id, tags, metadata)
                if kwargs.get("batch_size", 1) > 1:
                    call.batch_group = params
            begin_call(call, views, serialized, is_new=is_new, is_inline=self.is_inline)
        except (BudgetExceededError, BudgetStoreError):
            raise
        except Exception as error:  # noqa: BLE001 - tracking never breaks the chain
            self._note_fault(error)

    def on_llm_new_token(
        self,
        token: str | list[Any],
        *,
        chunk: Any = None,
        run_id: UUID,
        **kwargs: Any,
    ) -> None:
        """A stream has produced something: notes the first token, and usage that chunks repeat."""
        call = CALLS.get(run_id)
        if call is None:
            return
        call.last_sign_ns = time.perf_counter_ns()
        if call.first_token_ns is None:
            call.first_token_ns = call.last_sign_ns
        if chunk is None or chunk is call.last_chunk:
            return
        try:
            usage = chunk.message.usage_metadata
        except AttributeError:  # a text model's chunk has no message
            return
        if usage:
            call.last_chunk = chunk
            if call.stream_usage is None:
                call.stream_usage = StreamUsage(usage)
            else:
                call.stream_usage.add(usage)

    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A stream of protocol events goes on; the first event stands for the first token."""
        call = CALLS.get(run_id)
        if call is not None:
            call.last_sign_ns = time.perf_counter_ns()
            if call.first_token_ns is None:
                call.first_token_ns = call.last_sign_ns

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """A model run has answered."""
        call = CALLS.take(run_id)
        if call is None:
            CALLS.leave_chain(run_id)  # a model that only asks other models is noted as a chain around them
            self._end_wrapper(run_id, response)
            return
        try:
            if call.holds and call.kind == "llm" and call.batch_group is not None:
                _share_the_bill(call)
            close_call(call, read_answer(call, response))
        except Exception as error:  # noqa: BLE001 - tracking never breaks the chain
            self._salvage(call, error)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A model run has failed, was cancelled, or its stream was closed early."""
        call = CALLS.take(run_id)
        if call is None:
            CALLS.leave_chain(run_id)  # a model that only asks other models is noted as a chain around them
            self._end_wrapper(run_id)
            return
        try:
            siblings = CALLS.batch_siblings(call)
            close_call(call, read_failure(call, error, kwargs.get("response")))
            for sibling in siblings:
                _close_sibling(sibling, call)
        except Exception as fault:  # noqa: BLE001 - tracking never breaks the chain
            self._salvage(call, fault)

    # -- the runs around them ----------------------------------------------------------------------------------------

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """A chain begins: its name is part of the path of the calls below it."""
        WRAPPED.asks(parent_run_id)
        CALLS.enter_chain(run_id, parent_run_id, _name(serialized, kwargs, "chain"))

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A chain has ended."""
        CALLS.leave_chain(run_id)
        SHORTENED.end(run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A chain has failed; if it was cancelled, so were the calls below it, which LangChain does not report."""
        try:
            if type(error).__name__ == "CancelledError":
                CALLS.cancel_below(run_id)
            elif len(CALLS):
                CALLS.drop_unsent_below(run_id, error)
            CALLS.leave_chain(run_id)
        except Exception as fault:  # noqa: BLE001 - tracking never breaks the chain
            self._note_fault(fault)

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """A tool begins: calls may be made below it."""
        CALLS.enter_chain(run_id, parent_run_id, _name(serialized, kwargs, "tool"))

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has ended."""
        CALLS.leave_chain(run_id)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has failed."""
        CALLS.leave_chain(run_id)

    def on_retriever_start(
        self,
        serialized: dict[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """A retriever begins: calls may be made below it."""
        CALLS.enter_chain(run_id, parent_run_id, _name(serialized, kwargs, "retriever"))

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A retriever has ended."""
        CALLS.leave_chain(run_id)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A retriever has failed."""
        CALLS.leave_chain(run_id)

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Something in a chain has something to say; a compressor says what it left out."""
        if name == COMPRESSED_EVENT:
            try:
                SHORTENED.note(CALLS.root_of(run_id), run_id, int(data["saved_tokens"]))
            except (KeyError, TypeError, ValueError, OverflowError) as fault:
                self._note_fault(fault)

    # -- faults of our own -------------------------------------------------------------------------------------------

    def _end_wrapper(self, run_id: UUID, response: LLMResult | None = None) -> None:
        try:
            WRAPPED.end(run_id, response)
        except Exception as fault:  # noqa: BLE001 - tracking never breaks the chain
            self._note_fault(fault)

    def _note_fault(self, error: BaseException) -> None:
        for view in self.views:
            view.recorder.note_fault(error)

    def _salvage(self, call: StartedCall, error: BaseException) -> None:
        """Book a call whose result could not be read, as far as it is known."""
        self._note_fault(error)
        close_call(call, Outcome("error", error=f"tracking: {type(error).__name__}"))


def describe_call(
    call: StartedCall,
    serialized: Mapping[str, Any] | None,
    params: Mapping[str, Any] | None,
    parent_run_id: UUID | None,
    tags: Sequence[str] | None,
    metadata: Mapping[str, Any] | None,
    *,
    is_call: bool = True,
) -> None:
    """Fill in who is called, by whom, and what for; only calls, not runs around them, take what was left out."""
    if metadata:
        call.metadata = metadata
        call.provider = name_of(metadata.get("ls_provider"))
        call.request_model = name_of(metadata.get("ls_model_name"))
    if params:
        call.params = params
        if call.request_model is None:
            call.request_model = name_of(params.get("model")) or name_of(params.get("model_name"))
        call.requested_tier = name_of(params.get("service_tier"))
        call.region = name_of(params.get("inference_geo"))
    if tags:
        call.tags = tags
    if parent_run_id is not None:
        call.parent_run_id = parent_run_id
        WRAPPED.asks(parent_run_id)
        CALLS.place(call)
        if SHORTENED and is_call:
            SHORTENED.take(call)
    if serialized:
        constructor = serialized.get("kwargs")
        if isinstance(constructor, dict):
            call.endpoint_provider = endpoint_provider_of(constructor)


def endpoint_provider_of(settings: Mapping[str, Any]) -> str | None:
    """Who serves the endpoint that a client's settings point at; `None` if they point at none, or it is not known."""
    for name in _ENDPOINT_KEYS:
        url = settings.get(name)
        if url:
            return _provider_at(url if isinstance(url, str) else str(url))
    return None


@lru_cache(maxsize=256)
def _provider_at(url: str) -> str | None:
    try:
        host = urlsplit(url).hostname
    except ValueError:  # brackets that do not match
        return None
    return None if host is None else provider_of_host(host)


def _share_the_bill(call: StartedCall) -> None:
    """Let other prompts of one `generate` pay with it: the usage of them all stands in the first answer."""
    holds = tuple(hold for sibling in CALLS.of_group(call.batch_group) for hold in sibling.holds)
    for hold in call.holds:
        hold.siblings = holds


def _close_sibling(sibling: StartedCall, failed: StartedCall) -> None:
    """Close another prompt of a synchronous `generate` that failed: an earlier one was paid, a later one never sent."""
    if sibling.started_ns <= failed.started_ns:
        CALLS.give_up(sibling, Outcome("lost"))
    else:
        CALLS.give_up(sibling, Outcome("cancelled", is_unbilled=True))


def _name(serialized: Mapping[str, Any] | None, given: Mapping[str, Any], default: str) -> str:
    name = given.get("name")
    if name is None and serialized:
        name = serialized.get("name")
        if name is None:
            path: Sequence[str] = serialized.get("id") or ()
            name = path[-1] if path else None
    return str(name or default)
