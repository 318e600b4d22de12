"""The plain text that a wiki gives of a page, as sections. Knows nothing of how it is asked for."""

import re
from collections.abc import Sequence

from ingest.connectors.store import Section
from rag.text import flatten, normalise

# Bounded, so that a long line of spaces or signs is no work.
_HEADING = re.compile(r"^(={2,6})([^\n]{1,300}?)\1[ \t]*$", re.MULTILINE)
_FORMULA = "{\\displaystyle"
_AFTER_FORMULA = re.compile(r"[ \t]*(?:\n[ \t]+(?=\n))?\n?")
_APPARATUS = frozenset(
    # Lists of links and of sources, which answer no question.
    "references|notes|footnotes|citations|sources|external links|see also|further reading|bibliography|gallery"
    "|jegyzetek|források|további információk|külső hivatkozások|kapcsolódó szócikkek|lásd még|irodalom|galéria"
    "|각주|주석|외부 링크|같이 보기|참고 문헌|참고문헌|출처|갤러리".split("|")
)


def read_sections(extract: str) -> tuple[Section, ...]:
    """The parts of a page's plain text with `== headings ==`, in reading order; the first has no heading.

    Lists of links and sources are left out, and headings that no text follows.
    """
    text = _with_formulas(extract)
    marks = list(_HEADING.finditer(text))
    starts = [0, *(mark.end() for mark in marks)]
    ends = [*(mark.start() for mark in marks), len(text)]
    sections: list[Section] = []
    left_out = 0
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        heading, level = (flatten(normalise(marks[place - 1][2])), len(marks[place - 1][1])) if place else ("", 2)
        if left_out and place and level > left_out:
            continue
        left_out = level if heading.lower() in _APPARATUS else 0
        if not left_out:
            lines = normalise(text[start:end]).split("\n")
            sections.append(Section(heading, "\n\n".join(line for line in lines if line), level))
    return _with_text(sections)


def _with_text(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Without those that have no text of their own nor below them."""
    kept: list[Section] = []
    for section in reversed(sections):
        if section.text or (section.heading and kept and kept[-1].level > section.level):
            kept.append(section)
    return tuple(reversed(kept))


def _with_formulas(text: str) -> str:
    """Each formula once, as TeX: extracts also have its signs, a line each, in indented lines before it."""
    parts: list[str] = []
    place = 0
    while (start := text.find(_FORMULA, place)) >= 0:
        depth, end = 0, start
        while end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
            if depth == 0:
                break
        before = text[place:start].split("\n")
        while len(before) > 1 and (not before[-1].strip() or before[-1].startswith("  ")):
            before.pop()
        formula = flatten(text[start + len(_FORMULA) : end - 1])
        parts.append("\n".join(before).rstrip() + f" {formula} ")
        rest = _AFTER_FORMULA.match(text, end)
        place = rest.end() if rest else end
    return "".join(parts) + text[place:]
