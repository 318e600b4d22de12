import io
import unicodedata
from collections.abc import Sequence

import pypdfium2
import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import RectangleObject

from ingest.blocks import page_text
from ingest.loaders import load
from rag.settings import ROOT
from rag.text import sentence_spans
from tests.files import Placed, make_pdf, prose
from web.sources.letters import letters, places
from web.sources.marks import Box, boxes, marks

LINES = [
    "The keeper of the lighthouse counts every ship that",
    "passes the cape. A ferry is not counted. On foggy",
    "mornings the horn is sounded twice a minute, and the",
    "count is taken from the radio. In winter the keeper",
    "lives alone.",
]
TEXT = " ".join(LINES)
QUOTE = "On foggy mornings the horn is sounded twice a minute, and the count is taken from the radio."


def span(text: str, quote: str) -> tuple[int, int]:
    start = text.index(quote)
    return start, start + len(quote)


def inside(page: pypdfium2.PdfPage, found: Sequence[Box]) -> str:
    """What PDFium itself reads inside of the boxes, by its letters."""
    textpage = page.get_textpage()
    return letters("".join(textpage.get_text_bounded(*box) for box in found))[0]


def changed(content: bytes, turn: int = 0, crop: Sequence[float] = ()) -> bytes:
    """A PDF whose pages are turned or cropped."""
    writer = PdfWriter(PdfReader(io.BytesIO(content)))
    for page in writer.pages:
        page.rotate(turn)
        if crop:
            page.cropbox = RectangleObject(crop)
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def first_page(content: bytes) -> pypdfium2.PdfPage:
    return pypdfium2.PdfDocument(content)[0]


@pytest.mark.parametrize(
    "page",
    [
        "The ﬁrst oﬃce of the lighthouse keeper",
        "The first of-\nfice of the light-\r\nhouse keeper",
        "THE FIRST OFFICE • of the lighthouse\x02keeper",
        "Cape Horn, 1923   17\nThe first office of the Running head lighthouse keeper",
    ],
)
def test_letters_are_found_whatever_stands_between(page: str) -> None:
    text = "The first office of the lighthouse keeper"
    (found,) = places(text, [(4, len(text))], page)
    assert letters("".join(page[number] for number in found))[0] == "firstofficeofthelighthousekeeper"


def test_accents_and_hangul_are_found_in_either_form() -> None:
    for text in ("Az őszi félév kezdete szeptember hatodika", "누리호의 첫 발사는 목표 궤도에 이르지 못했다"):
        for form in ("NFC", "NFD"):
            page = unicodedata.normalize(form, f"99 {text} 17")
            assert places(text, [(0, len(text))], page) == [
                [number for number, letter in enumerate(page) if letters(letter)[0] and 3 <= number < len(page) - 3]
            ]


def test_what_stands_around_tells_which_of_two_is_meant() -> None:
    page = (
        "At the north pier: closed on Monday. At the south pier: closed on Monday. At the east pier: closed on Monday."
    )
    (found,) = places(
        "At the south pier: closed on Monday.", [span("At the south pier: closed on Monday.", "closed")], page
    )
    assert found == list(range(page.index("closed", 50), page.index("closed", 50) + 6))


def test_nothing_is_found_where_it_is_not() -> None:
    page = "A quite different text about harbours and the ships that lie in them over the winter."
    assert places(TEXT, [span(TEXT, QUOTE)], page) == [[]]
    # Of what is there twice, with nothing around it that tells, neither.
    twice = "The horn is sounded twice a minute. Elsewhere. The horn is sounded twice a minute."
    assert places("Quiet! The horn is sounded twice a minute", [(7, 41)], twice) == [[]]
    assert places("Norway.", [(0, 7)], "Sails to Norway and back.") == [list(range(9, 15))]
    assert places("Norway.", [(0, 7)], "From Norway to Norway.") == places("sea", [(0, 3)], "The sea.") == [[]]
    assert places("", [(0, 0)], page) == [[]] and places("a", [(0, 1)], "") == [[]]
    half = "On foggy mornings the horn is sounded twice"
    assert places(QUOTE, [(0, len(QUOTE))], half) == [[]]


def test_letters_of_a_page_are_given_once() -> None:
    text = "again and again and again and again the same words come"
    found = places(text, [(0, len(text))], text * 3)[0]
    assert len(set(found)) == len(found) <= len(text)


def test_a_hostile_page_takes_no_time_with_the_square_of_its_length() -> None:
    places("ab" * 1000 + "x" * 1000, [(0, 2000)], "ab" * 40_000)
    places("a" * 3000, [(0, 3000)], "a" * 90_000 + "b")


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", [(), (30, 600, 500, 800)])
def test_a_sentence_is_marked_where_it_is_seen(turn: int, crop: tuple[float, ...]) -> None:
    page = first_page(changed(make_pdf([prose(LINES)]), turn, crop))
    found = boxes(page, TEXT, [span(TEXT, QUOTE)])
    assert len(found) == 3
    # On a turned page PDFium reads the lines in another order.
    assert sorted(inside(page, found)) == sorted(letters(QUOTE)[0])
    # On the picture that is seen there is ink in every mark, and in all of them the quote's share of it.
    picture = page.render(scale=2).to_pil().convert("L")
    ink = 0
    for left, top, width, height in marks(page, TEXT, [span(TEXT, QUOTE)]):
        assert 0 <= left < left + width <= 1 and 0 <= top < top + height <= 1
        right, bottom = round((left + width) * picture.width), round((top + height) * picture.height)
        part = picture.crop((round(left * picture.width), round(top * picture.height), right, bottom))
        dark = sum(part.histogram()[:128])
        assert dark > 50
        ink += dark
    share = ink / sum(picture.histogram()[:128])
    assert abs(share - len(letters(QUOTE)[0]) / len(letters(TEXT)[0])) < 0.12


def test_what_is_cropped_away_has_no_marks() -> None:
    page = first_page(changed(make_pdf([prose(LINES)]), crop=(0, 0, 595, 500)))
    assert boxes(page, TEXT, [span(TEXT, QUOTE)]) and marks(page, TEXT, [span(TEXT, QUOTE)]) == []


def test_columns_hyphens_and_running_heads() -> None:
    left = [
        *("A tide table lists the hours of high wa-", "ter for each day. It is made a year ahead"),
        *("from the moon and the sun, and harbour", "masters hang it beside the door, where the"),
        *("fishermen read it before they leave. Where", "the coast is steep the difference is small,"),
        *("and in a narrow bay it may be ten metres or", "more. At new moon it is largest, because the"),
    ]
    right = [
        *("sun then pulls the same way. Storms are not", "in the table: a wind from the sea raises the"),
        *("water by a metre, and a wind from the land", "lowers it. Whoever anchors in a shallow bay"),
        *("therefore looks at the weather as well, and", "adds a hand's breadth. The first table of"),
        *("this coast was printed in the year 1833 and", "is shown in the museum of the harbour town."),
    ]
    head = (50.0, 810.0, 8.0, "Tides and Tables  12")
    content = make_pdf([[head, *prose(left, x=50, size=9), *prose(right, x=310, size=9)]])
    text = page_text(load(content, "tides.pdf").pages[0])
    assert "high water" in text and "because the sun" in text.replace("\n", " ")
    page = first_page(content)
    for start, end in sentence_spans(text):
        found = boxes(page, text, [(start, end)])
        assert inside(page, found) == letters(text[start:end])[0]
        # No mark reaches from one column into the other.
        assert all(box.right < 300 or box.left > 300 for box in found)


@pytest.mark.parametrize("name", ["ko-nuri.pdf", "ko-space-weather.pdf", "webb.pdf", "propulsion.pdf"])
def test_bundled_documents(name: str) -> None:
    content = (ROOT / "corpora" / "space" / "sources" / name).read_bytes()
    document = pypdfium2.PdfDocument(content)
    asked = found = 0
    for number, blocks in enumerate(load(content, name).pages):
        page, text = document[number], page_text(blocks)
        for block in text.split("\n\n"):
            # A row of a table has the names of its columns, which stand elsewhere on the page.
            if ": " in block or " | " in block:
                continue
            offset = text.index(block)
            for start, end in sentence_spans(block):
                asked += 1
                there = boxes(page, text, [(offset + start, offset + end)])
                if there:
                    found += 1
                    assert inside(page, there) == letters(block[start:end])[0]
    assert asked > 30 and found >= 0.94 * asked


def test_rows_of_a_table_are_marked_without_their_columns_names() -> None:
    header, rows = ("Ship", "Port", "Tonnes"), [("Aurora", "Bergen", "1200"), ("Borealis", "Tromso", "940")]
    placed: list[Placed] = [
        (60 + 150 * column, 700 - 20 * line, 10, cell)
        for line, row in enumerate((header, *rows))
        for column, cell in enumerate(row)
    ]
    text = "Ship: Aurora; Port: Bergen; Tonnes: 1200\n\nShip: Borealis; Port: Tromso; Tonnes: 940"
    page = first_page(make_pdf([placed]))
    assert inside(page, boxes(page, text, [(42, len(text))])) == "borealistromso940"


def test_pages_without_text_have_no_marks() -> None:
    assert marks(first_page(make_pdf([[]])), TEXT, [(0, 20)]) == []
