"""`extractive`: answers made of passages, on a folder in BEIR layout."""

import argparse
from pathlib import Path
from typing import Any

from rag.settings import Settings

HELP = "the same kind of folder, where questions have `answers`"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, help="ask only the first LIMIT questions")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.extractive import evaluate
    from rag.embed import load_embedder

    return evaluate(chosen.folder, load_embedder(settings.embedder, settings), chosen.limit)


def show(report: dict[str, Any]) -> None:
    print("a gold answer stands inside the shown sentences, inside the first of them, inside the passages, percent")
    groups = {"all": report} | {f"half {number}": half for number, half in enumerate(report["halves"], start=1)}
    groups |= {f"{count} shown": figures for count, figures in report["by_sentences"].items()}
    for name, figures in groups.items():
        shares = "  ".join(f"{key} {100 * figures[key]:5.1f}" for key in ("inside", "first", "passages"))
        size = f"{figures['sentences']:.2f} sentences, {figures['characters']:.0f} characters"
        print(f"{name:8} {figures['questions']:5} questions  {shares}  {size}")
    print(f"milliseconds an answer after retrieval: {report['milliseconds']}")
