"""How sure it is that the passages answer the question. Knows only the evidence of the hits."""

from collections.abc import Sequence

from rag.types import Embedder, Hit


def confidence(hits: Sequence[Hit], language: str, embedder: Embedder) -> float:
    """A number in [0, 1] from the best coverage and the best cosine among the hits."""
    if not hits:
        return 0.0
    best_coverage = max(hit.features["coverage"] for hit in hits)
    return best_coverage
