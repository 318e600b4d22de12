"""URLs in one normal form, and the marks of URLs that lead nowhere. Knows nothing of pages."""

import re
from urllib.parse import unquote

import httpx

from rag.text import flatten, normalise

LONGEST = 1000
"""Characters of the longest URL that is followed; longer ones are nearly always made by a program in a loop."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
# Parameters that say who came from where and change nothing in the page.
_TRACKING = re.compile(
    r"(?:utm_\w+|fbclid|gclid|dclid|msclkid|yclid|igshid|mc_cid|mc_eid|_ga|_gl|phpsessid|jsessionid|aspsessionid\w*|sessionid)",
    re.IGNORECASE,
)
_SESSION_PATH = re.compile(r";jsessionid=[^/?;]*", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|[0-9a-f:.]+")
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
# Numbers, and long hexadecimal or mixed names, tell pages made from one template apart.
_VARIABLE = re.compile(r"\d+|[0-9a-f]{16,}", re.IGNORECASE)
_MOST_REPEATS = 3


def normal_url(url: str, base: str = "") -> str | None:
    """The normal form of a link on the page `base`, or None for what is no http or https URL that can be followed.

    Without fragment, user name, default port, tracking parameters and session names; dots in the path resolved, host
    in lower case and punycode, percent signs in upper case, parameters sorted by name.
    """
    url = "".join(letter for letter in url.strip() if letter not in "\t\r\n")
    try:
        # Before the query a backslash is a slash in every browser.
        path, mark, query = url.partition("?")
        url = _SESSION_PATH.sub("", path.replace("\\", "/")) + mark + query
        joined = httpx.URL(base).join(url) if base else httpx.URL(url)
        if joined.scheme not in _DEFAULT_PORTS or not joined.host or joined.userinfo:
            return None
        path, _, query = joined.raw_path.decode("ascii").partition("?")
        host = joined.raw_host.decode("ascii").lower().rstrip(".")
        if not _HOST.fullmatch(host):
            return None
    except (httpx.InvalidURL, UnicodeError, ValueError):
        return None
    port = "" if joined.port in (None, _DEFAULT_PORTS[joined.scheme]) else f":{joined.port}"
    pairs = [pair for pair in query.split("&") if pair and not _TRACKING.fullmatch(pair.split("=")[0])]
    query = "&".join(sorted(pairs, key=lambda pair: pair.split("=")[0]))
    host = f"[{host}]" if ":" in host else host
    normal = f"{joined.scheme}://{host}{port}{path or '/'}{'?' + query if query else ''}"
    normal = _PERCENT.sub(lambda match: match[0].upper(), normal)
    return normal if len(normal) <= LONGEST else None


def same_page(url: str) -> str:
    """What URLs of one page have in common whether asked by http or https, with `www.` or without."""
    return url.partition("://")[2].removeprefix("www.")


def readable(url: str) -> str:
    """A normal URL as a person reads it, without scheme: `www.example.org/árvíz`."""
    return flatten(normalise(unquote(url.partition("://")[2], errors="replace"))).rstrip("/")


def host_of(url: str) -> str:
    """The host of a normal URL, without port."""
    return httpx.URL(url).raw_host.decode("ascii")


def origin_of(url: str) -> str:
    """Scheme, host and port of a normal URL."""
    return "/".join(url.split("/")[:3])


def pattern_of(url: str) -> str:
    """What pages of one template have in common: `/calendar/#/#` or `/list?month&year`."""
    path, _, query = url.partition("://")[2].partition("?")
    names = "&".join(pair.split("=")[0] for pair in query.split("&") if pair)
    return _VARIABLE.sub("#", path) + ("?" + names if names else "")


def repeats(url: str) -> bool:
    """Whether a part of the path comes back again and again, as broken relative links make it."""
    parts = [part for part in url.partition("?")[0].split("/")[3:] if part]
    return any(parts.count(part) >= _MOST_REPEATS for part in parts)
