import io
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import StreamObject

from evaluation.made import chunk_of
from evaluation.made_files import _pdf as made_pdf
from ingest.blocks import Block, Loaded, page_text
from ingest.loaders import LoadError, load, pdf
from ingest.loaders.pdf import load_pdf
from tests.files import Placed, make_pdf, prose

ROOT = Path(__file__).resolve().parent.parent


def texts(document: Loaded) -> list[str]:
    return [block.text for page in document.pages for block in page]


def headings(document: Loaded) -> list[tuple[int, str]]:
    return [(block.level, block.text) for page in document.pages for block in page if block.level]


LEFT = [f"Left column line {row:02} of the text on herons" for row in range(12)]
RIGHT = [f"right column line {row:02} of the text on storks" for row in range(12)]


@pytest.mark.parametrize("interleaved", [False, True])
def test_two_columns_are_read_one_after_the_other(interleaved: bool) -> None:
    left, right = prose(LEFT, x=50), prose(RIGHT, x=310)
    placed: list[Placed] = (
        [item for pair in zip(left, right, strict=True) for item in pair] if interleaved else left + right
    )
    title: list[Placed] = [(50, 780, 18, "Wading birds of the northern shores and of the lakes")]
    text = " ".join(texts(load(make_pdf([title + placed]), "a.pdf")))
    assert text.startswith("Wading birds")
    assert [text.index(line) for line in LEFT + RIGHT] == sorted(text.index(line) for line in LEFT + RIGHT)


def test_a_table_is_read_by_rows() -> None:
    cells = [("Bird", "Wing span"), ("Heron", "190 cm"), ("Stork of the lowlands", "200 cm"), ("Ibis", "90 cm")] * 3
    placed = [item for row, pair in enumerate(cells) for item in prose([pair[0]], 60, 740 - 15 * row)]
    placed += [item for row, pair in enumerate(cells) for item in prose([pair[1]], 320, 740 - 15 * row)]
    by_rows = sorted(placed, key=lambda item: (-item[1], item[0]))
    document = load(make_pdf([by_rows]), "a.pdf")
    assert Block("Heron | 190 cm", row=True) in document.pages[0]


def test_running_headers_and_page_numbers_are_dropped() -> None:
    pages: list[list[Placed]] = [
        [
            (60, 800, 8, "The heron, a study"),
            *prose([f"Page {number} tells of the heron.", "It says more on the next line."]),
            (290, 30, 8, str(number)),
        ]
        for number in range(1, 5)
    ]
    document = load(make_pdf(pages, title="The heron"), "a.pdf")
    assert not [text for text in texts(document) if "study" in text or text.isdigit()]
    assert len(document.pages) == 4
    assert document.pages[2][0].text == "Page 3 tells of the heron. It says more on the next line."


def test_a_title_repeated_on_the_second_of_two_pages_is_a_header() -> None:
    first = [(60.0, 780.0, 18.0, "The heron"), *prose(["Text of the first page."])]
    second = [(60.0, 800.0, 8.0, "The heron"), *prose(["Text of the second page."])]
    document = load(make_pdf([first, second], title="The heron"), "a.pdf")
    assert [block.text for block in document.pages[1]] == ["Text of the second page."]


def test_line_numbers_of_a_manuscript_are_dropped() -> None:
    lines = [f"{row + 1} The heron waits in the reeds, line after line." for row in range(20)]
    text = " ".join(texts(load(make_pdf([prose(lines)]), "a.pdf")))
    assert not any(letter.isdigit() for letter in text)
    assert text.count("The heron waits") == 20


def test_divided_words_are_mended_and_true_hyphens_kept() -> None:
    lines = [
        "A well-known bird of the wetlands is very well-",
        "known for its patience, as the observa-",
        "tions of many years in north-",
        "South lakes of the country have shown again and again.",
    ]
    text = " ".join(texts(load(make_pdf([prose(lines)]), "a.pdf")))
    assert "very well-known for" in text
    assert "the observations of" in text
    assert "north-South" in text


def test_headings_are_told_by_their_size_and_give_the_title() -> None:
    page: list[Placed] = [
        (60, 780, 20, "Wading birds"),
        (60, 750, 14, "Where they live"),
        *prose(["They live by the water, in reeds and on shores.", "Some of them like trees."], y=730),
        (60, 690, 14, "What they eat"),
        *prose(["They eat fish and frogs, and whatever they can catch.", "Some eat seeds."], y=670),
    ]
    document = load(make_pdf([page]), "a.pdf")
    assert headings(document) == [(1, "Wading birds"), (2, "Where they live"), (2, "What they eat")]
    assert document.title == "Wading birds"
    assert load(make_pdf([page], title="Stated title"), "a.pdf").title == "Stated title"
    assert load(make_pdf([page], title="Microsoft Word - draft.doc"), "a.pdf").title == "Wading birds"


def test_the_bundled_pdf_files_keep_hungarian_accents_and_hangul() -> None:
    hungarian = load((ROOT / "corpora/internship/sources/gyakorlati-rendtartas.pdf").read_bytes(), "a.pdf")
    assert "hallgató" in " ".join(texts(hungarian)) and "ő" in " ".join(texts(hungarian))
    korean = load((ROOT / "corpora/space/sources/ko-danuri.pdf").read_bytes(), "a.pdf")
    assert korean.title.startswith("달 궤도선 다누리")
    assert "다누리는 2022년 8월 5일 오전 8시 8분" in " ".join(texts(korean))


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"", "a.pdf", "empty"),
        (b"%PDF-1.4\nrubbish", "a.pdf", "damaged"),
        (b"just text", "a.pdf", "no PDF file"),
        (make_pdf([[]]), "a.pdf", "its pages are empty"),
        (make_pdf([[(290, 30, 8, "1")]]), "a.pdf", "no text besides"),
        (b"PK\x03\x04\x14\x00", "a.docx", "office document"),
        (b"<!DOCTYPE html><html>", "a.html", "web page"),
        (b"\x00\x01\x02\x03" * 50, "a.txt", "neither text"),
        (b"name;wing\n", "a.csv", "no rows"),
        (b"\n \n", "a.md", "empty"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(content: bytes, name: str, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        load(content, name)


def protected(password: str) -> bytes:
    writer = PdfWriter()
    writer.append(PdfReader(io.BytesIO(make_pdf([prose(["A secret heron."])]))))
    writer.encrypt(password, "owner", algorithm="RC4-128")
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def test_an_empty_password_and_those_of_the_domain_are_tried_and_another_one_reported() -> None:
    assert texts(load_pdf(protected(""), "a.pdf")) == ["A secret heron."]
    assert texts(load_pdf(protected("heron"), "a.pdf", ["stork", "heron"])) == ["A secret heron."]
    for passwords in ((), ("stork", "ibis")):
        with pytest.raises(LoadError, match=r"\[passwords\] in domain.toml"):
            load_pdf(protected("heron"), "a.pdf", passwords)


def test_empty_pages_are_kept_without_a_note() -> None:
    document = load_pdf(make_pdf([prose(["A heron."]), [], prose(["A stork."])]), "a.pdf")
    assert [len(page) for page in document.pages] == [1, 0, 1]
    assert not document.notes


def test_more_text_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = make_pdf([prose(["A heron."] * 3)] * 2)
    monkeypatch.setattr(pdf, "CHARACTER_LIMIT", 30)
    with pytest.raises(LoadError, match="first 2 pages have more than"):
        load_pdf(content, "a.pdf")
    monkeypatch.setattr(pdf, "PAGE_LIMIT", 1)
    with pytest.raises(LoadError, match="2 pages; at most 1"):
        load_pdf(content, "a.pdf")


HUNGARIAN = "név;hossz;élőhely\nszürke gém;95;nádas és tó\nfehér gólya;110;rét, mező és falu\nőszi lúd;80;hűvös tó\n"
KOREAN = "이름,길이,사는 곳\n왜가리,95,강과 호수\n황새,110,논과 들\n저어새,80,갯벌\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (HUNGARIAN, "utf-8"),
        (HUNGARIAN, "utf-8-sig"),
        (HUNGARIAN, "utf-16"),
        (HUNGARIAN, "cp1250"),
        (HUNGARIAN.replace(";", "\t"), "utf-8"),
        (HUNGARIAN.replace(",", " ").replace(";", ","), "cp1250"),
        (KOREAN, "utf-8"),
        (KOREAN, "cp949"),
        (KOREAN, "utf-16"),
    ],
)
def test_encoding_and_delimiter_of_a_table_are_found(text: str, encoding: str) -> None:
    document = load(text.encode(encoding), "a.csv")
    expected = (
        "이름: 왜가리; 길이: 95; 사는 곳: 강과 호수"
        if text is KOREAN
        else "név: szürke gém; hossz: 95; élőhely: nádas és tó"
    )
    assert document.rows
    assert document.pages[0][0] == Block(expected, row=True)
    assert len(document.pages[0]) == 3


def test_french_in_cp1252_is_not_taken_for_hungarian() -> None:
    text = "Le héron cendré vit près de l'eau, où il pêche très bien. Ça suffit à être élégant, à côté des forêts."
    assert texts(load(text.encode("cp1252"), "a.txt")) == [text]


def test_quoted_fields_title_rows_and_empty_cells() -> None:
    content = 'Herons of the lake;;\n\nname;note;size\nGrey;"tall; patient\nand grey";95\nWhite;;110\n'
    document = load(content.encode(), "a.csv")
    assert document.title == "Herons of the lake"
    assert texts(document) == [
        "Herons of the lake",
        "name: Grey; note: tall; patient and grey; size: 95",
        "name: White; size: 110",
    ]


def test_a_table_without_header_keeps_its_first_row() -> None:
    assert texts(load(b"1,2,3\n4,5,6\n", "a.csv")) == ["1; 2; 3", "4; 5; 6"]


def test_the_kind_is_told_by_content() -> None:
    assert load(make_pdf([prose(["A heron."])]), "notes.txt").kind == "pdf"
    assert load(KOREAN.encode(), "table.txt").kind == "csv"
    assert load(b"A heron, a stork, an ibis.\nThey wade, wait and fish.\nThey fly.\n", "a.txt").kind == "text"


def test_markdown_keeps_headings_and_loses_markup() -> None:
    content = """---
title: Birds of the lake
---
# Herons #

They **wait** in the [reeds](https://example.org/a_(b)) and `fish`.
<!-- a comment -->

Storks
------

> - one ![a stork](stork.png)
> - two

| name | size |
|------|-----:|
| Grey | 95   |

```
# not a heading
```
"""
    document = load(content.encode(), "a.md")
    assert document.title == "Birds of the lake"
    assert document.pages[0] == (
        Block("Herons", 1),
        Block("They wait in the reeds and fish."),
        Block("Storks", 2),
        Block("- one a stork"),
        Block("- two"),
        Block("name | size", row=True),
        Block("Grey | 95", row=True),
        Block("# not a heading"),
    )


def test_plain_text_headings_and_wrapped_paragraphs() -> None:
    content = "BIRDS\n\nThe heron waits\nin the reeds.\n\n1.2 Storks\n\nThe stork walks.\n\nNotes\n=====\n\nNone.\n"
    document = load(content.encode(), "a.txt")
    assert document.pages[0] == (
        Block("BIRDS", 1),
        Block("The heron waits in the reeds."),
        Block("1.2 Storks", 3),
        Block("The stork walks."),
        Block("Notes", 1),
        Block("None."),
    )


def test_invisible_characters_and_form_feeds_never_reach_a_page() -> None:
    document = load("One\u200b heron.\fTwo \u202eherons.".encode(), "a.txt")
    assert texts(document) == ["One heron.", "Two herons."]


def test_a_decimal_number_at_the_start_of_a_line_is_no_list_item() -> None:
    lines = [
        "The heron of the northern lakes was seen to fly for about",
        "1.5 hours over the open water, and then",
        "it rested.",
    ]
    assert texts(load(make_pdf([prose(lines)]), "a.pdf")) == [" ".join(lines)]


def test_list_items_stay_apart() -> None:
    lines = [
        "The heron of the northern lakes eats these things:",
        "1. fish from the lake",
        "2. frogs",
        "\u2022 snails and other things",
    ]
    assert texts(load(make_pdf([prose(lines)]), "a.pdf")) == lines


def test_a_form_feed_inside_a_pdf_line_is_a_space() -> None:
    document = load(make_pdf([prose(["The heron\fwaits."])]), "a.pdf")
    assert texts(document) == ["The heron waits."]
    assert "\f" not in page_text((Block("a\fb"),))


def with_drawing(content: bytes, drawing: str, rotate: int = 0) -> bytes:
    """The PDF with drawing operators before the text of its first page, and the page turned."""
    writer = PdfWriter()
    writer.append(PdfReader(io.BytesIO(content)))
    page = writer.pages[0]
    stream = page["/Contents"].get_object()
    assert isinstance(stream, StreamObject)
    stream.set_data(drawing.encode() + b"\n" + stream.get_data())
    if rotate:
        page.rotate(rotate)
    output = io.BytesIO()
    writer.write(output)
    return output.getvalue()


def ruled(columns: list[float], rows: list[float]) -> str:
    """Operators that draw the lines of a table at these places."""
    level = [f"{columns[0]} {y} m {columns[-1]} {y} l S" for y in rows]
    upright = [f"{x} {rows[0]} m {x} {rows[-1]} l S" for x in columns]
    return "0.5 w " + " ".join(level + upright)


def rows_of(document: Loaded) -> list[str]:
    return [block.text for page in document.pages for block in page if block.row]


def test_cells_of_a_ruled_table_keep_their_lines_and_get_the_names_of_their_columns() -> None:
    # Narrow columns: no gap tells the cells apart. The number of the second row stands at the lower end of its cell.
    placed: list[Placed] = [
        *prose(["No."], 62, 735),
        *prose(["Bird"], 92, 735),
        *prose(["Wing span"], 182, 735),
        *prose(["1"], 62, 715),
        *prose(["Grey heron of the", "lowlands"], 92, 715),
        *prose(["190 cm"], 182, 715),
        *prose(["2"], 62, 672),
        *prose(["Stork, which nests", "on chimneys"], 92, 685),
        *prose(["200 cm"], 182, 685),
    ]
    content = with_drawing(make_pdf([placed]), ruled([60, 90, 180, 260], [665, 697, 729, 747]))
    assert rows_of(load_pdf(content, "a.pdf")) == [
        "No.: 1; Bird: Grey heron of the lowlands; Wing span: 190 cm",
        "No.: 2; Bird: Stork, which nests on chimneys; Wing span: 200 cm",
    ]


def test_rows_without_lines_between_them_are_told_by_their_numbers() -> None:
    names, sizes = ["Heron", "Stork", "Ibis", "Spoonbill"], ["190", "200", "90", "120"]
    placed = [*prose(["Bird"], 62, 735), *prose(["Wing span"], 182, 735)]
    placed += [*prose(names, 62, 715), *prose(sizes, 182, 715)]
    content = with_drawing(make_pdf([placed]), ruled([60, 180, 260], [665, 729, 747]))
    assert rows_of(load_pdf(content, "a.pdf"))[1:] == [
        f"{name} | {size}" for name, size in zip(names, sizes, strict=True)
    ]


def test_cells_that_run_over_lines_stay_in_their_row_without_ruled_lines() -> None:
    written_by_cells: list[Placed] = [
        *prose(["heron", "of the lake"], 60, 740),
        *prose(["waits long in the reeds", "and eats fish and", "frogs"], 250, 740),
        *prose(["stork"], 60, 680),
        *prose(["walks over meadows"], 250, 680),
        *prose(["ibis"], 60, 660),
        *prose(["digs in the mud of", "the shore"], 250, 660),
    ]
    assert rows_of(load_pdf(make_pdf([written_by_cells]), "a.pdf")) == [
        "heron of the lake | waits long in the reeds and eats fish and frogs",
        "stork | walks over meadows",
        "ibis | digs in the mud of the shore",
    ]


def test_a_table_over_both_columns_is_read_by_rows() -> None:
    left, right = prose(LEFT, x=50, y=600), prose(RIGHT, x=310, y=600)
    cells = [[f"b{row}", str(10 + row * row), str(20 + row), str(7 * row % 5), "no"] for row in range(4)]
    table: list[Placed] = [
        (x, 780 - 14 * number, 10, text)
        for number, row in enumerate(cells)
        for x, text in zip((50, 150, 230, 330, 450), row, strict=True)
    ]
    document = load_pdf(make_pdf([table + left + right]), "a.pdf")
    assert rows_of(document) == [" | ".join(row) for row in cells]
    text = " ".join(texts(document))
    assert [text.index(line) for line in LEFT + RIGHT] == sorted(text.index(line) for line in LEFT + RIGHT)


def test_the_first_row_of_numbers_names_no_columns() -> None:
    rows = [["Author", "Jane Doe"], ["Date", "2020"], ["Version", "3"]]
    placed = [item for n, row in enumerate(rows) for x, text in zip((60, 300), row, strict=True)
              for item in prose([text], x, 740 - 15 * n)]  # fmt: skip
    assert rows_of(load_pdf(make_pdf([placed]), "a.pdf")) == [" | ".join(row) for row in rows]


def test_numbers_along_axes_are_dropped_and_those_of_a_table_kept() -> None:
    ticks: list[Placed] = [(100, 500 + 30 * n, 8, f"{n * 0.2:.1f}") for n in range(5)]
    ticks += [(120 + 40 * n, 485, 8, str(n)) for n in range(6)]
    lines = prose(["The heron waits in the reeds for fish to come by.", "It does so every day of the year."])
    caption = prose(["Figure 1. Fish caught by day."], y=460)
    document = load_pdf(make_pdf([lines + ticks + caption]), "a.pdf")
    assert texts(document) == [" ".join(line for *_, line in lines), "Figure 1. Fish caught by day."]
    table = [
        item for n in range(5) for item in (*prose([str(n)], 60, 740 - 15 * n), *prose(["heron"], 90, 740 - 15 * n))
    ]
    assert all(str(n) in " ".join(texts(load_pdf(make_pdf([table]), "a.pdf"))) for n in range(5))


def test_numbers_of_a_table_at_the_edge_of_a_page_are_no_page_numbers() -> None:
    rows = [["heron", "25", "27", "29"], ["stork", "5", "8", "9"]]
    placed: list[Placed] = [
        (x, 800 - 14 * n, 10, text)
        for n, row in enumerate(rows)
        for x, text in zip((60, 200, 300, 400), row, strict=True)
    ]
    document = load_pdf(make_pdf([placed + prose(["Some text."], y=600)]), "a.pdf")
    assert rows_of(document) == [" | ".join(row) for row in rows]


def test_a_divided_word_is_mended_over_a_footnote() -> None:
    lines = prose(["The heron waits in the reeds of the lake for a very long time and pa-"], y=100)
    note = prose(["2 So it was seen."], y=80, size=7)
    following = prose(["tience is what it has. It eats fish and frogs and much more."], y=600, x=60)
    filler = prose(["Some more text of the same size as the other lines, to be the body."] * 5, y=740)
    blocks = texts(load_pdf(make_pdf([filler + lines + note, following]), "a.pdf"))
    one_page = texts(load_pdf(make_pdf([filler + lines + note + following]), "a.pdf"))
    assert "2 So it was seen." in blocks
    assert any("time and patience is what it has." in text for text in one_page)


@pytest.mark.parametrize("rotate", [90, 180, 270])
def test_text_is_read_upright_however_the_page_is_turned(rotate: int) -> None:
    cells = [["heron", "190 cm"], ["stork", "200 cm"], ["ibis", "90 cm"]]
    lines: list[Placed] = [
        (x, 700 - 16 * n, 10, text) for n, row in enumerate(cells) for x, text in zip((60, 300), row, strict=True)
    ]
    expected = [" | ".join(row) for row in cells]
    upright = make_pdf([lines])
    # Turned as a whole by the page's entry, and written sideways on an upright page.
    assert rows_of(load_pdf(with_drawing(upright, "", rotate), "a.pdf")) == expected
    turns = {90: "0 1 -1 0 800 0 cm", 180: "-1 0 0 -1 595 842 cm", 270: "0 -1 1 0 0 600 cm"}
    assert rows_of(load_pdf(with_drawing(upright, turns[rotate]), "a.pdf")) == expected


def test_the_name_of_a_vertical_axis_comes_last_and_a_watermark_is_left_out() -> None:
    content = with_drawing(
        make_pdf([prose(["The heron waits in the reeds for fish.", "It waits for a long time."])]),
        "q 0 1 -1 0 30 0 cm BT /F1 10 Tf 400 0 Td (Fish a day) Tj ET Q"
        " q 0.7 0.7 -0.7 0.7 200 300 cm BT /F1 60 Tf (DRAFT) Tj ET Q",
    )
    assert texts(load_pdf(content, "a.pdf")) == [
        "The heron waits in the reeds for fish. It waits for a long time.",
        "Fish a day",
    ]


def test_letters_of_a_font_that_is_not_in_the_file_are_words_and_no_table() -> None:
    # PDFium gives them no height; what is wide between them can then only be told from the size of the font.
    chunks = [chunk_of(place) for place in (2, 5)]
    assert {chunk.language for chunk in chunks} == {"ko"}
    blocks = [block for page in load_pdf(made_pdf(chunks), "a.pdf").pages for block in page]
    assert not any(block.row for block in blocks)
    assert set(" ".join(chunk.text for chunk in chunks).split()) <= set(
        " ".join(block.text for block in blocks).split()
    )
