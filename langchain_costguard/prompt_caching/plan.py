"""CachePlan: what of a prompt can be cached, whether that pays, what stands in the way, and how to ask for it."""

# ruff: noqa: ANN401 - models, prompts and tools are of any kind

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.pricing.book import PriceBook
from langchain_costguard.prompt_caching.asked import asked_model, asked_prompts
from langchain_costguard.prompt_caching.comparing import compare
from langchain_costguard.prompt_caching.deciding import decide
from langchain_costguard.prompt_caching.findings import find_breaks, shared_tokens
from langchain_costguard.prompt_caching.forecasting import Request, Traffic
from langchain_costguard.prompt_caching.notes import notes_on
from langchain_costguard.prompt_caching.rendering import render, tokens_of
from langchain_costguard.prompt_caching.rules import rules_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_costguard.prompt_caching.applying import PlannedModel
    from langchain_costguard.prompt_caching.comparing import Comparison
    from langchain_costguard.prompt_caching.deciding import Decision, Multiples
    from langchain_costguard.prompt_caching.findings import Finding
    from langchain_costguard.prompt_caching.forecasting import Forecast
    from langchain_costguard.prompt_caching.rendering import Part
    from langchain_costguard.prompt_caching.rules import CacheRules, Lifetime
    from langchain_costguard.usage import TokenUsage

_SHORTEST_PIECE: Final = 200
"""Characters: a shorter beginning of a part that changes further on is not worth a mark of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePlan:
    """A plan for a provider's prompt cache, made by `CachePlan.from_examples`.

    A plan that is not worth it is a result like any other: `worth_it` is false and `reason` says why, in figures.
    `None` says that it cannot be known.

    Args:
        model: whose cache it is for.
        provider: who serves the model, `None` where only its name was given.
        rules: the provider's rules on the day of the plan; `None` where none are known.
        worth_it: whether caching costs less than not caching.
        reason: why, in a sentence.
        stable: the parts at the beginning that are the same in every example; the last may be the beginning of one.
        prefix_tokens: their tokens.
        reachable_tokens: how many there would be if what changes stood behind everything that does not.
        request_tokens: the tokens of the last example's input.
        findings: what stands in the way of more.
        forecast: what the best lifetime costs, where that can be known.
        multiples: what reading and writing cost, as multiples of the input price.
        breakpoints: after which of the stable parts the prefix is long enough to be kept, by their position: the
            tools, the system prompt, and all that stays the same.
        marks_conversation: whether the end of a growing conversation is to be cached as well.
        notes: what else to know, one sentence each.
    """

    model: str
    provider: str | None
    rules: CacheRules | None
    worth_it: bool | None
    reason: str
    stable: tuple[Part, ...]
    prefix_tokens: int
    reachable_tokens: int
    request_tokens: int
    findings: tuple[Finding, ...]
    forecast: Forecast | None = None
    multiples: Multiples | None = None
    breakpoints: tuple[int, ...] = ()
    marks_conversation: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def from_examples(
        cls,
        model: Any,
        examples: Sequence[Any],
        *,
        reuse: int,
        within: timedelta,
        prompt: Any = None,
        tools: Sequence[Sequence[Any]] | Sequence[Any] | None = None,
        turn_gap: timedelta | None = None,
        output_tokens: int | None = None,
        provider: str | None = None,
        rules: CacheRules | None = None,
        prices: PriceBook | None = None,
        at: datetime | None = None,
    ) -> CachePlan:
        """Plan the caching of a prompt from requests as they are really sent.

        Args:
            model: a chat model, bound or not, a chain that begins with its template, or a model's name.
            examples: two or more requests that follow each other: texts, messages, `PromptValue`s, or inputs of
                `prompt`. Make them the way production does, with its clock and its ids.
            reuse: how many more calls will send the same prefix after the first.
            within: over how long these calls are spread; they are taken to come at random.
            prompt: the template whose inputs the examples are; a chain brings its own.
            tools: the tools of the calls, or one list of them for each example; those bound to the model if not given.
            turn_gap: how long a user takes between two turns, where conversations grow and are to be cached too.
            output_tokens: how long answers usually are, so that savings can be told as a share of the bill.
            provider: who serves the model, where it does not say so itself.
            rules: the cache's rules, in place of the package's own.
            prices: what tokens cost; the price list if not given.
            at: the moment whose rules and prices count; must know its time zone; now if not given.

        Raises:
            TypeError: there is no chat model, or no template for inputs.
            ValueError: there are fewer than two examples, or `reuse` or `within` is below zero.

        Example:
            ```python
            plan = CachePlan.from_examples(
                "anthropic:claude-sonnet-5", [first, second], reuse=200, within=timedelta(hours=1)
            )
            print(plan)
            model = plan.apply(ChatAnthropic(model="claude-sonnet-5"))
            ```
        """
        _check_traffic(reuse, within)
        moment = at or datetime.now(UTC)
        asked = asked_model(model, provider)
        prompts, inputs = asked_prompts(model, prompt, examples)
        requests = [
            render(one, given)
            for one, given in zip(prompts, _tools_of_each(tools, asked.tools, len(prompts)), strict=True)
        ]
        comparisons = [compare(one, other) for one, other in pairwise(requests)]
        rules = rules or rules_for(asked.name, asked.provider, on=moment.date())
        stable = _stable_parts(requests[0], requests[1:], comparisons)
        prefix_tokens, request_tokens = tokens_of(stable, asked.name), tokens_of(requests[-1], asked.name)
        reachable = prefix_tokens + min(shared_tokens(one, asked.name) for one in comparisons)
        traffic = Traffic(calls=reuse + 1, seconds=within.total_seconds())
        decision = decide(
            rules,
            Request(
                prefix_tokens=prefix_tokens, other_tokens=request_tokens - prefix_tokens, output_tokens=output_tokens
            ),
            traffic,
            _pricer(prices or PriceBook(), asked.name, asked.provider, moment),
            model=asked.name,
            reachable_tokens=reachable,
        )
        grows = any(one.grows for one in comparisons)
        return cls(
            model=asked.name,
            provider=asked.provider,
            rules=rules,
            worth_it=decision.worth_it,
            reason=decision.reason,
            stable=stable,
            prefix_tokens=prefix_tokens,
            reachable_tokens=reachable,
            request_tokens=request_tokens,
            findings=find_breaks(comparisons, asked.name, inputs),
            forecast=decision.forecast,
            multiples=decision.multiples,
            breakpoints=_breakpoints(stable, rules, asked.name),
            marks_conversation=grows and turn_gap is not None and _pays_in_turns(rules, decision, turn_gap),
            notes=notes_on(rules, decision, traffic, grows=grows, turn_gap=turn_gap, model=asked.name),
        )

    @property
    def lifetime(self) -> Lifetime | None:
        """How long the prefix is to be kept; `None` where nothing is cached or no clock decides."""
        return None if self.forecast is None else self.forecast.lifetime

    @property
    def break_even_uses(self) -> int | None:
        """From which use within the lifetime caching pays, the first included; `None` for never or not known."""
        return None if self.multiples is None else self.multiples.break_even_uses

    @property
    def layout(self) -> tuple[str, ...]:
        """What the request begins with, part by part, and where it stops being the same."""
        lines = [f"{part.label}: the same, {tokens_of([part], self.model):,} tokens" for part in self.stable]
        return (*lines, *(str(finding) for finding in self.findings))

    def apply(self, model: Any) -> PlannedModel:
        """A model that asks for caching as planned: a Runnable that keeps everything the model can do.

        Requests that do not begin as the examples did are left as they are: they would pay for a write that nobody
        reads. Marks that are there already, set by a user or by a middleware, are kept and counted.

        Args:
            model: a chat model, bound or wrapped.

        Raises:
            TypeError: it is no single chat model.
            ValueError: its provider's cache is asked in another way than the plan's.
        """
        from langchain_costguard.prompt_caching.applying import PlannedModel, check_model

        if isinstance(model, PlannedModel) and model.plan == self:
            return model
        check_model(self, model)
        return PlannedModel(model, self)

    def __str__(self) -> str:
        """The plan as a page."""
        verdict = {True: "worth it", False: "not worth it", None: "not known"}[self.worth_it]
        head = f"Prompt caching of {self.model}: {verdict}. {self.reason[:1].upper()}{self.reason[1:]}."
        size = (
            f"{self.prefix_tokens:,} of {self.request_tokens:,} input tokens stay the same at the beginning; "
            f"{self.reachable_tokens:,} could."
        )
        return "\n".join(
            [head, size, *(f"- {finding}" for finding in self.findings), *(f"Note: {note}" for note in self.notes)]
        )


def _check_traffic(reuse: int, within: timedelta) -> None:
    if reuse < 0:
        msg = f"reuse={reuse} is no number of calls: give how many more calls send the prefix, 0 or more"
        raise ValueError(msg)
    if within < timedelta(0):
        msg = f"within={within} is no time: give how long the calls are spread over, such as timedelta(hours=1)"
        raise ValueError(msg)


def _tools_of_each(given: Sequence[Any] | None, bound: Sequence[Any], count: int) -> list[Sequence[Any]]:
    """The tools of each example."""
    tools = bound if given is None else given
    if tools and all(isinstance(one, list | tuple) for one in tools):
        if len(tools) != count:
            msg = f"tools holds {len(tools)} lists for {count} examples: give one list, or one for each example"
            raise ValueError(msg)
        return list(tools)
    return [tools] * count


def _stable_parts(
    first: Sequence[Part], others: Sequence[Sequence[Part]], comparisons: Sequence[Comparison]
) -> tuple[Part, ...]:
    """What all requests begin with: the least that any two that follow each other have in common."""
    whole, characters = min((one.whole_parts, one.characters) for one in comparisons)
    parts = tuple(first[:whole])
    if not others or whole >= len(first) or characters < _SHORTEST_PIECE:
        return parts
    text = _up_to_a_line(first[whole].text[:characters])
    return (*parts, first[whole]._replace(text=text))


def _up_to_a_line(text: str) -> str:
    """A text up to its last line, where that loses little: a mark between two lines is easier to read."""
    end = text.rfind("\n") + 1
    return text[:end] if end >= len(text) - _SHORTEST_PIECE else text


def _breakpoints(stable: Sequence[Part], rules: CacheRules | None, model: str) -> tuple[int, ...]:
    """After which stable parts a prefix ends that is long enough to be kept."""
    if rules is None or rules.min_tokens is None:
        return ()
    last = {part.kind: number for number, part in enumerate(stable) if part.kind != "schema"}
    return tuple(end for end in sorted(last.values()) if tokens_of(stable[: end + 1], model) >= rules.min_tokens)


def _pricer(book: PriceBook, model: str, provider: str | None, moment: datetime) -> Callable[[TokenUsage], int | None]:
    def price(usage: TokenUsage) -> int | None:
        cost = book.price(usage, model=model, provider=provider, at=moment)
        return None if cost is None else cost.pico_usd

    return price


def _pays_in_turns(rules: CacheRules | None, decision: Decision, turn_gap: timedelta) -> bool:
    """Whether the next turn of a conversation usually comes before its prefix is gone."""
    if rules is None or not rules.max_breakpoints or not decision.worth_it or decision.multiples is None:
        return False
    shortest = next((one.seconds for one in rules.lifetimes if one.seconds is not None), None)
    return shortest is not None and turn_gap.total_seconds() < shortest
