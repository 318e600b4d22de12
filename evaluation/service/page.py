"""Visitors of the page at once, each with a conversation of its own, and what somebody at a browser waits for.

Every answer must be that to the visitor's own question, in what is drawn and in what the browser keeps: see `visits`.
"""

import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from evaluation.made import question_of as made_question
from evaluation.service import asked, search
from evaluation.service.browser import first_visits
from evaluation.service.outcome import Refused, Wrong
from evaluation.service.program import Program, write_domain
from evaluation.service.session import Session
from evaluation.service.truth import DOMAINS, Truth, question_of
from evaluation.service.visits import pause, wrong_of
from evaluation.tables import table
from rag.settings import LANGUAGES

_DOCUMENTS = 40
_LIMIT_SECONDS = 60.0
# Then the page is opened anew, as by somebody else.
_QUESTIONS_OF_A_VISIT = 5
_SHOWN = 30
# Asked at the browser, and typed into its search.
_ASKED, _TYPED = 20, 3


@dataclass(slots=True)
class _Found:
    """Seconds by what they were waited for, and what came of the questions."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"page": [], "passages": [], "answer": []})
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def measure(
    var: Path,
    visitors: int,
    seconds: float,
    think_seconds: float,
    processes: int,
    browser: str = "",
    opened: int = 5,
    chunks: int = 0,
) -> dict[str, Any]:
    """Figures of `visitors` at once for so many `seconds`, each thinking so long between answer and question.

    `seconds` of the report are percentiles until the page was loaded, the passages and the answer were shown;
    `first` has the medians of `opened` first visits by the Chromium at the path `browser`, `waits` percentiles of what
    is waited for there, on an index of about so many `chunks` (0: that of the visitors); both are empty without a path.
    Raises LacertaError.
    """
    var.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="page-", dir=var) as scratch:
        corpora = Path(scratch) / "corpora"
        truths = [Truth(name, write_domain(corpora, name), _DOCUMENTS) for name in DOMAINS]
        settings = {"corpora": corpora, "var": Path(scratch) / "var", "models": "extractive", "processes": processes}
        with Program(**settings) as program:
            first = first_visits(program.address, browser, opened) if browser else {}
            small = truths[0].domain, [question_of(number) for number in range(_ASKED)]
            waits = _waits(program.address, browser, *small) if browser and not chunks else {}
            load = os.getloadavg()[0]
            found = asyncio.run(_load(program.address, truths, visitors, seconds, think_seconds))
            log = program.log()
    if browser and chunks:
        settings = search.make(var / f"search-{chunks}", chunks)
        with Program(**settings, models="extractive") as program:
            large = [made_question(number * chunks // _ASKED + 1) for number in range(_ASKED)]
            waits = _waits(program.address, browser, search.DOMAIN, large)
    return {
        "visitors": visitors,
        "lasted": seconds,
        "think_seconds": think_seconds,
        "processes": processes,
        "processors": os.cpu_count(),
        "load_before": round(load, 1),
        "outcomes": dict(found.outcomes),
        "seconds": {name: _percentiles(values) for name, values in found.seconds.items()},
        "first": first,
        "waits": waits,
        "chunks": chunks,
        "wrong": len(found.wrong),
        "examples": found.wrong[:_SHOWN],
        "log": log,
    }


def _waits(address: str, browser: str, domain: str, questions: Sequence[str]) -> dict[str, dict[str, float]]:
    found = asked.questions(address, browser, domain, questions)
    results = asked.keys(address, browser, domain, questions[:_TYPED])
    waited = {"a question: its passages": found["passages"], "a question: the whole answer": found["answer"]}
    return {name: _percentiles(values) for name, values in (waited | {"a key: the search's results": results}).items()}


async def _load(address: str, truths: Sequence[Truth], visitors: int, seconds: float, think_seconds: float) -> _Found:
    found = _Found()
    end = time.monotonic() + seconds
    works = (_visitor(address, truths, random.Random(number), think_seconds, end, found) for number in range(visitors))
    await asyncio.gather(*works)
    return found


async def _visitor(
    address: str, truths: Sequence[Truth], chance: random.Random, think_seconds: float, end: float, found: _Found
) -> None:
    """One visit after the other until the time is over."""
    while time.monotonic() < end:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=_LIMIT_SECONDS) as client:
                await _visit(
                    Session(client, address, chance.choice(LANGUAGES)), truths, chance, think_seconds, end, found
                )
        except Refused:
            found.outcomes["refused"] += 1
            found.wrong.append("was refused: the program was busy")
        except Wrong as error:
            found.outcomes["wrong"] += 1
            found.wrong.append(str(error))
        except httpx.HTTPError as error:
            found.outcomes["broken"] += 1
            found.wrong.append(f"the connection broke: {error!r}")


async def _visit(
    session: Session, truths: Sequence[Truth], chance: random.Random, think_seconds: float, end: float, found: _Found
) -> None:
    """A conversation of some questions, of which each answer is checked."""
    truth, numbers = chance.choice(truths), list[int]()
    await pause(chance, think_seconds)
    begin = time.monotonic()
    await session.open()
    found.seconds["page"].append(time.monotonic() - begin)
    while len(numbers) < _QUESTIONS_OF_A_VISIT and time.monotonic() < end:
        await pause(chance, think_seconds)
        numbers.append(chance.choice([*truth.state]))
        begin = time.monotonic()
        drawn = await session.ask(question_of(numbers[-1]), truth.domain)
        if wrong := wrong_of(truth, numbers, drawn, begin):
            raise Wrong(wrong)
        found.outcomes["right"] += 1
        found.seconds["passages"].append(drawn.passages_seconds)
        found.seconds["answer"].append(drawn.seconds)


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    """Nothing where there are none."""
    return {f"p{share}": round(float(np.percentile(values, share)), 3) for share in (50, 95, 100) if values}


def markdown(report: Mapping[str, Any]) -> list[str]:
    """The figures of `measure` as tables, and examples of what was wrong."""
    outcomes = ", ".join(f"{count} {name}" for name, count in report["outcomes"].items())
    lines = [
        f"{report['visitors']} visitors at once for {report['lasted']:g} seconds, {report['think_seconds']:g} seconds"
        f" between answer and question, {report['processes']} process{'es' * (report['processes'] > 1)} on"
        f" {report['processors']} processors, load before {report['load_before']}. Answers: {outcomes}."
        f" Wrong: {report['wrong']}.",
        "",
        *table(
            ["seconds until", "p50", "p95", "longest"],
            ([f"the {name}", *values.values()] for name, values in report["seconds"].items()),
        ),
    ]
    if report["first"]:
        first = report["first"]
        lines += [
            "",
            f"First visits with an empty cache, medians of {first['visits']}: {first['requests']} requests,"
            f" {first['kilobytes']} kB; other origins asked: {first['foreign']}.",
            "",
            *table(["seconds until", "median", "longest"], ([name, *each] for name, each in first["seconds"].items())),
            "",
            *table(["kind", "requests", "kB"], ([name, *each] for name, each in first["kinds"].items())),
        ]
    if report["waits"]:
        where = f"an index of some {report['chunks']:,} chunks" if report["chunks"] else "the visitors' index"
        lines += [
            "",
            f"At one browser, extractive answers from {where}; seconds until it is drawn:",
            "",
            *table(
                ["from", "p50", "p95", "longest"], ([name, *each.values()] for name, each in report["waits"].items())
            ),
        ]
    return lines + [""] * bool(report["examples"]) + [f"- {example}" for example in report["examples"]]
