"""What the program adds to the time until the first word, over the model server that writes behind it.

A server on loopback writes at a set rate. It is asked directly and through the program, by so many at once, and tells
when it was asked and when it began to write: before that lies the search, after it the wait until the language of the
answer is sure.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from tqdm import tqdm

from evaluation.made import CHUNKS_OF_A_DOCUMENT, question_of
from evaluation.made_files import write_documents
from evaluation.service.program import Program, module, write_domain
from evaluation.tables import table
from rag.errors import LacertaError
from rag.settings import LANGUAGES

_DOMAIN = "made"
_WORDS = 200
_TIMEOUT = 120.0
_WARM_UP = 3
_ROUND = len(LANGUAGES) * CHUNKS_OF_A_DOCUMENT


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question and when it was sent and its first word seen, in seconds of `time.monotonic()`."""

    seed: int
    sent: float
    seen: float
    cached: bool

    @property
    def seconds(self) -> float:
        return self.seen - self.sent


def measure(var: Path, streams: Sequence[int], answers: int, rate: float, processes: int) -> dict[str, Any]:
    """Milliseconds by number of `streams`, `answers` asked in each of them; the server writes `rate` words a second.

    `direct` and `through` are times to the first word without and with the program, `added` the differences of their
    percentiles; `before` and `after` are parts of `through`: until the model was asked, and from the model's first word
    to that which was seen. `again` is `through` for the same questions once more. Raises LacertaError.
    """
    var.mkdir(parents=True, exist_ok=True)
    seeds = count(1)
    # A chunk for each question, in whole documents of each language.
    chunks = (sum(streams) * answers + _WARM_UP) // _ROUND * _ROUND + _ROUND
    report: dict[str, Any] = {"words_per_second": rate, "words": _WORDS, "answers": answers, "processes": processes}
    with (
        module("evaluation.service.model", "--seconds", str(1 / rate), "--words", str(_WORDS)) as server,
        tempfile.TemporaryDirectory(prefix="overhead-", dir=var) as scratch,
    ):
        write_documents(write_domain(Path(scratch) / "corpora", _DOMAIN), chunks, ("txt",))
        settings = {"corpora": f"{scratch}/corpora", "var": f"{scratch}/var", "models": "openai:m"}
        with Program(**settings, openai_base_url=server, processes=processes) as program:
            through = f"{program.address}/v1"
            asyncio.run(_ask(through, _DOMAIN, 1, [next(seeds) for _ in range(_WARM_UP)], rate))
            report["streams"] = {}
            for number in tqdm(streams, desc="streams", leave=False, disable=None):
                wanted = [next(seeds) for _ in range(number * answers)]
                direct = asyncio.run(_ask(server, "m", number, wanted, rate))
                whole = asyncio.run(_ask(through, _DOMAIN, number, wanted, rate))
                times = httpx.get(server, trust_env=False).json()["times"]
                again = asyncio.run(_ask(through, _DOMAIN, number, wanted, rate))
                report["streams"][str(number)] = _figures(direct, whole, again, times)
    return report


def _figures(
    direct: Sequence[_Asked], whole: Sequence[_Asked], again: Sequence[_Asked], times: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    fresh = [(each, times[str(each.seed)][0], times[str(each.seed)][1]) for each in whole]
    # What the server remembers of a seed is its last answer; those before it were asked directly.
    if any(came < each.sent for each, came, _ in fresh):
        raise LacertaError("Some questions were answered without the model: the figures would not be comparable.")
    found = {
        "direct": _percentiles(each.seconds for each in direct),
        "through": _percentiles(each.seconds for each in whole),
        "before": _percentiles(came - each.sent for each, came, _ in fresh),
        "after": _percentiles(each.seen - began for each, _, began in fresh),
        "again": _percentiles(each.seconds for each in again),
    }
    added = {name: round(found["through"][name] - found["direct"][name], 1) for name in found["through"]}
    return found | {"added": added, "cached": sum(each.cached for each in again) / len(again)}


def _percentiles(seconds: Iterator[float]) -> dict[str, float]:
    values = [1000 * value for value in seconds]
    return {f"p{share}": round(float(np.percentile(values, share)), 1) for share in (50, 95)}


async def _ask(address: str, model: str, streams: int, seeds: Sequence[int], rate: float) -> list[_Asked]:
    """Asks a question for each seed, so many at once, the first ones spread over the time that an answer takes."""
    waiting = iter(seeds)
    found: list[_Asked] = []
    limits = httpx.Limits(max_connections=streams, max_keepalive_connections=streams)
    async with httpx.AsyncClient(base_url=address, timeout=_TIMEOUT, limits=limits, trust_env=False) as client:

        async def work(place: int) -> None:
            await asyncio.sleep(place / streams * _WORDS / rate)
            for seed in waiting:
                found.append(await _one(client, model, seed))

        await asyncio.gather(*(work(place) for place in range(streams)))
    return found


async def _one(client: httpx.AsyncClient, model: str, seed: int) -> _Asked:
    question = {"role": "user", "content": question_of(seed)}
    body = {"model": model, "messages": [question], "stream": True, "seed": seed}
    sent, seen, cached = time.monotonic(), 0.0, False
    async with client.stream("POST", "/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            event = json.loads(line.removeprefix("data: "))
            if "error" in event:
                raise LacertaError(f"An answer failed: {event['error']}")
            if not seen and event["choices"] and event["choices"][0]["delta"].get("content"):
                seen = time.monotonic()
            cached = cached or bool(event.get("lacerta", {}).get("cached"))
    if not seen:
        raise LacertaError(f"There was no answer to {question['content']!r}: status {response.status_code}.")
    return _Asked(seed, sent, seen, cached)


def markdown(report: Mapping[str, Any]) -> list[str]:
    """The figures of `measure` as a table."""
    described = (
        f"Milliseconds to the first word, p50 / p95, over a server that writes {report['words_per_second']:g} words a"
        f" second, {report['words']} an answer; {report['answers']} answers in each stream,"
        f" {report['processes']} process{'es' * (report['processes'] > 1)}."
    )
    titles = ["streams", "model server alone", "through the program", "added", "of it before the model is asked"]
    titles += ["after its first word", "the same question again", "from the cache"]
    names = ("direct", "through", "added", "before", "after", "again")
    rows = [
        [number, *(f"{found[name]['p50']} / {found[name]['p95']}" for name in names), f"{100 * found['cached']:.0f} %"]
        for number, found in report["streams"].items()
    ]
    return [described, "", *table(titles, rows)]
