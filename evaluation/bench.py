"""Speed and memory on made documents, through the real index: `make bench`.

Parts, each a function from options to figures: `search` (latency, approximate against exact search, memory, disk),
`embedding` (rates of the bundled embedders beside a plain torch pipeline), `ingest` (in `bench_ingest`) and, where
models are named, `gguf` (in `bench_gguf`). What is compared takes turns, because other programs on the machine slow it
down at times; trust the ratios more than the rates.
"""

import json
import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from evaluation import bench_gguf, bench_ingest
from evaluation.made import MadeVectors, chunk_of, language_of, passage_of, question_of
from evaluation.tables import table
from rag.embed import PROFILES, load_embedder
from rag.errors import ConfigurationError, LacertaError
from rag.glossary import Glossary
from rag.index import Index, IndexWriter, Manifest
from rag.languages import detect
from rag.retrieve import retrieve
from rag.settings import LANGUAGES, ROOT, RetrievalSettings, Settings

_Item = TypeVar("_Item")

_BATCH = 1024
_LIMIT = 10
_WARM_UP = 5
_PLAIN = "torch"
_MIXED = "mixed"
# Beyond the numbers of the indexed chunks, so that no text was seen before.
_UNSEEN = 10**7


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure. `chunks` are sizes of indexes; the first `embedded` chunks of one get real vectors.

    `plain` is the interpreter of the environment with the torch pipeline. In each of `rounds` turns every embedder
    works for at least `seconds`, in batches of `batch` texts. What is ingested is the folder `documents`, or made ones
    of about `document_chunks` chunks; then so many `small_files`; then text files of about `memory_chunks` chunks.
    `models` are GGUF files to be measured.
    """

    settings: Settings = field(default_factory=Settings)
    chunks: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    questions: int = 200
    embedded: int = 20_000
    plain: Path = ROOT / "var" / "bench" / "venv" / "bin" / "python"
    rounds: int = 3
    seconds: float = 1.0
    batch: int = 64
    documents: Path | None = None
    document_chunks: int = 3_000
    small_files: int = 5_000
    memory_chunks: int = 100_000
    models: tuple[Path, ...] = ()


def run(options: Options, only: Sequence[str] = ()) -> dict[str, Any]:
    """The figures of all parts, or of those named in `only`, by part, with what they were measured on as `machine`.

    Raises ConfigurationError for an option that makes no sense.
    """
    least = min((*options.chunks, options.embedded), default=0)
    if least < len(LANGUAGES) * _LIMIT:
        raise ConfigurationError(f"--chunks should be at least {len(LANGUAGES) * _LIMIT}, is now {least}.")
    if options.questions < 1:
        raise ConfigurationError(f"--questions should be at least 1, is now {options.questions}.")
    if options.rounds < 1:
        raise ConfigurationError(f"--rounds should be at least 1, is now {options.rounds}.")
    machine = {"system": platform.platform(), "cores": os.cpu_count(), "python": platform.python_version()}
    # There is no model to be measured unless one is named.
    chosen = only or [name for name in PARTS if name != "gguf" or options.models]
    return {"machine": machine} | {name: part(options) for name, part in PARTS.items() if name in chosen}


def search(options: Options) -> dict[str, Any]:
    """Figures by size of the index: see `_measure` for those of the search; `disk_mb` is by part of the index."""
    folder = options.settings.var / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    embedder = load_embedder(options.settings.embedder, options.settings)
    real = _real_vectors(options, embedder.embed_passages)
    report: dict[str, Any] = {"embedder": embedder.name, "real_vectors": len(real), "questions": options.questions}
    report["sizes"] = {}
    for count in options.chunks:
        with tempfile.TemporaryDirectory(prefix="index-", dir=folder) as scratch:
            index = Path(scratch) / "index"
            rows = Path(scratch) / "vectors.npy"
            started = time.perf_counter()
            _build(count, MadeVectors(real), embedder.name, index, rows)
            seconds = time.perf_counter() - started
            # Memory is that of a process that did nothing but open the index and search.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
                measured = fresh.submit(_measure, options, index, rows, min(count, len(real))).result()
            disk = {part.name: _size(part) for part in sorted(index.iterdir()) if part.is_dir()}
        report["sizes"][str(count)] = measured | {
            "perturbed_vectors": max(0, count - len(real)),
            "build_seconds_without_embedding": round(seconds, 1),
            "disk_mb": disk | {"all": round(sum(disk.values()), 1)},
        }
    return report


def _real_vectors(options: Options, embed: Callable[[Sequence[str]], np.ndarray]) -> np.ndarray:
    numbers = range(min(max(options.chunks), options.embedded))
    rows = [
        embed([passage_of(chunk_of(number)) for number in numbers[start : start + _BATCH]])
        for start in _progress(range(0, len(numbers), _BATCH), "embedding")
    ]
    return np.concatenate(rows)


def _build(count: int, vectors: MadeVectors, embedder: str, folder: Path, rows: Path) -> None:
    dimension = vectors.real.shape[1]
    folder.mkdir()
    writer = IndexWriter(folder, dimension)
    stored = np.lib.format.open_memmap(rows, "w+", np.float32, (count, dimension))
    for start in _progress(range(0, count, _BATCH), f"indexing {count}"):
        end = min(start + _BATCH, count)
        stored[start:end] = vectors.rows(start, end)
        writer.add([chunk_of(number) for number in range(start, end)], stored[start:end])
    stored.flush()
    writer.finish()
    Manifest("made", "1", "", embedder, dimension, "", (), count, "").save(folder)


def _measure(options: Options, folder: Path, rows: Path, answerable: int) -> dict[str, Any]:
    """Asks questions that one of the first `answerable` chunks of the index answers.

    `latency_ms` is whole retrieval, language detection included; `stages_ms` its medians by stage; `found@10` the share
    of questions whose chunk is among ten; `resident_mb` memory with the embedder alone, and after all questions.
    """
    embedder = load_embedder(options.settings.embedder, options.settings)
    embedder.embed_query(question_of(0))
    before = _resident()
    index = Index.open_folder(folder, Manifest.load(folder).embedder)
    glossary, settings = Glossary(), RetrievalSettings()
    # Spread over the chunks, the languages taking turns.
    numbers = [int(place) for place in np.linspace(0, answerable - 1, options.questions + _WARM_UP)]
    numbers = [
        min(answerable - 1, number - number % len(LANGUAGES) + turn % len(LANGUAGES))
        for turn, number in enumerate(numbers)
    ]
    seconds: list[float] = []
    stages: dict[str, list[float]] = defaultdict(list)
    found = 0
    for turn, number in enumerate(_progress(numbers, "questions")):
        text = question_of(number)
        started = time.perf_counter()
        retrieval = retrieve(text, detect(text), index, embedder, glossary, settings, _LIMIT)
        taken = time.perf_counter() - started
        if turn >= _WARM_UP:
            seconds.append(taken)
            found += chunk_of(number).id in {hit.chunk.id for hit in retrieval.hits}
            for stage, value in retrieval.timings.items():
                stages[stage].append(value)
    after = _resident()
    vectors = np.stack([embedder.embed_query(question_of(number)) for number in numbers])
    recall = _recall(index, np.load(rows, mmap_mode="r"), vectors)
    index.close()
    return {
        "latency_ms": {f"p{share}": round(1000 * float(np.percentile(seconds, share)), 2) for share in (50, 95)},
        "stages_ms": {stage: round(1000 * median(values), 2) for stage, values in stages.items()},
        "found@10": found / len(seconds),
        "approximate_recall@10": recall,
        "resident_mb": {"embedder": before, "index": after},
    }


def _recall(index: Index, rows: np.ndarray, vectors: np.ndarray) -> float:
    """The share of the ten nearest chunks of each language, by exact search, that the vector store finds too."""
    shares = []
    for turn, group in enumerate(LANGUAGES):
        numbers = np.arange(turn, len(rows), len(LANGUAGES))
        best = np.full((len(vectors), _LIMIT), -np.inf, np.float32)
        names = np.zeros((len(vectors), _LIMIT), np.int64)
        for start in range(0, len(numbers), 32 * _BATCH):
            some = numbers[start : start + 32 * _BATCH]
            scores = np.hstack([best, vectors @ rows[some].T])  # (Q, 10 + B)
            known = np.hstack([names, np.broadcast_to(some, (len(vectors), len(some)))])
            top = np.argpartition(-scores, _LIMIT - 1, axis=1)[:, :_LIMIT]
            best, names = np.take_along_axis(scores, top, 1), np.take_along_axis(known, top, 1)
        for vector, exact in zip(vectors, names, strict=True):
            expected = {chunk_of(int(number)).id for number in exact}
            found = {name for name, _ in index.vectors.search(group, vector, _LIMIT)}
            shares.append(len(expected & found) / _LIMIT)
    return round(float(np.mean(shares)), 4)


def embedding(options: Options) -> dict[str, Any]:
    """Chunks a second of each bundled embedder and of the torch pipeline, by language and mixed, and their ratios.

    `rate` is the median over the turns; `ratio` is to the torch pipeline, the median of the ratios in each turn.
    `plain` says what the torch pipeline is, or why it was left out.
    """
    rates: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with _plain(options.plain) as (plain, described):
        embedders: dict[str, Callable[[Sequence[str]], float]] = {
            name: _timed(load_embedder(name, options.settings).embed_passages) for name in PROFILES
        }
        if plain:
            embedders[_PLAIN] = plain
        turns = [(language, turn) for turn in range(options.rounds) for language in (*LANGUAGES, _MIXED)]
        for language, turn in _progress(turns, "embedding rates"):
            for name, embed in embedders.items():
                rates[language][name].append(_rate(embed, language, turn, options))
    report: dict[str, Any] = {"plain": described, "rounds": options.rounds, "languages": {}}
    for language, found in rates.items():
        report["languages"][language] = {
            name: {"rate": round(median(values), 1)}
            | ({"ratio": round(median(np.divide(values, found[_PLAIN])), 2)} if _PLAIN in found else {})
            for name, values in found.items()
        }
    return report


def _timed(embed: Callable[[Sequence[str]], np.ndarray]) -> Callable[[Sequence[str]], float]:
    def seconds(texts: Sequence[str]) -> float:
        started = time.perf_counter()
        embed(texts)
        return time.perf_counter() - started

    return seconds


def _rate(embed: Callable[[Sequence[str]], float], language: str, turn: int, options: Options) -> float:
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


@contextmanager
def _plain(python: Path) -> Iterator[tuple[Callable[[Sequence[str]], float] | None, str]]:
    """The torch pipeline as a process that stays, and what it says it is; None and why, where there is none."""
    if not python.exists():
        yield None, f"not measured: there is no {python}; make bench TORCH=1 sets it up"
        return
    script = Path(__file__).with_name("plain.py")
    with subprocess.Popen([python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        writer, reader = process.stdin, process.stdout
        described = reader.readline()

        def seconds(texts: Sequence[str]) -> float:
            print(json.dumps(texts), file=writer, flush=True)
            answer = reader.readline()
            if not answer:
                raise LacertaError(f"The torch pipeline in {python} ended while it worked: run {python} {script}.")
            return float(answer)

        if described:
            yield seconds, json.loads(described)
        else:
            yield None, f"not measured: {python} {script} does not start; make bench TORCH=1 sets it up"
        writer.close()


def _progress(items: Sequence[_Item], what: str) -> "tqdm[_Item]":
    return tqdm(items, desc=what, leave=False, disable=None)


def _resident() -> float:
    """Resident memory of this process in MB; the most it ever was, where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
        return round(int(line.split()[1]) / 1024, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Bytes on macOS, kilobytes elsewhere (getrusage(2)).
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)


def _size(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1024**2, 1)


def markdown(report: Mapping[str, Any]) -> str:
    """The figures of `run` as Markdown tables."""
    machine = report["machine"]
    lines = [f"Measured on {machine['system']}, {machine['cores']} cores, Python {machine['python']}."]
    if "search" in report:
        lines += ["", *_search_table(report["search"])]
    if "embedding" in report:
        lines += ["", *_embedding_table(report["embedding"])]
    if "ingest" in report:
        lines += ["", *bench_ingest.markdown(report["ingest"])]
    if "gguf" in report:
        lines += ["", *bench_gguf.markdown(report["gguf"])]
    return "\n".join(lines)


def _search_table(report: Mapping[str, Any]) -> list[str]:
    stages = [*next(iter(report["sizes"].values()))["stages_ms"]]
    titles = ["chunks", "p50 ms", "p95 ms", *(f"{stage} ms" for stage in stages), "found@10", "approximate recall@10"]
    titles += ["resident MB (embedder alone)", "disk MB", "build s"]
    described = (
        f"Whole retrieval, {report['questions']} questions, embedder {report['embedder']}. Stages are medians. Chunks"
        f" beyond the first {report['real_vectors']} have the vectors of real ones with noise added."
    )
    rows = []
    for count, figures in report["sizes"].items():
        resident = figures["resident_mb"]
        cells = [
            f"{int(count):,}",
            *figures["latency_ms"].values(),
            *figures["stages_ms"].values(),
            f"{figures['found@10']:.3f}",
            figures["approximate_recall@10"],
            f"{resident['index']} ({resident['embedder']})",
            figures["disk_mb"]["all"],
            figures["build_seconds_without_embedding"],
        ]
        rows.append(cells)
    return [described, "", *table(titles, rows)]


def _embedding_table(report: Mapping[str, Any]) -> list[str]:
    rows = [
        [language, name, figures["rate"], figures.get("ratio", "")]
        for language, found in report["languages"].items()
        for name, figures in found.items()
    ]
    described = f"Embedding stage, chunks a second, {report['rounds']} turns. Torch pipeline: {report['plain']}."
    return [described, "", *table(["language", "embedder", "chunks/s", "times the torch pipeline"], rows)]


PARTS: Mapping[str, Callable[[Options], dict[str, Any]]] = {
    "search": search,
    "embedding": embedding,
    "ingest": bench_ingest.ingest,
    "gguf": lambda options: bench_gguf.gguf(options.settings, options.models, options.rounds),
}
"""By name: what can be measured."""
