"""Sentences are selected for a question, quoted exactly, and never over the bound."""

# ruff: noqa: RUF001 - Chinese is written with its own marks

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings

from langchain_costguard.compression import ContextCompressor
from langchain_costguard.compression import counting as counting_module
from langchain_costguard.compression.scoring import for_query
from langchain_costguard.compression.units import cut_at_clause, units_of
from langchain_costguard.tokens import TokenCount, byte_bound, count_tokens

BRIDGE = (
    "The Harbour Bridge is made of steel. It is 1,149.5 metres long, and 49 metres wide. "
    "It was opened on 19 March 1932 by Jack Lang. Many people walk across it. Trains use it too."
)
OTHERS = [
    "Sydney has many beaches. The water is warm in summer. Surfers like the waves there. Lifeguards watch them.",
    "The opera house stands nearby. Its roof looks like sails. Concerts take place in it all year round.",
]


def compress(max_tokens: int, passages: Any, query: str | None = None, **options: Any) -> Any:
    """Compress once."""
    return ContextCompressor(max_tokens, **options).compress(passages, query=query)


def test_the_sentence_that_answers_is_kept_and_the_others_go() -> None:
    """This is what compression is for."""
    result = compress(25, [OTHERS[0], BRIDGE, OTHERS[1]], "When was the Harbour Bridge opened?")
    assert "opened on 19 March 1932" in result.text
    assert "Surfers" not in result.text
    assert result.tokens == count_tokens(result.text).tokens <= 25
    assert result.saved_tokens == result.original_tokens - result.tokens > 0


def test_spans_quote_their_passages_exactly_and_in_order() -> None:
    """A citation that points elsewhere is worse than none; numbers must stand as they stood."""
    passages = [OTHERS[0], BRIDGE, OTHERS[1]]
    result = compress(60, passages, "How long is the bridge, and what is near it?")
    assert "1,149.5 metres" in result.text
    assert all(passages[span.source][span.start : span.end] == span.text for span in result.spans)
    assert [(span.source, span.start) for span in result.spans] == sorted(
        (span.source, span.start) for span in result.spans
    )
    assert all(span.text in result.text for span in result.spans)


def test_a_context_within_the_bound_stays_as_it_is_and_says_why() -> None:
    """Shortening what fits can only lose something."""
    result = compress(2000, [BRIDGE], "When?")
    assert (result.text, result.method, result.saved_tokens) == (BRIDGE, None, 0)
    assert "within max_tokens=2000" in (result.skipped_reason or "")
    assert result.spans[0].text == BRIDGE


@pytest.mark.parametrize("empty", ["", "   \n ", [], [""]])
def test_an_empty_context_gives_an_empty_result(empty: Any) -> None:
    """A retriever that found nothing must not break the chain."""
    result = compress(10, empty, "Anything?")
    assert result.text.strip() == ""
    assert result.tokens <= 10


def test_chinese_is_split_and_selected_without_blanks() -> None:
    """Half of the users write Chinese."""
    text = "一号楼很高，很漂亮。一号楼建于1932年。二号楼是白色的！很多人喜欢三号楼，因为它位于市中心。你去过吗？"
    result = compress(14, text, "一号楼是哪年建的？")
    assert "一号楼建于1932年。" in result.text
    assert [unit.text for unit in units_of([text])][:2] == ["一号楼很高，很漂亮。", "一号楼建于1932年。"]


def test_abbreviations_initials_and_decimals_end_no_sentence() -> None:
    """A sentence cut at 'Dr.' quotes half a name."""
    text = "Dr. J. K. Smith of the U.S. Army paid $3.50 in Washington. He left. (It rained.) Mr. Lee stayed."
    assert [unit.text for unit in units_of([text])] == [
        "Dr. J. K. Smith of the U.S. Army paid $3.50 in Washington.", "He left.", "(It rained.)", "Mr. Lee stayed.",
    ]  # fmt: skip


def test_without_a_question_central_sentences_are_kept_and_repetitions_are_not() -> None:
    """A summary of boilerplate that repeats itself would be boilerplate."""
    text = "Budgets cap what models cost. " * 5 + "Budgets of models are kept per day. Tea is nice. Models cost money."
    result = compress(12, text)
    assert result.text.count("Budgets cap what models cost.") == 1
    assert "Tea" not in result.text


def test_a_bound_below_one_sentence_gives_its_beginning_up_to_a_clause_or_word() -> None:
    """The bound holds whatever it is, and no number is cut in two."""
    sentence = "The bridge cost 6,250,000 pounds in those days, which was a great deal of money for a young state"
    result = compress(12, [sentence], "What did the bridge cost?")
    assert sentence.startswith(result.text)
    assert result.tokens <= 12
    assert sentence[len(result.text)] in " ,"
    assert compress(1, ["1234567890123"], "?").text == ""


def test_a_cut_never_goes_through_a_number() -> None:
    """6,250 read out of 6,250,000 is a wrong fact."""
    text = "it cost 6,250,000 pounds"
    assert all(
        text[: cut_at_clause(text, most)].rstrip() in {"", "it", "it cost", "it cost 6,250,000"} for most in range(20)
    )


def test_code_is_kept_whole_unless_asked() -> None:
    """Half a function is no function."""
    code = "```python\ndef f(x):\n    return x + 1\n```"
    text = f"{BRIDGE}\n\n{code}\n\n{OTHERS[0]} {OTHERS[1]}"
    kept = compress(60, text, "When was the bridge opened?")
    assert code in kept.text
    assert "1932" in kept.text
    assert code not in compress(25, text, "When was the bridge opened?", keep=()).text


def test_code_that_does_not_fit_is_an_error_that_names_the_argument() -> None:
    """Neither the bound nor the promise about code is broken silently."""
    with pytest.raises(ValueError, match="keep= without 'code'"):
        compress(5, "Text.\n```\n" + "x = 1\n" * 50 + "```\nMore text.", "What?")


@pytest.mark.parametrize(
    ("passages", "message"),
    [(5, "give a str or a list of str"), ([BRIDGE, None], r"passages\[1\]"), (b"bytes", "give a str")],
)
def test_passages_that_are_no_text_are_refused(passages: Any, message: str) -> None:
    """`str(document)` would send a repr to the model."""
    with pytest.raises(TypeError, match=message):
        compress(10, passages)


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "10"])
def test_a_bound_that_is_no_number_of_tokens_is_refused(bad: Any) -> None:
    """Zero tokens hold no context."""
    with pytest.raises(ValueError, match="max_tokens="):
        ContextCompressor(bad)


def test_other_bad_arguments_are_refused_with_what_mends_them() -> None:
    """Bad input fails before money is spent."""
    with pytest.raises(ValueError, match="'extractive' or 'abstractive'"):
        ContextCompressor(method="magic")  # type: ignore[arg-type] # what is tested
    with pytest.raises(ValueError, match="give model="):
        ContextCompressor(method="abstractive")
    with pytest.raises(ValueError, match="give some of 'system'"):
        ContextCompressor(keep=["numbers"])  # type: ignore[list-item] # what is tested
    with pytest.raises(TypeError, match="give a str or None"):
        ContextCompressor(5).compress(BRIDGE, query=7)  # type: ignore[arg-type] # what is tested
    with pytest.raises(ValueError, match="for_model="):
        ContextCompressor(5).compress(BRIDGE, cached_prefix_tokens=10)


def test_without_a_vocabulary_bytes_bound_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """An estimate could be exceeded; a byte count cannot."""
    monkeypatch.setattr(counting_module, "count_tokens", lambda text, _model: TokenCount(len(text) // 4, "bytes/3.6"))
    result = compress(60, [BRIDGE, *OTHERS], "When was the bridge opened?")
    assert result.count_method == "bytes"
    assert result.tokens == byte_bound(result.text) <= 60
    assert "1932" in result.text


TEXTS = st.text(alphabet="ab1,.?! \n。é中😀'\"`-", max_size=400)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, max_size=4), st.integers(1, 60), st.sampled_from([None, "ab 1?", "中"]))
def test_the_bound_holds_and_every_part_is_a_quote(passages: list[str], most: int, query: str | None) -> None:
    """For any text at all: not over the bound, not longer than the input, nothing that was not there."""
    result = ContextCompressor(most, keep=()).compress(passages, query=query)
    assert result.tokens == count_tokens(result.text).tokens <= max(most, 0)
    assert len(result.text) <= len("\n\n".join(passages))
    assert all(passages[span.source][span.start : span.end] == span.text for span in result.spans)


@pytest.mark.parametrize(
    "text", [" " * 1_000_000, "x" * 1_000_000, ". " * 500_000, "```\n" * 250_000, "1" * 1_000_000, "\n" * 1_000_000]
)
def test_strange_texts_of_a_megabyte_are_read_in_a_time_that_grows_with_them(text: str) -> None:
    """A regular expression that goes back and forth would take hours; the session's time limit notices."""
    assert ContextCompressor(50, keep=()).compress(text, query="What?").tokens <= 50


class Meanings(Embeddings):
    """Knows that cars are automobiles."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [1.0, 0.0] if "car" in text.lower() or "automobile" in text.lower() else [0.0, 1.0]


async def test_an_embedding_model_adds_meaning_to_words() -> None:
    """A question in other words than its answer is lost on words alone."""
    sentences = [f"The {thing} was seen there yesterday." for thing in ("dog", "house", "automobile", "tree", "boat")]
    random.Random(1).shuffle(sentences)
    text = " ".join(sentences)
    compressor = ContextCompressor(9, embedder=Meanings())
    assert "automobile" in compressor.compress(text, query="cars?").text
    assert "automobile" in (await compressor.acompress(text, query="cars?")).text
    with pytest.raises(TypeError, match="no embedding model"):
        ContextCompressor(9, embedder=len)  # type: ignore[arg-type] # what is tested


def test_in_a_long_meeting_what_stands_around_the_answer_is_kept_with_it() -> None:
    """An answer to a question about a meeting is a discussion, most of whose sentences do not repeat the question."""
    noise = [f"Speaker {number % 4}: The weather in town {number} is nice." for number in range(150)]
    same = "Speaker 3: Yes, that comes then."
    turns = [same, *noise, "Speaker 1: Now the remote control budget.", same, "Speaker 2: So much for the remote."]
    units = units_of(turns)
    scores = for_query(units, "What was said about the remote control budget?")
    far, near = (score for unit, score in zip(units, scores, strict=True) if unit.text == same)
    assert near > far
