"""Whose documents of their own those of a conversation are, as everything that serves the page sees it."""

import re
from collections.abc import Iterable
from pathlib import Path

from rag.settings import LANGUAGES, Domain, PublishSettings
from rag.visits import IDENTIFIER, place_of
from web.access.caller import Caller

DOMAIN = "own:"
"""Before the name of a visit, where its documents are shown as those of a domain are."""
_DOMAIN = re.compile(rf"{DOMAIN}({IDENTIFIER.pattern})")


def own_place(identifier: str, caller: Caller) -> str:
    """Where the documents of a visit are for whoever asks; with a login its visits are its own."""
    return place_of(identifier, caller.account if caller.kind == "login" else "")


def own_places(identifiers: Iterable[str], caller: Caller) -> tuple[str, ...]:
    """The same of several."""
    return tuple(own_place(identifier, caller) for identifier in identifiers)


def visit_of(domain: str) -> str:
    """The name of the visit that a domain's name stands for, empty for that of a domain."""
    match = _DOMAIN.fullmatch(domain)
    return match[1] if match else ""


def own_domain(name: str, folder: Path) -> Domain:
    """A visit's documents in `folder` as a domain is shown: whoever sees them may open their own files."""
    nothing = dict.fromkeys(LANGUAGES, "")
    return Domain(
        name=name, folder=folder, languages=LANGUAGES, title=nothing, description=nothing,
        examples=dict.fromkeys(LANGUAGES, ()), sources=(), publish=PublishSettings(files=True), private=True,
    )  # fmt: skip
