"""A domain's own labelled questions, and where their documents stand among the passages that are found."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import ConfigurationError
from rag.index import DocumentRecord
from rag.types import Chunk

PASSAGES = 5
"""Among so many first passages a labelled document counts as found."""
ASKED = 10
"""So many passages are asked for; which ones are chosen depends on their number."""


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """A line of `questions.jsonl`; `sources` are `(source, 1-based page)`, any of which answers. None: no answer."""

    id: str
    question: str
    language: str
    answer: str
    sources: tuple[tuple[str, int], ...]


def load_questions(path: Path) -> list[LabelledQuestion]:
    """The labelled questions of a domain. Raises ConfigurationError naming the line that is wrong."""
    questions = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            questions.append(labelled(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"{path}, line {number}: {error!r}") from error
    return questions


def labelled(record: Mapping[str, Any]) -> LabelledQuestion:
    """The question of a line. Raises ValueError, KeyError or TypeError for another one, also for a candidate."""
    if "status" in record:
        raise ValueError("this is a candidate: python -m evaluation accept takes what a person has accepted")
    sources = tuple((item["source"], int(item["page"])) for item in record["sources"])
    if bool(sources) != bool(record["answerable"]):
        raise ValueError("answerable questions have sources, the others none")
    return LabelledQuestion(record["id"], record["question"], record["language"], record["answer"], sources)


def document_names(documents: Iterable[DocumentRecord]) -> dict[str, str]:
    """From the name of every file to the source of its document: identical files are one document."""
    return {name: record.source for record in documents for name in record.names}


def found_at(
    chunks: Sequence[Chunk], sources: Iterable[tuple[str, int]], pages: bool, names: Mapping[str, str] | None = None
) -> int | None:
    """1-based place of the first chunk from a labelled source (and page, if `pages`), None if there is none.

    `names` are those of `document_names`.
    """
    names = names or {}
    labelled = [(names.get(source, source), page) for source, page in sources]
    for place, chunk in enumerate(chunks, start=1):
        for source, page in labelled:
            if chunk.source == source and (not pages or chunk.first_page <= page <= chunk.last_page):
                return place
    return None
