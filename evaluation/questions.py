"""Labelled questions, whatever they came from: a domain's own, a folder in BEIR layout, or gathered from feedback.

A question that is labelled wrongly makes every figure wrong, so all of a file's faults are told at once, before any is
asked. Knows nothing of how they are asked.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation import beir
from rag.errors import ConfigurationError
from rag.index import Manifest
from rag.languages import detect
from rag.questions import LabelledQuestion, document_names, load_questions
from rag.settings import LANGUAGES
from rag.text import flatten

UNANSWERABLE = "unanswerable.jsonl"
"""Beside the other files of a folder in BEIR layout: questions that its documents do not answer."""
# So many faults are named; more tell nothing new.
_NAMED = 20


@dataclass(frozen=True, slots=True)
class GoldSource:
    """Where an answer stands: a document by its source and a 1-based page, any of its pages where None.

    `grade`, from 1, says how well it answers.
    """

    document: str
    page: int | None = None
    grade: int = 1


@dataclass(frozen=True, slots=True)
class GoldQuestion:
    """A question of the set `set` with what is known to be right. `answers` may be empty, any one of them is right.

    Each of `sources` answers it alone; an unanswerable question has none. `document_languages` are those of its
    sources, sorted.
    """

    id: str
    text: str
    language: str
    set: str
    answers: tuple[str, ...] = ()
    sources: tuple[GoldSource, ...] = ()
    document_languages: tuple[str, ...] = ()
    answerable: bool = True

    @property
    def pair(self) -> str:
        """`question-document` languages: the question's own where a source has it, `none` where there is no source."""
        if self.language in self.document_languages:
            return f"{self.language}-{self.language}"
        return f"{self.language}-{'+'.join(self.document_languages) or 'none'}"


def from_domain(path: Path, manifest: Manifest, name: str = "") -> tuple[GoldQuestion, ...]:
    """The questions of a `questions.jsonl`, of the set `name` (default: the domain), checked against an index version.

    Sources are named as the index names them. Raises ConfigurationError with all that is wrong: an id or a question
    that occurs twice, an empty text, a language that is not one of ours, a document or page that there is not.
    """
    labelled = load_questions(path)
    found = [*faults(labelled, manifest)]
    if found:
        more = [f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
        listed = "\n".join(f"  {fault}" for fault in [*found[:_NAMED], *more])
        raise ConfigurationError(
            f"{path} does not fit version {manifest.version} of the index. Mend it, or run"
            f" make ingest DOMAIN={manifest.domain}:\n{listed}"
        )
    names = document_names(manifest.documents)
    languages = {document.source: document.language for document in manifest.documents}
    return tuple(_of_a_domain(item, name or manifest.domain, names, languages) for item in labelled)


def from_beir(
    folder: Path, limit: int | None = None, questions: beir.QuestionSet | None = None
) -> tuple[GoldQuestion, ...]:
    """The questions of a folder in BEIR layout and those of its `unanswerable.jsonl`, at most `limit` of each.

    The set is the question's field `set`, else the folder's name. `questions` saves loading the folder again. Raises
    ConfigurationError where files are missing or wrong, or an id occurs twice.
    """
    found = questions or beir.load(folder, limit)
    languages = {chunk.id: chunk.language for chunk in found.chunks}
    gold = []
    for record in found.questions[:limit]:
        name = str(record["_id"])
        relevant = found.relevant[record["_id"]]
        sources = tuple(GoldSource(document, None, grade) for document, grade in sorted(relevant.items()))
        theirs = [record["doc_lang"]] if record.get("doc_lang") else [languages.get(item, "?") for item in relevant]
        gold.append(
            GoldQuestion(
                id=name,
                text=str(record["text"]),
                language=record.get("lang") or detect(record["text"]),
                set=record.get("set") or folder.name,
                answers=tuple(record.get("answers") or ()),
                sources=sources,
                document_languages=tuple(sorted(set(theirs))),
            )
        )
    unanswerable = folder / UNANSWERABLE
    gold += _unanswerable(unanswerable)[:limit] if unanswerable.is_file() else []
    twice = _repeated(item.id for item in gold)
    if twice:
        raise ConfigurationError(f"{folder} has questions with the same _id: {', '.join(twice[:_NAMED])}.")
    return tuple(gold)


def faults(labelled: Sequence[LabelledQuestion], manifest: Manifest) -> Iterator[str]:
    """All that is wrong with some questions, each fault beginning with the id and a colon."""
    if not labelled:
        yield "there is no question"
    pages = {name: document.pages for document in manifest.documents for name in (document.source, *document.names)}
    for name in _repeated(item.id for item in labelled):
        yield f"{name}: several questions have this id"
    asked: dict[str, str] = {}
    for item in labelled:
        for field in ("id", "question"):
            if not isinstance(getattr(item, field), str) or not getattr(item, field).strip():
                yield f"{item.id}: {field} should be a text, is now {getattr(item, field)!r}"
                break
        else:
            text = flatten(item.question).casefold()
            if text in asked:
                yield f"{item.id}: {asked[text]} asks the same"
            asked.setdefault(text, item.id)
        if item.language not in LANGUAGES:
            yield f"{item.id}: language should be one of {', '.join(LANGUAGES)}, is now {item.language!r}"
        if item.sources and (not isinstance(item.answer, str) or not item.answer.strip()):
            yield f"{item.id}: an answerable question needs an answer"
        for source, page in item.sources:
            if not isinstance(source, str) or source not in pages:
                yield f"{item.id}: there is no document {source!r}"
            elif not 1 <= page <= pages[source]:
                yield f"{item.id}: {source!r} has pages 1 to {pages[source]}, there is no {page}"


def _repeated(names: Iterable[object]) -> list[str]:
    return [str(name) for name, count in Counter(map(repr, names)).items() if count > 1]


def _of_a_domain(item: LabelledQuestion, name: str, names: dict[str, str], languages: dict[str, str]) -> GoldQuestion:
    sources = tuple(dict.fromkeys(GoldSource(names.get(source, source), page) for source, page in item.sources))
    return GoldQuestion(
        id=item.id,
        text=item.question,
        language=item.language,
        set=name,
        answers=(item.answer,) if item.sources else (),
        sources=sources,
        document_languages=tuple(sorted({languages[source.document] for source in sources})),
        answerable=bool(sources),
    )


def _unanswerable(path: Path) -> list[GoldQuestion]:
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [
            GoldQuestion(
                id=str(record["_id"]),
                text=str(record["text"]),
                language=record.get("lang") or detect(record["text"]),
                set=record.get("set") or path.parent.name,
                answerable=False,
            )
            for record in records
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} should hold a question {{_id, text}} in every line: {error!r}") from error
