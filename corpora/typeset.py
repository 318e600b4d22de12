"""Typeset `corpora/<domain>/manuscripts/*.md` as `corpora/<domain>/sources/<same name>.pdf`.

    pip install -r requirements/corpora.txt
    python corpora/typeset.py            # every domain
    python corpora/typeset.py space      # one domain

A manuscript is Markdown below a header of `key: value` lines between two `---` lines. Keys: `title`, `author`,
`language` (en, hu or ko), `columns` (1 or 2) and `source`, which is set as the last line of the document. A line that
holds only `\\newpage` starts a new page (in two columns too). Headings, paragraphs, emphasis, lists and tables are set;
anything else in the Markdown is an error, so that nothing disappears between manuscript and page.

The output depends on the manuscript, the fonts and the pinned ReportLab alone: a second run writes the same bytes.

Fonts come from Debian packages and are embedded as TrueType subsets:
    fonts-noto-core    Noto Serif, Noto Sans (SIL Open Font License 1.1): Latin, with the Hungarian ő and ű
    fonts-nanum        Nanum Myeongjo, Nanum Gothic (SIL Open Font License 1.1): Hangul
    fonts-dejavu-core  DejaVu Sans (Bitstream Vera licence, permissive): signs the others lack, such as arrows

The program that answers questions knows nothing of this script: it reads `sources/` only.
"""

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from xml.sax.saxutils import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import getFont, registerFont, registerFontFamily, stringWidth
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    FrameBreak,
    ListFlowable,
    ListItem,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

CORPORA = Path(__file__).resolve().parent
FONT_FOLDER = Path("/usr/share/fonts/truetype")
PACKAGES = "fonts-noto-core fonts-nanum fonts-dejavu-core"

FONT_FILES = {
    "NotoSerif": "noto/NotoSerif-Regular.ttf",
    "NotoSerif-Bold": "noto/NotoSerif-Bold.ttf",
    "NotoSerif-Italic": "noto/NotoSerif-Italic.ttf",
    "NotoSans": "noto/NotoSans-Regular.ttf",
    "NotoSans-Bold": "noto/NotoSans-Bold.ttf",
    "NanumMyeongjo": "nanum/NanumMyeongjo.ttf",
    "NanumMyeongjo-Bold": "nanum/NanumMyeongjoBold.ttf",
    "NanumGothic": "nanum/NanumGothic.ttf",
    "NanumGothic-Bold": "nanum/NanumGothicBold.ttf",
    "DejaVuSans": "dejavu/DejaVuSans.ttf",
}
# Asked in this order for a character that the font of the text lacks.
FALLBACK_FONTS = ("NotoSerif", "NotoSans", "NanumMyeongjo", "DejaVuSans")

SERIF = {"en": "NotoSerif", "hu": "NotoSerif", "ko": "NanumMyeongjo"}
SANS = {"en": "NotoSans", "hu": "NotoSans", "ko": "NanumGothic"}
SOURCE_LABEL = {"en": "Source", "hu": "Forrás", "ko": "출처"}

MARGIN = 20 * mm
GUTTER = 7 * mm
INK = HexColor("#1a1a1a")
RULE = HexColor("#8a8a8a")
SHADE = HexColor("#e9edf2")


class ManuscriptError(ValueError):
    """A manuscript or the machine lacks something; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Manuscript:
    """A manuscript: the values of its header, and its Markdown cut at the page breaks."""

    path: Path
    title: str
    author: str
    language: str
    columns: int
    source: str
    pages: tuple[str, ...]


def read_manuscript(path: Path) -> Manuscript:
    """Parse the file. Raises ManuscriptError, naming file and key, where the header is not as described above."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in (line.strip() for line in lines[1:]):
        raise ManuscriptError(f"{path}: the header is missing: begin with `key: value` lines between two `---` lines")
    end = next(number for number, line in enumerate(lines) if number and line.strip() == "---")
    header: dict[str, str] = {}
    for line in lines[1:end]:
        key, colon, value = line.partition(":")
        if colon:
            header[key.strip()] = value.strip()
    keys = ("title", "author", "language", "columns", "source")
    if set(header) != set(keys):
        raise ManuscriptError(f"{path}: header keys are {sorted(header)}, should be {sorted(keys)}")
    if header["language"] not in SERIF:
        raise ManuscriptError(f"{path}: language is {header['language']!r}, should be one of {sorted(SERIF)}")
    if header["columns"] not in ("1", "2"):
        raise ManuscriptError(f"{path}: columns is {header['columns']!r}, should be 1 or 2")
    pages = [""]
    for line in lines[end + 1 :]:
        if line.strip() == "\\newpage":
            pages.append("")
        else:
            pages[-1] += line + "\n"
    return Manuscript(
        path,
        header["title"],
        header["author"],
        header["language"],
        int(header["columns"]),
        header["source"],
        tuple(pages),
    )


def register_fonts() -> None:
    """Make the fonts known to ReportLab. Raises ManuscriptError naming the packages where a file is missing."""
    for name, file in FONT_FILES.items():
        try:
            registerFont(TTFont(name, str(FONT_FOLDER / file)))
        except TTFError as error:
            raise ManuscriptError(
                f"font {FONT_FOLDER / file} cannot be read: run `apt-get install {PACKAGES}`"
            ) from error
    registerFontFamily("NotoSerif", "NotoSerif", "NotoSerif-Bold", "NotoSerif-Italic", "NotoSerif-Bold")
    # Hangul has no italic: emphasis stays upright.
    for family in ("NotoSans", "NanumMyeongjo", "NanumGothic"):
        registerFontFamily(family, family, f"{family}-Bold", family, f"{family}-Bold")


def has_glyph(font: str, character: str) -> bool:
    return ord(character) in cast(TTFont, getFont(font)).face.charToGlyph


def with_fallback_fonts(text: str, font: str) -> str:
    """Escape `text` for ReportLab's markup, naming another font for each character that `font` should not set."""
    candidates = [font, *FALLBACK_FONTS]
    parts = []
    for character in text:
        # Nanum sets accented and Greek letters and superscripts a full Hangul square wide, so Noto is asked first.
        latin = "\x7f" < character < "\u2e80" and font.startswith("Nanum")
        names = [name for name in (FALLBACK_FONTS if latin else candidates) if has_glyph(name, character)]
        if character.isspace() or names[:1] == [font]:
            parts.append(escape(character))
        elif names:
            parts.append(f'<font name="{names[0]}">{escape(character)}</font>')
        else:
            raise ManuscriptError(f"no font has a glyph for {character!r} (U+{ord(character):04X}): use another sign")
    return "".join(parts)


class Typesetter:
    """Turns the Markdown of one manuscript into flowables, in the fonts and sizes of its language and columns."""

    def __init__(self, manuscript: Manuscript) -> None:
        self.manuscript = manuscript
        self.serif = SERIF[manuscript.language]
        self.sans = SANS[manuscript.language]
        self.width = A4[0] - 2 * MARGIN
        if manuscript.columns == 2:
            self.width = (self.width - GUTTER) / 2
        size = 9.2 if manuscript.columns == 2 else 10.5
        leading = size * 1.42
        self.body = self.style("body", self.serif, size, leading, spaceAfter=size * 0.55, alignment=TA_JUSTIFY)
        self.item = self.style("item", self.serif, size, leading, spaceAfter=size * 0.15)
        cell = size - 1.2
        self.cell = self.style("cell", self.sans, cell, cell * 1.3)
        self.head = self.style("head", f"{self.sans}-Bold", cell, cell * 1.3)
        self.title = self.style("title", f"{self.sans}-Bold", 18, 23, spaceAfter=4)
        self.byline = self.style("byline", self.sans, 9, 12, textColor=RULE)
        self.source = self.style("source", self.sans, size - 1.5, (size - 1.5) * 1.4, spaceBefore=size, textColor=RULE)
        self.headings = {
            f"h{level}": self.style(
                f"h{level}", f"{self.sans}-Bold", size + extra, (size + extra) * 1.3,
                spaceBefore=size * 0.9, spaceAfter=size * 0.4, keepWithNext=1,
            )
            for level, extra in ((1, 4.0), (2, 2.2), (3, 0.6))
        }  # fmt: skip

    def style(self, name: str, font: str, size: float, leading: float, **others: Any) -> ParagraphStyle:
        values = {"textColor": INK, "splitLongWords": 0, **others}
        return ParagraphStyle(name, fontName=font, fontSize=size, leading=leading, **values)

    def paragraph(self, text: str, style: ParagraphStyle) -> Paragraph:
        return Paragraph(with_fallback_fonts(text, style.fontName), style)

    def markup(self, inline: Token, style: ParagraphStyle) -> str:
        """The text of an inline token in ReportLab's markup."""
        parts = []
        for token in inline.children or ():
            match token.type:
                case "text":
                    parts.append(with_fallback_fonts(token.content, style.fontName))
                case "code_inline":
                    parts.append(f'<font name="{self.sans}">{with_fallback_fonts(token.content, self.sans)}</font>')
                case "softbreak":
                    parts.append(" ")
                case "hardbreak":
                    parts.append("<br/>")
                case "strong_open" | "strong_close":
                    parts.append("<b>" if token.nesting > 0 else "</b>")
                case "em_open" | "em_close":
                    parts.append("<i>" if token.nesting > 0 else "</i>")
                case other:
                    raise ManuscriptError(f"{self.manuscript.path}: {other!r} in {inline.content!r} cannot be typeset")
        return "".join(parts)

    def flowables(self, markdown: str) -> list[Flowable]:
        tokens = iter(MarkdownIt("commonmark").enable("table").parse(markdown))
        return self.block(tokens, "", self.body)

    def block(self, tokens: Iterator[Token], closing: str, style: ParagraphStyle) -> list[Flowable]:
        """Flowables of the tokens up to the one of type `closing`; paragraphs are set in `style`."""
        flowables: list[Flowable] = []
        current = style
        for token in tokens:
            if token.type == closing:
                break
            match token.type:
                case "heading_open":
                    if token.tag not in self.headings:
                        raise ManuscriptError(f"{self.manuscript.path}: a heading is {token.tag}, at most h3 is set")
                    current = self.headings[token.tag]
                case "paragraph_open":
                    current = style
                case "inline":
                    flowables.append(Paragraph(self.markup(token, current), current))
                case "heading_close" | "paragraph_close":
                    pass
                case "bullet_list_open" | "ordered_list_open":
                    flowables += self.listing(tokens, token.type.replace("open", "close"))
                case "table_open":
                    flowables += self.tabular(tokens)
                case other:
                    raise ManuscriptError(f"{self.manuscript.path}: {other!r} near line {token.map} cannot be typeset")
        return flowables

    def listing(self, tokens: Iterator[Token], closing: str) -> Sequence[Flowable]:
        items: list[Any] = []
        for token in tokens:
            if token.type == closing:
                break
            items.append(ListItem(self.block(tokens, "list_item_close", self.item)))
        ordered = closing.startswith("ordered")
        size = self.item.fontSize
        bullets: dict[str, Any] = (
            {"bulletType": "1", "bulletFormat": "%s."} if ordered else {"bulletType": "bullet", "start": "•"}
        )
        # The bullet font must be an embedded one: the standard fonts are not, and lack most of the signs.
        listing = ListFlowable(items, bulletFontName="NotoSerif", bulletFontSize=size, leftIndent=size * 1.6, **bullets)
        return [listing, Spacer(1, size * 0.4)]

    def tabular(self, tokens: Iterator[Token]) -> Sequence[Flowable]:
        rows: list[list[Paragraph]] = []
        texts: list[list[str]] = []
        style = self.head
        for token in tokens:
            match token.type:
                case "table_close":
                    break
                case "tr_open":
                    rows.append([])
                    texts.append([])
                case "th_open" | "td_open":
                    style = self.head if token.type == "th_open" else self.cell
                case "inline":
                    rows[-1].append(Paragraph(self.markup(token, style), style))
                    texts[-1].append(token.content)
        table = Table(rows, colWidths=self.column_widths(texts), repeatRows=1, spaceBefore=4, spaceAfter=8)
        table.setStyle([
            ("BACKGROUND", (0, 0), (-1, 0), SHADE), ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEABOVE", (0, 0), (-1, 0), 0.7, INK), ("LINEBELOW", (0, 0), (-1, 0), 0.5, INK),
            ("LINEBELOW", (0, 1), (-1, -2), 0.25, RULE), ("LINEBELOW", (0, -1), (-1, -1), 0.7, INK),
            ("LEFTPADDING", (0, 0), (-1, -1), 3), ("RIGHTPADDING", (0, 0), (-1, -1), 3),
            ("TOPPADDING", (0, 0), (-1, -1), 2), ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ])  # fmt: skip
        return [table]

    def column_widths(self, texts: list[list[str]]) -> list[float]:
        """Widths in points: each column gets its longest word, the rest is shared as the contents ask for it."""
        font, size, padding = f"{self.sans}-Bold", self.cell.fontSize, 7
        columns = list(zip(*texts, strict=True))
        least = [
            padding + max(stringWidth(word, font, size) for cell in column for word in cell.split() or [""])
            for column in columns
        ]
        wanted = [padding + max(stringWidth(cell, font, size) for cell in column) for column in columns]
        spare = self.width - sum(least)
        if spare < 0:
            raise ManuscriptError(
                f"{self.manuscript.path}: the table {texts[0]} needs {sum(least):.0f} points, has {self.width:.0f}:"
                " drop a column or set `columns: 1`"
            )
        asked = [most - low for most, low in zip(wanted, least, strict=True)]
        total = sum(asked) or 1.0
        return [low + spare * ask / total for low, ask in zip(least, asked, strict=True)]


def typeset(manuscript: Manuscript) -> bytes:
    """The PDF of the manuscript."""
    setter = Typesetter(manuscript)
    width, height = A4

    def draw_frame(canvas: Canvas, _document: BaseDocTemplate) -> None:
        number = canvas.getPageNumber()
        canvas.saveState()
        canvas.setFillColor(RULE)
        canvas.setStrokeColor(RULE)
        canvas.setLineWidth(0.4)
        canvas.setFont(setter.sans, 8)
        if number > 1:
            canvas.drawString(MARGIN, height - 14 * mm, manuscript.title)
            canvas.drawRightString(width - MARGIN, height - 14 * mm, manuscript.author)
            canvas.line(MARGIN, height - 16 * mm, width - MARGIN, height - 16 * mm)
        canvas.drawCentredString(width / 2, 11 * mm, str(number))
        canvas.restoreState()

    full = width - 2 * MARGIN
    heading: list[Flowable] = [
        setter.paragraph(manuscript.title, setter.title),
        setter.paragraph(manuscript.author, setter.byline),
    ]
    # The title spans both columns, so it has a frame of its own, as tall as it needs.
    banner = sum(flowable.wrap(full, height)[1] + flowable.getSpaceAfter() for flowable in heading) + 5 * mm
    top, bottom = height - MARGIN, 18 * mm

    def frames(upper: float) -> list[Frame]:
        return [
            Frame(MARGIN + column * (setter.width + GUTTER), bottom, setter.width, upper - bottom, 0, 0, 0, 0)
            for column in range(manuscript.columns)
        ]

    buffer = io.BytesIO()
    document = BaseDocTemplate(
        buffer, pagesize=A4, invariant=1, pageCompression=1, lang=manuscript.language,
        title=manuscript.title, author=manuscript.author, subject=manuscript.source, creator="corpora/typeset.py",
    )  # fmt: skip
    first = [Frame(MARGIN, top - banner, full, banner, 0, 0, 0, 0), *frames(top - banner)]
    document.addPageTemplates([
        PageTemplate("first", first, onPage=draw_frame),
        PageTemplate("later", frames(top), onPage=draw_frame),
    ])  # fmt: skip
    story: list[Flowable] = [NextPageTemplate("later"), *heading, FrameBreak()]
    for number, page in enumerate(manuscript.pages):
        if number:
            story.append(PageBreak())
        story += setter.flowables(page)
    story.append(setter.paragraph(f"{SOURCE_LABEL[manuscript.language]}: {manuscript.source}", setter.source))
    document.build(story)
    return buffer.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description="Typeset the manuscripts of the bundled domains as PDF.")
    parser.add_argument("domain", nargs="?", help="name of a folder of corpora/; all domains when left out")
    wanted = parser.parse_args().domain
    folders = [CORPORA / wanted] if wanted else sorted(path.parent for path in CORPORA.glob("*/manuscripts"))
    try:
        if wanted and not (CORPORA / wanted / "manuscripts").is_dir():
            raise ManuscriptError(f"{CORPORA / wanted / 'manuscripts'} is not a folder: put the manuscripts there")
        register_fonts()
        for folder in folders:
            for path in sorted((folder / "manuscripts").glob("*.md")):
                output = folder / "sources" / f"{path.stem}.pdf"
                output.parent.mkdir(exist_ok=True)
                content = typeset(read_manuscript(path))
                changed = not output.exists() or output.read_bytes() != content
                if changed:
                    output.write_bytes(content)
                state = "written" if changed else "unchanged"
                print(f"{output.relative_to(CORPORA)}  {len(content) / 1024:.0f} KiB  {state}")
    except ManuscriptError as error:
        print(f"typeset: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
