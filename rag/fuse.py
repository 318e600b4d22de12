"""Fusion: a small linear model over named evidence, with its weights in a file. Knows nothing of indexes.

Lexical evidence is absolute (how much of the question a passage could be found by), the evidence of vectors is also
taken relative to what the best of its language reach: raw values favour the question's own language, and equal
reciprocal ranks bury the others. Two rows of weights, for passages in the question's language and for the others, put
both on one scale.
"""

from collections.abc import Mapping

import numpy as np

from rag.weights import OTHER, SAME, weights

_CENTRE = 10


def leads(values: np.ndarray) -> np.ndarray:
    """(n,) evidence of one language group less the mean of the ten best of it.

    Of few passages even a poor one may stand out: their leads count the less, the fewer there are.
    """
    if not len(values):
        return values
    trust = min(1.0, (len(values) - 1) / (_CENTRE - 1))
    return np.asarray(trust * (values - np.sort(values)[::-1][:_CENTRE].mean()))


def fused(features: Mapping[str, np.ndarray], same_language: bool) -> np.ndarray:
    """(n,) scores of the passages of one language group, from (n,) of each feature; unknown features count nothing."""
    weight = weights("fusion")[SAME if same_language else OTHER]
    score = np.full(len(next(iter(features.values()))), weight["bias"])
    for name, values in features.items():
        score += weight.get(name, 0.0) * values
    return score
