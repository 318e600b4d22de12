import datetime
import io
import struct
import zipfile
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import docx
import pptx
import pytest
import xlsxwriter
from docx.oxml.ns import qn
from docx.oxml.parser import OxmlElement
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ingest.blocks import Loaded
from ingest.loaders import LoadError, load

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NESTED = 100_000


def texts(loaded: Loaded) -> list[str]:
    return [block.text for page in loaded.pages for block in page]


def headings(loaded: Loaded) -> list[tuple[int, str]]:
    return [(block.level, block.text) for page in loaded.pages for block in page if block.level]


def rows(loaded: Loaded) -> list[str]:
    return [block.text for page in loaded.pages for block in page if block.row]


def saved(document) -> bytes:
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def make_zip(parts: dict[str, str | bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return stream.getvalue()


def make_word(body: str, main: str = "word/document.xml", **parts: str) -> bytes:
    """A Word document of bare parts, of a kind that python-docx does not write."""
    kinds = "".join(
        f'<Relationship Id="r{kind}" Type="{OFFICE}/{kind}" Target="{kind}.xml"/>' for kind in (*parts, "image")
    )
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    return make_zip(
        {
            "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
            "_rels/.rels": f'<Relationships xmlns="{package}">'
            f'<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="{main}"/></Relationships>',
            "word/_rels/document.xml.rels": f'<Relationships xmlns="{package}">{kinds}</Relationships>',
            main: f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>',
            **{f"word/{kind}.xml": f'<w:{kind} xmlns:w="{WORD}">{text}</w:{kind}>' for kind, text in parts.items()},
        }
    )


def paragraph(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def make_compound(streams: dict[str, bytes]) -> bytes:
    """A compound file (MS-CFB, version 3) with these streams, each of 4096 bytes or more."""
    sectors: list[bytes] = []
    table: list[int] = []

    def put(content: bytes) -> int:
        first, count = len(sectors), -(-len(content) // 512)
        sectors.extend(content[512 * place : 512 * place + 512].ljust(512, b"\0") for place in range(count))
        table.extend([*range(first + 1, first + count), 0xFFFFFFFE])
        return first

    entries = [("Root Entry", 5, 0xFFFFFFFE, 0)]
    for name, content in streams.items():
        content = content.ljust(4096, b"\0")
        entries.append((name, 2, put(content), len(content)))
    directory = b""
    for number, (name, kind, first, size) in enumerate(entries):
        right = number + 1 if 0 < number < len(entries) - 1 else 0xFFFFFFFF
        child = 1 if number == 0 else 0xFFFFFFFF
        label = name.encode("utf-16-le") + b"\0\0"
        directory += label.ljust(64, b"\0") + struct.pack(
            "<HBBIII16xI16xIQ", len(label), kind, 1, 0xFFFFFFFF, right, child, 0, first, size
        )
    start = put(directory)
    place = len(sectors)
    table.append(0xFFFFFFFD)
    sectors.append(b"".join(struct.pack("<I", item) for item in table).ljust(512, b"\xff"))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16 + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, 1, start, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<I", place) + b"\xff" * 4 * 108
    return header + b"".join(sectors)


def make_xls(cells: list[list[str | float]]) -> bytes:
    """A workbook of Excel 97 with one sheet: BIFF8 records."""

    def record(kind: int, content: bytes) -> bytes:
        return struct.pack("<HH", kind, len(content)) + content

    name = "Lap".encode("utf-16-le")
    begin = record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0)) + record(0x42, struct.pack("<H", 1200))
    sheet = record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0))
    sheet += record(0x200, struct.pack("<IIHHH", 0, len(cells), 0, len(cells[0]), 0))
    for row, line in enumerate(cells):
        for column, value in enumerate(line):
            place = struct.pack("<HHH", row, column, 0)
            if isinstance(value, str):
                text = value.encode("utf-16-le")
                sheet += record(0x204, place + struct.pack("<HB", len(value), 1) + text)
            else:
                sheet += record(0x203, place + struct.pack("<d", value))
    end = record(0x0A, b"")
    bound = struct.pack("<IBBBB", len(begin) + 4 + 8 + len(name) + len(end), 0, 0, 3, 1) + name
    return make_compound({"Workbook": begin + record(0x85, bound) + end + sheet + end})


def make_opendocument(kind: str, body: str, styles: str = "", meta: str = "") -> bytes:
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table", "draw", "style", "presentation", "meta")
    )
    return make_zip(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "META-INF/manifest.xml": '<manifest xmlns="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
            "content.xml": f"<office:document-content {names}><office:automatic-styles>{styles}"
            f"</office:automatic-styles><office:body>{body}</office:body></office:document-content>",
            "meta.xml": f'<office:document-meta {names} xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<office:meta>{meta}</office:meta></office:document-meta>",
        }
    )


def test_word_headings_lists_tables_and_metadata() -> None:
    document = docx.Document()
    document.core_properties.author = "Kovács Örs"
    document.core_properties.modified = datetime.datetime(2026, 3, 1)
    document.add_paragraph("Gyakorlati útmutató", style="Title")
    document.add_heading("Jelentkezés", 1)
    document.add_paragraph("A jelentkezés határideje április 30.")
    document.add_paragraph("önéletrajz", style="List Bullet")
    document.add_heading("기한", 2)
    document.add_paragraph("신청서를 제출한다.", style="List Number")
    document.add_paragraph("보고서를 제출한다.", style="List Number")
    table = document.add_table(3, 3)
    for row, values in enumerate([["Név", "Hely", "Óra"], ["Űrkutató", "Győr", "240"], ["", "Pécs", "160"]]):
        for column, value in enumerate(values):
            table.cell(row, column).text = value
    table.cell(1, 0).merge(table.cell(2, 0))
    loaded = load(saved(document), "a.docx")
    assert (loaded.kind, loaded.title) == ("docx", "Gyakorlati útmutató")
    assert loaded.metadata == {"author": "Kovács Örs", "modified": "2026-03-01"}
    assert headings(loaded) == [(1, "Gyakorlati útmutató"), (1, "Jelentkezés"), (2, "기한")]
    assert "- önéletrajz" in texts(loaded)
    assert [text for text in texts(loaded) if "제출" in text] == ["1. 신청서를 제출한다.", "2. 보고서를 제출한다."]
    assert rows(loaded) == ["Név: Űrkutató; Hely: Győr; Óra: 240", "Név: Űrkutató; Hely: Pécs; Óra: 160"]


def test_word_notes_insertions_and_text_boxes_are_read_and_deletions_are_not() -> None:
    body = (
        '<w:p><w:r><w:t>The orbit is polar</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r>'
        "<w:ins><w:r><w:t> and low</w:t></w:r></w:ins><w:del><w:r><w:delText>and high</w:delText></w:r></w:del></w:p>"
        f"<w:p><w:r><w:pict><w:txbxContent>{paragraph('In a box.')}</w:txbxContent></w:pict></w:r></w:p>"
        f"<w:sdt><w:sdtContent>{paragraph('In a control.')}</w:sdtContent></w:sdt>"
        + paragraph("Contents ... 7", '<w:pStyle w:val="TJ1"/>')
    )
    notes = '<w:footnote w:id="2"><w:p><w:r><w:t>Inclination 98°.</w:t></w:r></w:p></w:footnote>'
    styles = '<w:style w:styleId="TJ1"><w:name w:val="toc 1"/></w:style>'
    loaded = load(make_word(body, footnotes=notes, styles=styles), "a.docx")
    assert texts(loaded) == ["The orbit is polar [2] and low", "[2] Inclination 98°.", "In a box.", "In a control."]


def test_word_headings_are_numbered_as_they_are_shown() -> None:
    numbering = (
        '<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="upperRoman"/>'
        '<w:lvlText w:val="%1."/></w:lvl><w:lvl w:ilvl="1"><w:numFmt w:val="ganada"/><w:lvlText w:val="%2)"/></w:lvl>'
        '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    )
    styles = (
        '<w:style w:styleId="Cmsor1"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr>'
        '</w:style><w:style w:styleId="Sajat"><w:name w:val="Own"/><w:basedOn w:val="Cmsor1"/></w:style>'
    )
    inner = '<w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr>'
    body = (
        paragraph("Cél", '<w:pStyle w:val="Cmsor1"/>')
        + paragraph("목적", inner)
        + paragraph("범위", inner)
        + paragraph("Hatály", '<w:pStyle w:val="Sajat"/>')
        + paragraph("정의", inner)
    )
    loaded = load(make_word(body, styles=styles, numbering=numbering), "a.docx")
    assert texts(loaded) == ["I. Cél", "가) 목적", "나) 범위", "II. Hatály", "가) 정의"]
    assert headings(loaded) == [(1, "I. Cél"), (1, "II. Hatály")]


def test_word_documents_without_styles_have_their_bold_lines_as_headings() -> None:
    document = docx.Document()
    document.add_paragraph().add_run("1.2 Feltételek").bold = True
    document.add_paragraph("A hallgató féléves gyakorlaton vesz részt.")
    document.add_paragraph().add_run("Fontos, hogy a jelentés időben elkészüljön.").bold = True
    assert headings(load(saved(document), "a.docx")) == [(3, "1.2 Feltételek")]


def test_a_frame_of_one_cell_is_no_table() -> None:
    document = docx.Document()
    document.add_table(1, 1).cell(0, 0).text = "A gyakorlat hat hétig tart."
    loaded = load(saved(document), "a.docx")
    assert texts(loaded) == ["A gyakorlat hat hétig tart."] and not rows(loaded)


def test_word_files_are_known_by_content_and_not_by_name() -> None:
    document = docx.Document()
    document.add_paragraph("황새는 크다.")
    assert load(saved(document), "a.txt").kind == "docx"


def test_slides_are_pages_with_notes_tables_groups_and_charts() -> None:
    presentation = pptx.Presentation()
    presentation.core_properties.title = "Őszi égbolt"
    first = presentation.slides.add_slide(presentation.slide_layouts[1])
    first.placeholders[1].text = "Ganymedes a legnagyobb\nKallisto távoli"
    first.shapes.title.text = "A Jupiter holdjai"
    first.notes_slide.notes_text_frame.text = "Előadói jegyzet"
    second = presentation.slides.add_slide(presentation.slide_layouts[5])
    second.shapes.title.text = "위성"
    table = second.shapes.add_table(3, 3, 0, 0, Inches(4), Inches(2)).table
    for row, values in enumerate([["이름", "질량", "해"], ["천리안", "2460 kg", "2010"], ["", "", "2018"]]):
        for column, value in enumerate(values):
            table.cell(row, column).text = value
    table.cell(1, 0).merge(table.cell(2, 0))
    second.shapes.add_group_shape().shapes.add_textbox(0, 0, 9, 9).text_frame.text = "묶음 안의 글"
    data = CategoryChartData()
    data.categories = ["2020", "2021"]
    data.add_series("Launches", (10, 12.5))
    second.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(3), Inches(3), data)
    loaded = load(saved(presentation), "a.pptx")
    assert (loaded.kind, loaded.title) == ("pptx", "Őszi égbolt")
    assert [block.text for block in loaded.pages[0]] == [
        "A Jupiter holdjai",
        "Ganymedes a legnagyobb",
        "Kallisto távoli",
        "Előadói jegyzet",
    ]
    assert headings(loaded) == [(2, "A Jupiter holdjai"), (2, "위성")]
    assert rows(loaded)[:2] == ["이름: 천리안; 질량: 2460 kg; 해: 2010", "이름: 천리안; 해: 2018"]
    assert "묶음 안의 글" in texts(loaded) and rows(loaded)[3] == "2021; Launches: 12.5"


def test_sheets_are_pages_with_their_header_titles_and_values() -> None:
    stream = io.BytesIO()
    workbook = xlsxwriter.Workbook(stream)
    planets, satellites, hidden = (workbook.add_worksheet(name) for name in ("Bolygók", "위성", "rejtett"))
    day = workbook.add_format({"num_format": "yyyy. mm. dd."})
    planets.merge_range("A1:C1", "A Naprendszer bolygói")
    planets.write_row("A3", ["Név", "Tömeg (kg)", "Felfedezés"])
    planets.write_row("A4", ["Mars", 6.417e23])
    planets.write_row("A5", ["Neptunusz", 0.1 + 0.2])
    planets.write_datetime("C5", datetime.datetime(1946, 9, 23), day)
    planets.write_row("A7", ["Hold", "Sugár", "Albedó"])
    planets.write_row("A8", ["Titan", 2574.7])
    planets.write("C8", 0.225, workbook.add_format({"num_format": "0.0%"}))
    satellites.write_row(0, 0, ["이름", "궤도", "운용"])
    satellites.merge_range("A2:A3", "아리랑")
    satellites.write_row(1, 1, [685.0, True])
    satellites.write_row(2, 1, [528, False])
    hidden.write(0, 0, "titok")
    hidden.hide()
    workbook.close()
    loaded = load(stream.getvalue(), "a.xlsx")
    assert loaded.kind == "xlsx" and loaded.rows
    assert [block.text for block in loaded.pages[0]] == [
        "Bolygók",
        "A Naprendszer bolygói",
        "Név: Mars; Tömeg (kg): 6.417e+23",
        "Név: Neptunusz; Tömeg (kg): 0.3; Felfedezés: 1946-09-23",
        "Hold: Titan; Sugár: 2574.7; Albedó: 22.5%",
    ]
    assert [block.text for block in loaded.pages[1]][1:] == [
        "이름: 아리랑; 궤도: 685; 운용: TRUE",
        "이름: 아리랑; 궤도: 528; 운용: FALSE",
    ]
    assert "rejtett" in loaded.notes[0]


def test_old_workbooks_are_read() -> None:
    loaded = load(make_xls([["Név", "궤도"], ["Űrszonda", 42.5], ["나로", 3.0]]), "a.xls")
    assert (loaded.kind, rows(loaded)) == ("xls", ["Név: Űrszonda; 궤도: 42.5", "Név: 나로; 궤도: 3"])


def test_opendocument_sheets_are_read() -> None:
    cells = [["Név", "Ár"], ["Őszibarack", "12.5"]]
    lines = "".join(
        "<table:table-row>"
        + "".join(f"<table:table-cell office:value-type='string'><text:p>{x}</text:p></table:table-cell>" for x in line)
        + "</table:table-row>"
        for line in cells
    )
    body = f'<office:spreadsheet><table:table table:name="Lap">{lines}</table:table></office:spreadsheet>'
    loaded = load(make_opendocument("spreadsheet", body), "a.ods")
    assert (loaded.kind, rows(loaded)) == ("ods", ["Név: Őszibarack; Ár: 12.5"])


def test_opendocument_texts() -> None:
    styles = (
        '<text:list-style style:name="L1"><text:list-level-style-number text:level="1" style:num-format="1"/>'
        "</text:list-style>"
    )
    body = (
        '<office:text><text:tracked-changes><text:p>x</text:p></text:tracked-changes><text:h text:outline-level="2">'
        "Hatály</text:h><text:p>A szabályzat<text:s/>érvényes<text:note><text:note-citation>1</text:note-citation>"
        "<text:note-body><text:p>2026-tól.</text:p></text:note-body></text:note>.</text:p>"
        '<text:list text:style-name="L1"><text:list-item><text:p>신청</text:p></text:list-item><text:list-item>'
        "<text:p>제출</text:p></text:list-item></text:list><text:list><text:list-item><text:p>jelölő</text:p>"
        "</text:list-item></text:list><table:table><table:table-header-rows><table:table-row>"
        "<table:table-cell><text:p>Kar</text:p></table:table-cell><table:table-cell><text:p>Kredit</text:p>"
        "</table:table-cell></table:table-row></table:table-header-rows><table:table-row><table:table-cell "
        'table:number-rows-spanned="2"><text:p>GPK</text:p></table:table-cell><table:table-cell><text:p>6</text:p>'
        "</table:table-cell></table:table-row><table:table-row><table:covered-table-cell/><table:table-cell>"
        "<text:p>8</text:p></table:table-cell></table:table-row></table:table></office:text>"
    )
    meta = "<dc:title>Szabályzat</dc:title><dc:creator>Őri Éva</dc:creator><dc:date>2026-02-03T10:00:00</dc:date>"
    loaded = load(make_opendocument("text", body, styles, meta), "a.odt")
    assert (loaded.kind, loaded.title) == ("odt", "Szabályzat")
    assert loaded.metadata == {"author": "Őri Éva", "modified": "2026-02-03"}
    assert headings(loaded) == [(2, "Hatály")]
    assert texts(loaded)[1:6] == ["A szabályzat érvényes [1].", "[1] 2026-tól.", "1. 신청", "2. 제출", "- jelölő"]
    assert rows(loaded) == ["Kar: GPK; Kredit: 6", "Kar: GPK; Kredit: 8"]


def test_opendocument_presentations_have_a_page_a_slide() -> None:
    body = (
        '<office:presentation><draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>Üstökösök'
        "</text:p></draw:text-box></draw:frame></draw:page><draw:page><draw:frame><draw:text-box><text:p>꼬리</text:p>"
        "</draw:text-box></draw:frame></draw:page></office:presentation>"
    )
    loaded = load(make_opendocument("presentation", body), "a.odp")
    assert [[block.text for block in page] for page in loaded.pages] == [["Üstökösök"], ["꼬리"]]
    assert loaded.pages[0][0].level == 2


CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)
PACKAGE = (
    '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>'
    "Csillagok</dc:title><dc:creator>Ég Elek</dc:creator><dc:language>hu</dc:language></metadata><manifest>"
    '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="b" href="b%20c.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="n" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/></manifest>'
    '<spine><itemref idref="n"/><itemref idref="b"/><itemref idref="a"/></spine></package>'
)


def make_book(**parts: str) -> bytes:
    page = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{}</body></html>'
    return make_zip(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": CONTAINER,
            "OEBPS/book.opf": PACKAGE,
            "OEBPS/nav.xhtml": page.format("<p>Tartalom</p>"),
            "OEBPS/a.xhtml": page.format("<h1>둘째 장</h1><p>별은 빛난다.</p>"),
            # Not XML: an unclosed element and an entity of HTML.
            "OEBPS/b c.xhtml": page.format("<h1>Els&odblac; fejezet</h1><p>A csillag&nbsp;ragyog.<br></p>"),
            **{f"META-INF/{name}.xml": text for name, text in parts.items()},
        }
    )


def test_books_have_a_page_a_chapter_in_the_order_of_reading() -> None:
    loaded = load(make_book(), "a.epub")
    assert [[block.text for block in page] for page in loaded.pages] == [
        ["Első fejezet", "A csillag ragyog."],
        ["둘째 장", "별은 빛난다."],
    ]
    assert (loaded.kind, loaded.title) == ("epub", "Csillagok")
    assert loaded.metadata == {"author": "Ég Elek", "language": "hu"}


def encryption(algorithm: str) -> str:
    return f'<encryption><EncryptedData><EncryptionMethod Algorithm="{algorithm}"/></EncryptedData></encryption>'


def test_books_with_scrambled_fonts_are_read_and_protected_ones_reported() -> None:
    assert load(make_book(encryption=encryption("http://www.idpf.org/2008/embedding")), "a.epub").pages
    with pytest.raises(LoadError, match="copy protection"):
        load(make_book(encryption=encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc")), "a.epub")


def make_mail(plain: str = "", html: str = "", attached: str = "") -> bytes:
    message = EmailMessage()
    message["From"] = "Tanszék <office@example.org>"
    message["To"] = "학생 <student@example.org>"
    message["Subject"] = "Gyakorlati hely – határidő"
    message["Date"] = "Mon, 02 Mar 2026 09:30:00 +0100"
    if plain:
        message.set_content(plain)
    if html:
        (message.add_alternative if plain else message.set_content)(html, subtype="html")
    if attached:
        message.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename=attached)
    return bytes(message)


def test_mails_give_head_and_plain_text_and_name_what_is_attached() -> None:
    content = make_mail(
        "Kedves Hallgatók!\n\nA határidő május 5.\n\n> 질문입니다.\n-- \nTelefon: 1", "<p>x</p>", "űrlap.pdf"
    )
    loaded = load(content, "a.eml")
    assert (loaded.kind, loaded.title) == ("eml", "Gyakorlati hely – határidő")
    assert loaded.metadata["published"] == "2026-03-02T09:30+01:00"
    assert texts(loaded)[1].startswith("From: Tanszék <office@example.org>; To: 학생")
    assert texts(loaded)[2:] == ["Kedves Hallgatók!", "A határidő május 5.", "질문입니다."]
    assert "űrlap.pdf" in loaded.notes[0]


def test_mails_without_plain_text_give_their_html() -> None:
    loaded = load(make_mail(html="<h2>공지</h2><p>Ülés <b>kedden</b>.</p>"), "letter.txt")
    assert texts(loaded)[2:] == ["공지", "Ülés kedden."]


def test_mails_in_korean_code_pages_are_read() -> None:
    head = b"From: a@example.org\r\nSubject: =?ks_c_5601-1987?B?" + b"sPjB9g==" + b"?=\r\nMIME-Version: 1.0\r\n"
    body = "똠방각하가 왔다.".encode("cp949")
    content = (
        head + b"Content-Type: text/plain; charset=ks_c_5601-1987\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + body
    )
    loaded = load(content, "a.eml")
    assert (loaded.title, texts(loaded)[-1]) == ("공지", "똠방각하가 왔다.")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            rb"{\rtf1\ansi\ansicpg1250{\fonttbl{\f0\fcharset238 Arial;}}\f0 \'d5szi \'e9gbolt\par M\'e1sodik}",
            "Őszi égbolt",
        ),
        (rb"{\rtf1\ansi\ansicpg949{\fonttbl{\f0\fcharset129 Batang;}}\f0 \'c7\'d1\'b1\'b9\par x}", "한국"),
        ("{\\rtf1\\ansi\\ansicpg1250 Árvíztűrő\\par x}".encode("cp1250"), "Árvíztűrő"),
        ("{\\rtf1\\ansi\\ansicpg949 우주\\par x}".encode("cp949"), "우주"),
        (rb"{\rtf1\ansi\uc1 \u54620?\u44397?\par x}", "한국"),
    ],
)
def test_rich_text_in_its_code_page(source: bytes, expected: str) -> None:
    loaded = load(source, "a.doc")
    assert (loaded.kind, texts(loaded)[0]) == ("rtf", expected)


def test_rich_text_has_title_author_and_table_rows() -> None:
    source = (
        rb"{\rtf1\ansi\ansicpg1250{\info{\title K\'e9pz\'e9s}{\author \'d5ri}}Bevezet\'e9s\par"
        rb"\trowd Kar\cell Kredit\cell\row GPK\cell 6\cell\row\pard V\'e9ge\par}"
    )
    loaded = load(source, "a.rtf")
    assert (loaded.title, loaded.metadata) == ("Képzés", {"author": "Őri"})
    assert texts(loaded) == ["Bevezetés", "Kar: GPK; Kredit: 6", "Vége"]


def make_hangul(body: str) -> bytes:
    names = (
        'xmlns:hp="http://www.hancom.co.kr/hwpml/2011/paragraph" xmlns:hs="http://www.hancom.co.kr/hwpml/2011/section"'
    )
    return make_zip(
        {"mimetype": "application/hwp+zip", "Contents/section0.xml": f"<hs:sec {names}>{body}</hs:sec>"},
    )


def test_hangul_documents() -> None:
    def cell(row: int, column: int, text: str, down: int = 1) -> str:
        return (
            f"<hp:tc><hp:subList><hp:p><hp:run><hp:t>{text}</hp:t></hp:run></hp:p></hp:subList><hp:cellAddr colAddr="
            f'"{column}" rowAddr="{row}"/><hp:cellSpan colSpan="1" rowSpan="{down}"/></hp:tc>'
        )

    table = "".join(
        f"<hp:tr>{line}</hp:tr>"
        for line in (
            cell(0, 0, "구분") + cell(0, 1, "기간"),
            cell(1, 0, "현장실습", 2) + cell(1, 1, "4주"),
            cell(2, 1, "8주"),
        )
    )
    body = (
        "<hp:p><hp:run><hp:t>신청 안내<hp:tab/>2026</hp:t></hp:run></hp:p>"
        f"<hp:p><hp:run><hp:tbl>{table}</hp:tbl></hp:run></hp:p>"
    )
    loaded = load(make_hangul(body), "a.hwpx")
    assert loaded.kind == "hwpx"
    assert texts(loaded) == ["신청 안내 2026", "구분: 현장실습; 기간: 4주", "구분: 현장실습; 기간: 8주"]


PAGE = """<!DOCTYPE html><html lang="hu"><head><title>Gyakorlat – Tanszék</title>
<meta name="author" content="Kiss Éva"><meta property="article:published_time" content="2026-02-01T08:00:00Z"></head>
<body><header><a href="/">Tanszék</a></header><nav><ul><li><a href="/1">Főoldal</a></li><li><a href="/2">Kapcsolat</a>
</li></ul></nav><div class="cookie-banner">Sütiket használunk.</div><main><article><h1>Szakmai gyakorlat</h1>
<p>A szakmai gyakorlat hat hétig tart, és a hatodik félév után minden hallgatónak kötelező teljesítenie.</p>
<h2>Teendők</h2><ol><li>Jelentkezés a tanszéken</li><li>Szerződés aláírása</li></ol>
<p hidden>Rejtett.</p><table><thead><tr><th>Kar</th><th>Kredit</th></tr></thead><tbody>
<tr><td rowspan="2">GPK</td><td>6</td></tr><tr><td>8</td></tr></tbody></table>
<p>A beszámolót <i class="material-icons">find_in_page</i> szeptember 15-ig kell leadni a tanszéken.</p></article>
</main><footer><p>© 2026 Egyetem</p></footer><script>var a = "kód";</script></body></html>"""


def test_web_pages_give_their_main_text_with_headings_lists_and_tables() -> None:
    loaded = load(PAGE.encode(), "a.html")
    assert (loaded.kind, loaded.title) == ("html", "Szakmai gyakorlat")
    assert (loaded.metadata["author"], loaded.metadata["published"]) == ("Kiss Éva", "2026-02-01")
    assert headings(loaded) == [(1, "Szakmai gyakorlat"), (2, "Teendők")]
    assert texts(loaded)[3:5] == ["1. Jelentkezés a tanszéken", "2. Szerződés aláírása"]
    assert rows(loaded) == ["Kar: GPK; Kredit: 6", "Kar: GPK; Kredit: 8"]
    whole = " ".join(texts(loaded))
    assert not [word for word in ("Főoldal", "Sütiket", "©", "kód", "Rejtett", "find_in") if word in whole]


def test_web_pages_without_a_main_text_give_all_that_is_visible() -> None:
    loaded = load(
        "<html><body><nav><a href='/a'>우주 센터</a> <a href='/b'>연락처</a></nav></body></html>".encode(), "a.html"
    )
    assert texts(loaded) == ["우주 센터 연락처"]


@pytest.mark.parametrize(
    ("charset", "text"),
    [("euc-kr", "똠방각하의 현장실습"), ("iso-8859-2", "Őszi félévi gyűlés"), ("utf-16", "Űrkutatás")],
)
def test_web_pages_in_the_encoding_that_they_state(charset: str, text: str) -> None:
    page = f'<html><head><meta charset="{charset}"><title>x</title></head><body><p>{text}</p></body></html>'
    assert texts(load(page.encode("cp949" if charset == "euc-kr" else charset), "a.htm")) == [text]


def test_parts_of_web_pages_are_told_from_text() -> None:
    part = "<div><h3>지원 자격</h3><ul><li>재학생</li><li>휴학생</li></ul><p>문의</p></div>"
    assert load(part.encode(), "b_3.jsp").kind == "html"
    assert load(b"a < b and c > d, so <p> is not HTML", "a.txt").kind == "text"


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (make_compound({"WordDocument": b"x"}), "a.doc", "old .doc format: save it as DOCX"),
        (make_compound({"PowerPoint Document": b"x"}), "a.ppt", "old .ppt format"),
        (make_compound({"EncryptedPackage": b"x"}), "a.docx", "protected by a password"),
        (make_compound({"\x05HwpSummaryInformation": b"x"}), "a.hwp", "save it as HWPX"),
        (make_zip({"a.txt": "x"}), "a.docx", "unpack it"),
        (make_zip({"mimetype": "application/vnd.oasis.opendocument.text"}), "a.odt", "content.xml' is missing"),
        (make_word("<w:p/>"), "a.docx", "holds no text"),
        (make_word("<w:p>"), "a.docx", "text is damaged"),
        (make_book()[:-30], "a.epub", "damaged"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", "SVG"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", "SVG"),
        (b"<?xml version='1.0'?><garden/>", "a.xml", "XML file of <garden>"),
        (b"7z\xbc\xaf\x27\x1c", "a.7z", "7z archive"),
        (b"<html><body><script>1</script></body></html>", "a.html", "no text without scripts"),
        (saved(pptx.Presentation()), "a.pptx", "hold no text"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(content: bytes, name: str, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        load(content, name)


def with_entities(entities: str, text: str) -> bytes:
    parts = zip_parts(make_word(paragraph(text)))
    parts["word/document.xml"] = f"<!DOCTYPE x [{entities}]>" + str(parts["word/document.xml"], "utf-8")
    return make_zip(parts)


def test_files_that_untrusted_xml_names_are_not_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("SECRET")
    loaded = load(with_entities(f'<!ENTITY file SYSTEM "{secret.as_uri()}">', "light &file;"), "a.docx")
    assert texts(loaded) == ["light"]


def test_entities_that_multiply_are_refused() -> None:
    bomb = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    with pytest.raises(LoadError, match="damaged"):
        load(with_entities(f'<!ENTITY a0 "heavy">{bomb}', "light &a9;"), "a.docx")


def zip_parts(content: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (("<html><body>" + "<div>" * NESTED + "mély").encode(), "a.html"),
        (("<html><body>" + "<table><tr><td>" * NESTED + "mély").encode(), "a.html"),
        (make_word("<w:sdt><w:sdtContent>" * NESTED), "a.docx"),
        (b"[" * NESTED, "a.json"),
        (b"{\\rtf1 " + b"{" * NESTED + b"x", "a.rtf"),
    ],
)
def test_deep_nesting_ends_in_a_document_or_a_reason(content: bytes, name: str) -> None:
    try:
        assert texts(load(content, name))
    except LoadError as error:
        assert ": " in str(error)


def test_a_merged_cell_over_millions_of_columns_does_not_fill_the_memory() -> None:
    line = '<tr><td colspan="99999999" rowspan="99999999">x</td><td>y</td></tr>'
    page = f"<html><body><table>{line * 20}</table></body></html>"
    assert sum(map(len, texts(load(page.encode(), "a.html")))) < 100_000


def test_python_docx_paragraphs_in_content_controls_of_cells_are_read() -> None:
    document = docx.Document()
    table = document.add_table(2, 2)
    for place, text in enumerate(("Tárgy", "Óra", "Fizika", "4")):
        table.cell(place // 2, place % 2).text = text
    control, inner = OxmlElement("w:sdt"), OxmlElement("w:sdtContent")
    cell = table.cell(1, 0)._tc
    for item in cell.findall(qn("w:p")):
        inner.append(item)
    control.append(inner)
    cell.append(control)
    assert rows(load(saved(document), "a.docx")) == ["Tárgy: Fizika; Óra: 4"]


def test_long_lists_are_numbered_to_their_end() -> None:
    page = "<html><body><ol>" + "<li>Elem</li>" * 20_000 + "</ol></body></html>"
    assert texts(load(page.encode(), "a.html"))[-1] == "20000. Elem"


def test_control_characters_in_web_pages_are_passed_over() -> None:
    page = PAGE.replace("hat hétig", "hat\x01 &#x1f; hétig").replace("Kiss Éva", "Kiss&#2; \x1fÉva")
    loaded = load(page.encode(), "a.html")
    assert "hat hétig" in texts(loaded)[1] and loaded.metadata["author"] == "Kiss Éva"
