"""How far a mean can be trusted, and whether two runs differ: bootstrap and randomisation, seeded, numpy alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEVEL = 0.95
"""Share of intervals that should hold the true value."""
RESAMPLES = 10_000
SEED = 20_240_501
# Resamples that are held at once, in numbers.
_HELD = 4_000_000
# So many signs are tried one by one, without chance.
_EXACT = 14
# Sums of the same numbers in another order differ by so much.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over `count` questions with the interval that holds it at `LEVEL`; NaN where there is nothing."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The mean of the second less that of the first, its interval, and how likely chance alone makes one as far off."""

    difference: Estimate
    p_value: float


def means(values: np.ndarray, weights: np.ndarray | None = None, seed: int = SEED) -> list[Estimate]:
    """The mean of each column of `values` (n, m), a row a question, with its percentile bootstrap interval.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. With `weights` (n, m) it is the sum of
    the column over that of its weights: a rate of what questions have several of. Where all values are the same, the
    interval has no width, however few they are.
    """
    values = np.asarray(values, float)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, float)
    count = len(values)
    if not count:
        return [_NOTHING] * values.shape[1]
    chance = np.random.default_rng(seed)
    parts = []
    block = max(1, _HELD // count)
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        drawn = chance.integers(0, count, (size, count)) + np.arange(size)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(float)
        parts.append(_shares(times @ values, times @ weights))
    found = np.concatenate(parts)
    whole = _shares(values.sum(0), weights.sum(0))
    counts = (weights != 0).sum(0)
    return [
        Estimate(float(value), *_interval(column), int(number))
        for value, column, number in zip(whole, found.T, counts, strict=True)
    ]


def mean(values: Sequence[float], seed: int = SEED) -> Estimate:
    """The mean of some numbers with its interval."""
    return means(np.asarray(values, float).reshape(-1, 1), seed=seed)[0]


def rate(parts: Sequence[float], wholes: Sequence[float], seed: int = SEED) -> Estimate:
    """The sum of `parts` over that of `wholes`, one of each a question, with its interval."""
    columns = [np.asarray(item, float).reshape(-1, 1) for item in (parts, wholes)]
    return means(columns[0], columns[1], seed)[0]


def statistic(
    function: Callable[..., float], *samples: Sequence[float], resamples: int = 1000, seed: int = SEED
) -> Estimate:
    """Any function of one or several samples with its interval; each sample is resampled for itself."""
    arrays = [np.asarray(sample, float) for sample in samples]
    count = sum(map(len, arrays))
    if not all(map(len, arrays)):
        return _NOTHING
    chance = np.random.default_rng(seed)
    found = [function(*(item[chance.integers(0, len(item), len(item))] for item in arrays)) for _ in range(resamples)]
    return Estimate(float(function(*arrays)), *_interval(np.asarray(found)), count)


def compare(first: Sequence[float], second: Sequence[float], seed: int = SEED) -> Comparison:
    """Two runs over the same questions, a number a question in the same order, by a paired randomisation test.

    Two-sided: if the runs were the same, each difference could as well have the other sign (Smucker, Allan and
    Carterette, "A Comparison of Statistical Significance Tests for Information Retrieval Evaluation", CIKM 2007). All
    signs are tried where they are few, else 10,000 drawn ones, of which the one that was seen is counted as one more,
    so that the result is never 0 (Phipson and Smyth 2010). Raises ValueError where the numbers do not pair.
    """
    if len(first) != len(second):
        raise ValueError(f"Runs to compare should have as many questions: {len(first)} and {len(second)}.")
    differences = np.asarray(second, float) - np.asarray(first, float)
    changed = differences[np.abs(differences) > _ROUNDING]
    return Comparison(mean([*differences], seed), _sign_test(changed, seed) if len(changed) else 1.0)


def _sign_test(changed: np.ndarray, seed: int) -> float:
    """How often sums of these (n,) numbers with other signs are as far from 0 as theirs."""
    count = len(changed)
    seen = abs(changed.sum()) - _ROUNDING
    if count <= _EXACT:
        signs: Any = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        return float(np.mean(np.abs(signs @ changed) >= seen))
    chance = np.random.default_rng(seed)
    block = max(1, _HELD // count)
    as_far = 0
    for start in range(0, RESAMPLES, block):
        signs = 1 - 2 * chance.integers(0, 2, (min(block, RESAMPLES - start), count), dtype=np.int8)
        as_far += int(np.sum(np.abs(signs @ changed) >= seen))
    return (as_far + 1) / (RESAMPLES + 1)


def _shares(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    return np.divide(parts, wholes, out=np.full(np.shape(parts), np.nan), where=wholes != 0)


def _interval(found: np.ndarray) -> tuple[float, float]:
    """The percentiles that hold `LEVEL` of (n,) numbers, without those that could not be told."""
    told = found[~np.isnan(found)]
    if not len(told):
        return np.nan, np.nan
    low, high = np.quantile(told, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


_NOTHING = Estimate(np.nan, np.nan, np.nan, 0)
