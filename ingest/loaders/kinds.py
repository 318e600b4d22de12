"""What kind a file is, told by its content; its name decides only between kinds of plain text."""

import json
import re
import zipfile
from pathlib import PurePosixPath

from ingest.loaders.archive import open_zip, read_entry
from ingest.loaders.encoding import decode
from ingest.loaders.errors import LoadError
from ingest.loaders.records import RECORD
from ingest.loaders.table import looks_like_table
from ingest.loaders.word import main_part

_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".md": "markdown",
    ".markdown": "markdown",
    ".mdx": "markdown",
}
_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson", ".geojson")
_IMAGES = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"GIF87a",
    b"GIF89a",
    b"II*\x00",
    b"MM\x00*",
    b"BM",
)
# What else a file may begin with, what to call it, and what to do.
_REFUSED = (
    (b"%!PS", "a PostScript file", "convert it to PDF"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it"),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
    (b"BZh", "a bzip2 archive", "unpack it"),
    (b"\xfd7zXZ", "an xz archive", "unpack it"),
    (b"SQLite format 3\0", "a database", "export its tables as CSV"),
    (b"ITSF", "a compiled help file", "export it as HTML or PDF"),
    (b"AT&TFORM", "a DjVu file", "convert it to PDF"),
    (b"HWP Document File", "an old Hangul document", "save it as HWPX, DOCX or PDF"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# Streams of compound files (MS-CFB) by which programs are known, and what to do with their files.
_STREAMS = {
    "EncryptedPackage": "it is an office document protected by a password: save a copy without one",
    "WordDocument": "it is a Word document in the old .doc format: save it as DOCX or PDF",
    "PowerPoint Document": "it is a presentation in the old .ppt format: save it as PPTX or PDF",
    "Workbook": "xlsx",
    "Book": "xlsx",
    "HwpSummaryInformation": "it is a Hangul document in the binary .hwp format: save it as HWPX, DOCX or PDF",
    "__properties_version1.0": "it is an Outlook message (.msg): save it as EML or text",
}
_MIMETYPES = {
    "application/epub+zip": "epub",
    "application/hwp+zip": "hwpx",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.text-template": "odt",
    "application/vnd.oasis.opendocument.text-master": "odt",
    "application/vnd.oasis.opendocument.presentation": "odt",
    "application/vnd.oasis.opendocument.presentation-template": "odt",
    "application/vnd.oasis.opendocument.graphics": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "xlsx",
    "application/vnd.oasis.opendocument.spreadsheet-template": "xlsx",
}
_FOLDERS = {"word": "docx", "ppt": "pptx", "xl": "xlsx"}
_ROOT = re.compile(
    r"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*|<!doctype[^>\[]*(?:\[.*?\]\s*)?>\s*)*<([\w:.-]+)", re.DOTALL | re.I
)
_HTML_START = re.compile(r"\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body)\b", re.DOTALL | re.IGNORECASE)
_HTML_TAG = re.compile(r"</(?:div|p|table|tr|td|ul|ol|li|h[1-6]|section|article|span|a|strong|b)>", re.IGNORECASE)
_FRAGMENT_TAGS = 5
_JSON_START = re.compile(r"\s*(?:\{\s*(?:\"|\})|\[\s*[\[{\"\]])")
_MAIL_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]*):[^\n]*\n(?:[ \t][^\n]*\n)*")
_MAIL_NAMES = frozenset("from to subject date".split())
_MAIL_MARKS = frozenset("received message-id mime-version return-path delivered-to x-mailer".split())
_SAMPLE = 64_000


def kind_of(content: bytes, name: str) -> str:
    """The name of a loader. Raises LoadError, with what to do, for content that none reads."""
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(content)
    if content.startswith(_OLE):
        return _compound_kind(content)
    # The PDF reference allows its mark anywhere in the first 1024 bytes.
    if b"%PDF-" in content[:1024]:
        return "pdf"
    if content.startswith(b"{\\rtf"):
        return "rtf"
    if _is_image(content):
        return "image"
    for start, description, remedy in _REFUSED:
        if content.startswith(start):
            raise LoadError(f"it is {description}, which is not read: {remedy}")
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".pdf":
        raise LoadError("its name ends in .pdf but it is no PDF file: export or download it again")
    return _text_kind(content, suffix)


def _is_image(content: bytes) -> bool:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return True
    if content[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        raise LoadError("it is a picture in a format that is not read: save it as PNG or JPEG")
    # "BM" alone may begin a text; a bitmap states its size.
    if content.startswith(b"BM"):
        return len(content) > 14 and int.from_bytes(content[2:6], "little") == len(content)
    return content.startswith(_IMAGES)


def _zip_kind(content: bytes) -> str:
    try:
        with open_zip(content) as archive:
            return _archive_kind(archive)
    except LoadError as error:
        raise LoadError(f"it begins like an office document or an archive, but {error}") from error


def _archive_kind(archive: zipfile.ZipFile) -> str:
    names = set(archive.namelist())
    if "mimetype" in names:
        stated = read_entry(archive, "mimetype")[:100].decode("ascii", "replace").strip()
        if stated in _MIMETYPES:
            return _MIMETYPES[stated]
    if "META-INF/container.xml" in names and any(name.endswith(".opf") for name in names):
        return "epub"
    if "[Content_Types].xml" in names:
        folder = main_part(archive).partition("/")[0]
        found = (
            [folder]
            if folder in _FOLDERS
            else [name for name in _FOLDERS if any(x.startswith(name + "/") for x in names)]
        )
        if found:
            return _FOLDERS[found[0]]
    if any(name.startswith("Index/") and name.endswith(".iwa") for name in names) or "Index.zip" in names:
        raise LoadError("it is a document of Pages, Numbers or Keynote: export it as PDF")
    raise LoadError("it holds files, none of them a document's text: unpack it and put its documents beside it")


def _compound_kind(content: bytes) -> str:
    """By the first stream known: documents may hold others inside of them."""
    places = {content.find(name.encode("utf-16-le") + b"\0\0"): name for name in _STREAMS}
    places.pop(-1, None)
    if not places:
        raise LoadError("it is an old office document of a kind that is not read: save it as DOCX, XLSX or PDF")
    found = _STREAMS[places[min(places)]]
    if " " in found:
        raise LoadError(found)
    return found


def _text_kind(content: bytes, suffix: str) -> str:
    text = decode(sample(content))
    start = text[:4096]
    if start.lstrip().startswith("<"):
        if _HTML_START.match(start) and suffix not in (".mdx",):
            return "html"
        if start.lstrip().lower().startswith("<?xml"):
            return _xml_kind(start)
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if re.search(r"<html[\s>]", start[:2048], re.IGNORECASE) and "<head" in text[:8192].lower():
        return "html"
    if start.lstrip().startswith("<") and len(_HTML_TAG.findall(text[:16_000])) >= _FRAGMENT_TAGS:
        return "html"
    if start.lstrip().startswith("<") and _root(start) in ("feed", "entry", "svg"):
        return _xml_kind(start)
    if suffix in (".html", ".htm", ".xhtml") and _HTML_TAG.search(text):
        return "html"
    if _JSON_START.match(start) and (json_kind := _json_kind(content, text, suffix)):
        return json_kind
    if _is_mail(text, suffix):
        return "eml"
    return "csv" if looks_like_table(text) else "text"


def _xml_kind(start: str) -> str:
    root = _root(start)
    if root == "html":
        return "html"
    if root in ("feed", "entry"):
        return "atom"
    if root == "document" and "opendocument" in start:
        return "odt"
    if root == "svg":
        raise LoadError("it is a drawing (SVG), which is not read: save it as PDF")
    if root == "package" and "xmlPackage" in start:
        raise LoadError("it is a Word document in flat XML: save it as DOCX")
    raise LoadError(f"it is an XML file of <{root[:40]}>, which is not read: export it as HTML, CSV or text")


def _root(start: str) -> str:
    match = _ROOT.match(start)
    return match[1].rpartition(":")[2].lower() if match else ""


def _json_kind(content: bytes, text: str, suffix: str) -> str:
    """`record`, `json` or `jsonl`; nothing for a text that only begins like JSON."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and _parses(lines[0]) and _JSON_START.match(lines[1]):
        return "jsonl"
    if suffix not in _JSON_SUFFIXES and not _parses(decode(content)):
        return ""
    if re.search(rf'"{RECORD}"\s*:\s*"record"', text):
        return "record"
    return "jsonl" if suffix in (".jsonl", ".ndjson") else "json"


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_mail(text: str, suffix: str) -> bool:
    """Whether a text begins with the head of a message (RFC 5322)."""
    names: set[str] = set()
    text = text[:16_000].replace("\r\n", "\n")
    # Programs for mail write a line of their own above the head.
    place = text.index("\n") + 1 if text.startswith("From ") and "\n" in text else 0
    while match := _MAIL_HEADER.match(text, place):
        names.add(match[1].lower())
        place = match.end()
    return len(names & _MAIL_NAMES) >= 2 and (bool(names & _MAIL_MARKS) or suffix in (".eml", ".mht", ".mhtml"))


def sample(content: bytes) -> bytes:
    """The beginning of a text file, cut at a line end: never inside of a character."""
    if len(content) <= _SAMPLE:
        return content
    end = content.rfind(b"\n", 0, _SAMPLE)
    if end < 0:
        return content
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:200]
    return content[: end - end % 2] if wide else content[:end]
