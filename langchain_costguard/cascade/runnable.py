"""Cascade: a Runnable that answers with its first model, and asks the next one where the answer is not accepted."""

# ruff: noqa: ANN401 - questions, answers and tiers are of any kind

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - LangChain resolves the hints of `bind_tools`
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import Runnable
from langchain_core.runnables.config import (
    ensure_config,
    get_callback_manager_for_config,
    patch_config,
    set_config_context,
)

from langchain_costguard.cascade.conducting import (
    aconduct,
    aconduct_all,
    aconduct_stream,
    conduct,
    conduct_all,
    conduct_stream,
)
from langchain_costguard.cascade.course import Given, Question
from langchain_costguard.cascade.making import make_plan, plan_with_schema, plan_with_tools
from langchain_costguard.cascade.runs import ChildRuns
from langchain_costguard.cascade.steps import FEWEST_TIERS
from langchain_costguard.cascade.tiers import check_settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator

    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.cascade.acceptance import AnySignal
    from langchain_costguard.cascade.calibrating import Grader
    from langchain_costguard.cascade.course import OnDraft, Plan
    from langchain_costguard.cascade.report import CalibrationReport
    from langchain_costguard.cascade.steps import OnError, OnRefused
    from langchain_costguard.cascade.targets import AnyTarget


class Cascade(Runnable[Any, Any]):
    """Asks the first of several models, has its answer judged, and asks the next one where it is not accepted.

    It takes what a chat model takes and gives what its models give. Each model it asks is a child run, seen by the
    callbacks around it, recorded and held to budgets like any other. Nothing is kept between questions: one cascade
    serves any number of threads and tasks. Every answer that is a message says how it came about in
    `response_metadata["cascade"]`: `tier`, `model`, `reason`, `confidence`, `cost_usd`, `baseline_usd` (what the last
    model alone would have cost), `saved_usd`, and one entry for each call in `legs`.

    In the ledger each question has one baseline: a draft's line has the price its tokens have at the last model
    (without what the signal added to the question); an escalation's line what it adds to that, so that both together
    are the price of the last model's own answer; a signal's line has none, it is all cost.

    Attributes:
        report: the calibration that its threshold comes from; `None` where it was not calibrated.

    Example:
        ```python
        model = Cascade([ChatOpenAI(model="gpt-4o-mini"), ChatOpenAI(model="gpt-4o")])
        answer = model.invoke("What is the capital of Australia?")
        answer.response_metadata["cascade"]["tier"]
        ```
    """

    def __init__(
        self,
        tiers: Sequence[Runnable[Any, Any]],
        accept: AnySignal | Sequence[AnySignal] | None = None,
        *,
        on_refused: OnRefused = "best",
        on_error: OnError = "escalate",
        on_draft: OnDraft = "hide",
        names: Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        """Make a cascade.

        Args:
            tiers: two or more models, the cheapest first; models with something bound to them (tools, settings) and
                `model | parser` will do as well, if all answer with the same kind of thing.
            accept: who judges answers: a signal for all tiers but the last, or one for each of them; `None` for
                `NotUncertain()`. One for the last tier as well judges its answers for the record alone.
            on_refused: when a budget refuses to escalate, `"best"` gives the last answer that was judged, if it can be
                given, and `"raise"` raises the refusal.
            on_error: when a tier other than the last fails, `"escalate"` asks the next one, and `"raise"` raises.
            on_draft: `"event"` dispatches the custom event `cascade_draft` with each judged draft; it is not shown
                anywhere else.
            names: what the tiers are called in metadata; their models' names if not given.
            name: the name of the cascade's runs.

        Raises:
            ValueError: there are fewer than two tiers, the signals or names are not as many, or a signal needs what its
                tier's provider cannot do, such as log-probabilities.
            UncalibratedSignalError: a signal has no threshold.
            TypeError: a tier is no model, the tiers answer with different kinds of things, or a signal is none.
        """
        self._plan = make_plan(tiers, accept, names=names, on_refused=on_refused, on_error=on_error, on_draft=on_draft)
        self.name: str | None = name
        self.report: CalibrationReport | None = None

    @classmethod
    def calibrated(
        cls,
        tiers: Sequence[Runnable[Any, Any]],
        examples: Iterable[Any],
        *,
        target: AnyTarget | None = None,
        signal: AnySignal | None = None,
        grader: Grader | None = None,
        mini_cost: Any = None,
        full_cost: Any = None,
        signal_cost: Any = None,
        max_concurrency: int = 8,
        **settings: Any,
    ) -> Cascade:
        """A cascade of two models whose threshold is fitted to examples; about 200 are enough.

        Both models answer every example, the mini model as it will be asked later; that is recorded and held to budgets
        as any other call. The examples must be like the questions to come.

        Args:
            tiers: the mini and the full model.
            examples: questions; `Example(question, reference)` or pairs of both where the right answer is known,
                otherwise the full model's answer counts as right. Or rows that are known already: `Row(confidence,
                mini_correct, full_correct)` or such tuples, for which nobody is asked.
            target: what the cascade must keep to; `None` for at most 5 points of regret, at 90 % confidence.
            signal: who judges; its threshold is the one that is fitted. `None` for `TokenConfidence()`.
            grader: compares an answer's text with the reference, and gives true, false, or a grade from 0 to 1; `None`
                compares them as `same_answer` does.
            mini_cost: what an answer of the mini model costs, in any unit, where prices do not say: a number, or one
                for each example.
            full_cost: the same for the full model.
            signal_cost: the same for the signal's own calls.
            max_concurrency: so many questions are asked at the same time.
            **settings: further arguments of `Cascade`.

        Returns:
            The cascade; its `report` says what is promised.

        Raises:
            InfeasibleTargetError: no threshold is known to meet the target, or there are too few examples.
            LosingCascadeError: the cascade would cost at least as much as the full model alone.
            TypeError: the target is none.
            ValueError: there are not two tiers, examples cannot be used, or costs are not known.

        Example:
            ```python
            cascade = Cascade.calibrated([mini, full], examples, target=QualityTarget(0.95))
            print(cascade.report)
            ```
        """
        from langchain_costguard.cascade import calibrating
        from langchain_costguard.cascade.acceptance import as_signal
        from langchain_costguard.cascade.calibration import DEFAULT_TARGET
        from langchain_costguard.cascade.targets import check_target
        from langchain_costguard.cascade.token_confidence import TokenConfidence

        if len(tiers) != FEWEST_TIERS:
            msg = f"{len(tiers)} tiers cannot be calibrated at once: give the mini and the full model as `tiers`."
            raise ValueError(msg)
        check_target(DEFAULT_TARGET if target is None else target)
        judge, given = TokenConfidence() if signal is None else as_signal(signal), list(examples)
        rows = calibrating.rows_of(given)
        if rows is None:
            grade = calibrating.same_text if grader is None else grader
            rows = list(calibrating.measured(tiers, given, judge, grade, max_concurrency=max_concurrency))
        costs = {"mini_cost": mini_cost, "full_cost": full_cost, "signal_cost": signal_cost}
        report = calibrating.fit(rows, DEFAULT_TARGET if target is None else target, costs)
        cascade = cls(tiers, calibrating.with_threshold(judge, report.threshold), **settings)
        cascade.report = report
        return cascade

    @property
    def tiers(self) -> tuple[Runnable[Any, Any], ...]:
        """The models, the cheapest first."""
        return self._plan.tiers

    @property
    def baseline_model(self) -> str:
        """The model with which answers are compared: the last one, or what that stands for if it is a router."""
        return self._plan.baseline

    @property
    def InputType(self) -> Any:  # noqa: N802 - LangChain's name
        """What the first model takes."""
        return self._plan.asked[0].InputType

    @property
    def OutputType(self) -> Any:  # noqa: N802 - LangChain's name
        """What the last model gives."""
        return Any if self._plan.is_structured else self._plan.asked[-1].OutputType

    def __repr__(self) -> str:
        """The tiers and who judges them."""
        judges = dict.fromkeys(repr(signal) for signal in self._plan.signals if signal is not None)
        return f"Cascade({' > '.join(self._plan.names)}, accept={', '.join(judges)})"

    def bind_tools(self, tools: Sequence[Any], **settings: Any) -> Cascade:
        """The same cascade with tools; each provider gets them in its own form.

        Args:
            tools: functions, tools or schemas, as `BaseChatModel.bind_tools` takes them.
            **settings: such as `tool_choice`.
        """
        return self._with_plan(plan_with_tools(self._plan, tools, **settings))

    def with_structured_output(self, schema: Any, *, include_raw: bool = False, **settings: Any) -> Cascade:
        """The same cascade whose answers have a schema; a draft that does not is escalated.

        Args:
            schema: as `BaseChatModel.with_structured_output` takes it.
            include_raw: also give the message the answer was read from, which says how it came about.
            **settings: such as `method`.
        """
        return self._with_plan(plan_with_schema(self._plan, schema, include_raw=include_raw, **settings))

    # -- one question ------------------------------------------------------------------------------------------------

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """Answer a question.

        Args:
            input: a text, messages, or a prompt's value.
            config: a run's config.
            **kwargs: passed on to every model, such as `stop`; what only one provider understands is refused where
                the tiers are of several.

        Raises:
            BudgetExceededError: a budget refuses the first model, or, with `on_refused="raise"`, an escalation.
        """
        config = ensure_config(config)
        run = get_callback_manager_for_config(config).on_chain_start(
            None, input, name=config.get("run_name") or self.get_name(), run_id=config.pop("run_id", None)
        )
        try:
            with set_config_context(patch_config(config, callbacks=run.get_child())) as context:
                answer = context.run(self._answer, input, run, config, kwargs)
        except BaseException as error:  # the run is told of every end, cancelled ones too; raised again
            run.on_chain_error(error)
            raise
        run.on_chain_end(answer)
        return answer

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """Answer a question without holding up the event loop."""
        return await self._acall_with_config(self._aanswer, input, config, **kwargs)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002 - LangChain's name
        """Answer a question piece by piece.

        An accepted draft comes in one piece, once it is judged; a rejected one does not come at all. The last model's
        answer comes as it is made.
        """
        yield from self._transform_stream_with_config(iter([input]), self._stream_answer, config, **kwargs)

    async def astream(
        self,
        input: Any,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Answer a question piece by piece, without holding up the event loop."""

        async def asked() -> AsyncIterator[Any]:
            yield input

        pieces = self._atransform_stream_with_config(asked(), self._astream_answer, config, **kwargs)
        async with aclosing(cast("AsyncGenerator[Any]", pieces)):
            async for piece in pieces:
                yield piece

    # -- many questions ----------------------------------------------------------------------------------------------

    def batch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Answer many questions: all drafts as one batch, then all escalations."""
        return self._batch_with_config(self._answer_all, inputs, config, return_exceptions=return_exceptions, **kwargs)

    async def abatch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Answer many questions without holding up the event loop."""
        return await self._abatch_with_config(
            self._aanswer_all, inputs, config, return_exceptions=return_exceptions, **kwargs
        )

    # -- inside the run ----------------------------------------------------------------------------------------------

    def _question(self, given: Any, run_manager: Any, config: RunnableConfig, settings: dict[str, Any]) -> Question:
        check_settings(self._plan.tiers, settings)
        return Question(self._plan, given, ChildRuns(run_manager, config), settings)

    def _answer(self, given: Any, run_manager: Any, config: RunnableConfig, kwargs: dict[str, Any]) -> Any:
        return conduct(self._question(given, run_manager, config, kwargs)).output

    async def _aanswer(self, given: Any, run_manager: Any, config: RunnableConfig, **kwargs: Any) -> Any:
        return (await aconduct(self._question(given, run_manager, config, kwargs))).output

    def _stream_answer(
        self,
        inputs: Iterator[Any],
        run_manager: Any,
        config: RunnableConfig,
        **kwargs: Any,
    ) -> Iterator[Any]:
        for given in inputs:
            yield from conduct_stream(self._question(given, run_manager, config, kwargs))

    async def _astream_answer(
        self,
        inputs: AsyncIterator[Any],
        run_manager: Any,
        config: RunnableConfig,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        async for given in inputs:
            async with aclosing(aconduct_stream(self._question(given, run_manager, config, kwargs))) as pieces:
                async for piece in pieces:
                    yield piece

    def _answer_all(
        self,
        inputs: list[Any],
        run_manager: list[Any],
        config: list[RunnableConfig],
        **kwargs: Any,
    ) -> list[Any]:
        return _outputs(conduct_all(self._questions(inputs, run_manager, config, kwargs), config[0]))

    async def _aanswer_all(
        self,
        inputs: list[Any],
        run_manager: list[Any],
        config: list[RunnableConfig],
        **kwargs: Any,
    ) -> list[Any]:
        return _outputs(await aconduct_all(self._questions(inputs, run_manager, config, kwargs), config[0]))

    def _questions(
        self, inputs: list[Any], run_managers: list[Any], configs: list[RunnableConfig], settings: dict[str, Any]
    ) -> list[Question]:
        return [
            self._question(given, manager, config, settings)
            for given, manager, config in zip(inputs, run_managers, configs, strict=True)
        ]

    def _with_plan(self, plan: Plan) -> Cascade:
        other = Cascade.__new__(Cascade)
        other._plan = plan  # noqa: SLF001 - the same class
        other.name, other.report = self.name, self.report
        return other


def _outputs(outcomes: Iterable[Given | Exception]) -> list[Any]:
    return [outcome.output if isinstance(outcome, Given) else outcome for outcome in outcomes]
