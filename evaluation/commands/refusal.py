"""`refusal`: how well the confidence parts questions of a set from those of others."""

import argparse
from pathlib import Path
from typing import Any

from rag.settings import Settings

HELP = "the same kind of folder: its questions against those of others"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path)
    parser.add_argument("--strangers", type=Path, nargs="+", default=[], help="folders with questions it can't answer")
    parser.add_argument("--limit", type=int, help="ask only the first LIMIT questions of each")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.refusal import evaluate
    from rag.embed import load_embedder

    return evaluate(chosen.folder, chosen.strangers, load_embedder(settings.embedder, settings), chosen.limit)


def show(report: dict[str, Any]) -> None:
    print(
        f"{report['set']}: {report['questions']} questions of its own, {100 * report['answered']:.1f} percent answered"
    )
    for name, figures in report["others"].items():
        answered = f"{100 * figures['answered']:.1f} percent answered"
        print(f"{name:24} {figures['questions']:5} questions  AUROC {figures['auroc']:.3f}  {answered}")
