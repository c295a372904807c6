"""What each technique saved on one call, in whole nano-USD: the steps from what it would have cost to what is owed."""

from __future__ import annotations

from typing import NamedTuple


class Savings(NamedTuple):
    """The saving of one call, step by step, in nano-USD; negative where a technique cost more than it saved.

    What is owed plus the sum of the steps is what the call would have cost without any of them, so that no saving is
    claimed twice. Every step but the choice of the model is priced on the model that answered; the choice of the model
    compares the same tokens on both models.

    Example:
        >>> Savings(batch=500, prompt_caching=-25).total
        475
    """

    model_choice: int = 0
    """The difference to the `baseline_model` that a handler was given."""
    routing: int = 0
    """The same where a router chose the model."""
    local_model: int = 0
    """The same where a router chose a model of one's own."""
    cascade: int = 0
    """The same where a small model was asked first; rejected drafts and judges count against it."""
    exact_cache: int = 0
    """What an answer to the very same prompt would have cost."""
    semantic_cache: int = 0
    """What an answer to a question of the same meaning would have cost."""
    compression: int = 0
    """The input tokens that were compressed away, less what compressing cost."""
    prompt_slimming: int = 0
    """The input tokens of edits without loss."""
    output_limit: int = 0
    """Only what a limit cost, such as an answer thrown away: nobody knows how long an answer would have been."""
    prompt_caching: int = 0
    """The provider's discount on cached input, less its fee for writing to its cache."""
    batch: int = 0
    """The difference to the price of the same call at once."""

    @property
    def total(self) -> int:
        """All steps together, in nano-USD."""
        return sum(self)


SAVED_FIELDS = tuple(f"saved_{step}_nano" for step in Savings._fields)
"""The names of the steps among the sums of a ledger."""
