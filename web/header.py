"""The top of the page as HTML: the name, the languages, who is logged in, and what the chosen domain is about."""

from html import escape
from urllib.parse import quote

from rag.settings import LANGUAGES, Domain
from web.texts import texts


def header_html(language: str, domain: str, visitor: str = "", can_leave: bool = False) -> str:
    """Name, tagline and the language switch, which keeps the chosen domain; whoever is logged in, and the way out."""
    strings = texts(language)
    links = "".join(
        f'<a href="/?language={code}&amp;domain={escape(quote(domain))}" lang="{code}" hreflang="{code}"'
        f"{' aria-current=true' if code == language else ''}>{escape(texts(code)['language'])}</a>"
        for code in LANGUAGES
    )
    leave = (
        f'<form method="post" action="/logout?next=/{language}/"><button>{escape(strings["log_out"])}</button></form>'
        if can_leave
        else ""
    )
    who = f'<div class="visitor"><span>{escape(visitor)}</span>{leave}</div>' if visitor else ""
    return (
        '<div class="top"><div class="brand"><img src="/static/lizard.svg" alt="" width="40" height="40">'
        f'<div><h1>Lacerta</h1><p>{escape(strings["tagline"])}</p></div></div><div class="own">'
        f'<nav class="languages" aria-label="{escape(strings["interface_language"])}">{links}</nav>{who}</div></div>'
    )


def description_html(domain: Domain, language: str) -> str:
    """What a domain is about, and its notice where it has one."""
    notice = domain.notice.get(language, "")
    badge = f'<p class="sample">{escape(notice)}</p>' if notice else ""
    return f"<p>{escape(domain.description[language])}</p>{badge}"


def nothing_html(language: str) -> str:
    """That no domain is there for this visitor."""
    return f"<p>{escape(texts(language)['no_domains_visible'])}</p>"
