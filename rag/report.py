"""Answers and search results as JSON values, the same for every way in. Knows nothing of how they are asked for."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rag.types import Answer, Retrieval


def answer_fields(answer: Answer) -> dict[str, Any]:
    """What an answer holds, but for its hits; quotes and titles are plain text."""
    return {
        "text": answer.text,
        "language": answer.language,
        "answerable": answer.answerable,
        "confidence": round(answer.confidence, 4),
        "citations": [
            {
                "number": citation.number,
                "source": citation.chunk.source,
                "title": citation.chunk.title,
                "page": citation.page,
                "quote": citation.quote,
            }
            for citation in answer.citations
        ],
        "unsupported": answer.unsupported,
        "model": answer.model,
        "failures": [{"model": model, "reason": reason} for model, reason in answer.failures],
        "usage": {name: value for name, value in asdict(answer.usage).items() if value is not None},
        "question": answer.question,
        "courtesy": answer.courtesy,
        "cached": answer.cached,
        "timings": _rounded(answer.timings),
        "notices": list(answer.notices),
    }


def search_fields(retrieval: Retrieval) -> dict[str, Any]:
    """What was found, with all the evidence behind each hit; ranks and pages are 1-based."""
    return {
        "language": retrieval.language,
        "confidence": round(retrieval.confidence, 4),
        "hits": [
            {
                "rank": rank,
                "score": round(hit.score, 4),
                "document": hit.chunk.source,
                "title": hit.chunk.title,
                "page": hit.chunk.first_page,
                "language": hit.chunk.language,
                "last_page": hit.chunk.last_page,
                "text": hit.chunk.text,
                "also": list(hit.also),
                "ranks": dict(hit.ranks),
                "features": {name: round(value, 6) for name, value in hit.features.items()},
            }
            for rank, hit in enumerate(retrieval.hits, start=1)
        ],
        "timings": _rounded(retrieval.timings),
    }


def _rounded(timings: Mapping[str, float]) -> dict[str, float]:
    return {stage: round(seconds, 4) for stage, seconds in timings.items()}
