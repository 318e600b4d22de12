"""`citations`: how well sentences that passages bear out are told from others."""

import argparse
from pathlib import Path
from typing import Any

from rag.settings import Settings

HELP = "such folders: sentences made of them, supported and not"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", type=Path, nargs="+")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.citations import evaluate

    return evaluate(chosen.folders)


def show(report: dict[str, Any]) -> None:
    from evaluation.citations import markdown

    print(markdown(report))
