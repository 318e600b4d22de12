"""What an ingest did, for people and for programs."""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

_CHANGES = ("added", "updated", "renamed", "removed")
_RECOGNITION = "text recognition"
# Lines of each kind in a table, and columns that names may take so that the reasons behind them stand in line.
_LISTED = 20
_WIDEST = 40


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be read, or only in part. `sha256` is empty where the content was not read."""

    source: str
    reason: str
    sha256: str = ""

    @property
    def waits(self) -> bool:
        """Whether the file could be read if text recognition were installed."""
        return f"{_RECOGNITION}: install" in self.reason or f"{_RECOGNITION}, install" in self.reason

    def to_json(self) -> dict[str, str]:
        return {"source": self.source, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Report:
    """Counts of documents and chunks of a domain after an ingest.

    `unchanged` includes the `renamed` documents. `chunks` are those of the version, `embedded` those that had no
    vector yet. `changes` are `(what, source)` pairs of the documents that are not unchanged. `version` is the one that
    serves now, empty where there is none; `published` says whether this run made it.
    """

    domain: str
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0
    renamed: int = 0
    chunks: int = 0
    embedded: int = 0
    seconds: float = 0.0
    version: str = ""
    published: bool = False
    dry_run: bool = False
    failures: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    changes: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        return {
            **values,
            "seconds": round(self.seconds, 3),
            "failures": [problem.to_json() for problem in self.failures],
            "warnings": [problem.to_json() for problem in self.warnings],
            "changes": [{"change": what, "source": source} for what, source in self.changes],
        }

    def table(self) -> str:
        """What changed and what could not be read, a line a document, and a summary; long lists only begun."""
        lines: list[str] = []
        for kind in _CHANGES:
            lines += _listed(kind, [(source, "") for what, source in self.changes if what == kind])
        waiting = [problem for problem in self.failures if problem.waits]
        lines += _listed("waiting", [(problem.source, "") for problem in waiting])
        failed = [problem for problem in self.failures if not problem.waits]
        for kind, problems in (("failed", failed), ("note", self.warnings)):
            lines += _listed(kind, [(problem.source, problem.reason) for problem in problems])
        if all_waiting := [*waiting, *(problem for problem in self.warnings if problem.waits)]:
            count = len({problem.source for problem in all_waiting})
            documents = "document waits" if count == 1 else "documents wait"
            advice = all_waiting[0].reason.rpartition(_RECOGNITION)[2].lstrip(" :,")
            lines.append(f"  {count} {documents} for {_RECOGNITION}: {advice}")
        return "\n".join([*lines, self._summary()])

    def _summary(self) -> str:
        names = ("added", "updated", "unchanged", "removed", "failed")
        counts = ", ".join(f"{getattr(self, name)} {name}" for name in names)
        state = "nothing written (dry run)" if self.dry_run else "new version" if self.published else "up to date"
        renamed = f" ({self.renamed} renamed)" if self.renamed else ""
        return (
            f"{self.domain}: {counts}{renamed}; {self.chunks} chunks, {self.embedded} embedded;"
            f" {state} {self.version}".rstrip()
            + f"; {self.seconds:.1f} s"
        )


def _listed(kind: str, items: Sequence[tuple[str, str]]) -> list[str]:
    """A line for each of the first `(source, reason)` pairs, and one that counts the others."""
    shown = items if len(items) <= _LISTED + 1 else items[:_LISTED]
    width = max((min(_cells(source), _WIDEST) for source, reason in shown if reason), default=0)
    lines = []
    for source, reason in shown:
        padding = " " * max(width - _cells(source), 0)
        lines.append(f"  {kind:<9} {source}{padding}  {reason}" if reason else f"  {kind:<9} {source}")
    if len(shown) < len(items):
        lines.append(f"  {kind:<9} and {len(items) - len(shown)} more (--json names all)")
    return lines


def _cells(text: str) -> int:
    """How many columns a text takes on a terminal: Korean letters take two."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text
    )


_PROBLEMS = "problems.json"
_REPORT = "report.json"


Marks = Mapping[str, Callable[[], str]]
"""Words that a reason may have, each with a function whose value changes once it is worth to try again."""


def save_problems(
    folder: Path, failures: tuple[Problem, ...], warnings: tuple[Problem, ...], marks: Marks = MappingProxyType({})
) -> None:
    """Keeps the problems of a version beside it, so that the next run knows them without reading the files again."""
    values = {
        "failures": [asdict(item) for item in failures],
        "warnings": [asdict(item) for item in warnings],
        "marks": {word: mark() for word, mark in marks.items() if _speak_of(word, (*failures, *warnings))},
    }
    (folder / _PROBLEMS).write_text(json.dumps(values, ensure_ascii=False, indent=1), encoding="utf-8")


def load_problems(
    folder: Path, marks: Marks | None = MappingProxyType({})
) -> tuple[tuple[Problem, ...], tuple[Problem, ...], frozenset[str]]:
    """`(failures, warnings)` of a version, none where nothing was kept, and the contents to read again by SHA-256.

    These are the files with a problem whose mark has changed; it is not among the problems then. Nothing is known
    where `marks` is None.
    """
    if marks is None:
        return (), (), frozenset()
    try:
        values = json.loads((folder / _PROBLEMS).read_text(encoding="utf-8"))
        failures, warnings = (tuple(Problem(**item) for item in values[key]) for key in ("failures", "warnings"))
        kept = dict(values["marks"])
    except (OSError, ValueError, KeyError, TypeError):
        return (), (), frozenset()
    again: set[str] = set()
    for word, mark in marks.items():
        about = _speak_of(word, (*failures, *warnings))
        if about and kept.get(word) != mark():
            again |= {item.sha256 for item in about}
    failures, warnings = (tuple(item for item in some if item.sha256 not in again) for some in (failures, warnings))
    return failures, warnings, frozenset(again)


def _speak_of(word: str, problems: Sequence[Problem]) -> list[Problem]:
    return [item for item in problems if item.sha256 and word in item.reason]


def save_report(folder: Path, report: Report) -> None:
    """Keeps the report of the run that made a version in its folder."""
    text = json.dumps(report.to_json(), ensure_ascii=False, indent=1)
    (folder / _REPORT).write_text(text, encoding="utf-8")


def load_report(folder: Path) -> Mapping[str, Any]:
    """What `save_report` kept of a version, as `Report.to_json` gives it; empty where nothing was kept."""
    try:
        values = json.loads((folder / _REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
