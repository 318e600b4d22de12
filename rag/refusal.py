"""What is said where the documents hold no answer, and how a model that says so in its own words is recognised."""

import re
from collections.abc import Sequence

from rag.plain import plain
from rag.prompt.templates import Prompts
from rag.settings import Domain
from rag.text import flatten, sentence_spans
from rag.types import Hit
from rag.untrusted import NO_ANSWER

_NEAREST = 3
_TITLE_CHARACTERS = 80
# A reply that begins like this says that there is none, whatever explanation follows.
_BEGINS = re.compile(rf"[\W_]{{0,10}}{NO_ANSWER}\b", re.IGNORECASE)
_LATER = re.compile(rf"\s{{0,20}}[\"'*_`(\[]{{0,10}}\b{NO_ANSWER}\b[\"'*_`)\].]{{0,10}}")
_CITED = re.compile(r"[\[【]\s*\d")
# At most so many sentences are a reply of the kind "The passages do not say that."
_SENTENCES = 2
_DECLINES = {
    "en": re.compile(
        r"\b(?:passages?|documents?|text|sources?|context|information)\b[^.]{0,60}\b(?:(?:do|does|did|is|are|was|were|can)"
        r"(?:\s+not|n['’]t)|cannot|no)\b[^.]{0,40}\b(?:contain|mention|state|say|provide|include|give|answer|specif\w+|"
        r"information|discuss\w*|address\w*|available|found|cover)"
        r"|\b(?:no|not enough) (?:information|answer|mention)\b[^.]{0,60}"
        r"\b(?:passages?|documents?|text|sources?|context)"
        r"|\b(?:not|n['’]t) (?:mentioned|stated|given|found|specified|contained|provided)\b[^.]{0,40}"
        r"\b(?:passages?|documents?|text|sources?|context)",
        re.IGNORECASE,
    ),
    "hu": re.compile(
        r"\b(?:szövegrész\w*|dokumentum\w*|szöveg\w*|forrás\w*|anyag\w*)\b[^.]{0,60}\b(?:nem|nincs\w*|sem)\b[^.]{0,40}"
        r"(?:tartalmaz|szerepel|található|említ|derül|ad|adnak|válasz|információ|közöl|írj|esik)\w*"
        r"|\b(?:nem|nincs)\b[^.]{0,40}"
        r"\b(?:tartalmaz\w*|szerepel\w*|található\w*|derül ki|említ\w*|információ\w*|válasz\w*)\b[^.]{0,60}"
        r"\b(?:szövegrész\w*|dokumentum\w*|szöveg\w*|forrás\w*|anyag\w*)",
        re.IGNORECASE,
    ),
    "ko": re.compile(
        r"(?:발췌문|문서|본문|자료|출처|지문)[^.]{0,60}"
        r"(?:없습니다|없다|없음|않습니다|않았습니다|않다|찾을 수 없|알 수 없|언급되지|나와 있지|포함되어 있지|제공되지)"
    ),
}


def refusal(domain: Domain, prompts: Prompts, documents: int, hits: Sequence[Hit]) -> str:
    """The refusal: what was searched, the documents that come nearest, and whom to ask."""
    title = domain.title[prompts.language]
    parts = [prompts.message("refusal", domain=title, documents=prompts.message("refusal_documents", count=documents))]
    titles = list(dict.fromkeys(_short(hit.chunk.title) for hit in hits))[:_NEAREST]
    if titles:
        parts.append(prompts.message("refusal_nearest", titles="; ".join(titles)))
    contact = domain.contact.get(prompts.language)
    if contact:
        # A domain may give a name and an address, or a whole sentence of its own.
        parts.append(contact if contact.endswith(".") else prompts.message("refusal_contact", contact=contact))
    return " ".join(parts)


def declines(text: str, language: str) -> bool:
    """Whether a model's reply says that the passages hold no answer: by the agreed word, or in a sentence or two."""
    if _BEGINS.match(text):
        return True
    plain = flatten(_LATER.sub("", text))
    if not plain:
        return bool(text.strip())
    if _CITED.search(plain):
        # "The documents do not include a contract [2]." is an answer.
        return False
    spans = sentence_spans(plain)
    pattern = _DECLINES.get(language)
    return bool(pattern and len(spans) <= _SENTENCES and pattern.search(plain[slice(*spans[0])]))


def without_the_word(text: str) -> str:
    """An answer without the agreed word for none, which has no place behind an answer."""
    return _LATER.sub("", text)


def _short(title: str) -> str:
    title = plain(flatten(title))
    return title if len(title) <= _TITLE_CHARACTERS else title[:_TITLE_CHARACTERS].rsplit(" ", 1)[0] + " …"
