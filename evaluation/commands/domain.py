"""`domain`: the own questions of domains, or those of folders in BEIR layout, with report and gate."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.commands.packages import require
from rag.errors import ConfigurationError
from rag.settings import Settings

if TYPE_CHECKING:
    from evaluation.changes import Change
    from evaluation.outcome import Run

HELP = "the questions.jsonl of a domain: figures, a report, and whether they hold against a baseline"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("domain", nargs="+", help="a domain, or a folder in BEIR layout")
    parser.add_argument("--gate", action="store_true", help="exit status 1 where a figure has dropped significantly")
    parser.add_argument("--no-report", action="store_true", help="write no report.html and report.md")
    parser.add_argument("--limit", type=int, help="ask only the first LIMIT questions of each")
    parser.add_argument("--baselines", type=Path, help="where baselines are, default evaluation/baselines")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A run, the folder that it is kept in, and what changed since the one before it, whose folder is `earlier`."""

    run: "Run"
    folder: Path
    earlier: str
    changes: "tuple[Change, ...]"


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    require("ir_measures", *(() if chosen.no_report else ("matplotlib",)))
    from evaluation import summary
    from evaluation.baseline import FOLDER, Baseline
    from evaluation.gate import judge
    from evaluation.target import set_name

    names = [set_name(name) for name in chosen.domain]
    # Before anybody waits: there may be none.
    baselines = [Baseline.load(name, chosen.baselines or FOLDER) for name in names] if chosen.gate else []
    asked = [_asked(settings, name, chosen.limit) for name in chosen.domain]
    verdict = (
        judge([(base, Baseline.of(one.run)) for base, one in zip(baselines, asked, strict=True)]) if baselines else None
    )
    report: dict[str, Any] = {"sets": [], "wrong": False}
    for one in asked:
        found = summary.summary(one.run) | {"kept": str(one.folder), "report": ""}
        if one.earlier:
            found |= {"since": one.earlier, "changes": summary.of_changes(one.changes)}
        if not chosen.no_report:
            from evaluation.report import write

            sections = [verdict.section()] if verdict else []
            found["report"] = str(write(one.folder, [one.run], one.changes, sections))
        report["sets"].append(found)
    if verdict:
        report |= {"gate": summary.of_gate(verdict), "wrong": not verdict.passes}
    return report


def show(report: dict[str, Any]) -> None:
    from evaluation import summary

    for found in report["sets"]:
        print(*summary.lines(found), sep="\n")
        if "since" in found:
            print(*summary.change_lines(found["changes"], found["since"]), sep="\n")
        print(f"{'report' if found['report'] else 'kept'}: {found['report'] or found['kept']}\n")
    if "gate" in report:
        print(*summary.gate_lines(report["gate"]), sep="\n")


def _asked(settings: Settings, name: str, limit: int | None) -> _Asked:
    from evaluation.changes import changes
    from evaluation.outcome import runs
    from evaluation.run import keep
    from evaluation.target import ask

    run = ask(settings, name, limit)
    earlier = runs(settings.var / "evaluation", run.set)
    folder = keep(run, settings)
    for place in reversed(earlier):
        before = _readable(place)
        if before:
            return _Asked(run, folder, place.name, changes(before, run))
    return _Asked(run, folder, "", ())


def _readable(folder: Path) -> "Run | None":
    """A kept run; None where another version of the program wrote it in another format, so that it is passed over."""
    from evaluation.outcome import Run

    try:
        return Run.load(folder)
    except ConfigurationError:
        return None
