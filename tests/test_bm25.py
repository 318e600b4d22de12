from pathlib import Path

import numpy as np
import pytest

from rag.analysis import PAIR_GAP, question_pairs, question_terms
from rag.bm25 import K1, Passages
from rag.lexical import LexicalIndex, terms_of
from rag.table import term_hashes
from rag.types import Chunk


def hashed(text: str) -> np.ndarray:
    return term_hashes(text.split())


def looked_through(asked: str, *passages: str) -> Passages:
    return Passages([hashed(text) for text in passages], asked.split(), 4.0)


def test_coverage_is_the_share_of_the_most_that_can_be_scored() -> None:
    found = looked_through("mirror cold unheard", "mirror cold", "mirror", "", "other words here", "mirror " * 400)
    both = found.coverage(["mirror", "cold"], [1.0, 1.0])
    assert 1 > both[0] > both[1] > both[2] == both[3] == 0
    # However often one of two words stands there, it is not the other.
    assert both[1] < both[4] <= 0.5
    assert found.coverage(["mirror", "cold"], [3.0, 1.0])[1] > both[1] > found.coverage(["mirror", "cold"], [1, 3])[1]
    assert found.coverage(["unheard"], [5.0]).tolist() == [0, 0, 0, 0, 0]
    assert found.coverage([], []).tolist() == [0, 0, 0, 0, 0]


def test_the_formula_is_that_of_the_lexical_index(tmp_path: Path) -> None:
    """tantivy keeps lengths in one byte, exact up to forty terms."""
    texts = [f"{'the cold mirror ' * (row % 4)} word{row} {'filler ' * (row % 11)}" for row in range(40)]
    chunks = [
        Chunk(f"{row:02}", "d", "", "a.txt", "en", 1, 1, 0, len(text), (), text) for row, text in enumerate(texts)
    ]
    terms = [terms_of(chunk) for chunk in chunks]
    index = LexicalIndex(tmp_path)
    index.add(chunks, terms)
    index.commit()
    asked = question_terms("cold mirror filler", "en")
    rows = [some.all for some in terms]
    average = sum(map(len, rows)) / len(rows)
    shares = Passages(rows, asked, average).coverage(asked, index.rarities("en", asked))
    scores = dict(index.search("en", asked, 40))
    most = (K1 + 1) * sum(index.rarities("en", asked))
    assert len(scores) > 20
    for chunk, share in zip(chunks, shares, strict=True):
        assert share == pytest.approx(scores.get(chunk.id, 0.0) / most, abs=2e-3)


def test_pairs_count_where_the_words_stand_together_and_in_order() -> None:
    asked = "mirror telescop"
    found = looked_through(
        asked, "the mirror telescop", "telescop mirror", "mirror a b c telescop", "mirror", "telescop"
    )
    shares = found.pair_coverage([("mirror", "telescop")], [2.0], PAIR_GAP)
    assert shares[0] > 0
    # Neither backwards, nor too far apart, nor with the first word in one passage and the second in the next.
    assert shares[1:].tolist() == [0, 0, 0, 0]
    assert found.pair_coverage([], [], PAIR_GAP).tolist() == [0] * 5


def test_words_between_a_pair_are_skipped_up_to_the_gap() -> None:
    texts = [f"alpha {'word ' * between}omega" for between in range(PAIR_GAP + 2)]
    shares = looked_through("alpha omega", *texts).pair_coverage([("alpha", "omega")], [1.0], PAIR_GAP)
    assert (shares > 0).tolist() == [True] * (PAIR_GAP + 1) + [False]


def test_the_pairs_of_a_question_are_found_in_what_was_analysed_for_the_index() -> None:
    question = "What is the mirror of the telescope?"
    texts = ("The mirror of the telescope was made.", "The telescope was launched long after the test of its mirror.")
    rows = [terms_of(Chunk("a", "d", "", "a", "en", 1, 1, 0, 1, (), text)).all for text in texts]
    pairs = question_pairs(question, "en")
    shares = Passages(rows, question_terms(question, "en"), 5.0).pair_coverage(pairs, [1.0] * len(pairs), PAIR_GAP)
    assert shares[0] > 0 == shares[1]


def test_no_passages_and_no_terms() -> None:
    assert Passages([], ["a"], 1.0).coverage(["a"], [1.0]).shape == (0,)
    assert Passages([hashed("a b")], [], 0.0).coverage([], []).tolist() == [0]
