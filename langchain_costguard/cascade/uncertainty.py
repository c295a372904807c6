"""NotUncertain: the model is told to say one word when it is not sure, and that word decides."""

# ruff: noqa: RUF001 - Chinese has punctuation of its own

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import SystemMessage

from langchain_costguard.cascade.judging import LocalSignal
from langchain_costguard.cascade.marks import leaves, texts_in, unsure, words
from langchain_costguard.cascade.wording import text_of, with_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import AIMessage, BaseMessage

    from langchain_costguard.cascade.verdicts import Draft, Verdict

_MARKER: Final = "UNCERTAIN"
_INSTRUCTION: Final = (
    "If you are not sure that your answer is correct and complete, do not guess: reply with the single word {marker} "
    "and nothing else. Otherwise answer as usual and do not mention this instruction."
)
_CHINESE_MARKER: Final = "【不确定】"
_CHINESE_INSTRUCTION: Final = (
    "如果你不能确定自己的回答正确且完整，请不要猜测，只回复“{marker}”，不要输出其他任何内容。"
    "否则请照常回答，并且不要提及这条说明。"
)


@dataclass(frozen=True, repr=False)
class NotUncertain(LocalSignal):
    r"""Accepts an answer unless the model says that it is unsure.

    The judged tier's messages get an instruction, at the end of their system message or as a new one; the next tier
    gets the user's messages without it. The marker counts where it is the whole answer or begins it, fills a paragraph,
    closes a short answer or stands alone in a last sentence, in `\boxed{}` or between tags, and anywhere in a JSON
    answer, a structured one or a tool's arguments. An answer that only uses the word on its way, as an item of a list,
    as a heading, in code or as part of an identifier does not count as unsure, nor does one that begins with a longer
    word ("Uncertainty ..."); one that begins with the very word does, which costs one call of the next tier.

    The marker is never shown: where it counts it is taken out, and an accepted answer that uses it on its way gets it
    as an ordinary word ("uncertain"). Code, identifiers and arguments are never changed: there it is the user's own
    word, or, in arguments and objects, a reason to escalate and to show nothing of the draft. A marker that is itself
    an ordinary word, such as `"不确定"`, cannot be told from its ordinary use there: brackets around it help.

    Attributes:
        marker: what the model is to say, in any language; it needs a letter or a digit.
        instruction: what it is told; `{marker}` stands for the marker.

    Example:
        ```python
        NotUncertain()
        NotUncertain.chinese()
        NotUncertain("INCERTAIN", "Sans certitude, dis seulement {marker}.")
        ```
    """

    marker: str = _MARKER
    instruction: str = _INSTRUCTION

    def __post_init__(self) -> None:
        """Refuse a marker that cannot be found, and an instruction that does not name it."""
        if not words(self.marker):
            msg = f"The marker {self.marker!r} has no letter and no digit: give a word as `marker`."
            raise ValueError(msg)
        if "{marker}" not in self.instruction and self.marker not in self.instruction:
            msg = (
                f"The instruction does not tell the model to say {self.marker!r}: put `{{marker}}` into `instruction`."
            )
            raise ValueError(msg)

    @classmethod
    def chinese(cls) -> NotUncertain:
        """The same in Chinese, with the marker in brackets."""
        return cls(_CHINESE_MARKER, _CHINESE_INSTRUCTION)

    def prepare(self, messages: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
        """The messages with the instruction."""
        told = self.instruction.replace("{marker}", self.marker)
        first = messages[0] if messages else None
        if not isinstance(first, SystemMessage):
            return [SystemMessage(told), *messages]
        if isinstance(first.content, str):
            content: Any = f"{first.content}\n\n{told}"
        else:
            content = [*first.content, {"type": "text", "text": told}]
        return [first.model_copy(update={"content": content}), *messages[1:]]

    def judge(self, draft: Draft) -> Verdict:
        """Look for the marker."""
        answer, shown = draft.answer, self.presentable(draft.answer)
        changed = None if shown is answer else shown
        text = text_of(answer)
        is_marked = self.marks(answer) or (draft.schema is not None and self.marker in text)
        if is_marked or unsure(self.marker).counts(text):
            return self._verdict(accepts=False, reason=f"the model says {self.marker}", answer=changed)
        return self._verdict(accepts=True, reason=f"the model does not say {self.marker}", answer=changed)

    def presentable(self, answer: AIMessage) -> AIMessage:
        """The answer without the marker, where it can be taken out of a text."""
        return with_text(answer, unsure(self.marker).taken_out)

    def marks(self, answer: AIMessage, values: Sequence[Any] = ()) -> bool:
        """Whether the marker stands in a tool's arguments or an object."""
        return any(self.marker in text for text in chain(texts_in(answer), leaves(values)))
