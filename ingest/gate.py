"""Whether a new version may be published: it has to find the documents that the domain's own questions ask for."""

from collections.abc import Sequence

from rag.errors import ConfigurationError, LacertaError
from rag.glossary import Glossary
from rag.index import Index
from rag.languages import detect
from rag.questions import ASKED, PASSAGES, LabelledQuestion, document_names, found_at, load_questions
from rag.rerank import load_reranker
from rag.retrieve import retrieve
from rag.settings import Domain, Settings
from rag.text import normalise
from rag.types import Embedder

_NAMED = 3


class GateRefused(LacertaError):
    """A version finds too few of the documents that its domain's questions ask for."""


def recall(index: Index, domain: Domain, settings: Settings, embedder: Embedder) -> float | None:
    """The share, in [0, 1], of the answerable questions with a labelled document among the first `PASSAGES` passages.

    `index` need not be published. None where the domain has no answerable questions. Raises ConfigurationError for a
    wrong line in `questions.jsonl` or `glossary.csv`.
    """
    questions = _answerable(domain)
    if not questions:
        return None
    return 1 - len(_missed(questions, index, domain, settings, embedder)) / len(questions)


def check(index: Index, domain: Domain, settings: Settings, embedder: Embedder) -> None:
    """Raises GateRefused where a version stays below `[publish] min_recall`, ConfigurationError without questions."""
    least = domain.publish.min_recall
    if not least:
        return
    questions = _answerable(domain)
    if not questions:
        raise ConfigurationError(
            f"{domain.folder / 'domain.toml'}: publish.min_recall is {least:g}, but {domain.folder / 'questions.jsonl'}"
            " has no answerable question to measure it with: write some, or remove min_recall."
        )
    missed = _missed(questions, index, domain, settings, embedder)
    found = len(questions) - len(missed)
    if found / len(questions) < least:
        named = "; ".join(f"{item.id}: {item.question}" for item in missed[:_NAMED])
        more = f"; and {len(missed) - _NAMED} more" if len(missed) > _NAMED else ""
        raise GateRefused(
            f'The new version of "{domain.name}" finds the document of {found} of {len(questions)} questions'
            f" ({found / len(questions):.1%}) among the first {PASSAGES} passages, publish.min_recall asks for"
            f" {least:.1%}. It is not published; the version before goes on serving. Not found: {named}{more}."
            " See which documents changed (--dry-run) and mend them or the questions, lower min_recall, or publish it"
            f" all the same: python -m ingest {domain.name} --force."
        )


def _answerable(domain: Domain) -> list[LabelledQuestion]:
    path = domain.folder / "questions.jsonl"
    return [item for item in load_questions(path) if item.sources] if path.is_file() else []


def _missed(
    questions: Sequence[LabelledQuestion], index: Index, domain: Domain, settings: Settings, embedder: Embedder
) -> list[LabelledQuestion]:
    """The questions whose documents are not found, asked as `make eval` asks them."""
    glossary = Glossary.load(domain.folder / "glossary.csv")
    reranker = load_reranker(settings.reranker, settings)
    names = document_names(index.manifest.documents)
    missed = []
    for item in questions:
        text = normalise(item.question)
        found = retrieve(text, detect(text), index, embedder, glossary, domain.retrieval, ASKED, reranker=reranker)
        place = found_at([hit.chunk for hit in found.hits[:PASSAGES]], item.sources, False, names)
        if place is None:
            missed.append(item)
    return missed
