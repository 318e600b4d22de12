"""What is said where the documents hold no answer: what was searched, what comes nearest, whom to ask."""

from collections.abc import Sequence

from rag.plain import plain
from rag.prompt.templates import Prompts
from rag.settings import Domain
from rag.text import flatten
from rag.types import Hit

_NEAREST = 3
_TITLE_CHARACTERS = 80


def refusal(domain: Domain, prompts: Prompts, documents: int, hits: Sequence[Hit], own: bool = False) -> str:
    """The refusal: what was searched, the documents that come nearest, and whom to ask.

    `own` tells that documents of the visitor's own were searched too.
    """
    title = domain.title[prompts.language]
    searched = prompts.message("refusal_documents", count=documents)
    parts = [prompts.message("refusal_own" if own else "refusal", domain=title, documents=searched)]
    titles = list(dict.fromkeys(_short(hit.chunk.title) for hit in hits))[:_NEAREST]
    if titles:
        parts.append(prompts.message("refusal_nearest", titles="; ".join(titles)))
    contact = domain.contact.get(prompts.language)
    if contact:
        # A domain may give a name and an address, or a whole sentence of its own.
        parts.append(contact if contact.endswith(".") else prompts.message("refusal_contact", contact=contact))
    return " ".join(parts)


def _short(title: str) -> str:
    title = plain(flatten(title))
    return title if len(title) <= _TITLE_CHARACTERS else title[:_TITLE_CHARACTERS].rsplit(" ", 1)[0] + " …"
