"""What every part of the maintainer's page has in common: its head, its links, its choices. It needs no script.

One of ours chooses between light and dark; without it the page is light.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from fastapi.responses import HTMLResponse, Response

from rag.settings import LANGUAGES, Domain
from web.maintain.wanted import PERIODS, Wanted
from web.texts import texts
from web.theme import switch_html

PATH = "/maintain"
VIEWS = {
    "overview": PATH, "questions": f"{PATH}/questions", "feedback": f"{PATH}/feedback", "indexes": f"{PATH}/indexes",
}  # fmt: skip
HEADERS = {
    # What visitors typed stands here: neither kept by a browser nor run as anything.
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-robots-tag": "noindex",
}


@dataclass(frozen=True, slots=True)
class Reader:
    """The maintainer who looks: the name, the language, the domains to be seen, and what of them is wanted.

    `all_domains`: whether there are no others.
    """

    name: str
    language: str
    domains: Mapping[str, Domain]
    wanted: Wanted
    all_domains: bool = False

    @property
    def texts(self) -> Mapping[str, str]:
        return texts(self.language)

    @property
    def chosen(self) -> list[str]:
        """The domains that are wanted."""
        return [self.wanted.domain] if self.wanted.domain else [*self.domains]

    @property
    def since(self) -> str:
        return str(self.wanted.first_day)


def page(reader: Reader, view: str, content: str, status: int = 200) -> Response:
    """A part of the page, one of `VIEWS`."""
    strings = reader.texts
    links = "".join(
        f'<a href="{escape(_address(path, reader.wanted.query(of="", page=1)))}"'
        f"{' aria-current=page' if name == view else ''}>{escape(strings[f'maintain_{name}'])}</a>"
        for name, path in VIEWS.items()
    )
    nav = f'<nav class="views" aria-label="{escape(strings["maintain_views"])}">{links}</nav>'
    title = f"{strings[f'maintain_{view}']} · {strings['maintain_title']} · Lacerta"
    return _document(reader.language, title, reader.wanted, VIEWS[view], reader.name, nav, content, status)


def closed(language: str, name: str, content: str, status: int) -> Response:
    """What is shown to whoever may not see any part of it."""
    title = f"{texts(language)['maintain_title']} · Lacerta"
    return _document(
        language, title, Wanted(language=language), PATH, name, "", f'<div class="said">{content}</div>', status
    )


def choices(
    reader: Reader, view: str, of: Mapping[str, str] | None = None, label: str = "", sheet: str = "",
    periods: bool = True,
) -> str:  # fmt: skip
    """The form that chooses domain, period and, by `of`, what else; the link to the same as a CSV file."""
    strings, wanted = reader.texts, reader.wanted
    domains = {"": strings["maintain_all"]} | {
        name: domain.title[reader.language] for name, domain in reader.domains.items()
    }
    days = {str(count): strings["maintain_days"].format(count=count) for count in sorted(PERIODS)}
    parts = [
        _select("domain", strings["maintain_domain"], domains, wanted.domain),
        *([_select("days", strings["maintain_period"], days, str(wanted.days))] if periods else []),
        *([_select("of", label, {"": strings["maintain_all"], **of}, wanted.of)] if of else []),
    ]
    language = f'<input type="hidden" name="language" value="{wanted.language}">' if wanted.language else ""
    query = wanted.query(page=1, language="")
    csv = (
        f'<a class="sheet" href="{escape(_address(f"{PATH}/{sheet}.csv", query))}" download>'
        f"{escape(strings['maintain_csv'])}</a>"
        if sheet
        else ""
    )
    return (
        f'<form class="choices" method="get" action="{VIEWS[view]}">{"".join(parts)}{language}'
        f"<button>{escape(strings['maintain_show'])}</button>{csv}</form>"
    )


def paging(reader: Reader, view: str, more: bool) -> str:
    """Links to the pages of a list before and behind this one; nothing where there is but one."""
    strings, wanted = reader.texts, reader.wanted
    links = [
        f'<a rel="{relation}" href="{escape(_address(VIEWS[view], wanted.query(page=number)))}">'
        f"{escape(strings[word])}</a>"
        for number, relation, word, there in (
            (wanted.page - 1, "prev", "maintain_newer", wanted.page > 1),
            (wanted.page + 1, "next", "maintain_older", more),
        )
        if there
    ]
    label = escape(strings["maintain_pages"])
    return f'<nav class="pages" aria-label="{label}">{"".join(links)}</nav>' if links else ""


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names with values, both plain text; what is empty is left out."""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs if value)
    return f'<dl class="facts">{items}</dl>' if items else ""


def command(*lines: str) -> str:
    """What is typed into a terminal."""
    return f"<pre><code>{escape(chr(10).join(lines))}</code></pre>"


def searched(reader: Reader, text: str) -> str:
    """What was searched for in place of the question asked, where that is another text."""
    name = escape(reader.texts["searched"])
    return f'<p class="searched"><span>{name}</span> <span dir="auto">{escape(text)}</span></p>' if text else ""


def nothing(reader: Reader) -> str:
    """That there is nothing in the period that was asked for."""
    return f'<p class="nothing">{escape(reader.texts["maintain_nothing"])}</p>'


def _document(
    language: str, title: str, wanted: Wanted, path: str, name: str, nav: str, content: str, status: int
) -> Response:
    strings = texts(language)
    languages = "".join(
        f'<a href="{escape(_address(path, wanted.query(language=code)))}" lang="{code}" hreflang="{code}"'
        f"{' aria-current=true' if code == language else ''}>{escape(texts(code)['language'])}</a>"
        for code in LANGUAGES
    )
    leave = (
        f'<form method="post" action="/logout?next={quote(PATH)}"><span>{escape(name)}</span>'
        f"<button>{escape(strings['log_out'])}</button></form>"
        if name
        else ""
    )
    body = (
        f'<a class="skip" href="#content">{escape(strings["maintain_skip"])}</a>'
        '<header><div class="brand"><img src="/static/lizard.svg" alt="" width="40" height="40">'
        f"<p>Lacerta <span>{escape(strings['maintain_title'])}</span></p></div>"
        f'<div class="tools"><a href="/{language}/">{escape(strings["maintain_to_chat"])}</a>{switch_html(strings)}'
        f'<nav class="languages" aria-label="{escape(strings["interface_language"])}">{languages}</nav>{leave}</div>'
        f'</header>{nav}<main id="content" tabindex="-1"><h1>{escape(title.partition(" · ")[0])}</h1>{content}</main>'
    )
    return HTMLResponse(
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title>"
        '<link rel="icon" type="image/svg+xml" href="/static/lizard.svg"><script src="/static/js/theme.js"></script>'
        '<link rel="stylesheet" href="/static/css/tokens.css"><link rel="stylesheet" href="/static/css/maintain.css">'
        f"</head><body>{body}</body></html>",
        status,
        HEADERS,
    )


def _select(name: str, label: str, options: Mapping[str, str], chosen: str) -> str:
    shown = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in options.items()
    )
    return f'<label><span>{escape(label)}</span><select name="{name}">{shown}</select></label>'


def _address(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path
