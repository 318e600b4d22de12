"""Made documents as files: the chunks of `evaluation.made` as PDF, text and CSV."""

import csv
import io
import textwrap
import zlib
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from evaluation.made import CHUNKS_OF_A_DOCUMENT, chunk_of
from rag.settings import LANGUAGES
from rag.types import Chunk

KINDS = ("pdf", "txt", "pdf", "csv")
_FILES_OF_A_FOLDER = 500
PAGE_LINES = 48
LINE = {"en": 86, "hu": 86, "ko": 46}
_SIZE, _LEADING, _MARGIN, _HEIGHT = 10, 15, 60, 842


def write_documents(folder: Path, chunks: int, kinds: Sequence[str] = KINDS) -> int:
    """Writes documents of about `chunks` chunks below `folder`, each kind in each language; the number of files."""
    count = -(-chunks // CHUNKS_OF_A_DOCUMENT)
    for number in range(count):
        series, language = divmod(number, len(LANGUAGES))
        first = series * CHUNKS_OF_A_DOCUMENT * len(LANGUAGES) + language
        numbers = range(first, first + CHUNKS_OF_A_DOCUMENT * len(LANGUAGES), len(LANGUAGES))
        kind = kinds[series % len(kinds)]
        content = _WRITERS[kind]([chunk_of(chunk) for chunk in numbers])
        _place(folder, number, kind).write_bytes(content)
    return count


def write_small_files(folder: Path, count: int) -> list[Path]:
    """Writes `count` text files of a passage each below `folder`."""
    paths = [_place(folder, number, "txt") for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(_text([chunk_of(number)]))
    return paths


def _place(folder: Path, number: int, kind: str) -> Path:
    parent = folder / f"{number // _FILES_OF_A_FOLDER:03}"
    parent.mkdir(parents=True, exist_ok=True)
    return parent / f"{number:06}.{kind}"


def _text(chunks: Sequence[Chunk]) -> bytes:
    return "\n\n".join((chunks[0].title, *(chunk.text for chunk in chunks))).encode() + b"\n"


def _table(chunks: Sequence[Chunk]) -> bytes:
    """A sentence a row."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(("number", "statement"))
    writer.writerows(enumerate((sentence for chunk in chunks for sentence in chunk.text.split(". ")), 1))
    return stream.getvalue().encode()


def _pdf(chunks: Sequence[Chunk]) -> bytes:
    width = LINE[chunks[0].language]
    lines = [line for chunk in chunks for line in (*textwrap.wrap(chunk.text, width), "")]
    return pdf(chunks[0].title, [lines[start : start + PAGE_LINES] for start in range(0, len(lines), PAGE_LINES)])


def pdf(title: str, pages: Sequence[Sequence[str]]) -> bytes:
    """Pages of lines with a running header and a number.

    The font is named, not embedded: its characters are known. A line may have `LINE` characters of its language, a page
    `PAGE_LINES` lines.
    """
    letters = sorted({letter for line in (title, "0123456789", *chain(*pages)) for letter in line})
    codes = {letter: code for code, letter in enumerate(letters, 1)}
    kids = b" ".join(b"%d 0 R" % (6 + 2 * number) for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(pages), kids),
        b"<< /Type /Font /Subtype /Type0 /BaseFont /Made /Encoding /Identity-H /DescendantFonts [4 0 R]"
        b" /ToUnicode 5 0 R >>",
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Made /DW 500 /W [1 [%s]]"
        b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>"
        % b" ".join(b"%d" % _width(letter) for letter in letters),
        _stream(_unicode_map(codes)),
    ]
    for number, page in enumerate(pages):
        placed = [(_HEIGHT - 40, title), (40, str(number + 1))]
        placed += [(_HEIGHT - 70 - _LEADING * row, line) for row, line in enumerate(page) if line]
        shown = "\n".join(
            f"BT /F1 {_SIZE} Tf 1 0 0 1 {_MARGIN} {y} Tm <{''.join(f'{codes[letter]:04x}' for letter in line)}> Tj ET"
            for y, line in placed
        )
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 %d] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % (_HEIGHT, 7 + 2 * number)
        )
        objects.append(_stream(shown.encode()))
    return _file(objects)


def _width(letter: str) -> int:
    """In thousandths of the font size, about as usual fonts have it."""
    return 280 if letter == " " else 1000 if "가" <= letter <= "힣" else 500


def _unicode_map(codes: Mapping[str, int]) -> bytes:
    """What the codes of a font stand for (PDF 32000-1:2008, 9.10.3); a block has at most a hundred of them."""
    pairs = [f"<{code:04x}> <{letter.encode('utf-16-be').hex()}>" for letter, code in codes.items()]
    blocks = [pairs[start : start + 100] for start in range(0, len(pairs), 100)]
    parts = ["/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Made def /CMapType 2 def"]
    parts += ["1 begincodespacerange <0000> <ffff> endcodespacerange"]
    for block in blocks:
        parts += [f"{len(block)} beginbfchar", *block, "endbfchar"]
    return "\n".join([*parts, "endcmap end end"]).encode()


def _stream(content: bytes) -> bytes:
    packed = zlib.compress(content)
    return b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed)


def _file(objects: Sequence[bytes]) -> bytes:
    content = bytearray(b"%PDF-1.4\n")
    table = b"0000000000 65535 f \n"
    for number, body in enumerate(objects, 1):
        table += b"%010d 00000 n \n" % len(content)
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    size = len(objects) + 1
    end = b"xref\n0 %d\n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return bytes(content) + end % (size, table, size, len(content))


_WRITERS: Mapping[str, Callable[[Sequence[Chunk]], bytes]] = {"pdf": _pdf, "txt": _text, "csv": _table}
