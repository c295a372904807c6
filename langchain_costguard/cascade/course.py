"""One question on its way through a cascade: what is asked, judged and shown, written once for every way of running it.

The course is a generator: it yields what is to be done (`Ask`, `Judge`, `Tell`) and is sent what came of it. Whoever
drives it, one question or many, with or without an event loop, streaming or not, does these three things in its way.
"""

# ruff: noqa: ANN401 - questions, answers and tiers are of any kind

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue

from langchain_costguard.cascade.asking import LegAsking
from langchain_costguard.cascade.judging import ajudged, judged
from langchain_costguard.cascade.legs import ANSWER, DRAFT, Leg, Legs, confidence_text, usage_in
from langchain_costguard.cascade.marks import without_values
from langchain_costguard.cascade.structure import call_fault, value_fault
from langchain_costguard.cascade.verdicts import Draft, Signal, Verdict
from langchain_costguard.cascade.wording import is_empty
from langchain_costguard.cost import nano_half_even
from langchain_costguard.exceptions import BudgetExceededError, BudgetStoreError, UnknownPriceError
from langchain_costguard.tags import CASCADE_RECORD
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from langchain_core.runnables import Runnable

    from langchain_costguard.cascade.runs import Runs
    from langchain_costguard.cascade.steps import Rules, State

OnDraft: TypeAlias = Literal["hide", "event"]
"""What is shown of drafts: nothing, or a custom event with each of them."""

_BYTES_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What a cascade is made of; the same for every question.

    Attributes:
        rules: what leads from one tier to the next.
        tiers: the models as the user gave them.
        asked: the same with tools or a schema, and with what their signals need.
        signals: who judges each tier; `None` for a last tier that nobody judges.
        settings: what each tier is asked with for its signal's sake.
        names: the tiers' names.
        baseline: the model that answers are compared with: the last tier's.
        on_draft: what is shown of drafts.
        tools: the tools that are bound.
        schema: the schema of structured answers.
        is_structured: whether answers have a schema.
        include_raw: whether structured answers keep the message they were read from.
    """

    rules: Rules
    tiers: tuple[Runnable[Any, Any], ...]
    asked: tuple[Runnable[Any, Any], ...]
    signals: tuple[Signal | None, ...]
    settings: tuple[Mapping[str, Any], ...]
    names: tuple[str, ...]
    baseline: str
    on_draft: OnDraft = "hide"
    tools: tuple[Any, ...] = ()
    schema: Any = None
    is_structured: bool = False
    include_raw: bool = False


class Ask(NamedTuple):
    """Ask a tier; its answer is sent back, or what it failed with is thrown."""

    runnable: Runnable[Any, Any]
    given: Any
    leg: Leg
    is_shown: bool
    """Whether the answer is given whatever it is, so that it may be streamed as it comes."""


class Judge(NamedTuple):
    """Judge a draft; the verdict is sent back."""

    signal: Signal
    draft: Draft


class Tell(NamedTuple):
    """Dispatch an event with a draft."""

    data: dict[str, Any]


Command: TypeAlias = Ask | Judge | Tell


class Given(NamedTuple):
    """The answer, and how it came about."""

    output: Any
    """What the user gets; a message among it carries the record."""
    record: dict[str, Any]
    """How it came about: texts and whole numbers."""
    legs: Legs
    is_shown: bool
    """Whether it came from a tier whose answer may have been streamed."""


class Question:
    """One question on its way."""

    def __init__(self, plan: Plan, given: Any, runs: Runs, settings: Mapping[str, Any]) -> None:
        """Begin with nobody asked.

        Args:
            plan: what the cascade is made of.
            given: the question, as a chat model takes it.
            runs: where legs are run.
            settings: what every tier is asked with, such as `stop`.
        """
        self.plan = plan
        self.runs = runs
        self.settings = settings
        self.legs: Legs = Legs()
        self._given = given
        self._messages: Sequence[BaseMessage] | None = None
        self._outputs: dict[int, Any] = {}
        self._sent_to: dict[int, Any] = {}
        self._verdicts: dict[int, Verdict] = {}
        self._failures = 0

    def course(self) -> Generator[Command, Any, Given]:
        """The way to the answer.

        Raises:
            BudgetExceededError: a budget refuses the first tier, or, if so set, an escalation.
            Exception: what the last tier failed with, or, if so set, any tier.
        """
        state = self.plan.rules.begin()
        while not state.is_over:
            state = (yield from self._try(state)) if state.do == "try" else (yield from self._judge(state))
        if state.do == "raise" and state.error is not None:
            raise state.error
        return self._give(state)

    def answer_of(self, tier: int) -> AIMessage | None:
        """A tier's answer as the user may see it; `None` where it gave none."""
        return self._shown(tier) if tier in self._outputs else None

    # -- asking ------------------------------------------------------------------------------------------------------

    def _try(self, state: State) -> Generator[Command, Any, State]:
        tier = state.tier
        is_shown = state.is_last
        sent = self._sent_to[tier] = self._given if is_shown else self._sent(tier)
        leg = self._leg(tier, ANSWER if is_shown else DRAFT)
        leg.baseline, leg.asked = self.plan.baseline, self.plan.asked[tier]
        leg.booked_nano, leg.added_nano = self.legs.booked_nano, self._added_nano(leg, sent)
        leg.others_nano, leg.served_nano = self.legs.others_nano, self.legs.served_nano
        self.legs.open(leg)
        try:
            output = yield Ask(self.plan.asked[tier], sent, leg, is_shown)
        except (BudgetExceededError, BudgetStoreError) as error:
            leg.error = type(error).__name__
            return state.refused(error)
        except Exception as error:  # noqa: BLE001 - whatever a tier fails with, the next one may answer
            leg.error = type(error).__name__
            return state.failed(error)
        self._outputs[tier] = output
        leg.usage = usage_in(self._message(output))
        return state.answered()

    def _leg(self, tier: int, purpose: str) -> Leg:
        return Leg(tier, self.plan.names[tier], purpose)

    def _sent(self, tier: int) -> Any:
        """What a judged tier is sent: the question itself, unless its signal adds something."""
        signal = self.plan.signals[tier]
        if signal is None or type(signal).prepare is Signal.prepare:
            return self._given
        messages = self.messages
        sent = signal.prepare(messages)
        return self._given if sent is messages else sent

    @property
    def messages(self) -> Sequence[BaseMessage]:
        """The question as messages."""
        if self._messages is None:
            self._messages = as_messages(self._given)
        return self._messages

    def _added_nano(self, leg: Leg, sent: Any) -> int:
        """What the last tier would have charged for what a signal adds to a question: it would not have been sent it.

        In nano-USD, at four bytes per token.
        """
        if sent is self._given:
            return 0
        before = {id(message) for message in self.messages}
        after = {id(message) for message in sent}
        added = sum(len(message.text) for message in sent if id(message) not in before)
        left_out = sum(len(message.text) for message in self.messages if id(message) not in after)
        return _price_nano(leg.baseline, max(0, added - left_out) // _BYTES_PER_TOKEN, self.runs.prices)

    # -- judging -----------------------------------------------------------------------------------------------------

    def _judge(self, state: State) -> Generator[Command, Any, State]:
        tier = state.tier
        leg = next(leg for leg in reversed(self.legs.legs) if leg.tier == tier and leg.purpose in {DRAFT, ANSWER})
        verdict = self._unreadable(tier)
        if verdict is None:
            signal = self.plan.signals[tier]
            assert signal is not None  # noqa: S101 - the rules judge only tiers that have one
            verdict = yield Judge(signal, self._draft(tier))
            self._failures += verdict.failed
        self._verdicts[tier] = verdict
        leg.verdict = "failed" if verdict.failed else "accepted" if verdict.accepts else "rejected"
        leg.reason, leg.confidence = verdict.reason, verdict.confidence
        if self.plan.on_draft == "event" and not state.is_last:
            yield Tell(self._event(tier, verdict))
        hidden = self._is_unreadable(tier) or self._is_marked(tier)
        is_answer = verdict.accepts or not (hidden or is_empty(self._shown(tier)))
        return state.judged(accepts=verdict.accepts, presentable=is_answer)

    def _draft(self, tier: int) -> Draft:
        plan = self.plan
        return Draft(
            messages=self.messages,
            sent=as_messages(self._sent_to[tier]),
            answer=self._message(self._outputs[tier]),
            tier=tier,
            model=plan.tiers[tier],
            asking=LegAsking(self.runs, self.legs, tier),
            tools=plan.tools,
            schema=plan.schema,
        )

    def _is_unreadable(self, tier: int) -> bool:
        return self._form_fault(tier) is not None

    def _form_fault(self, tier: int) -> str | None:
        """Why an answer does not have the schema; `None` where it has, or where there is none."""
        schema, output = self.plan.schema, self._outputs[tier]
        if schema is None:
            return None
        if not self.plan.is_structured:
            return call_fault(self._message(output), schema)
        if output["parsing_error"] is not None:
            return type(output["parsing_error"]).__name__
        return "nothing in it" if output["parsed"] is None else value_fault(output["parsed"], schema)

    def _is_marked(self, tier: int) -> bool:
        """Whether a draft holds a signal's marker where it cannot be taken out."""
        signal, output = self.plan.signals[tier], self._outputs[tier]
        if signal is None or tier not in self._sent_to or self._sent_to[tier] is self._given:
            return False
        message = self._message(output)
        values = [] if isinstance(output, (str, BaseMessage)) else [output]
        return signal.marks(message, values if self.plan.schema is None else [*values, message.text])

    def _unreadable(self, tier: int) -> Verdict | None:
        """The verdict on an answer that lacks its structure or holds a marker in it: nobody need be asked."""
        if self._is_marked(tier):
            name = type(self.plan.signals[tier]).__name__
            return Verdict(accepts=False, reason="the answer holds the marker", signal=name)
        why = self._form_fault(tier)
        if why is None:
            return None
        return Verdict(accepts=False, reason=f"the answer does not have the schema ({why})", signal="schema")

    def _event(self, tier: int, verdict: Verdict) -> dict[str, Any]:
        return {
            "tier": tier,
            "model": self.plan.names[tier],
            "draft": without_values(self._shown(tier)) if self._is_marked(tier) else self._shown(tier),
            "accepted": verdict.accepts,
            "reason": verdict.reason,
            "confidence": confidence_text(verdict.confidence),
        }

    # -- giving ------------------------------------------------------------------------------------------------------

    def _shown(self, tier: int) -> AIMessage:
        """A tier's answer as the user may see it."""
        verdict, signal = self._verdicts.get(tier), self.plan.signals[tier]
        if verdict is not None and verdict.answer is not None:
            return verdict.answer
        message = self._message(self._outputs[tier])
        if signal is None or (verdict is not None and verdict.accepts):
            return message
        return signal.presentable(message)

    def _give(self, state: State) -> Given:
        tier, output = state.tier, self._outputs[state.tier]
        record = self._record(state)
        is_shown = tier == self.plan.rules.tiers - 1
        message = self._message(output) if is_shown else self._shown(tier)
        stamped = stamp(message, record)
        if isinstance(output, str):
            return Given(message.text, record, self.legs, is_shown)
        if not self.plan.is_structured:
            given = stamped if isinstance(output, BaseMessage) else output
            return Given(given, record, self.legs, is_shown)
        if self.plan.include_raw:
            return Given({**output, "raw": stamped}, record, self.legs, is_shown)
        if output["parsing_error"] is not None:
            raise output["parsing_error"]
        return Given(output["parsed"], record, self.legs, is_shown)

    def _record(self, state: State) -> dict[str, Any]:
        """How the answer came about, as it stands in its metadata."""
        verdict = self._verdicts.get(state.tier)
        return {
            "id": self.runs.id,
            "tier": state.tier,
            "model": self.plan.names[state.tier],
            "ending": state.ending,
            "reason": _reason(state, verdict),
            "signal": None if verdict is None else verdict.signal,
            "confidence": None if verdict is None else confidence_text(verdict.confidence),
            "signal_failures": self._failures,
            **self.legs.money(),
            "legs": [leg.as_dict() for leg in self.legs.legs],
        }

    @staticmethod
    def _message(output: Any) -> AIMessage:
        """A tier's answer as a message."""
        if isinstance(output, AIMessage):
            return output
        if isinstance(output, dict) and isinstance(output.get("raw"), AIMessage):
            raw: AIMessage = output["raw"]
            return raw
        return AIMessage(output if isinstance(output, str) else str(output))


def as_messages(given: Any) -> Sequence[BaseMessage]:
    """A question as messages.

    Raises:
        TypeError: it is none.
    """
    if isinstance(given, str):
        return [HumanMessage(given)]
    if isinstance(given, PromptValue):
        return given.to_messages()
    if isinstance(given, (list, tuple)):
        return convert_to_messages(given)
    msg = (
        f"A cascade takes what a chat model takes (a text, messages, a prompt's value), not {type(given).__name__}: "
        "put a prompt before it, `prompt | Cascade([...])`."
    )
    raise TypeError(msg)


def stamp(message: AIMessage, record: Mapping[str, Any]) -> AIMessage:
    """A copy of an answer that says how it came about."""
    return message.model_copy(update={"response_metadata": {**message.response_metadata, CASCADE_RECORD: dict(record)}})


def judge(command: Judge) -> Verdict:
    """Have a draft judged; a signal that breaks does not accept."""
    return judged(command.signal, command.draft)


async def ajudge(command: Judge) -> Verdict:
    """Have a draft judged without holding up the event loop."""
    return await ajudged(command.signal, command.draft)


def _reason(state: State, verdict: Verdict | None) -> str:
    if state.ending == "refused":
        return f"the escalation was refused ({type(state.error).__name__}); this is the best answer so far"
    if state.ending == "accepted" and verdict is not None:
        return verdict.reason
    return "no higher tier" if verdict is None else f"no higher tier; {verdict.reason}"


def _price_nano(model: str, input_tokens: int, prices: Any) -> int:
    """What so many input tokens cost, in nano-USD; zero where the price is not known."""
    if not input_tokens:
        return 0
    try:
        cost = prices.price(TokenUsage(uncached_input=input_tokens), model=model)
    except UnknownPriceError:  # a book that raises: the baseline itself is then unknown as well
        return 0
    return 0 if cost is None else nano_half_even(cost.pico_usd)
