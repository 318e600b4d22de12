"""From the start of a process to its first passages, over the bundled documents, beside the plain pipeline.

Both begin with empty memory and warm file caches. The program has its page, its service and its checks by then; the
plain pipeline has imported what it needs, opened its encoder and its database.
"""

import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from evaluation.bench.beside import Plain
from evaluation.bench.embedding import ENCODERS
from evaluation.bench.plain import READS, TORCH
from evaluation.service.program import Program
from evaluation.tables import table
from rag.errors import ConfigurationError, LacertaError
from rag.settings import ROOT, Settings, domain_names, load_domain

if TYPE_CHECKING:
    from evaluation.bench.parts import Options

OWN = "Lacerta"


def start(options: "Options") -> dict[str, Any]:
    """Medians by pipeline: seconds until it is `ready` and has its `first` passages, and `resident_mb` by then.

    `nothing` is the first of all starts, for which the documents had to be indexed. Raises ConfigurationError where
    there is no domain.
    """
    names = domain_names(options.settings)
    if not names:
        raise ConfigurationError(f"{options.settings.corpora} holds no domain to start with.")
    domain = load_domain(options.settings, names[0])
    question = next(iter(domain.examples.values()))[0]
    plain = Plain.find(options.plain)
    folder = options.settings.var / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="start-", dir=folder) as made:
        scratch = Path(made)
        sources = scratch / "sources"
        files = sum(_copy(options.settings.corpora / name / "sources", sources / name) for name in names)
        settings = {"var": scratch / "var", "corpora": options.settings.corpora, "embedder": options.settings.embedder}
        program = Program(**settings)
        pipelines: dict[str, Callable[[], dict[str, float]]] = {OWN: lambda: _own(program, names[0], question)}
        nothing = {OWN: _own(program, names[0], question)["ready"]}
        for embedder in _embedders(options.settings, plain):
            name, database = f"plain, {embedder}", scratch / embedder
            started = time.perf_counter()
            _ingest(plain, sources, database, embedder)
            pipelines[name] = partial(_plain, plain, database, embedder, question)
            nothing[name] = time.perf_counter() - started + pipelines[name]()["first"]
        found: dict[str, list[dict[str, float]]] = defaultdict(list)
        for _ in tqdm(range(options.rounds), desc="starts", leave=False, disable=None):
            for name, begin in pipelines.items():
                found[name].append(begin())
    return {
        "rounds": options.rounds,
        "files": files,
        "plain": plain.described,
        "encoder": plain.encoder,
        "pipelines": {
            name: _medians(figures) | {"nothing": round(nothing[name], 2)} for name, figures in found.items()
        },
    }


def _embedders(settings: Settings, plain: Plain) -> list[str]:
    bundled = [settings.embedder] if settings.embedder in ENCODERS else []
    return (bundled if plain.works else []) + ([TORCH] if plain.torch else [])


def _copy(folder: Path, target: Path) -> int:
    """Copies the files that both read; how many they are."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix.lower() in READS]
    for path in paths:
        place = target / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return len(paths)


def _own(program: Program, domain: str, question: str) -> dict[str, float]:
    started = time.perf_counter()
    program.start()
    try:
        ready = time.perf_counter() - started
        body = json.dumps({"domain": domain, "query": question}).encode()
        asked = urllib.request.Request(f"{program.address}/v1/search", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=60) as response:
            if not json.load(response):
                raise LacertaError(f"The program found nothing: {program.log()}")
        first = time.perf_counter() - started
        return {"ready": ready, "first": first, "resident_mb": sum(program.resident().values())}
    finally:
        program.stop()


def _plain(plain: Plain, database: Path, embedder: str, question: str) -> dict[str, float]:
    started = time.perf_counter()
    with plain.talk("ask", database, embedder) as (_, ask):
        ready = time.perf_counter() - started
        answer = ask(question)
        return {"ready": ready, "first": time.perf_counter() - started, "resident_mb": answer["resident_mb"]}


def _ingest(plain: Plain, sources: Path, database: Path, embedder: str) -> None:
    command = plain.command("ingest", sources, database, embedder)
    if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
        raise LacertaError(f"The plain pipeline could not index the bundled documents: run {' '.join(command)}.")


def _medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: round(median(figures[name] for figures in rounds), 2) for name in rounds[0]}


def sections(report: Mapping[str, Any]) -> dict[str, list[str]]:
    """One table, as Markdown lines by name."""
    titles = ["", "ready, s", "first passages, s", "resident, MB", "from nothing, indexing included, s"]
    keys = ("ready", "first", "resident_mb", "nothing")
    rows = [[name, *(figures[key] for key in keys)] for name, figures in report["pipelines"].items()]
    described = f"{report['files']} bundled files, medians of {report['rounds']} starts. Plain: {report['plain']};"
    described += f" torch: {report['encoder']}."
    return {"start": [described, "", *table(titles, rows)]}
