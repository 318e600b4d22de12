"""Fusion: lexical and dense evidence made comparable across languages, then added. Knows nothing of indexes.

Coverage is absolute (how much of the question a passage could be found by), a cosine is relative to what the best
of its language reach: raw cosines favour the question's own language, and equal reciprocal ranks bury the others.
"""

from collections.abc import Mapping
from statistics import fmean

_CENTRE = 10


def centred(cosines: Mapping[str, float]) -> dict[str, float]:
    """Cosines of one language group less the mean of the ten best among them."""
    if not cosines:
        return {}
    centre = fmean(sorted(cosines.values(), reverse=True)[:_CENTRE])
    return {name: cosine - centre for name, cosine in cosines.items()}


def fused(
    coverage: Mapping[str, float],
    cosines: Mapping[str, float],
    lexical_weight: float,
    dense_weight: float,
) -> dict[str, float]:
    """Scores of the chunks of one language group: weighted coverage plus weighted centred cosine.

    A chunk without a cosine counts as the worst that has one.
    """
    relative = centred(cosines)
    worst = min(relative.values(), default=0.0)
    return {
        name: lexical_weight * coverage.get(name, 0.0) + dense_weight * relative.get(name, worst)
        for name in {**coverage, **relative}
    }
