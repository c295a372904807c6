"""JobContext: a job with all that it takes to work on it in this process: its file, its chain, its provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import ensure_config, merge_configs

from langchain_costguard.batching.jobs.calls import StepCalls
from langchain_costguard.batching.jobs.chains import plan_chain
from langchain_costguard.batching.jobs.contracts import private
from langchain_costguard.batching.jobs.job_errors import BatchStateError, UnsupportedChainError
from langchain_costguard.batching.jobs.providers import provider_of
from langchain_costguard.batching.jobs.watching import own_handler, watchers_of
from langchain_costguard.pricing.book import PriceBook

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_costguard.batching.jobs.chains import ChainPlan, ModelStep
    from langchain_costguard.batching.jobs.providers import BatchProvider, Wire
    from langchain_costguard.batching.jobs.rows import JobRow, PartRow
    from langchain_costguard.batching.jobs.state import JobFile
    from langchain_costguard.batching.jobs.watching import Watchers
    from langchain_costguard.budgets import Budget
    from langchain_costguard.callbacks.handler import CostCallbackHandler


class ChainContext:
    """A chain, cut at its models, and the provider they go to."""

    def __init__(
        self,
        chain: Runnable[Any, Any],
        config: RunnableConfig | None,
        provider: str | None,
        budgets: Budget | Iterable[Budget],
        prices: PriceBook | Mapping[str, Any] | None,
    ) -> None:
        """Find out whether the chain can be batched at all.

        Raises:
            UnsupportedChainError: it cannot.
            StoreError: the store of the budgets cannot be opened.
        """
        self.config: RunnableConfig = ensure_config(config)
        self.plan: ChainPlan = plan_chain(chain, self.config)
        self.providers: list[BatchProvider] = [provider_of(step.model, provider) for step in self.plan.steps]
        names = {one.name for one in self.providers}
        if len(names) > 1:
            msg = f"the models of the chain belong to {' and '.join(sorted(names))}: submit one job for each"
            raise UnsupportedChainError(msg)
        self.wires: list[Wire] = [
            one.wire(step.model, step.kwargs) for one, step in zip(self.providers, self.plan.steps, strict=True)
        ]
        self.own: CostCallbackHandler | None = own_handler(budgets, prices)
        self.prices: PriceBook = prices if isinstance(prices, PriceBook) else PriceBook(prices)

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.providers[0].name

    @property
    def signature(self) -> str:
        """What the chain looks like: the classes and names of its models, in order."""
        return " | ".join(
            f"{type(step.model).__name__}:{getattr(step.model, 'model_name', None) or getattr(step.model, 'model', '')}"
            for step in self.plan.steps
        )

    def calls(self, job: str, step: int) -> StepCalls:
        """What the calls of a step have in common."""
        return StepCalls(job, self.plan.steps[step], self.config)

    def watchers(self, step: int) -> Watchers:
        """Who watches the calls of a step, here and now."""
        bound = self.plan.steps[step]
        config = merge_configs(self.config, bound.config)
        return watchers_of(config, bound.model, self.own, self.prices)

    def messages(self, step: int, value: Any) -> list[BaseMessage]:  # noqa: ANN401 - whatever the step before gave
        """A value as the messages a step's model is asked with.

        Raises:
            ValueError: it is nothing that a chat model takes.
        """
        convert = private(self.plan.steps[step].model, "_convert_input", "langchain-core")
        messages: list[BaseMessage] = convert(value).to_messages()
        return messages

    def step(self, number: int) -> ModelStep:
        """A model with what runs before it."""
        return self.plan.steps[number]


class JobContext:
    """A job in its file, and the chain it was made of.

    Attributes:
        file: where it is kept.
        job: its row, as it was when it was opened.
        chain: its chain, cut.
    """

    def __init__(self, file: JobFile, job: JobRow, chain: ChainContext) -> None:
        """Put them together."""
        self.file: JobFile = file
        self.job: JobRow = job
        self.chain: ChainContext = chain

    def parts(self, step: int | None = None) -> list[PartRow]:
        """The parts whose files are on disk, of one step or of all."""
        parts = self.file.parts(self.job.id)
        return [part for part in parts if part.state != "preparing" and step in {None, part.step}]

    def path(self, part: PartRow) -> Path:
        """The file of a part's requests."""
        return self.file.folder(self.job.id) / part.path

    def requests_file(self, part: PartRow) -> Path:
        """The same, to be read.

        Raises:
            BatchStateError: it was deleted.
        """
        path = self.path(part)
        if not path.is_file():
            msg = (
                f"{path} is missing, and what it asked is not kept elsewhere: cancel() the job, collect() what was "
                "answered, and submit the rest under another name"
            )
            raise BatchStateError(msg)
        return path

    def provider(self, part: PartRow) -> BatchProvider:
        """The provider that a part goes to, through the client of its step's model."""
        return self.chain.providers[part.step]

    def key(self, part: PartRow) -> str:
        """By what the provider's batch and file say whose they are."""
        return f"{self.job.nonce}:{self.job.id}:{part.number}"
