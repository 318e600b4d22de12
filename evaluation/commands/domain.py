"""`domain`: a domain's own questions."""

import argparse
from typing import Any

from evaluation.commands.engines import engine_of
from rag.settings import Settings

HELP = "the questions.jsonl of a domain"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("domain")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.domain import evaluate

    with engine_of(settings, chosen.domain) as engine:
        return evaluate(engine, chosen.domain)


def show(report: dict[str, Any]) -> None:
    print(f"{report['domain']}: recall@5 by question and document language, percent")
    print(f"{'pair':8} {'questions':>9} {'document':>9} {'page':>6}")
    for pair, figures in report["recall@5"].items():
        document, page = 100 * figures["document"], 100 * figures["page"]
        print(f"{pair:8} {figures['questions']:9} {document:9.1f} {page:6.1f}")
    for kind, share in report["refused"].items():
        if share is not None:
            print(f"refused of the {kind} questions: {100 * share:.1f}")
