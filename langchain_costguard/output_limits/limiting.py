"""limit_output(): bounds the answers of a chat model, or of every chat model in a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from langchain_costguard.callbacks.wrapping import inner_models, is_chosen_later, is_model, where_else, with_models
from langchain_costguard.output_limits.concise import CONCISE
from langchain_costguard.output_limits.limited_model import LimitedModel
from langchain_costguard.output_limits.limits import OnTruncation, OutputLimit, call_limits
from langchain_costguard.output_limits.reasoning import REASONING_FLOOR

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable


def limit_output(
    model: Runnable[Any, Any],
    max_tokens: int | None,
    on_truncation: OnTruncation = "keep",
    *,
    concise: bool | str = False,
    floor: int = REASONING_FLOOR,
    holdout: float = 0.0,
) -> Runnable[Any, Any]:
    """Bound the answers of a model, and be told where that cut one off.

    The limit goes under the name that the model's provider and family know: `max_tokens`, `max_completion_tokens`,
    `max_output_tokens` or Ollama's `num_predict`. A stricter limit that the model has already stays. Every answer says
    in `response_metadata["output_truncated"]` whether it was cut off; that is logged as well. Calls are booked under
    the technique `output_limit`.

    Args:
        model: a chat model, one with tools or settings bound, what `init_chat_model`, `guarded`, `cached` or a cascade
            make, or a chain: then every chat model in it that can be seen is limited.
        max_tokens: the most tokens of an answer, thinking included; `None` with `concise` alone.
        on_truncation: for an answer that was cut off, `"keep"` gives it as it is, `"retry"` asks once more with four
            times the limit (but no more than the model's own, and no more than a stricter limit it has), and `"raise"`
            raises. Both calls of a retry are billed and booked. In streams `"retry"` is `"keep"`: what is out cannot be
            taken back.
        concise: `True` adds an instruction to answer concisely to the end of the system message; or your own wording.
        floor: the lowest limit for models that think before they answer; 0 for any. With a thinking budget set, the
            floor is that budget and 1,024.
        holdout: the share of calls, 0 to 1, chosen by a hash of the prompt, that is left alone and tagged
            `output_limit:holdout` (the others `output_limit:limited`), so that what the limit saves is measured.

    Returns:
        A Runnable in the model's or the chain's place; a model's keeps `bind_tools` and `with_structured_output`.

    Raises:
        ValueError: an argument makes no sense, or the limit is below the floor of a model that thinks: its answer would
            be empty, and billed in full. A model that is chosen by the config of the call is looked at then, before
            anything is sent.
        TypeError: there is no chat model.

    Example:
        ```python
        model = limit_output(ChatOpenAI(model="gpt-4o-mini"), 300, on_truncation="retry", concise=True)
        answer = model.invoke("Why is the sky blue?")
        answer.response_metadata["output_truncated"]
        ```
    """
    limit = OutputLimit(max_tokens, on_truncation, _instruction(concise), floor, holdout)
    _check(limit)

    def limited(one: Runnable[Any, Any]) -> Runnable[Any, Any]:
        if not is_chosen_later(one):
            call_limits(limit, inner_models(one), {})
        return LimitedModel(one, limit)

    made = limited(model) if is_model(model) else with_models(model, limited)
    if made is model:
        msg = f"no chat model is to be seen in {type(model).__name__}: {where_else(model, 'limit_output')}"
        raise TypeError(msg)
    return made


def _instruction(concise: bool | str) -> str | None:
    if concise is True:
        return CONCISE
    if concise is False:
        return None
    if not isinstance(concise, str) or not concise.strip():
        msg = f"concise={concise!r} asks for nothing: give True, or the words of an instruction"
        raise ValueError(msg)
    return concise.strip()


def _check(limit: OutputLimit) -> None:
    if limit.on_truncation not in get_args(OnTruncation):
        msg = f"on_truncation={limit.on_truncation!r} is not known: give 'keep', 'retry' or 'raise'"
        raise ValueError(msg)
    if limit.max_tokens is None and limit.instruction is None:
        msg = "nothing is limited: give max_tokens, or concise=True"
        raise ValueError(msg)
    if limit.max_tokens is not None and (type(limit.max_tokens) is not int or limit.max_tokens < 1):
        msg = f"max_tokens={limit.max_tokens!r} allows no answer: give a whole number of tokens, 1 or more"
        raise ValueError(msg)
    if type(limit.floor) is not int or limit.floor < 0:
        msg = f"floor={limit.floor!r} is no number of tokens: give a whole number, or floor=0 for none"
        raise ValueError(msg)
    if not 0 <= limit.holdout < 1:
        msg = f"holdout={limit.holdout!r} is no share of calls: give 0 or more and less than 1, such as holdout=0.05"
        raise ValueError(msg)
