"""`judge`: a model looks through the answers of a kept run."""

import argparse
from pathlib import Path
from typing import Any

from evaluation.commands.packages import require
from rag.errors import ConfigurationError
from rag.settings import Settings

HELP = "lets a model judge the answers of a kept run, and shows how far it agrees with the figures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="NAME_OR_FOLDER", help="a set, for its newest run, or the folder of a run")
    parser.add_argument("--model", default="", help="gguf:NAME, openai:NAME or langchain:PROVIDER:NAME")
    parser.add_argument("--limit", type=int, help="judge only LIMIT answers, spread over all")
    parser.add_argument("--report", action="store_true", help="write report.html and report.md with it, beside the run")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.completions import Completions
    from evaluation.judge import judge
    from evaluation.outcome import Run
    from rag.settings import domain_names

    if chosen.limit is not None and chosen.limit < 1:
        raise ConfigurationError(f"--limit should be at least 1, is now {chosen.limit}.")
    if chosen.report:
        require("ir_measures", "matplotlib")
    folder = _folder(settings, chosen.run)
    kept = Run.load(folder)
    if not any(outcome.said and outcome.said.answered for outcome in kept.outcomes):
        raise ConfigurationError(f"{folder} has no answer to judge: its questions were refused, or passages asked for.")
    domain = kept.set if settings.corpora.is_dir() and kept.set in domain_names(settings) else ""
    with Completions(settings, chosen.model, "a judge") as completions:
        judged = judge(kept, completions, settings, chosen.limit, folder.name, domain)
    report = judged.report() | {"file": str(judged.save(folder)), "report": ""}
    if chosen.report:
        from evaluation.judged import sections
        from evaluation.report import write

        # The run's own has what changed since the one before it.
        report["report"] = str(write(folder / "judged", [kept], (), sections(folder)))
    return report


def show(report: dict[str, Any]) -> None:
    from evaluation.judged import load, section

    found = section(load(Path(report["file"])))
    print(f"{found.title}\n")
    for row in (found.titles, *found.rows):
        name, *cells = row
        shown = (f"{cell:10.3f}" if isinstance(cell, float) else f"{cell:>10}" for cell in cells)
        print(f"{name:52}{''.join(shown)}")
    for paragraph in found.paragraphs:
        print(f"\n{paragraph}")
    print(f"\nkept: {report['file']}")
    if report["report"]:
        print(f"report: {report['report']}")


def _folder(settings: Settings, name: str) -> Path:
    from evaluation.outcome import runs

    place = Path(name)
    if (place / "run.json").is_file():
        return place
    kept = settings.var / "evaluation"
    found = runs(kept, name)
    if not found:
        there = sorted({path.parent.parent.name for path in kept.glob("*/*/run.json")})
        known = f"Sets with runs: {', '.join(there)}" if there else "There is none yet"
        raise ConfigurationError(f"{name!r} is no run, and no set that has one. {known}: make eval makes them.")
    return found[-1]
