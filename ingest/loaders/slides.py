"""PowerPoint presentations (pptx, pptm, ppsx, potx): a page a slide, with its tables, charts' titles and notes."""

import io
from collections.abc import Iterator
from typing import Any

from ingest.blocks import Block, Loaded
from ingest.loaders.archive import open_zip
from ingest.loaders.errors import LoadError
from ingest.loaders.markup import descendants, local
from ingest.loaders.rows import clean, table_blocks
from ingest.loaders.word import core_properties

# Placeholders that repeat on every slide: date, footer, header, slide number.
_FURNITURE = frozenset((13, 14, 15, 16))
_TITLES = frozenset((1, 3, 5))


def load_slides(content: bytes, name: str) -> Loaded:
    """The slides in order, hidden ones too; the title of a slide is its heading, its notes follow its text.

    Metadata: `author`, `modified` (ISO date). Raises LoadError for what is damaged or holds no text.
    """
    from lxml.etree import XMLSyntaxError
    from pptx.exc import PythonPptxError
    from pptx.package import Package

    with open_zip(content) as archive:
        title, metadata = core_properties(archive)
    try:
        # `pptx.Presentation` refuses slide shows and templates, which hold slides all the same.
        presentation = Package.open(io.BytesIO(content)).main_document_part.presentation
        pages = tuple(tuple(_slide(slide)) for slide in presentation.slides)
    except (KeyError, AttributeError, ValueError, PythonPptxError, XMLSyntaxError) as error:
        raise LoadError(f"its slides are damaged ({type(error).__name__}: {error}): export it again") from error
    if not any(letter.isalnum() for page in pages for block in page for letter in block.text):
        raise LoadError(
            "its slides hold no text (pictures only?): save it as PDF, so that text recognition can read it"
        )
    first = next((block.text for block in pages[0] if block.level), "") if pages else ""
    return Loaded("pptx", title or first, pages, metadata)


def _slide(slide: Any) -> Iterator[Block]:
    shapes = list(_shapes(slide.shapes))
    # The title is read first wherever it lies in the drawing order.
    for shape in sorted(shapes, key=lambda shape: not _placed_as(shape) & _TITLES):
        yield from _shape(shape)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        yield from _paragraphs(slide.notes_slide.notes_text_frame)


def _shapes(shapes: Any) -> Iterator[Any]:
    """The shapes that hold something of the slide's own, groups opened."""
    from pptx.shapes.group import GroupShape

    for shape in shapes:
        if isinstance(shape, GroupShape):
            yield from _shapes(shape.shapes)
        elif not _placed_as(shape) & _FURNITURE:
            yield shape


def _placed_as(shape: Any) -> set[int]:
    """The kind of placeholder that a shape fills, if any."""
    return {int(shape.placeholder_format.type or 0)} if shape.is_placeholder else set()


def _shape(shape: Any) -> Iterator[Block]:
    if _placed_as(shape) & _TITLES:
        title = clean(shape.text_frame.text)
        if title:
            yield Block(title, 2)
    elif getattr(shape, "has_table", False) and shape.has_table:
        rows: list[list[str]] = []
        for row in shape.table.rows:
            cells: list[str] = []
            for cell in row.cells:
                # A merged cell holds its text in its first place; the others look left or above.
                left, above = bool(cell._tc.hMerge and cells), bool(cell._tc.vMerge and rows)
                cells.append(cells[-1] if left else rows[-1][len(cells)] if above else cell.text_frame.text)
            rows.append(cells)
        yield from table_blocks(rows, int(shape.table.first_row) or None)
    elif getattr(shape, "has_chart", False) and shape.has_chart:
        yield from _chart(shape.chart)
    elif shape.has_text_frame:
        yield from _paragraphs(shape.text_frame)
    else:
        yield from _diagram(shape)


def _paragraphs(frame: Any) -> Iterator[Block]:
    for paragraph in frame.paragraphs:
        text = clean(paragraph.text.replace("\v", " "))
        if any(map(str.isalnum, text)):
            yield Block(text)


def _chart(chart: Any) -> Iterator[Block]:
    """The title of a chart and its series as rows, from the values kept in the presentation."""
    if chart.has_title and chart.chart_title.has_text_frame:
        yield from _paragraphs(chart.chart_title.text_frame)
    for plot in chart.plots:
        names = [clean(str(name)) for name in plot.categories]
        series = [(clean(item.name or ""), list(item.values)) for item in plot.series]
        rows = [["", *(name for name, _ in series)]] + [
            [
                name,
                *(f"{values[row]:g}" if row < len(values) and values[row] is not None else "" for _, values in series),
            ]
            for row, name in enumerate(names)
        ]
        yield from table_blocks(rows, 1 if len(rows) > 1 else None)


def _diagram(shape: Any) -> Iterator[Block]:
    """The texts of SmartArt, which stand in a part of their own."""
    for relation in descendants(shape.element, "relids"):
        identifier = next((value for key, value in relation.attrib.items() if key.endswith("}dm")), "")
        if identifier in shape.part.rels:
            from ingest.loaders.markup import parse_xml, text_of

            root = parse_xml(shape.part.related_part(identifier).blob, "diagram")
            for paragraph in root.iter():
                if local(paragraph) == "p" and (text := clean(text_of(paragraph))):
                    yield Block(text)
