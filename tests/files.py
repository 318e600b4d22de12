"""Small source files and domains that tests make."""

from collections.abc import Sequence
from pathlib import Path

Placed = tuple[float, float, float, str]
"""x and y in points from the lower left corner, font size, text."""

_DOMAIN = """\
languages = ["en", "hu", "ko"]
[title]
en = "Birds"
hu = "Madarak"
ko = "새"
[description]
en = "Birds."
hu = "Madarak."
ko = "새."
[examples]
en = ["What is a heron?"]
hu = ["Mi a gém?"]
ko = ["왜가리란?"]
[[sources]]
kind = "files"
"""


def make_domain(corpora: Path, name: str = "birds", extra: str = "") -> Path:
    """Writes `domain.toml`, with `extra` keys in front, and returns the domain's empty `sources/`."""
    folder = corpora / name / "sources"
    folder.mkdir(parents=True)
    (corpora / name / "domain.toml").write_text(extra + _DOMAIN, encoding="utf-8")
    return folder


def make_pdf(pages: Sequence[Sequence[Placed]], title: str = "", author: str = "") -> bytes:
    """A PDF of 595 x 842 points in Helvetica with the texts where they are placed, in the order given."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>"
        % (len(pages), b" ".join(b"%d 0 R" % (5 + 2 * number) for number in range(len(pages)))),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Title (%s) /Author (%s) >>" % (_escaped(title), _escaped(author)),
    ]
    for number, page in enumerate(pages):
        stream = b"".join(
            b"BT /F1 %.1f Tf 1 0 0 1 %.1f %.1f Tm (%s) Tj ET\n" % (size, x, y, _escaped(text))
            for x, y, size, text in page
        )
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % (6 + 2 * number)
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    content = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (
        content
        + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R /Info 4 0 R >>\n"
        % (
            len(objects) + 1,
            table,
            len(objects) + 1,
        )
        + b"startxref\n%d\n%%%%EOF\n" % len(content)
    )


def _escaped(text: str) -> bytes:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)").encode("cp1252")


def prose(lines: Sequence[str], x: float = 60, y: float = 740, size: float = 10) -> list[Placed]:
    """Lines below each other."""
    return [(x, y - 13 * row, size, line) for row, line in enumerate(lines)]
