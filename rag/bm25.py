"""BM25 of a few chunks from their rows of the table: the same evidence for every candidate, whoever proposed it.

The formula is the lexical index's (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009), with k1 1.2
and b 0.75. Knows nothing of indexes: how rare a term is comes from outside.
"""

from collections.abc import Sequence

import numpy as np

from rag.table import term_hashes

K1 = 1.2
_B = 0.75


class Passages:
    """The terms of (n,) chunks, as hashes in their order, looked through for those of a question at once."""

    def __init__(self, passages: Sequence[np.ndarray], asked: Sequence[str], average_length: float) -> None:
        """`asked` are all terms that will be asked about, distinct; `average_length` is in terms."""
        self._places = {term: place for place, term in enumerate(asked)}
        self._count = len(passages)
        lengths = np.fromiter(map(len, passages), np.int64, self._count)
        self._norms = K1 * (1 - _B + _B * lengths / max(average_length, 1.0))
        flat = np.concatenate(passages) if self._count else np.empty(0, np.uint32)
        hashes = term_hashes(asked)
        order = np.argsort(hashes)
        ordered = hashes[order]
        where = np.minimum(np.searchsorted(ordered, flat), max(0, len(ordered) - 1))
        # Where in the row of all passages a term of the question stands, which one, and whose passage it is.
        self._at = np.flatnonzero(ordered[where] == flat) if len(ordered) else np.empty(0, np.int64)
        self._which = order[where[self._at]] if len(ordered) else self._at
        self._whose = np.searchsorted(np.cumsum(lengths), self._at, side="right")
        counts = np.bincount(self._whose * len(asked) + self._which, minlength=self._count * len(asked))
        self._worth = self._saturated(counts.reshape(self._count, len(asked)))

    def _saturated(self, counts: np.ndarray) -> np.ndarray:
        return np.asarray(counts * (K1 + 1) / (counts + self._norms[:, np.newaxis]))

    def coverage(self, terms: Sequence[str], rarities: Sequence[float]) -> np.ndarray:
        """(n,) in [0, 1]: the share that each passage has of the most these distinct terms could score.

        `rarities` are the inverse document frequencies of the terms.
        """
        return _share(self._worth[:, [self._places[term] for term in terms]], rarities)

    def pair_coverage(self, pairs: Sequence[tuple[str, str]], rarities: Sequence[float], gap: int) -> np.ndarray:
        """The same for distinct pairs of terms that follow each other with at most `gap` terms between them."""
        counts = np.zeros((self._count, len(pairs)))
        for place, (first, second) in enumerate(pairs):
            befores, afters = (self._which == self._places[term] for term in (first, second))
            starts, owners = self._at[befores], self._whose[befores]
            if not len(starts) or not afters.any():
                continue
            last = np.searchsorted(starts, self._at[afters]) - 1
            near = (last >= 0) & (self._at[afters] - starts[last] <= gap + 1) & (owners[last] == self._whose[afters])
            counts[:, place] = np.bincount(self._whose[afters][near], minlength=self._count)
        return _share(self._saturated(counts), rarities)


def _share(worth: np.ndarray, rarities: Sequence[float]) -> np.ndarray:
    weights = np.asarray(rarities, np.float64)
    most = (K1 + 1) * weights.sum()
    return np.minimum(1.0, worth @ weights / most) if most > 0 else np.zeros(len(worth))
