"""Web sites as a source: which pages of which hosts, within which bounds. Knows not how they are walked through."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from ingest.connectors import Fetched, Progress
from ingest.connectors.crawl import Crawl
from ingest.connectors.http import Fetcher
from ingest.connectors.store import Store
from ingest.connectors.urls import host_of, normal_url
from ingest.report import Problem
from rag.errors import ConfigurationError

_DEEPEST = 20
_MOST_PAGES = 100_000


@dataclass(frozen=True, slots=True)
class Web:
    """What of which sites: from the `start` pages along links, at most `depth` links far, and what sitemaps list.

    Only the hosts of the start pages (with and without `www.`) and `hosts` are asked, and only paths that begin with
    one of `paths`, where there are any; `exclude` are patterns (`*`, `?`) of path and query. At most `pages` pages and
    documents with together `bytes` bytes are fetched, `largest` each, and `per_pattern` of those that one template
    makes (a calendar has a page for every day, for ever); what a sitemap lists is no such trap. `interval` is the
    least number of seconds between two requests to a host; a site's own Crawl-delay counts where it is longer.
    """

    start: tuple[str, ...]
    depth: int = 3
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    sitemap: bool = True
    pages: int = 500
    bytes: int = 500_000_000
    largest: int = 50_000_000
    per_pattern: int = 200
    interval: float = 1.0

    def __post_init__(self) -> None:
        if not self.start:
            raise ConfigurationError('web needs start pages: write start = ["https://www.example.org/"].')
        for url in self.start:
            if normal_url(url) is None:
                raise ConfigurationError(f"web start has {url!r}: write a whole URL, https://www.example.org/.")
        for host in self.hosts:
            if host != host.lower() or normal_url(f"https://{host}/") != f"https://{host}/":
                raise ConfigurationError(f"web hosts has {host!r}: write a host name alone, www.example.org.")
        for path in self.paths:
            if not path.startswith("/"):
                raise ConfigurationError(f'web paths has {path!r}: write the beginning of a path, "/department/".')
        bounds: tuple[tuple[str, float, float, float], ...] = (
            ("depth", self.depth, 0, _DEEPEST),
            ("pages", self.pages, 1, _MOST_PAGES),
            ("bytes", self.bytes, 1, 10**12),
            ("largest", self.largest, 1, 10**9),
            ("per_pattern", self.per_pattern, 1, _MOST_PAGES),
            ("interval", self.interval, 0, 3600),
        )
        for key, value, least, most in bounds:
            if not least <= value <= most:
                raise ConfigurationError(f"web {key} is {value}, must be {least} to {most}: correct it.")

    def allowed_hosts(self) -> frozenset[str]:
        """The hosts that may be asked, in punycode."""
        return frozenset(host_of(f"http://{place}/") for place in _places(self.start, self.hosts))

    def covers(self, url: str) -> bool:
        """Whether a normal URL is one of the pages asked for, as far as the URL says."""
        place, slash, path = url.partition("://")[2].partition("/")
        path = slash + path
        return (
            place in _places(self.start, self.hosts)
            and (not self.paths or path.startswith(self.paths))
            and not any(fnmatchcase(path, pattern) for pattern in self.exclude)
        )

    def fetch(self, folder: Path, fetcher: Fetcher, progress: Progress) -> tuple[list[Fetched], list[Problem]]:
        """The pages and documents of the sites as they are now, and those that cannot be reached but were before."""
        with Store(folder) as store:
            crawl = Crawl(self, store, fetcher, progress)
            crawl.run()
            return store.documents(), crawl.problems


@lru_cache(maxsize=16)
def _places(start: Sequence[str], hosts: Sequence[str]) -> frozenset[str]:
    """Hosts with their ports, where these are not the usual ones."""
    places = set(hosts)
    for url in filter(None, map(normal_url, start)):
        place = url.partition("://")[2].split("/")[0]
        places.add(place)
        if not _is_address(host_of(url)):
            bare = place.removeprefix("www.")
            places |= {bare, f"www.{bare}"}
    return frozenset(places)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
