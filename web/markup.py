"""Untrusted text as safe HTML: everything is escaped, and only the marks listed here become elements.

Knows paragraphs, lists, bold and citations. There are no links but those to cited passages, no pictures, no raw HTML.
"""

import re
from collections.abc import Callable
from html import escape

_CITATION = re.compile(r"\[(\d{1,3})\]")
BOLD = re.compile(r"\*\*(?=\S)(.{1,1000}?)(?<=\S)\*\*")
_LIST_MARK = re.compile(r"\s*(?:[-*•]|(\d{1,3})[.)])\s+(?=\S)")


def answer_blocks(text: str) -> list[tuple[str, list[str]]]:
    """The paragraphs and lists of an answer, as `(p, ul or ol, lines or items)`, their words as they are."""
    blocks: list[tuple[str, list[str]]] = []
    for line in text.strip().split("\n"):
        mark = _LIST_MARK.match(line)
        kind = "p" if not mark else "ol" if mark[1] else "ul"
        if not line.strip():
            blocks.append(("", []))
        elif kind != "p" and mark:
            if not blocks or blocks[-1][0] != kind:
                blocks.append((kind, []))
            blocks[-1][1].append(line[mark.end() :])
        else:
            if not blocks or blocks[-1][0] != "p":
                blocks.append(("p", []))
            blocks[-1][1].append(line)
    return [block for block in blocks if block[0]]


def answer_html(text: str, link: Callable[[int], str | None]) -> str:
    """An answer's text as HTML. `link(number)` is the HTML of a citation, or None where there is no such source."""
    parts = []
    for kind, lines in answer_blocks(text):
        inline = [_inline(line, link) for line in lines]
        if kind == "p":
            parts.append(f"<p>{'<br>'.join(inline)}</p>")
        else:
            parts.append(f"<{kind}>{''.join(f'<li>{item}</li>' for item in inline)}</{kind}>")
    return "".join(parts)


def _inline(line: str, link: Callable[[int], str | None]) -> str:
    def citation(match: re.Match[str]) -> str:
        return link(int(match[1])) or match[0]

    # Neither pattern holds a character that escaping changes, so the marks may be put in after it.
    return BOLD.sub(r"<strong>\1</strong>", _CITATION.sub(citation, escape(line)))


def plain_html(text: str) -> str:
    """Text as HTML with its line breaks kept."""
    return escape(text.strip()).replace("\n", "<br>")
