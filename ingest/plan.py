"""What an ingest has to do: the files of a domain against the documents of its current version, by content.

Knows nothing of how files are read or indexes written, and imports neither.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path

from ingest.loaders import ocr
from ingest.report import Problem, Report
from ingest.sources import SourceFile, hash_file, unreadable
from rag.index import DocumentRecord, Manifest
from rag.settings import ROOT, Domain

_LIBRARIES = ("pypdfium2", "trafilatura", "python-pptx", "python-calamine", "striprtf", "lxml")
# A change in any of these changes what is written for the same file.
_SHAPING = (
    "ingest/blocks.py",
    "ingest/clean.py",
    "ingest/limits.py",
    "ingest/split.py",
    "ingest/loaders/*.py",
    "rag/analysis.py",
    "rag/languages.py",
    "rag/lexical.py",
    "rag/table.py",
    "rag/text.py",
    "rag/vectors*.py",
)


@dataclass(frozen=True, slots=True)
class Content:
    """All files of one content; `sha256` and `size` are the files', the first of `files` names the document.

    `title` is the one that the domain or a connector gives it, empty where the file's own counts.
    """

    sha256: str
    size: int
    files: tuple[SourceFile, ...]
    title: str = ""

    @property
    def source(self) -> str:
        return self.files[0].source

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(file.source for file in self.files)

    @property
    def metadata(self) -> Mapping[str, str]:
        return self.files[0].metadata

    @property
    def origin(self) -> str:
        """Changes with what is known of the document beside its content."""
        known = json.dumps([self.names, self.title, sorted(self.metadata.items())])
        return hashlib.sha256(known.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference between the contents found and a version. `changes` are `(what, source)`, as in `Report`.

    `contents` are to be read; `kept` are the documents of the version that stay as they are, `gone` the ids of those
    that do not.
    """

    contents: tuple[Content, ...]
    kept: tuple[DocumentRecord, ...]
    gone: frozenset[str]
    known_failures: tuple[Problem, ...]
    changes: tuple[tuple[str, str], ...]
    needed: bool

    def count(self, what: str) -> int:
        return sum(change == what for change, _ in self.changes)


def fingerprint() -> str:
    """Changes whenever the same file would give other chunks or terms: code, or a library that reads files."""
    digest = hashlib.sha256("".join(map(installed_version, _LIBRARIES)).encode())
    for pattern in _SHAPING:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def retry_marks(domain: Domain) -> dict[str, Callable[[], str]]:
    """What a problem's reason may speak of, and what tells whether that has changed since: then it is read again."""
    return {"text recognition": ocr.fingerprint, "password": lambda: _password_mark(domain)}


def _password_mark(domain: Domain) -> str:
    known = json.dumps([[pattern, secret.reveal()] for pattern, secret in domain.passwords.items()])
    # It lies in the index: slow to make, so that the passwords cannot be guessed from it.
    return hashlib.scrypt(known.encode(), salt=domain.name.encode(), n=2**14, r=8, p=1, dklen=16).hex()


def read_contents(
    files: Sequence[SourceFile], titles: Mapping[str, str], progress: Callable[[int, int], None]
) -> tuple[list[Content], list[Problem]]:
    """The files grouped by content, in the order of `files`, and those that can't be read.

    `titles` are the domain's, by source.
    """
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
    contents = [
        Content(digest, sizes[digest], tuple(group), titles.get(group[0].source) or group[0].title)
        for digest, group in grouped.items()
    ]
    return contents, problems


def make_plan(
    contents: Sequence[Content],
    current: Manifest | None,
    known_failures: Sequence[Problem],
    again: Collection[str] = (),
    *,
    anew: bool,
) -> Plan:
    """Compares by content.

    `again` are the SHA-256 of contents to read again though they are the same; `anew` says that all are, whatever is
    known of them.
    """
    before = {record.sha256: record for record in current.documents} if current else {}
    failed = {problem.sha256: problem for problem in known_failures if problem.sha256}
    wanted = [content for content in contents if content.sha256 not in failed]
    here = {content.sha256 for content in contents}
    # A path whose old content is gone: what stands there now is an update, not a new document.
    replaced = {name for digest, record in before.items() if digest not in here for name in record.names}
    changes: list[tuple[str, str]] = []
    kept: list[DocumentRecord] = []
    for content in wanted:
        record = before.get(content.sha256)
        if record is None:
            changes.append(("updated" if replaced & set(content.names) else "added", content.source))
        elif record.names != content.names:
            changes.append(("renamed", content.source))
        elif record.origin != content.origin or content.sha256 in again:
            changes.append(("updated", content.source))
        elif not anew:
            kept.append(record)
    names_here = {name for content in contents for name in content.names}
    changes += [
        ("removed", record.source)
        for digest, record in before.items()
        if digest not in here and not names_here & set(record.names)
    ]
    stay = {record.sha256 for record in kept}
    gone = frozenset(record.id for record in before.values() if record.sha256 not in stay)
    return Plan(
        contents=tuple(content for content in wanted if content.sha256 not in stay),
        kept=tuple(kept),
        gone=gone,
        known_failures=tuple(
            Problem(c.source, failed[c.sha256].reason, c.sha256) for c in contents if c.sha256 in failed
        ),
        changes=tuple(changes),
        needed=bool(anew or current is None or changes or gone),
    )


def report_of(
    domain: str,
    plan: Plan,
    problems: Sequence[Problem],
    warnings: tuple[Problem, ...],
    manifest: Manifest | None,
) -> Report:
    """What a plan came to, for the domain of that name; `manifest` is that of the version that serves afterwards."""
    added, updated = plan.count("added"), plan.count("updated")
    failed = {problem.source for problem in problems}
    standing = len(plan.kept) + sum(content.source not in failed for content in plan.contents)
    return Report(
        domain,
        added=added,
        updated=updated,
        unchanged=standing - added - updated,
        removed=plan.count("removed"),
        failed=len(problems),
        renamed=plan.count("renamed"),
        chunks=manifest.chunks if manifest else 0,
        version=manifest.version if manifest else "",
        failures=tuple(sorted(problems, key=lambda problem: problem.source)),
        warnings=warnings,
        changes=plan.changes,
    )


def old_manifest(folder: Path) -> Manifest | None:
    """The manifest of a version's folder, None where it can't be used."""
    from rag.errors import IndexUnavailable

    try:
        return Manifest.load(folder)
    except IndexUnavailable:
        return None
