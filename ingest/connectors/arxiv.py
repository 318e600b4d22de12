"""Preprints from arXiv through its API (https://info.arxiv.org/help/api/user-manual.html): abstracts or full PDFs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from ingest.connectors import Fetched, Progress
from ingest.connectors.http import Fetcher
from ingest.connectors.listing import BadAnswer, Listing, Page, Refused
from ingest.connectors.store import Entry, Section
from ingest.report import Problem
from rag.errors import ConfigurationError
from rag.text import flatten, normalise

MOST = 30_000
"""The API lists no more than this for one query (user manual, 3.1.1.2)."""
_PAGE_SIZE = 100
_INTERVAL = 3.0
_ATOM = "{http://www.w3.org/2005/Atom}"
_ARXIV = "{http://arxiv.org/schemas/atom}"
_TOTAL = "{http://a9.com/-/spec/opensearch/1.1/}totalResults"
_CATEGORY = re.compile(r"[a-z-]{2,20}(\.[A-Za-z-]{2,20})?")
_IDENTIFIER = re.compile(r"/abs/((?:\d{4}\.\d{4,5})|(?:[a-z-]+(?:\.[A-Za-z-]+)?/\d{7}))(v\d{1,3})?$")
_FIELD = re.compile(r"\b(?:ti|au|abs|co|jr|cat|rn|id|all|submittedDate|lastUpdatedDate):")
_OPERATOR = re.compile(r"\b(?:AND|OR|ANDNOT)\b|[()]")
_WORD = re.compile(r'"[^"]+"|[^\s"]+')
_WITHDRAWN = re.compile(
    r"th(?:is|e)\s(?:\w+\s)?(?:paper|article|submission|manuscript|preprint|version)\b"
    r"[^.]{0,60}\b(?:been|is|was)\s(?:\w+\s)?withdrawn\b",
    re.IGNORECASE,
)
_WITHDRAWN_COMMENT = re.compile(r"(?:(?:paper|article|submission)\s(?:is\s)?)?withdrawn\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Arxiv:
    """The newest preprints that a query finds.

    `query` is in the API's own syntax (`ti:"solar sail" AND abs:attitude`); plain words are all looked for in all
    fields. `categories` are arXiv's, any of them may hold. `start` and `end` bound the day of first submission, both
    included. With `full_text` the PDFs are kept, else the abstracts. `api`, `files` and `interval` are for tests.
    """

    query: str = ""
    categories: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    full_text: bool = False
    most: int = 200
    api: str = "https://export.arxiv.org/api/query"
    files: str = "https://export.arxiv.org/pdf"
    interval: float = _INTERVAL

    def __post_init__(self) -> None:
        if not self.query.strip() and not self.categories:
            raise ConfigurationError('arxiv needs a query or categories: write query = "solar sail" into [[sources]].')
        if len(self.query) > 1000:
            raise ConfigurationError(f"arxiv query has {len(self.query)} characters, at most 1000: shorten it.")
        for category in self.categories:
            if not _CATEGORY.fullmatch(category):
                raise ConfigurationError(f'arxiv categories has {category!r}: write them like "astro-ph.IM".')
        if self.start and self.end and self.start > self.end:
            raise ConfigurationError(f"arxiv start {self.start} is after end {self.end}: swap them.")
        if not 1 <= self.most <= MOST:
            raise ConfigurationError(f"arxiv most is {self.most}, must be 1 to {MOST}: narrow the query.")
        if self.interval < _INTERVAL and (urlsplit(self.api).hostname or "").endswith("arxiv.org"):
            raise ConfigurationError(f"arxiv interval is {self.interval}, arXiv allows a request in {_INTERVAL} s.")

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that this source needs."""
        return frozenset(urlsplit(url).hostname or "" for url in (self.api, self.files)) | {"arxiv.org"}

    def url(self, start: int) -> str:
        """The address of the page of the list that begins at document `start` (0-based)."""
        values = {
            "search_query": self._search(),
            "start": start,
            "max_results": min(_PAGE_SIZE, max(1, self.most - start)),
            "sortBy": "submittedDate",
            "sortOrder": "descending",
        }
        return f"{self.api}?{urlencode(values)}"

    def fetch(self, folder: Path, fetcher: Fetcher, progress: Progress) -> tuple[list[Fetched], list[Problem]]:
        """The listed preprints, a file each; see `Connector`."""

        def read(start: int) -> Page:
            url = self.url(start)
            # Without a page in the cache a broken answer cannot be confirmed by the server as unchanged.
            answer = fetcher.get(
                url, accept="application/atom+xml", interval=self.interval, largest=20_000_000, store=False
            )
            return read_feed(answer.content, self.files)

        question = f"{self.api} {self._search()} {self.most} {self.full_text}"
        listing = Listing(
            f"arxiv {self._search()[:80]}", question, read, self.most, _PAGE_SIZE, self.full_text, self.interval
        )
        return listing.fetch(folder, fetcher, progress)

    def _search(self) -> str:
        parts = [f"({_fielded(self.query)})"] if self.query.strip() else []
        if self.categories:
            parts.append("(" + " OR ".join(f"cat:{category}" for category in self.categories) + ")")
        if self.start or self.end:
            # arXiv began in August 1991; times are GMT, to the minute.
            first = (self.start or date(1991, 1, 1)).strftime("%Y%m%d0000")
            last = (self.end or date(2999, 12, 31)).strftime("%Y%m%d2359")
            parts.append(f"submittedDate:[{first} TO {last}]")
        return " AND ".join(parts)


def _fielded(query: str) -> str:
    """Plain words as `all:word AND all:word`: without a field the API looks for any of them."""
    query = flatten(query)
    if _FIELD.search(query) or _OPERATOR.search(query):
        return query
    return " AND ".join(f"all:{word}" for word in _WORD.findall(query))


def read_feed(content: bytes, files: str) -> Page:
    """The page in an Atom feed; PDFs lie under the address `files`. Raises BadAnswer, Refused for an error feed."""
    try:
        feed = ElementTree.fromstring(content, ElementTree.XMLParser(target=_PlainTree()))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise BadAnswer(f"the server gave no readable feed ({error})") from error
    if feed.tag != f"{_ATOM}feed":
        raise BadAnswer(f"the server gave no Atom feed but <{flatten(str(feed.tag))[:60]}>")
    found = feed.findall(f"{_ATOM}entry")
    entries: list[Entry] = []
    gone: list[str] = []
    problems: list[Problem] = []
    for element in found:
        address = _text(element, f"{_ATOM}id")
        if "/api/errors" in address:
            raise Refused(f"arXiv refuses the query ({_text(element, f'{_ATOM}summary')}): correct it")
        match = _IDENTIFIER.search(address)
        if not match:
            problems.append(Problem("arxiv", f"an entry has no arXiv identifier but {address[:80]!r}: it is left out"))
        elif _is_withdrawn(element):
            gone.append(match[1])
        else:
            entries.append(_entry(element, match[1], match[2] or "v1", files))
    total = _text(feed, _TOTAL)
    known = int(total) if total.isascii() and total.isdigit() and len(total) < 12 else 0
    return Page(tuple(entries), len(found), known, tuple(gone), tuple(problems))


class _PlainTree(ElementTree.TreeBuilder):
    """Builds trees only of XML that declares no entities: a feed needs none, an attack does."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it declares a document type")


def _is_withdrawn(element: ElementTree.Element) -> bool:
    """Whether the authors or arXiv took it back: the API says so in words alone."""
    comment = _text(element, f"{_ARXIV}comment")
    summary = _text(element, f"{_ATOM}summary")
    return bool(_WITHDRAWN_COMMENT.match(comment) or _WITHDRAWN.match(comment) or _WITHDRAWN.match(summary))


def _entry(element: ElementTree.Element, identifier: str, version: str, files: str) -> Entry:
    url = f"https://arxiv.org/abs/{identifier}{version}"
    links = element.findall(f"{_ATOM}link")
    categories = [flatten(normalise(item.get("term", ""))) for item in element.findall(f"{_ATOM}category")]
    license_url = next((link.get("href", "") for link in links if link.get("rel") == "license"), "")
    metadata = {
        "identifier": f"arXiv:{identifier}{version}",
        "authors": ", ".join(_authors(element.findall(f"{_ATOM}author"))),
        "published": _text(element, f"{_ATOM}published"),
        "updated": _text(element, f"{_ATOM}updated"),
        "categories": " ".join(categories),
        "doi": _text(element, f"{_ARXIV}doi"),
        "journal": _text(element, f"{_ARXIV}journal_ref"),
        "comment": _text(element, f"{_ARXIV}comment"),
        # The terms of use of the API put its descriptions, abstracts among them, under CC0; the papers have their own.
        "license": flatten(license_url) or f"abstract CC0 1.0; full text see {url}",
        "publisher": "arXiv",
    }
    return Entry(
        identifier=identifier,
        version=version,
        source=f"arxiv/{identifier}{version}",
        title=_text(element, f"{_ATOM}title"),
        url=url,
        metadata={name: value for name, value in metadata.items() if value},
        sections=(Section("Abstract", _text(element, f"{_ATOM}summary")),),
        download=f"{files}/{quote(identifier + version)}",
    )


def _authors(elements: Iterable[ElementTree.Element]) -> list[str]:
    names = (_text(element, f"{_ATOM}name") for element in elements)
    return [name for name in names if name]


def _text(element: ElementTree.Element, name: str) -> str:
    found = element.find(name)
    return flatten(normalise("".join(found.itertext()))) if found is not None else ""
