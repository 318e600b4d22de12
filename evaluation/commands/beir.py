"""`beir`: retrieval on a folder in BEIR layout."""

import argparse
from pathlib import Path
from typing import Any

from evaluation.variants import VARIANTS
from rag.settings import Settings

HELP = "a folder with corpus.jsonl, queries.jsonl and qrels/test.tsv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path)
    parser.add_argument("-k", type=int, default=10, help="passages a question, at least 10 are looked at")
    parser.add_argument("--limit", type=int, help="ask only the first LIMIT questions")
    parser.add_argument("--variant", default="", choices=VARIANTS, help="questions typed differently")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.beir import evaluate
    from rag.embed import load_embedder

    return evaluate(chosen.folder, load_embedder(settings.embedder, settings), chosen.k, chosen.limit, chosen.variant)


def show(report: dict[str, Any]) -> None:
    print(f"{report['documents']} documents, {report['questions']} questions, {report['latency_ms']} ms a question")
    groups = {"all": report, **report.get("by_set", {}), "macro": report.get("macro", {})}
    for name, figures in groups.items():
        for ranker in ("lexical", "dense", "fused"):
            if ranker in figures:
                values = "  ".join(f"{metric} {100 * value:5.1f}" for metric, value in figures[ranker].items())
                print(f"{name:24} {ranker:8} {values}")
