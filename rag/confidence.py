"""How sure it is that the passages answer the question: one calibrated probability. Knows nothing of indexes.

A logistic model of the evidence of the best hit, with a row of weights for a passage in the question's language and
one for another language. Fitted on questions of open sets against questions of other sets, see rag/WEIGHTS.md.
"""

import math
from collections.abc import Sequence

from rag.types import Hit
from rag.weights import OTHER, SAME, weights


def evidence(hits: Sequence[Hit], language: str) -> tuple[str, dict[str, float]]:
    """The head that judges the hits, best first, and its features by name. There must be a hit."""
    best = hits[0]
    head = SAME if best.chunk.language == language else OTHER
    features = {
        "coverage": math.sqrt(max(0.0, best.features["coverage"] + best.features["glossary"])),
        "alignment": best.features["alignment"],
        "cosine": best.features["cosine"],
        "score": best.score,
        "margin": best.score - hits[1].score if len(hits) > 1 else 0.0,
        "agreement": float(best.ranks["lexical"] == best.ranks["dense"] == 1),
    }
    if head == SAME:
        # Across languages there are too few pairs to tell them apart.
        features[language] = 1.0
    return head, features


def confidence(hits: Sequence[Hit], language: str) -> float:
    """The probability, in [0, 1], that the hits, best first, answer a question in `language`."""
    if not hits:
        return 0.0
    head, features = evidence(hits, language)
    weight = weights("confidence")[head]
    value = weight["bias"] + sum(weight.get(name, 0.0) * number for name, number in features.items())
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, value))))
