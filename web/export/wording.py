"""What an exported answer says of itself and of its references, in the language of the interface. Knows no format.

Of the table of strings it needs `page`, `searched`, `stopped`, `confidence` with its words, `answered_by`,
`extractive`, and the keys that begin with `export_`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from rag.types import Answer
from web.conversation import Exchange
from web.export.references import Reference, line
from web.why import level

_SHOWN_AUTHORS = 10


@dataclass(frozen=True, slots=True)
class About:
    """What is known beside the answers: the domain's title, the index version, and the day of the export.

    `language` is that of the interface, whose strings are given as `texts`.
    """

    domain: str
    index_version: str
    exported: date
    language: str


def date_words(iso: str, texts: Mapping[str, str]) -> str:
    """A date of ISO 8601, as exact as it is, as one writes it in the language of the texts."""
    year, month, day = [*iso.split("-"), "", ""][:3]
    if not month:
        return year
    name = texts["export_months"].split()[int(month) - 1]
    if not day:
        return texts["export_month"].format(year=year, month=name)
    return texts["export_date"].format(year=year, month=name, day=int(day))


def answer_facts(answer: Answer, texts: Mapping[str, str]) -> list[str]:
    """Confidence in words, what wrote it, and its notices."""
    facts = []
    if answer.answerable and not answer.courtesy:
        word = texts[f"confidence_{level(answer.confidence)}"]
        facts.append(texts["confidence"].format(level=word))
        by_model = texts["answered_by"].format(model=line(answer.model))
        facts.append(texts["extractive"] if answer.model == "extractive" else by_model)
    if answer.unsupported:
        facts.append(texts["export_unsupported"])
    return facts + [line(notice) for notice in answer.notices]


def unanswered(exchange: Exchange, texts: Mapping[str, str]) -> str:
    """Why a question has no answer; empty where it has one."""
    return "" if exchange.answer else line(exchange.failure) or texts["stopped"]


def about_facts(about: About, texts: Mapping[str, str]) -> list[str]:
    """Where the answers are from, and when they were exported."""
    facts = [texts["export_domain"].format(domain=line(about.domain))]
    if about.index_version:
        facts.append(texts["export_index"].format(version=line(about.index_version)))
    return [*facts, texts["export_exported"].format(date=date_words(about.exported.isoformat(), texts))]


def reference_facts(reference: Reference, texts: Mapping[str, str]) -> list[str]:
    """What is known of a document beside title and link: authors, date, place of publication, numbers, cited pages."""
    names = [author.name for author in reference.authors]
    authors = ", ".join(names[:_SHOWN_AUTHORS])
    facts = [
        texts["export_more_authors"].format(names=authors) if len(names) > _SHOWN_AUTHORS else authors,
        date_words(reference.date, texts),
        reference.journal,
        "" if reference.arxiv and reference.publisher == "arXiv" else reference.publisher,
        reference.report,
        f"arXiv:{reference.arxiv}" if reference.arxiv else "",
        f"DOI: {reference.doi}" if reference.doi else "",
        # A file without an address is found by its name alone.
        "" if reference.link else texts["export_file"].format(source=reference.source),
        texts["page"].format(page=", ".join(map(str, reference.pages))) if reference.pages else "",
        texts["export_accessed"].format(date=date_words(reference.accessed, texts)) if reference.accessed else "",
    ]
    return list(dict.fromkeys(filter(None, facts)))


def ended(fact: str) -> str:
    """A fact with a full stop, unless a stop ends it already, as it does Hungarian dates."""
    return fact if fact.endswith((".", "?", "!", "…")) else f"{fact}."
