"""The calls of one model step as the ledger and tracers know calls: who was asked, with what, under which tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from langchain_core.load import dumpd
from langchain_core.messages import HumanMessage, convert_to_messages

from langchain_costguard.batching.jobs.contracts import private
from langchain_costguard.callbacks.candidates import candidate_of
from langchain_costguard.callbacks.prompts import ChatPrompt, chat_text, chat_tokens
from langchain_costguard.callbacks.watcher import describe_call
from langchain_costguard.recorder import StartedCall
from langchain_costguard.tags import BASELINE_MODEL, BATCH, TECHNIQUE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.batching.jobs.chains import ModelStep
    from langchain_costguard.budgets.facts import CallFacts
    from langchain_costguard.guard.requests import CallRequest

_IDS: Final = UUID("6b1f4a52-54c7-5f0e-9d5e-0f2c6f1f3b77")
"""The namespace of the run ids of batch items (a constant of ours)."""


def run_id_of(job: str, step: int, position: int, attempt: int) -> UUID:
    """The run id of one request: the same whoever collects it, so that the ledger books it once."""
    return uuid5(_IDS, f"{job}/{step}/{position}/{attempt}")


class StepCalls:
    """What all calls of one model step have in common."""

    def __init__(self, job: str, step: ModelStep, config: RunnableConfig) -> None:
        """Ask the model what it would tell a handler.

        Args:
            job: the job's id.
            step: the model with what is bound to it.
            config: the job's config.
        """
        model, kwargs = step.model, dict(step.kwargs)
        stop = kwargs.pop("stop", None)
        self.job: str = job
        self.params: dict[str, Any] = private(model, "_get_invocation_params", "langchain-core")(stop=stop, **kwargs)
        named = private(model, "_get_ls_params", "langchain-core")(stop=stop, **kwargs)
        given = {**(model.metadata or {}), **(step.config.get("metadata") or {}), **(config.get("metadata") or {})}
        before = given.get(TECHNIQUE) or ()
        techniques = [before] if isinstance(before, str) else [*before]
        self.metadata: dict[str, Any] = {
            **given,
            **named,
            BATCH: True,
            TECHNIQUE: [*(one for one in techniques if one != "batch"), "batch"],
            BASELINE_MODEL: given.get(BASELINE_MODEL, named.get("ls_model_name") or ""),
        }
        self._names_baseline = BASELINE_MODEL in given
        self.tags: list[str] = [
            *dict.fromkeys([*(config.get("tags") or ()), *(step.config.get("tags") or ()), *(model.tags or ())])
        ]
        self.serialized: dict[str, Any] = dumpd(model)
        self.root: UUID = uuid5(_IDS, job)
        self.chain: str = str(config.get("run_name") or "batch")

    def leave_baseline(self) -> None:
        """Let the recorder's own baseline model stand, unless the run names one."""
        if not self._names_baseline:
            self.metadata.pop(BASELINE_MODEL, None)

    def call(self, run_id: UUID, messages: Sequence[BaseMessage], started_us: int) -> StartedCall:
        """One call, as the ledger has it: it began when its part was submitted, and its duration means nothing."""
        call = StartedCall(run_id, "chat", ChatPrompt(messages, self.params), chat_text)
        call.sent = messages
        call.prompt_tokens = chat_tokens
        describe_call(call, self.serialized, self.params, None, self.tags, self.metadata)
        call.root_run_id = self.root
        call.chain = self.chain
        call.is_timed = False
        if started_us:
            call.started_at_us = started_us
        return call

    def asked(self) -> tuple[CallRequest, CallFacts]:
        """What a budget is told of such a call; the request is still without its prompt."""
        candidate = candidate_of(self.call(self.root, (), 0), (), self.serialized)
        return candidate.request, candidate.facts


def messages_in(body: Mapping[str, Any]) -> list[BaseMessage]:
    """The messages of a request body, as LangChain's classes; one with the body's text where they cannot be read."""
    listed = body.get("messages", body.get("input", ()))
    system = body.get("system")
    try:
        messages = convert_to_messages([listed] if isinstance(listed, str) else listed)
        return [*(convert_to_messages([("system", system)]) if system else ()), *messages]
    except (ValueError, TypeError, KeyError, NotImplementedError):  # content that only the provider's form has
        return [HumanMessage(str(listed))]
