"""`service`: the whole program under load."""

import argparse
from importlib import import_module
from typing import Any

from rag.settings import Settings

HELP = "the whole program under load"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("part", choices=("overhead", "search", "soak", "page"))
    parser.add_argument("--processes", type=int, nargs="+", help="of the program; for search one figure each")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32], help="overhead: answers at once")
    parser.add_argument("--answers", type=int, default=10, help="overhead: in each of them")
    parser.add_argument("--rate", type=float, default=50.0, help="overhead: words a second of the model server")
    parser.add_argument("--chunks", type=int, help="size of the index, about; search: 50000, page: as it is")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 4, 16], help="search: requests at once")
    parser.add_argument("--seconds", type=int, help="search: of each figure; page: 60")
    parser.add_argument("--minutes", type=float, default=10.0, help="soak")
    parser.add_argument("--visitors", type=int, help="at once; soak: 8, page: 30")
    parser.add_argument("--think", type=float, default=2.0, help="page: seconds between an answer and a question")
    parser.add_argument("--browser", default="", help="page: a Chromium, for what is waited for there")
    parser.add_argument("--faulty", type=float, default=0.05, help="soak: share of the model server's answers")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    folder, processes = settings.var / "bench", chosen.processes or []
    if chosen.part == "overhead":
        from evaluation.service import overhead

        count = (processes or [1])[0]
        report = overhead.measure(folder, chosen.streams, chosen.answers, chosen.rate, count)
    elif chosen.part == "search":
        from evaluation.service import search

        chunks = chosen.chunks or 50_000
        report = search.measure(
            folder / f"search-{chunks}", chunks, processes or [1, 2], chosen.connections, chosen.seconds or 20
        )
    elif chosen.part == "page":
        from evaluation.service import page

        visitors, seconds, count = chosen.visitors or 30, chosen.seconds or 60, (processes or [1])[0]
        report = page.measure(folder, visitors, seconds, chosen.think, count, chosen.browser, chunks=chosen.chunks or 0)
    else:
        from evaluation.service import soak

        count = (processes or [2])[0]
        report = soak.run(soak.Options(chosen.minutes, count, chosen.visitors or 8, faulty=chosen.faulty), folder)
    return {"part": chosen.part, **report}


def show(report: dict[str, Any]) -> None:
    print("\n".join(import_module(f"evaluation.service.{report['part']}").markdown(report)))
