"""How sure it is that the passages answer the question. Knows only what the rankers found in each language.

Two logistic models, fitted on open question sets: questions of the set against questions of other sets. English with
both features (SQuAD, PubMedQA, Cranfield, CosmoPaperQA): AUROC 0.998; Hungarian and Korean with coverage alone
(HuRTE, KorQuAD, Belebele): 0.961, both on the sets they were fitted on. The square root spreads small coverages, where
the decision falls. A value is comparable within a set more than between sets: see docs/figures.md.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """The best coverage among a language's passages, and their best cosine, None where the embedder can't tell.

    Both in [0, 1]; a cosine that stands for a part of the question only is scaled down to that part.
    """

    coverage: float
    cosine: float | None


def confidence(evidence: Iterable[Evidence]) -> float:
    """The probability, in [0, 1], that the best passages of the most convincing language answer the question."""
    return max((_probability(item) for item in evidence), default=0.0)


def _probability(evidence: Evidence) -> float:
    spread = math.sqrt(max(0.0, evidence.coverage))
    if evidence.cosine is None:
        return _logistic(20.9 * spread - 9.2)
    return _logistic(12.0 * spread + 30.3 * evidence.cosine - 16.8)


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))
