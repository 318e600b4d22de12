"""Every word of the interface, from one table of strings a language. Knows nothing of the page's layout."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from rag.settings import LANGUAGES

LANGUAGE_COOKIE = "lacerta_language"
"""Holds the interface's language that a visitor chose."""
TRANSLATIONS = Path(__file__).parent / "translations"


@cache
def texts(language: str) -> Mapping[str, str]:
    """The strings of an interface language, one of `LANGUAGES`."""
    return tomllib.loads((TRANSLATIONS / f"{language}.toml").read_text(encoding="utf-8"))


def preferred_language(accept_language: str) -> str:
    """The language of ours that an `Accept-Language` header (RFC 9110, section 12.5.4) ranks highest, else English."""
    weighted: list[tuple[float, str]] = []
    for part in accept_language.split(","):
        tag, _, parameter = part.partition(";")
        name, _, weight = parameter.partition("=")
        try:
            quality = float(weight) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        weighted.append((quality, tag.strip().split("-")[0].lower()))
    # A stable sort keeps the header's own order among equal weights.
    for quality, language in sorted(weighted, key=lambda entry: -entry[0]):
        if quality > 0 and language in LANGUAGES:
            return language
    return "en"
