"""Figures on a domain's own follow-ups: is a labelled document found, for them as typed and made whole?"""

import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

from rag.answer import Engine
from rag.conversation import carry_over, needs_context
from rag.errors import ConfigurationError
from rag.questions import PASSAGES
from rag.types import Question, Turn


def evaluate(engine: Engine, name: str) -> dict[str, Any]:
    """Shares by language of the follow-up, in [0, 1]: `known` for what it is, found as `typed` and with the topic
    `carried` over by words alone.

    Raises LacertaError when the domain has no index, ConfigurationError when it has no follow-ups.
    """
    path = engine.domains[name].folder / "follow_ups.jsonl"
    places: dict[str, list[tuple[bool, bool, bool]]] = defaultdict(list)
    missed = []
    for row in _rows(path):
        asked = [turn for text in row["asked"][:-1] for turn in (Turn("user", text), Turn("assistant", "…"))]
        history = [*asked, Turn("user", row["asked"][-1]), Turn("assistant", row["answer"] or "…")]
        language = row["language"]
        whole = carry_over(row["question"], language, history)

        def found(text: str, row: dict[str, Any] = row) -> bool:
            hits = engine.search(Question(text, name, language=row["language"]), limit=PASSAGES).hits
            return any(hit.chunk.source in row["sources"] for hit in hits)

        place = needs_context(row["question"], language, history), found(row["question"]), found(whole)
        places[language].append(place)
        places["all"].append(place)
        if not place[2]:
            missed.append({"id": row["id"], "question": whole})
    shares = {
        language: {
            "follow_ups": len(rows),
            "known": fmean(known for known, _, _ in rows),
            "typed": fmean(typed for _, typed, _ in rows),
            "carried": fmean(carried for _, _, carried in rows),
        }
        for language, rows in sorted(places.items())
    }
    return {"domain": name, "recall@5": shares, "missed": missed}


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}") from error
