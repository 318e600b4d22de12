"""`needle`: facts hidden in texts of up to a million words, asked through the whole pipeline."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.errors import ConfigurationError
from rag.settings import LANGUAGES, Settings

HELP = "facts hidden at depths of ever longer texts, in and across languages"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    sizes = [1_000, 10_000, 100_000, 1_000_000]
    parser.add_argument("--words", type=int, nargs="+", default=sizes, help="sizes of haystacks")
    parser.add_argument("--depths", type=int, nargs="+", default=[0, 25, 50, 75, 100], help="in percent of the words")
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES, default=list(LANGUAGES), help="each with each")
    layouts = ("book", "text", "files")
    parser.add_argument("--layout", choices=layouts, default="book", help="one PDF, one text file, or many")
    parser.add_argument("--needles", type=int, help="different facts, 30 unless told: fewer are faster")
    parser.add_argument("--rounds", type=int, default=1, help="3 for every fact in every language in every haystack")
    parser.add_argument("--text", type=Path, help="a folder of documents to hide them in, in place of made text")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation import report
    from evaluation.needle import report as needle_report
    from evaluation.needle.measure import Options, measure

    for name, value in (("words", min(chosen.words)), ("needles", chosen.needles), ("rounds", chosen.rounds)):
        if value is not None and value < 1:
            raise ConfigurationError(f"--{name} should be 1 or more, is now {value}.")
    if not all(0 <= depth <= 100 for depth in chosen.depths):
        raise ConfigurationError(f"--depths should be from 0 to 100 percent, are now {chosen.depths}.")
    started = datetime.now(UTC)
    # Each once, or a cell would have the needles of two.
    values = {name: tuple(dict.fromkeys(getattr(chosen, name))) for name in ("words", "depths", "languages")}
    options = Options(**values, layout=chosen.layout, text=chosen.text, needles=chosen.needles, rounds=chosen.rounds)
    found = measure(settings, options)
    place = settings.var / "evaluation" / "needle" / started.strftime("%Y%m%dT%H%M%SZ")
    page = report.write(place, found.runs, sections=needle_report.sections(found))
    content = needle_report.report(found) | {"layout": chosen.layout, "report": str(page)}
    (place / "needle.json").write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
    return content


def show(report: dict[str, Any]) -> None:
    for item in report["ingest"]:
        print(f"{item['words']} words: {item['ingests']} haystacks, {item['chunks']} chunks in {item['seconds']} s")
    names = list(report["shares"][0])[4:]
    print(f"{'words':>8} question needle haystack  {'  '.join(names)}")
    for row in sorted(report["shares"], key=lambda row: row["right"]):
        shares = "  ".join(f"{100 * row[name]:{len(name)}.0f}" for name in names)
        print(f"{row['words']:8} {row['question']:8} {row['needle']:6} {row['haystack']:8}  {shares}")
    print(f"report: {report['report']}")
