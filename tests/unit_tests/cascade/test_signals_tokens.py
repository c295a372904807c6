"""How sure a model was of its tokens: what is asked for, what is read, and which models cannot say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_openai import AzureChatOpenAI, ChatOpenAI

from langchain_costguard.cascade import NotUncertain, TokenConfidence
from langchain_costguard.cascade.logprobs import logprobs_of, tokens_of
from langchain_costguard.exceptions import UncalibratedSignalError
from langchain_costguard.testing import LoopbackProvider, Reply, ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Callable


def answer(*logprobs: float, likeliest: list[list[float]] | None = None) -> AIMessage:
    """An answer in OpenAI's form with these log-probabilities."""
    others = likeliest or [[] for _ in logprobs]
    rows = [
        {"token": "x", "logprob": value, "top_logprobs": [{"token": "y", "logprob": one} for one in row]}
        for value, row in zip(logprobs, others, strict=True)
    ]
    return AIMessage("x" * len(rows), response_metadata={"logprobs": {"content": rows, "refusal": None}})


@pytest.mark.parametrize(
    ("settings", "confidence"),
    [
        ({"how": "mean"}, math.exp(-0.5)),
        ({"how": "min"}, math.exp(-1.0)),
        ({"how": "quantile"}, math.exp(-0.92)),
        ({"how": "quantile", "quantile": 0.5}, math.exp(-0.4)),
        ({"how": "quantile", "quantile": 1.0}, math.exp(-0.1)),
    ],
)
def test_the_confidence_is_a_probability_of_tokens(settings: dict[str, Any], confidence: float) -> None:
    """The definition is what a threshold means: means are of logarithms, quantiles lie between neighbours."""
    sure = TokenConfidence(0.5, **settings).confidence(answer(-0.4, -1.0, -0.1, -0.8, -0.2))
    assert sure == pytest.approx(confidence)


def test_the_margin_is_how_far_the_likeliest_token_was_ahead() -> None:
    """Two tokens, one clear and one as good as tossed: their mean."""
    likeliest = [[math.log(0.9), math.log(0.1)], [math.log(0.4), math.log(0.5)]]
    sure = TokenConfidence(0.5, "margin").confidence(answer(-0.1, -0.7, likeliest=likeliest))
    assert sure == pytest.approx((0.8 + 0.1) / 2)


def test_the_threshold_decides_and_the_reason_shows_both(draft: Callable[..., Any]) -> None:
    """A reader of the run must see how close it was."""
    accepted = TokenConfidence(0.5).judge(draft(answer(math.log(0.5))))
    assert (accepted.accepts, accepted.reason) == (True, "mean token probability 0.50 >= 0.50")
    refused = TokenConfidence(0.5001).judge(draft(answer(math.log(0.5))))
    assert (refused.accepts, refused.reason) == (False, "mean token probability 0.5000 < 0.5001")
    assert refused.confidence == pytest.approx(0.5)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": None},
        {"content": []},
        {"content": [{"token": "x", "logprob": math.nan}]},
        {"content": [{"token": "x", "logprob": None}]},
        {"tokens": ["a", "b"], "token_logprobs": [-0.1]},
        "none",
    ],
)
def test_an_answer_without_usable_log_probabilities_is_not_accepted(draft: Callable[..., Any], logprobs: Any) -> None:
    """Silence is not confidence: accepting would be the dearer mistake, and the reason must tell it from a low one."""
    verdict = TokenConfidence(0.0).judge(draft(AIMessage("x", response_metadata={"logprobs": logprobs})))
    assert (verdict.accepts, verdict.confidence) == (False, None)
    assert "no usable log-probabilities" in verdict.reason


def test_a_margin_without_alternatives_is_not_accepted(draft: Callable[..., Any]) -> None:
    """A server may give log-probabilities and ignore `top_logprobs`."""
    assert not TokenConfidence(0.0, "margin").judge(draft(answer(-0.1))).accepts


def test_the_other_forms_of_log_probabilities_are_read() -> None:
    """Ollama gives a bare list, older servers give parallel lists."""
    ollama = AIMessage("x", response_metadata={"logprobs": [{"token": "x", "logprob": math.log(0.5)}]})
    parallel = {"tokens": ["x"], "token_logprobs": [math.log(0.5)], "top_logprobs": [{"x": -0.7, "y": -1.4}]}
    older = AIMessage("x", response_metadata={"logprobs": parallel})
    for message in (ollama, older):
        assert TokenConfidence(0.5).confidence(message) == pytest.approx(0.5)
    assert TokenConfidence(0.5, "margin").confidence(older) == pytest.approx(math.exp(-0.7) - math.exp(-1.4))


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=8), st.sampled_from(["mean", "min", "quantile"])
)
def test_a_confidence_lies_between_0_and_1_or_is_not_known(logprobs: list[float], how: Any) -> None:
    """Servers send impossible tokens as -9999, as minus infinity, and rounding errors above 0."""
    sure = TokenConfidence(0.5, how).confidence(answer(*logprobs))
    if not logprobs or any(map(math.isnan, logprobs)):
        assert sure is None
    else:
        assert 0.0 <= sure <= 1.0


def test_log_probabilities_are_asked_for() -> None:
    """No user should have to know that they must be switched on."""
    model = ChatOpenAI(model="gpt-4o-mini", api_key="k")
    assert TokenConfidence(0.5).settings(model) == {"logprobs": True}
    assert TokenConfidence(0.5, "margin").settings(model) == {"logprobs": True, "top_logprobs": 2}
    assert TokenConfidence(0.5).settings(ScriptedChatModel()) == {"logprobs": True}
    assert TokenConfidence(0.5).settings(RunnableLambda(lambda _: AIMessage("x"))) == {"logprobs": True}


AZURE = {"azure_endpoint": "https://a.example", "api_version": "2024-10-21", "api_key": "k"}


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (ChatAnthropic(model="claude-haiku-4-5", api_key="k"), "anthropic reports no token probabilities"),
        (ScriptedChatModel(provider="google_genai"), "google_genai reports no"),
        (ScriptedChatModel(provider="mistral"), "mistral reports no"),
        (ScriptedChatModel(provider="amazon_bedrock"), "amazon_bedrock reports no"),
        (ScriptedChatModel(provider="deepseek"), "deepseek reports no"),
        (ScriptedChatModel(provider="openrouter", model="anthropic/claude-haiku-4.5"), "comes from a provider"),
        (ChatOpenAI(model="gpt-4o", api_key="k", use_responses_api=True), "Responses API"),
        (ChatOpenAI(model="o4-mini", api_key="k"), "o4-mini reasons"),
        (ChatOpenAI(model="gpt-5-mini", api_key="k"), "gpt-5-mini reasons"),
        (ChatOpenAI(model="gpt-4o", api_key="k").bind(model="o3"), "o3 reasons"),
        (AzureChatOpenAI(azure_deployment="d", model="o3", **AZURE), "o3 reasons"),
    ],
)
def test_a_model_that_cannot_tell_is_refused_with_what_can_be_used_instead(model: Any, why: str) -> None:
    """Half of all providers have none: found out when the cascade is built, not by escalating everything."""
    with pytest.raises(ValueError, match=why) as caught:
        TokenConfidence(0.5).settings(model)
    assert "SelfVerification()" in str(caught.value)
    assert "SampleAgreement(k)" in str(caught.value)


@pytest.mark.parametrize(
    "model",
    [
        ChatOpenAI(model="gpt-5-chat-latest", api_key="k"),
        ChatOpenAI(model="gpt-5.1", reasoning_effort="none", api_key="k"),
        AzureChatOpenAI(azure_deployment="d", model="gpt-4o", **AZURE),
        ScriptedChatModel(provider="ollama"),
        ScriptedChatModel(provider="groq", model="openai/gpt-oss-20b"),
        ScriptedChatModel(provider="openrouter", model="meta-llama/llama-3.1-8b-instruct"),
    ],
)
def test_a_model_that_can_tell_is_not_refused(model: Any) -> None:
    """A name that looks like another's must not shut a model out."""
    assert TokenConfidence(0.5).settings(model)["logprobs"] is True


@pytest.mark.parametrize(
    "settings", [{"threshold": 80}, {"threshold": math.nan}, {"how": "median"}, {"quantile": -0.1}]
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    """A threshold in per cent would never accept."""
    with pytest.raises(ValueError, match=r"TokenConfidence|quantile"):
        TokenConfidence(**settings)


def test_a_signal_without_a_threshold_measures_but_does_not_judge(draft: Callable[..., Any]) -> None:
    """Calibration reads its confidences; a cascade that was never calibrated must not run on a guess."""
    signal = TokenConfidence(None)
    assert signal.confidence(answer(math.log(0.5))) == pytest.approx(0.5)
    assert not signal.is_calibrated
    for message in (answer(-0.1), AIMessage("x")):
        with pytest.raises(UncalibratedSignalError, match=r"Cascade\.calibrated"):
            (NotUncertain() & signal).judge(draft(message))
    assert (NotUncertain() & signal).calibrated(0.7) == NotUncertain() & TokenConfidence(0.7)
    with pytest.raises(ValueError, match="2 parts of TokenConfidence & TokenConfidence wait"):
        (signal & TokenConfidence(None, "min")).calibrated(0.7)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_real_client_brings_the_log_probabilities(draft: Callable[..., Any], *, streamed: bool) -> None:
    """The settings must be what OpenAI's client sends, and the answer must be read as it parses it."""
    with LoopbackProvider() as provider:
        provider.next(text="yes sir", logprob=[math.log(0.9), math.log(0.4)], alternatives=[" no"])
        signal = TokenConfidence(0.5, "min") & TokenConfidence(0.1, "margin")
        model = provider.chat_model(model="gpt-4o-mini")
        asked = model.bind(**signal.settings(model))
        if streamed:
            first, *others = asked.stream("q")
            message = sum(others, start=first)
        else:
            message = asked.invoke("q")
    assert TokenConfidence(0.5, "min").confidence(message) == pytest.approx(0.4)
    margin = TokenConfidence(0.5, "margin").confidence(message)
    assert margin == pytest.approx((0.9 + 0.4) / 2 * (1 - math.exp(-1)))
    assert not signal.judge(draft(message)).accepts


def test_a_scripted_model_brings_them_too(draft: Callable[..., Any]) -> None:
    """Users test their cascades with it."""
    message = ScriptedChatModel(responses=Reply("yes indeed", logprobs=[-0.1, -2.5])).invoke("q")
    assert TokenConfidence(0.5, "min").judge(draft(message)).confidence == pytest.approx(math.exp(-2.5))


def test_it_shows_and_compares_as_it_is_written() -> None:
    """Reports print signals, and equal ones must be interchangeable."""
    assert repr(TokenConfidence(0.8)) == "TokenConfidence(threshold=0.8)"
    assert repr(TokenConfidence(None, "quantile", 0.2)) == "TokenConfidence(how='quantile', quantile=0.2)"
    assert len({TokenConfidence(0.8), TokenConfidence(0.8), TokenConfidence(0.8, "min")}) == 2


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (True, []),
        ("none", []),
        ({"content": 5}, []),
        ({"content": [{"token": "a", "logprob": True}]}, [math.nan]),
        ({"content": [{"token": "a", "logprob": -(10**400), "top_logprobs": [[], "a"]}]}, [-9999.0]),
        ({"tokens": ["a"], "token_logprobs": [-0.1], "top_logprobs": ["a"]}, [-0.1]),
        ({"tokens": 5, "token_logprobs": 5}, []),
    ],
)
def test_probabilities_in_no_known_form_are_none_and_end_no_cascade(told: Any, read: list[float]) -> None:
    """Servers report them as they like; `true` was taken for a certainty, and a list of lists ended the run."""
    answer = AIMessage("a", response_metadata={"logprobs": told})
    assert [token.logprob for token in tokens_of(answer)] == pytest.approx(read, nan_ok=True)
    assert list(logprobs_of(answer)) == pytest.approx(read, nan_ok=True)
