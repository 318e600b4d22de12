from pathlib import Path

import pytest

from ingest.blocks import Block, page_text
from ingest.loaders import load
from ingest.split import LIMIT_TOKENS, embedding_text, split, token_estimate
from rag.types import PAGE_BREAK, Chunk, Document, Page

ROOT = Path(__file__).resolve().parent.parent


def document(*pages: list[Block], title: str = "Herons", language: str = "en") -> tuple[Document, list[list[Block]]]:
    texts = tuple(Page(number, page_text(blocks)) for number, blocks in enumerate(pages, 1))
    return Document("id", "birds", title, "a.txt", language, texts), list(pages)


def paragraph(name: str, sentences: int) -> Block:
    return Block(
        " ".join(f"The {name} number {row} waits in the reeds for a fish to come." for row in range(sentences))
    )


def slices(chunk: Chunk, whole: Document) -> str:
    """What the offsets of the chunk cut from the pages."""
    pages = whole.pages[chunk.first_page - 1 : chunk.last_page]
    if len(pages) == 1:
        return pages[0].text[chunk.start : chunk.end]
    return PAGE_BREAK.join(
        [pages[0].text[chunk.start :], *(page.text for page in pages[1:-1]), pages[-1].text[: chunk.end]]
    )


@pytest.mark.parametrize("path", sorted(ROOT.glob("corpora/*/sources/*")), ids=lambda path: path.name)
def test_offsets_of_the_bundled_documents_are_exact_and_nothing_is_lost(path: Path) -> None:
    loaded = load(path.read_bytes(), path.name)
    whole, blocks = document(*map(list, loaded.pages), title=loaded.title)
    chunks = split(whole, blocks)
    assert all(chunk.text == slices(chunk, whole) for chunk in chunks)
    assert all(token_estimate(chunk.text) <= LIMIT_TOKENS for chunk in chunks)
    assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(
        "".join(page.text.split()) for page in whole.pages
    )
    assert len({chunk.id for chunk in chunks}) == len(chunks)


def test_a_sentence_that_runs_over_a_page_stays_whole() -> None:
    whole, blocks = document(
        [
            Block("The heron waits. It stands still in the"),
        ],
        [Block("reeds until a fish comes. Then it strikes.")],
    )
    (chunk,) = split(whole, blocks)
    assert (chunk.first_page, chunk.last_page, chunk.start, chunk.end) == (1, 2, 0, 42)
    assert chunk.text == slices(chunk, whole)
    assert "in the reeds until" in embedding_text(chunk)


def test_chunks_end_with_sentences_and_are_of_even_size() -> None:
    whole, blocks = document([paragraph("heron", 40)])
    chunks = split(whole, blocks)
    sizes = [token_estimate(chunk.text) for chunk in chunks]
    assert len(chunks) > 1
    assert max(sizes) <= LIMIT_TOKENS
    assert min(sizes) > 100
    assert all(chunk.text.endswith(".") for chunk in chunks)


def test_no_chunk_crosses_a_top_heading_or_is_a_heading_alone() -> None:
    whole, blocks = document(
        [Block("Life", 1), Block("Food", 2), Block("Fish and frogs."), Block("Death", 1), Block("Foxes.")],
        [Block("Notes", 1)],
    )
    chunks = split(whole, blocks)
    assert [chunk.headings for chunk in chunks] == [("Life", "Food"), ("Death",)]
    assert chunks[0].text == "Life\n\nFood\n\nFish and frogs."
    assert chunks[1].text.endswith("Foxes.\fNotes")


def test_short_sections_under_one_top_heading_are_joined() -> None:
    whole, blocks = document(
        [Block("Life", 1), Block("Food", 2), Block("Fish."), Block("Rest", 2), Block("Trees."), paragraph("heron", 3)]
    )
    (chunk,) = split(whole, blocks)
    assert chunk.headings == ("Life",)


def test_rows_are_never_cut_unless_one_is_huge() -> None:
    rows = [Block(f"name: Heron {row}; size: {row}; place: the lake behind the hill", row=True) for row in range(60)]
    whole, blocks = document(rows)
    chunks = split(whole, blocks)
    assert len(chunks) > 1
    assert all(chunk.text.startswith("name: ") and chunk.text.endswith("hill") for chunk in chunks)
    huge = Block("; ".join(f"column {row}: value {row}" for row in range(400)), row=True)
    whole, blocks = document([huge])
    chunks = split(whole, blocks)
    assert all(token_estimate(chunk.text) <= LIMIT_TOKENS for chunk in chunks)
    assert all(chunk.text.startswith("column") and chunk.text == slices(chunk, whole) for chunk in chunks)


def test_text_without_any_space_is_cut_too() -> None:
    whole, blocks = document([Block("가" * 5000)])
    chunks = split(whole, blocks)
    assert "".join(chunk.text for chunk in chunks) == "가" * 5000
    assert all(token_estimate(chunk.text) <= LIMIT_TOKENS for chunk in chunks)


def test_the_embedding_text_names_title_and_headings_once() -> None:
    whole, blocks = document([Block("Herons", 1), Block("Food", 2), paragraph("heron", 30)])
    first, second = split(whole, blocks)[:2]
    assert first.headings == second.headings == ("Food",)
    assert embedding_text(first).startswith("Herons Food The heron")
    assert embedding_text(second).startswith("Herons · Food · The heron")


def test_each_chunk_has_its_own_language() -> None:
    whole, blocks = document(
        [
            Block("Heron", 1),
            paragraph("heron", 8),
            Block("왜가리", 1),
            Block("왜가리는 물가의 갈대밭에서 물고기를 기다리는 키가 큰 새이다. " * 5),
        ]
    )
    assert [chunk.language for chunk in split(whole, blocks)] == ["en", "ko"]


def test_token_estimates_of_the_three_languages_are_of_one_scale() -> None:
    assert token_estimate("The heron waits in the reeds.") == 7
    assert token_estimate("A szürke gém a nádasban várakozik.") == 9
    assert token_estimate("왜가리는 갈대밭에서 기다린다.") == 8
