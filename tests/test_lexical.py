import random
from pathlib import Path

import numpy as np
import pytest

from rag.analysis import content_terms, question_terms
from rag.lexical import LexicalIndex, terms_of
from rag.table import ChunkTable, ChunkTableWriter
from rag.types import Chunk


def chunk(
    name: str, text: str, document: str = "doc", title: str = "", headings: tuple[str, ...] = (), language: str = "en"
) -> Chunk:
    return Chunk(name, document, title, "a.txt", language, 1, 1, 0, len(text), headings, text)


def index_of(folder: Path, *chunks: Chunk) -> LexicalIndex:
    index = LexicalIndex(folder)
    add(index, *chunks)
    index.commit()
    return index


def add(index: LexicalIndex, *chunks: Chunk) -> None:
    index.add(chunks, [terms_of(chunk) for chunk in chunks])


def table_of(folder: Path, *chunks: Chunk) -> ChunkTable:
    """The table that goes with an index, of which only the terms and the documents count here."""
    writer = ChunkTableWriter(folder, 1)
    none = [np.empty(0, np.uint16)] * len(chunks)
    writer.add(chunks, np.ones((len(chunks), 1), np.float32), none, [terms_of(chunk) for chunk in chunks])
    writer.finish()
    return ChunkTable(folder)


def names(found: list[tuple[str, float]]) -> list[str]:
    return [name for name, _ in found]


def bytes_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize(
    "spellings",
    [
        ("GJ 1214 b", "GJ1214b", "GJ-1214b", "GJ 1214b", "gj1214b", "gj 1214 b"),
        ("NPR 7150.2", "NPR-7150.2", "NPR7150.2", "npr 7150.2"),
        ("M 31", "M31", "M-31", "m31"),
        ("Apollo 11", "Apollo-11", "APOLLO 11", "apollo11"),
        ("KSLV-II", "KSLV II", "KSLV2", "kslv-ii"),
        ("COVID-19", "Covid 19", "covid19"),
        ("JWST", "jwst"),
        ("1,500", "1 500", "1500"),
    ],
)
@pytest.mark.parametrize("language", ["en", "hu", "ko"])
def test_each_spelling_of_an_identifier_covers_each_other_fully(
    tmp_path: Path, spellings: tuple[str, ...], language: str
) -> None:
    around = {"en": "a study of {} here", "hu": "egy mű a {} nevűről", "ko": "우리는 {}의 연구"}[language]
    written = [spelling for spelling in spellings if not spelling.islower()]
    others = [chunk(f"z{row}", around.format(f"word{'x' * row}"), language=language) for row in range(20)]
    texts = [chunk(f"a{row}", around.format(text), language=language) for row, text in enumerate(written)]
    index = index_of(tmp_path, *others, *texts)
    for spelling in spellings:
        terms = question_terms(spelling, language)
        found = dict(index.search(language, terms, 50))
        assert set(found) == {text.id for text in texts}, spelling
        assert max(found.values()) == pytest.approx(min(found.values()), rel=0.02), spelling


def test_a_designation_goes_before_its_letters_and_numbers_elsewhere(tmp_path: Path) -> None:
    index = index_of(
        tmp_path, chunk("a", "The M dwarf is 31 light years away."), chunk("b", "The galaxy M31 is much farther away.")
    )
    assert names(index.search("en", question_terms("Where is M 31?", "en"), 5))[0] == "b"


def test_a_shorter_identifier_is_covered_by_a_longer_one(tmp_path: Path) -> None:
    index = index_of(tmp_path, chunk("a", "Use NPR 7150.2D here."), chunk("b", "Use NPR 7123.1 here."))
    assert names(index.search("en", question_terms("NPR7150.2", "en"), 1)) == ["a"]


def test_words_of_the_title_are_rarer_than_in_the_text(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        chunk("a", "The mirror is cold.", title="Telescopes"),
        chunk("b", "A telescope has a mirror.", title="Optics", headings=("Parts", "The mirror")),
    )
    assert names(index.search("en", content_terms("Optics", "en"), 5)) == ["b"]
    (everywhere,), (titles,) = (index.rarities("en", ["mirror"], field) for field in ("terms", "titles"))
    assert titles > everywhere > 0
    assert index.rarities("xx", ["mirror"]) == [0]


def test_only_the_documents_asked_for_are_searched(tmp_path: Path) -> None:
    index = index_of(
        tmp_path, *(chunk(f"c{row}", "the cold mirror", document=f"d{row}", title="mirror") for row in range(9))
    )
    wanted = ["d3", "d7", "unknown", *(f"more{row}" for row in range(3000))]
    everywhere = dict(index.search("en", ["mirror"], 20))
    assert index.search("en", ["mirror"], 20, wanted) == [(name, everywhere[name]) for name in ("c3", "c7")]
    assert index.search("en", ["nothing"], 20, wanted) == []
    assert index.search("en", ["mirror"], 20, []) == []


def test_equal_scores_are_in_the_order_of_ids(tmp_path: Path) -> None:
    chunks = [chunk(f"{row:03}", "a cold mirror") for row in range(300)]
    random.Random(1).shuffle(chunks)
    index = index_of(tmp_path, *chunks)
    for limit in (1, 10, 250, 300):
        assert names(index.search("en", ["mirror"], limit)) == [f"{row:03}" for row in range(limit)]


def test_chunks_are_added_to_an_index_that_was_opened_again(tmp_path: Path) -> None:
    index_of(tmp_path, chunk("a", "the cold mirror"))
    index = LexicalIndex(tmp_path)
    add(index, chunk("b", "the warm mirror"), chunk("ko", "누리호", language="ko"))
    assert names(index.search("en", ["mirror"], 5)) == ["a"]
    index.commit()
    for opened in (index, LexicalIndex(tmp_path)):
        assert opened.counts() == {"en": 2, "ko": 1}
        assert names(opened.search("en", ["mirror"], 5)) == ["a", "b"]


def test_what_was_removed_leaves_no_trace_in_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    kept = [chunk(f"kept{row}", f"the cold mirror number{row}", document="good") for row in range(50)]
    gone = [
        chunk("gone1", "xylophone secret", document="bad", title="Zanzibar"),
        chunk("gone2", "quagmire mirror", document="bad"),
        chunk("gone3", "wombat mirror", document="worse"),
    ]
    index = index_of(folder, *kept, gone[0])
    add(index, *gone[1:])
    index.commit()
    terms = content_terms("xylophone secret quagmire wombat Zanzibar", "en")
    traces = [b"gone1", b"gone2", b"gone3"]
    # What is stored beside others may be compressed.
    assert any(trace in bytes_under(folder) for trace in traces)
    old = {path.name for path in folder.glob("en/*.term")}
    before = index.search("en", ["mirror"], 100, ["good"])
    index.remove([*(item.id for item in gone), "unknown"], table_of(tmp_path / "table", *kept, *gone))
    index.commit()
    left = bytes_under(folder)
    assert [trace for trace in (*traces, b"bad", b"worse") if trace in left] == []
    # Term dictionaries are compressed: no old one is left, and the new ones, which count removed chunks too where there
    # are any, don't have the terms.
    assert old.isdisjoint(path.name for path in folder.glob("en/*.term"))
    assert set(LexicalIndex(folder).rarities("en", terms)) == set(index.rarities("en", ["unheard"]))
    for opened in (index, LexicalIndex(folder)):
        assert opened.counts() == {"en": 50}
        assert names(opened.search("en", ["mirror"], 100)) == names(before)
        assert names(opened.search("en", ["mirror"], 100, ["good"])) == names(before)
        assert opened.search("en", ["quagmir"], 5) == []


def test_a_changed_chunk_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    old = [chunk("a", "an xylophone"), chunk("b", "a mirror")]
    index = index_of(tmp_path / "index", *old)
    index.remove(["a"], table_of(tmp_path / "table", *old))
    add(index, chunk("a", "a wombat"))
    index.commit()
    assert index.counts() == {"en": 2}
    assert names(index.search("en", ["wombat"], 5)) == ["a"]
    assert index.rarities("en", ["xylophon"]) == index.rarities("en", ["unheard"])


def test_everything_can_be_removed(tmp_path: Path) -> None:
    chunks = [chunk("a", "an xylophone"), chunk("b", "누리호", language="ko")]
    index = index_of(tmp_path / "index", *chunks)
    table = table_of(tmp_path / "table", *chunks)
    index.remove([], table)
    index.remove(["a", "b"], table)
    index.commit()
    assert index.counts() == {}
    assert index.rarities("en", ["xylophon"]) == index.rarities("en", ["unheard"])
    add(index, chunk("c", "a mirror"))
    index.commit()
    assert names(LexicalIndex(tmp_path / "index").search("en", ["mirror"], 5)) == ["c"]


def test_what_was_abandoned_is_not_there_and_what_was_there_is(tmp_path: Path) -> None:
    index = index_of(tmp_path / "index", chunk("a", "a mirror"))
    index.remove(["a"], table_of(tmp_path / "table", chunk("a", "a mirror")))
    add(index, chunk("b", "an xylophone"))
    index.abandon()
    add(index, chunk("c", "a wombat"))
    index.commit()
    assert names(LexicalIndex(tmp_path / "index").search("en", ["mirror", "xylophon", "wombat"], 5)) == ["a", "c"]
