"""What was asked for, line by line: document 1, parts 1 to 5, with real clients and a provider that bills.

The cascade, the semantic cache and monitoring stand in `tests/unit_tests/test_requirements.py`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from langchain_costguard import (
    ComplexityRouter,
    ContextCompressor,
    PromptAudit,
    TaskRouter,
    free,
    limit_output,
    run_many,
    submit_batch,
    track_costs,
)
from langchain_costguard.batching import open_batch
from langchain_costguard.testing import LoopbackProvider, ModelPrice
from langchain_costguard.tokens import count_tokens

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.required

PRICES = {"o1-mini": ModelPrice("1.10", "4.40"), "qwen2.5:7b": ModelPrice(0)}
"""What the provider charges for models that it does not list."""
VERBOSE = (
    "你是一个非常专业的、经验非常丰富的、知识非常渊博的助手。请你认真地、仔细地、全面地回答用户的问题。"
    "请确保你的回答是准确的、有帮助的、详细的。用户的问题是:{question}"
)
CONCISE = "简洁回答:{question}"
PROMPT = ChatPromptTemplate.from_template("{question}")


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("simple_qa", "gpt-4o-mini"),
        ("classification", "gpt-4o-mini"),
        ("summarization", "gpt-4o-mini"),
        ("code_generation", "gpt-4o"),
        ("creative_writing", "gpt-4o"),
        ("complex_reasoning", "o1-mini"),
        ("something else", "gpt-4o-mini"),
    ],
)
def test_doc1_part1_each_task_type_reaches_its_model(task: str, model: str) -> None:
    """`smart_query(query, task_type)` chooses and calls."""
    with LoopbackProvider(prices=PRICES) as provider:
        mini, full, reasoner = (provider.chat_model(model=name) for name in ("gpt-4o-mini", "gpt-4o", "o1-mini"))
        router = TaskRouter(
            {
                "simple_qa": mini,
                "classification": mini,
                "summarization": mini,
                "code_generation": full,
                "creative_writing": full,
                "complex_reasoning": reasoner,
            },
            default=mini,
        )
        router.invoke({"query": "Why is the sky blue?", "task_type": task})
        (asked,) = provider.requests
    assert asked.model == model


def test_doc1_part2_a_verbose_prompt_is_told_from_a_concise_one() -> None:
    """The audit counts both, and names what only fills."""
    verbose, concise = PromptAudit(VERBOSE, model="gpt-4o"), PromptAudit(CONCISE, model="gpt-4o")
    assert verbose.tokens > 4 * concise.tokens
    assert verbose.findings
    assert not concise.findings
    assert verbose.suggested_tokens < verbose.tokens * 0.6


def test_doc1_part2_context_is_compressed_to_within_2000_tokens_by_the_mini_model(provider: LoopbackProvider) -> None:
    """It is told to keep the key information, within `max_tokens`, which is set on the call as well."""
    provider.next(text="The library opens at nine and closes at six.")
    mini = provider.chat_model(model="gpt-4o-mini")
    compressor = ContextCompressor(method="abstractive", model=mini)
    assert compressor.max_tokens == 2000
    long = "\n".join(f"On day {day} the library opened at nine and closed at six." for day in range(400))
    found = compressor.compress(long, query="When does the library open?")
    assert found.text == "The library opens at nine and closes at six."
    assert found.tokens == count_tokens(found.text).tokens <= 2000
    (asked,) = provider.requests
    assert asked.model == "gpt-4o-mini"
    assert {"max_tokens", "max_completion_tokens"} & set(asked.body_keys)


def test_doc1_part2_output_is_limited_to_500_tokens(provider: LoopbackProvider) -> None:
    """`max_tokens=500`, under the name the model knows; an answer that is cut off says so."""
    limited = limit_output(provider.chat_model(model="gpt-4o-mini"), 500)
    provider.next(text="word " * 600)
    answer = limited.invoke("Tell me everything.")
    assert answer.response_metadata["output_truncated"] is True
    assert provider.requests[0].tokens.output_tokens == 500


def test_doc1_part3_repeated_prefixes_are_read_from_the_providers_cache(provider: LoopbackProvider) -> None:
    """The second of two prompts with one beginning pays half for it, and the report says what that saved."""
    model = provider.chat_model(model="gpt-4o")
    rules = "Answer as the library's rules say: no food, no noise, no dogs. " * 120
    with track_costs() as costs:
        for question in ("May I eat?", "May I sing?"):
            model.invoke([("system", rules), ("human", question)])
    first, second = provider.requests
    assert (first.tokens.cached_tokens, second.tokens.cached_tokens > 1024) == (0, True)
    (step,) = costs.report().savings().steps
    assert (step.technique, step.saved_cost) == (
        "prompt_caching",
        second.tokens.cached_tokens * Decimal("1.25") / 1_000_000,
    )


def test_doc1_part4_queries_are_processed_ten_at_a_time(provider: LoopbackProvider) -> None:
    """Results in their order, and the bill of them all."""
    chain = (
        ChatPromptTemplate.from_template("{question}") | provider.chat_model(model="gpt-4o-mini") | StrOutputParser()
    )
    done = run_many(chain, [{"question": f"What is {number} + 1?"} for number in range(25)], max_concurrency=10)
    assert len(done) == len(provider.requests) == 25
    assert done.cost == provider.billed
    assert all(isinstance(answer, str) for answer in done)


def test_doc1_part4_a_batch_is_half_the_price(provider: LoopbackProvider, tmp_path: Path) -> None:
    """Requests in a JSONL file, uploaded for "batch", completed within 24 hours, read back as the chain's outputs."""
    chain = (
        ChatPromptTemplate.from_template("{question}") | provider.chat_model(model="gpt-4o-mini") | StrOutputParser()
    )
    with track_costs() as costs:
        job = submit_batch(
            chain,
            [{"question": f"What is {number} + 1?"} for number in range(20)],
            store=tmp_path / "batches.db",
            provider="openai",
        )
        assert job.status()
        job.wait(first_pause_seconds=0.01)
        results = open_batch(job.id, chain, store=tmp_path / "batches.db").collect()
    (batch,) = provider.batches
    assert (batch["endpoint"], batch["completion_window"]) == ("/v1/chat/completions", "24h")
    assert len(results) == 20
    assert costs.total_cost == provider.billed
    waterfall = costs.report().savings()
    assert waterfall.baseline_cost == 2 * provider.billed


@pytest.mark.parametrize(("complexity", "model"), [("low", "qwen2.5:7b"), ("high", "gpt-4o")])
def test_doc1_part5_simple_tasks_go_to_the_local_model(complexity: str, model: str) -> None:
    """Complexity "low" is answered on one's own machine, free because the user says so, and otherwise by gpt-4o."""
    with LoopbackProvider(prices=PRICES) as provider, track_costs(prices={"qwen2.5:7b": free()}) as costs:
        local, cloud = provider.chat_model(model="qwen2.5:7b"), provider.chat_model(model="gpt-4o")
        router = ComplexityRouter(local=local, cloud=cloud)
        router.invoke({"question": "What is HTTP?", "complexity": complexity})
        (asked,) = provider.requests
        assert asked.model == model
        waterfall = costs.report().savings()
    assert (waterfall.billed_cost == 0) is (complexity == "low")
    assert [step.technique for step in waterfall.steps] == (["local_model"] if complexity == "low" else [])
