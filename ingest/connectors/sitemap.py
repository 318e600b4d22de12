"""The URLs that a site lists in its sitemaps (sitemaps.org, protocol 0.9): XML, an index of others, or a line each."""

import zlib
from collections.abc import Callable

from ingest.connectors.http import FetchError, Response
from ingest.loaders.markup import local

_MOST_SITEMAPS = 50
_MOST_URLS = 50_000
# The protocol's own limits for one sitemap, unpacked.
_MOST_BYTES = 52_428_800


def listed_urls(sitemaps: list[str], get: Callable[[str], Response | None]) -> tuple[list[str], list[tuple[str, str]]]:
    """`(urls, problems)` of sitemaps and of those that they name, in their order, at most 50 and 50,000.

    `get` gives a sitemap, or None for one that may not be fetched; what it raises but FetchError passes through.
    A problem is the URL of a sitemap and why it could not be read.
    """
    waiting = list(dict.fromkeys(sitemaps))
    seen = set(waiting)
    urls: dict[str, None] = {}
    problems: list[tuple[str, str]] = []
    fetched = 0
    while waiting and fetched < _MOST_SITEMAPS and len(urls) < _MOST_URLS:
        sitemap = waiting.pop(0)
        fetched += 1
        try:
            answer = get(sitemap)
            if answer is None:
                continue
            pages, others = parse_sitemap(answer.content)
        except FetchError as error:
            if not error.gone:
                problems.append((sitemap, error.reason))
            continue
        except ValueError as error:
            problems.append((sitemap, f"is no sitemap ({error}): correct it on the site"))
            continue
        urls.update(dict.fromkeys(pages))
        new = [other for other in dict.fromkeys(others) if other not in seen]
        seen.update(new)
        waiting += new
    return list(urls)[:_MOST_URLS], problems


def parse_sitemap(content: bytes) -> tuple[list[str], list[str]]:
    """`(pages, sitemaps)` that a sitemap lists; it may be packed with gzip. Raises ValueError for anything else."""
    from lxml import etree

    if content.startswith(b"\x1f\x8b"):
        try:
            content = zlib.decompressobj(wbits=31).decompress(content, _MOST_BYTES)
        except zlib.error as error:
            raise ValueError(f"its gzip packing is damaged: {error}") from error
    start = content[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start.startswith(b"<"):
        lines = content.decode("utf-8-sig", "replace").split()
        pages = [line for line in lines if line.startswith(("http://", "https://"))]
        if not pages:
            raise ValueError("it lists no URL")
        return pages, []
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(str(error)) from error
    kind = local(root) if root is not None else ""
    if kind not in ("urlset", "sitemapindex"):
        raise ValueError(f"its root is <{kind}>")
    places = [
        (part.text or "").strip()
        for item in root
        for part in item
        if local(part) == "loc" and (part.text or "").strip()
    ]
    return (places, []) if kind == "urlset" else ([], places)
