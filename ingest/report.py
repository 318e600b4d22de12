"""What an ingest did, for people and for programs."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ingest.loaders import ocr


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be read, or only in part. `sha256` is empty where the content was not read."""

    source: str
    reason: str
    sha256: str = ""

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
        """What changed, a line a document, and a summary line."""
        lines = [f"  {what:<9} {source}" for what, source in self.changes]
        lines += [f"  {'failed':<9} {problem.source}: {problem.reason}" for problem in self.failures]
        lines += [f"  {'note':<9} {problem.source}: {problem.reason}" for problem in self.warnings]
        names = ("added", "updated", "unchanged", "removed", "failed")
        counts = ", ".join(f"{getattr(self, name)} {name}" for name in names)
        state = "nothing written (dry run)" if self.dry_run else "new version" if self.published else "up to date"
        renamed = f" ({self.renamed} renamed)" if self.renamed else ""
        lines.append(
            f"{self.domain}: {counts}{renamed}; {self.chunks} chunks, {self.embedded} embedded;"
            f" {state} {self.version}".rstrip()
            + f"; {self.seconds:.1f} s"
        )
        return "\n".join(lines)


_PROBLEMS = "problems.json"
_REPORT = "report.json"


def save_problems(folder: Path, failures: tuple[Problem, ...], warnings: tuple[Problem, ...]) -> None:
    """Keeps the problems of a version beside it, so that the next run knows them without reading the files again."""
    values: dict[str, Any] = {
        "failures": [asdict(item) for item in failures],
        "warnings": [asdict(item) for item in warnings],
    }
    if any(map(_waits, (*failures, *warnings))):
        values["recognition"] = ocr.fingerprint()
    (folder / _PROBLEMS).write_text(json.dumps(values, ensure_ascii=False, indent=1), encoding="utf-8")


def load_problems(folder: Path) -> tuple[tuple[Problem, ...], tuple[Problem, ...], frozenset[str]]:
    """`(failures, warnings)` of a version, none where nothing was kept, and the contents to read again.

    These are, by SHA-256, files that waited for text recognition, where that has changed since.
    """
    try:
        values = json.loads((folder / _PROBLEMS).read_text(encoding="utf-8"))
        failures, warnings = (tuple(Problem(**item) for item in values[key]) for key in ("failures", "warnings"))
    except (OSError, ValueError, KeyError, TypeError):
        return (), (), frozenset()
    if any(map(_waits, (*failures, *warnings))) and values.get("recognition") != ocr.fingerprint():
        again = frozenset(item.sha256 for item in (*failures, *warnings) if _waits(item))
        failures, warnings = (tuple(item for item in some if not _waits(item)) for some in (failures, warnings))
        return failures, warnings, again
    return failures, warnings, frozenset()


def _waits(problem: Problem) -> bool:
    return "text recognition" in problem.reason


def save_report(folder: Path, report: Report) -> None:
    """Keeps the report of the run that made a version in its folder."""
    text = json.dumps(report.to_json(), ensure_ascii=False, indent=1)
    (folder / _REPORT).write_text(text, encoding="utf-8")
