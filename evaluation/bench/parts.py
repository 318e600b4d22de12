"""Speed, memory and disk on made documents, each figure beside the plain LangChain pipeline's: `make bench`.

Parts, each a module with a function from options to figures, and `sections`, which makes tables of them.
What is compared takes turns, because other programs on the machine slow it down at times; trust the ratios more than
the rates.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluation.bench import embedding, gguf, ingest, search, start
from evaluation.bench.memory import load
from rag.errors import ConfigurationError
from rag.settings import LANGUAGES, ROOT, Settings


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure. `chunks` are sizes of indexes; the first `embedded` chunks of one get real vectors.

    `plain` is the interpreter of the environment of the plain pipeline. Starts and ingests are repeated `rounds` times;
    in each round every embedder works for at least `seconds`, in batches of `batch` texts. What is ingested is the
    folder `documents`, or made ones of about `document_chunks` chunks; then so many `small_files`; then text files of
    about `memory_chunks` chunks. `encoders` are the bundled ones to embed and ingest with, `models` GGUF files to
    be measured.
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
    encoders: tuple[str, ...] = embedding.ENCODERS
    models: tuple[Path, ...] = ()


def run(options: Options, only: Sequence[str] = ()) -> dict[str, Any]:
    """The figures of all parts, or of those named in `only`, by part, with what they were measured on as `machine`.

    Raises ConfigurationError for an option that makes no sense.
    """
    from evaluation.run import machine

    least = min((*options.chunks, options.embedded), default=0)
    if least < len(LANGUAGES) * search.LIMIT:
        raise ConfigurationError(f"--chunks should be at least {len(LANGUAGES) * search.LIMIT}, is now {least}.")
    if options.questions < 1:
        raise ConfigurationError(f"--questions should be at least 1, is now {options.questions}.")
    if options.rounds < 1:
        raise ConfigurationError(f"--rounds should be at least 1, is now {options.rounds}.")
    # There is no model to be measured unless one is named.
    chosen = only or [name for name in PARTS if name != "gguf" or options.models]
    report: dict[str, Any] = {"machine": machine(), "date": time.strftime("%Y-%m-%d", time.gmtime())}
    report["load"] = load()
    return report | {name: part.measure(options) for name, part in PARTS.items() if name in chosen}


def sections(report: Mapping[str, Any]) -> dict[str, str]:
    """The tables of `run`'s figures as Markdown by name, each with what it was measured on."""
    machine = report["machine"]
    busy = f"; load before it began {report['load']}" if report["load"] is not None else ""
    # Of a Linux, its version without the builder's own marks.
    system = " ".join(machine["system"].split("-")[:2])
    told = (
        f"Measured on {report['date']}: {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB,"
        f" {system}, Python {machine['python']}{busy}."
    )
    return {
        name: "\n".join([*lines, "", told])
        for part, its in PARTS.items()
        if part in report
        for name, lines in its.sections(report[part]).items()
    }


def markdown(report: Mapping[str, Any]) -> str:
    """All tables."""
    return "\n\n".join(sections(report).values())


@dataclass(frozen=True, slots=True)
class Part:
    """A group of figures: how they are measured, and their tables as lines by name."""

    measure: Callable[[Options], dict[str, Any]]
    sections: Callable[[Mapping[str, Any]], dict[str, list[str]]]


PARTS: Mapping[str, Part] = {
    "start": Part(start.start, start.sections),
    "search": Part(search.search, search.sections),
    "embedding": Part(embedding.embedding, embedding.sections),
    "ingest": Part(ingest.ingest, ingest.sections),
    "gguf": Part(lambda options: gguf.gguf(options.settings, options.models, options.rounds), gguf.sections),
}
"""By name: what can be measured."""
