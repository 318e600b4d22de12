"""Articles of a Wikipedia through its API (https://www.mediawiki.org/wiki/API:Main_page), as plain text in sections."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from ingest.connectors import Fetched, Progress
from ingest.connectors.extract import read_sections
from ingest.connectors.http import BudgetExhausted, Fetcher, FetchError
from ingest.connectors.listing import TRIES, BadAnswer
from ingest.connectors.store import Entry, Store
from ingest.report import Problem
from rag.errors import ConfigurationError
from rag.text import flatten, normalise

MOST = 10_000
_BATCH = 50
"""Titles in one request; the API takes no more from those who are not logged in."""
_DEEPEST = 3
_FAILURES_NAMED = 8
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]{2,10})?")
# `#` begins a place in a page, `|` parts titles, the others are not allowed in them (Help:Page name).
_NOT_IN_TITLES = re.compile(r"[#<>\[\]|{}\x00-\x1f\x7f]")
_CATEGORY_PREFIX = re.compile(r"(?:category|kategória|분류)\s*:\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wikipedia:
    """Articles by their titles, or all of a category, or both, of one language's Wikipedia.

    `category` is named with or without its prefix; `depth` says how many levels of its subcategories are followed.
    `api` and `interval` are for tests and for other wikis; an empty `api` is the language's Wikipedia.
    """

    titles: tuple[str, ...] = ()
    category: str = ""
    language: str = "en"
    most: int = 200
    depth: int = 0
    api: str = ""
    interval: float = 0.5

    def __post_init__(self) -> None:
        if not self.titles and not self.category.strip():
            raise ConfigurationError('wikipedia needs titles or a category: write titles = ["Hohmann transfer orbit"].')
        if not _LANGUAGE.fullmatch(self.language):
            raise ConfigurationError(f'wikipedia language is {self.language!r}: write a code such as "hu".')
        for title in (*self.titles, self.category):
            if _NOT_IN_TITLES.search(title) or len(title.encode("utf-8", "replace")) > 255:
                raise ConfigurationError(
                    f"wikipedia has the title {title[:80]!r}: at most 255 bytes, without any of # < > [ ] | {{ }}."
                )
        if not all(title.strip() for title in self.titles):
            raise ConfigurationError("wikipedia titles has an empty one: remove it.")
        if not 1 <= self.most <= MOST:
            raise ConfigurationError(f"wikipedia most is {self.most}, must be 1 to {MOST}: choose a smaller category.")
        if not 0 <= self.depth <= _DEEPEST:
            raise ConfigurationError(f"wikipedia depth is {self.depth}, must be 0 to {_DEEPEST}.")

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that this source needs."""
        return frozenset({urlsplit(self._api()).hostname or ""})

    def url(self, **values: str | int) -> str:
        """The address of a query with these parameters."""
        fixed = {"action": "query", "format": "json", "formatversion": 2, "maxlag": 5}
        return f"{self._api()}?{urlencode(fixed | values, errors='replace')}"

    def fetch(self, folder: Path, fetcher: Fetcher, progress: Progress) -> tuple[list[Fetched], list[Problem]]:
        """The articles, a file each; see `Connector`. Only those with another revision than before are fetched."""
        with Store(folder) as store:
            walk = _Walk(self, store, fetcher, progress)
            walk.run()
            return store.documents(), walk.problems

    def _api(self) -> str:
        return self.api or f"https://{self.language}.wikipedia.org/w/api.php"


@dataclass(frozen=True, slots=True)
class _Article:
    """An article as it is listed: its number, which outlives its title, and its newest revision."""

    number: int
    title: str
    revision: int


@dataclass(slots=True)
class _Walk:
    """One run: what is listed, then what has changed."""

    source: Wikipedia
    store: Store
    fetcher: Fetcher
    progress: Progress
    problems: list[Problem] = field(default_factory=list)
    missing: bool = False

    def run(self) -> None:
        try:
            articles = self._list()
        except (FetchError, BadAnswer) as error:
            self._report(f"{error} What was fetched before is kept.")
            return
        number = self.store.load("listing").get("number")
        listing = (number if isinstance(number, int) else 0) + 1
        self.store.save("listing", {"number": listing})
        if not articles and not self.missing:
            self._report("nothing is listed: check the category; what was fetched before is kept")
            return
        license_text, failures = "", 0
        for place, article in enumerate(articles):
            self.progress(place, len(articles))
            identifier = f"{self.source.language}/{article.number}"
            if self.store.version(identifier) == str(article.revision):
                self.store.seen(identifier, listing)
                continue
            try:
                license_text = license_text or self._license()
                entry = self._read(article, identifier, license_text)
            except BudgetExhausted as error:
                self._report(str(error))
                return
            except (FetchError, BadAnswer) as error:
                failures += 1
                if failures <= _FAILURES_NAMED:
                    self.problems.append(Problem(self._name(article.title), f"it could not be fetched: {error}"))
                self.store.seen(identifier, listing)
                continue
            if entry is None:
                self.problems.append(Problem(self._name(article.title), "it has no text: it is left out"))
                continue
            self.store.keep(entry, str(article.revision), entry.record(), ".json", listing)
        if failures > _FAILURES_NAMED:
            self._report(
                f"{failures - _FAILURES_NAMED} more articles could not be fetched: run make ingest again later"
            )
        self.progress(len(articles), len(articles))
        self.store.drop_unlisted(listing)

    def _list(self) -> list[_Article]:
        found: dict[int, _Article] = {}
        most = self.source.most
        for start in range(0, len(self.source.titles), _BATCH):
            batch = self.source.titles[start : start + _BATCH]
            for pages in self._pages(titles="|".join(batch), redirects=1):
                self._collect(pages, found, named=True)
        for category in self._categories():
            for pages in self._pages(
                generator="categorymembers", gcmtitle=category, gcmnamespace=0, gcmtype="page", gcmlimit=_BATCH
            ):
                self._collect(pages, found, named=False)
                if len(found) >= most:
                    break
            if len(found) >= most:
                break
        return list(found.values())[:most]

    def _categories(self) -> Iterator[str]:
        """The category and, level by level, the categories in it; a category in itself comes once."""
        if not self.source.category.strip():
            return
        level = ["Category:" + _CATEGORY_PREFIX.sub("", flatten(self.source.category), count=1)]
        known = set(level)
        for depth in range(self.source.depth + 1):
            yield from level
            below: list[str] = []
            if depth < self.source.depth:
                for category in level:
                    below += [name for name in self._subcategories(category) if name not in known]
                    known.update(below)
            level = list(dict.fromkeys(below))

    def _subcategories(self, category: str) -> list[str]:
        names = []
        for answer in self._answers(list="categorymembers", cmtitle=category, cmtype="subcat", cmlimit=500):
            for item in _dictionaries(_dictionary(answer.get("query")).get("categorymembers")):
                if isinstance(item.get("title"), str):
                    names.append(item["title"])
        return names

    def _pages(self, **values: str | int) -> Iterator[list[dict[str, Any]]]:
        for answer in self._answers(**values, prop="info|pageprops", ppprop="disambiguation"):
            yield _dictionaries(_dictionary(answer.get("query")).get("pages"))

    def _collect(self, pages: Sequence[dict[str, Any]], found: dict[int, _Article], named: bool) -> None:
        for page in pages:
            number, title, revision = page.get("pageid"), page.get("title"), page.get("lastrevid")
            name = self._name(title if isinstance(title, str) else "?")
            if page.get("missing") or page.get("invalid"):
                self.problems.append(
                    Problem(name, f"the {self.source.language} Wikipedia has no such page: correct it")
                )
            elif not isinstance(number, int) or not isinstance(title, str) or not isinstance(revision, int):
                self.problems.append(Problem(name, "it is listed without a number or revision: it is left out"))
            elif "disambiguation" in _dictionary(page.get("pageprops")):
                if named:
                    self.problems.append(Problem(name, "it lists articles of that name: name one of them"))
            else:
                found[number] = _Article(number, flatten(normalise(title)), revision)

    def _read(self, article: _Article, identifier: str, license_text: str) -> Entry | None:
        answer = self._ask(
            pageids=article.number,
            prop="extracts|revisions|info",
            explaintext=1,
            exsectionformat="wiki",
            rvprop="ids|timestamp",
            inprop="url",
        )
        page = next(iter(_dictionaries(_dictionary(answer.get("query")).get("pages"))), {})
        text = page.get("extract")
        if not isinstance(text, str):
            raise BadAnswer("the server gave no text of the page")
        sections = read_sections(text)
        if not sections:
            return None
        revision = next(iter(_dictionaries(page.get("revisions"))), {})
        url = _text(page.get("canonicalurl")) or _text(page.get("fullurl"))
        parts = urlsplit(self.source._api())
        metadata = {
            "identifier": f"{self.source.language}.wikipedia {article.number}",
            "authors": "Wikipedia contributors",
            "updated": _text(revision.get("timestamp")),
            "revision": str(article.revision),
            "permalink": f"{parts.scheme}://{parts.netloc}/w/index.php?{urlencode({'oldid': article.revision})}",
            "license": license_text,
            "publisher": "Wikipedia",
        }
        return Entry(
            identifier=identifier,
            version=str(article.revision),
            source=self._name(article.title),
            title=article.title,
            url=url if urlsplit(url).scheme in ("http", "https") else "",
            metadata={name: value for name, value in metadata.items() if value},
            sections=sections,
            language=self.source.language,
        )

    def _license(self) -> str:
        answer = self._ask(meta="siteinfo", siprop="rightsinfo")
        rights = _dictionary(_dictionary(answer.get("query")).get("rightsinfo"))
        return (
            " ".join(part for part in (_text(rights.get("text")), _text(rights.get("url"))) if part) or "CC BY-SA 4.0"
        )

    def _answers(self, **values: str | int) -> Iterator[dict[str, Any]]:
        """The answers to a query and to what it says it goes on with."""
        onward: dict[str, str | int] = {}
        for _ in range(MOST):
            answer = self._ask(**{**values, **onward})
            yield answer
            following = {
                name: value
                for name, value in _dictionary(answer.get("continue")).items()
                if isinstance(value, str | int) and name not in values
            }
            if not following or following == onward:
                return
            onward = following

    def _ask(self, **values: str | int) -> dict[str, Any]:
        """One answer. Raises BadAnswer when it is unreadable or an error at every try, FetchError as the fetcher."""
        reason = ""
        for attempt in range(TRIES):
            # Asked more slowly each time: a server whose copies lag behind says so in a proper answer.
            response = self.fetcher.get(
                self.source.url(**values),
                accept="application/json",
                interval=self.source.interval * 4**attempt,
                largest=20_000_000,
                store=False,
            )
            try:
                answer = json.loads(response.content)
            except (ValueError, RecursionError) as error:
                reason = f"the server gave no readable answer ({type(error).__name__}: {error})"
                continue
            if not isinstance(answer, dict):
                reason = "the server gave no readable answer (no JSON object)"
                continue
            failure = _dictionary(answer.get("error"))
            if not failure:
                return answer
            code = _text(failure.get("code"))
            reason = f"the server answers {code}: {_text(failure.get('info'))[:200]}"
            if code not in ("maxlag", "ratelimited", "readonly") and not code.startswith("internal_api_error"):
                break
        raise BadAnswer(reason)

    def _name(self, title: str) -> str:
        return f"wikipedia/{self.source.language}/{flatten(normalise(title))}"

    def _report(self, reason: str) -> None:
        asked = flatten(self.source.category) or ", ".join(self.source.titles)
        self.problems.append(Problem(f"wikipedia {self.source.language} {asked[:80]}", reason))


def _text(value: object) -> str:
    return flatten(normalise(value)) if isinstance(value, str) else ""


def _dictionary(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dictionaries(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
