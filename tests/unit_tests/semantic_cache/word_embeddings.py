"""Embeddings that know words: two texts are as close as the words they share, so that tests need no model."""

from __future__ import annotations

import re
import zlib

from langchain_core.embeddings import Embeddings

_DIMS = 512
_FILLERS = {"a", "the", "do", "can", "i", "how", "please", "to", "my"}


class WordEmbeddings(Embeddings):
    """One direction for each word that says something; fillers are left out, so that paraphrases are close."""

    def __init__(self) -> None:
        self.model: str | None = None
        self.asked: list[str] = []

    def embed_query(self, text: str) -> list[float]:
        self.asked.append(text)
        vector = [0.0] * _DIMS
        for word in re.findall(r"\w+", text.lower()):
            if word not in _FILLERS:
                vector[zlib.crc32(word.encode()) % _DIMS] += 1.0
        vector[0] += 0.01
        return vector

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]
