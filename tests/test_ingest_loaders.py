import io
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

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
