"""Embedders that run here and need no network: WordLlama's word vectors, and any BERT-like encoder as ONNX."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from langchain_costguard._optional import require
from langchain_costguard.semantic_cache.embedders import Embedder
from langchain_costguard.semantic_cache.vectors import normalised

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

Pooling = Literal["mean", "cls"]
"""How the vectors of a text's tokens become one: their mean, or that of the first token."""

_WORDLLAMA: Final = "l2_supercat"
_WORDLLAMA_DIMS: Final = 256
_WORDLLAMA_WINDOW: Final = 512
"""It has none; but the mean of more words says little about any of them."""
_DEFAULT_WINDOW: Final = 512
_BATCH: Final = 32
_TOKEN_OUTPUT_RANK: Final = 3


class WordLlamaEmbedder(Embedder):
    """WordLlama: the mean of word vectors, 256 dimensions, 0.03 ms a question, English, MIT licence.

    It knows no word order and no negation, so it needs the guards. The model comes with the package (extra
    `local-embeddings`, 19 MB); nothing is downloaded.

    Raises:
        OptionalDependencyError: wordllama is not installed.
    """

    def __init__(self) -> None:
        """Load the model."""
        super().__init__(f"wordllama/{_WORDLLAMA}", max_tokens=_WORDLLAMA_WINDOW, is_quick=True)
        with _unchanged_logging():
            package: Any = require("wordllama", extra="local-embeddings", purpose="The local embedder")
        self._model: Any = package.WordLlama.load(
            config=_WORDLLAMA,
            cache_dir=Path(package.__file__).parent,  # it looks for its own tokenizer under another folder's name
            dim=_WORDLLAMA_DIMS,
            disable_download=True,
        )

    def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """The vectors of texts."""
        return [self._embed(text) for text in texts]

    def _embed(self, text: str) -> NDArray[np.float32] | None:
        if not text.strip():
            return None
        tokens = self._model.tokenizer.encode(_plain(text), add_special_tokens=False).ids
        if not tokens or len(tokens) > self.max_tokens:
            return None
        return normalised(self._model.embedding[tokens].mean(axis=0))


class OnnxEmbedder(Embedder):
    """A BERT-like encoder in a folder: `model.onnx` (or `onnx/model.onnx`) and `tokenizer.json`.

    Args:
        folder: where the files are.
        name: the model's name; `None` for what its `config.json` says, else the folder's name.
        pooling: `None` for what `1_Pooling/config.json` says, else `"cls"` for models of the bge family and `"mean"`
            for others.
        max_tokens: how long a text may be; `None` for what the tokenizer's or the model's settings say, else 512.
        threads: how many threads one text may use.

    Raises:
        OptionalDependencyError: onnxruntime or tokenizers is not installed.
        FileNotFoundError: a file is missing.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        name: str | None = None,
        pooling: Pooling | None = None,
        max_tokens: int | None = None,
        threads: int = 1,
    ) -> None:
        """Load the model."""
        place = Path(folder)
        config = _read_json(place / "config.json")
        name = name or _name_of(config, place)
        super().__init__(name, max_tokens=max_tokens or _window_of(place, config))
        self._pooling: Pooling = pooling or _pooling_of(place, name)
        tokenizers: Any = require("tokenizers", extra="onnx", purpose="An ONNX embedder")
        runtime: Any = require("onnxruntime", extra="onnx", purpose="An ONNX embedder")
        self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(_find(place, "tokenizer.json")))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        model = _find(place, "model.onnx", "onnx/model.onnx")
        self._session: Any = runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._inputs: frozenset[str] = frozenset(item.name for item in self._session.get_inputs())

    def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """The vectors of texts, some at a time."""
        encodings = [self._tokenizer.encode(_plain(text)) if text.strip() else None for text in texts]
        fitting = [place for place, item in enumerate(encodings) if item is not None and self._fits(item)]
        vectors: list[NDArray[np.float32] | None] = [None] * len(texts)
        for start in range(0, len(fitting), _BATCH):
            places = fitting[start : start + _BATCH]
            for place, pooled in zip(places, self._run([encodings[place] for place in places]), strict=True):
                vectors[place] = normalised(pooled)
        return vectors

    def _fits(self, encoding: Any) -> bool:  # noqa: ANN401 - a class of tokenizers, which brings no types
        return 0 < len(encoding.ids) <= self.max_tokens

    def _run(self, encodings: Sequence[Any]) -> NDArray[np.float32]:
        """One vector for each encoded text: `(texts, dims)`."""
        ids = np.zeros((len(encodings), max(len(item.ids) for item in encodings)), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, item in enumerate(encodings):
            ids[row, : len(item.ids)] = item.ids
            mask[row, : len(item.ids)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        asked = {name: value for name, value in given.items() if name in self._inputs}
        output: NDArray[np.float32] = self._session.run(None, asked)[0]
        if output.ndim != _TOKEN_OUTPUT_RANK:  # the model pools by itself
            return output
        if self._pooling == "cls":
            return output[:, 0]
        weights = mask[:, :, None].astype(np.float32)
        return np.asarray((output * weights).sum(axis=1) / weights.sum(axis=1), dtype=np.float32)


@contextmanager
def _unchanged_logging() -> Iterator[None]:
    """Take back what WordLlama does to the program's logging when it is imported: it shows every library's notes."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def _plain(text: str) -> str:
    """The text without lone surrogates, which tokenizers refuse."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _find(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    msg = f"{folder} has no {names[0]}: give the folder of an ONNX encoder with its tokenizer.json"
    raise FileNotFoundError(msg)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _name_of(config: dict[str, Any], folder: Path) -> str:
    """The last part of the name in the model's settings, which may be a path on its maker's machine."""
    return str(config.get("_name_or_path") or "").rstrip("/").rpartition("/")[2] or folder.resolve().name


def _window_of(folder: Path, config: dict[str, Any]) -> int:
    told = _read_json(folder / "tokenizer_config.json").get("model_max_length")
    sentence = _read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    numbers = [int(number) for number in (told, sentence, config.get("max_position_embeddings")) if number]
    return min(numbers, default=_DEFAULT_WINDOW)


def _pooling_of(folder: Path, name: str) -> Pooling:
    pooling = _read_json(folder / "1_Pooling" / "config.json")
    is_cls = bool(pooling.get("pooling_mode_cls_token")) if pooling else "bge" in name.lower()
    return "cls" if is_cls else "mean"
