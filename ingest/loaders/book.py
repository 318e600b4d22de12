"""E-books (epub): a page a chapter, in reading order."""

import posixpath
import zipfile
from urllib.parse import unquote

from ingest.blocks import Block, Loaded
from ingest.loaders.archive import open_zip, read_entry
from ingest.loaders.errors import LoadError
from ingest.loaders.html import html_text, parse_html
from ingest.loaders.hypertext import html_blocks
from ingest.loaders.markup import Element, attribute, child, descendants, local, parse_xml, text_of
from ingest.loaders.rows import clean

# Fonts are scrambled without a key (EPUB 3.3, 4.4 Font obfuscation, and Adobe's older way): the text is not.
_FONTS_ONLY = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_CHAPTERS = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")


def load_book(content: bytes, name: str) -> Loaded:
    """An e-book; the table of contents is left out.

    Metadata: `author`, `published`, `language`. Raises LoadError for books that are damaged, protected or empty.
    """
    with open_zip(content) as archive:
        names = set(archive.namelist())
        if "META-INF/encryption.xml" in names:
            _refuse_protection(parse_xml(read_entry(archive, "META-INF/encryption.xml"), "list of encrypted parts"))
        container = parse_xml(read_entry(archive, "META-INF/container.xml"), "container")
        package = next((attribute(item, "full-path") for item in descendants(container, "rootfile")), "")
        root = parse_xml(read_entry(archive, package), "package")
        items = {attribute(item, "id"): item for item in descendants(root, "item")}
        pages: list[tuple[Block, ...]] = []
        notes: list[str] = []
        for reference in descendants(root, "itemref"):
            item = items.get(attribute(reference, "idref"))
            if item is None or "nav" in attribute(item, "properties").split():
                continue
            part = posixpath.normpath(posixpath.join(posixpath.dirname(package), unquote(attribute(item, "href"))))
            if attribute(item, "media-type") not in _CHAPTERS:
                continue
            if part not in names:
                notes.append(f"its chapter {ascii(part)} is missing: export it again")
                continue
            pages.append(_chapter(archive, part))
    filled = tuple(page for page in pages if page)
    if not filled:
        raise LoadError("its chapters hold no text (pictures only?): save it as PDF, so that it can be recognised")
    title, metadata = _about(child(root, "metadata"))
    return Loaded("epub", title, filled, metadata, tuple(notes))


def _refuse_protection(root: Element) -> None:
    for method in descendants(root, "encryptionmethod"):
        if attribute(method, "Algorithm") not in _FONTS_ONLY:
            raise LoadError("its text is locked by copy protection (DRM): ask the publisher for a copy without")


def _chapter(archive: zipfile.ZipFile, part: str) -> tuple[Block, ...]:
    content = read_entry(archive, part)
    try:
        root = parse_xml(content, "chapter")
    except LoadError:
        # Many books hold what browsers forgive and XML does not.
        root = parse_html(html_text(content))
    body = next((item for item in root.iter() if local(item) in ("body", "book")), root)
    return tuple(block for _, block in html_blocks(body, lambda item: local(item) == "nav"))


def _about(metadata: Element | None) -> tuple[str, dict[str, str]]:
    found: dict[str, list[str]] = {}
    for item in metadata if metadata is not None else ():
        if text := clean(text_of(item)):
            found.setdefault(local(item), []).append(text)
    stated = {
        "author": "; ".join(found.get("creator", [])),
        "published": found.get("date", [""])[0][:10],
        "language": found.get("language", [""])[0],
    }
    return found.get("title", [""])[0], {key: value for key, value in stated.items() if value}
