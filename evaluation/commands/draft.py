"""`draft`: candidates for questions that a model writes from a domain's documents."""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.errors import ConfigurationError, IndexUnavailable
from rag.settings import LANGUAGES, Settings

HELP = "lets a model draft questions from the documents of a domain, for `accept`"
_NAMED = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("domain")
    parser.add_argument("--document", action="append", default=[], metavar="SOURCE", help="from this one; repeatable")
    parser.add_argument("--new", action="store_true", help="from documents that no question of the domain names")
    parser.add_argument("--count", type=int, default=10, help="drafts that are wanted")
    parser.add_argument("--language", choices=LANGUAGES, help="of the questions, else that of the document")
    parser.add_argument("--model", default="", help="gguf:NAME, openai:NAME or langchain:PROVIDER:NAME")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a new file, else one under var/evaluation/drafts")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.candidates import known_questions, write
    from evaluation.completions import Completions
    from evaluation.draft import default_file, draft, passages
    from rag.index import Manifest, current_version, domain_index_folder
    from rag.settings import load_domain
    from rag.table import ChunkTable

    if chosen.count < 1:
        raise ConfigurationError(f"--count should be at least 1, is now {chosen.count}.")
    domain = load_domain(settings, chosen.domain)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    file = chosen.out or default_file(settings, domain.name, stamp)
    if file.exists():
        raise ConfigurationError(f"{file} is there already: name another file.")
    with Completions(settings, chosen.model, "drafts") as completions:
        version = current_version(settings, domain.name)
        if version is None:
            raise IndexUnavailable(f'"{domain.name}" has no index: run make ingest DOMAIN={domain.name}.')
        folder = domain_index_folder(settings, domain.name) / version
        manifest = Manifest.load(folder)
        _refuse_unknown(chosen.document, manifest)
        known = known_questions(domain)
        try:
            table = ChunkTable(folder / "table")
        except (OSError, ValueError) as error:
            raise IndexUnavailable(f"{folder} is damaged: run python -m ingest {domain.name} --rebuild.") from error
        chunks = passages(manifest, table, chosen.count, chosen.document, chosen.new, known)
        language = chosen.language or ""
        drafts = draft(domain.name, dict(domain.title), chunks, known, completions, settings, chosen.count, language)
    written = write(file, drafts.candidates) if drafts.candidates else 0
    return {
        "domain": domain.name,
        "model": completions.public_name,
        "passages": len(chunks),
        "asked": drafts.asked,
        "written": written,
        "dropped": dict(drafts.dropped),
        "failed": dict(completions.failed),
        "file": str(file) if written else "",
        "ended": drafts.ended,
        "drafts": [candidate.record() for candidate in drafts.candidates],
    }


def show(report: dict[str, Any]) -> None:
    for item in report["drafts"]:
        source = item["sources"][0]
        print(f"{item['question']}\n    {item['answer']}  ({source['source']}, {source['page']})")
    counts = [*report["dropped"].items(), *((f"failed: {why}", count) for why, count in report["failed"].items())]
    dropped = ", ".join(f"{count} {why}" for why, count in counts)
    print(f"{report['written']} drafts by {report['model']} from {report['asked']} of {report['passages']} passages")
    if dropped:
        print(f"dropped: {dropped}")
    if report["ended"]:
        print(report["ended"])
    if report["written"]:
        print(
            f"Look through {report['file']}, set the status of each to accepted or rejected, then run\n"
            f"python -m evaluation accept {report['file']} {report['domain']}"
        )


def _refuse_unknown(sources: list[str], manifest: Any) -> None:
    import difflib

    there = {name for record in manifest.documents for name in (record.source, *record.names)}
    for source in sources:
        if source not in there:
            near = difflib.get_close_matches(source, there, _NAMED) or sorted(there)[:_NAMED]
            raise ConfigurationError(f"There is no document {source!r}. Some that there are: {', '.join(near)}.")
