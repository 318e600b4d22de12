"""What a web page says about itself and where it links to. Knows nothing of fetching or of the text of the page."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message

from ingest.connectors.urls import normal_url
from ingest.loaders.errors import LoadError
from ingest.loaders.html import html_text, parse_html
from ingest.loaders.markup import attribute, local, text_of
from rag.text import flatten, normalise

_LINKS = {"a": "href", "area": "href", "iframe": "src", "frame": "src"}
_REFRESH = re.compile(r"^\s*[\d.]*\s*[;,]?\s*url\s*=\s*['\"]?(.*?)['\"]?\s*$", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_CHARSET = re.compile(r"[A-Za-z0-9._:+-]{1,40}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE_NAMES = ("article:published_time", "datepublished", "dc.date", "dcterms.created", "dcterms.date", "date")
_MOST_LINKS = 5_000


@dataclass(frozen=True, slots=True)
class Page:
    """A page as far as a crawl goes. `content` is as received, or in UTF-8 where only the server said the encoding.

    `links` are normal URLs in the order of the page; there are none where the page asks not to follow them. `index`
    says whether the page may be kept. `canonical` is the URL that the page gives itself, or empty.
    """

    content: bytes
    title: str = ""
    links: tuple[str, ...] = ()
    canonical: str = ""
    index: bool = True
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_page(content: bytes, url: str, headers: Mapping[str, str]) -> Page:
    """The page at a URL (after redirects) with the headers it came with. Raises LoadError for what is no text."""
    text = html_text(content, content_type(headers)[1])
    if html_text(content) != text:
        # The file alone would be read in another encoding: it gets a byte order mark instead of the header.
        content = b"\xef\xbb\xbf" + text.encode("utf-8", "replace")
    try:
        root = parse_html(text)
    except LoadError:
        return Page(content, metadata={"url": url})
    rules = robots_words(headers.get("x-robots-tag", ""))
    base, canonical, title, published, refresh = url, "", "", "", ""
    named: dict[str, str] = {}
    found: list[str] = []
    for element in root.iter():
        name = local(element)
        if name == "base" and attribute(element, "href"):
            base = normal_url(attribute(element, "href"), url) or url
        elif name == "title" and not title:
            title = _clean(text_of(element))
        elif name == "meta":
            key = (attribute(element, "name") or attribute(element, "property")).strip().lower()
            value = attribute(element, "content")
            if key in ("robots", "lacerta"):
                rules |= robots_words(value)
            elif attribute(element, "http-equiv").strip().lower() == "refresh" and (match := _REFRESH.match(value)):
                refresh = match[1]
            elif key and value:
                named.setdefault(key, value)
        elif name == "link":
            relation = attribute(element, "rel").lower().split()
            if "canonical" in relation:
                canonical = canonical or attribute(element, "href")
            elif "alternate" in relation and attribute(element, "hreflang"):
                found.append(attribute(element, "href"))
        elif name == "time" and not published:
            published = attribute(element, "datetime")
        elif name in _LINKS and "nofollow" not in attribute(element, "rel").lower().split():
            found.append(attribute(element, _LINKS[name]))
    metadata = {"url": url}
    language = attribute(root, "lang") or headers.get("content-language", "").split(",")[0].strip()
    if _LANGUAGE.fullmatch(language):
        metadata["language"] = language.split("-")[0].lower()
    date = _DATE.match(next((named[key] for key in _DATE_NAMES if key in named), published).strip())
    if date:
        metadata["published"] = date[0]
    links = [normal_url(link, base) for link in [refresh, *found] if link][:_MOST_LINKS]
    follow = not rules & {"nofollow", "none"}
    return Page(
        content,
        title or _clean(named.get("og:title", "")),
        tuple(dict.fromkeys(link for link in links if link)) if follow else (),
        (normal_url(canonical, base) or "") if canonical else "",
        not rules & {"noindex", "none"},
        metadata,
    )


def content_type(headers: Mapping[str, str]) -> tuple[str, str]:
    """`(media type, charset)` of a Content-Type header, in lower case; empty where they are not given."""
    message = Message()
    message["Content-Type"] = headers.get("content-type", "").split(", ")[0]
    stated = message.get_content_type() if headers.get("content-type") else ""
    charset = message.get_param("charset", "")
    return stated, charset.lower() if isinstance(charset, str) and _CHARSET.fullmatch(charset) else ""


def robots_words(value: str) -> set[str]:
    """The words of a robots meta element or X-Robots-Tag header that concern every program, or this one."""
    words: set[str] = set()
    concerned = True
    for part in value.lower().split(","):
        agent, colon, rest = part.partition(":")
        if colon and agent.strip() not in (
            "max-snippet",
            "max-image-preview",
            "max-video-preview",
            "unavailable_after",
        ):
            # "googlebot: noindex, nofollow" speaks to one program, up to the next name.
            concerned = agent.strip() in ("lacerta", "*")
            part = rest
        if concerned:
            words.add(part.strip())
    return words


def _clean(text: str) -> str:
    return flatten(normalise(text))[:300]
