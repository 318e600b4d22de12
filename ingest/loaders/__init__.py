"""From the bytes of a file to its pages of blocks; what kind it is shows in its content (see `kinds`)."""

from collections.abc import Callable, Sequence

from ingest.blocks import Loaded
from ingest.loaders.book import load_book
from ingest.loaders.errors import LoadError
from ingest.loaders.hangul import load_hangul
from ingest.loaders.html import load_html
from ingest.loaders.kinds import kind_of
from ingest.loaders.mail import load_mail
from ingest.loaders.ocr import load_image
from ingest.loaders.opendocument import load_opendocument
from ingest.loaders.pdf import load_pdf
from ingest.loaders.records import load_feed, load_json, load_json_lines, load_record
from ingest.loaders.rich import load_rich
from ingest.loaders.sheets import load_sheets
from ingest.loaders.slides import load_slides
from ingest.loaders.table import load_table
from ingest.loaders.text import load_markdown, load_text
from ingest.loaders.word import load_word

__all__ = ["LoadError", "kind_of", "load"]

_LOADERS: dict[str, Callable[[bytes, str], Loaded]] = {
    "pdf": load_pdf,
    "docx": load_word,
    "pptx": load_slides,
    "xlsx": load_sheets,
    "odt": load_opendocument,
    "hwpx": load_hangul,
    "epub": load_book,
    "rtf": load_rich,
    "html": load_html,
    "eml": load_mail,
    "atom": load_feed,
    "record": load_record,
    "json": load_json,
    "jsonl": load_json_lines,
    "csv": load_table,
    "markdown": load_markdown,
    "text": load_text,
    "image": load_image,
}


def load(content: bytes, name: str, passwords: Sequence[str] = ()) -> Loaded:
    """The document in a file; `passwords` are tried on a protected PDF. Raises LoadError with why there is none."""
    if not content.strip(b"\0 \r\n\t"):
        raise LoadError("it is empty: fill it or remove it")
    kind = kind_of(content, name)
    if kind == "pdf" and passwords:
        return load_pdf(content, name, tuple(passwords))
    return _LOADERS[kind](content, name)
