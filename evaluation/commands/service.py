"""`service`: the whole program under load."""

import argparse
from importlib import import_module
from typing import Any

from rag.settings import Settings

HELP = "the whole program under load"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("part", choices=("overhead", "search", "soak"))
    parser.add_argument("--processes", type=int, nargs="+", help="of the program; for search one figure each")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32], help="overhead: answers at once")
    parser.add_argument("--answers", type=int, default=10, help="overhead: in each of them")
    parser.add_argument("--rate", type=float, default=50.0, help="overhead: words a second of the model server")
    parser.add_argument("--chunks", type=int, default=50_000, help="search: size of the index, about")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 4, 16], help="search: requests at once")
    parser.add_argument("--seconds", type=int, default=20, help="search: of each figure")
    parser.add_argument("--minutes", type=float, default=10.0, help="soak")
    parser.add_argument("--visitors", type=int, default=8, help="soak: at once")
    parser.add_argument("--faulty", type=float, default=0.05, help="soak: share of the model server's answers")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    folder, processes = settings.var / "bench", chosen.processes or []
    if chosen.part == "overhead":
        from evaluation.service import overhead

        count = (processes or [1])[0]
        report = overhead.measure(folder, chosen.streams, chosen.answers, chosen.rate, count)
    elif chosen.part == "search":
        from evaluation.service import search

        place = folder / f"search-{chosen.chunks}"
        report = search.measure(place, chosen.chunks, processes or [1, 2], chosen.connections, chosen.seconds)
    else:
        from evaluation.service import soak

        count = (processes or [2])[0]
        report = soak.run(soak.Options(chosen.minutes, count, chosen.visitors, faulty=chosen.faulty), folder)
    return {"part": chosen.part, **report}


def show(report: dict[str, Any]) -> None:
    print("\n".join(import_module(f"evaluation.service.{report['part']}").markdown(report)))
