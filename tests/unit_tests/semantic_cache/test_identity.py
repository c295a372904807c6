"""Which model a lookup is for, however the run was started: an answer of one model is never another's."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel, FakeListLLM
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda, RunnableParallel
from pydantic import BaseModel, create_model

from langchain_costguard import CostCallbackHandler, SemanticCache
from langchain_costguard.testing import ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.language_models.base import LangSmithParams


class NamelessModel(BaseChatModel):
    """A model whose key in LangChain's cache names neither model nor endpoint, as ChatOllama's does."""

    name_of_model: str
    base_url: str = "http://one"
    calls: list[str] = []  # noqa: RUF012 - a pydantic field, copied for each instance

    @property
    def _llm_type(self) -> str:
        return "nameless"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return {
            "ls_provider": "nameless",
            "ls_model_name": kwargs.get("model", self.name_of_model),
            "ls_model_type": "chat",
        }

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        self.calls.append(str(messages[-1].content))
        said = AIMessage(f"{self.name_of_model} at {self.base_url}")
        return ChatResult(generations=[ChatGeneration(message=said)])


@pytest.fixture
def cache() -> Iterator[SemanticCache]:
    """A cache without an embedder: every hit is a hit of the right key."""
    from langchain_core.globals import set_llm_cache

    made = SemanticCache(embedder=False, store="memory")
    set_llm_cache(made)
    yield made
    set_llm_cache(None)


def models(*names: str, **given: Any) -> list[NamelessModel]:
    """Models that LangChain's key does not tell apart."""
    return [NamelessModel(name_of_model=name, **given) for name in names]


def test_langchain_does_not_tell_these_models_apart() -> None:
    """Otherwise this page would prove nothing."""
    one, other = models("llama", "qwen")

    assert one._get_llm_string() == other._get_llm_string()


def test_models_without_a_name_in_their_key_get_their_own_answers(cache: SemanticCache) -> None:
    """With LangChain's own cache llama answers for qwen."""
    one, other = models("llama", "qwen")

    said = [model.invoke("Who?").content for model in (one, other, one, other)]

    assert said == ["llama at http://one", "qwen at http://one"] * 2
    assert cache.stats().exact == 2


def test_two_endpoints_of_one_model_get_their_own_answers(cache: SemanticCache) -> None:
    """The same name may stand for other weights on another machine."""
    (one,), (other,) = models("llama"), models("llama", base_url="http://two")

    assert [model.invoke("Who?").content for model in (one, other)] == ["llama at http://one", "llama at http://two"]


def test_a_model_without_a_handler_after_one_with_a_handler(cache: SemanticCache) -> None:
    """What an attached handler left behind must not name the next model."""
    one, other = models("llama", "qwen")

    one.invoke("Who?", config={"callbacks": [CostCallbackHandler()]})

    assert other.invoke("Who?").content == "qwen at http://one"


def test_tasks_that_run_at_once_keep_their_identities(cache: SemanticCache) -> None:
    """`gather` mixes the runs of many models on one thread."""
    each = models("a", "b", "c", "d")

    async def ask() -> list[str]:
        asked = [model.ainvoke(f"Who? {turn % 2}") for turn in range(8) for model in each]
        return [str(message.content) for message in await asyncio.gather(*asked)]

    assert asyncio.run(ask()) == [f"{name} at http://one" for _ in range(8) for name in "abcd"]


def test_batches_keep_their_identities(cache: SemanticCache) -> None:
    """Also where one model is asked right after the other, on the same threads."""
    one, other = models("llama", "qwen")
    prompts = ["Who?", "Where?", "Who?", "When?"]

    async def ask() -> list[BaseMessage]:
        return [*await one.abatch(prompts), *await other.abatch(prompts)]

    for said in ([*one.batch(prompts), *other.batch(prompts)], asyncio.run(ask())):
        assert [str(message.content)[:4] for message in said] == ["llam"] * 4 + ["qwen"] * 4
    assert set(one.calls) == set(prompts)


def test_one_generate_with_several_prompts_knows_each(cache: SemanticCache) -> None:
    """All prompts start before the first is looked up."""
    from langchain_core.messages import HumanMessage

    one, other = models("llama", "qwen")
    prompts: list[list[BaseMessage]] = [[HumanMessage(text)] for text in ("Who?", "Where?", "When?")]

    for model in (one, other, one):
        model.generate(prompts)

    assert (len(one.calls), len(other.calls)) == (3, 3)
    assert cache.stats().exact == 3


def test_raw_threads_have_an_identity(cache: SemanticCache) -> None:
    """A context variable that was set elsewhere is not there; the hook of the process is."""
    one, other = models("llama", "qwen")
    said: dict[str, list[str]] = {"llama": [], "qwen": []}

    def ask(model: NamelessModel) -> None:
        said[model.name_of_model] += [str(model.invoke("Who?").content) for _ in range(10)]

    threads = [threading.Thread(target=ask, args=(model,)) for model in (one, other, one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert said == {name: [f"{name} at http://one"] * 20 for name in ("llama", "qwen")}


def test_branches_of_a_chain_keep_their_identities(cache: SemanticCache) -> None:
    """RunnableParallel copies one context into several threads."""
    one, other = models("llama", "qwen")
    chain = RunnableLambda(str) | RunnableParallel(one=one, other=other)

    for _ in range(3):
        said = chain.invoke("Who?")
        assert (said["one"].content, said["other"].content) == ("llama at http://one", "qwen at http://one")
    assert (len(one.calls), len(other.calls)) == (1, 1)


class WaitingHandler(BaseCallbackHandler):
    """A handler that may not run on the event loop, as one whose budget is on a server."""

    run_inline = False


def test_handlers_that_run_elsewhere_hide_no_identity(cache: SemanticCache) -> None:
    """Such handlers run on another thread, in a copy of the context: what they note is lost."""
    one, other = models("llama", "qwen")

    async def ask() -> list[str]:
        config: Any = {"callbacks": [WaitingHandler()]}
        return [str((await model.ainvoke("Who?", config)).content) for model in (one, other, one, other)]

    assert asyncio.run(ask()) == ["llama at http://one", "qwen at http://one"] * 2
    assert cache.stats().exact == 2


def test_a_copy_with_another_model_has_another_key(cache: SemanticCache) -> None:
    """LangChain keeps the key of the original: its answers would be served for the copy."""
    original = NamelessModel(name_of_model="llama")
    original.invoke("Who?")
    copy = original.model_copy(update={"name_of_model": "qwen"})

    assert copy.invoke("Who?").content == "qwen at http://one"


def test_a_text_llm_after_a_chat_model_has_none(cache: SemanticCache) -> None:
    """It looks up before its run begins, while the chat model's is still noted."""
    ScriptedChatModel(responses="chat").invoke("Who?")
    llm = FakeListLLM(responses=["text", "again"])

    assert [llm.invoke("Who?"), llm.invoke("Who?")] == ["text", "text"]


def test_two_tenants_never_share_an_answer() -> None:
    """What was answered to one customer may be about nobody else."""
    cache = SemanticCache(embedder=False, store="memory", tenant="user")
    model = ScriptedChatModel(responses=["for alice", "for bob"], cache=cache)

    said = [model.invoke("My balance?", config={"metadata": {"user": user}}).content for user in ("alice", "bob") * 2]

    assert said == ["for alice", "for bob"] * 2


def test_a_run_that_does_not_say_whose_it_is_is_never_answered() -> None:
    """With tenants there is no shared answer: neither to take, nor to leave."""
    cache = SemanticCache(embedder=False, store="memory", tenant="user")
    model = ScriptedChatModel(responses=["one", "two", "three", "four"], cache=cache)

    said = [
        model.invoke("My balance?", config={"metadata": given}).content for given in ({}, {"user": ""}, {"user": None})
    ]

    assert said == ["one", "two", "three"]
    assert cache.stats().entries == 0
    assert cache.lookup("My balance?", "a text model") is None


class RepeatingModel(NamelessModel):
    """A model that describes each of its requests by the same object."""

    params: dict[str, Any] = {"_type": "repeating"}  # noqa: RUF012 - a pydantic field, copied for each instance

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        return self.params


def test_requests_that_are_described_by_one_object_have_their_own_tenants() -> None:
    """Prompts of one `generate` are known by that object, but other runs may share it."""
    cache = SemanticCache(embedder=False, store="memory", tenant="user")
    model = RepeatingModel(name_of_model="llama", cache=cache)

    for user in ("alice", "bob"):
        model.invoke("My balance?", config={"metadata": {"user": user}})

    assert len(model.calls) == 2
    assert [row.tenant for row in cache.store.totals(now_us=0)] == ["alice", "bob"]


def test_one_tenants_threads_do_not_see_anothers_answers() -> None:
    """Tenants are told apart per run, not per process."""
    cache = SemanticCache(embedder=False, store="memory", tenant="user")
    model = ScriptedChatModel(responses=lambda messages: f"answer {len(messages)}", cache=cache)

    def ask(user: str) -> str:
        return str(model.invoke("My balance?", config={"metadata": {"user": user}}).content)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, [f"u{number % 5}" for number in range(50)]))

    assert cache.stats().entries == 5


def test_schemas_of_one_name_and_other_fields_are_kept_apart(cache: SemanticCache) -> None:
    """An answer in the old fields would break whoever reads it."""
    model = ScriptedChatModel(responses=lambda _: "a")
    for fields in ({"city": (str, ...)}, {"town": (str, ...)}):
        schema: type[BaseModel] = create_model("Out", **fields)
        said = model.with_structured_output(schema).invoke("Where?")
        assert isinstance(said, schema)
    assert len(model.calls) == 2


class Backend:
    """A part of a model that reads as its address."""

    def __init__(self, name: str) -> None:
        self.name = name


class BackedModel(NamelessModel):
    """A model that differs from another in such a part only."""

    name_of_model: str = "backed"
    backend: Any = None

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.backend.name))])


def test_models_that_differ_in_an_undescribed_part_only_are_two_models(cache: SemanticCache) -> None:
    """Also where the second is made in the place of the first."""
    for name in ("small", "big", "third"):
        assert BackedModel(backend=Backend(name)).invoke("Hi").content == name
    kept = BackedModel(backend=Backend("kept"))

    assert [kept.invoke("Hi").content, asyncio.run(kept.ainvoke("Hi")).content] == ["kept", "kept"]
    assert cache.stats().hits == 1


class PlacedLLM(FakeListLLM):
    """A text LLM with an endpoint that LangChain does not describe."""

    base_url: str


def test_text_llms_of_two_endpoints_share_no_answer(cache: SemanticCache) -> None:
    """LangChain describes them by their model and parameters only."""
    one = PlacedLLM(responses=["one", "more"], base_url="http://one")
    other = PlacedLLM(responses=["other", "more"], base_url="http://other")

    said = [one.invoke("Hi"), other.invoke("Hi"), one.invoke("Hi"), asyncio.run(other.ainvoke("Hi"))]

    assert said == ["one", "other", "one", "other"]
    assert cache.stats().hits == 2
