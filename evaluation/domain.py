"""Figures on a domain's own questions: is the labelled source and page among the first passages?"""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from rag.answer import Engine
from rag.errors import ConfigurationError
from rag.index import Manifest, current_version, domain_index_folder
from rag.types import Chunk, Question

PASSAGES = 5


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """A line of `questions.jsonl`; `sources` are `(source, 1-based page)`, any of which answers. None: no answer."""

    id: str
    question: str
    language: str
    answer: str
    sources: tuple[tuple[str, int], ...]


def load(path: Path) -> list[LabelledQuestion]:
    """The labelled questions of a domain. Raises ConfigurationError naming the line that is wrong."""
    questions = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            sources = tuple((item["source"], int(item["page"])) for item in record["sources"])
            if bool(sources) != bool(record["answerable"]):
                raise ValueError("answerable questions have sources, the others none")
            questions.append(
                LabelledQuestion(record["id"], record["question"], record["language"], record["answer"], sources)
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"{path}, line {number}: {error!r}") from error
    return questions


def found_at(chunks: list[Chunk], sources: tuple[tuple[str, int], ...], pages: bool) -> int | None:
    """1-based place of the first chunk from a labelled source (and page, if `pages`), None if there is none."""
    for place, chunk in enumerate(chunks, start=1):
        for source, page in sources:
            if chunk.source == source and (not pages or chunk.first_page <= page <= chunk.last_page):
                return place
    return None


def evaluate(engine: Engine, name: str) -> dict[str, Any]:
    """recall@5 by document and by page for each language pair; share refused of both kinds of questions.

    Raises LacertaError when the domain has no index or its questions can't be read.
    """
    settings = engine.settings
    folder = domain_index_folder(settings, name) / str(current_version(settings, name))
    languages = {path: document.language for document in Manifest.load(folder).documents for path in document.names}
    places: dict[str, list[tuple[int | None, int | None]]] = defaultdict(list)
    refused: dict[bool, list[bool]] = defaultdict(list)
    threshold = engine.domains[name].retrieval.refuse_below
    missed = []
    for labelled in load(engine.domains[name].folder / "questions.jsonl"):
        found = engine.search(Question(labelled.question, name), limit=10)
        refused[bool(labelled.sources)].append(found.confidence < threshold)
        if not labelled.sources:
            continue
        chunks = [hit.chunk for hit in found.hits]
        place = found_at(chunks, labelled.sources, pages=False), found_at(chunks, labelled.sources, pages=True)
        pair = f"{labelled.language}-{languages.get(labelled.sources[0][0], '?')}"
        places[pair].append(place)
        places["all"].append(place)
        if place[1] is None or place[1] > PASSAGES:
            missed.append({"id": labelled.id, "question": labelled.question, "page_place": place[1]})
    return {
        "domain": name,
        "recall@5": {
            pair: {
                "questions": len(found),
                "document": fmean(place[0] is not None and place[0] <= PASSAGES for place in found),
                "page": fmean(place[1] is not None and place[1] <= PASSAGES for place in found),
            }
            for pair, found in sorted(places.items())
        },
        "refused": {
            "answerable": fmean(refused[True]) if refused[True] else None,
            "unanswerable": fmean(refused[False]) if refused[False] else None,
        },
        "missed": missed,
    }
