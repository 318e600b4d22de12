"""`sets`: every question set in BEIR layout below a folder, the worst first."""

import argparse
from pathlib import Path
from typing import Any

from evaluation.commands.packages import require
from rag.settings import Settings

HELP = "every question set in BEIR layout below a folder, the worst first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, help="ask only the first LIMIT questions of each")
    parser.add_argument("--kept", action="store_true", help="ask nothing: the newest kept run of each set")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    require("ir_measures")
    from evaluation import sets

    found = sets.kept(chosen.folder, settings) if chosen.kept else sets.ask(chosen.folder, settings, chosen.limit)
    return sets.report(found)


def show(report: dict[str, Any]) -> None:
    print(report["markdown"])
