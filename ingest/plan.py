"""What an ingest has to do: the files of a domain against the documents of its current version, by content.

Knows nothing of how files are read or indexes written, and imports neither.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path

from ingest.report import Problem
from ingest.sources import SourceFile, hash_file, unreadable
from rag.index import Manifest
from rag.settings import ROOT, Domain

# A change in any of these changes what is written for the same file.
_SHAPING = (
    "ingest/blocks.py",
    "ingest/clean.py",
    "ingest/split.py",
    "ingest/loaders/*.py",
    "rag/analysis.py",
    "rag/languages.py",
    "rag/lexical.py",
    "rag/text.py",
    "rag/vectors.py",
)


@dataclass(frozen=True, slots=True)
class Content:
    """All files of one content; `sha256` and `size` are the files', the first of `files` names the document."""

    sha256: str
    size: int
    files: tuple[SourceFile, ...]

    @property
    def source(self) -> str:
        return self.files[0].source

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(file.source for file in self.files)


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference between the contents found and a version. `changes` are `(what, source)`, as in `Report`."""

    contents: tuple[Content, ...]
    known_failures: tuple[Problem, ...]
    changes: tuple[tuple[str, str], ...]
    needed: bool

    def count(self, what: str) -> int:
        return sum(change == what for change, _ in self.changes)


def fingerprint(domain: Domain) -> str:
    """Changes whenever the same file would give other chunks or terms: code, PDF library or titles of `domain.toml`."""
    digest = hashlib.sha256(installed_version("pypdfium2").encode())
    for pattern in _SHAPING:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    digest.update(json.dumps(sorted(domain.titles.items())).encode())
    return digest.hexdigest()[:16]


def read_contents(
    files: Sequence[SourceFile], progress: Callable[[int, int], None]
) -> tuple[list[Content], list[Problem]]:
    """The files grouped by content, in the order of `files`, and those that can't be read."""
    grouped: dict[str, list[SourceFile]] = {}
    sizes: dict[str, int] = {}
    problems: list[Problem] = []
    for number, file in enumerate(files, 1):
        try:
            digest, sizes[digest] = hash_file(file.path)
        except OSError as error:
            problems.append(Problem(file.source, unreadable(error)))
            continue
        grouped.setdefault(digest, []).append(file)
        progress(number, len(files))
    return [Content(digest, sizes[digest], tuple(group)) for digest, group in grouped.items()], problems


def make_plan(
    contents: Sequence[Content], current: Manifest | None, known_failures: Sequence[Problem], anew: bool
) -> Plan:
    """Compares by content; `anew` says that every document has to be written again, whatever is known of it."""
    before = {record.sha256: record for record in current.documents} if current else {}
    failed = {problem.sha256: problem for problem in known_failures if problem.sha256}
    wanted = [content for content in contents if content.sha256 not in failed]
    here = {content.sha256 for content in contents}
    # A path whose old content is gone: what stands there now is an update, not a new document.
    replaced = {name for digest, record in before.items() if digest not in here for name in record.names}
    changes: list[tuple[str, str]] = []
    for content in wanted:
        record = before.get(content.sha256)
        if record is None:
            changes.append(("updated" if replaced & set(content.names) else "added", content.source))
        elif record.names != content.names:
            changes.append(("renamed", content.source))
    names_here = {name for content in contents for name in content.names}
    changes += [
        ("removed", record.source)
        for digest, record in before.items()
        if digest not in here and not names_here & set(record.names)
    ]
    gone = any(digest not in here for digest in before)
    return Plan(
        contents=tuple(wanted),
        known_failures=tuple(
            Problem(c.source, failed[c.sha256].reason, c.sha256) for c in contents if c.sha256 in failed
        ),
        changes=tuple(changes),
        needed=bool(anew or current is None or changes or gone),
    )


def old_manifest(folder: Path) -> Manifest | None:
    """The manifest of a version's folder, None where it can't be used."""
    from rag.errors import IndexUnavailable

    try:
        return Manifest.load(folder)
    except IndexUnavailable:
        return None
