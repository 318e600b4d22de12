"""PDF files through PDFium: the text of each page laid out as blocks; pages without text go to text recognition.

Knows nothing of words on a page (see `pdf_text`), of columns or headings (see `layout`), nor of what is dropped (see
`ingest.clean`).
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ingest.blocks import Block, Loaded
from ingest.clean import without_furniture, without_line_numbers
from ingest.loaders import ocr
from ingest.loaders.errors import LoadError
from ingest.loaders.layout import lay_out
from ingest.loaders.layout_lines import Segment

if TYPE_CHECKING:
    from PIL.Image import Image

PAGE_LIMIT = 5000
CHARACTER_LIMIT = 20_000_000
"""Characters of all pages of a file; a book of a thousand pages has 3 million."""
# A page with a picture over this part of it and hardly any letters is a scan with stray text.
_PICTURE_SHARE = 0.5
_STRAY_LETTERS = 20
_RENDERED_DOTS = 300
_SECTION = re.compile(
    r"(?:\d+|[IVX]+)\.|arxiv:|abstract\b|introduction\b|összefoglal|bevezetés|초록|서론", re.IGNORECASE
)
_USELESS_TITLE = re.compile(
    r"^(untitled|arxiv:|microsoft word|title|.*\.(docx?|tex|dvi|indd|qxd|pdf|odt|ps|rtf)$)", re.IGNORECASE
)


def load_pdf(content: bytes, name: str, passwords: Sequence[str] = ()) -> Loaded:
    """The document in a PDF file. Raises LoadError, with the reason and what to do, when it has no readable text.

    A protected file is tried without a password, then with each of `passwords`.
    """
    document = _open(content, passwords)
    try:
        return _document(document)
    finally:
        document.close()


def _open(content: bytes, passwords: Sequence[str]) -> Any:
    import pypdfium2
    import pypdfium2.raw as pdfium

    for password in (None, *passwords):
        try:
            return pypdfium2.PdfDocument(content, password=password)
        except pypdfium2.PdfiumError as error:
            if error.err_code != pdfium.FPDF_ERR_PASSWORD:
                raise LoadError("it is damaged and cannot be opened: export or download it again") from error
    known = f", which is none of the {len(passwords)} it may have" if passwords else ""
    raise LoadError(
        f"it is protected by a password{known}: add it to [passwords] in domain.toml or save a copy without one"
    )


def _document(document: Any) -> Loaded:
    import pypdfium2

    from ingest.loaders.pdf_text import page_segments

    if not 1 <= len(document) <= PAGE_LIMIT:
        limit = f"at most {PAGE_LIMIT} are read: split it" if len(document) else "it is damaged: export it again"
        raise LoadError(f"it has {len(document)} pages; {limit}")
    about = {key: " ".join(text.split()) for key, text in document.get_metadata_dict().items()}
    pages: list[list[Segment]] = []
    heights: list[float] = []
    pictures: list[int] = []
    unread: list[int] = []
    characters = 0
    for number in range(1, len(document) + 1):
        try:
            page = document[number - 1]
            segments, height = page_segments(page)
            if _is_picture(page, segments):
                pictures.append(number)
                segments = []
            page.close()
        except pypdfium2.PdfiumError:
            unread.append(number)
            segments, height = [], 0.0
        pages.append(segments)
        heights.append(height)
        characters += sum(len(segment.text) for segment in segments)
        if characters > CHARACTER_LIMIT:
            raise LoadError(
                f"its first {number} pages have more than {CHARACTER_LIMIT / 1e6:.0f} million characters: split it"
            )
    cleaned = without_furniture(without_line_numbers(pages), heights, (about.get("Title", ""), about.get("Author", "")))
    blocks = list(lay_out(cleaned))
    notes = []
    if pictures:
        notes += _read_pictures(document, pictures, blocks)
    if unread:
        notes.append(f"{_listed(unread)} could not be read: export the file again")
    if not any(blocks):
        if any(pages):
            raise LoadError("it holds no text besides page numbers and running headers")
        raise LoadError("; ".join(notes) or "its pages are empty: export it again or remove it")
    metadata = {key.lower(): about[key] for key in ("Author", "Subject") if about.get(key)}
    return Loaded("pdf", _title(about.get("Title", ""), blocks), tuple(blocks), metadata, tuple(notes))


def _is_picture(page: Any, segments: Sequence[Segment]) -> bool:
    """Whether what can be read on a page is, if anything, in its pictures and drawings."""
    import pypdfium2.raw as pdfium

    if sum(len(segment.text) for segment in segments) >= _STRAY_LETTERS:
        return False
    if not segments:
        return bool(pdfium.FPDFPage_CountObjects(page.raw))
    width, height = page.get_size()
    areas = [
        (right - left) * (top - bottom)
        for item in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3)
        for left, bottom, right, top in [item.get_bounds()]
    ]
    return max(areas, default=0.0) > _PICTURE_SHARE * width * height


def _read_pictures(document: Any, numbers: Sequence[int], blocks: list[tuple[Block, ...]]) -> list[str]:
    """Puts the text recognised on these pages into `blocks`; notes about those that could not be read."""
    numbers = [number for number in numbers if not _is_blank(document[number - 1])]
    if not numbers:
        return []
    if reason := ocr.missing():
        return [f"no text layer on {_listed(numbers)} (a scan or a drawing): for text recognition, {reason}"]
    read = numbers[: ocr.PAGE_LIMIT]
    recognised, notes = ocr.recognise(_rendered(document, read))
    for number, page in zip(read, recognised, strict=True):
        blocks[number - 1] = page
    empty = [number for number, page in zip(read, recognised, strict=True) if not page]
    found = [f"no text was recognised on {_listed(empty)} (a scan or a drawing)"] if empty else []
    if len(read) < len(numbers):
        found.append(f"text recognition reads {ocr.PAGE_LIMIT} pages of a file, {len(numbers)} need it: split it")
    return [*found, *notes]


def _rendered(document: Any, numbers: Sequence[int]) -> Iterator["Image"]:
    for number in numbers:
        yield _picture(document[number - 1], _RENDERED_DOTS / 72)


def _is_blank(page: Any) -> bool:
    dots = _picture(page, 0.5).tobytes()
    return max(dots) - min(dots) < 16


def _picture(page: Any, scale: float) -> "Image":
    width, height = page.get_size()
    # A page can be as large as a poster.
    scale = min(scale, (ocr.PIXELS / max(1.0, width * height)) ** 0.5)
    picture: Image = page.render(scale=scale, grayscale=True).to_pil().convert("L")
    page.close()
    return picture


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8])) + (" ..." if len(numbers) > 8 else "")
    return f"{'page' if len(numbers) == 1 else f'{len(numbers)} pages:'} {shown}"


def _title(stated: str, pages: Sequence[Sequence[Block]]) -> str:
    if len(stated) > 3 and not _USELESS_TITLE.match(stated) and not PurePosixPath(stated).suffix:
        return stated
    headings = [block for block in pages[0] if block.level and not _SECTION.match(block.text)]
    return min(headings, key=lambda block: block.level).text if headings else ""
