"""Web pages: the main text with its headings, lists and tables, without navigation, banners and footers.

trafilatura says where the main text is and what is known of the page; everything inside the element that holds it is
then read in order, because main-text extraction alone drops headings and tables of pages that are no articles.
"""

import codecs
import re
from typing import Any

from ingest.blocks import Block, Loaded
from ingest.loaders.encoding import decode
from ingest.loaders.errors import LoadError
from ingest.loaders.hypertext import html_blocks
from ingest.loaders.markup import Element, attribute, local, text_of
from ingest.loaders.rows import clean

_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"^\s*<\?xml[^>]+encoding\s*=\s*[\"']([\w.:-]+)")
# What browsers read these names as (WHATWG Encoding Standard, names and labels).
_LABELS = {
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "euc-kr": "cp949",
    "euc_kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "ksc5601": "cp949",
    "windows-949": "cp949",
}
_FURNITURE = frozenset(("nav", "footer", "aside"))
_ROLES = frozenset("navigation banner contentinfo search complementary menu menubar dialog alert alertdialog".split())
_NAMES = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|menu|breadcrumbs?|sidebar|cookies?|consent|share|sharing|social|pagination"
    r"|pager|footer|skip-?link|related|advert|ads|popup|modal)(?:$|[\s_-])",
    re.IGNORECASE,
)
# What no element may hold: trees of lxml refuse it.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(?:x0*1?[0-8bcef]|x0*1[9ad]|0*(?:[0-8]|1[124-9]|2\d|3[01]));", re.I
)
_FRONT_MATTER = re.compile(r"\A---\s*\n.*?\n---\s*\n", re.DOTALL)
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|<%.*?%>|<\?php.*?\?>", re.DOTALL)
# Finding the main text takes time with the square of the elements; such pages are tables.
_ELEMENTS_SEARCHED = 8_000
_MAIN_SHARE = 0.9
_LEAST_CHARACTERS = 200


def load_html(content: bytes, name: str) -> Loaded:
    """The main text of a web page on one page; all its visible text where none can be told apart.

    Metadata: `author`, `published` (ISO date), `url`, `site` where the page states them. Raises LoadError for a page
    without text.
    """
    text = _CONTROL.sub(" ", _TEMPLATE.sub(" ", _FRONT_MATTER.sub("", html_text(content))))
    root = parse_html(text)
    body = next((item for item in root.iter() if local(item) == "body"), root)
    about, main = _extracted(text, root)
    region = _region(body, main)
    blocks = [block for _, block in html_blocks(region, lambda item: item is not region and _is_furniture(item))]
    if not _enough(blocks):
        blocks = [block for _, block in html_blocks(body)]
    if not any(letter.isalnum() for block in blocks for letter in block.text):
        raise LoadError("it is a web page that shows no text without scripts: save it from a browser, or as PDF")
    return Loaded("html", _title(root, blocks, about.pop("title", "")), (tuple(blocks),), about)


def html_text(content: bytes, stated: str = "") -> str:
    """The text of a page, by `stated` encoding, byte order mark, the one that the page states, or its looks."""
    found = _XML_ENCODING.search(content[:512]) or _CHARSET.search(content[:4096])
    for label in (stated, found[1].decode() if found else ""):
        if label and not content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            encoding = _LABELS.get(label.lower(), label)
            try:
                return content.decode(encoding)
            except (LookupError, UnicodeDecodeError):
                continue
    return decode(content)


def parse_html(text: str) -> Element:
    """The root element of a page, however broken it is. Raises LoadError where nothing is left."""
    from lxml import etree, html

    # Bytes, because lxml refuses a text that states an encoding of its own.
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        root = html.document_fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.ParserError, etree.XMLSyntaxError, AssertionError) as error:
        raise LoadError("it is a web page without text: save it again from a browser") from error
    return root


def _extracted(text: str, root: Element) -> tuple[dict[str, str], str]:
    """What trafilatura makes of a page: title and metadata, and its main text."""
    from trafilatura import bare_extraction
    from trafilatura.metadata import extract_metadata

    dates = {"original_date": True, "extensive_search": False}
    found: Any
    if sum(1 for _ in root.iter()) > _ELEMENTS_SEARCHED:
        found, main = extract_metadata(parse_html(text), date_config=dates), ""
    else:
        found = bare_extraction(
            parse_html(text),
            with_metadata=True,
            include_comments=False,
            include_tables=True,
            date_extraction_params=dates,
        )
        main = found.text or "" if found else ""
        found = found or extract_metadata(parse_html(text), date_config=dates)
    stated = {
        "title": found.title,
        "author": found.author,
        "published": found.date,
        "url": found.url,
        "site": found.sitename,
    }
    return {key: clean(str(value)) for key, value in stated.items() if value and clean(str(value))}, main


def _region(body: Element, main: str) -> Element:
    """The smallest element that holds nearly all of the main text."""
    stated = [item for item in body.iter() if local(item) == "main" or attribute(item, "role") == "main"]
    if len(stated) == 1 and len(clean(text_of(stated[0]))) >= _LEAST_CHARACTERS:
        return stated[0]
    lines = "\n".join(map(_bare, main.split("\n")))
    held: dict[Element, int] = {}
    total = 0
    for element, block in html_blocks(body):
        if _bare(block.text) in lines:
            total += len(block.text)
            for ancestor in (element, *element.iterancestors()):
                held[ancestor] = held.get(ancestor, 0) + len(block.text)
    region = body
    inside = [item for item in held if held[item] >= _MAIN_SHARE * total and item is not body]
    if total >= _LEAST_CHARACTERS:
        # Of the elements that hold it, the one with the most ancestors; a lone paragraph or cell is no region.
        wide = [item for item in inside if local(item) in ("div", "article", "section", "main", "td", "form", "center")]
        region = max(wide, key=lambda item: sum(1 for _ in item.iterancestors()), default=body)
    return region


def _bare(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum())


def _is_furniture(element: Element) -> bool:
    """Whether an element is about finding one's way on the site, not part of the page's text."""
    name = local(element)
    if name in _FURNITURE or attribute(element, "role") in _ROLES or attribute(element, "aria-hidden") == "true":
        return True
    if name == "header":
        # A site's header holds no heading of the page, an article's does.
        return not any(local(item) in ("h1", "h2") for item in element.iter())
    named = f"{attribute(element, 'class')} {attribute(element, 'id')}"
    return (
        name in ("div", "ul", "ol", "section", "p", "span", "table") and bool(_NAMES.search(named)) and _linked(element)
    )


def _linked(element: Element) -> bool:
    """Whether most of an element is links or it is short: a class name alone may mean anything."""
    whole = len(clean(text_of(element)))
    links = sum(len(clean(text_of(item))) for item in element.iter() if local(item) in ("a", "button"))
    return whole < _LEAST_CHARACTERS or 2 * links > whole


def _enough(blocks: list[Block]) -> bool:
    return sum(len(block.text) for block in blocks) >= 40


def _title(root: Element, blocks: list[Block], stated: str) -> str:
    """The only main heading, else what the page calls itself; `stated` may be its heading without the site's name."""
    main = [block.text for block in blocks[:20] if block.level == 1]
    own = next((clean(text_of(item)) for item in root.iter() if local(item) == "title"), "")
    if len(main) == 1:
        return main[0]
    return stated if stated in own or any(stated == block.text for block in blocks) else own
