"""The top of the page as HTML: the name, the languages, who is logged in, and the notice of the chosen domain."""

from html import escape
from urllib.parse import quote

from rag.settings import LANGUAGES, Domain
from web.texts import texts
from web.theme import switch_html


def header_html(
    language: str, domain: str, visitor: str = "", can_leave: bool = False, maintainer: bool = False
) -> str:
    """Name, tagline and the language switch, which keeps the chosen domain; whoever is logged in, and the way out.

    A `maintainer` is shown the way to the page for that.
    """
    strings = texts(language)
    links = "".join(
        f'<a href="/?language={code}&amp;domain={escape(quote(domain))}" lang="{code}" hreflang="{code}"'
        f"{' aria-current=true' if code == language else ''}><span>{escape(texts(code)['language'])}</span></a>"
        for code in LANGUAGES
    )
    leave = (
        f'<form method="post" action="/logout?next=/{language}/"><button>{escape(strings["log_out"])}</button></form>'
        if can_leave
        else ""
    )
    title = escape(strings["maintain_title"])
    maintained = f'<a href="/maintain?language={language}">{title}</a>' if maintainer else ""
    who = f'<div class="visitor">{maintained}<span>{escape(visitor)}</span>{leave}</div>' if visitor else ""
    return (
        '<div class="top"><div class="brand"><img src="/static/lizard.svg" alt="" width="40" height="40">'
        f'<div><h1>Lacerta</h1><p>{escape(strings["tagline"])}</p></div></div><div class="own">'
        f'<div id="tools">{switch_html(strings)}</div>'
        f'<nav class="languages" aria-label="{escape(strings["interface_language"])}">{links}</nav>{who}</div></div>'
    )


def notice_html(domain: Domain, language: str) -> str:
    """What should be known of a domain before it is asked; empty where there is nothing."""
    notice = domain.notice.get(language, "")
    return f'<p class="sample">{escape(notice)}</p>' if notice else ""


def nothing_html(language: str) -> str:
    """That no domain is there for this visitor."""
    return f"<p>{escape(texts(language)['no_domains_visible'])}</p>"
