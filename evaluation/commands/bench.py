"""`bench`: speed, memory and disk beside a plain LangChain pipeline."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from rag.settings import Settings

HELP = "speed, memory and disk on made documents, beside a plain LangChain pipeline"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parts = ("start", "search", "embedding", "ingest", "gguf")
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="sizes of indexes")
    parser.add_argument("--only", action="append", choices=parts, help="one part; may be repeated")
    parser.add_argument("--questions", type=int, default=200, help="questions asked of each index")
    parser.add_argument("--rounds", type=int, default=3, help="turns that pipelines take; figures are their medians")
    parser.add_argument("--documents", type=Path, help="a folder to ingest in place of made documents")
    parser.add_argument("--document-chunks", type=int, default=3_000, help="size of the made documents to ingest")
    parser.add_argument("--small-files", type=int, default=5_000, help="files of which one is edited")
    parser.add_argument(
        "--memory-chunks", type=int, default=100_000, help="size of the ingest whose memory is measured"
    )
    parser.add_argument(
        "--encoder", action="append", choices=("balanced", "fast", "minilm"), help="to ingest with; may be repeated"
    )
    parser.add_argument("--plain", type=Path, help="the interpreter that has the plain pipeline")
    parser.add_argument("--gguf", type=Path, action="append", default=[], help="a model to measure; may be repeated")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables between the markers of a page, too")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.bench import page, parts

    options = parts.Options(
        settings,
        tuple(chosen.chunks),
        chosen.questions,
        rounds=chosen.rounds,
        documents=chosen.documents,
        document_chunks=chosen.document_chunks,
        small_files=chosen.small_files,
        memory_chunks=chosen.memory_chunks,
        models=tuple(chosen.gguf),
    )
    if chosen.encoder:
        options = replace(options, encoders=tuple(chosen.encoder))
    if chosen.plain:
        # Not resolved: an environment's interpreter is a link, and knows the environment by its own place.
        options = replace(options, plain=chosen.plain.absolute())
    if chosen.write:
        page.check(chosen.write)
    report = parts.run(options, chosen.only or ())
    if chosen.write:
        left = page.write(chosen.write, parts.sections(report))
        if left:
            print(f"{chosen.write} has no place for {', '.join(left)}.", file=sys.stderr)
    return report


def show(report: dict[str, Any]) -> None:
    from evaluation.bench.parts import markdown

    print(markdown(report))
