"""Answers, errors, prompts and settings of runs as any integration may hand them on: each call is one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, LLMResult

from langchain_costguard import CostCallbackHandler
from langchain_costguard.stores import InMemoryStore, SQLStore
from langchain_costguard.stores.rows import to_row
from tests.fuzz.strategies import deep, fuzz, mutated, texts, values
from tests.fuzz.test_usage_reports import SHAPES, check, usages

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.ledger import LedgerEntry

USAGE: Final[Any] = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
METADATA: Final[dict[str, Any]] = {
    "model_name": "gpt-4o-mini",
    "model": "gpt-4o-mini",
    "service_tier": "default",
    "finish_reason": "stop",
    "token_usage": {"prompt_tokens": 5, "completion_tokens": 7, "cost": 0.0001, "cost_details": {"upstream": 1}},
    "usage": {"input_tokens": 5, "output_tokens": 7, "server_tool_use": {"web_search_requests": 2}},
    "id": "chatcmpl-1",
}
LLM_OUTPUT: Final[dict[str, Any]] = {
    "model_name": "gpt-4o-mini",
    "token_usage": {"prompt_tokens": 5, "completion_tokens": 7, "is_byok": True, "cost": "0.01", "cost_details": {}},
    "service_tier": "flex",
}
CONTENT: Final[list[Any]] = [
    {"type": "text", "text": "hello"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
    {"type": "tool_use", "id": "1", "name": "search", "input": {"q": "x"}},
    {"type": "thinking", "thinking": "hm", "signature": "abc"},
    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    "plain",
]
TOOL_CALLS: Final[list[Any]] = [{"name": "search", "args": {"q": "x"}, "id": "1", "type": "tool_call"}]
RUN: Final[dict[str, Any]] = {
    "ls_provider": "openai",
    "ls_model_name": "gpt-4o-mini",
    "user_id": "u",
    "session_id": "s",
    "thread_id": "t",
    "feature": "search",
    "costguard_technique": ["routing"],
    "costguard_saved_input_tokens": 5,
    "costguard_baseline_model": "gpt-4o",
    "costguard_baseline_booked_nano": 5,
    "costguard_batch": True,
    "costguard_service_tier": "flex",
}
WHO: Final[dict[str, Any]] = {name: RUN[name] for name in ("ls_provider", "ls_model_name")}
PARAMS: Final[dict[str, Any]] = {
    "model": "gpt-4o-mini",
    "_type": "openai-chat",
    "n": 1,
    "max_tokens": 100,
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
    "stop": ["x"],
}
SERIALIZED: Final[dict[str, Any]] = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain", "ChatOpenAI"],
    "name": "ChatOpenAI",
    "kwargs": {"openai_api_base": "https://openrouter.ai/api/v1", "base_url": "http://127.0.0.1:1"},
}


def message(cls: Any, **fields: Any) -> Any:
    """A message whose fields nobody has checked, as integrations that build it in steps hand on."""
    made = cls(content="hello")
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


answers: Final = st.builds(
    message,
    st.just(AIMessage),
    content=mutated(CONTENT) | st.just("hello"),
    tool_calls=mutated(TOOL_CALLS).filter(lambda found: isinstance(found, list)) | st.just([]),
    usage_metadata=st.none() | usages,
    response_metadata=mutated(METADATA, most=5).filter(lambda found: isinstance(found, dict)),
)


def handler() -> CostCallbackHandler:
    """A handler with a ledger of its own."""
    return CostCallbackHandler(store=InMemoryStore())


def one_line(costs: CostCallbackHandler) -> LedgerEntry:
    """The one line of a call, without a fault of tracking, with money that is none or a whole number."""
    (line,) = costs.entries()
    assert costs._recorder.faults == 0
    for nano in (line.billed_nano, line.list_nano, line.reported_nano, line.avoided_nano):
        assert nano is None or (type(nano) is int and nano >= 0)
    for text in (line.response_model, line.request_model, line.service_tier, line.provider, line.user, line.error):
        assert text is None or type(text) is str
    check(line.usage)
    assert all(cell is None or isinstance(cell, str | int | bytes) for cell in to_row(line))
    return line


@fuzz(100)
@given(answer=answers, llm_output=st.none() | mutated(LLM_OUTPUT).filter(lambda found: isinstance(found, dict)))
def test_each_answer_is_one_line(answer: AIMessage, llm_output: dict[str, Any] | None) -> None:
    """A call that was paid for and is not in the ledger is money nobody finds again."""
    costs, run_id = handler(), uuid4()
    costs.on_chat_model_start(SERIALIZED, [[HumanMessage("q")]], run_id=run_id, invocation_params=PARAMS, metadata=RUN)
    generation = ChatGeneration.model_construct(message=answer, text="hello", generation_info=None)
    costs.on_llm_end(LLMResult.model_construct(generations=[[generation]], llm_output=llm_output), run_id=run_id)
    assert one_line(costs).status in {"ok", "cached"}


@fuzz(40)
@given(
    info=st.none()
    | mutated({"prompt_eval_count": 5, "eval_count": 7, "model": "m"}).filter(lambda found: isinstance(found, dict)),
    text=texts,
    output=values,
)
def test_each_answer_of_a_text_model_is_one_line(info: Any, text: str, output: Any) -> None:
    """Text models say what they used in `generation_info`, in any shape."""
    costs, run_id = handler(), uuid4()
    costs.on_llm_start(SERIALIZED, [text], run_id=run_id, invocation_params=PARAMS)
    generation = Generation.model_construct(text=text, generation_info=info)
    result = LLMResult.model_construct(
        generations=[[generation]], llm_output=output if isinstance(output, dict) else {}
    )
    costs.on_llm_end(result, run_id=run_id)
    assert one_line(costs).status == "ok"


@fuzz(60)
@given(
    metadata=mutated(RUN, most=5).filter(lambda found: isinstance(found, dict)),
    params=mutated(PARAMS, most=4).filter(lambda found: isinstance(found, dict)),
    serialized=mutated(SERIALIZED, most=4).filter(lambda found: isinstance(found, dict)),
    tags=st.lists(texts | values, max_size=3),
)
def test_each_run_is_one_line_whatever_it_says_of_itself(
    metadata: dict[str, Any], params: dict[str, Any], serialized: dict[str, Any], tags: list[Any]
) -> None:
    """Tags and metadata are the user's own, and parameters the integration's."""
    costs, run_id = handler(), uuid4()
    costs.on_chat_model_start(
        serialized,
        [[HumanMessage("q")]],
        run_id=run_id,
        tags=tags,
        metadata=metadata,
        invocation_params={**params, "_type": "any"},
    )
    answer = AIMessage("hello", usage_metadata=USAGE)
    costs.on_llm_end(LLMResult(generations=[[ChatGeneration(message=answer)]], llm_output={}), run_id=run_id)
    one_line(costs)


@fuzz(60)
@given(content=mutated(CONTENT, most=4), depth=st.sampled_from([0, 0, 0, 300, 3000]), calls=mutated(TOOL_CALLS))
def test_each_prompt_is_one_line(content: Any, depth: int, calls: Any) -> None:
    """Content blocks are open by design; what cannot be read of a prompt must not cost the line."""
    costs, run_id = handler(), uuid4()
    if depth and isinstance(content, list):
        content.append({"type": "tool_use", "input": deep(depth, as_dict=True)})
    prompt = [
        message(HumanMessage, content=content),
        message(AIMessage, content="a", tool_calls=calls if isinstance(calls, list) else []),
    ]
    costs.on_chat_model_start({}, [prompt], run_id=run_id, invocation_params=PARAMS, metadata=WHO)
    answer = AIMessage("hello", usage_metadata=USAGE)
    costs.on_llm_end(LLMResult(generations=[[ChatGeneration(message=answer)]], llm_output={}), run_id=run_id)
    assert one_line(costs).billed_nano == 4950


@fuzz(60)
@given(reports=st.lists(st.none() | usages, min_size=1, max_size=4))
def test_each_stream_is_one_line(reports: list[Any]) -> None:
    """A hook that raises ends the user's stream in the middle of an answer."""
    costs, run_id = handler(), uuid4()
    costs.on_chat_model_start(SERIALIZED, [[HumanMessage("q")]], run_id=run_id, invocation_params=PARAMS, metadata=RUN)
    last = AIMessage("hello")
    for report in reports:
        piece = message(AIMessageChunk, usage_metadata=report)
        costs.on_llm_new_token("a", chunk=ChatGenerationChunk.model_construct(message=piece), run_id=run_id)
        last = message(AIMessage, usage_metadata=report)
    generation = ChatGeneration.model_construct(message=last, text="hello", generation_info=None)
    costs.on_llm_end(LLMResult.model_construct(generations=[[generation]], llm_output=None), run_id=run_id)
    one_line(costs)


class _Answered(Exception):  # noqa: N818 - an error of a provider's client, with whatever it carries
    def __init__(self, **fields: Any) -> None:
        super().__init__("broken")
        self.__dict__.update(fields)


class _Completion:
    def __init__(self, usage: Any, model: Any) -> None:
        self.usage, self.model, self.service_tier = usage, model, model


@fuzz(40)
@given(usage=st.sampled_from(SHAPES).flatmap(mutated), status_code=values, body=values, model=values)
def test_each_failure_is_one_line(usage: Any, status_code: Any, body: Any, model: Any) -> None:
    """Errors carry what was paid for, in the shape of whoever raised them."""
    costs, run_id = handler(), uuid4()
    costs.on_chat_model_start(SERIALIZED, [[HumanMessage("q")]], run_id=run_id, invocation_params=PARAMS, metadata=RUN)
    error = _Answered(completion=_Completion(usage, model), status_code=status_code, body=body, response=body)
    costs.on_llm_error(error, run_id=run_id)
    assert one_line(costs).status == "error"


@fuzz(8)
@given(answer=answers, metadata=mutated(RUN, most=5).filter(lambda found: isinstance(found, dict)))
def test_each_line_gets_into_a_database(answer: AIMessage, metadata: dict[str, Any], tmp_path: Path) -> None:
    """One line that a database refuses would hold up all others behind it."""
    run_id = uuid4()
    store = SQLStore(tmp_path / f"{run_id}.db")
    costs = CostCallbackHandler(store=store)
    costs.on_chat_model_start(
        SERIALIZED, [[HumanMessage("q")]], run_id=run_id, invocation_params=PARAMS, metadata=metadata
    )
    generation = ChatGeneration.model_construct(message=answer, text="hello", generation_info=None)
    costs.on_llm_end(LLMResult.model_construct(generations=[[generation]], llm_output=None), run_id=run_id)
    costs.close()
    assert [line.run_id for line in store.entries()] == [run_id]
    store.close()
