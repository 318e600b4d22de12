"""Search over made documents by the size of the index: latency, approximate against exact search, memory, disk.

The plain pipeline is asked in turn with the program, over the same chunks, vectors and questions. What is indexed is
kept in `var/bench`, so that a second run has nothing to build.
"""

import multiprocessing
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from evaluation.bench.beside import Ask, Plain
from evaluation.bench.embedding import ENCODERS
from evaluation.bench.index import OWN, PLAIN, MadeIndex, digest, real_vectors, write_rows
from evaluation.bench.memory import resident
from evaluation.made import MadeVectors, chunk_of, question_of
from evaluation.tables import table
from rag.embed import load_embedder
from rag.glossary import Glossary
from rag.index import Index, Manifest
from rag.languages import detect
from rag.retrieve import retrieve
from rag.settings import LANGUAGES, RetrievalSettings, Settings

if TYPE_CHECKING:
    from evaluation.bench.parts import Options

LIMIT = 10
"""Passages a question."""
_BATCH = 1024
_WARM_UP = 5


def search(options: "Options") -> dict[str, Any]:
    """Figures of the program and of the plain pipeline by size of the index: see `_measure`.

    `build_seconds` is without embedding; `disk_mb` that of all files.
    """
    folder = options.settings.var / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    embedder = load_embedder(options.settings.embedder, options.settings)
    plain = Plain.find(options.plain)
    # The plain pipeline can be given a bundled encoder alone.
    compared = plain.works and options.settings.embedder in ENCODERS
    real = real_vectors(min(max(options.chunks), options.embedded), embedder, folder)
    report: dict[str, Any] = {"embedder": options.settings.embedder, "real_vectors": len(real), "sizes": {}}
    report |= {"questions": options.questions, "plain": plain.described if compared else "not measured"}
    for count in options.chunks:
        made = MadeIndex(folder / f"made-{count}-{digest(embedder, min(count, len(real)))}", count, embedder.name)
        made.folder.mkdir(exist_ok=True)
        made.once("vectors", partial(write_rows, made, MadeVectors(real)))
        built = {OWN: made.once(OWN, partial(made.build_own, embedder.dimension))}
        if compared:
            built[PLAIN] = made.once(PLAIN, partial(made.build_plain, plain))
        # Memory is that of a process that did nothing but open the index and search.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
            measured = fresh.submit(_measure, options, made, plain if compared else None, min(count, len(real)))
            found = measured.result()
        figures = {name: found[name] | built[name] for name in found}
        report["sizes"][str(count)] = figures | {"perturbed_vectors": max(0, count - len(real))}
    return report


def _measure(options: "Options", made: MadeIndex, plain: Plain | None, answerable: int) -> dict[str, dict[str, Any]]:
    """Asks both pipelines in turn questions that one of the first `answerable` chunks of the index answers.

    `latency_ms` is the program's whole retrieval, language detection included, and of the plain pipeline
    `similarity_search`; `stages_ms` the program's medians by stage; `found@10` the share of questions whose chunk is
    among ten; `resident_mb` memory with the embedder alone, and after all questions; `approximate_recall@10` the share
    of the nearest ten by exact search that each vector store finds.
    """
    # Spread over the chunks, the languages taking turns.
    numbers = [int(place) for place in np.linspace(0, answerable - 1, options.questions + _WARM_UP)]
    numbers = [
        min(answerable - 1, number - number % len(LANGUAGES) + turn % len(LANGUAGES))
        for turn, number in enumerate(numbers)
    ]
    with _own(options.settings, made.index) as own, _asked(plain, made, options.settings) as other:
        pipelines = {OWN: own} | ({PLAIN: other} if other else {})
        seconds: dict[str, list[float]] = defaultdict(list)
        found: dict[str, int] = defaultdict(int)
        answers: dict[str, list[list[str]]] = defaultdict(list)
        for turn, number in enumerate(tqdm(numbers, desc="questions", leave=False, disable=None)):
            text, wanted = question_of(number), chunk_of(number).id
            # Whoever comes second finds other caches.
            for name in sorted(pipelines, reverse=bool(turn % 2)):
                answer = pipelines[name](text)
                answers[name].append(answer["ids"])
                if turn >= _WARM_UP:
                    seconds[name].append(answer["seconds"])
                    found[name] += wanted in answer["ids"]
        report: dict[str, dict[str, Any]] = {
            name: {
                "latency_ms": {f"p{share}": round(1000 * float(np.percentile(taken, share)), 2) for share in (50, 95)},
                "found@10": round(found[name] / len(taken), 4),
                "resident_mb": pipelines[name].memory(),
            }
            for name, taken in seconds.items()
        }
        report[OWN]["stages_ms"] = own.stages()
        vectors = own.vectors([question_of(number) for number in numbers])
        names, scores = exact(np.load(made.rows, mmap_mode="r"), vectors)
        report[OWN]["approximate_recall@10"] = own_recall(own.index, names, vectors)
        if other:
            report[PLAIN]["approximate_recall@10"] = _plain_recall(names, scores, answers[PLAIN])
    return report


class _Own:
    """The program's retrieval, asked as the plain pipeline is."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._embedder = load_embedder(settings.embedder, settings)
        self._embedder.embed_query(question_of(0))
        self._before = resident()
        self.index = Index.open_folder(folder, Manifest.load(folder).embedder)
        self._timings: dict[str, list[float]] = defaultdict(list)
        self._after = 0.0

    def __call__(self, text: str) -> dict[str, Any]:
        started = time.perf_counter()
        found = retrieve(text, detect(text), self.index, self._embedder, Glossary(), RetrievalSettings(), LIMIT)
        seconds = time.perf_counter() - started
        for stage, value in found.timings.items():
            self._timings[stage].append(value)
        self._after = resident()
        return {"seconds": seconds, "ids": [hit.chunk.id for hit in found.hits]}

    def memory(self) -> dict[str, float]:
        return {"embedder": self._before, "index": self._after}

    def stages(self) -> dict[str, float]:
        return {stage: round(1000 * median(values[_WARM_UP:]), 2) for stage, values in self._timings.items()}

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self._embedder.embed_query(text) for text in texts])


class _Asked:
    """The plain pipeline, with the memory that it told of."""

    def __init__(self, ready: Mapping[str, Any], ask: Ask) -> None:
        self._ask = ask
        self._memory = {"embedder": ready["resident_mb"]}

    def __call__(self, text: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask(text)
        self._memory["index"] = answer["resident_mb"]
        return answer

    def memory(self) -> dict[str, float]:
        return dict(self._memory)


@contextmanager
def _own(settings: Settings, folder: Path) -> Iterator[_Own]:
    own = _Own(settings, folder)
    with closing(own.index):
        yield own


@contextmanager
def _asked(plain: Plain | None, made: MadeIndex, settings: Settings) -> Iterator[_Asked | None]:
    if plain is None:
        yield None
        return
    with plain.talk("ask", made.database, settings.embedder) as (ready, ask):
        yield _Asked(ready, ask)


def exact(rows: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The `(L, Q, 10)` numbers of the chunks of each language that are nearest to `(Q, D)` vectors, and their cosines.

    `rows` are the `(n, D)` vectors of all chunks.
    """
    shape = len(LANGUAGES), len(vectors), LIMIT
    names, scores = np.zeros(shape, np.int64), np.full(shape, -np.inf, np.float32)
    for turn in range(len(LANGUAGES)):
        numbers = np.arange(turn, len(rows), len(LANGUAGES))
        for start in range(0, len(numbers), 32 * _BATCH):
            some = numbers[start : start + 32 * _BATCH]
            values = np.hstack([scores[turn], vectors @ rows[some].T])  # (Q, 10 + B)
            known = np.hstack([names[turn], np.broadcast_to(some, (len(vectors), len(some)))])
            top = np.argpartition(-values, LIMIT - 1, axis=1)[:, :LIMIT]
            scores[turn], names[turn] = np.take_along_axis(values, top, 1), np.take_along_axis(known, top, 1)
    return names, scores


def own_recall(index: Index, names: np.ndarray, vectors: np.ndarray) -> float:
    """The share of the nearest ten chunks of each language, by exact search, that the vector store finds too."""
    shares = []
    for group, nearest in zip(LANGUAGES, names, strict=True):
        for vector, numbers in zip(vectors, nearest, strict=True):
            found = {name for name, _ in index.vectors.search(group, vector, LIMIT)}
            shares.append(_share(numbers, found))
    return round(float(np.mean(shares)), 4)


def _plain_recall(names: np.ndarray, scores: np.ndarray, answers: Sequence[Sequence[str]]) -> float:
    """The share of the nearest ten chunks in any language that are among the answers."""
    # (L, Q, 10) to (Q, 10 L)
    names, scores = (np.concatenate([*values], axis=1) for values in (names, scores))
    nearest = np.take_along_axis(names, np.argsort(-scores, axis=1)[:, :LIMIT], 1)
    return round(float(np.mean([_share(numbers, {*ids}) for numbers, ids in zip(nearest, answers, strict=True)])), 4)


def _share(numbers: np.ndarray, found: set[str]) -> float:
    return len({chunk_of(int(number)).id for number in numbers} & found) / LIMIT


def sections(report: Mapping[str, Any]) -> dict[str, list[str]]:
    """A table a size, as Markdown lines by name."""
    told = {}
    for count, figures in report["sizes"].items():
        own, plain = figures[OWN], figures.get(PLAIN)
        rows: list[list[Any]] = [[title, read(own), read(plain) if plain else ""] for title, read in _FIGURES.items()]
        stages = ", ".join(f"{stage} {value}" for stage, value in own["stages_ms"].items())
        noted = f" Vectors beyond the first {report['real_vectors']:,} are real ones with noise added."
        told[f"search-{count}"] = [
            f"{int(count):,} chunks, {report['questions']} questions, both with the encoder `{report['embedder']}`."
            f"{noted if figures['perturbed_vectors'] else ''} Plain: {report['plain']}.",
            "",
            *table(["", "Lacerta", "plain LangChain"], rows),
            "",
            f"Of Lacerta's milliseconds, medians: {stages}.",
        ]
    return told


_FIGURES: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "latency p50, ms": lambda figures: figures["latency_ms"]["p50"],
    "latency p95, ms": lambda figures: figures["latency_ms"]["p95"],
    "resident memory, MB": lambda figures: figures["resident_mb"]["index"],
    "of it before the index was opened": lambda figures: figures["resident_mb"]["embedder"],
    "disk, MB": lambda figures: figures["disk_mb"],
    "seconds to index, embedding left out (load before)": lambda figures: (
        f"{figures['build_seconds']} ({figures.get('load')})"
    ),
    "nearest ten by exact search that were found": lambda figures: f"{100 * figures['approximate_recall@10']:.1f} %",
    "the passage asked for among the first ten": lambda figures: f"{100 * figures['found@10']:.1f} %",
}
