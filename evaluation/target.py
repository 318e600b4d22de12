"""What is asked by its name on the command line: a domain, or a folder in BEIR layout."""

from pathlib import Path

from evaluation.outcome import Run
from evaluation.questions import GoldQuestion, from_beir, from_domain
from evaluation.run import ask_beir, ask_domain
from rag.answer import Engine
from rag.errors import ConfigurationError, IndexUnavailable
from rag.index import Manifest, current_version, domain_index_folder
from rag.settings import Settings


def is_folder(name: str) -> bool:
    """Whether a folder in BEIR layout is named."""
    return (Path(name) / "queries.jsonl").is_file()


def set_name(name: str) -> str:
    """The name of the set that runs over it are kept as."""
    return Path(name).resolve().name if is_folder(name) else name


def ask(settings: Settings, name: str, limit: int | None = None) -> Run:
    """Asks at most `limit` of its questions. Raises ConfigurationError where there is no such domain or folder.

    Where a folder tells no answers, none are asked for.
    """
    if is_folder(name):
        folder = Path(name).resolve()
        return ask_beir(folder, settings, limit, answers=tells_answers(from_beir(folder, limit)))
    engine = Engine(settings)
    try:
        return ask_domain(engine, name, questions(engine, name, limit))
    finally:
        engine.close()


def questions(engine: Engine, name: str, limit: int | None = None) -> tuple[GoldQuestion, ...]:
    """The first of a domain's own questions. Raises ConfigurationError for another name, IndexUnavailable."""
    if name not in engine.domains:
        known = ", ".join(engine.domains) or "none"
        raise ConfigurationError(f"There is no domain or folder in BEIR layout {name!r}. Domains: {known}.")
    version = current_version(engine.settings, name)
    if version is None:
        raise IndexUnavailable(f'"{name}" has no index yet: run make ingest DOMAIN={name}.')
    manifest = Manifest.load(domain_index_folder(engine.settings, name) / version)
    return from_domain(engine.domains[name].folder / "questions.jsonl", manifest)[:limit]


def tells_answers(asked: tuple[GoldQuestion, ...]) -> bool:
    """Whether an answer to any of the questions is known."""
    return any(question.answers for question in asked)
