"""Asks the questions of a set, as a visitor would, and keeps what came of it.

A domain is asked through its own engine. A folder in BEIR layout becomes a domain of its own in a scratch place first,
so that its questions go the same way.
"""

import hashlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evaluation import beir
from evaluation.outcome import CitedPlace, Outcome, Ranked, Run, Said, SaidSentence, ShownPassage
from evaluation.questions import GoldQuestion, from_beir, from_domain
from rag.answer import Engine, QuestionFailed
from rag.embed import embedding_fingerprint
from rag.errors import ConfigurationError, LacertaError
from rag.glossary import Glossary
from rag.index import DocumentRecord, Index, Manifest, current_version, domain_index_folder, publish
from rag.keyboard import as_meant
from rag.languages import detect
from rag.models import public_name
from rag.rerank import Reranker, load_reranker
from rag.retrieve import RANKERS, find, ranking, retrieve
from rag.revision import revision
from rag.settings import LANGUAGES, Domain, RetrievalSettings, Settings
from rag.text import flatten, normalise
from rag.types import Answer, Embedder, Hit, Question

ASKED = 10
"""Passages of a ranking: metrics look no further."""
_SCRATCH = "scratch"


def ask_domain(
    engine: Engine, name: str, questions: Sequence[GoldQuestion] | None = None, answers: bool = True, label: str = ""
) -> Run:
    """Asks a domain its own questions, or others; without `answers` passages alone are looked for.

    The run's set is `label`, else that of the domain. Raises ConfigurationError where the questions don't fit the
    index, IndexUnavailable where there is none, LacertaError where it was replaced meanwhile.
    """
    if name not in engine.domains:
        raise ConfigurationError(f"There is no domain {name!r}. Domains: {', '.join(engine.domains) or 'none'}.")
    started, clock = datetime.now(UTC), time.perf_counter()
    domain, settings = engine.domains[name], engine.settings
    index = Index.open(settings, name, embedding_fingerprint(engine.embedder))
    try:
        manifest = index.manifest
        asked = from_domain(domain.folder / "questions.jsonl", manifest) if questions is None else tuple(questions)
        reranker = load_reranker(settings.reranker, settings) if settings.reranker else None
        glossary = Glossary.load(domain.folder / "glossary.csv")
        outcomes = []
        for question in tqdm(asked, desc=label or name, unit="q", leave=False, disable=None):
            rankings, confidence = _rankings(question, index, engine.embedder, glossary, domain, reranker)
            outcome = Outcome(question, rankings, confidence)
            outcomes.append(_answered(engine, name, outcome) if answers else outcome)
    finally:
        index.close()
    if current_version(settings, name) != manifest.version:
        raise LacertaError(f'The index of "{name}" was replaced while it was asked: run the evaluation again.')
    return Run(
        set=label or name,
        outcomes=tuple(outcomes),
        settings=_settings(settings, domain, manifest),
        revision=revision(),
        index_version=manifest.version,
        machine=machine(),
        time=started.isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - clock, 3),
    )


def ask_beir(
    folder: Path,
    settings: Settings,
    limit: int | None = None,
    answers: bool = True,
    retrieval: RetrievalSettings | None = None,
) -> Run:
    """Indexes a folder in BEIR layout in a scratch place and asks at most `limit` of its questions.

    Those that it has no answer to are asked too, where it has any. Raises ConfigurationError for another folder.
    """
    questions = beir.load(folder, limit)
    gold = from_beir(folder, limit, questions)
    with scratch_domain(questions, settings, retrieval or RetrievalSettings(), folder.name) as engine:
        return ask_domain(engine, _SCRATCH, gold, answers, folder.name)


@contextmanager
def scratch_domain(
    questions: beir.QuestionSet, settings: Settings, retrieval: RetrievalSettings, title: str
) -> Iterator[Engine]:
    """An engine over the documents of a set alone, a domain called `scratch`; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="lacerta-evaluation-") as scratch:
        theirs = replace(settings, corpora=Path(scratch) / "corpora", var=Path(scratch) / "var", chroma="")
        theirs.var.mkdir()
        if (settings.var / "models").is_dir():
            # Models are large, and a name of one is looked up there.
            (theirs.var / "models").symlink_to((settings.var / "models").resolve())
        write_domain(theirs.corpora / _SCRATCH, retrieval, title)
        engine = Engine(theirs)
        try:
            version = _version(questions, engine.embedder)
            place = domain_index_folder(theirs, _SCRATCH) / version
            place.mkdir(parents=True)
            index = beir.build(questions, engine.embedder, place)
            index.close()
            documents = tuple(
                DocumentRecord(chunk.id, chunk.source, chunk.title, chunk.language, "text", "", chunk.end, 1, 1)
                for chunk in questions.chunks
            )
            replace(index.manifest, domain=_SCRATCH, version=version, documents=documents).save(place)
            publish(theirs, _SCRATCH, version)
            yield engine
        finally:
            engine.close()


def keep(run: Run, settings: Settings) -> Path:
    """Writes a run to where runs are kept, `var/evaluation/`; the folder that it is in."""
    return run.save(settings.var / "evaluation")


def machine() -> dict[str, Any]:
    """What seconds depend on: system, processor, cores, memory in GB, Python. Not whose it is."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        memory = 0.0
    return {
        "system": platform.platform(),
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "python": platform.python_version(),
    }


def _rankings(
    question: GoldQuestion,
    index: Index,
    embedder: Embedder,
    glossary: Glossary,
    domain: Domain,
    reranker: Reranker | None,
) -> tuple[dict[str, tuple[Ranked, ...]], float]:
    """What each ranker puts first, and how sure it is."""
    text = flatten(normalise(as_meant(question.text)))
    arguments = text, detect(text), index, embedder, glossary, domain.retrieval
    candidates = find(*arguments).candidates
    rankings = {}
    for ranker in RANKERS:
        chunks = index.chunks(ranking(candidates, ranker)[:ASKED])
        rankings[ranker] = tuple(Ranked(chunk.source, chunk.first_page, chunk.last_page) for chunk in chunks)
    shown = retrieve(*arguments, ASKED)
    rankings["fused"] = _ranked(shown.hits)
    if reranker:
        rankings["reranked"] = _ranked(retrieve(*arguments, ASKED, reranker=reranker).hits)
    return rankings, shown.confidence


def _ranked(hits: Sequence[Hit]) -> tuple[Ranked, ...]:
    """The hits as places, each followed by the near-duplicates that it stands for and names."""
    places = []
    for hit in hits:
        places.append(Ranked(hit.chunk.source, hit.chunk.first_page, hit.chunk.last_page))
        places += [Ranked(source) for source in hit.also]
    return tuple(places[:ASKED])


def _answered(engine: Engine, name: str, outcome: Outcome) -> Outcome:
    question = outcome.question
    interface = question.language if question.language in LANGUAGES else "en"
    try:
        answer = engine.ask(Question(question.text, name, interface_language=interface, fresh=True))
    except QuestionFailed as failure:
        return replace(outcome, failure=failure.code)
    confidence = outcome.confidence if answer.courtesy else answer.confidence
    return replace(outcome, confidence=confidence, said=_said(answer))


def _said(answer: Answer) -> Said:
    return Said(
        text=answer.text,
        answered=answer.answerable,
        language=answer.language,
        model=answer.model,
        sentences=tuple(SaidSentence(item.text, item.citations, item.supported) for item in answer.sentences),
        citations=tuple(CitedPlace(item.number, item.chunk.source, item.page, item.quote) for item in answer.citations),
        passages=tuple(_shown(hit) for hit in answer.hits),
        seconds=dict(answer.timings),
        prompt_tokens=answer.usage.prompt_tokens,
        evaluated_tokens=answer.usage.evaluated_tokens,
        completion_tokens=answer.usage.completion_tokens,
        notices=answer.notices,
    )


def _shown(hit: Hit) -> ShownPassage:
    chunk = hit.chunk
    return ShownPassage(
        chunk.source, chunk.title, chunk.first_page, chunk.last_page, chunk.language, float(hit.score), chunk.text
    )


def _settings(settings: Settings, domain: Domain, manifest: Manifest) -> dict[str, Any]:
    """What changes an outcome, without addresses and keys."""
    return {
        "models": [public_name(model) for model in settings.models],
        "embedder": manifest.embedder,
        "reranker": public_name(settings.reranker),
        "splitter": manifest.splitter,
        "documents": len(manifest.documents),
        "chunks": manifest.chunks,
        "glossary": _digest(domain.folder / "glossary.csv"),
        "context_tokens": settings.context_tokens,
        "answer_tokens": settings.answer_tokens,
        **asdict(domain.retrieval),
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else ""


def _version(questions: beir.QuestionSet, embedder: Embedder) -> str:
    """The same for the same documents and embedder, so that runs over them can be compared."""
    digest = hashlib.sha256(embedding_fingerprint(embedder).encode())
    for chunk in questions.chunks:
        digest.update(json.dumps([chunk.id, chunk.title, chunk.text]).encode())
    return digest.hexdigest()[:12]


def write_domain(folder: Path, retrieval: RetrievalSettings, title: str) -> None:
    """Writes the `domain.toml` of a domain in all languages, without examples or glossary; `folder` must be new."""

    def table(name: str, values: Mapping[str, Any]) -> str:
        # A JSON text or list of texts is one of TOML as well.
        return f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())

    texts = dict.fromkeys(LANGUAGES, title)
    parts = [
        f"languages = {json.dumps(LANGUAGES)}\n",
        table("title", texts),
        table("description", texts),
        table("examples", dict.fromkeys(LANGUAGES, [title])),
        table("retrieval", asdict(retrieval)),
        '[[sources]]\nkind = "files"\n',
    ]
    folder.mkdir(parents=True)
    (folder / "domain.toml").write_text("".join(parts), encoding="utf-8")
