"""Speed and memory of `python -m ingest`, beside a plain pipeline that is given the same documents.

Every run is a process of its own, its start included, with an empty index and no vectors kept, unless it is said. Knows
nothing of how the ingest works; `processor_seconds` over `seconds` says how many cores it kept busy.
"""

import multiprocessing
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from evaluation.bench.beside import Plain
from evaluation.bench.embedding import ENCODERS
from evaluation.bench.plain import READS, TORCH
from evaluation.bench.process import Taken, measured
from evaluation.made_files import write_documents, write_small_files
from evaluation.service.program import environment, write_domain
from evaluation.tables import table
from rag.errors import ConfigurationError
from rag.settings import Settings

if TYPE_CHECKING:
    from evaluation.bench.parts import Options

_DOMAIN = "made"
# Memory hardly depends on the embedder, and with this one many chunks can be ingested.
_QUICK = "fast"
_COUNTS = ("added", "updated", "unchanged", "embedded", "stored")


def ingest(options: "Options") -> dict[str, Any]:
    """`throughput`, runs over many `small_files`, and `memory`; what has size 0 is left out.

    Raises ConfigurationError where the folder of documents holds none, LacertaError where a run fails.
    """
    parts = {
        "throughput": (_throughput, bool(options.documents or options.document_chunks)),
        "small_files": (_small_files, options.small_files > 0),
        "memory": (_memory, options.memory_chunks > 0),
    }
    folder = options.settings.var / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    plain = Plain.find(options.plain)
    report: dict[str, Any] = {"rounds": options.rounds, "plain": plain.described, "encoder": plain.encoder}
    for name, (part, wanted) in parts.items():
        if wanted:
            with tempfile.TemporaryDirectory(prefix="ingest-", dir=folder) as scratch:
                report[name] = part(options, _Corpus.make(Path(scratch), options.settings), plain)
    return report


def _throughput(options: "Options", corpus: "_Corpus", plain: Plain) -> dict[str, Any]:
    """Medians over the rounds, by pipeline.

    `times_plain` compares with the plain pipeline that had the same encoder in the same round, `times_torch` with that
    which has one in torch. Scans are left out, as the plain pipeline does not read them. `over_embedding` is the
    seconds of the whole run over those that its chunks take to be embedded, and nothing else.
    """
    if options.documents:
        files = _copy(options.documents, corpus.sources)
    else:
        files = write_documents(corpus.sources, options.document_chunks)
    theirs = [*options.encoders] * plain.works + [TORCH] * plain.torch
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number in tqdm(range(options.rounds), desc="ingest, rounds", leave=False, disable=None):
        for name in theirs:
            database = corpus.folder / f"plain-{name}-{number}"
            counts, run = _plain_run(plain, options.settings, corpus.sources, database, name)
            found[f"plain {name}"].append(_rates(counts, run))
            shutil.rmtree(database)
        for name in options.encoders:
            var = corpus.folder / f"{name}-{number}"
            report, run = corpus.ingest(var, name, scans=False)
            counts = {"documents": report["added"], "failed": report["failed"], "chunks": report["chunks"]}
            figures = _rates(counts | {"stages": report.get("stages", {})}, run)
            # A fresh process, so that neither this one's memory nor its threads matter.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
                alone = fresh.submit(_embedding_alone, replace(options.settings, var=var), name).result()
            figures |= {"embedding_seconds": alone, "over_embedding": figures["seconds"] / alone}
            for key, other in (("times_plain", name), ("times_torch", TORCH)):
                if other in theirs:
                    before = found[f"plain {other}"][-1]
                    figures[key] = before["seconds"] / figures["seconds"]
                    figures[f"{key}_chunks"] = figures["chunks_per_second"] / before["chunks_per_second"]
            found[name].append(figures)
            shutil.rmtree(var)
    size = sum(path.stat().st_size for path in corpus.sources.rglob("*") if path.is_file())
    return {
        "documents": "those of a folder" if options.documents else "made",
        "files": files,
        "megabytes": round(size / 1e6, 1),
        "pipelines": {name: _medians(figures) for name, figures in found.items()},
    }


def _small_files(options: "Options", corpus: "_Corpus", plain: Plain) -> dict[str, Any]:
    """Seconds of the first run over many small files, of runs without a change, and of runs with one edited file.

    `plain` is LangChain's `index()`, which knows what it has; `plain_again` the pipeline without it, run twice.
    """
    paths = write_small_files(corpus.sources, options.small_files)
    var, database = corpus.folder / "var", corpus.folder / "database"
    embedder, theirs = options.settings.embedder, options.settings.embedder in ENCODERS and plain.works
    found: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))

    def both(run: str) -> None:
        found["own"][run].append(_counted(*corpus.ingest(var)))
        if theirs:
            counts = _plain_run(plain, options.settings, corpus.sources, database, embedder, "--records")
            found["plain"][run].append(_counted(*counts))

    both("first")
    for number in tqdm(range(options.rounds), desc="small files", leave=False, disable=None):
        both("unchanged")
        path = paths[number * 997 % len(paths)]
        path.write_text(f"{path.read_text(encoding='utf-8')}\nEdited in round {number}.\n", encoding="utf-8")
        both("edited")
    report: dict[str, Any] = {"files": len(paths), "embedder": embedder}
    for name, runs in found.items():
        report[name] = {run: _medians(figures) for run, figures in runs.items()}
    if theirs:
        shutil.rmtree(database)
        for run in ("first", "unchanged"):
            counts = _plain_run(plain, options.settings, corpus.sources, database, embedder)
            report.setdefault("plain_again", {})[run] = _rounded(_counted(*counts))
    return report


def _memory(options: "Options", corpus: "_Corpus", plain: Plain) -> dict[str, Any]:
    """The most memory of an ingest of made text files: of its `largest` process, and of all `together`, in MB."""
    files = write_documents(corpus.sources, options.memory_chunks, ("txt",))
    runs = {"own": corpus.ingest(corpus.folder / "var", _QUICK, watched=True)}
    if plain.works:
        database = corpus.folder / "database"
        runs["plain"] = _plain_run(plain, options.settings, corpus.sources, database, _QUICK, watched=True)
    report: dict[str, Any] = {"files": files, "embedder": _QUICK}
    for name, (counts, run) in runs.items():
        peak = {"largest": round(run.largest_mb, 1), "together": run.together_mb and round(run.together_mb, 1)}
        report[name] = {"chunks": counts["chunks"], "seconds": round(run.seconds, 1), "peak_mb": peak}
    return report


@dataclass(frozen=True, slots=True)
class _Corpus:
    """A domain in a scratch folder, whose documents are in `sources`."""

    folder: Path
    settings: Settings

    @classmethod
    def make(cls, folder: Path, settings: Settings) -> "_Corpus":
        write_domain(folder / "corpora", _DOMAIN)
        return cls(folder, settings)

    @property
    def sources(self) -> Path:
        return self.folder / "corpora" / _DOMAIN / "sources"

    def ingest(
        self, var: Path, embedder: str = "", watched: bool = False, scans: bool = True
    ) -> tuple[dict[str, Any], Taken]:
        """Runs `python -m ingest`, with its index and its cache below `var`; its report and what it took.

        Without `scans` the program that reads them is not found.
        """
        variables = environment(
            var=var,
            corpora=self.folder / "corpora",
            embedder=embedder or self.settings.embedder,
            threads=self.settings.threads,
        )
        if not scans:
            variables["PATH"] = ""
        return measured([sys.executable, "-m", "ingest", _DOMAIN, "--json"], variables, watched)


def _plain_run(
    plain: Plain,
    settings: Settings,
    sources: Path,
    database: Path,
    embedder: str,
    *options: str,
    watched: bool = False,
) -> tuple[dict[str, Any], Taken]:
    variables = environment(threads=settings.threads)
    return measured(plain.command("ingest", sources, database, embedder, *options), variables, watched)


def _embedding_alone(settings: Settings, embedder: str) -> float:
    """Seconds that the chunks of an index take to be embedded at once by a model that was open already."""
    from ingest.split import embedding_text
    from rag.embed import load_embedder
    from rag.index import current_version, domain_index_folder
    from rag.table import ChunkTable

    version = current_version(settings, _DOMAIN)
    assert version is not None
    chunks = ChunkTable(domain_index_folder(settings, _DOMAIN) / version / "table").all_chunks()
    # The same text is embedded once.
    texts = list(dict.fromkeys(map(embedding_text, chunks)))
    encoder = load_embedder(embedder, settings)
    encoder.embed_query(texts[0])
    started = time.perf_counter()
    encoder.embed_passages(texts)
    return time.perf_counter() - started


def _copy(folder: Path, target: Path) -> int:
    """Copies the files that both pipelines read; how many they are."""
    if not folder.is_dir():
        raise ConfigurationError(f"--documents should be a folder of documents, is now {folder}.")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix.lower() in READS]
    if not files:
        raise ConfigurationError(f"--documents {folder} holds no file whose name ends with {', '.join(READS)}.")
    for path in files:
        place = target / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return len(files)


def _rates(counts: Mapping[str, Any], run: Taken) -> dict[str, Any]:
    rates = {f"{unit}_per_second": counts[unit] / run.seconds for unit in ("chunks", "documents")}
    return {**counts, "seconds": run.seconds, "processor_seconds": run.processor_seconds, **rates}


def _counted(report: Mapping[str, Any], run: Taken) -> dict[str, Any]:
    counts = {name: report[name] for name in _COUNTS if name in report}
    counts.setdefault("stored", report["chunks"])
    return {**counts, "seconds": run.seconds, "processor_seconds": run.processor_seconds}


def _medians(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the seconds and rates; counts are those of the last round, as in every other."""
    return _rounded({
        name: median(figures[name] for figures in rounds) if isinstance(value, float) else value
        for name, value in rounds[-1].items()
    })  # fmt: skip


def _rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in figures.items()}


def sections(report: Mapping[str, Any]) -> dict[str, list[str]]:
    """A table a part, as Markdown lines by name."""
    parts = {"throughput": _throughput_lines, "small_files": _small_files_lines, "memory": _memory_lines}
    told: dict[str, list[str]] = {}
    for name, part in parts.items():
        if name in report:
            lines = part(report[name], report["rounds"])
            torch = f"; torch: {report['encoder']}" if name == "throughput" else ""
            told[f"ingest-{name}"] = [f"{lines[0]} Plain: {report['plain']}{torch}.", *lines[1:]]
    return told


def _throughput_lines(report: Mapping[str, Any], rounds: int) -> list[str]:
    titles = ["pipeline and encoder", "seconds", "chunks/s", "documents", "failed", "chunks", "processor s"]
    titles += ["times plain, by seconds", "by chunks/s", "times torch, by seconds", "times embedding alone"]
    rows = [
        [name, *(figures[key] for key in ("seconds", "chunks_per_second")),
         *(figures[key] for key in ("documents", "failed", "chunks", "processor_seconds")),
         *(figures.get(key, "") for key in ("times_plain", "times_plain_chunks", "times_torch", "over_embedding"))]
        for name, figures in report["pipelines"].items()
    ]  # fmt: skip
    described = (
        f"Whole ingest, start of the process included: {report['files']} documents, {report['documents']}, "
        f"{report['megabytes']} MB, medians of {rounds} turns. Scans are not read."
    )
    return [described, "", *table(titles, rows)]


def _small_files_lines(report: Mapping[str, Any], rounds: int) -> list[str]:
    pipelines = {"own": "Lacerta", "plain": "plain with `index()`", "plain_again": "plain alone"}
    runs = {"first": "first", "unchanged": "nothing changed", "edited": "one file edited"}
    rows = [
        [title, pipeline, *(figures[key] for key in ("seconds", "processor_seconds", "embedded", "stored"))]
        for run, title in runs.items()
        for name, pipeline in pipelines.items()
        if (figures := report.get(name, {}).get(run))
    ]  # fmt: skip
    described = f"{report['files']} small files, encoder `{report['embedder']}`, medians of {rounds} turns."
    return [described, "", *table(["run", "pipeline", "seconds", "processor s", "embedded", "chunks held"], rows)]


def _memory_lines(report: Mapping[str, Any], rounds: int) -> list[str]:
    rows = []
    for name, title in {"own": "Lacerta", "plain": "plain LangChain"}.items():
        if found := report.get(name):
            peak = found["peak_mb"]
            rows.append([title, found["chunks"], found["seconds"], peak["largest"], peak["together"] or ""])
    titles = ["", "chunks", "seconds", "largest process, peak MB", "all processes, peak MB"]
    return [f"{report['files']} text files, encoder `{report['embedder']}`.", "", *table(titles, rows)]
