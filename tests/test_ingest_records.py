import json

import pytest

from ingest.blocks import Loaded
from ingest.connectors.store import Entry, Section
from ingest.loaders import LoadError, load
from ingest.loaders.numbering import Level, Numbering, written
from ingest.loaders.rows import is_header, sheet_blocks, table_blocks

LONG = "A műhold napelemei tíz éven át adnak áramot, ha a pályája nem süllyed. " * 6


def texts(loaded: Loaded) -> list[str]:
    return [block.text for page in loaded.pages for block in page]


def dumped(values: object) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode()


def test_records_that_connectors_keep_are_read_back() -> None:
    entry = Entry(
        identifier="2401.01234",
        version="v2",
        source="arxiv/2401.01234v2",
        title="Napvitorla",
        url="https://arxiv.org/abs/2401.01234v2",
        metadata={"authors": "Őry, Kim", "published": "2024-01-03", "license": "CC0"},
        sections=(Section("Abstract", "A sail.\n\nIt is driven by light."), Section("돛", "태양 돛은 가볍다.", 3)),
        language="hu",
    )
    loaded = load(entry.record(), "f3a9.json")
    assert (loaded.kind, loaded.title) == ("record", "Napvitorla")
    assert texts(loaded) == [
        "Napvitorla",
        "authors: Őry, Kim; published: 2024-01-03",
        "Abstract",
        "A sail.",
        "It is driven by light.",
        "돛",
        "태양 돛은 가볍다.",
    ]
    assert [block.level for block in loaded.pages[0]] == [1, 0, 2, 0, 0, 3, 0]
    assert loaded.metadata["url"] == entry.url and loaded.metadata["language"] == "hu"
    assert loaded.metadata["license"] == "CC0"


def test_json_lines_give_a_row_a_line_and_name_those_that_are_damaged() -> None:
    content = (
        '{"név": "Őz", "súly": 1.10}\n{"név": \n\n{"név": "곰", "súly": null, "hol": {"megye": "Győr"}}\n'.encode()
    )
    loaded = load(content, "a.txt")
    assert (loaded.kind, loaded.rows) == ("jsonl", True)
    assert texts(loaded) == ["név: Őz; súly: 1.10", "név: 곰; hol.megye: Győr"]
    assert loaded.notes == ("lines that are no JSON were left out: 2",)


def test_arrays_of_objects_and_lists_in_a_wrapper_give_the_same_rows() -> None:
    objects = [{"name": "Hubble", "mass": 11110, "tags": ["optical", "UV"]}, {"name": "천리안", "ok": True}]
    expected = ["name: Hubble; mass: 11110; tags: optical, UV", "name: 천리안; ok: true"]
    assert texts(load(dumped(objects), "a.json")) == expected
    assert texts(load(dumped({"count": 2, "items": objects}), "a.json")) == expected


def test_objects_with_a_title_and_a_long_text_are_sections() -> None:
    loaded = load(
        dumped([{"title": "Műhold", "text": LONG, "year": 2020}, {"title": "위성", "text": "짧다"}]), "a.json"
    )
    assert [(block.level, block.row) for block in loaded.pages[0]] == [(2, False), (0, True), (0, False), (0, True)]
    assert texts(loaded)[:2] == ["Műhold", "year: 2020"] and not loaded.rows
    one = load(dumped({"title": "Műhold", "content": LONG}), "a.json")
    assert (one.title, one.pages[0][0].level) == ("Műhold", 1)


FEED = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title type="html">ArXiv Query: search_query=all:sail</title>{}</feed>"""
ENTRY = """<entry xmlns:arxiv="http://arxiv.org/schemas/atom"><id>http://arxiv.org/abs/2401.01234v1</id>
<published>2024-01-03T10:00:00Z</published><title>Solar
  sails</title><summary>  We sail &lt; 1 AU.
It is light.</summary><author><name>Ada Őry</name></author><author><name>김별</name></author>
<arxiv:doi>10.1/x</arxiv:doi><category term="astro-ph.IM"/></entry>"""


def test_arxiv_feeds_give_a_section_an_entry() -> None:
    loaded = load(FEED.format(ENTRY + ENTRY.replace("Solar\n  sails", "Tethers")).encode(), "query.xml")
    assert (loaded.kind, loaded.title) == ("atom", "")
    assert texts(loaded)[:3] == [
        "Solar sails",
        "authors: Ada Őry, 김별; published: 2024-01-03; doi: 10.1/x; categories: astro-ph.IM",
        "We sail < 1 AU. It is light.",
    ]
    assert [block.text for block in loaded.pages[0] if block.level == 2] == ["Solar sails", "Tethers"]


def test_a_feed_of_one_entry_is_that_document() -> None:
    loaded = load(FEED.format(ENTRY).encode(), "query.xml")
    assert loaded.title == "Solar sails"
    assert loaded.metadata["url"] == "http://arxiv.org/abs/2401.01234v1"


REPORT = {
    "id": 20190001234,
    "stiType": "CONFERENCE_PAPER",
    "title": "Cold gas thruster",
    "abstract": "The thruster uses nitrogen.",
    "authorAffiliations": [{"meta": {"author": {"name": "Smith, J."}}}, {"meta": None}],
    "publications": [{"publicationDate": "2019-05-06T00:00:00.0000000+00:00"}],
    "keywords": ["propulsion", "nitrogen"],
}


def test_ntrs_reports_alone_and_in_lists() -> None:
    one = load(dumped(REPORT), "a.json")
    assert (one.kind, one.title) == ("ntrs", "Cold gas thruster")
    assert texts(one)[1:] == [
        "authors: Smith, J.; published: 2019-05-06; identifier: NTRS 20190001234; keywords: propulsion; nitrogen",
        "The thruster uses nitrogen.",
    ]
    assert one.metadata["url"] == "https://ntrs.nasa.gov/citations/20190001234"
    several = load(dumped({"stats": {"total": 2}, "results": [REPORT, REPORT]}), "a.json")
    assert (several.kind, len(several.pages[0]), several.pages[0][0].level) == ("ntrs", 6, 2)


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b'{"a": ', "a.json", "damaged JSON"),
        (b"[]", "a.json", "no text"),
        (b'{"lacerta": "record", "title": "x"}', "a.json", '"sections" is missing'),
        (b"<feed xmlns='http://www.w3.org/2005/Atom'></feed>", "a.xml", "without entries"),
    ],
)
def test_what_is_no_record_is_refused(content: bytes, name: str, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        load(content, name)


@pytest.mark.parametrize("text", ["[1] Smith: On sails.\n[2] Kim: On tethers.\n", '{"a" is how objects begin', "{ x }"])
def test_texts_that_begin_like_json_are_texts(text: str) -> None:
    assert load(text.encode(), "notes.txt").kind == "text"


def test_tables_of_labels_and_values() -> None:
    assert [block.text for block in table_blocks([["Név:", "Őz"], ["Súly:", "25 kg"]])] == ["Név: Őz", "Súly: 25 kg"]
    assert [block.text for block in table_blocks([["only"], ["one"]])] == ["only", "one"]


def test_headers_of_two_rows_are_joined() -> None:
    rows = [["Név", "Tömeg", "Tömeg"], ["Név", "száraz", "teljes"], ["Őr", "5", "7"]]
    assert table_blocks(rows, 2)[0].text == "Név: Őr; Tömeg száraz: 5; Tömeg teljes: 7"


def test_what_is_a_header() -> None:
    assert is_header(["이름", "궤도"], [["a", "1"]])
    assert not is_header(["12", "40", "x"], [["1", "2", "y"]])
    assert not is_header(["x", ""], [["1", "2"]])


def test_a_sheet_without_a_header_gives_its_values() -> None:
    assert [block.text for block in sheet_blocks([["1", "2", "3"], ["4", "5", "6"]])] == ["1; 2; 3", "4; 5; 6"]


@pytest.mark.parametrize(
    ("number", "form", "label"),
    [
        (28, "lowerLetter", "bb"),
        (1994, "upperRoman", "MCMXCIV"),
        (3, "ganada", "다"),
        (15, "ganada", "15"),
        (7, "x", "7"),
    ],
)
def test_numbers_of_lists(number: int, form: str, label: str) -> None:
    assert written(number, form) == label


def test_deeper_levels_begin_again_below_the_next_item() -> None:
    levels = {"0": Level("decimal", "%1."), "1": Level("decimal", "%1.%2")}
    numbering = Numbering({"1": levels})
    assert [numbering.label("1", place) for place in "01101"] == ["1.", "1.1", "1.2", "2.", "2.1"]
