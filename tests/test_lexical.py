import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rag.analysis import PAIR_GAP, content_terms, question_pairs, question_terms
from rag.lexical import LexicalIndex, coverage
from rag.types import Chunk


def chunk(
    name: str, text: str, document: str = "doc", title: str = "", headings: tuple[str, ...] = (), language: str = "en"
) -> Chunk:
    return Chunk(name, document, title, "a.txt", language, 1, 1, 0, len(text), headings, text)


def index_of(folder: Path, *chunks: Chunk) -> LexicalIndex:
    index = LexicalIndex(folder)
    index.add(chunks)
    index.commit()
    return index


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


def test_titles_and_headings_are_searched_apart(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        chunk("a", "The mirror is cold.", title="Telescopes"),
        chunk("b", "A telescope has a mirror.", title="Optics", headings=("Parts", "The mirror")),
    )
    assert names(index.search_titles("en", ["mirror"], 5)) == ["b"]
    assert names(index.search_titles("en", content_terms("telescope", "en"), 5)) == ["a"]
    assert index.search_titles("ko", ["mirror"], 5) == []
    terms = content_terms("mirror telescope unheard", "en")
    shares = coverage(dict(index.search_titles("en", terms, 5)), index.most_titles("en", terms))
    assert shares.keys() == {"a", "b"} and all(0 < share < 1 for share in shares.values())
    assert index.most_titles("xx", terms) == 0


def test_pairs_count_where_the_words_stand_together(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        chunk("near", "The mirror of the telescope was made of beryllium."),
        chunk("far", "The telescope was launched long after the last test of its mirror."),
    )
    pairs = question_pairs("What is the mirror of the telescope?", "en")
    found = index.search_phrases("en", pairs, 5)
    assert names(found) == ["near"]
    assert 0 < coverage(dict(found), index.most_phrases("en", pairs))["near"] <= 1
    more = [*pairs, ("unheard", "word")]
    assert index.most_phrases("en", more) > index.most_phrases("en", pairs)
    assert index.search_phrases("en", [], 5) == [] == index.search_phrases("hu", pairs, 5)


def test_words_between_a_pair_are_skipped_up_to_the_gap(tmp_path: Path) -> None:
    texts = [chunk(str(between), f"alpha {'word ' * between}omega") for between in range(PAIR_GAP + 2)]
    index = index_of(tmp_path, *texts)
    found = index.search_phrases("en", [("alpha", "omega")], 10)
    assert set(names(found)) == {str(between) for between in range(PAIR_GAP + 1)}


def test_only_the_documents_asked_for_are_searched(tmp_path: Path) -> None:
    index = index_of(
        tmp_path, *(chunk(f"c{row}", "the cold mirror", document=f"d{row}", title="mirror") for row in range(9))
    )
    wanted = ["d3", "d7", "unknown", *(f"more{row}" for row in range(3000))]
    everywhere = dict(index.search("en", ["mirror"], 20))
    assert index.search("en", ["mirror"], 20, wanted) == [(name, everywhere[name]) for name in ("c3", "c7")]
    assert names(index.search_titles("en", ["mirror"], 20, wanted)) == ["c3", "c7"]
    assert names(index.search_phrases("en", [("cold", "mirror")], 20, wanted)) == ["c3", "c7"]
    assert index.search("en", ["nothing"], 20, wanted) == []
    assert index.search("en", ["mirror"], 20, []) == []


def test_only_the_chunks_asked_for_are_searched(tmp_path: Path) -> None:
    index = index_of(
        tmp_path, *(chunk(f"c{row}", "the cold mirror", document=f"d{row % 2}", title="mirror") for row in range(9))
    )
    everywhere = dict(index.search("en", ["mirror"], 20))
    some = ["c3", "c4", "c5", "unknown"]
    assert index.search("en", ["mirror"], 20, names=some) == [(name, everywhere[name]) for name in some[:3]]
    assert names(index.search_titles("en", ["mirror"], 1, names=some)) == ["c3"]
    assert names(index.search_phrases("en", [("cold", "mirror")], 20, ["d0"], some)) == ["c4"]
    assert index.search("en", ["mirror"], 20, names=[]) == []


def test_equal_scores_are_in_the_order_of_ids(tmp_path: Path) -> None:
    chunks = [chunk(f"{row:03}", "a cold mirror") for row in range(300)]
    random.Random(1).shuffle(chunks)
    index = index_of(tmp_path, *chunks)
    for limit in (1, 10, 250, 300):
        assert names(index.search("en", ["mirror"], limit)) == [f"{row:03}" for row in range(limit)]


def test_chunks_are_added_to_an_index_that_was_opened_again(tmp_path: Path) -> None:
    index_of(tmp_path, chunk("a", "the cold mirror"))
    index = LexicalIndex(tmp_path)
    index.add([chunk("b", "the warm mirror"), chunk("ko", "누리호", language="ko")])
    assert names(index.search("en", ["mirror"], 5)) == ["a"]
    index.commit()
    for opened in (index, LexicalIndex(tmp_path)):
        assert opened.counts() == {"en": 2, "ko": 1}
        assert names(opened.search("en", ["mirror"], 5)) == ["a", "b"]


def test_what_was_removed_leaves_no_trace_in_the_files(tmp_path: Path) -> None:
    kept = [chunk(f"kept{row}", f"the cold mirror number{row}", document="good") for row in range(50)]
    index = index_of(tmp_path, *kept, chunk("gone1", "xylophone secret", document="bad", title="Zanzibar"))
    index.add([chunk("gone2", "quagmire mirror", document="bad"), chunk("gone3", "wombat mirror", document="worse")])
    index.commit()
    terms = content_terms("xylophone secret quagmire wombat Zanzibar", "en")
    with closing(sqlite3.connect(tmp_path / "en.sqlite")) as store:
        rows = [row for (row,) in store.execute("SELECT row FROM chunks WHERE id LIKE 'gone%'")]
    traces = [*rows, b"gone1", b"gone2", b"gone3"]
    assert len(rows) == 3 and all(trace in bytes_under(tmp_path) for trace in traces)
    old = {path.name for path in tmp_path.glob("en/*.term")}
    before = index.search("en", ["mirror"], 100, ["good"])
    index.remove(["gone3", "unknown"])
    index.remove_documents(["bad", "unknown"])
    index.commit()
    left = bytes_under(tmp_path)
    assert [trace for trace in (*traces, *(term.encode() for term in terms), b"bad", b"worse") if trace in left] == []
    # Term dictionaries are compressed: no old one is left, and the new ones, which count removed chunks too where there
    # are any, don't have the terms.
    assert old.isdisjoint(path.name for path in tmp_path.glob("en/*.term"))
    assert {LexicalIndex(tmp_path).most("en", [term]) for term in terms} == {index.most("en", ["unheard"])}
    for opened in (index, LexicalIndex(tmp_path)):
        assert opened.counts() == {"en": 50}
        assert names(opened.search("en", ["mirror"], 100)) == names(before)
        assert opened.search("en", ["quagmir"], 5) == []
        assert opened.search_phrases("en", [("cold", "mirror")], 1)[0][0] == "kept0"


def test_a_changed_chunk_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    index = index_of(tmp_path, chunk("a", "an xylophone"), chunk("b", "a mirror"))
    index.remove(["a"])
    index.add([chunk("a", "a wombat")])
    index.commit()
    assert index.counts() == {"en": 2}
    assert names(index.search("en", ["wombat"], 5)) == ["a"]
    assert index.most("en", ["xylophon"]) == index.most("en", ["unheard"])
    index.remove(["a"])
    index.commit()
    assert names(index.search("en", ["wombat", "mirror"], 5)) == ["b"]


def test_what_was_added_can_be_removed_before_the_commit(tmp_path: Path) -> None:
    index = LexicalIndex(tmp_path)
    index.add([chunk("a", "an xylophone"), chunk("b", "a mirror")])
    index.remove(["a"])
    index.commit()
    assert index.counts() == {"en": 1}
    assert index.most("en", ["xylophon"]) == index.most("en", ["unheard"])


def test_everything_can_be_removed(tmp_path: Path) -> None:
    index = index_of(tmp_path, chunk("a", "an xylophone", document="one"), chunk("b", "누리호", "one", language="ko"))
    index.remove_documents(["one"])
    index.remove([])
    index.commit()
    assert index.counts() == {}
    assert index.most("en", ["xylophon"]) == index.most("en", ["unheard"])
    index.add([chunk("c", "a mirror")])
    index.commit()
    assert names(LexicalIndex(tmp_path).search("en", ["mirror"], 5)) == ["c"]


def test_what_was_abandoned_is_not_there_and_what_was_there_is(tmp_path: Path) -> None:
    index = index_of(tmp_path, chunk("a", "a mirror"))
    index.remove(["a"])
    index.add([chunk("b", "an xylophone")])
    index.abandon()
    index.add([chunk("c", "a wombat")])
    index.commit()
    assert names(LexicalIndex(tmp_path).search("en", ["mirror", "xylophon", "wombat"], 5)) == ["a", "c"]
    index.remove(["c"])
    index.commit()
    assert names(index.search("en", ["mirror", "wombat"], 5)) == ["a"]
