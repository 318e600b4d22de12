"""Hangul documents in the open format (hwpx, KS X 6101): paragraphs and table rows. The binary .hwp is not read."""

import re
from collections.abc import Iterator

from ingest.blocks import Block, Loaded
from ingest.loaders.archive import open_zip, read_entry
from ingest.loaders.errors import LoadError
from ingest.loaders.markup import Element, attribute, child, descendants, local, parse_xml, text_of
from ingest.loaders.rows import clean, table_blocks

_SECTION = re.compile(r"Contents/section(\d+)\.xml")
_DROPPED = frozenset(("ctrl", "secpr", "linesegarray", "header", "footer", "pic", "equation"))
_NOTES = ("footnote", "endnote")


def load_hangul(content: bytes, name: str) -> Loaded:
    """A Hangul document on one page. Metadata: `author`. Raises LoadError for what is damaged or holds no text."""
    with open_zip(content) as archive:
        names = archive.namelist()
        if "META-INF/manifest.xml" in names and b"encryption-data" in read_entry(archive, "META-INF/manifest.xml"):
            raise LoadError("it is protected by a password: save a copy without one")
        sections = sorted((name for name in names if _SECTION.fullmatch(name)), key=lambda name: (len(name), name))
        blocks = [block for part in sections for block in _blocks(parse_xml(read_entry(archive, part), "text"))]
        title = ""
        metadata: dict[str, str] = {}
        if "Contents/content.hpf" in names:
            title, metadata = _about(parse_xml(read_entry(archive, "Contents/content.hpf"), "header"))
    if not any(letter.isalnum() for block in blocks for letter in block.text):
        raise LoadError("it holds no text (pictures only?): save it as PDF, so that text recognition can read it")
    return Loaded("hwpx", title, (tuple(blocks),), metadata)


def _about(root: Element) -> tuple[str, dict[str, str]]:
    title = clean(text_of(next(iter(descendants(root, "title")), None)))
    author = next((clean(text_of(x)) for x in descendants(root, "meta") if attribute(x, "name") == "creator"), "")
    return title, {"author": author} if author else {}


def _blocks(element: Element) -> Iterator[Block]:
    for item in element:
        if local(item) != "p":
            continue
        beside: list[Block] = []
        text = clean("".join(_text(item, beside)))
        if any(map(str.isalnum, text)):
            yield Block(text)
        yield from beside


def _text(element: Element, beside: list[Block]) -> Iterator[str]:
    """The texts of a paragraph; the tables, text boxes and notes that hang on it are put beside it."""
    for item in element:
        name = local(item)
        if name == "t":
            yield item.text or ""
            for mark in item:
                yield (" " if local(mark) in ("tab", "linebreak", "nbspace", "fwspace") else text_of(mark)) + (
                    mark.tail or ""
                )
        elif name == "tbl":
            beside += _table(item)
        elif name in ("drawtext", *_NOTES):
            for part in descendants(item, "sublist")[:1] or [item]:
                beside += list(_blocks(part))
        elif name == "ctrl":
            for note in descendants(item, *_NOTES):
                for part in descendants(note, "sublist")[:1]:
                    beside += list(_blocks(part))
        elif name not in _DROPPED:
            yield from _text(item, beside)


def _table(table: Element) -> list[Block]:
    """The rows of a table; cells state their place (`cellAddr`) and what they cover (`cellSpan`)."""
    grid: dict[tuple[int, int], str] = {}
    heads: set[int] = set()
    for cell in descendants(table, "tc"):
        if next(item for item in cell.iterancestors() if local(item) == "tbl") is not table:
            continue
        address, span = child(cell, "cellAddr"), child(cell, "cellSpan")
        row, column = _number(address, "rowAddr", 0), _number(address, "colAddr", 0)
        part = child(cell, "subList")
        text = " ".join(block.text for block in _blocks(part)) if part is not None else ""
        if attribute(cell, "header") == "1":
            heads.add(row)
        for down in range(min(_number(span, "rowSpan", 1), 100)):
            for right in range(min(_number(span, "colSpan", 1), 100)):
                grid[row + down, column + right] = text
    if not grid:
        return []
    height, width = max(row for row, _ in grid) + 1, max(column for _, column in grid) + 1
    if height * width > 200_000:
        raise LoadError(f"it has a table of {height:,} x {width:,} cells, at most 200,000 are read: split it")
    rows = [[grid.get((row, column), "") for column in range(width)] for row in range(height)]
    marked = len(heads) if heads == set(range(len(heads))) else 0
    return table_blocks(rows, marked if 0 < marked < height else None)


def _number(element: Element | None, name: str, otherwise: int) -> int:
    value = attribute(element, name) if element is not None else ""
    return int(value) if value.isdigit() else otherwise
