from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingest.blocks import Block, page_text
from ingest.loaders import load
from ingest.split import split
from rag.select import diverse, fair, is_broad, joined, select, span, without_duplicates
from rag.types import PAGE_BREAK, Chunk, Document, Hit, Page

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (
    "The report is handed in by the end of June at the office of the department. It has at least ten pages and"
    " follows the template of the faculty. The supervisor signs every page of the work diary, and the student keeps a"
    " copy until the grade is entered. Whoever misses the deadline may hand the report in again in September."
)
KOREAN = (
    "현장실습 보고서는 6월 말까지 학과 사무실에 제출해야 합니다. 보고서는 최소 열 쪽이며 학부의 양식을 따릅니다."
    " 지도교수는 실습 일지의 모든 쪽에 서명하고 학생은 성적이 입력될 때까지 사본을 보관합니다."
)


def chunk(name: str, text: str, document: str = "") -> Chunk:
    document = document or name
    return Chunk(name, document, document.title(), f"{document}.txt", "en", 1, 1, 0, len(text), (), text)


def hits(*chunks: Chunk, scores: tuple[float, ...] = ()) -> list[Hit]:
    return [
        Hit(chunk, score)
        for chunk, score in zip(chunks, scores or np.linspace(1, 0, len(chunks)).tolist(), strict=True)
    ]


def names(found: list[Hit]) -> list[str]:
    return [hit.chunk.id for hit in found]


def paragraphs(count: int) -> list[Block]:
    return [
        Block(" ".join(f"The heron number {number} waits in reed bed {row} for a fish to come." for row in range(14)))
        for number in range(count)
    ]


def pages_of(document: Document, made: Chunk) -> str:
    """What the offsets of a chunk cut from the pages."""
    pages = document.pages[made.first_page - 1 : made.last_page]
    whole = PAGE_BREAK.join(page.text for page in pages)
    return whole[made.start : len(whole) - len(pages[-1].text) + made.end]


def split_document(*pages: list[Block], name: str = "herons") -> tuple[Document, list[Chunk]]:
    texts = tuple(Page(number, page_text(blocks)) for number, blocks in enumerate(pages, 1))
    document = Document(name, "birds", "Herons", f"{name}.txt", "en", texts)
    return document, split(document, pages)


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        (GUIDE, GUIDE),
        (GUIDE, GUIDE.replace(" ", "\n").upper().lower().replace("the", "The")),
        (GUIDE, GUIDE.replace("at the office", "at  the offlce")),
        (GUIDE, GUIDE.replace("The report", "• The report").replace(", and", PAGE_BREAK + "and")),
        (GUIDE, GUIDE[: 3 * len(GUIDE) // 4]),
        (KOREAN, KOREAN.replace("제출해야 합니다", "제출해야합니다").replace("실습 일지", "실습일지")),
        ("Saturn.", "SATURN"),
    ],
)
def test_the_same_text_in_two_files_is_one_hit_naming_both(text: str, edited: str) -> None:
    other = "Voyager 1 left the solar system behind in 2012, the first probe to do so."
    found = without_duplicates(hits(chunk("a", text), chunk("b", other), chunk("c", edited), chunk("d", text)))
    assert names(found) == ["a", "b"]
    assert found[0].also == ("c.txt", "d.txt") and found[1].also == ()


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (GUIDE, GUIDE.replace("June", "July")),
        (GUIDE, GUIDE.replace("June", "June 2024")),
        (GUIDE, GUIDE.replace("may hand", "may not hand")),
        (GUIDE.replace("may hand", "may not hand"), GUIDE),
        (GUIDE, GUIDE.replace("ten pages and follows the template of the faculty", "three parts that examiners grade")),
        (GUIDE, "The report is handed in by the end of June."),
        ("The report is handed in by the end of June.", GUIDE),
        (KOREAN, KOREAN.replace("6월", "7월")),
        (KOREAN, KOREAN.replace("보관합니다", "보관하지 않습니다")),
        ("Saturn.", "Jupiter."),
    ],
)
def test_what_says_something_else_is_no_duplicate(text: str, other: str) -> None:
    found = without_duplicates(hits(chunk("a", text), chunk("b", other)))
    assert names(found) == ["a", "b"] and found[0].also == ()


def test_a_text_that_its_own_file_repeats_names_no_further_file() -> None:
    (found,) = without_duplicates(hits(chunk("a", GUIDE, "guide"), chunk("b", GUIDE, "guide")))
    assert found.also == ()


def test_duplicates_are_looked_for_until_there_are_enough() -> None:
    many = hits(*(chunk(name, f"{name} " * 30) for name in "abcdef"))
    assert names(without_duplicates([many[0], *many], 3)) == ["a", "b", "c"]


def test_neighbours_of_a_real_document_join_exactly() -> None:
    document, chunks = split_document(paragraphs(4), paragraphs(3), [Block("The last page is short.")])
    assert len(chunks) > 4 and chunks[-1].separator is None
    across_pages = 0
    for first, second in zip(chunks, chunks[1:], strict=False):
        both = span(first, second, 10_000)
        assert both is not None and both.text == pages_of(document, both)
        assert both.text.startswith(first.text) and both.text.endswith(second.text)
        assert both.page_at(len(both.text) - 1) == second.last_page == both.last_page
        across_pages += first.last_page != second.first_page
        assert span(second, first, 10_000) is None
    assert across_pages
    assert span(chunks[0], chunks[2], 10_000) is None


@pytest.mark.parametrize("path", sorted(ROOT.glob("corpora/*/sources/*"))[:6], ids=lambda path: path.name)
def test_all_chunks_of_a_bundled_document_join_to_what_the_pages_say(path: Path) -> None:
    loaded = load(path.read_bytes(), path.name)
    texts = tuple(Page(number, page_text(blocks)) for number, blocks in enumerate(loaded.pages, 1))
    document = Document("id", "domain", loaded.title, path.name, "en", texts)
    chunks = [replace(chunk, headings=(), language="en") for chunk in split(document, loaded.pages)]
    (whole,) = joined([Hit(chunk, 1.0) for chunk in chunks], len(chunks), 10**9)
    assert whole.chunk.text == pages_of(document, whole.chunk)
    assert (whole.chunk.first_page, whole.chunk.last_page) == (chunks[0].first_page, chunks[-1].last_page)


def test_a_joined_hit_stands_where_its_better_part_stood() -> None:
    _, chunks = split_document(paragraphs(3))
    elsewhere = chunk("x", "Something else entirely.")
    found = joined(
        [
            Hit(chunks[2], 0.9, {"lexical": 1, "dense": 7}, {"coverage": 0.8}),
            Hit(elsewhere, 0.8),
            Hit(chunks[0], 0.7, {"lexical": 4, "dense": 2}),
            Hit(chunks[1], 0.6, {"lexical": 9, "dense": 3}),
            Hit(chunk("y", "A third thing."), 0.5),
        ],
        limit=4,
        longest=10_000,
    )
    assert names(found) == ["+".join(part.id for part in chunks[:3]), "x", "y"]
    assert (found[0].score, found[0].ranks, found[0].features) == (0.9, {"lexical": 1, "dense": 2}, {"coverage": 0.8})


def test_a_join_needs_room_a_known_gap_one_language_and_the_same_headings() -> None:
    _, (first, second, *_) = split_document(paragraphs(2))
    together = len(first.text) + 2 + len(second.text)
    assert span(first, second, together) is not None
    assert span(first, second, together - 1) is None
    assert span(replace(first, separator=None), second, together) is None
    assert span(replace(first, separator=" "), second, together) is None
    assert span(first, replace(second, language="hu"), together) is None
    assert span(first, replace(second, document_id="other"), together) is None
    assert span(replace(first, headings=("Food",)), second, together) is None
    assert span(first, replace(second, headings=("Food",)), together) is not None


def test_hits_below_the_list_are_not_joined_to_those_in_it() -> None:
    _, chunks = split_document(paragraphs(2))
    listed = [Hit(chunks[0], 1.0), Hit(chunk("x", "Something else."), 0.9), Hit(chunks[1], 0.1)]
    assert names(joined(listed, 2, 10_000)) == [chunks[0].id, "x"]


def test_a_document_gives_way_to_others_that_are_about_as_good() -> None:
    chunks = [chunk(f"a{number}", f"a {number}", "a") for number in range(4)]
    chunks += [chunk("b", "b"), chunk("c", "c"), chunk("z", "z")]
    listed = hits(*chunks, scores=(1.0, 0.95, 0.9, 0.85, 0.84, 0.3, 0.0))
    assert names(fair(listed, 4)) == ["a0", "a1", "b", "a2", "a3", "c", "z"]
    assert names(fair(listed, 4, tolerance=0.9)) == ["a0", "a1", "b", "c", "a2", "a3", "z"]


def test_a_document_that_alone_is_relevant_keeps_the_list() -> None:
    only = hits(*(chunk(f"a{number}", f"a {number}", "a") for number in range(6)))
    assert fair(only, 4) == only
    poor = [*only, *hits(chunk("b", "b"), chunk("c", "c"), scores=(-3.0, -4.0))]
    assert names(fair(poor, 4)) == names(poor)


def test_a_question_is_broad_where_the_scores_do_not_fall_within_the_list() -> None:
    chunks = [chunk(f"a{number}", str(number)) for number in range(12)]
    steep = hits(*chunks, scores=(1.0, 0.5, 0.4, *[0.3] * 8, 0.2))
    flat = hits(*chunks, scores=(1.0, 0.99, 0.98, 0.97, 0.96, *[0.5] * 6, 0.2))
    assert not is_broad(steep, 4)
    assert is_broad(flat, 4)
    assert is_broad([replace(hit, score=7 * hit.score - 100) for hit in flat], 4)
    assert not is_broad(flat, 12)
    assert not is_broad(flat, 1)
    assert not is_broad([], 4)


def test_diversity_chooses_and_scores_order() -> None:
    listed = hits(*(chunk(name, name) for name in "abcde"), scores=(1.0, 0.99, 0.98, 0.97, 0.0))
    x, y, z = np.eye(3, dtype=np.float32)
    vectors = {"a": x, "b": x, "c": y, "d": z, "e": z}
    assert names(diverse(listed, 3, vectors)) == ["a", "c", "d", "b", "e"]
    assert names(diverse(listed, 3, vectors, relevance_weight=1.0)) == ["a", "b", "c", "d", "e"]
    # One without a vector is like no other.
    assert names(diverse(listed, 2, {"a": x, "b": x, "d": x})) == ["a", "c", "b", "d", "e"]


def test_select_does_all_of_it_and_the_best_stays_first() -> None:
    _, herons = split_document(paragraphs(2))
    x, y, _ = np.eye(3, dtype=np.float32)
    listed = hits(
        chunk("a", GUIDE),
        chunk("copy", GUIDE),
        chunk("b", "About the same thing as the guide, in other words."),
        herons[0],
        herons[1],
        *(chunk(f"poor{number}", f"poor {number}") for number in range(6)),
        scores=(1.0, 0.99, 0.98, 0.97, 0.96, *[0.1] * 6),
    )
    vectors = {"a": x, "b": x, herons[0].id: y, herons[1].id: y}
    found = select(listed, 2, vectors)
    assert names(found) == ["a", herons[0].id] and found[0].also == ("copy.txt",)
    assert names(select(listed, 3)) == ["a", "b", herons[0].id]
    assert names(select(listed, 4, join=True)) == ["a", "b", f"{herons[0].id}+{herons[1].id}"] + ["poor0"]
    assert select(listed, 0) == [] == select([], 5)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_but_duplicates_gets_lost_and_the_first_stays_first(seed: int) -> None:
    random = np.random.default_rng(seed)
    listed = hits(
        *(
            chunk(f"{place}", " ".join(map(str, random.integers(0, 50, 20))), f"d{random.integers(5)}")
            for place in range(30)
        ),
        scores=tuple(sorted(random.random(30).tolist(), reverse=True)),
    )
    rows = random.normal(size=(30, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    vectors = {str(place): row for place, row in enumerate(rows)}
    for limit in (1, 3, 10, 30, 1000):
        found = select(listed, limit, vectors)
        assert found[0] == listed[0] and len(found) == min(limit, 30) == len(set(names(found)))
        assert found == select(listed, limit, vectors)
        assert set(names(fair(listed, limit))) == set(names(diverse(listed, limit, vectors))) == set(names(listed))
