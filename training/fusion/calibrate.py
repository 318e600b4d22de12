"""Fits the confidence: a logistic model of the best hit's evidence, and its reliability.

Answered means that the best hit or one of the two behind it is relevant; questions of other sets and those that a
set marks as unanswerable are not answered.
"""

from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import mannwhitneyu

from rag.confidence import evidence
from rag.languages import OTHER
from rag.settings import LANGUAGES as SPOKEN
from training.fusion.evidence import Candidates
from training.fusion.fit import HEADS, scores

_FIRST = 3
_PENALTY = 1e-4
LANGUAGES = (*SPOKEN, OTHER)


def judged(
    row: Candidates, weights: dict[str, dict[str, float]], names: Sequence[str]
) -> tuple[str, dict[str, float], bool]:
    """The head, the evidence and whether the first hits answer the question."""
    found = scores(row, weights, names)
    order = np.argsort(-found, kind="stable")
    places = {}
    for ranker, feature in (("lexical", "coverage"), ("dense", "cosine")):
        values = row.features[:, row.names.index(feature)]
        places[ranker] = {int(at): place for place, at in enumerate(np.argsort(-values, kind="stable"), 1)}
    hits: list[Any] = [
        SimpleNamespace(
            features=dict(zip(row.names, map(float, row.features[at]), strict=True)),
            score=float(found[at]),
            ranks={ranker: some[int(at)] for ranker, some in places.items()},
            chunk=SimpleNamespace(language=row.language if row.same[at] else "-"),
        )
        for at in order[:2]
    ]
    head, features = evidence(hits, row.language)
    return head, features, bool(row.relevant[order[:_FIRST]].any())


def fit(
    rows: Sequence[Candidates], weights: dict[str, dict[str, float]], names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Weights by head; every kind counts the same, and the answered as much as the others."""
    found = {}
    items = [(row, *judged(row, weights, names)) for row in rows if len(row.features)]
    for head in HEADS:
        here = [item for item in items if item[1] == head]
        keys = sorted({key for item in here for key in item[2]})
        matrix = np.array([[item[2].get(key, 0.0) for key in keys] for item in here])
        target = np.array([item[3] for item in here])
        share = shares([(item[0].kind, item[3]) for item in here])
        found[head] = dict(zip(("bias", *keys), map(float, _logistic(matrix, target, share, keys)), strict=True))
    return found


def _logistic(matrix: np.ndarray, target: np.ndarray, share: np.ndarray, keys: Sequence[str]) -> np.ndarray:
    """(1 + f,) intercept and weights of a logistic model; evidence never speaks against an answer."""
    inputs = np.concatenate([np.ones((len(matrix), 1)), matrix], axis=1)
    signs = np.where(target, 1.0, -1.0)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (inputs @ w)
        slope = -signs * share * expit(-margins)
        penalised = np.concatenate([[0.0], w[1:]])
        value = float(share @ np.logaddexp(0, -margins)) + _PENALTY * float(penalised @ penalised)
        return value, inputs.T @ slope + 2 * _PENALTY * penalised

    bounds = [(None, None), *((None, None) if key in LANGUAGES else (0, None) for key in keys)]
    return np.asarray(minimize(loss, np.zeros(1 + len(keys)), jac=True, method="L-BFGS-B", bounds=bounds).x)


def probability(head: str, features: dict[str, float], weights: dict[str, dict[str, float]]) -> float:
    value = weights[head]["bias"] + sum(weights[head].get(name, 0.0) * number for name, number in features.items())
    return float(1 / (1 + np.exp(-value)))


def separation(answered: Sequence[float], others: Sequence[float]) -> float:
    """Area under the ROC curve."""
    return float(mannwhitneyu(answered, others).statistic) / (len(answered) * len(others))


def shares(items: Sequence[tuple[str, bool]]) -> np.ndarray:
    """(n,) weights that sum to 1: the answered count as much as the others, and so does each kind among them."""
    kinds = Counter(items)
    sides = Counter(side for _, side in kinds)
    return np.array([1 / kinds[item] / sides[item[1]] / len(sides) for item in items])


def calibration_error(
    said: Sequence[float], truth: Sequence[bool], weights: Sequence[float], bins: int = 10
) -> tuple[float, list[tuple[float, float, float]]]:
    """Expected calibration error, and mean confidence, share of truth and weight of each bin."""
    values, true, weight = np.asarray(said), np.asarray(truth, float), np.asarray(weights) / np.sum(weights)
    which = np.minimum((values * bins).astype(int), bins - 1)
    table = []
    for at in range(bins):
        here = which == at
        if here.any():
            mean, share = (float(np.average(some[here], weights=weight[here])) for some in (values, true))
            table.append((mean, share, float(weight[here].sum())))
    return sum((abs(mean - share) * part for mean, share, part in table), 0.0), table
