"""What makes training rows of the texts that were read: cleaning, checks, alignment. Knows no file and no format."""

import html
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rag.languages import detect
from training.embedder.formats import HEADINGS, Block

Section = tuple[Block | None, list[Block]]
"""A heading, none in front of the first, and the blocks under it."""

LONGEST_TEXT = 1500
LONGEST_HEADING = 200
SHORTEST_SECTION = 60
LONGEST_SECTION = 1000
LONGEST_LINE = 1200
"""Characters."""
# How many times longer one language may be than another before the two can hardly say the same.
_LONGEST_RATIO = 6
_SHORT = 30

_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
# Tags, and what Microsoft's pages add to Markdown: includes, notes, zones.
_MARKUP = re.compile(
    r"<!--.*?-->|</?[A-Za-z][^<>]*>|\[!include[^\]]*\]*(?:\([^)]*\))?|\[!\w+\]|:::\s*\S*", re.IGNORECASE | re.DOTALL
)
_PLACEHOLDER = re.compile(
    r"\{\{[^{}]*\}\}|[%$]?\{[^{}]*\}|%\(\w+\)[a-z]|%(?:\d+\$)?[-+#0]?\d*(?:\.\d+)?[sdifxu@](?![a-z])"
    r"|https?://\S+|[`*~]+|(?<!\w)_+|_+(?!\w)"
)
_HANGUL = re.compile(r"[가-힣]")


def clean(text: str) -> str:
    """The words alone: NFC, no markup, no placeholders, no addresses, single spaces."""
    text = html.unescape(_MARKUP.sub(" ", _LINK.sub(r"\1", text)))
    text = _PLACEHOLDER.sub(" ", unicodedata.normalize("NFC", text))
    text = "".join(" " if unicodedata.category(letter) in ("Cc", "Cf") else letter for letter in text)
    return re.sub(r"\s+([,.;:!?)])(?=\s|$)", r"\1", " ".join(text.split())).strip(" -–|#>[]")


def is_in(language: str, text: str) -> bool:
    """Whether a clean text can be of the language. Short Latin texts are believed: they are names and labels."""
    letters = sum(letter.isalpha() for letter in text)
    if language == "ko":
        return bool(_HANGUL.search(text)) and detect(text) == "ko"
    latin = sum(letter.isalpha() and unicodedata.name(letter, "").startswith("LATIN") for letter in text)
    return letters > 1 and latin >= 0.9 * letters and (letters < _SHORT or detect(text) == language)


def pair(row: Mapping[str, str], may_define: bool = False) -> dict[str, str]:
    """The languages of a row that can be trained on, at least two of them, or nothing.

    Dropped: what is empty, too long or in another language; a translation that is the same string as what stands in
    front of it (it was not translated); rows whose lengths are too far apart, unless one side may define the other.
    """
    kept: dict[str, str] = {}
    for language, raw in row.items():
        text = clean(raw)
        known = {other.casefold() for other in kept.values()}
        if 0 < len(text) <= LONGEST_TEXT and text.casefold() not in known and is_in(language, text):
            kept[language] = text
    lengths = sorted(map(len, kept.values()))
    apart = len(kept) > 1 and lengths[-1] > max(_SHORT, _LONGEST_RATIO * lengths[0])
    if len(kept) < 2 or (apart and not may_define):
        return {}
    return kept


def section(row: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """The languages of a section whose text is long enough to be a passage, cut at a word."""
    kept: dict[str, tuple[str, str]] = {}
    for language, (raw_heading, raw_text) in row.items():
        heading, text = clean(raw_heading), clean(raw_text)
        if len(text) > LONGEST_SECTION:
            text = text[:LONGEST_SECTION].rsplit(" ", 1)[0]
        if 0 < len(heading) <= LONGEST_HEADING and len(text) >= SHORTEST_SECTION and is_in(language, text):
            kept[language] = (heading, text)
    return kept


def lines(texts: Iterable[str]) -> Iterator[str]:
    """English lines worth a vector: at least three words."""
    for raw in texts:
        text = clean(raw)
        if len(text.split()) > 2 and len(text) <= LONGEST_LINE and is_in("en", text):
            yield text


def align(
    pages: Mapping[str, Sequence[Block]],
) -> tuple[list[dict[str, str]], list[dict[str, tuple[str, str]]]]:
    """The texts that say the same in the languages of a page, and its (heading, text) sections.

    Pages whose headings have the same levels in the same order are taken section by section: the headings are
    translations of each other, and so are the blocks of a section where their kinds are the same in the same order.
    A page that agrees with no other still gives its sections.
    """
    pairs: list[dict[str, str]] = []
    sections: list[dict[str, tuple[str, str]]] = []
    for language, blocks in pages.items():
        for (kind, slug), (_, heading) in zip(blocks, blocks[1:], strict=False):
            if kind == "anchor" and language != "en" and "en" not in pages:
                pairs.append({"en": slug, language: heading})
    parts = {language: _by_heading(blocks) for language, blocks in pages.items()}
    for group in _alike(parts, lambda page: tuple(section[0][0] if section[0] else "" for section in page)):
        for row in zip(*group.values(), strict=True):
            by_language: dict[str, Section] = dict(zip(group, row, strict=True))
            headings = {language: section[0][1] for language, section in by_language.items() if section[0]}
            bodies = {language: section[1] for language, section in by_language.items()}
            pairs.append(headings)
            for same in _alike(bodies, lambda body: tuple(kind for kind, _ in body)):
                for blocks_row in zip(*same.values(), strict=True):
                    pairs.append({language: text for language, (_, text) in zip(same, blocks_row, strict=True)})
            sections.append(
                {
                    language: (heading, " ".join(text for _, text in bodies[language]))
                    for language, heading in headings.items()
                }
            )
    return [row for row in pairs if len(row) > 1], [row for row in sections if row]


def _by_heading(blocks: Sequence[Block]) -> list[Section]:
    sections: list[Section] = []
    written = [block for block in blocks if block[0] != "anchor"]
    for is_heading, run in groupby(written, lambda block: block[0] in HEADINGS):
        if is_heading:
            sections += [(heading, []) for heading in run]
        else:
            sections = sections or [(None, [])]
            sections[-1][1].extend(run)
    return sections


def _alike(values: Mapping[str, Any], shape: Callable[[Any], Any]) -> Iterator[dict[str, Any]]:
    groups: dict[Any, dict[str, Any]] = defaultdict(dict)
    for language, value in values.items():
        groups[shape(value)][language] = value
    yield from groups.values()
