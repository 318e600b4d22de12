"""From the bytes of a file to its pages of blocks; what kind it is shows in the content, not in the name alone."""

from collections.abc import Callable
from pathlib import PurePosixPath

from ingest.blocks import Loaded
from ingest.loaders.encoding import decode
from ingest.loaders.errors import LoadError
from ingest.loaders.pdf import load_pdf
from ingest.loaders.table import load_table, looks_like_table
from ingest.loaders.text import load_markdown, load_text

__all__ = ["LoadError", "kind_of", "load"]

_LOADERS: dict[str, Callable[[bytes, str], Loaded]] = {
    "pdf": load_pdf,
    "csv": load_table,
    "markdown": load_markdown,
    "text": load_text,
}
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".md": "markdown",
    ".markdown": "markdown",
    ".mdx": "markdown",
}
_READ = "PDF, CSV, Markdown and text are: convert it"
# What a file begins with, and what to call it.
_SIGNATURES = (
    (b"PK\x03\x04", "an office document or an archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old office document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"II*\x00", "a picture"),
    (b"MM\x00*", "a picture"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "an XML file"),
)
_SAMPLE = 64_000


def load(content: bytes, name: str) -> Loaded:
    """The document in a file. Raises LoadError with the reason why there is none."""
    if not content.strip(b"\0 \r\n\t"):
        raise LoadError("it is empty: fill it or remove it")
    return _LOADERS[kind_of(content, name)](content, name)


def kind_of(content: bytes, name: str) -> str:
    """`pdf`, `csv`, `markdown` or `text`. Raises LoadError for other content."""
    # The PDF reference allows its mark anywhere in the first 1024 bytes.
    if b"%PDF-" in content[:1024]:
        return "pdf"
    start = content[:512].lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    for signature, description in _SIGNATURES:
        if content.startswith(signature) or start.startswith(signature):
            raise LoadError(f"it is {description}, which is not read yet; {_READ}")
    if b"<html" in content[:2048].lower() and b"<head" in content[:8192].lower():
        raise LoadError(f"it is a web page, which is not read yet; {_READ}")
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".pdf":
        raise LoadError("its name ends in .pdf but it is no PDF file: export or download it again")
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    # An even number of bytes, so that UTF-16 is not cut in a character.
    return "csv" if looks_like_table(decode(_sample(content))) else "text"


def _sample(content: bytes) -> bytes:
    if len(content) <= _SAMPLE:
        return content
    # Cut at a line end: never inside a character of UTF-8, cp949 or (with its zero byte) UTF-16.
    end = content.rfind(b"\n", 0, _SAMPLE)
    if end < 0:
        return content
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:200]
    return content[: end - end % 2] if wide else content[:end]
