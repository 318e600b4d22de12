"""`baseline`: makes a kept run what later ones are held against."""

import argparse
from pathlib import Path
from typing import Any

from evaluation.commands.packages import require
from rag.errors import ConfigurationError
from rag.settings import Settings

HELP = "makes the newest kept run of a set what --gate holds later ones against"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("set", nargs="+", help="a domain, or the name of a folder in BEIR layout")
    parser.add_argument("--run", type=Path, help="the folder of another run, for one set")
    parser.add_argument("--baselines", type=Path, help="where to write it, default evaluation/baselines")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    require("ir_measures")
    from evaluation.baseline import FOLDER, Baseline
    from evaluation.outcome import Run, runs

    if chosen.run and len(chosen.set) > 1:
        raise ConfigurationError(f"--run is for one set, {len(chosen.set)} are named: run the command for each.")
    written = []
    for name in chosen.set:
        folders = [chosen.run] if chosen.run else runs(settings.var / "evaluation", name)[-1:]
        if not folders:
            raise ConfigurationError(f"No run of {name!r} is kept: run python -m evaluation domain {name}.")
        kept = Run.load(folders[0])
        if kept.set != name:
            raise ConfigurationError(f"{folders[0]} holds a run of {kept.set!r}, not of {name!r}.")
        baseline = Baseline.of(kept)
        path = baseline.save(chosen.baselines or FOLDER)
        means = {figure: baseline.mean(figure) for figure in baseline.figures}
        told = {"set": name, "run": str(folders[0]), "revision": kept.revision, "questions": len(kept.outcomes)}
        written.append(told | {"path": str(path), "figures": means})
    return {"baselines": written}


def show(report: dict[str, Any]) -> None:
    for item in report["baselines"]:
        print(f"{item['path']}: {item['questions']} questions of revision {item['revision']}")
        for figure, value in item["figures"].items():
            print(f"  {figure:36} {100 * value:6.1f}")
        if not item["revision"].isalnum():
            print("  Files differed from that revision: commit them and ask again before this is committed.")
