import math

import pytest

from evaluation.metrics import ndcg_at, recall_at, reciprocal_rank_at

RANKING = ["a", "b", "c", "d"]


def test_recall_counts_questions_that_were_helped() -> None:
    assert recall_at(RANKING, {"c": 1}, 3) == 1.0
    assert recall_at(RANKING, {"c": 1}, 2) == 0.0
    assert recall_at([], {"c": 1}, 2) == 0.0


def test_reciprocal_rank() -> None:
    assert reciprocal_rank_at(RANKING, {"b": 1, "d": 1}, 10) == 0.5
    assert reciprocal_rank_at(RANKING, {"d": 1}, 3) == 0.0


def test_ndcg_by_hand() -> None:
    # Gains 0, 3, 0, 1 at discounts 1, log2 3, 2, log2 5; the best order is 3, 1.
    gained = 3 / math.log2(3) + 1 / math.log2(5)
    best = 3 + 1 / math.log2(3)
    assert ndcg_at(RANKING, {"b": 3, "d": 1}, 10) == pytest.approx(gained / best)
    assert ndcg_at(["b", "d"], {"b": 3, "d": 1}, 10) == pytest.approx(1)
    assert ndcg_at(RANKING, {}, 10) == 0
