"""Fits the fusion: a conditional logit over the candidates of each question, one row of weights a language relation.

The score of a passage is `bias + sum of weight * feature`; the probability of a passage is the softmax of the scores of
all candidates of its question; the likelihood of the relevant ones is maximised. Every kind of question counts the
same, however many questions it has.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from training.fusion.evidence import Candidates

HEADS = ("same", "other")
GLOSSARY = "glossary"
_PENALTY = 1e-4
# Scores are a tenth of the logits, so that they read like the shares they are made of.
_SCALE = 10.0


def design(row: Candidates, names: Sequence[str]) -> np.ndarray:
    """(n, 2 * (1 + f)): the features, in the columns of the head that the passage belongs to."""
    place = [row.names.index(name) for name in names]
    plain = np.concatenate([np.ones((len(row.features), 1)), row.features[:, place]], axis=1)
    return np.concatenate([plain * row.same[:, None], plain * ~row.same[:, None]], axis=1)


def fit(rows: Sequence[Candidates], names: Sequence[str], positive: Sequence[str] = ()) -> dict[str, dict[str, float]]:
    """Weights by head and feature; those of `positive` features are not allowed below zero."""
    usable = [row for row in rows if row.relevant.any() and not row.relevant.all()]
    counts = Counter(row.kind for row in usable)
    weights = np.array([1 / counts[row.kind] for row in usable])
    weights /= weights.sum()
    designs = [design(row, names) * _SCALE for row in usable]
    starts = np.cumsum([0, *(len(some) for some in designs[:-1])])
    stacked = np.concatenate(designs)
    relevant = np.concatenate([row.relevant for row in usable])
    owner = np.repeat(np.arange(len(designs)), [len(some) for some in designs])

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        scores = stacked @ w
        scores -= np.maximum.reduceat(scores, starts)[owner]
        exponentials = np.exp(scores)
        every, right = np.add.reduceat(exponentials, starts), np.add.reduceat(exponentials * relevant, starts)
        right = np.maximum(right, 1e-30)
        value = float(weights @ (np.log(every) - np.log(right))) + _PENALTY * float(w @ w)
        slope = weights[owner] * (exponentials / every[owner] - exponentials * relevant / right[owner])
        return value, stacked.T @ slope + 2 * _PENALTY * w

    width = 1 + len(names)
    bounds = [
        (0, None) if column % width and names[column % width - 1] in positive else (None, None)
        for column in range(2 * width)
    ]
    found = minimize(loss, np.zeros(2 * width), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}).x
    found[width] -= found[0]  # only the difference of the two matters
    found[0] = 0.0
    weights_by_head = {
        head: dict(zip(("bias", *names), map(float, found[at * width : (at + 1) * width]), strict=True))
        for at, head in enumerate(HEADS)
    }
    # Question sets have no glossary: what is covered through it is worth what words are.
    return {head: {**some, GLOSSARY: some["coverage"]} for head, some in weights_by_head.items()}


def scores(row: Candidates, weights: dict[str, dict[str, float]], names: Sequence[str]) -> np.ndarray:
    flat = np.array([weights[head][name] for head in HEADS for name in ("bias", *names)])
    return design(row, names) @ flat


def recalls(
    rows: Sequence[Candidates], weights: dict[str, dict[str, float]], names: Sequence[str]
) -> dict[str, tuple[float, float, int]]:
    """recall@1, recall@10 and the number of questions, by kind."""
    found: dict[str, list[tuple[bool, bool]]] = {}
    for row in rows:
        if not row.answerable:
            continue
        hit = (False, False)
        if len(row.features):
            order = np.argsort(-scores(row, weights, names), kind="stable")
            hit = bool(row.relevant[order[0]]), bool(row.relevant[order[:10]].any())
        found.setdefault(row.kind, []).append(hit)
    shares = {kind: 100 * np.mean(some, axis=0) for kind, some in found.items()}
    return {kind: (float(shares[kind][0]), float(shares[kind][1]), len(some)) for kind, some in found.items()}
