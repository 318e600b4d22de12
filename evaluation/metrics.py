"""Ranking metrics of a few lines each. A ranking is a list of ids, best first; `relevant` maps ids to grades > 0."""

import math
from collections.abc import Mapping, Sequence

import numpy as np


def recall_at(ranking: Sequence[str], relevant: Mapping[str, int], k: int) -> float:
    """1.0 if one of the first k is relevant, else 0.0: its mean is the share of questions that were helped."""
    return float(any(name in relevant for name in ranking[:k]))


def reciprocal_rank_at(ranking: Sequence[str], relevant: Mapping[str, int], k: int) -> float:
    """One over the 1-based place of the first relevant id among the first k, else 0.0."""
    return next((1.0 / place for place, name in enumerate(ranking[:k], start=1) if name in relevant), 0.0)


def ndcg_at(ranking: Sequence[str], relevant: Mapping[str, int], k: int) -> float:
    """Normalised discounted cumulative gain with linear gains (Järvelin and Kekäläinen 2002, as trec_eval has it)."""
    ideal = _discounted(sorted(relevant.values(), reverse=True)[:k])
    return _discounted([relevant.get(name, 0) for name in ranking[:k]]) / ideal if ideal else 0.0


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains, start=1))


def area_under_curve(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """AUROC: how often one of the first scores above one of the second, a tie as half. NaN if either is empty."""
    if not positives or not negatives:
        return math.nan
    ordered = np.sort(np.asarray(negatives, float))
    below = np.searchsorted(ordered, positives, "left") + np.searchsorted(ordered, positives, "right")
    return float(np.mean(below) / 2 / len(ordered))
