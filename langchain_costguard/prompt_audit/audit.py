"""PromptAudit: what a prompt costs by its parts, what it could do without, and how it reads without it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from langchain_costguard.pricing import PriceBook
from langchain_costguard.prompt_audit.findings import Finding, lossless_findings, lossy_findings, without_filler
from langchain_costguard.prompt_audit.ledger_audit import LedgerAudit, audit_ledger
from langchain_costguard.prompt_audit.parts import KINDS, Part, PartKind, parts_of
from langchain_costguard.prompt_audit.reading import called_tools, messages_of, read
from langchain_costguard.prompt_audit.slimming import slim_messages
from langchain_costguard.tokens import count_message_tokens, count_tokens
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from langchain_core.messages import AIMessage, BaseMessage

    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.reports.view import Table

_SHOWN: int = 60
"""So many characters of a finding's text are shown."""


class PromptAudit:
    """What a prompt costs by its parts, and what it could do without.

    Parts are told by their message and their form: the last message of the user is the question, what was said before
    is history, results of tools are documents. In the system's and the user's messages, texts in tags such as
    `<document>` or `<context>`, behind headings such as `Context:`, and `Q: ... A: ...` pairs are documents and
    examples; in a template, so are the variables `context`, `documents`, `examples` and their like.

    Edits that lose nothing are applied in `slimmed`. Anything else is only shown, in `findings` and `suggested`.

    Attributes:
        messages: the prompt as it is sent.
        tools: the tools that go with it.
        model: whose tokenizer and prices are meant.
        parts: its parts; together they have `tokens` tokens.
        slimmed: the messages after the lossless edits.
        suggested: the same without fillers as well: a proposal, for a person to judge.
        findings: what it could do without; the lossless ones first, then by tokens.

    Example:
        ```python
        audit = PromptAudit(prompt | model, inputs={"question": "Why is the sky blue?"})
        print(audit)
        ```
    """

    def __init__(
        self,
        prompt: Any,  # noqa: ANN401 - a prompt has many forms
        *,
        inputs: Mapping[str, Any] | None = None,
        model: str | None = None,
        tools: Sequence[Any] = (),
        answers: Iterable[AIMessage] | None = None,
        documents: Iterable[str] = (),
        examples: Iterable[str] = (),
        prices: PriceBook | Mapping[str, Any] | None = None,
    ) -> None:
        """Look at a prompt; nobody is asked anything.

        Args:
            prompt: a text, messages, a `PromptValue`, a prompt template, or a chain with a template and a model, whose
                name and bound tools are then known.
            inputs: the template's variables; those that are missing stand there by their name.
            model: the model's name, where the chain does not say.
            tools: the tools, where the chain does not say.
            answers: answers to such prompts: a tool that none of them calls is unused. The tool calls of the history
                count as well; without either, nothing is said about tools.
            documents: texts that are known to be documents, wherever they stand in the prompt.
            examples: texts that are known to be examples.
            prices: as for `track_costs`; the price catalogue if not given.

        Raises:
            TypeError: it is no prompt, or a chain without a template.
            ValueError: inputs are given, and there is no template.
        """
        given = read(prompt, inputs)
        self.messages: list[BaseMessage] = given.messages
        self.tools: list[Any] = [*given.tools, *tools]
        self.model: str | None = model or given.model
        self._prices = prices if isinstance(prices, PriceBook) else PriceBook(prices)
        self.parts: tuple[Part, ...] = tuple(
            parts_of(
                self.messages,
                self.tools,
                self.model,
                documents=[*documents, *given.documents],
                examples=[*examples, *given.examples],
            )
        )
        found = slim_messages(self.messages, self.model)
        self.slimmed: list[BaseMessage] = found.messages
        self.suggested: list[BaseMessage] = without_filler(self.slimmed)
        said = [*self.messages, *(answers or ())]
        called = called_tools(said) if answers is not None or called_tools(said) else None
        lossy = lossy_findings(self.slimmed, self.tools, called, self.model)
        self.findings: tuple[Finding, ...] = (*lossless_findings(found), *lossy)

    @staticmethod
    def slim(prompt: Any, model: str | None = None) -> list[BaseMessage]:  # noqa: ANN401 - a prompt has many forms
        """The messages of a prompt after the lossless edits alone.

        Args:
            prompt: a text, messages or a `PromptValue`.
            model: whose tokenizer decides whether an edit saves anything.
        """
        return slim_messages(messages_of(prompt), model).messages

    @staticmethod
    def of_ledger(
        entries: Iterable[LedgerEntry], *, prices: PriceBook | Mapping[str, Any] | None = None
    ) -> LedgerAudit:
        """What the lines of a ledger tell about prompts without holding any: see `LedgerAudit`."""
        return audit_ledger(entries, prices if isinstance(prices, PriceBook) else PriceBook(prices))

    @property
    def tokens(self) -> int:
        """The input tokens of the request."""
        return sum(part.tokens for part in self.parts)

    @property
    def slimmed_tokens(self) -> int:
        """The input tokens after the lossless edits."""
        return count_message_tokens(self.slimmed, self.model, tools=self.tools or None).tokens

    @property
    def suggested_tokens(self) -> int:
        """The input tokens of the proposal."""
        return count_message_tokens(self.suggested, self.model, tools=self.tools or None).tokens

    @property
    def saved_tokens(self) -> int:
        """What the lossless edits save, in tokens."""
        return self.tokens - self.slimmed_tokens

    @property
    def cost(self) -> Decimal | None:
        """What the input costs, in US dollars at the full rate; `None` where the price is not known."""
        return self.cost_of(self.tokens)

    def cost_of(self, tokens: int) -> Decimal | None:
        """What so many input tokens cost, in US dollars at the full rate; `None` where the price is not known."""
        if self.model is None:
            return None
        cost = self._prices.price(TokenUsage(uncached_input=tokens), model=self.model)
        return None if cost is None else cost.total

    @property
    def tokens_by_part(self) -> dict[PartKind, int]:
        """The tokens of each kind of part; kinds that do not occur are left out."""
        sums: defaultdict[PartKind, int] = defaultdict(int)
        for part in self.parts:
            sums[part.kind] += part.tokens
        return {kind: sums[kind] for kind in KINDS if sums[kind]}

    def __str__(self) -> str:
        """The audit as text."""
        from langchain_costguard.reports.text import table_as_text

        return "\n\n".join([*(table_as_text(table).rstrip() for table in self._tables()), "\n".join(self._remarks())])

    def __repr__(self) -> str:
        """The sums in one line."""
        return f"PromptAudit({self.tokens:,} tokens, {self.saved_tokens:,} to be saved without loss)"

    def _repr_html_(self) -> str:
        from html import escape

        from langchain_costguard.reports.html import table_as_html

        remarks = "".join(f"<div>{escape(remark)}</div>" for remark in self._remarks())
        return "".join(map(table_as_html, self._tables())) + remarks

    def _tables(self) -> list[Table]:
        from langchain_costguard.reports.money import dollar_column
        from langchain_costguard.reports.view import Table

        sums = self.tokens_by_part
        counts = [*sums.values(), self.tokens]
        names = [*sums, "total"]
        shares = [f"{100 * count / max(1, self.tokens):.1f} %" for count in counts]
        costs = dollar_column([self.cost_of(count) for count in counts])
        rows = tuple(zip(names, (f"{count:,}" for count in counts), shares, costs, [""] * len(names), strict=True))
        tables = [Table("", ("Part", "Tokens", "Share", "Cost", ""), rows)]
        if self.findings:
            found = tuple(map(_row, self.findings))
            tables.append(Table("", ("Found", "Tokens", "", "What"), found))
        return tables

    def _remarks(self) -> list[str]:
        method = count_tokens("", self.model).method
        remarks = [f"tokens counted by {method}" + ("" if self.model is None else f" for {self.model}")]
        if self.saved_tokens:
            remarks.append(f"without loss: {self.tokens:,} -> {self.slimmed_tokens:,} tokens (slimmed)")
        if self.suggested_tokens < self.slimmed_tokens:
            remarks.append(f"without fillers as well: {self.suggested_tokens:,} tokens (suggested)")
        return remarks


def _row(finding: Finding) -> tuple[str, str, str, str]:
    from langchain_costguard.reports.money import plain

    text = " ".join(finding.text.split())
    shown = plain(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}...")
    done = "applied" if finding.is_lossless else "shown"
    what = f"{finding.where}: {finding.advice}" + (f": {shown}" if shown else "")
    return finding.kind, f"{finding.saved_tokens:,}", done, what
