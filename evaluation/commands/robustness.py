"""`robustness`: what is lost when the same questions are typed differently."""

import argparse
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.commands.engines import engine_of
from evaluation.variants import VARIANTS
from rag.settings import RetrievalSettings, Settings

if TYPE_CHECKING:
    from evaluation.outcome import Run
    from evaluation.report.section import Section
    from evaluation.robustness import Robustness

HELP = "questions with typos, without accents, as keywords, ...: what is lost"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sets", nargs="+", metavar="DOMAIN_OR_FOLDER", help="a domain, or a folder in BEIR layout")
    parser.add_argument("--variant", action="append", choices=VARIANTS, help="one of them; may be repeated")
    parser.add_argument("--limit", type=int, help="ask LIMIT questions of each set, evenly spaced")
    parser.add_argument("--no-answers", action="store_true", help="look for passages only")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation import report, robustness

    started = datetime.now(UTC)
    place = settings.var / "evaluation" / "robustness" / started.strftime("%Y%m%dT%H%M%SZ")
    found: dict[str, Any] = {}
    plain: list[Run] = []
    sections: list[Section] = []
    for name in chosen.sets:
        measured = _measured(settings, chosen, name)
        title = Path(name).name
        found[title] = robustness.report(measured)
        for part in (measured.plain, *(item.run for item in measured.variants)):
            part.save(place / title)
        plain.append(replace(measured.plain, set=title))
        sections += robustness.sections(title, measured)
    content = {"sets": found, "report": str(report.write(place, plain, sections=sections))}
    (place / "robustness.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return content


def show(report: dict[str, Any]) -> None:
    for name, measured in report["sets"].items():
        print(f"{name}: {measured['questions']} questions; percent as written, as typed, p-value")
        for variant, item in measured["variants"].items():
            for group, figures in item["groups"].items():
                print(f"  {variant} {group}")
                for figure, values in figures.items():
                    before, after = 100 * values["before"], 100 * values["after"]
                    count = values["difference"]["count"]
                    print(f"    {figure:36} {before:5.1f} {after:5.1f}  {values['p_value']:.4f}  {count} questions")
    print(f"report: {report['report']}")


def _measured(settings: Settings, chosen: argparse.Namespace, name: str) -> "Robustness":
    from evaluation import beir
    from evaluation.questions import from_beir
    from evaluation.robustness import measure
    from evaluation.run import scratch_domain

    options = {
        "variants": tuple(chosen.variant or VARIANTS),
        "answers": not chosen.no_answers,
        "limit": chosen.limit,
    }
    if not (Path(name) / "corpus.jsonl").is_file():
        with engine_of(settings, name) as engine:
            return measure(engine, name, **options)
    folder = Path(name)
    questions = beir.load(folder)
    with scratch_domain(questions, settings, RetrievalSettings(), folder.name) as engine:
        return measure(engine, next(iter(engine.domains)), from_beir(folder, None, questions), **options)
