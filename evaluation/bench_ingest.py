"""Speed and memory of `python -m ingest`, beside a plain pipeline that is given the same documents.

Every run is a process of its own, its start included, with an empty index and no vectors kept, unless it is said. Knows
nothing of how the ingest works; `processor_seconds` over `seconds` says how many cores it kept busy.
"""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from evaluation import plain
from evaluation.made_files import write_documents, write_small_files
from evaluation.tables import table
from rag.errors import ConfigurationError, LacertaError
from rag.settings import LANGUAGES, ROOT, Settings

if TYPE_CHECKING:
    from evaluation.bench import Options

EMBEDDERS = ("minilm", "balanced", "fast")
_PLAIN = "plain"
# The embedder of the plain pipeline, in ONNX.
_SAME = "minilm"
_DOMAIN = "made"
# What a look at the memory of all processes costs must not slow them down.
_SAMPLE_SECONDS = 0.5


def ingest(options: "Options") -> dict[str, Any]:
    """`throughput` beside the plain pipeline, runs over many `small_files`, and `memory`; what has size 0 is left out.

    Raises ConfigurationError where the folder of documents holds none, LacertaError where a run fails.
    """
    parts = {
        "throughput": (_throughput, bool(options.documents or options.document_chunks)),
        "small_files": (_small_files, options.small_files > 0),
        "memory": (_memory, options.memory_chunks > 0),
    }
    folder = options.settings.var / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"rounds": options.rounds}
    for name, (part, wanted) in parts.items():
        if wanted:
            with tempfile.TemporaryDirectory(prefix="ingest-", dir=folder) as scratch:
                report[name] = part(options, _Corpus.make(Path(scratch), options.settings))
    return report


def _throughput(options: "Options", corpus: "_Corpus") -> dict[str, Any]:
    """Medians over the rounds, by pipeline; `times_plain` compares with the plain pipeline of the same round.

    Scans are left out, as the plain pipeline does not read them.
    `over_embedding` is the seconds of the whole run over those that its chunks take to be embedded, and nothing else.
    """
    if options.documents:
        files = _copy(options.documents, corpus.sources)
    else:
        files = write_documents(corpus.sources, options.document_chunks)
    works, described = _describe(options.plain)
    pipelines = [_PLAIN] * works + [*EMBEDDERS]
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    turns = [(number, name) for number in range(options.rounds) for name in pipelines]
    for number, name in tqdm(turns, desc="ingest", leave=False, disable=None):
        var = corpus.folder / f"{name}-{number}"
        if name == _PLAIN:
            found[name].append(_rates(*_plain_run(options.plain, corpus.sources, var)))
        else:
            report, run = corpus.ingest(var, name, scans=False)
            counts = {"documents": report["added"], "failed": report["failed"], "chunks": report["chunks"]}
            found[name].append(_rates(counts | {"stages": report.get("stages", {})}, run))
        figures = found[name][-1]
        if name == _SAME:
            # A fresh process, so that neither this one's memory nor its threads matter.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
                alone = fresh.submit(_embedding_alone, replace(options.settings, var=var)).result()
            figures |= {"embedding_seconds": alone, "over_embedding": figures["seconds"] / alone}
        if _PLAIN in found and name != _PLAIN:
            before = found[_PLAIN][-1]
            figures["times_plain"] = before["seconds"] / figures["seconds"]
            figures["times_plain_chunks"] = figures["chunks_per_second"] / before["chunks_per_second"]
        shutil.rmtree(var)
    size = sum(path.stat().st_size for path in corpus.sources.rglob("*") if path.is_file())
    return {
        "documents": f"those of {options.documents}" if options.documents else "made",
        "files": files,
        "megabytes": round(size / 1e6, 1),
        "plain": described,
        "pipelines": {name: _medians(figures) for name, figures in found.items()},
    }


def _small_files(options: "Options", corpus: "_Corpus") -> dict[str, Any]:
    """Seconds of the first run over many small files, of runs without a change, and of runs with one edited file."""
    paths = write_small_files(corpus.sources, options.small_files)
    var = corpus.folder / "var"
    report, first = corpus.ingest(var)
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number in tqdm(range(options.rounds), desc="small files", leave=False, disable=None):
        found["unchanged"].append(_counted(*corpus.ingest(var)))
        path = paths[number * 997 % len(paths)]
        path.write_text(f"{path.read_text(encoding='utf-8')}\nEdited in round {number}.\n", encoding="utf-8")
        found["edited"].append(_counted(*corpus.ingest(var)))
    return {
        "files": len(paths),
        "embedder": options.settings.embedder,
        "first": _rounded(_counted(report, first)),
        **{name: _medians(figures) for name, figures in found.items()},
    }


def _memory(options: "Options", corpus: "_Corpus") -> dict[str, Any]:
    """The most memory of an ingest of made text files: of its `largest` process, and of all `together`, in MB."""
    files = write_documents(corpus.sources, options.memory_chunks, ("txt",))
    report, run = corpus.ingest(corpus.folder / "var", watched=True)
    return {
        "files": files,
        "embedder": options.settings.embedder,
        "chunks": report["chunks"],
        "seconds": round(run.seconds, 1),
        "peak_mb": {"largest": round(run.largest_mb, 1), "together": run.together_mb and round(run.together_mb, 1)},
    }


@dataclass(frozen=True, slots=True)
class _Run:
    """What a process and those it started took. `together_mb` is None where nobody looked or the system can't say."""

    seconds: float
    processor_seconds: float
    largest_mb: float
    together_mb: float | None


@dataclass(frozen=True, slots=True)
class _Corpus:
    """A domain in a scratch folder, whose documents are in `sources`."""

    folder: Path
    settings: Settings

    @classmethod
    def make(cls, folder: Path, settings: Settings) -> "_Corpus":
        corpus = cls(folder, settings)
        corpus.sources.mkdir(parents=True)
        texts = "\n".join(f'{language} = "Made documents"' for language in LANGUAGES)
        examples = "\n".join(f'{language} = ["What is made?"]' for language in LANGUAGES)
        corpus.sources.with_name("domain.toml").write_text(
            f"languages = {json.dumps(LANGUAGES)}\n[title]\n{texts}\n[description]\n{texts}\n[examples]\n{examples}\n"
            '[[sources]]\nkind = "files"\n',
            encoding="utf-8",
        )
        return corpus

    @property
    def sources(self) -> Path:
        return self.folder / "corpora" / _DOMAIN / "sources"

    def ingest(
        self, var: Path, embedder: str = "", watched: bool = False, scans: bool = True
    ) -> tuple[dict[str, Any], _Run]:
        """Runs `python -m ingest`, with its index and its cache below `var`; its report and what it took.

        Without `scans` the program that reads them is not found.
        """
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LACERTA_")} | {
            "LACERTA_VAR": str(var),
            "LACERTA_CORPORA": str(self.folder / "corpora"),
            "LACERTA_EMBEDDER": embedder or self.settings.embedder,
            "LACERTA_THREADS": str(self.settings.threads),
        }
        if not scans:
            environment["PATH"] = ""
        return _run([sys.executable, "-m", "ingest", _DOMAIN, "--json"], environment, watched)


def _run(command: Sequence[str | Path], environment: Mapping[str, str], watched: bool) -> tuple[dict[str, Any], _Run]:
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, env=environment, cwd=ROOT)
        with _Watch(process.pid, watched) as watch:
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise LacertaError(f"{' '.join(map(str, command))} ended with {process.returncode}: see its error above.")
        output.seek(0)
        report = json.load(output)
    # Bytes on macOS, kilobytes elsewhere (getrusage(2)).
    largest = usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
    return report, _Run(seconds, usage.ru_utime + usage.ru_stime, largest, watch.most_mb)


class _Watch:
    """Looks every half second at the memory of a process and of those below it, shared pages counted once."""

    def __init__(self, process: int, wanted: bool) -> None:
        self.most_mb: float | None = None
        self._process = process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._wanted = wanted and Path("/proc/self/smaps_rollup").exists()

    def __enter__(self) -> "_Watch":
        if self._wanted:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._wanted:
            self._thread.join()

    def _look(self) -> None:
        while not self._stop.is_set():
            self.most_mb = max(self.most_mb or 0.0, _resident(self._process))
            self._stop.wait(_SAMPLE_SECONDS)


def _resident(process: int) -> float:
    """Proportional set size of a process and all below it in MB (proc_pid_smaps(5))."""
    waiting, kilobytes = [str(process)], 0
    while waiting:
        folder = Path("/proc", waiting.pop())
        try:
            lines = (folder / "smaps_rollup").read_text().splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            for thread in (folder / "task").iterdir():
                waiting += (thread / "children").read_text().split()
        except OSError:
            # It ended meanwhile.
            continue
    return kilobytes / 1024


def _plain_run(python: Path, sources: Path, database: Path) -> tuple[dict[str, Any], _Run]:
    try:
        return _run([python, plain.__file__, sources, database], os.environ, False)
    except LacertaError as error:
        raise LacertaError(f"{error} make bench TORCH=1 sets the plain pipeline up.") from error


def _describe(python: Path) -> tuple[bool, str]:
    """Whether the plain pipeline runs, and what it says it is or why it is left out."""
    if not python.exists():
        return False, f"not measured: there is no {python}; make bench TORCH=1 sets it up"
    command = [str(python), plain.__file__]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode or not done.stdout:
        return False, f"not measured: {python} {plain.__file__} does not start; make bench TORCH=1 sets it up"
    return True, f"pypdf, RecursiveCharacterTextSplitter, {json.loads(done.stdout)}, Chroma"


def _embedding_alone(settings: Settings) -> float:
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
    embedder = load_embedder(_SAME, settings)
    embedder.embed_query(texts[0])
    started = time.perf_counter()
    embedder.embed_passages(texts)
    return time.perf_counter() - started


def _copy(folder: Path, target: Path) -> int:
    """Copies the files that both pipelines read; how many they are."""
    if not folder.is_dir():
        raise ConfigurationError(f"--documents should be a folder of documents, is now {folder}.")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix.lower() in plain.READS]
    if not files:
        raise ConfigurationError(f"--documents {folder} holds no file whose name ends with {', '.join(plain.READS)}.")
    for path in files:
        place = target / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return len(files)


def _rates(counts: Mapping[str, Any], run: _Run) -> dict[str, Any]:
    rates = {f"{unit}_per_second": counts[unit] / run.seconds for unit in ("chunks", "documents")}
    return {**counts, "seconds": run.seconds, "processor_seconds": run.processor_seconds, **rates}


def _counted(report: Mapping[str, Any], run: _Run) -> dict[str, Any]:
    counts = {name: report[name] for name in ("added", "updated", "unchanged", "embedded")}
    return {**counts, "seconds": run.seconds, "processor_seconds": run.processor_seconds}


def _medians(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the seconds and rates; counts are those of the last round, as in every other."""
    return _rounded({
        name: median(figures[name] for figures in rounds) if isinstance(value, float) else value
        for name, value in rounds[-1].items()
    })  # fmt: skip


def _rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in figures.items()}


def markdown(report: Mapping[str, Any]) -> list[str]:
    """The lines of the figures of `ingest` as Markdown."""
    parts = {"throughput": _throughput_lines, "small_files": _small_files_lines, "memory": _memory_lines}
    lines: list[str] = []
    for name, part in parts.items():
        if name in report:
            lines += ["", *part(report[name], report["rounds"])]
    return lines[1:]


def _throughput_lines(report: Mapping[str, Any], rounds: int) -> list[str]:
    titles = ["ingest", "seconds", "documents/s", "chunks/s", "documents", "failed", "chunks", "processor s"]
    titles += ["times plain, seconds", "times plain, chunks/s", "times embedding alone"]
    rows = [
        [name, *(figures[key] for key in ("seconds", "documents_per_second", "chunks_per_second")),
         *(figures[key] for key in ("documents", "failed", "chunks", "processor_seconds")),
         *(figures.get(key, "") for key in ("times_plain", "times_plain_chunks", "over_embedding"))]
        for name, figures in report["pipelines"].items()
    ]  # fmt: skip
    described = (
        f"Whole ingest, start of the process included: {report['files']} documents, {report['documents']}, "
        f"{report['megabytes']} MB, {rounds} turns. Scans are not read. Plain pipeline: {report['plain']}."
    )
    return [described, "", *table(titles, rows)]


def _small_files_lines(report: Mapping[str, Any], rounds: int) -> list[str]:
    runs = {"first": "first", "unchanged": "nothing changed", "edited": "one file edited"}
    rows = [
        [title, *(report[name][key] for key in ("seconds", "processor_seconds", "embedded"))]
        for name, title in runs.items()
    ]
    described = f"{report['files']} small files, embedder {report['embedder']}, {rounds} turns."
    return [described, "", *table(["run", "seconds", "processor s", "chunks embedded"], rows)]


def _memory_lines(report: Mapping[str, Any], rounds: int) -> list[str]:
    peak = report["peak_mb"]
    row = [report["files"], report["chunks"], report["embedder"], report["seconds"], peak["largest"]]
    titles = ["files", "chunks", "embedder", "seconds", "largest process, peak MB", "all processes, peak MB"]
    return ["Memory of an ingest.", "", *table(titles, [[*row, peak["together"] or ""]])]
