"""Reports from the NASA Technical Reports Server through its API (https://ntrs.nasa.gov/api/openapi)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit

from ingest.connectors import Fetched, Progress
from ingest.connectors.http import Fetcher
from ingest.connectors.listing import BadAnswer, Listing, Page
from ingest.connectors.store import Entry, Section
from ingest.report import Problem
from rag.errors import ConfigurationError
from rag.text import flatten, normalise

MOST = 10_000
"""The search behind the API gives no results past this place."""
_PAGE_SIZE = 100
_PUBLISHED = "https://ntrs.nasa.gov"


@dataclass(frozen=True, slots=True)
class Ntrs:
    """The public reports that a query finds, the most relevant first.

    With `full_text` the PDFs are kept where there is one, else the abstracts. `api` and `interval` are for tests.
    """

    query: str
    most: int = 200
    full_text: bool = False
    api: str = "https://ntrs.nasa.gov/api/citations/search"
    interval: float = 2.0

    def __post_init__(self) -> None:
        if not self.query.strip():
            raise ConfigurationError('ntrs needs a query: write query = "cold gas thruster" into [[sources]].')
        if len(self.query) > 1000:
            raise ConfigurationError(f"ntrs query has {len(self.query)} characters, at most 1000: shorten it.")
        if not 1 <= self.most <= MOST:
            raise ConfigurationError(f"ntrs most is {self.most}, must be 1 to {MOST}: narrow the query.")

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that this source needs."""
        return frozenset({urlsplit(self.api).hostname or ""})

    def url(self, start: int) -> str:
        """The address of the page of the list that begins at report `start` (0-based)."""
        # The server may give fewer than asked for; it ignores the place when `page` is written in another way.
        size = min(_PAGE_SIZE, max(1, self.most - start))
        return f"{self.api}?{urlencode({'q': flatten(self.query), 'page[size]': size, 'page[from]': start})}"

    def fetch(self, folder: Path, fetcher: Fetcher, progress: Progress) -> tuple[list[Fetched], list[Problem]]:
        """The listed reports, a file each; see `Connector`."""

        def read(start: int) -> Page:
            answer = fetcher.get(
                self.url(start), accept="application/json", interval=self.interval, largest=20_000_000, store=False
            )
            return read_results(answer.content, self.api)

        question = f"{self.api} {flatten(self.query)} {self.most} {self.full_text}"
        listing = Listing(
            f"ntrs {flatten(self.query)[:80]}", question, read, self.most, _PAGE_SIZE, self.full_text, self.interval
        )
        return listing.fetch(folder, fetcher, progress)


def read_results(content: bytes, api: str) -> Page:
    """The page in an answer of the search at the address `api`. Raises BadAnswer."""
    try:
        values = json.loads(content)
        results, total = values["results"], values["stats"]["total"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadAnswer(f"the server gave no readable list ({type(error).__name__}: {error})") from error
    if not isinstance(results, list) or not isinstance(total, int):
        raise BadAnswer("the server gave no readable list (results or stats.total has another type)")
    entries: list[Entry] = []
    gone: list[str] = []
    problems: list[Problem] = []
    for result in results:
        identifier = str(result.get("id", "")) if isinstance(result, dict) else ""
        if not identifier.isascii() or not identifier.isdigit() or len(identifier) > 20:
            problems.append(Problem("ntrs", f"a result has no NTRS number but {identifier[:40]!r}: it is left out"))
        elif not _is_public(result):
            gone.append(identifier)
        else:
            entries.append(_entry(result, identifier, api))
    return Page(tuple(entries), len(results), total, tuple(gone), tuple(problems))


def _is_public(result: dict[str, Any]) -> bool:
    """Whether NASA distributes it to everybody and it is not withdrawn."""
    export = _dictionary(result.get("exportControl"))
    return (
        _line(result.get("distribution", "PUBLIC")).upper() == "PUBLIC"
        and "WITHDRAWN" not in _line(result.get("status")).upper()
        and "YES" not in {_line(export.get(name)).upper() for name in ("isExportControl", "ear", "itar")}
    )


def _entry(result: dict[str, Any], identifier: str, api: str) -> Entry:
    publications = _dictionaries(result.get("publications"))
    rights = _dictionary(result.get("copyright"))
    published = next((_line(item.get("publicationDate")) for item in publications if item.get("publicationDate")), "")
    doi = next((_line(item.get("doi")) for item in publications if item.get("doi")), "")
    metadata = {
        "identifier": f"NTRS {identifier}",
        "authors": "; ".join(_authors(result)),
        "published": _day(published) or _day(_line(result.get("distributionDate"))),
        "updated": _day(_line(result.get("modified"))),
        "categories": "; ".join(_lines(result.get("subjectCategories"))),
        "keywords": "; ".join(_lines(result.get("keywords"))),
        "doi": doi,
        "report": "; ".join(_lines(result.get("otherReportNumbers"))),
        "type": _line(result.get("stiTypeDetails") or result.get("stiType")),
        "license": _rights(rights),
        "publisher": " ".join(["NASA", _line(_dictionary(result.get("center")).get("name"))]).strip(),
    }
    title = _line(result.get("title")) or f"NTRS {identifier}"
    abstract = _line(result.get("abstract"))
    return Entry(
        identifier=identifier,
        version=_line(result.get("modified")) or "1",
        source=f"ntrs/{identifier}",
        title=title,
        url=f"{_PUBLISHED}/citations/{identifier}",
        metadata={name: value for name, value in metadata.items() if value},
        sections=(Section("Abstract", abstract) if abstract else Section("", title),),
        download=_download(result, api),
    )


def _authors(result: dict[str, Any]) -> list[str]:
    names = []
    for item in _dictionaries(result.get("authorAffiliations")):
        author = _dictionary(_dictionary(item.get("meta")).get("author"))
        names.append(_line(author.get("name")))
    return [name for name in names if name]


def _download(result: dict[str, Any], api: str) -> str:
    """The address of the report's PDF on the API's own host, empty where there is none."""
    for item in _dictionaries(result.get("downloads")):
        links = _dictionary(item.get("links"))
        link = links.get("pdf") or (links.get("original") if item.get("mimetype") == "application/pdf" else "")
        if item.get("draft") is True or not isinstance(link, str):
            continue
        try:
            parts, home = urlsplit(link), urlsplit(api)
        except ValueError:
            continue
        if parts.path.startswith("/") and parts.netloc in ("", home.netloc):
            # Names of files come as they are, spaces and all, or quoted.
            return urljoin(api, quote(unquote(parts.path)))
    return ""


def _rights(rights: dict[str, Any]) -> str:
    determined, kind = _line(rights.get("determinationType")), _line(rights.get("licenseType"))
    third = _line(rights.get("thirdPartyContentCondition"))
    parts = [determined.replace("_", " ").lower()]
    if kind and kind != "NO":
        parts.append(f"license {kind}")
    if third not in ("", "NOT_SET"):
        parts.append(f"third-party content {third.replace('_', ' ').lower()}")
    return "; ".join(part for part in parts if part)


def _day(moment: str) -> str:
    return moment[:10] if moment[:4].isdigit() else ""


def _line(value: object) -> str:
    return flatten(normalise(str(value))) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _lines(value: object) -> list[str]:
    return [line for item in value if (line := _line(item))] if isinstance(value, list) else []


def _dictionary(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dictionaries(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
