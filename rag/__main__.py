"""The command line: `python -m rag ask DOMAIN QUESTION` and `python -m rag search DOMAIN QUERY`.

Exits with 0 for an answer or a refusal, 1 for a failure, 2 for wrong usage or settings.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rag.answer import Engine, QuestionFailed
from rag.errors import ConfigurationError, LacertaError
from rag.report import answer_fields, search_fields
from rag.settings import LANGUAGES, Settings
from rag.text import flatten
from rag.types import Answer, Hit, Question, Retrieval

_USAGE_CODES = ("empty_question", "too_long", "language", "unknown_domain", "filter", "configuration")
_SHOWN_CHARACTERS = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        settings = Settings.from_environment()
        if getattr(options, "model", None):
            settings = replace(settings, models=(options.model,))
        engine = Engine(settings)
        if options.domain not in engine.domains:
            known = ", ".join(engine.domains) or "none"
            raise ConfigurationError(f"There is no domain {options.domain!r}. Domains: {known}.")
        question = Question(
            options.text, options.domain, interface_language=options.language, filters=_filters(options.filter)
        )
        try:
            if options.command == "ask":
                answer = engine.ask(question)
                print(_json(answer_fields(answer)) if options.json else _answer_text(answer))
            else:
                retrieval = engine.search(question, options.limit)
                text = _search_text(retrieval, options.explain)
                print(_json(search_fields(retrieval)) if options.json else text)
        finally:
            engine.close()
    except QuestionFailed as failure:
        print(failure, file=sys.stderr)
        return 2 if failure.code in _USAGE_CODES else 1
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except LacertaError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rag", description="Ask a domain's documents.")
    commands = parser.add_subparsers(dest="command", required=True)
    ask = commands.add_parser("ask", help="one answer with its citations")
    ask.add_argument("--model", metavar="NAME", help="gguf:PATH, openai:NAME, langchain:PROVIDER:NAME or extractive")
    search = commands.add_parser("search", help="the passages found")
    search.add_argument("-k", dest="limit", type=_positive, default=10, metavar="K", help="how many (default 10)")
    search.add_argument("--explain", action="store_true", help="the evidence behind every hit; --json always has it")
    for command in (ask, search):
        command.add_argument("domain")
        command.add_argument("text", metavar="question")
        command.add_argument("--json", action="store_true", help="one JSON object on standard output")
        command.add_argument("--language", choices=LANGUAGES, default="en", help="of messages (default en)")
        command.add_argument(
            "--filter",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="only documents with language=hu, source=guides/*, kind=pdf, date=2020-2024 or document=TITLE",
        )
    return parser


def _filters(arguments: Sequence[str]) -> dict[str, str]:
    """`key=value` arguments as a mapping. Raises ConfigurationError for one without a sign or a key given twice."""
    filters: dict[str, str] = {}
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if not sign:
            raise ConfigurationError(f"--filter takes KEY=VALUE, for example language=hu, is now {argument!r}.")
        if key in filters:
            raise ConfigurationError(f"--filter {key} is given twice: {filters[key]!r} and {value!r}. Give it once.")
        filters[key] = value
    return filters


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"should be a number from 1 to 1000, is now {text!r}")
    return int(text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _answer_text(answer: Answer) -> str:
    searched = [f"({answer.question})", ""] if answer.question else []
    lines = [*searched, answer.text, ""]
    for citation in answer.citations:
        lines += [
            f"[{citation.number}] {citation.chunk.title} ({citation.chunk.source}, p. {citation.page})",
            f"    {flatten(citation.quote)}",
        ]
    return "\n".join([*lines, *answer.notices]).strip()


def _search_text(retrieval: Retrieval, explain: bool = False) -> str:
    lines = []
    for rank, hit in enumerate(retrieval.hits, start=1):
        text = flatten(hit.chunk.text)
        lines += [
            f"{rank:2}. {hit.score:.3f}  {hit.chunk.title} ({hit.chunk.source}, {_pages(hit)}, {hit.chunk.language})",
            *(f"    also in {source}" for source in hit.also),
            f"    {text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + ' …'}",
        ]
        if explain:
            lines += [f"    {line}" for line in _evidence(hit)]
    lines = lines or ["Nothing was found."]
    if explain:
        lines.append(f"Confidence {retrieval.confidence:.3f}, language {retrieval.language}.")
    return "\n".join(lines)


def _pages(hit: Hit) -> str:
    first, last = hit.chunk.first_page, hit.chunk.last_page
    return f"p. {first}" if first == last else f"pp. {first}-{last}"


def _evidence(hit: Hit) -> list[str]:
    """A line for each feature of a hit and for each of its places, names and points aligned."""
    values = [(name, f"{value:.4f}") for name, value in hit.features.items()]
    values += [(f"place, {ranker}", f"{place}     ") for ranker, place in hit.ranks.items()]
    name_width = max((len(name) for name, _ in values), default=0)
    value_width = max((len(value) for _, value in values), default=0)
    return [f"{name:<{name_width}}  {value:>{value_width}}".rstrip() for name, value in values]


if __name__ == "__main__":
    sys.exit(main())
