import pytest

from rag.fuse import centred, fused


def test_cosines_are_centred_on_the_mean_of_the_ten_best() -> None:
    cosines = {f"c{place}": 0.1 * place for place in range(1, 13)}
    result = centred(cosines)
    assert result["c12"] == pytest.approx(1.2 - 0.75)
    assert sum(sorted(result.values())[-10:]) == pytest.approx(0)


def test_a_language_with_higher_cosines_gains_nothing_from_it() -> None:
    low = fused({}, {"a": 0.2, "b": 0.1}, 1, 1)
    high = fused({}, {"c": 0.7, "d": 0.6}, 1, 1)
    assert low["a"] == pytest.approx(high["c"])


def test_coverage_and_cosine_add_up_by_weight() -> None:
    scores = fused({"a": 0.5, "b": 0.1}, {"a": 0.4, "b": 0.6}, 2, 0.5)
    assert scores["a"] == pytest.approx(2 * 0.5 - 0.5 * 0.1)
    assert scores["b"] == pytest.approx(2 * 0.1 + 0.5 * 0.1)


def test_a_chunk_without_a_cosine_counts_as_the_worst() -> None:
    scores = fused({"a": 0.5}, {"b": 0.6, "c": 0.2}, 1, 1)
    assert scores["a"] == pytest.approx(0.5 - 0.2)


def test_nothing_found() -> None:
    assert fused({}, {}, 1, 1) == {}
