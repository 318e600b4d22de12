"""Rates of the bundled embedders, beside the encoder of a plain pipeline in torch, which takes turns with them."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from evaluation.bench.beside import Plain
from evaluation.bench.plain import TORCH
from evaluation.made import chunk_of, language_of, passage_of
from evaluation.tables import table
from rag.embed import PROFILES, load_embedder
from rag.settings import LANGUAGES

if TYPE_CHECKING:
    from evaluation.bench.parts import Options

ENCODERS = (*PROFILES, "minilm")
_MIXED = "mixed"
# Beyond the numbers of the indexed chunks, so that no text was seen before.
_UNSEEN = 10**7
_Timed = Callable[[Sequence[str]], float]


def embedding(options: "Options") -> dict[str, Any]:
    """Chunks a second of each bundled embedder and of the torch pipeline, by language and mixed, and their ratios.

    `rate` is the median over the turns; `ratio` is to the torch pipeline, the median of the ratios in each turn.
    `plain` says what the torch pipeline is, or that it was left out.
    """
    rates: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    plain = Plain.find(options.plain)
    with _torch(plain) as torch:
        embedders = {
            name: _timed(load_embedder(name, options.settings).embed_passages) for name in options.encoders
        } | torch
        turns = [(language, turn) for turn in range(options.rounds) for language in (*LANGUAGES, _MIXED)]
        for language, turn in tqdm(turns, desc="embedding rates", leave=False, disable=None):
            for name, embed in embedders.items():
                rates[language][name].append(_rate(embed, language, turn, options))
    report: dict[str, Any] = {"plain": plain.encoder, "rounds": options.rounds, "languages": {}}
    for language, found in rates.items():
        report["languages"][language] = {
            name: {"rate": round(median(values), 1)}
            | ({"ratio": round(float(median(np.divide(values, found[TORCH]))), 2)} if TORCH in found else {})
            for name, values in found.items()
        }
    return report


@contextmanager
def _torch(plain: Plain) -> Iterator[dict[str, _Timed]]:
    if not plain.torch:
        yield {}
        return
    with plain.talk("embed", TORCH) as (_, embed):
        yield {TORCH: embed}


def _timed(embed: Callable[[Sequence[str]], np.ndarray]) -> _Timed:
    def seconds(texts: Sequence[str]) -> float:
        started = time.perf_counter()
        embed(texts)
        return time.perf_counter() - started

    return seconds


def _rate(embed: _Timed, language: str, turn: int, options: "Options") -> float:
    """Chunks a second on texts that are the same for every embedder in a turn, as far as it gets."""
    step = 1 if language == _MIXED else len(LANGUAGES)
    first = _UNSEEN + turn * 10**6
    first += next(place for place in range(len(LANGUAGES)) if language in (_MIXED, language_of(first + place)))
    done, seconds = 0, 0.0
    while not done or seconds < options.seconds:
        numbers = range(first + done * step, first + (done + options.batch) * step, step)
        seconds += embed([passage_of(chunk_of(number)) for number in numbers])
        done += options.batch
    return done / seconds


def sections(report: Mapping[str, Any]) -> dict[str, list[str]]:
    """One table, as Markdown lines by name."""
    rows = [
        [language, name, figures["rate"], figures.get("ratio", "")]
        for language, found in report["languages"].items()
        for name, figures in found.items()
    ]
    described = f"Chunks a second, medians of {report['rounds']} turns. `torch`: {report['plain']}."
    return {"embedding": [described, "", *table(["language", "encoder", "chunks/s", "times torch"], rows)]}
