"""Minutes of mixed load on the whole program, while its model server fails, its documents change and it is killed.

Every response is checked: its shape against the program's own OpenAPI description, its content against what the
documents said at that time. See `visits` and `truth`.
"""

import asyncio
import json
import os
import random
import signal
import ssl
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np

from evaluation.service.program import Program, environment, module, write_domain
from evaluation.service.truth import DOMAINS, Truth
from evaluation.service.visits import MODELS, VISITS, Refused, Visitor, Wrong, pause
from evaluation.tables import table
from rag.settings import ROOT

MODEL_SECONDS = 2.0
# The three models one after the other, each with a first word and a pause within its limit, and the queue before.
_LIMIT_SECONDS = 60.0
# By then every process has the new version.
_GRACE_SECONDS = 2.0
# What a killed process was sent before may be told later.
_BROKEN_SECONDS = 1.0
_SAMPLE_SECONDS = 2.0
_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Options:
    """`visitors` at once for so many `minutes`, each pausing `pause` seconds between two requests.

    Of the model server's answers the share `faulty` fails. Every `ingest_seconds` a document changes, every
    `kill_seconds` a process is killed; 0 leaves either out. With one process the whole program is started again.
    """

    minutes: float = 10.0
    processes: int = 2
    visitors: int = 8
    pause: float = 0.5
    faulty: float = 0.05
    ingest_seconds: float = 60.0
    kill_seconds: float = 60.0
    documents: int = 40
    answers: int = 6
    seed: int = 1


@dataclass(slots=True)
class _Found:
    """What came of the visits, by kind and outcome, and of everything else that happened."""

    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[str] = field(default_factory=list)
    ingests: Counter[str] = field(default_factory=Counter)
    kills: list[tuple[float, float]] = field(default_factory=list)
    memory: list[tuple[float, dict[int, float]]] = field(default_factory=list)

    def killed_between(self, begin: float, end: float) -> bool:
        return any(since <= end and until >= begin for since, until in self.kills)


def run(options: Options, var: Path) -> dict[str, Any]:
    """Figures by kind of visit; `wrong` says what was not as it should be, `slowest` is in seconds. Raises LacertaError
    where the program does not start.
    """
    var.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="soak-", dir=var) as scratch,
        module("evaluation.service.model", "--seconds", "0.02", "--faulty", str(options.faulty)) as server,
    ):
        corpora = Path(scratch) / "corpora"
        truths = {name: Truth(name, write_domain(corpora, name), options.documents) for name in DOMAINS}
        settings: dict[str, object] = {
            "corpora": corpora, "var": Path(scratch) / "var", "models": ",".join(MODELS), "openai_base_url": server,
            "model_timeout": MODEL_SECONDS, "processes": options.processes, "concurrent_answers": options.answers,
        }  # fmt: skip
        with Program(**settings) as program:
            found = asyncio.run(_soak(options, program, truths, environment(**settings)))
            failed = httpx.get(server, trust_env=False).json()["failed"]
            log = program.log()
    return _report(options, found, failed, log)


async def _soak(options: Options, program: Program, truths: Mapping[str, Truth], variables: dict[str, str]) -> _Found:
    found = _Found()
    secure = ssl.create_default_context()
    # Each request on a connection of its own, so that none is lost because a server closes an idle one.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(trust_env=False, timeout=_LIMIT_SECONDS, limits=limits, verify=secure) as client:
        described = (await client.get(f"{program.address}/v1/openapi.json")).json()["components"]["schemas"]
        visitors = [
            Visitor(program.address, client, truths, described, random.Random(f"{options.seed} {number}"), secure)
            for number in range(options.visitors)
        ]
        end = time.monotonic() + 60 * options.minutes
        works = [_visit(visitor, options, found, end) for visitor in visitors]
        works += [_watch(program, found, end)]
        if options.ingest_seconds:
            works.append(_ingest(options, truths, variables, found, end))
        if options.kill_seconds:
            works.append(_kill(options, program, found, end))
        await asyncio.gather(*works)
    for visitor in visitors:
        found.outcomes["answers"].update(visitor.outcomes)
    return found


async def _visit(visitor: Visitor, options: Options, found: _Found, end: float) -> None:
    kinds, shares = [*VISITS], [*VISITS.values()]
    while time.monotonic() < end:
        kind = visitor.chance.choices(kinds, shares)[0]
        name = kind.__name__
        begin = time.monotonic()
        try:
            await asyncio.wait_for(kind(visitor), _LIMIT_SECONDS)
            outcome = "right"
        except Refused:
            outcome = "busy"
        except Wrong as error:
            outcome = "wrong"
            found.wrong.append(f"{name}: {error}")
        except (TimeoutError, httpx.TimeoutException):
            outcome = "hangs"
            found.wrong.append(f"{name}: no end within {_LIMIT_SECONDS:.0f} seconds")
        except httpx.TransportError as error:
            outcome = "cut by a kill"
            if not found.killed_between(begin, time.monotonic()):
                outcome = "broken"
                found.wrong.append(f"{name}: the connection broke: {error!r}")
        except (KeyError, IndexError, TypeError, ValueError) as error:
            outcome = "wrong"
            found.wrong.append(f"{name}: has another shape: {error!r}")
        found.outcomes[name][outcome] += 1
        if outcome == "right":
            found.seconds[name].append(time.monotonic() - begin)
        await pause(visitor.chance, options.pause)


async def _ingest(
    options: Options, truths: Mapping[str, Truth], variables: dict[str, str], found: _Found, end: float
) -> None:
    """A document is changed, added or removed and the ingest run, a domain after the other."""
    number = 0
    while await _waited(options.ingest_seconds, end):
        truth = [*truths.values()][number % len(truths)]
        number += 1
        kind = truth.change()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ingest", truth.domain, "--json", cwd=ROOT, env=variables,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        told, errors = await process.communicate()
        if process.returncode:
            found.wrong.append(f"ingest: status {process.returncode}: {errors.decode()[-500:]}")
            continue
        truth.published(_GRACE_SECONDS)
        report = json.loads(told)
        found.ingests[kind] += 1
        # A program that starts meanwhile does the same.
        if report[kind] != 1 and not options.kill_seconds:
            found.wrong.append(f"ingest: {kind} is {report[kind]}: {told.decode()[:300]}")


async def _kill(options: Options, program: Program, found: _Found, end: float) -> None:
    """With several processes the youngest that serves, so that the memory of the others can be seen to grow."""
    while await _waited(options.kill_seconds, end):
        begin = time.monotonic()
        # Until it is known when it is over.
        found.kills.append((begin, float("inf")))
        if options.processes == 1:
            await asyncio.to_thread(program.kill)
            await asyncio.to_thread(program.start)
        else:
            os.kill(program.children()[-1], signal.SIGKILL)
            while len(program.children()) < options.processes:
                await asyncio.sleep(0.1)
        found.kills[-1] = (begin, time.monotonic() + _BROKEN_SECONDS)


async def _watch(program: Program, found: _Found, end: float) -> None:
    while await _waited(_SAMPLE_SECONDS, end):
        found.memory.append((time.monotonic(), program.resident()))


async def _waited(seconds: float, end: float) -> bool:
    """False where it is over before."""
    left = end - time.monotonic()
    await asyncio.sleep(max(0.0, min(seconds, left)))
    return left > seconds


def _report(options: Options, found: _Found, failed: Mapping[str, int], log: str) -> dict[str, Any]:
    answers = found.outcomes.pop("answers", Counter())
    return {
        "minutes": options.minutes,
        "processes": options.processes,
        "visitors": options.visitors,
        "visits": {
            name: dict(found.outcomes[name])
            | {"seconds": {f"p{share}": _percentile(found.seconds[name], share) for share in (50, 95, 100)}}
            for name in sorted(found.outcomes)
        },
        "answers": dict(answers.most_common()),
        "faults": dict(failed),
        "ingests": dict(found.ingests),
        "kills": len(found.kills),
        "memory_mb": _memory(found.memory),
        "wrong": len(found.wrong),
        "examples": found.wrong[:_SHOWN],
        "log": log,
    }


def _percentile(values: Sequence[float], share: int) -> float | None:
    return round(float(np.percentile(values, share)), 3) if values else None


def _memory(samples: Sequence[tuple[float, dict[int, float]]]) -> dict[str, Any]:
    """Of the processes that were there all the time: medians of each fifth of it; and the most of all together."""
    lasting = [process for process in samples[0][1] if all(process in sizes for _, sizes in samples)] if samples else []
    fifths = np.array_split(np.arange(len(samples)), 5)
    return {
        "lasting": {
            str(process): [round(median(samples[at][1][process] for at in part), 1) for part in fifths if len(part)]
            for process in lasting
        },
        "most_together": round(max((sum(sizes.values()) for _, sizes in samples), default=0.0), 1),
    }


def markdown(report: Mapping[str, Any]) -> list[str]:
    """The figures of `run` as tables, and examples of what was wrong."""
    lines = [
        f"{report['minutes']:g} minutes, {report['processes']} processes, {report['visitors']} visitors at once;"
        f" {sum(report['ingests'].values())} ingests, {report['kills']} kills,"
        f" {sum(report['faults'].values())} faults of the model server. Wrong: {report['wrong']}.",
        "",
    ]
    names = ("right", "busy", "cut by a kill", "wrong", "broken", "hangs")
    rows = [
        [kind.replace("_", " "), *(found.get(name, 0) for name in names), *found["seconds"].values()]
        for kind, found in report["visits"].items()
    ]
    lines += table(["visit", *names, "p50 s", "p95 s", "longest s"], rows)
    lines += ["", *table(["answers", "count"], report["answers"].items())]
    lines += ["", *table(["faults of the model server", "count"], report["faults"].items())]
    memory = report["memory_mb"]
    rows = [[process, *sizes] for process, sizes in memory["lasting"].items()]
    lines += [
        "",
        f"Resident MB of processes that lasted, by fifths of the time; all at most {memory['most_together']}:",
    ]
    lines += ["", *table(["process", *(str(number) for number in range(1, 6))], rows)]
    return lines + [""] * bool(report["examples"]) + [f"- {example}" for example in report["examples"]]
