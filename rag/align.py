"""Alignment: how well each piece of a question finds a partner among the pieces of a passage, in any language.

Late interaction (Khattab and Zaharia, "ColBERT", SIGIR 2020) over the rows of the bundled student, which have no
context: a question that shares no word with a passage still aligns with it where the words mean the same. Unlike the
cosine of whole texts it does not fade in long passages.
"""

from collections.abc import Sequence

import numpy as np

from rag.embed.static import StaticEncoder


def alignments(question: np.ndarray, passages: Sequence[np.ndarray], student: StaticEncoder) -> np.ndarray:
    """(n,) float32 in [-1, 1], as numbers of pieces: the mean of the best cosines of the question's pieces.

    A piece weighs as much as its row is long: the student's rows of words that say little are short. Zero for a
    passage without pieces, or where the question has none.
    """
    found = np.zeros(len(passages), np.float32)
    filled = [place for place, pieces in enumerate(passages) if len(pieces)]
    asked = np.unique(question)
    if not filled or not len(asked):
        return found
    # A piece of several passages is compared once.
    together = np.concatenate([passages[place] for place in filled])
    known = np.flatnonzero(np.bincount(together))
    where = np.empty(int(known[-1]) + 1, np.int64)
    where[known] = np.arange(len(known))
    cosines = student.cosines(asked, known)[:, where[together]]  # (question's pieces, pieces of all passages)
    weights = student.lengths[asked]
    starts = np.cumsum([0, *(len(passages[place]) for place in filled[:-1])])
    best = np.maximum.reduceat(cosines, starts, axis=1)
    total = weights.sum()
    if total > 0:
        found[filled] = weights @ best / total
    return found
