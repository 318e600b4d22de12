"""Identifiers of literature by strict patterns: DOIs, arXiv's own, web addresses. What does not fit counts as none."""

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote, urlsplit

import httpx

LONGEST_ADDRESS = 2000
# Handles may hold nearly anything; what is here covers what registrars give out today, and SICI names of the 1990s.
_DOI = r"10\.\d{4,9}/[-._;()/:A-Za-z0-9<>+]{1,200}"
_STATED_DOI = re.compile(rf"(?:doi:\s?|https?://(?:dx\.|www\.)?doi\.org/)?({_DOI})", re.IGNORECASE)
# Publishers write it behind the name of the journal into the subject of a PDF.
_MENTIONED_DOI = re.compile(rf"\b(?:doi(?::\s?|\s)|https?://(?:dx\.)?doi\.org/)({_DOI})", re.IGNORECASE)
_DOI_PATH = re.compile(rf"(?:.*/)?(?:doi|article|chapter|book)/(?:(?:abs|full|pdf|epdf|pdfdirect)/)?({_DOI})")
_DOI_SOURCE = re.compile(rf"(?:.*/)?(?:dx\.)?doi\.org/({_DOI})")

# https://info.arxiv.org/help/arxiv_identifier.html; the archives are those that had identifiers before April 2007.
_ARCHIVES = (
    "acc-phys|adap-org|alg-geom|ao-sci|astro-ph|atom-ph|bayes-an|chao-dyn|chem-ph|cmp-lg|comp-gas|cond-mat|cs|dg-ga"
    "|funct-an|gr-qc|hep-ex|hep-lat|hep-ph|hep-th|math|math-ph|mtrl-th|nlin|nucl-ex|nucl-th|patt-sol|physics|plasm-ph"
    "|q-alg|q-bio|quant-ph|solv-int|supr-con"
)
_VERSION = r"(?:v[1-9]\d{0,2})?"
_NEW = r"\d{4}\.\d{4,5}"
_ARXIV = rf"(?:{_NEW}|(?:{_ARCHIVES})(?:\.[A-Z]{{2}})?/\d{{7}}){_VERSION}"
_STATED_ARXIV = re.compile(rf"(?:(?i:arxiv):\s?)?({_ARXIV})(?:\s\[[A-Za-z.-]{{2,20}}\])?")
_ARXIV_PATH = re.compile(rf"/(?:abs|pdf|html|format|e-print|src|ps)/({_ARXIV})(?:\.pdf|/)?")
_ARXIV_DOI = re.compile(rf"(?i:10\.48550/arxiv)\.({_ARXIV})")
# "arxiv/2401.01234v2", "papers/arXiv_2401.01234.pdf", "web/arxiv.org/abs/2401.01234"
_ARXIV_SOURCE = re.compile(rf"(?:.*/)?(?i:arxiv(?:\.org/(?:abs|pdf|html))?)[/:_ -]({_ARXIV})(?:\.[A-Za-z]{{2,5}})?")
# As arXiv names the files that it hands out: "2401.01234v2.pdf"; four digits alone could be any number.
_ARXIV_FILE = re.compile(rf"(?:.*/)?(\d{{4}}\.\d{{5}}{_VERSION}|\d{{4}}\.\d{{4}}v[1-9]\d{{0,2}})\.pdf", re.ASCII)
# The slash of old identifiers cannot stand in a file's name.
_OLD_FILE = re.compile(
    rf"(?:.*/)?(?:(?i:arxiv)[_ -])?({_ARCHIVES})(\.[A-Z]{{2}})?[_-]?(\d{{7}})({_VERSION})\.pdf", re.ASCII
)
_CATEGORY = re.compile(r"[a-z-]{2,20}(?:\.[A-Za-z-]{2,20})?")


def web_address(text: str) -> str:
    """An http or https address in ASCII, fit for a link in every format; empty for anything else.

    Without fragment. Addresses that hold a user name are left out: there may be a password in them.
    """
    text = text.strip()
    if not text.isprintable() or len(text) > LONGEST_ADDRESS:
        return ""
    try:
        address = httpx.URL(text)
        if address.scheme not in ("http", "https") or not address.host or address.userinfo:
            return ""
        host = address.raw_host.decode("ascii")
        host = f"[{host}]" if ":" in host else host
        port = f":{address.port}" if address.port else ""
        # Marks that close a link in Markdown or a field in BibTeX.
        path = quote(address.raw_path.decode("ascii"), safe="%/:=&?~#+!$,;@._-'*")
    except (httpx.InvalidURL, UnicodeError, ValueError):
        return ""
    if not re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", host):
        return ""
    written = f"{address.scheme}://{host}{port}{path}"
    return written if len(written) <= LONGEST_ADDRESS else ""


def find_doi(stated: str, address: str, sources: Iterable[str], subject: str = "") -> str:
    """The DOI that a document states, else the one in its address, a name of its source or its subject, there with
    `doi` before it; empty without one.
    """
    for word in stated.replace(",", " ").split():
        if match := _STATED_DOI.fullmatch(word.rstrip(".;")):
            return match[1]
    if address:
        parts = urlsplit(address)
        path = unquote(parts.path)
        host = (parts.hostname or "").removeprefix("www.")
        match = re.fullmatch(rf"/({_DOI})", path) if host in ("doi.org", "dx.doi.org") else _DOI_PATH.fullmatch(path)
        if match:
            return _bare(match[1])
    found = (_DOI_SOURCE.fullmatch(source) for source in sources)
    match = next(filter(None, found), None) or _MENTIONED_DOI.search(subject)
    return _bare(match[1]) if match else ""


def _bare(doi: str) -> str:
    return doi.removesuffix(".pdf").rstrip("./;")


def find_arxiv(stated: str, address: str, doi: str, sources: Iterable[str]) -> str:
    """The arXiv identifier with its version, `2401.01234v2` or `hep-th/9901001`; empty without one.

    Looked for in the stated identifier, the address, the DOI and the names of the source, in that order.
    """
    found = []
    if match := _STATED_ARXIV.fullmatch(stated.strip()):
        found.append(match[1])
    if address:
        parts = urlsplit(address)
        host = parts.hostname or ""
        if (host == "arxiv.org" or host.endswith(".arxiv.org")) and (match := _ARXIV_PATH.fullmatch(parts.path)):
            found.append(match[1])
    if match := _ARXIV_DOI.fullmatch(doi):
        found.append(match[1])
    for source in sources:
        if match := _ARXIV_SOURCE.fullmatch(source) or _ARXIV_FILE.fullmatch(source):
            found.append(match[1])
        elif match := _OLD_FILE.fullmatch(source):
            found.append(f"{match[1]}{match[2] or ''}/{match[3]}{match[4]}")
    return next(filter(_is_arxiv, found), "")


def _is_arxiv(identifier: str) -> bool:
    """Whether an identifier of the right form has a month in which such identifiers were given out."""
    if not identifier.isascii():
        return False
    archive, _, number = identifier.partition("v")[0].rpartition("/") if "/" in identifier else ("", "", identifier)
    year, month = int(number[:2]), int(number[2:4])
    if not 1 <= month <= 12:
        return False
    if archive:
        return (91, 7) <= (year, month) or (year, month) <= (7, 3)
    digits = len(number.partition("v")[0].partition(".")[2])
    return (year, month) >= (7, 4) and digits == (4 if year < 15 else 5)


def arxiv_category(categories: str) -> str:
    """The first of arXiv's categories, the primary one; empty where there is none."""
    first = (categories.split() or [""])[0]
    return first if _CATEGORY.fullmatch(first) else ""
