"""A walk through the pages of sites along their links, by their own rules. Knows how, not which sites.

Nothing on a page is run. A page is kept as it was received; its text is found later.
"""

import json
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ingest.connectors import Progress
from ingest.connectors.http import BudgetExhausted, Fetcher, FetchError, RefusedURL, Response
from ingest.connectors.page import Page, content_type, read_page, robots_words
from ingest.connectors.robots import Robots, read_robots
from ingest.connectors.sitemap import listed_urls
from ingest.connectors.store import Entry, Store
from ingest.connectors.urls import host_of, normal_url, origin_of, pattern_of, readable, repeats, same_page
from ingest.loaders.errors import LoadError
from ingest.report import Problem

if TYPE_CHECKING:
    from ingest.connectors.web import Web

_ACCEPT = "text/html, application/xhtml+xml, application/pdf;q=0.9, text/*;q=0.8, */*;q=0.5"
_PAGES = ("text/html", "application/xhtml+xml")
_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
_DOCUMENTS = {
    "application/pdf": ".pdf",
    f"{_OFFICE}wordprocessingml.document": ".docx",
    f"{_OFFICE}presentationml.presentation": ".pptx",
    f"{_OFFICE}spreadsheetml.sheet": ".xlsx",
    "application/vnd.ms-excel": ".xls",
    f"{_OPEN}text": ".odt",
    f"{_OPEN}presentation": ".odp",
    f"{_OPEN}spreadsheet": ".ods",
    "application/epub+zip": ".epub",
    "application/rtf": ".rtf",
    "text/rtf": ".rtf",
    "text/plain": ".txt",
    "text/csv": ".csv",
    "text/markdown": ".md",
}
# Servers that do not know a file's type say one of these: then the name in the URL decides.
_UNKNOWN = ("", "application/octet-stream", "binary/octet-stream", "application/force-download", "application/download")
_SKIPPED = frozenset(
    ".7z .apk .avi .bmp .bz2 .css .dmg .eot .exe .gif .gz .ico .iso .jpeg .jpg .js .json .m4a .m4v .mkv .mov .mp3 .mp4"
    " .mpeg .mpg .msi .ogg .ogv .otf .png .rar .rss .svg .tar .tgz .tif .tiff .ttf .wav .webm .webp .wmv .woff .woff2"
    " .xml .xz .zip".split()
)
_RESUMED_SECONDS = 14 * 86_400
"""A crawl that was stopped goes on within two weeks; after that its first pages are too old and it begins anew."""
_FAILURES_NAMED = 20
_AGAIN = "run make ingest again later"


class _Limit(Exception):
    """The crawl has as much as it may have."""


class Crawl:
    """One walk through the sites. A walk that was stopped is walked again over the cache, which asks no server."""

    def __init__(self, web: "Web", store: Store, fetcher: Fetcher, progress: Progress) -> None:
        self._web, self._store, self._fetcher, self._progress = web, store, fetcher, progress
        self.problems: list[Problem] = []
        self._hosts = web.allowed_hosts()
        self._starts = list(dict.fromkeys(url for url in map(normal_url, web.start) if url))
        self._before = {same_page(document.metadata["url"]): document for document in store.documents()}
        self._queue: deque[tuple[str, int]] = deque()
        self._seen: set[str] = set()
        self._kept: set[str] = set()
        self._sources: set[str] = set()
        self._robots: dict[str, Robots] = {}
        self._patterns: Counter[str] = Counter()
        self._fetched = self._bytes = self._failures = 0
        options = sha256(json.dumps(asdict(web)).encode()).hexdigest()
        state = store.load("crawl")
        number, began = state.get("number"), state.get("began")
        self._number = number if isinstance(number, int) else 0
        self._began = began if isinstance(began, float) else 0.0
        self._same = state.get("options") == options
        if not (self._same and not state.get("finished") and 0 <= time.time() - self._began < _RESUMED_SECONDS):
            self._number, self._began = self._number + 1, time.time()
        self._state = {"number": self._number, "began": self._began, "options": options}

    def run(self) -> None:
        self._store.save("crawl", {**self._state, "finished": False})
        try:
            self._walk()
        except BudgetExhausted as error:
            self._report("web", error.reason)
            return
        except _Limit as error:
            self._report("web", str(error))
        for pattern, count in self._patterns.items():
            if count > self._web.per_pattern:
                passed = count - self._web.per_pattern
                self._report(
                    f"web/{pattern}",
                    f"{passed} more pages of this form were passed over after {self._web.per_pattern}:"
                    " raise per_pattern if they are no endless calendar",
                )
        if self._failures > _FAILURES_NAMED:
            self._report("web", f"{self._failures - _FAILURES_NAMED} more could not be fetched; {_AGAIN}")
        self._store.drop_unlisted(self._number)
        self._store.save("crawl", {**self._state, "finished": True})

    def _walk(self) -> None:
        for url in self._starts:
            self._seen.add(same_page(url))
            self._queue.append((url, 0))
        if self._web.sitemap:
            self._read_sitemaps(list(dict.fromkeys(map(origin_of, self._starts))))
        while self._queue:
            self._visit(*self._queue.popleft())
        # No page leads there any more, but the server may still have them: a page that could not be had now, or that
        # says that it is being repaired, must not take all behind it away. Under new options they are not asked for.
        if self._same or self._failures:
            for key, document in self._before.items():
                url = document.metadata["url"]
                if key not in self._seen and self._web.covers(url):
                    self._seen.add(key)
                    self._visit(url, self._web.depth)

    def _read_sitemaps(self, origins: list[str]) -> None:
        waiting: list[str] = []
        for origin in origins:
            robots = self._rules(origin)
            if not robots.unreachable:
                named = [normal_url(url, origin + "/") for url in robots.sitemaps()]
                waiting += [url for url in named if url] or [f"{origin}/sitemap.xml"]
        urls, problems = listed_urls(waiting, self._get_sitemap)
        for url in urls:
            normal = normal_url(url)
            if normal:
                self._add(normal, min(1, self._web.depth), listed=True)
        for url, reason in problems:
            self._report(f"web/{readable(url)}", reason)

    def _get_sitemap(self, url: str) -> Response | None:
        normal = normal_url(url)
        if normal is None or host_of(normal) not in self._hosts:
            return None
        robots = self._rules(origin_of(normal))
        return None if robots.unreachable else self._get(normal, robots)

    def _add(self, url: str, depth: int, listed: bool = False) -> None:
        key = same_page(url)
        if key in self._seen or len(self._seen) > 100 * self._web.pages + 10_000:
            return
        if not self._web.covers(url) or _suffix(url) in _SKIPPED:
            return
        if not listed:
            if repeats(url):
                return
            pattern = pattern_of(url)
            self._patterns[pattern] += pattern != same_page(url)
            if self._patterns[pattern] > self._web.per_pattern:
                # Remembered, so that each is counted once.
                self._seen.add(key)
                return
        self._seen.add(key)
        self._queue.append((url, depth))

    def _visit(self, url: str, depth: int, chosen: bool = False) -> None:
        """Fetches one page or document. `chosen` pages were named by another as the one to keep."""
        if self._fetched >= self._web.pages:
            raise _Limit(f"{self._fetched} pages were fetched, and there are more: raise pages, or narrow paths")
        robots = self._rules(origin_of(url))
        if robots.unreachable:
            self._unreachable(url, f"robots.txt {robots.unreachable}")
            return
        if not robots.allows(url):
            if url in self._starts:
                self._report(
                    f"web/{readable(url)}", "robots.txt of the site forbids it: ask its maintainer, or remove it"
                )
            return
        try:
            answer = self._get(url, robots)
        except RefusedURL as error:
            if url in self._starts:
                self._report(f"web/{readable(url)}", error.reason)
            return
        except BudgetExhausted:
            raise
        except FetchError as error:
            if not error.gone:
                self._unreachable(url, error.reason)
            elif url in self._starts:
                self._report(f"web/{readable(url)}", error.reason)
            return
        self._fetched += 1
        self._progress(self._fetched, min(self._web.pages, self._fetched + len(self._queue)))
        final = normal_url(answer.url) or url
        if same_page(final) != same_page(url):
            if same_page(final) in self._seen or not (self._web.covers(final) or url in self._starts):
                return
            self._seen.add(same_page(final))
            robots = self._rules(origin_of(final))
            if robots.unreachable:
                self._unreachable(final, f"robots.txt {robots.unreachable}")
                return
            if not robots.allows(final):
                return
        self._take(final, answer, depth, chosen)

    def _take(self, url: str, answer: Response, depth: int, chosen: bool) -> None:
        media = content_type(answer.headers)[0]
        modified = _day(answer.headers.get("last-modified", ""))
        about = {"modified": modified} if modified else {}
        if media in _PAGES or (media in _UNKNOWN and _looks_like_page(answer.content)):
            try:
                page = read_page(answer.content, url, answer.headers)
            except LoadError as error:
                self._report(f"web/{readable(url)}", f"its page cannot be read: {error}")
                return
            if depth < self._web.depth:
                for link in page.links:
                    self._add(link, depth + 1)
            if page.index and not (not chosen and self._has_better(page, url, depth)):
                self._keep(url, page.content, ".html", page.title, {**about, **page.metadata})
            return
        suffix = _DOCUMENTS.get(media) or (_suffix(url) if media in _UNKNOWN else "")
        if suffix in _DOCUMENTS.values() and not robots_words(answer.headers.get("x-robots-tag", "")) & {
            "noindex",
            "none",
        }:
            self._keep(url, answer.content, suffix, "", about)
        elif url in self._starts:
            self._report(
                f"web/{readable(url)}", f"is {media or 'of no known type'}, not a page or a document: correct it"
            )

    def _has_better(self, page: Page, url: str, depth: int) -> bool:
        """Whether the page names another URL as its own and that one is kept."""
        key = same_page(page.canonical)
        if not key or key == same_page(url) or not self._web.covers(page.canonical):
            return False
        if page.canonical == origin_of(page.canonical) + "/":
            # A template that gives every page the front page's name would leave nothing but that.
            return False
        if key not in self._seen:
            self._seen.add(key)
            self._visit(page.canonical, depth, chosen=True)
        return key in self._kept

    def _keep(self, url: str, content: bytes, suffix: str, title: str, about: Mapping[str, str]) -> None:
        if self._bytes + len(content) > self._web.bytes:
            raise _Limit(f"{self._bytes} bytes were fetched, and there is more: raise bytes, or narrow paths")
        self._bytes += len(content)
        key = same_page(url)
        source = f"web/{readable(url)}"
        if source in self._sources:
            source = f"web/{url.partition('://')[2]}"
        self._sources.add(source)
        self._kept.add(key)
        metadata = {name: value for name, value in about.items() if name not in ("url", "language")}
        version = sha256(content).hexdigest()
        entry = Entry(key, version, source, title, url, metadata, language=about.get("language", ""))
        self._store.keep(entry, version, content, suffix, self._number)

    def _unreachable(self, url: str, reason: str) -> None:
        key = same_page(url)
        document = self._before.get(key)
        if document:
            self._store.seen(key, self._number)
            self._sources.add(document.source)
            self._kept.add(key)
            reason = f"{reason} What was fetched before is kept."
        self._failures += 1
        if self._failures <= _FAILURES_NAMED or url in self._starts:
            self._report(document.source if document else f"web/{readable(url)}", reason)

    def _rules(self, origin: str) -> Robots:
        if origin not in self._robots:
            self._robots[origin] = read_robots(origin, self._store, self._fetcher, self._hosts, self._began)
        return self._robots[origin]

    def _get(self, url: str, robots: Robots) -> Response:
        return self._fetcher.get(
            url,
            accept=_ACCEPT,
            interval=max(self._web.interval, robots.delay()),
            largest=self._web.largest,
            hosts=self._hosts,
            since=self._began,
        )

    def _report(self, source: str, reason: str) -> None:
        self.problems.append(Problem(source, reason))


def _suffix(url: str) -> str:
    return PurePosixPath(url.partition("?")[0].rsplit("/", 1)[-1]).suffix.lower()


def _looks_like_page(content: bytes) -> bool:
    start = content[:2048].lower()
    return b"<html" in start or b"<!doctype html" in start


def _day(date: str) -> str:
    """The day of an HTTP date, as in 2026-08-04; empty where it is none."""
    try:
        return parsedate_to_datetime(date).date().isoformat()
    except (ValueError, OverflowError):
        return ""
