import itertools
import math

import numpy as np
import pytest

from evaluation.statistics import compare, mean, means, rate, statistic


def test_an_interval_holds_the_mean_and_narrows_with_more_questions() -> None:
    few, many = mean([0.0, 1.0] * 10), mean([0.0, 1.0] * 500)
    assert few.value == many.value == 0.5
    assert (few.count, many.count) == (20, 1000)
    # The normal approximation: 1.96 times the standard error, 0.5 over the root of the count.
    assert few.low == pytest.approx(0.5 - 1.96 * 0.5 / math.sqrt(20), abs=0.04)
    assert many.high == pytest.approx(0.5 + 1.96 * 0.5 / math.sqrt(1000), abs=0.003)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    chance = np.random.default_rng(7)
    found = [mean([*chance.normal(3, 2, 60)], seed=number) for number in range(60)]
    held = sum(one.low <= 3 <= one.high for one in found)
    assert 51 <= held <= 60


def test_the_same_seed_gives_the_same_interval() -> None:
    values = [*np.random.default_rng(1).random(50)]
    assert mean(values) == mean(values)
    assert mean(values) != mean(values, seed=2)


def test_columns_are_resampled_together() -> None:
    values = np.random.default_rng(3).random((40, 2))
    second, alone = means(values)[1], mean([*values[:, 1]])
    assert (second.low, second.value, second.high) == pytest.approx((alone.low, alone.value, alone.high))
    assert means(np.empty((0, 2)))[0].count == 0


def test_a_rate_is_of_all_parts_not_of_questions() -> None:
    found = rate([1, 0, 0], [2, 8, 0])
    assert found.value == pytest.approx(1 / 10)
    assert found.count == 2
    assert 0 <= found.low < found.value < found.high <= 0.5
    assert math.isnan(rate([0, 0], [0, 0]).value)
    assert math.isnan(rate([], []).value)


def test_any_function_of_several_samples() -> None:
    found = statistic(lambda first, second: float(np.median(first) - np.median(second)), [1, 2, 3, 4, 9], [0, 0, 0])
    assert (found.value, found.count) == (3, 8)
    assert 1 <= found.low < 3 < found.high <= 9
    assert math.isnan(statistic(lambda first: 0.0, []).value)


def test_few_differences_are_tested_exactly() -> None:
    # Three that rose by the same: of eight choices of signs two are as far from 0.
    assert compare([0, 0, 0, 1, 1], [1, 1, 1, 1, 1]).p_value == 2 / 8
    differences = [0.5, -0.2, 0.3, 0.1, 0.4]
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product((1, -1), repeat=5)]
    expected = np.mean([value >= sum(differences) - 1e-12 for value in sums])
    assert compare([0] * 5, differences).p_value == expected


def test_many_differences_are_tested_as_well_as_exactly() -> None:
    # Of 20 questions 15 rose and 5 fell: the two-sided sign test gives 0.0414 (binomial).
    first, second = [0] * 15 + [1] * 5, [1] * 15 + [0] * 5
    exact = 2 * sum(math.comb(20, count) for count in range(6)) / 2**20
    found = compare(first, second)
    assert found.p_value == pytest.approx(exact, abs=0.006)
    assert found.p_value == compare(second, first).p_value
    assert found.difference.value == pytest.approx(0.5)
    assert found.difference.low > 0


def test_what_is_the_same_does_not_differ() -> None:
    values = [0.1, 0.2, 0.3]
    assert compare(values, values).p_value == 1.0
    assert compare([0.1 + 0.2, 0.4], [0.3, 0.4]).p_value == 1.0
    with pytest.raises(ValueError, match="as many questions: 1 and 2"):
        compare([1], [1, 2])


def test_without_a_difference_small_p_values_are_rare() -> None:
    chance = np.random.default_rng(11)
    found = [compare([*chance.random(40)], [*chance.random(40)], seed=number).p_value for number in range(100)]
    assert sum(value < 0.05 for value in found) <= 12
    assert min(found) > 0
