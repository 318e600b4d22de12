"""Candidates for a domain's questions: a file of them, which a person looks through, and what was accepted of it.

A line of the file is a line of `questions.jsonl` with a `status`: `candidate` until a person makes it `accepted` or
`rejected`. `proposed` are places to look at, `check` says what to look at them for. Texts may be anybody's: they are
cut, and cleaned of what can't be seen. Knows nothing of where candidates come from.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from evaluation.questions import faults, from_domain
from rag.errors import ConfigurationError
from rag.index import Manifest
from rag.questions import LabelledQuestion, labelled, load_questions
from rag.settings import Domain, Settings
from rag.text import flatten, visible

CANDIDATE, ACCEPTED, REJECTED = "candidate", "accepted", "rejected"
QUESTION_CHARACTERS = 1000
ANSWER_CHARACTERS = 1000
_QUOTE_CHARACTERS, _SHOWN_CHARACTERS = 300, 200
_MOST_SOURCES = 50
_MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Proposal:
    """A place that may answer: a document's source, a 1-based page, and what stands there.

    `holds` tells that the answer, normalised, was found in the passage.
    """

    source: str
    page: int
    quote: str
    holds: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that nobody accepted yet. `sources` are `(source, 1-based page)`, `origin` says where it is from."""

    id: str
    question: str
    language: str
    answer: str = ""
    answerable: bool = True
    sources: tuple[tuple[str, int], ...] = ()
    proposed: tuple[Proposal, ...] = ()
    origin: dict[str, Any] = field(default_factory=dict)
    check: str = ""

    def record(self) -> dict[str, Any]:
        """As a line of a file of candidates."""
        return {
            "status": CANDIDATE,
            "id": self.id,
            "question": self.question,
            "language": self.language,
            "answerable": self.answerable,
            "answer": self.answer,
            "sources": [{"source": source, "page": page} for source, page in self.sources],
            "proposed": [
                {"source": item.source, "page": item.page, "quote": one_line(item.quote, _QUOTE_CHARACTERS)}
                | ({"holds": True} if item.holds else {})
                for item in self.proposed
            ],
            "check": self.check,
            "origin": self.origin,
        }


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The ids that were added, the lines that were not with the reason, and how many are neither accepted nor rejected,
    or are there already."""

    added: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    waiting: int
    rejected: int
    known: int


class _Source(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")
    source: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    page: Annotated[int, Field(ge=1)]


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")
    status: Literal["candidate", "accepted", "rejected"]
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    question: Annotated[str, StringConstraints(min_length=1, max_length=QUESTION_CHARACTERS)]
    language: str
    answerable: bool
    answer: Annotated[str, StringConstraints(max_length=ANSWER_CHARACTERS)]
    sources: Annotated[list[_Source], Field(max_length=_MOST_SOURCES)]


def one_line(text: str, characters: int) -> str:
    """A text as a line of at most so many characters, without anything invisible."""
    return flatten(visible(text[: 4 * characters]))[:characters].strip()


def identity(domain: str, origin: str, question: str) -> str:
    """An id that is the same for the same question."""
    return f"{domain}-{origin}-{hashlib.sha256(same(question).encode()).hexdigest()[:10]}"


def same(question: str) -> str:
    """What two questions have in common that ask the same in the same words."""
    return flatten(question).casefold()


def questions_path(domain: Domain) -> Path:
    return domain.folder / "questions.jsonl"


def known_questions(domain: Domain) -> list[LabelledQuestion]:
    """The questions that a domain has, none where it has no file. Raises ConfigurationError for a wrong one."""
    path = questions_path(domain)
    return load_questions(path) if path.exists() else []


def write(path: Path, candidates: Iterable[Candidate]) -> int:
    """Writes a new file, whole or not at all; how many. Raises ConfigurationError where there is one already."""
    if path.exists():
        raise ConfigurationError(f"{path} is there already, perhaps looked through in part: name another file.")
    lines = [json.dumps(candidate.record(), ensure_ascii=False) for candidate in candidates]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise ConfigurationError(f"{path} can't be written: {error}") from error
    return len(lines)


def accept(path: Path, domain: Domain, manifest: Manifest, settings: Settings) -> Acceptance:
    """Adds what a person accepted to the domain's `questions.jsonl`, all of it at once or nothing.

    A question that is there already is not added again. Raises ConfigurationError where either file can't be read, or
    the questions that are there don't fit the index.
    """
    lines = [*_lines(path)]
    with _locked(settings.var / "evaluation" / f"{domain.name}.lock"):
        target = questions_path(domain).resolve()
        text = target.read_text(encoding="utf-8") if target.exists() else ""
        if text.strip():
            from_domain(target, manifest)
        there = load_questions(target) if text.strip() else []
        ids, asked = {item.id for item in there}, {same(item.question) for item in there}
        added: list[dict[str, Any]] = []
        refused: list[tuple[str, str]] = []
        counts = dict.fromkeys((CANDIDATE, REJECTED, "known"), 0)
        for name, line, why in lines:
            if line is None:
                refused.append((name, why))
                continue
            if line.status != ACCEPTED:
                counts[line.status] += 1
                continue
            record = _record(line)
            if same(record["question"]) in asked:
                counts["known"] += 1
                continue
            found = [*_faults(record, manifest)]
            if line.id in ids:
                found.append("another question has this id")
            if found:
                refused.append((line.id, "; ".join(found)))
                continue
            added.append(record)
            ids.add(line.id)
            asked.add(same(record["question"]))
        if added:
            joined = text if not text or text.endswith("\n") else f"{text}\n"
            joined += "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in added)
            _replace(target, joined, lambda aside: from_domain(aside, manifest))
    names = tuple(record["id"] for record in added)
    return Acceptance(names, tuple(refused), counts[CANDIDATE], counts[REJECTED], counts["known"])


def _lines(path: Path) -> Iterator[tuple[str, _Line | None, str]]:
    """For each line its id, or its number where it has none, what it holds, and what is wrong with it."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigurationError(f"{path} has {path.stat().st_size} bytes, the limit is {_MOST_BYTES}.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}") from error
    # Not splitlines(): a text may hold U+2028, which ends a line there.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield f"line {number}", _Line.model_validate(json.loads(line)), ""
        except ValidationError as error:
            wrong = error.errors()[0]
            where = ".".join(map(str, wrong["loc"])) or "it"
            yield f"line {number}", None, one_line(f"{where}: {wrong['msg']}", _SHOWN_CHARACTERS)
        except (ValueError, RecursionError) as error:
            yield f"line {number}", None, one_line(f"no JSON: {error}", _SHOWN_CHARACTERS)


def _record(line: _Line) -> dict[str, Any]:
    """The line as `questions.jsonl` has it."""
    return {
        "id": line.id,
        "question": one_line(line.question, QUESTION_CHARACTERS),
        "language": line.language,
        "answerable": line.answerable,
        "answer": one_line(line.answer, ANSWER_CHARACTERS) if line.answerable else "",
        "sources": [item.model_dump() for item in line.sources],
    }


def _faults(record: dict[str, Any], manifest: Manifest) -> Sequence[str]:
    try:
        question = labelled(record)
    except ValueError as error:
        hint = ": move those that answer from proposed to sources" if record["answerable"] else ""
        return [f"{error}{hint}"]
    return [fault.removeprefix(f"{question.id}: ") for fault in faults([question], manifest)]


def _replace(path: Path, text: str, check: Any = None) -> None:
    """Writes a file whole or not at all, with the permissions of the one that was there."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, aside)
        if check:
            check(aside)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One at a time; the system gives the lock back however its holder ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
