"""The default embedder: two bundled encoders in one space.

English is read by MiniLM, whose vectors are projected into the student's space, and by the student; every other
language by the student alone. So a Korean question is near English passages that say the same.
"""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from rag.embed.onnx import OnnxEmbedder
from rag.embed.static import StaticEncoder
from rag.languages import detect
from rag.text import sentence_spans

# MiniLM's part in the vector of an English text, the student's is the rest: see rag/embed/MODEL.md.
_MINILM = 0.5
_HANGUL, _LATIN_WORD = re.compile(r"[가-힣]"), re.compile(r"[A-Za-z]{3,}")
# So many Latin words in a Korean text may be a sentence; fewer are names.
_MIXED_FROM = 8


class BalancedEmbedder:
    """MiniLM for English, the student for everything. May be used from several threads at once."""

    def __init__(self, english: OnnxEmbedder, student: StaticEncoder, projection: np.ndarray) -> None:
        """`projection` is (MiniLM's dimension, the student's dimension) float32."""
        self._english, self.student, self._projection = english, student, projection
        self.dimension = student.dimension
        self.languages = student.languages
        shape = hashlib.sha256(np.ascontiguousarray(projection).tobytes() + str(_MINILM).encode()).hexdigest()[:8]
        self.name = f"balanced-{english.name}-{student.name}-{shape}"

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) texts to (n, dimension) float32 unit rows."""
        return self._with_english(texts, self.student.embed_passages(texts))

    def embed_query(self, text: str) -> np.ndarray:
        """One question to (dimension,) float32, unit length."""
        row: np.ndarray = self._with_english([text], self.student.embed_query(text)[np.newaxis])[0]
        return row

    def _with_english(self, texts: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """The student's rows, MiniLM's part added where there is English."""
        parts = {place: english for place, text in enumerate(texts) if (english := _english(text))}
        if parts:
            places = list(parts)
            read = self._english.embed_passages([parts[place] for place in places]) @ self._projection
            read /= np.linalg.norm(read, axis=1, keepdims=True)
            share = np.array([_MINILM * len(parts[place]) / max(1, len(texts[place])) for place in places])[:, None]
            mixed = share * read + (1 - share) * rows[places]
            rows[places] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
        return rows


def _english(text: str) -> str:
    """The English part of a text: all of it, its English sentences where a Korean text has some, or nothing."""
    if not _HANGUL.search(text):
        return text if detect(text) == "en" else ""
    if len(_LATIN_WORD.findall(text)) < _MIXED_FROM:
        return ""
    sentences = [text[start:end] for start, end in sentence_spans(text)]
    return " ".join(sentence for sentence in sentences if not _HANGUL.search(sentence) and detect(sentence) == "en")
