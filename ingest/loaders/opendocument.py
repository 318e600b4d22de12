"""OpenDocument texts and presentations (odt, ott, odp, and flat fodt): headings, lists, tables, notes.

Spreadsheets (ods) are read by `sheets`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.blocks import Block, Loaded
from ingest.loaders.archive import open_zip, read_entry
from ingest.loaders.errors import LoadError
from ingest.loaders.markup import Element, attribute, child, descendants, local, parse_xml, text_of
from ingest.loaders.rows import clean, table_blocks
from ingest.loaders.word import first_heading

_DROPPED = frozenset(
    "tracked-changes annotation annotation-end table-of-content illustration-index table-index object-index"
    " user-index alphabetical-index bibliography forms sequence-decls settings binary-data title desc".split()
)
_REPEATS = 100
_BULLET = "-"


def load_opendocument(content: bytes, name: str) -> Loaded:
    """A text on one page, or a presentation with a page a slide; footnotes follow their paragraph.

    Metadata: `author`, `modified` (ISO date). Raises LoadError for what is damaged, encrypted or holds no text.
    """
    if content.startswith(b"PK"):
        with open_zip(content) as archive:
            names = archive.namelist()
            if "META-INF/manifest.xml" in names and b"encryption-data" in read_entry(archive, "META-INF/manifest.xml"):
                raise LoadError("it is protected by a password: save a copy without one")
            root = parse_xml(read_entry(archive, "content.xml"), "text")
            about = parse_xml(read_entry(archive, "meta.xml"), "header") if "meta.xml" in names else None
            styles = parse_xml(read_entry(archive, "styles.xml"), "styles") if "styles.xml" in names else None
    else:
        root = about = styles = parse_xml(content, "text")
    body = child(root, "body")
    part = next(iter(body), None) if body is not None else None
    if part is None:
        raise LoadError("it has no text part: export it again")
    reader = _Reader(_numbered_lists([root] if styles is None or styles is root else [root, styles]), _parents(root))
    slides = [item for item in part if local(item) == "page"]
    pages = tuple(tuple(reader.slide(slide)) for slide in slides) if slides else (tuple(reader.blocks(part)),)
    if not any(letter.isalnum() for page in pages for block in page for letter in block.text):
        raise LoadError("it holds no text (pictures only?): save it as PDF, so that text recognition can read it")
    title, metadata = _about(about)
    first = reader.title or title or first_heading(list(pages[0]))
    return Loaded("odp" if slides else "odt", first, pages, metadata)


def _about(root: Element | None) -> tuple[str, dict[str, str]]:
    found = {local(item): clean(text_of(item)) for item in root.iter() if local(item)} if root is not None else {}
    values = {
        "author": found.get("creator") or found.get("initial-creator", ""),
        "modified": found.get("date", "")[:10],
    }
    # In a flat file, `title` may be that of a picture.
    meta = child(root, "meta") if root is not None else None
    title = clean(text_of(child(meta, "title")))
    return title, {key: value for key, value in values.items() if value}


@dataclass(slots=True)
class _Reader:
    numbered: dict[str, frozenset[str]]
    parents: dict[str, str]
    title: str = ""
    beside: list[Block] = field(default_factory=list)
    # How far each level of the list that is being read has counted, and whether it is numbered.
    counts: list[tuple[int, bool]] = field(default_factory=list)
    marker: str = ""

    def slide(self, slide: Element) -> Iterator[Block]:
        for frame in slide:
            is_title = attribute(frame, "class") == "title"
            for block in self.blocks(frame):
                yield Block(block.text, 2) if is_title and not block.row else block

    def blocks(self, element: Element) -> Iterator[Block]:
        for item in element:
            name = local(item)
            if name in ("p", "h"):
                yield from self.paragraph(item, name)
            elif name == "list":
                yield from self.list(item)
            elif name == "table":
                yield from self.table(item)
            elif name and name not in _DROPPED:
                # Sections, frames, text boxes, notes of slides: containers of the same.
                yield from self.blocks(item)

    def paragraph(self, item: Element, name: str) -> Iterator[Block]:
        text = clean("".join(self.text(item)))
        style = attribute(item, "style-name")
        if any(map(str.isalnum, text)):
            level = attribute(item, "outline-level")
            number = min(int(level), 6) if name == "h" and level.isdigit() else int(name == "h")
            if "Title" in (style, self.parents.get(style)):
                self.title, number = self.title or text, 1
            yield Block(f"{self.marker} {text}" if self.marker and not number else text, number)
            self.marker = ""
        yield from self.beside
        self.beside = []

    def text(self, element: Element) -> Iterator[str]:
        """The texts of a paragraph; its notes and text boxes are put beside it."""
        yield element.text or ""
        for item in element:
            name = local(item)
            if name == "s":
                yield " "
            elif name in ("tab", "line-break"):
                yield " "
            elif name == "note":
                number = clean(text_of(child(item, "note-citation"))) or "*"
                note = " ".join(block.text for block in self.inside(child(item, "note-body")))
                self.beside.append(Block(f"[{number}] {note}"))
                yield f" [{number}]"
            elif name == "text-box":
                self.beside += self.inside(item)
            elif name in ("p", "h"):
                yield " "
                yield from self.text(item)
            elif name and name not in _DROPPED:
                yield from self.text(item)
            yield item.tail or ""

    def inside(self, element: Element | None) -> list[Block]:
        """The blocks of a note, text box or cell, with what stands beside them."""
        if element is None:
            return []
        kept = self.beside, self.counts, self.marker
        self.beside, self.counts, self.marker = [], [], ""
        blocks = list(self.blocks(element))
        self.beside, self.counts, self.marker = kept
        return blocks

    def list(self, element: Element) -> Iterator[Block]:
        style = attribute(element, "style-name")
        level = str(len(self.counts) + 1)
        outer = self.counts[-1][1] if self.counts else False
        self.counts.append((0, level in self.numbered[style] if style in self.numbered else outer))
        for item in element:
            if local(item) not in ("list-item", "list-header"):
                continue
            count, is_numbered = self.counts[-1]
            start = attribute(item, "start-value")
            count = int(start) if start.isdigit() else count + 1
            self.counts[-1] = (count, is_numbered)
            if local(item) == "list-item":
                self.marker = ".".join(str(number) for number, _ in self.counts) + "." if is_numbered else _BULLET
            yield from self.blocks(item)
            self.marker = ""
        self.counts.pop()

    def table(self, table: Element) -> Iterator[Block]:
        rows: list[list[str]] = []
        marked = 0
        merged: dict[tuple[int, int], str] = {}
        for line in descendants(table, "table-row"):
            if next(item for item in line.iterancestors() if local(item) == "table") is not table:
                continue
            row: list[str] = []
            for cell in line:
                if local(cell) not in ("table-cell", "covered-table-cell"):
                    continue
                text = " ".join(block.text for block in self.inside(cell))
                place = len(rows), len(row)
                if local(cell) == "covered-table-cell":
                    text = merged.get(place, text)
                for down in range(_count(cell, "number-rows-spanned")):
                    for right in range(_count(cell, "number-columns-spanned")):
                        merged[place[0] + down, place[1] + right] = text
                row += [text] * _count(cell, "number-columns-repeated")
            if local(line.getparent()) == "table-header-rows":
                marked += 1
            rows += [row] * (_count(line, "number-rows-repeated") if any(row) else 1)
        yield from table_blocks(rows, marked if 0 < marked < len(rows) else None)


def _count(element: Element, name: str) -> int:
    value = attribute(element, name)
    return min(int(value), _REPEATS) if value.isdigit() and int(value) else 1


def _parents(root: Element) -> dict[str, str]:
    """The named style that each automatic style comes from."""
    return {attribute(item, "name"): attribute(item, "parent-style-name") for item in descendants(root, "style")}


def _numbered_lists(roots: list[Element]) -> dict[str, frozenset[str]]:
    """Which levels of each list style are numbered."""
    return {
        attribute(style, "name"): frozenset(
            attribute(level, "level")
            for level in style
            if local(level) == "list-level-style-number" and attribute(level, "num-format")
        )
        for root in roots
        for style in descendants(root, "list-style")
    }
