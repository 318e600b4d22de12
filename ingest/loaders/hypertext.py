"""From elements of HTML to blocks: headings, paragraphs, list items, table rows. Knows nothing of whole web pages."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ingest.blocks import Block
from ingest.loaders.markup import Element, attribute, descendants, entity_text, local, text_of
from ingest.loaders.rows import clean, table_blocks
from rag.text import normalise

Placed = tuple[Element, Block]
"""A block and the element that it was made of."""

_SKIPPED = frozenset(
    "script style noscript template head svg iframe object embed select option button input textarea datalist dialog"
    " audio video canvas map annotation annotation-xml rp".split()
)
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i img ins kbd label mark math mi mn mo mrow mtext msup"
    " msub mfrac msqrt q rb rt ruby s samp small span strike strong sub sup time tt u var wbr".split()
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CELL_CHARACTERS = 600
_SPAN_LIMIT = 200
_BULLET = "-"
# Fonts of pictures draw a name such as "find_in_page" as an icon.
_ICON = re.compile(r"(?:^|[\s-])(?:material-(?:icons|symbols)|icons?|fa|fas|far|glyphicon)(?:$|[\s-])", re.IGNORECASE)


def html_blocks(root: Element, skip: Callable[[Element], bool] = lambda element: False) -> list[Placed]:
    """The blocks below an element in reading order; `skip` says which elements to leave out."""
    walk = _Walk(skip)
    walk.element(root)
    walk.flush(root)
    return walk.blocks


def is_hidden(element: Element) -> bool:
    """Whether a browser would not show an element, as far as its own attributes tell."""
    style = (element.get("style") or "").replace(" ", "").lower()
    return element.get("hidden") is not None or "display:none" in style or "visibility:hidden" in style


@dataclass(slots=True)
class _Walk:
    skip: Callable[[Element], bool]
    blocks: list[Placed] = field(default_factory=list)
    inline: list[str] = field(default_factory=list)
    marker: str = ""
    # The numbers of the lists that are being read.
    counts: dict[Element, int] = field(default_factory=dict)

    def flush(self, element: Element, level: int = 0) -> None:
        """Ends the paragraph that was being read."""
        text = clean("".join(self.inline))
        self.inline.clear()
        if any(map(str.isalnum, text)):
            self.blocks.append((element, Block(f"{self.marker} {text}" if self.marker and not level else text, level)))
            self.marker = ""

    def element(self, element: Element) -> None:
        name = local(element)
        if not name:
            self.inline.append(entity_text(element))
        elif name in _SKIPPED or is_hidden(element) or self.skip(element):
            pass
        elif name in ("br", "hr"):
            self.inline.append(" ")
        elif name in _HEADINGS:
            self.flush(element)
            self.children(element)
            self.flush(element, _HEADINGS[name])
        elif name == "pre":
            self.flush(element)
            self.preformatted(element)
        elif name == "table":
            self.flush(element)
            self.table(element)
        elif name in _INLINE:
            if not (name in ("i", "span") and _ICON.search(attribute(element, "class"))):
                self.children(element)
        else:
            parent = element.getparent()
            self.flush(element if parent is None else parent)
            if name == "li":
                self.marker = self.label(element)
            self.children(element)
            self.flush(element)
            if name == "li":
                self.marker = ""

    def label(self, item: Element) -> str:
        """What stands before an item of a list."""
        parent = item.getparent()
        if parent is None or local(parent) != "ol":
            return _BULLET
        start = attribute(parent, "start")
        self.counts[parent] = self.counts.get(parent, (int(start) if start.isdigit() else 1) - 1) + 1
        return f"{self.counts[parent]}."

    def children(self, element: Element) -> None:
        self.inline.append(element.text or "")
        for item in element:
            self.element(item)
            self.inline.append(item.tail or "")

    def preformatted(self, element: Element) -> None:
        for paragraph in normalise(text_of(element)).strip("\n").split("\n\n"):
            if paragraph.strip():
                self.blocks.append((element, Block(paragraph.strip("\n"))))

    def table(self, element: Element) -> None:
        rows = list(_rows(element))
        caption = next((item for item in element if local(item) == "caption"), None)
        if _is_layout(element, rows):
            self.children(element)
            self.flush(element)
            return
        if caption is not None:
            self.children(caption)
            self.flush(element)
        grid = [list(map(self.cell, row)) for row in rows]
        # Rows of header cells only, at the top.
        marked = 0
        while marked < len(rows) and all(local(cell) == "th" for cell in rows[marked] if clean(text_of(cell))):
            marked += 1
        heads = [row for row in rows if local(row[0].getparent().getparent()) == "thead"]
        marked = max(marked, len(heads)) if marked < len(rows) else 0
        for block in table_blocks(_spread(rows, grid), marked or None):
            self.blocks.append((element, block))

    def cell(self, element: Element) -> str:
        inner = _Walk(self.skip)
        inner.children(element)
        inner.flush(element)
        return " ".join(block.text for _, block in inner.blocks)


def _rows(table: Element) -> Iterator[list[Element]]:
    """The cells of each row of a table, not of the tables inside it."""
    for part in table:
        if local(part) == "tr":
            lines = [part]
        elif local(part) in ("thead", "tbody", "tfoot"):
            lines = [item for item in part if local(item) == "tr"]
        else:
            continue
        for line in lines:
            cells = [item for item in line if local(item) in ("td", "th") and not is_hidden(item)]
            if cells:
                yield cells


def _is_layout(table: Element, rows: list[list[Element]]) -> bool:
    """Whether a table only places things on the page."""
    if attribute(table, "role") in ("presentation", "none") or descendants(table, "table"):
        return True
    if not rows or max(map(len, rows)) < 2 or descendants(table, *_HEADINGS):
        return True
    return len(rows) < 3 and any(len(clean(text_of(cell))) > _CELL_CHARACTERS for row in rows for cell in row)


def _spread(rows: list[list[Element]], texts: list[list[str]]) -> list[list[str]]:
    """The table as a grid, each merged cell repeated in every place that it covers."""
    grid: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}
    for cells, row in zip(rows, texts, strict=True):
        line: list[str] = []
        for cell, text in zip(cells, row, strict=True):
            _hang(line, hanging)
            down = _span(cell, "rowspan")
            for _ in range(_span(cell, "colspan")):
                if down > 1:
                    hanging[len(line)] = (down - 1, text)
                line.append(text)
        _hang(line, hanging)
        grid.append(line)
    return grid


def _hang(line: list[str], hanging: dict[int, tuple[int, str]]) -> None:
    while len(line) in hanging:
        left, text = hanging.pop(len(line))
        if left > 1:
            hanging[len(line)] = (left - 1, text)
        line.append(text)


def _span(cell: Element, name: str) -> int:
    value = attribute(cell, name).strip()
    return min(int(value), _SPAN_LIMIT) if value.isdigit() and int(value) else 1
