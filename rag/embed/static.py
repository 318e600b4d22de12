"""The bundled multilingual student: a row of numbers a piece of text, in one table; a text is the sum of its rows.

The folder holds `rows.npy` (int8), `scales.npy` (a factor a row), `vocabulary.json` (pieces with their scores, by
number) and `model.json` with what they are and their checksums. Needs no network and next to no time.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from rag.analysis import topic_words
from rag.embed.rows import well_formed
from rag.errors import ModelUnavailable
from rag.languages import detect

# Texts summed at a time: bounds the memory that their rows take.
_WINDOW = 256
UNKNOWN = 0
"""The number of the piece that stands for everything the vocabulary does not have; its row is zero."""


def unigram_tokenizer(vocabulary: Sequence[tuple[str, float]] = ()) -> Tokenizer:
    """A tokeniser of (piece, score), the unknown piece first; without a vocabulary one that is yet to be trained.

    Case is folded: a question typed in capitals has the same pieces.
    """
    tokenizer = Tokenizer(models.Unigram(list(vocabulary), UNKNOWN) if vocabulary else models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Digits(individual_digits=False),
            pre_tokenizers.Metaspace(prepend_scheme="always"),
        ]
    )
    return tokenizer


class StaticEncoder:
    """Vectors of texts and of their pieces. May be used from several threads at once."""

    def __init__(self, folder: Path) -> None:
        """Opens the student in `folder`. Raises ModelUnavailable if files are missing or broken."""
        try:
            facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            vocabulary = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
            # A plain view: a memory map's own indexing is slow.
            self._rows = np.load(folder / "rows.npy", mmap_mode="r").view(np.ndarray)
            self._scales = np.load(folder / "scales.npy").astype(np.float32)
            self.languages: tuple[str, ...] = tuple(facts["languages"])
            self.name = f"{folder.name}-{facts['sha256']['rows.npy'][:12]}"
            if not len(vocabulary) == len(self._rows) == len(self._scales):
                raise ValueError(f"{len(vocabulary)} pieces, {self._rows.shape} rows, {len(self._scales)} scales")
            self._tokenizer = unigram_tokenizer([(piece, score) for piece, score in vocabulary])
        except Exception as error:  # tokenizers raises plain Exception
            raise ModelUnavailable(
                f"The embedder in {folder} cannot be opened ({error}). Restore the folder from the repository:"
                f" git checkout -- {folder}"
            ) from error
        self.dimension: int = self._rows.shape[1]
        # Squares of int8 fit into 16 bits, their sums into 32.
        self._norms = np.sqrt(np.einsum("ij,ij->i", self._rows, self._rows, dtype=np.int32)).astype(np.float32)
        self.lengths = self._norms * self._scales
        """(pieces,) float32: how long the row of a piece is, which is how much it says."""

    def pieces(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The numbers of each text's pieces in order, (p,) uint16; what the vocabulary does not have is left out."""
        encodings = self._tokenizer.encode_batch_fast([well_formed(text) for text in texts], add_special_tokens=False)
        numbers = [np.asarray(encoding.ids, np.uint16) for encoding in encodings]
        return [some[some != UNKNOWN] for some in numbers]

    def rows(self, pieces: np.ndarray) -> np.ndarray:
        """(p,) numbers of pieces to their (p, dimension) float32 rows; a longer row says more."""
        return np.multiply(self._rows[pieces], self._scales[pieces, np.newaxis], dtype=np.float32)

    def cosines(self, asked: np.ndarray, others: np.ndarray) -> np.ndarray:
        """(m, n) float32 cosines of the rows of (m,) and of (n,) pieces, given by number."""
        products = self._rows[asked].astype(np.float32) @ self._rows[others].astype(np.float32).T
        norms = np.maximum(self._norms[asked, np.newaxis], 1.0), np.maximum(self._norms[others], 1.0)
        return np.asarray(products / norms[0] / norms[1], np.float32)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) texts to (n, dimension) float32 unit rows."""
        found = np.empty((len(texts), self.dimension), np.float32)
        for start in range(0, len(texts), _WINDOW):
            window = self.pieces(texts[start : start + _WINDOW])
            found[start : start + len(window)] = self.embed_pieces(window)
        return found

    def embed_pieces(self, texts: Sequence[np.ndarray]) -> np.ndarray:
        """(n,) texts as numbers of pieces to (n, dimension) float32 unit rows.

        A text without a known piece has no meaning but needs a direction: the first axis.
        """
        summed = np.zeros((len(texts), self.dimension), np.float32)
        for place, pieces in enumerate(texts):
            # The sum of its rows; a product of matrices is much faster than adding them up.
            summed[place] = self._scales[pieces].astype(np.float32) @ self._rows[pieces].astype(np.float32)
        norms = np.linalg.norm(summed, axis=1, keepdims=True)
        summed[norms[:, 0] == 0, 0] = 1.0
        return summed / np.where(norms == 0, 1.0, norms)

    def embed_query(self, text: str) -> np.ndarray:
        """One question to (dimension,) float32, unit length.

        Only the words that carry its topic are read: "what is", "무엇입니까" and their like would draw it towards what
        is written as questions, and away from other languages.
        """
        row: np.ndarray = self.embed_passages([topic_words(text, detect(text))])[0]
        return row
