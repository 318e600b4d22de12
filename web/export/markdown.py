"""Answers as Markdown (CommonMark): question, text with its citation marks, references with quotes.

Everything untrusted is escaped: no raw HTML, no pictures, and no links but those to the documents.
"""

import re
from collections.abc import Iterator, Mapping
from html import escape as escape_html

from rag.text import visible
from web.conversation import Conversation, Exchange
from web.export.references import Cited, Documents, cited, line
from web.export.wording import About, about_facts, answer_facts, ended, reference_facts, unanswered
from web.filtered import filter_words
from web.markup import BOLD, answer_blocks

_MARK = re.compile(r"\[(\d{1,3}|\?)\]")
# Pandoc and GitHub read more than CommonMark: tables, formulas, commands of TeX, footnotes, attributes, mentions.
_SPECIAL = re.compile(r"[\\`*_{}\[\]|~$^@#]")
# What would become an address or an emoji by itself.
_ADDRESS = re.compile(r":(?=[^\s\d])|(?<=\w)\.(?=[^\W\d])")
_NUMBERED = re.compile(r"(\d{1,9})([.)])(?=\s|$)")


def markdown(
    conversation: Conversation,
    documents: Documents,
    about: About,
    texts: Mapping[str, str],
    accessed: str = "",
) -> str:
    """The exchanges as a Markdown file; for one answer, give that exchange alone.

    `documents` are those that are cited by id, `texts` the strings of the interface (see `wording`), `accessed` as of
    `reference_of`.
    """
    title = escape(texts["export_title"].format(domain=line(about.domain)))
    parts = [f"# {title}"]
    for exchange in conversation:
        found = cited(exchange.answer, documents, accessed) if exchange.answer else ()
        parts += _exchange(exchange, found, texts)
    parts += ["---", _listed(about_facts(about, texts))]
    return "\n\n".join(filter(None, parts)) + "\n"


def escape(text: str) -> str:
    """Untrusted text in one line, which Markdown shows as it is, wherever in a line it stands."""
    text = line(text, None)
    written = _ADDRESS.sub(r"\\\g<0>", _SPECIAL.sub(r"\\\g<0>", escape_html(text, quote=False)))
    if written[:1] in tuple("-+=:%"):
        return f"\\{written}"
    return _NUMBERED.sub(r"\1\\\2", written, count=1) if _NUMBERED.match(written) else written


def _exchange(exchange: Exchange, found: tuple[Cited, ...], texts: Mapping[str, str]) -> Iterator[str]:
    yield f"## {escape(texts['export_question'])}"
    yield _quoted(exchange.question)
    if exchange.searched:
        yield f"{escape(texts['searched'])} {escape(exchange.searched)}"
    if words := filter_words(exchange.filters, texts):
        yield escape(texts["export_filters"].format(filters=words))
    yield f"## {escape(texts['export_answer'])}"
    yield from _text(exchange.text, {item.number for item in found})
    yield escape(unanswered(exchange, texts))
    if exchange.answer:
        # No list: it would go on with one that the answer ends with.
        yield escape(" ".join(map(ended, answer_facts(exchange.answer, texts))))
        yield f"## {escape(texts['export_references'])}"
        for item in found:
            yield from _reference(item, texts)
        if not found:
            yield escape(texts["export_none"])


def _text(text: str, numbers: set[int]) -> Iterator[str]:
    for kind, lines in answer_blocks(visible(text)):
        written = [_inline(item, numbers) for item in lines]
        if kind == "p":
            yield "\\\n".join(filter(None, written))
        else:
            yield "\n".join(f"{f'{place}.' if kind == 'ol' else '-'} {item}" for place, item in enumerate(written, 1))


def _inline(text: str, numbers: set[int]) -> str:
    """A line of an answer; bold and the marks of its own citations stay."""
    parts = BOLD.split(text)
    written = "".join(
        f"**{_marked(part, numbers)}**" if place % 2 else _marked(part, numbers) for place, part in enumerate(parts)
    )
    return written.strip()


def _marked(text: str, numbers: set[int]) -> str:
    written = ""
    for place, part in enumerate(_MARK.split(text)):
        if place % 2:
            own = part == "?" or int(part) in numbers
            # An exclamation mark before it would ask for a picture.
            written = written[:-1] + "\\!" if written.endswith("!") else written
            written += f"[{part}]" if own else f"\\[{part}\\]"
        else:
            # Behind a mark a bracket would make a link of it; a colon that begins a part is escaped anyway.
            written += ("\\" if written and part.startswith("(") else "") + _spaced(part)
    return written


def _spaced(text: str) -> str:
    """The escaped text with the spaces around it."""
    if not text.strip():
        return " " if text else ""
    return (" " if text[0].isspace() else "") + escape(text) + (" " if text[-1].isspace() else "")


def _reference(item: Cited, texts: Mapping[str, str]) -> Iterator[str]:
    reference = item.reference
    facts = escape(" ".join(map(ended, reference_facts(reference, texts))))
    link = f"<{reference.link}>" if reference.link else ""
    yield " ".join(filter(None, (f"[{item.number}] **{escape(reference.title)}**", facts, link)))
    yield from map(_quoted, item.quotes)


def _quoted(text: str) -> str:
    return "\n".join(f"> {escape(part)}" if part.strip() else ">" for part in visible(text).strip().split("\n"))


def _listed(facts: list[str]) -> str:
    return "\n".join(f"- {escape(fact)}" for fact in facts)
