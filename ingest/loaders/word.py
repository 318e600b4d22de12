"""Word documents (docx, docm, dotx): headings, lists, tables, notes. Knows nothing of how pages look.

The parts are read as XML: python-docx refuses macro-enabled files, templates, strict Office Open XML and packages with
a missing picture, and shows neither footnotes nor list numbers, text boxes, content controls and tracked insertions.
"""

import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.blocks import Block, Loaded
from ingest.loaders.archive import open_zip, read_entry
from ingest.loaders.errors import LoadError
from ingest.loaders.markup import Element, attribute, child, descendants, local, parse_xml, text_of
from ingest.loaders.numbering import Level, Numbering
from ingest.loaders.rows import clean, table_blocks

_LEVELS = 6
_FAKE_HEADING_CHARACTERS = 90
_DROPPED = frozenset(
    "del movefrom instrtext deltext ppr rpr sdtpr sdtendpr tblpr trpr tcpr fallback footnoteref endnoteref"
    " annotationref pict".split()
)
_NOTES = {"footnotereference": "footnotes", "endnotereference": "endnotes"}
_BREAKS = frozenset(("tab", "br", "cr", "ptab"))
# Styles of tables of contents: the headings themselves say the same.
_CONTENTS = ("toc ", "table of figures")
_NUMBERED = re.compile(r"(?:\d+\.)*\d*")
_TEMPLATE_TITLES = ("microsoft word", "document", "untitled", "title", "template", "dokumentum", "문서", "powerpoint")


def load_word(content: bytes, name: str) -> Loaded:
    """A Word document on one page; footnotes stand after the paragraph that they belong to.

    Metadata: `author`, `modified` (ISO date). Raises LoadError for what is damaged or holds no text.
    """
    with open_zip(content) as archive:
        main = main_part(archive) or "word/document.xml"
        reader = _Reader(_parts(archive, main))
        blocks = reader.blocks(child(parse_xml(read_entry(archive, main), "text"), "body"))
        stated, metadata = core_properties(archive)
    if not any(letter.isalnum() for block in blocks for letter in block.text):
        raise LoadError("it holds no text (pictures only?): save it as PDF, so that text recognition can read it")
    return Loaded("docx", reader.title or stated or first_heading(blocks), (tuple(blocks),), metadata)


def main_part(archive: zipfile.ZipFile) -> str:
    """The name of the part that an Office file begins with."""
    for kind, target in relations(archive, "").values():
        if kind == "officeDocument":
            return target
    return ""


def relations(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """`(kind, part)` of what a part of an Office file refers to inside of it, by their identifiers."""
    folder, _, base = part.rpartition("/")
    name = posixpath.join(folder, "_rels", f"{base}.rels")
    if name not in archive.namelist():
        return {}
    return {
        attribute(item, "Id"): (
            attribute(item, "Type").rpartition("/")[2],
            posixpath.normpath(posixpath.join("/", folder, attribute(item, "Target"))).lstrip("/"),
        )
        for item in parse_xml(read_entry(archive, name), "list of parts")
        if attribute(item, "TargetMode") != "External"
    }


def core_properties(archive: zipfile.ZipFile) -> tuple[str, dict[str, str]]:
    """The title that an Office file states, empty if it is the program's own, and its metadata."""
    if "docProps/core.xml" not in archive.namelist():
        return "", {}
    about = {
        local(item): clean(text_of(item)) for item in parse_xml(read_entry(archive, "docProps/core.xml"), "header")
    }
    title = about.get("title", "")
    if (title.lower().startswith(_TEMPLATE_TITLES) and len(title) < 40) or "template" in title.lower():
        title = ""
    found = {"author": about.get("creator", ""), "modified": about.get("modified", "")[:10]}
    return title, {key: value for key, value in found.items() if value}


def first_heading(blocks: list[Block]) -> str:
    """The heading that the text begins with; one further down is that of a section."""
    return next((block.text for block in blocks[:2] if block.level), "")


def _parts(archive: zipfile.ZipFile, main: str) -> dict[str, Element]:
    """The roots of the parts beside the text, by kind; those that are missing or damaged are left out."""
    found: dict[str, Element] = {}
    names = set(archive.namelist())
    for kind, part in relations(archive, main).values():
        if kind in ("styles", "numbering", "footnotes", "endnotes") and part in names:
            found[kind] = parse_xml(read_entry(archive, part), kind)
    return found


@dataclass(frozen=True, slots=True)
class _Style:
    name: str
    level: int
    number: tuple[str, str]
    bold: bool = False


@dataclass(slots=True)
class _Reader:
    parts: dict[str, Element]
    title: str = ""
    styles: dict[str, _Style] = field(default_factory=dict)
    numbering: Numbering = field(default_factory=Numbering)
    notes: dict[tuple[str, str], Element] = field(default_factory=dict)
    # What stands beside the paragraph that is being read: its notes and text boxes.
    beside: list[Block] = field(default_factory=list)

    def __post_init__(self) -> None:
        if "styles" in self.parts:
            self.styles = _styles(self.parts["styles"])
        if "numbering" in self.parts:
            self.numbering = _numbering(self.parts["numbering"])
        for kind in ("footnotes", "endnotes"):
            for note in self.parts.get(kind, ()):
                self.notes[kind, attribute(note, "id")] = note

    def blocks(self, body: Element | None) -> list[Block]:
        if body is None:
            raise LoadError("it has no text part: export it again")
        blocks = [block for element in _unwrapped(body) for block in self.block(element)]
        return blocks if any(block.level for block in blocks) else self.with_bold_headings(body, blocks)

    def with_bold_headings(self, body: Element, blocks: list[Block]) -> list[Block]:
        """Short bold paragraphs as headings, for documents written without styles."""
        bold = {
            "".join(text_of(item).split()) for item in _unwrapped(body) if local(item) == "p" and self.is_bold(item)
        }
        return [
            Block(block.text, 2 + min(_depth(block.text), 3))
            if "".join(block.text.split()) in bold
            and len(block.text) <= _FAKE_HEADING_CHARACTERS
            and block.text[-1] not in ".,;:!?"
            else block
            for block in blocks
        ]

    def is_bold(self, paragraph: Element) -> bool:
        style = self.styles.get(_value(child(paragraph, "ppr", "pstyle")))
        runs = [run for run in descendants(paragraph, "r") if clean(text_of(run))]
        marks = [child(run, "rpr", "b") for run in runs]
        if style and style.name == "caption":
            return False
        return bool(runs) and all(
            _value(mark) not in ("0", "false") if mark is not None else bool(style and style.bold) for mark in marks
        )

    def block(self, element: Element) -> Iterator[Block]:
        name = local(element)
        if name == "p":
            yield from self.paragraph(element)
        elif name == "tbl":
            yield from self.table(element)
        yield from self.beside
        self.beside = []

    def paragraph(self, paragraph: Element) -> Iterator[Block]:
        properties = child(paragraph, "ppr")
        style = self.styles.get(_value(child(properties, "pstyle")), _Style("", 0, ("", "")))
        text = clean("".join(self.text(paragraph)))
        if not text or style.name.startswith(_CONTENTS):
            return
        own = _value(child(properties, "outlinelvl"))
        level = min(int(own) + 1, _LEVELS) if own.isdigit() and int(own) < 9 else style.level
        number = child(properties, "numpr")
        label = self.numbering.label(
            _value(child(number, "numid")) or style.number[0], _value(child(number, "ilvl")) or style.number[1] or "0"
        )
        if style.name == "title":
            self.title = self.title or text
            level = 1
        # A list of headings is a heading, a bullet before it is none.
        yield Block(f"{label} {text}" if label and not (level and label == "-") else text, level)

    def text(self, element: Element) -> Iterator[str]:
        """The texts below an element without deletions; notes and text boxes are put beside the paragraph."""
        for item in element:
            name = local(item)
            if name == "t":
                yield item.text or ""
            elif name in _BREAKS:
                yield " "
            elif name == "nobreakhyphen":
                yield "-"
            elif name in _NOTES:
                yield from self.note(_NOTES[name], attribute(item, "id"))
            elif name == "txbxcontent":
                beside, self.beside = self.beside, []
                inner = [block for part in _unwrapped(item) for block in self.block(part)]
                self.beside = beside + inner
            elif name == "p":
                # A paragraph in a cell or in a note.
                yield from self.text(item)
                yield " "
            elif name not in _DROPPED or (name == "pict" and descendants(item, "txbxcontent")):
                yield from self.text(item)

    def note(self, kind: str, number: str) -> Iterator[str]:
        note = self.notes.pop((kind, number), None)
        if note is not None:
            text = clean("".join(self.text(note)))
            if text:
                self.beside.append(Block(f"[{number}] {text}"))
                yield f" [{number}]"

    def table(self, table: Element) -> Iterator[Block]:
        rows: list[list[str]] = []
        marked = 0
        for line in _unwrapped(table):
            if local(line) != "tr":
                continue
            row: list[str] = []
            for cell in _unwrapped(line):
                if local(cell) != "tc":
                    continue
                properties = child(cell, "tcpr")
                merged = child(properties, "vmerge")
                above = rows[-1] if rows else []
                text = clean("".join(self.text(cell)))
                if merged is not None and _value(merged) != "restart" and len(row) < len(above):
                    text = above[len(row)]
                span = _value(child(properties, "gridspan"))
                row += [text] * (min(int(span), 100) if span.isdigit() else 1)
            if child(line, "trpr", "tblheader") is not None and marked == len(rows):
                marked += 1
            rows.append(row)
        if len(rows) == 1 and len(rows[0]) == 1:
            # A frame around paragraphs.
            for cell in descendants(table, "tc")[:1]:
                for part in _unwrapped(cell):
                    yield from self.block(part)
            return
        yield from table_blocks(rows, marked if 0 < marked < len(rows) else None)


def _unwrapped(element: Element) -> Iterator[Element]:
    """The paragraphs, tables, rows or cells below an element, also those in content controls and insertions."""
    for item in element:
        if local(item) in ("sdt", "sdtcontent", "ins", "moveto", "customxml", "smarttag"):
            yield from _unwrapped(item)
        elif local(item) == "alternatecontent":
            chosen = child(item, "choice")
            yield from _unwrapped(item if chosen is None else chosen)
        else:
            yield item


def _depth(text: str) -> int:
    number = _NUMBERED.match(text)
    return number[0].rstrip(".").count(".") if number else 0


def _value(element: Element | None) -> str:
    return attribute(element, "val") if element is not None else ""


def _styles(root: Element) -> dict[str, _Style]:
    """The styles by identifier, with what they inherit."""
    elements = {attribute(item, "styleId"): item for item in root if local(item) == "style"}
    found: dict[str, _Style] = {}
    for key, element in elements.items():
        level, number, place, bold = 0, ("", ""), "", False
        chain: Element | None = element
        for _ in range(12):
            if chain is None:
                break
            name = _value(child(chain, "name")).lower()
            outline = _value(child(chain, "ppr", "outlinelvl"))
            if not level and name.startswith("heading ") and name[8:].isdigit():
                level = int(name[8:])
            elif not level and outline.isdigit() and int(outline) < 9:
                level = int(outline) + 1
            bold = bold or child(chain, "rpr", "b") is not None
            numbered = child(chain, "ppr", "numpr")
            place = place or _value(child(numbered, "ilvl"))
            if not number[0]:
                number = (_value(child(numbered, "numid")), place)
            chain = elements.get(_value(child(chain, "basedOn")))
        number = (number[0], place or (str(level - 1) if level else ""))
        found[key] = _Style(_value(child(element, "name")).lower(), min(level, _LEVELS), number, bold)
    return found


def _numbering(root: Element) -> Numbering:
    abstract = {attribute(item, "abstractNumId"): _levels(item) for item in root if local(item) == "abstractnum"}
    lists: dict[str, dict[str, Level]] = {}
    for item in root:
        if local(item) == "num":
            levels = dict(abstract.get(_value(child(item, "abstractNumId")), {}))
            for change in item:
                start = _value(child(change, "startoverride"))
                place = attribute(change, "ilvl")
                if local(change) == "lvloverride":
                    levels.update(_levels(change))
                    if start.isdigit() and place in levels:
                        levels[place] = Level(levels[place].form, levels[place].text, int(start))
            lists[attribute(item, "numId")] = levels
    return Numbering(lists)


def _levels(element: Element) -> dict[str, Level]:
    return {
        attribute(item, "ilvl"): Level(
            _value(child(item, "numfmt")) or "decimal",
            _value(child(item, "lvltext")),
            int(_value(child(item, "start")) or 1) if (_value(child(item, "start")) or "1").isdigit() else 1,
        )
        for item in element
        if local(item) == "lvl"
    }
