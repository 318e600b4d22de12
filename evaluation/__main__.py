"""`python -m evaluation`: figures of retrieval, answers, refusals, speed and memory, as text or JSON."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.variants import VARIANTS
from rag.errors import ConfigurationError, LacertaError
from rag.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from rag.answer import Engine


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 0 when done, 1 when it could not be or found a fault, 2 for a wrong argument or setting."""
    parser = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    beir = commands.add_parser("beir", help="a folder with corpus.jsonl, queries.jsonl and qrels/test.tsv")
    beir.add_argument("folder", type=Path)
    beir.add_argument("-k", type=int, default=10, help="passages a question, at least 10 are looked at")
    beir.add_argument("--limit", type=int, help="ask only the first LIMIT questions")
    beir.add_argument("--variant", default="", choices=VARIANTS, help="questions typed differently")
    extracts = commands.add_parser("extractive", help="the same kind of folder, where questions have `answers`")
    extracts.add_argument("folder", type=Path)
    extracts.add_argument("--limit", type=int, help="ask only the first LIMIT questions")
    refusals = commands.add_parser("refusal", help="the same kind of folder: its questions against those of others")
    refusals.add_argument("folder", type=Path)
    refusals.add_argument(
        "--strangers", type=Path, nargs="+", default=[], help="folders with questions it can't answer"
    )
    refusals.add_argument("--limit", type=int, help="ask only the first LIMIT questions of each")
    citations = commands.add_parser("citations", help="such folders: sentences made of them, supported and not")
    citations.add_argument("folders", type=Path, nargs="+")
    domain = commands.add_parser("domain", help="the questions.jsonl of a domain")
    domain.add_argument("domain")
    conversation = commands.add_parser("conversation", help="the follow_ups.jsonl of a domain")
    conversation.add_argument("domain")
    bench = commands.add_parser("bench", help="speed and memory on made documents")
    bench.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="sizes of indexes")
    parts = ("search", "embedding", "ingest", "gguf")
    bench.add_argument("--only", action="append", choices=parts, help="one part; may be repeated")
    bench.add_argument("--questions", type=int, default=200, help="questions asked of each index")
    bench.add_argument("--rounds", type=int, default=3, help="turns that pipelines take; figures are their medians")
    bench.add_argument("--documents", type=Path, help="a folder to ingest in place of made documents")
    bench.add_argument("--document-chunks", type=int, default=3_000, help="size of the made documents to ingest")
    bench.add_argument("--small-files", type=int, default=5_000, help="files of which one is edited")
    bench.add_argument("--memory-chunks", type=int, default=100_000, help="size of the ingest whose memory is measured")
    bench.add_argument("--plain", type=Path, help="the interpreter that has the torch pipeline")
    bench.add_argument("--gguf", type=Path, action="append", default=[], help="a model to measure; may be repeated")
    service = commands.add_parser("service", help="the whole program under load")
    service.add_argument("part", choices=("overhead", "search", "soak"))
    service.add_argument("--processes", type=int, nargs="+", help="of the program; for search one figure each")
    service.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32], help="overhead: answers at once")
    service.add_argument("--answers", type=int, default=10, help="overhead: in each of them")
    service.add_argument("--rate", type=float, default=50.0, help="overhead: words a second of the model server")
    service.add_argument("--chunks", type=int, default=50_000, help="search: size of the index, about")
    service.add_argument("--connections", type=int, nargs="+", default=[1, 4, 16], help="search: requests at once")
    service.add_argument("--seconds", type=int, default=20, help="search: of each figure")
    service.add_argument("--minutes", type=float, default=10.0, help="soak")
    service.add_argument("--visitors", type=int, default=8, help="soak: at once")
    service.add_argument("--faulty", type=float, default=0.05, help="soak: share of the model server's answers")
    for command in (beir, extracts, refusals, citations, domain, conversation, bench, service):
        command.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    chosen = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        make, show = _COMMANDS[chosen.command]
        report = make(settings, chosen)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except LacertaError as error:
        print(error, file=sys.stderr)
        return 1
    if chosen.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        show(report)
    # Mixed load is a check, too.
    return 1 if report.get("wrong") else 0


def _beir(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.beir import evaluate
    from rag.embed import load_embedder

    return evaluate(chosen.folder, load_embedder(settings.embedder, settings), chosen.k, chosen.limit, chosen.variant)


def _extractive(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.extractive import evaluate
    from rag.embed import load_embedder

    return evaluate(chosen.folder, load_embedder(settings.embedder, settings), chosen.limit)


def _refusal(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.refusal import evaluate
    from rag.embed import load_embedder

    return evaluate(chosen.folder, chosen.strangers, load_embedder(settings.embedder, settings), chosen.limit)


def _citations(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.citations import evaluate

    return evaluate(chosen.folders)


def _domain(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.domain import evaluate

    return _of_a_domain(evaluate, settings, chosen.domain)


def _conversation(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.conversation import evaluate

    return _of_a_domain(evaluate, settings, chosen.domain)


def _of_a_domain(evaluate: "Callable[[Engine, str], dict[str, Any]]", settings: Settings, name: str) -> dict[str, Any]:
    from rag.answer import Engine

    engine = Engine(settings)
    try:
        if name not in engine.domains:
            known = ", ".join(engine.domains)
            raise ConfigurationError(f"There is no domain {name!r}. Domains: {known}.")
        return evaluate(engine, name)
    finally:
        engine.close()


def _bench(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.bench import Options, run

    options = Options(
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
    if chosen.plain:
        options = replace(options, plain=chosen.plain)
    return run(options, chosen.only or ())


def _service(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    folder, processes = settings.var / "bench", chosen.processes or []
    if chosen.part == "overhead":
        from evaluation.service import overhead

        count = (processes or [1])[0]
        report = overhead.measure(folder, chosen.streams, chosen.answers, chosen.rate, count)
    elif chosen.part == "search":
        from evaluation.service import search

        place = folder / f"search-{chosen.chunks}"
        report = search.measure(place, chosen.chunks, processes or [1, 2], chosen.connections, chosen.seconds)
    else:
        from evaluation.service import soak

        count = (processes or [2])[0]
        report = soak.run(soak.Options(chosen.minutes, count, chosen.visitors, faulty=chosen.faulty), folder)
    return {"part": chosen.part, **report}


def _print_beir(report: dict[str, Any]) -> None:
    print(f"{report['documents']} documents, {report['questions']} questions, {report['latency_ms']} ms a question")
    groups = {"all": report, **report.get("by_set", {}), "macro": report.get("macro", {})}
    for name, figures in groups.items():
        for ranker in ("lexical", "dense", "fused"):
            if ranker in figures:
                values = "  ".join(f"{metric} {100 * value:5.1f}" for metric, value in figures[ranker].items())
                print(f"{name:24} {ranker:8} {values}")


def _print_extractive(report: dict[str, Any]) -> None:
    print("a gold answer stands inside the shown sentences, inside the first of them, inside the passages, percent")
    groups = {"all": report} | {f"half {number}": half for number, half in enumerate(report["halves"], start=1)}
    groups |= {f"{count} shown": figures for count, figures in report["by_sentences"].items()}
    for name, figures in groups.items():
        shares = "  ".join(f"{key} {100 * figures[key]:5.1f}" for key in ("inside", "first", "passages"))
        size = f"{figures['sentences']:.2f} sentences, {figures['characters']:.0f} characters"
        print(f"{name:8} {figures['questions']:5} questions  {shares}  {size}")
    print(f"milliseconds an answer after retrieval: {report['milliseconds']}")


def _print_refusal(report: dict[str, Any]) -> None:
    print(
        f"{report['set']}: {report['questions']} questions of its own, {100 * report['answered']:.1f} percent answered"
    )
    for name, figures in report["others"].items():
        answered = f"{100 * figures['answered']:.1f} percent answered"
        print(f"{name:24} {figures['questions']:5} questions  AUROC {figures['auroc']:.3f}  {answered}")


def _print_bench(report: dict[str, Any]) -> None:
    from evaluation.bench import markdown

    print(markdown(report))


def _print_service(report: dict[str, Any]) -> None:
    from importlib import import_module

    print("\n".join(import_module(f"evaluation.service.{report['part']}").markdown(report)))


def _print_citations(report: dict[str, Any]) -> None:
    from evaluation.citations import markdown

    print(markdown(report))


def _print_domain(report: dict[str, Any]) -> None:
    print(f"{report['domain']}: recall@5 by question and document language, percent")
    print(f"{'pair':8} {'questions':>9} {'document':>9} {'page':>6}")
    for pair, figures in report["recall@5"].items():
        document, page = 100 * figures["document"], 100 * figures["page"]
        print(f"{pair:8} {figures['questions']:9} {document:9.1f} {page:6.1f}")
    for kind, share in report["refused"].items():
        if share is not None:
            print(f"refused of the {kind} questions: {100 * share:.1f}")


def _print_conversation(report: dict[str, Any]) -> None:
    print(f"{report['domain']}: recall@5 of follow-ups as typed and with the topic carried over, percent")
    for language, figures in report["recall@5"].items():
        shares = "  ".join(f"{key} {100 * figures[key]:5.1f}" for key in ("typed", "carried", "known"))
        print(f"{language:4} {figures['follow_ups']:4} follow-ups  {shares}")


_COMMANDS = {
    "beir": (_beir, _print_beir),
    "extractive": (_extractive, _print_extractive),
    "refusal": (_refusal, _print_refusal),
    "citations": (_citations, _print_citations),
    "domain": (_domain, _print_domain),
    "conversation": (_conversation, _print_conversation),
    "bench": (_bench, _print_bench),
    "service": (_service, _print_service),
}


if __name__ == "__main__":
    sys.exit(main())
