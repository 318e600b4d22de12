"""PDF files through PDFium: the text of each page as segments with their place and size, then laid out as blocks.

Knows nothing of columns or headings (see `layout`), nor of what is dropped (see `ingest.clean`).
"""

import ctypes
import re
from pathlib import PurePosixPath
from typing import Any

from ingest.blocks import Block, Loaded
from ingest.clean import without_furniture, without_line_numbers
from ingest.loaders.errors import LoadError
from ingest.loaders.layout import Segment, lay_out

PAGE_LIMIT = 5000
# A gap of this many letter sizes inside a line separates table cells or columns.
_SEGMENT_GAP = 1.2
_BOLD = re.compile(r"bold|black|heavy|cmbx|demi|-medi", re.IGNORECASE)
_SECTION = re.compile(
    r"(?:\d+|[IVX]+)\.|arxiv:|abstract\b|introduction\b|összefoglal|bevezetés|초록|서론", re.IGNORECASE
)
_LINE_END_HYPHENS = (0x02, 0xFFFE)
_USELESS_TITLE = re.compile(
    r"^(untitled|arxiv:|microsoft word|title|.*\.(docx?|tex|dvi|indd|qxd|pdf|odt|ps|rtf)$)", re.IGNORECASE
)


def load_pdf(content: bytes, name: str) -> Loaded:
    """The document in a PDF file. Raises LoadError, with the reason and what to do, when it has no readable text."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise LoadError("it is protected by a password: save a copy without one") from error
        raise LoadError("it is damaged and cannot be opened: export or download it again") from error
    try:
        return _document(document)
    finally:
        document.close()


def _document(document: Any) -> Loaded:
    import pypdfium2

    if not 1 <= len(document) <= PAGE_LIMIT:
        limit = f"at most {PAGE_LIMIT} are read: split it" if len(document) else "it is damaged: export it again"
        raise LoadError(f"it has {len(document)} pages; {limit}")
    about = {key: " ".join(text.split()) for key, text in document.get_metadata_dict().items()}
    pages: list[list[Segment]] = []
    heights: list[float] = []
    unread: list[int] = []
    for number in range(1, len(document) + 1):
        try:
            page = document[number - 1]
            bottom, top = page.get_mediabox()[1::2]
            pages.append(_segments(page.get_textpage()))
            heights.append(top - bottom)
            # Tops are counted from the lower edge of the page, which need not be at zero.
            if bottom:
                pages[-1] = [segment.moved(-bottom) for segment in pages[-1]]
            page.close()
        except pypdfium2.PdfiumError:
            unread.append(number)
            pages.append([])
            heights.append(0.0)
    empty = [number for number, page in enumerate(pages, 1) if not page and number not in unread]
    if len(empty) + len(unread) == len(pages):
        raise LoadError(
            "no page has a text layer (a scan or a drawing): run text recognition on it, for example ocrmypdf"
        )
    cleaned = without_furniture(without_line_numbers(pages), heights, (about.get("Title", ""), about.get("Author", "")))
    blocks = lay_out(cleaned)
    if not any(blocks):
        raise LoadError("it holds no text besides page numbers and running headers")
    notes = []
    if empty:
        notes.append(f"no text layer on {_listed(empty)}: run text recognition, for example ocrmypdf")
    if unread:
        notes.append(f"{_listed(unread)} could not be read: export the file again")
    metadata = {key.lower(): about[key] for key in ("Author", "Subject") if about.get(key)}
    return Loaded("pdf", _title(about.get("Title", ""), blocks), blocks, metadata, tuple(notes))


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8])) + (" ..." if len(numbers) > 8 else "")
    return f"{'page' if len(numbers) == 1 else f'{len(numbers)} pages:'} {shown}"


def _title(stated: str, pages: tuple[tuple[Block, ...], ...]) -> str:
    if len(stated) > 3 and not _USELESS_TITLE.match(stated) and not PurePosixPath(stated).suffix:
        return stated
    headings = [block for block in pages[0] if block.level and not _SECTION.match(block.text)]
    return min(headings, key=lambda block: block.level).text if headings else ""


def _segments(textpage: Any) -> list[Segment]:
    """The page's runs of text in the order of its content stream; a run ends at a line end and at a wide gap."""
    import pypdfium2.raw as pdfium

    unicode, box, raw = pdfium.FPDFText_GetUnicode, pdfium.FPDFText_GetCharBox, textpage.raw
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    references = tuple(ctypes.byref(value) for value in (left, right, bottom, top))
    segments: list[Segment] = []
    run: list[tuple[int, int, float, float, float, float]] = []
    spaced = False

    def end_run(hyphen: bool) -> None:
        nonlocal spaced
        if run:
            segments.append(_segment(raw, run, hyphen))
            run.clear()
        spaced = False

    for index in range(textpage.count_chars()):
        code = unicode(raw, index)
        if code in (10, 13) or code in _LINE_END_HYPHENS:
            end_run(code in _LINE_END_HYPHENS)
        elif code == 0 or code > 0x10FFFF:
            continue
        elif code in (32, 9, 0xA0):
            spaced = True
        else:
            box(raw, index, *references)
            here = (index, code, left.value, right.value, bottom.value, top.value)
            if run and spaced:
                height = max(item[5] - item[4] for item in run[-12:])
                # Letters are about 0.7 of their size high.
                if abs(here[2] - run[-1][3]) > _SEGMENT_GAP * height / 0.7:
                    end_run(False)
                else:
                    run.append((-1, 32, *run[-1][2:]))
            run.append(here)
            spaced = False
    end_run(False)
    return segments


def _segment(raw: Any, run: list[tuple[int, int, float, float, float, float]], hyphen: bool) -> Segment:
    import pypdfium2.raw as pdfium

    letters = [item for item in run if item[0] >= 0]
    # Characters above the basic plane may come as two surrogates.
    text = "".join(chr(item[1]) for item in run).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    middle = letters[len(letters) // 2][0]
    matrix = pdfium.FS_MATRIX()
    scale = (matrix.c**2 + matrix.d**2) ** 0.5 if pdfium.FPDFText_GetMatrix(raw, middle, matrix) else 1.0
    size = pdfium.FPDFText_GetFontSize(raw, middle) * scale
    height = max((item[5] - item[4] for item in letters if chr(item[1]).isalnum()), default=0.0)
    # The stated size misses a scale set outside the text object; the height of the letters shows it.
    if height and not 0.4 * size <= height <= 1.3 * size:
        size = height / 0.72
    buffer = ctypes.create_string_buffer(128)
    pdfium.FPDFText_GetFontInfo(raw, middle, buffer, 128, ctypes.c_int())
    font = buffer.value.decode("utf-8", "replace")
    bold = bool(_BOLD.search(font)) or pdfium.FPDFText_GetFontWeight(raw, middle) >= 600
    return Segment(
        text=text,
        left=min(item[2] for item in letters),
        right=max(item[3] for item in letters),
        bottom=min(item[4] for item in letters),
        top=max(item[5] for item in letters),
        size=size or 1.0,
        bold=bold,
        hyphen=hyphen,
    )
