"""OutputLimit: how long answers may get, what is done about those cut off, and what that means for one call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from langchain_costguard.callbacks.output_caps import call_params, capped, own_cap
from langchain_costguard.output_limits.reasoning import floor_for
from langchain_costguard.tokens.limits import max_output_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage

    from langchain_costguard.callbacks.wrapping import InnerModel

OnTruncation = Literal["keep", "retry", "raise"]
"""What is done about an answer that was cut off."""

RETRY_GROWTH: Final = 4
"""So many times the limit is what a second try gets."""

_HASH_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class OutputLimit:
    """How long answers may get."""

    max_tokens: int | None
    """The most tokens of an answer, thinking included; `None` for no limit of ours."""
    on_truncation: OnTruncation
    """What is done about an answer that was cut off."""
    instruction: str | None
    """What is said about short answers; `None` for nothing."""
    floor: int
    """The lowest limit for a model that thinks; 0 for any."""
    holdout: float
    """The share of calls that is left alone, 0 to 1."""


class CallLimits(NamedTuple):
    """What one call is given."""

    cap: int | None
    """The limit in force; `None` for none."""
    settings: dict[str, Any]
    """The settings of the call."""
    larger: CallLimits | None = None
    """What a second try is given; `None` where there is none, or it would have no more room."""


def call_limits(limit: OutputLimit, models: Sequence[InnerModel], kwargs: dict[str, Any]) -> CallLimits:
    """What a call is given so that the limit holds.

    A stricter limit that a model has already stays. Behind a cascade or fallbacks, one call has one limit: the
    strictest.

    Args:
        limit: what was asked for.
        models: the chat models that the call may reach.
        kwargs: the settings it brings itself.

    Raises:
        ValueError: the limit is below the floor of a model that thinks, or the models name it differently.
    """
    if limit.max_tokens is None:
        return CallLimits(None, kwargs)
    for model in models:
        check_floor(limit, model)
    own = [cap for cap in (own_cap(model.chat, model.settings) for model in models) if cap is not None]
    cap = min(limit.max_tokens, *own, limit.max_tokens)
    settings = _in_common(models, cap, kwargs)
    if limit.on_truncation != "retry":
        return CallLimits(cap, settings)
    bounds = [*own, *(most for most in (max_output_of(name_of(model)) for model in models) if most)]
    larger = min(cap * RETRY_GROWTH, *bounds, cap * RETRY_GROWTH)
    if larger <= cap:
        return CallLimits(cap, settings)
    return CallLimits(cap, settings, CallLimits(larger, _in_common(models, larger, kwargs)))


def check_floor(limit: OutputLimit, model: InnerModel) -> None:
    """Refuse a limit that leaves a model that thinks nothing to answer with.

    Raises:
        ValueError: it does.
    """
    name, params = name_of(model), call_params(model.chat, model.settings)
    floor = floor_for(name, params, limit.floor, profile=model.chat.profile)
    if limit.max_tokens is not None and limit.max_tokens < floor:
        msg = (
            f"max_tokens={limit.max_tokens} is below {floor:,}, the floor for {name}: its thinking counts as output, "
            f"and an answer that ends while it thinks is empty and billed in full. Give max_tokens={floor} or more, "
            "turn its thinking off, or give floor=0"
        )
        raise ValueError(msg)


def name_of(model: InnerModel) -> str | None:
    """The name of the model that a call asks for."""
    named = model.settings.get("model") or model.chat._get_ls_params().get("ls_model_name")  # noqa: SLF001 - as LangChain describes runs itself
    return None if named is None else str(named)


def is_held_out(limit: OutputLimit, messages: Sequence[BaseMessage]) -> bool:
    """Whether a call is left alone, so that there is something to compare with: by its prompt, so always the same."""
    if not limit.holdout:
        return False
    text = json.dumps([[message.type, message.content] for message in messages], default=str)
    number = int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest())
    return number < limit.holdout * 256**_HASH_BYTES


def _in_common(models: Sequence[InnerModel], cap: int, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The call's settings with a limit that all of its models understand.

    Raises:
        ValueError: they understand different ones.
    """
    said = [capped(model.chat, model.settings, cap) for model in models]
    if any(one != said[0] for one in said[1:]):
        msg = (
            "the models behind this one name their output limits differently: limit each by itself, "
            "Cascade([limit_output(mini, 300), limit_output(full, 300)])"
        )
        raise ValueError(msg)
    return {**kwargs, **said[0]} if said else kwargs
