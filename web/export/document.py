"""Answers as one self-contained HTML page made for print, or for saving as PDF from a browser.

No script, no picture, nothing remote; a content security policy in the page holds it to that. All text is escaped.
"""

import base64
import hashlib
from collections.abc import Mapping
from html import escape as escape_html

from rag.text import visible
from rag.types import UNSUPPORTED
from web.conversation import Conversation, Exchange
from web.export.references import Cited, Documents, cited, line
from web.export.wording import About, about_facts, answer_facts, ended, reference_facts, unanswered
from web.filtered import filter_words
from web.markup import answer_html

_STYLE = """
@page { size: A4; margin: 20mm 18mm 22mm;
  @bottom-center { content: counter(page) " / " counter(pages); font-size: 9pt } }
:root { color-scheme: light }
body { max-width: 42rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff;
  font: 11pt/1.5 "Noto Serif", "Noto Serif KR", "Noto Serif CJK KR", "Source Serif 4", Georgia, "Nanum Myeongjo", serif;
  overflow-wrap: anywhere; word-break: keep-all; hyphens: auto }
h1 { font-size: 1.4em; line-height: 1.25 }
h2 { font-size: 1.2em; margin: 1.6em 0 .4em }
h3 { font-size: 1em; margin: 1.4em 0 .4em }
h1, h2, h3 { break-after: avoid; hyphens: manual }
p, li, blockquote { orphans: 3; widows: 3 }
a { color: #0b4f8a }
.exchange + .exchange { border-top: 1px solid #999; margin-top: 2em }
.references { list-style: none; padding: 0 }
.references li { margin: 0 0 1em; padding-left: 2.4em; break-inside: avoid }
.references .number { float: left; margin-left: -2.4em }
blockquote { margin: .4em 0 .4em 0; padding-left: .8em; border-left: 2px solid #999; color: #333; font-size: .95em }
.references cite { display: block; font-style: normal; font-weight: 600 }
.facts { font-size: .9em; color: #444 }
.unsupported { color: #a02000; font-weight: bold }
footer ul { padding-left: 1.2em }
footer { margin-top: 2.5em; border-top: 1px solid #999; font-size: .9em; color: #444; break-inside: avoid }
@media print { body { max-width: none; margin: 0; padding: 0 } a { color: inherit; text-decoration: none } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
_TITLE_CHARACTERS = 120


def document(
    conversation: Conversation,
    documents: Documents,
    about: About,
    texts: Mapping[str, str],
    accessed: str = "",
) -> str:
    """The exchanges as an HTML page; for one answer, give that exchange alone. Parameters as of `markdown`."""
    title = texts["export_title"].format(domain=line(about.domain))
    first = line(conversation[0].question)[:_TITLE_CHARACTERS] if conversation else ""
    exchanges = "".join(
        _exchange(exchange, cited(exchange.answer, documents, accessed) if exchange.answer else (), texts)
        for exchange in conversation
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(about.language)}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # The name that browsers propose for the file.
        f"<title>{escape(first or title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{exchanges}</main>"
        f"<footer>{_listed(about_facts(about, texts))}</footer></body></html>\n"
    )


def escape(text: str) -> str:
    """Untrusted text as HTML, without anything invisible; spaces and line breaks as they are."""
    return escape_html(visible(text))


def _exchange(exchange: Exchange, found: tuple[Cited, ...], texts: Mapping[str, str]) -> str:
    question = escape(exchange.question.strip()).replace("\n", "<br>")
    searched = f"<p>{escape(texts['searched'])} {escape(exchange.searched)}</p>" if exchange.searched else ""
    words = filter_words(exchange.filters, texts)
    filtered = f"<p>{escape(texts['export_filters'].format(filters=words))}</p>" if words else ""
    return (
        f'<section class="exchange"><h2>{question}</h2>{searched}{filtered}'
        f"{_answer(exchange, found, texts)}{_references(exchange, found, texts)}</section>"
    )


def _answer(exchange: Exchange, found: tuple[Cited, ...], texts: Mapping[str, str]) -> str:
    numbers = {item.number for item in found}

    def link(number: int) -> str | None:
        return f'<a href="#{_anchor(exchange, number)}">[{number}]</a>' if number in numbers else None

    mark = f'<span class="unsupported">{UNSUPPORTED}</span>'
    text = answer_html(visible(exchange.text), link).replace(UNSUPPORTED, mark)
    language = f' lang="{escape(exchange.answer.language)}"' if exchange.answer else ""
    reason = unanswered(exchange, texts)
    facts = answer_facts(exchange.answer, texts) if exchange.answer else []
    return (
        f"<h3>{escape(texts['export_answer'])}</h3><div{language}>{text}</div>"
        + (f"<p>{escape(reason)}</p>" if reason else "")
        + (f'<p class="facts">{escape(" ".join(map(ended, facts)))}</p>' if facts else "")
    )


def _references(exchange: Exchange, found: tuple[Cited, ...], texts: Mapping[str, str]) -> str:
    if not exchange.answer:
        return ""
    heading = f"<h3>{escape(texts['export_references'])}</h3>"
    if not found:
        return f"{heading}<p>{escape(texts['export_none'])}</p>"
    entries = "".join(_reference(exchange, item, texts) for item in found)
    return f'{heading}<ol class="references">{entries}</ol>'


def _reference(exchange: Exchange, item: Cited, texts: Mapping[str, str]) -> str:
    reference = item.reference
    language = f' lang="{escape(reference.language)}"' if reference.language else ""
    facts = "".join(f" {escape(ended(fact))}" for fact in reference_facts(reference, texts))
    address = escape(reference.link)
    link = f' <a href="{address}" rel="noopener noreferrer">{address}</a>' if address else ""
    quotes = "".join(f"<blockquote{language}>{escape(quote)}</blockquote>" for quote in item.quotes)
    return (
        f'<li id="{_anchor(exchange, item.number)}"><span class="number">[{item.number}]</span>'
        f"<cite{language}>{escape(reference.title)}</cite>{facts}{link}{quotes}</li>"
    )


def _anchor(exchange: Exchange, number: int) -> str:
    return f"reference-{exchange.number}-{number}"


def _listed(facts: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(fact)}</li>' for fact in facts)}</ul>"
