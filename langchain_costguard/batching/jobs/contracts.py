"""The private methods of integrations that batches are made with, and how an answer is finished as LangChain does."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.batching.jobs.job_errors import UnsupportedChainError

if TYPE_CHECKING:
    from uuid import UUID

    from langchain_core.language_models import BaseChatModel
    from langchain_core.outputs import ChatResult

_ID_PREFIX: Final = "lc_run-"
"""What LangChain puts before the run's id where the provider gave the message none."""


def private(holder: object, name: str, package: str) -> Any:  # noqa: ANN401 - a method of an integration
    """A private method, or an error that names the release which no longer has it.

    Raises:
        UnsupportedChainError: it is gone.
    """
    found = getattr(holder, name, None)
    if callable(found):
        return found
    try:
        installed = version(package)
    except PackageNotFoundError:
        installed = "(unknown)"
    msg = (
        f"{package} {installed} has no {name}, by which batch requests are made as the model makes its own: install "
        f"an earlier release of {package}, or a newer one of langchain-costguard"
    )
    raise UnsupportedChainError(msg)


def finish_result(result: ChatResult, model: BaseChatModel, run_id: UUID) -> ChatResult:
    """Do to a model's result what LangChain does to it after `_generate`: ids, metadata, content blocks.

    Args:
        result: what the model's own method made; changed in place.
        model: the model.
        run_id: the run by which the call is booked.
    """
    if model.output_version == "v1":
        from langchain_core.language_models import chat_models

        to_blocks = private(chat_models, "_update_message_content_to_blocks", "langchain-core")
        for generation in result.generations:
            generation.message = to_blocks(generation.message, "v1")
    for index, generation in enumerate(result.generations):
        message = generation.message
        if message.id is None:
            message.id = f"{_ID_PREFIX}{run_id}-{index}"
        message.response_metadata = {**(generation.generation_info or {}), **message.response_metadata}
    if len(result.generations) == 1 and result.llm_output is not None:
        message = result.generations[0].message
        message.response_metadata = {**result.llm_output, **message.response_metadata}
    return result
