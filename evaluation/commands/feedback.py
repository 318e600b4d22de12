"""`feedback`: what visitors said of answers, and candidates for questions made of it."""

import argparse
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from rag.errors import ConfigurationError
from rag.feedback import RATINGS
from rag.settings import Settings

HELP = "what visitors said of answers; --candidates makes a file of questions of it, for `accept`"
_SHOWN_CHARACTERS = 160


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("domain", nargs="?", default="")
    parser.add_argument("--rating", choices=RATINGS)
    parser.add_argument("--since", metavar="DATE", help="from this day on, as 2026-01-31, or 30d: the last 30 days")
    parser.add_argument("--candidates", type=Path, metavar="FILE", help="write candidates for the domain's questions")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.feedback import row
    from rag.feedback import store_of
    from rag.settings import domain_names

    if chosen.domain and chosen.domain not in (names := domain_names(settings)):
        raise ConfigurationError(f"There is no domain {chosen.domain!r}. Domains: {', '.join(names) or 'none'}.")
    if chosen.candidates and not chosen.domain:
        raise ConfigurationError(
            "Candidates are for one domain: python -m evaluation feedback DOMAIN --candidates FILE."
        )
    kept = [*store_of(settings).read(chosen.domain, chosen.rating or "", _since(chosen.since))]
    counts = {name: sum(item.rating == name for item in kept) for name in RATINGS}
    report: dict[str, Any] = {"domain": chosen.domain, "counts": counts, "feedback": [row(item) for item in kept]}
    if not chosen.candidates:
        return report
    from evaluation.candidates import known_questions, write
    from evaluation.commands.engines import engine_of
    from evaluation.feedback import candidates
    from rag.types import Question

    with engine_of(settings, chosen.domain) as engine:
        known = [item.question for item in known_questions(engine.domains[chosen.domain])]

        def search(text: str) -> Any:
            limit = settings.question_characters
            return engine.search(Question(text[:limit], chosen.domain), 5).hits

        found = candidates(chosen.domain, kept, known, search)
    counts = {name: getattr(found, name) for name in ("known", "repeated", "bare")}
    written = write(chosen.candidates, found.candidates) if found.candidates else 0
    return report | {"candidates": counts | {"written": written, "file": str(chosen.candidates)}}


def show(report: dict[str, Any]) -> None:
    from evaluation.candidates import one_line

    def line(text: object) -> str:
        return one_line(str(text), _SHOWN_CHARACTERS)

    for item in report["feedback"]:
        about = " ".join(line(item[name]) for name in ("domain", "model", "reason") if item.get(name))
        print(f"{line(item['created'])}  {line(item['rating']):4}  {about}")
        for name in ("question", "answer", "comment", "correction"):
            if item.get(name):
                print(f"    {name + ':':11} {line(item[name])}")
    print(", ".join(f"{count} {name}" for name, count in report["counts"].items()))
    made = report.get("candidates")
    if made:
        left = f"{made['known']} known, {made['repeated']} of the same question, {made['bare']} that say too little"
        print(f"{made['written']} candidates ({left})")
    if made and made["written"]:
        print(
            f"Look through {made['file']}, set the status of each to accepted or rejected, then run\n"
            f"python -m evaluation accept {made['file']} {report['domain']}"
        )


def _since(text: str | None) -> str:
    if not text:
        return ""
    try:
        if text.endswith("d") and text[:-1].isdigit():
            return str(datetime.now().date() - timedelta(days=int(text[:-1])))
        return str(date.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"--since should be a day such as 2026-01-31, or 30d, is now {text[:40]!r}."
        ) from error
