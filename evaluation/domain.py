"""Figures on a domain's own questions: is the labelled source and page among the first passages?"""

from collections import defaultdict
from statistics import fmean
from typing import Any

from rag.answer import Engine
from rag.index import Manifest, current_version, domain_index_folder
from rag.questions import ASKED, PASSAGES, document_names, found_at, load_questions
from rag.types import Question


def evaluate(engine: Engine, name: str) -> dict[str, Any]:
    """recall@5 by document and by page for each language pair; share refused of both kinds of questions.

    Raises LacertaError when the domain has no index or its questions can't be read.
    """
    settings = engine.settings
    folder = domain_index_folder(settings, name) / str(current_version(settings, name))
    documents = Manifest.load(folder).documents
    names = document_names(documents)
    languages = {path: document.language for document in documents for path in document.names}
    places: dict[str, list[tuple[int | None, int | None]]] = defaultdict(list)
    refused: dict[bool, list[bool]] = defaultdict(list)
    threshold = engine.domains[name].retrieval.refuse_below
    missed = []
    for labelled in load_questions(engine.domains[name].folder / "questions.jsonl"):
        found = engine.search(Question(labelled.question, name), limit=ASKED)
        refused[bool(labelled.sources)].append(found.confidence < threshold)
        if not labelled.sources:
            continue
        chunks = [hit.chunk for hit in found.hits]
        document = found_at(chunks, labelled.sources, False, names)
        place = document, found_at(chunks, labelled.sources, True, names)
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
