"""The names of the metadata keys by which a run tells the recorder what it is.

A technique, or a user, puts them into `config["metadata"]`; the recorder reads them off the run and takes them out of
the user's own metadata. Keys that the ledger gives a column of their own are named here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TECHNIQUE: Final = "costguard_technique"
"""What made the call cheaper, such as `"cascade"`: a string or a list of strings, ours from `TECHNIQUES`."""

TECHNIQUES: Final = (
    "routing",
    "local_model",
    "cascade",
    "semantic_cache",
    "compression",
    "prompt_slimming",
    "output_limit",
    "prompt_caching",
    "batch",
)
"""The names under which this package's techniques are booked."""

SAVED_INPUT_TOKENS: Final = "costguard_saved_input_tokens"
"""How many input tokens a technique left out of the call, counted with its model's tokenizer."""

COMPRESSED_EVENT: Final = "costguard_compressed"
"""The custom event by which a compressor in a chain says what it left out: `{"saved_tokens": int}`. The tokens are
booked with the next model call of the same outermost run."""

BASELINE_MODEL: Final = "costguard_baseline_model"
"""The model the user would have called without the technique; empty for a call that would not have been made at all,
whose baseline is zero."""

BASELINE_BOOKED: Final = "costguard_baseline_booked_nano"
"""What earlier calls for the same answer have booked as its baseline, in nano-USD: this call books the difference, so
that each answer is compared once."""

BASELINE_ADDED: Final = "costguard_baseline_added_nano"
"""What a technique adds to the prompt of this call would have cost of the baseline's model, in nano-USD: without the
technique it would not have been sent. An answer from a cache is compared with no such price."""

BASELINE_SERVED: Final = "costguard_baseline_served_nano"
"""How much of that answers from a cache have booked, in nano-USD, by the name of the step in `Savings`."""

WRAPPER_TYPES: Final = frozenset({"costguard-cascade"})
"""Kinds (`_llm_type`) of chat models that only ask other models: their runs are parents, never priced or reserved."""

CASCADE_RECORD: Final = "cascade"
"""Where an answer's `response_metadata` says how it came about, and what its legs cost, if it is a cascade's."""

BATCH: Final = "costguard_batch"
"""True for a call that went through a provider's Batch API."""

SERVICE_TIER: Final = "costguard_service_tier"
"""The service tier, where the response does not say it."""

USER_KEYS: Final = ("user", "user_id")
SESSION_KEYS: Final = ("session", "session_id")
THREAD_KEYS: Final = ("thread_id", "thread", "conversation_id")

RESERVED_PREFIXES: Final = ("ls_", "lc_", "langgraph_", "__", "costguard_", "checkpoint_")
"""Keys with these beginnings belong to a framework; the ledger does not keep them as user metadata."""


def with_technique(
    metadata: Mapping[str, Any] | None,
    technique: str,
    *,
    saved_input_tokens: int = 0,
    **more: Any,  # noqa: ANN401 - metadata
) -> dict[str, Any]:
    """The metadata of a run that one more technique makes cheaper.

    Args:
        metadata: what the run has already, techniques around this one included.
        technique: one of `TECHNIQUES`.
        saved_input_tokens: how many it left out, added to what techniques around it did.
        more: further keys.
    """
    before = (metadata or {}).get(TECHNIQUE) or ()
    named = [before] if isinstance(before, str) else [*before]
    found = {**(metadata or {}), TECHNIQUE: named if technique in named else [*named, technique], **more}
    if saved_input_tokens:
        outer = found.get(SAVED_INPUT_TOKENS)
        found[SAVED_INPUT_TOKENS] = saved_input_tokens + (outer if isinstance(outer, int) else 0)
    return found
