"""`conversation`: follow-up questions of a domain."""

import argparse
from typing import Any

from evaluation.commands.engines import engine_of
from rag.settings import Settings

HELP = "the follow_ups.jsonl of a domain"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("domain")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.conversation import evaluate

    with engine_of(settings, chosen.domain) as engine:
        return evaluate(engine, chosen.domain)


def show(report: dict[str, Any]) -> None:
    print(f"{report['domain']}: recall@5 of follow-ups as typed and with the topic carried over, percent")
    for language, figures in report["recall@5"].items():
        shares = "  ".join(f"{key} {100 * figures[key]:5.1f}" for key in ("typed", "carried", "known"))
        print(f"{language:4} {figures['follow_ups']:4} follow-ups  {shares}")
