"""Whether a run holds what a baseline promises: a drop fails that is neither chance nor too small to matter.

All figures of all sets are one question, did anything drop, and are tested together: sets are pooled, since each alone
may be too small to tell, and the p-values are corrected for there being several figures. Only drops count.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.baseline import HELD, Baseline, better
from evaluation.changes import paired
from evaluation.report.section import Section
from evaluation.statistics import RESAMPLES, SEED
from rag.errors import ConfigurationError

LEVEL = 0.05
"""How often at most a gate may fail although nothing but chance changed the outcomes, all figures together."""
LEAST = 0.01
"""A drop of the mean, in [0, 1], that is smaller never fails, however sure it is."""
# So many questions that changed are tried with all signs, without chance.
_EXACT = 13
# Signs that are held at once.
_HELD = 4_000_000
# Sums of the same numbers in another order differ by so much.
_ROUNDING = 1e-9
# Of each kind of settings so many characters are told.
_TOLD = 60


@dataclass(frozen=True, slots=True)
class Held:
    """A figure over the `questions` that both runs have a value for, of which some got `worse` and some `better`.

    `p_value` is that of a drop, corrected for the other figures.
    """

    figure: str
    questions: int
    before: float
    after: float
    worse: int
    better: int
    p_value: float

    @property
    def fails(self) -> bool:
        drop = better(self.figure) * (self.before - self.after)
        return self.p_value <= LEVEL and drop >= LEAST - _ROUNDING


@dataclass(frozen=True, slots=True)
class Verdict:
    """All figures that were held, and sentences on what was not compared or differs beside the program."""

    held: tuple[Held, ...]
    told: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        return not any(item.fails for item in self.held)

    def sentence(self) -> str:
        """The outcome in a sentence."""
        rule = f"at least {100 * LEAST:g} point and p at most {LEVEL:g}, corrected for {len(self.held)} figures"
        failed = [item for item in self.held if item.fails]
        if not failed:
            return f"The gate passes: no figure dropped by {rule}."
        drops = (
            f"{item.figure} {100 * item.before:.1f} to {100 * item.after:.1f} (p {item.p_value:.4f})" for item in failed
        )
        return f"The gate fails, a drop of {rule}: {'; '.join(drops)}."

    def section(self) -> Section:
        """The verdict as a part of a report."""
        titles = ("figure", "questions", "baseline", "now", "worse", "better", "p of a drop", "")
        rows = tuple(
            (
                item.figure,
                item.questions,
                f"{100 * item.before:.1f}",
                f"{100 * item.after:.1f}",
                item.worse,
                item.better,
                f"{item.p_value:.4f}",
                "fails" if item.fails else "holds",
            )
            for item in self.held
        )
        return Section("Held against the baseline", (self.sentence(), *self.told), titles, rows, first=True)


def judge(pairs: Sequence[tuple[Baseline, Baseline]]) -> Verdict:
    """Holds runs, each the second of a pair, against their baselines, all sets together.

    Only questions of the same text and labels are compared. Raises ConfigurationError where there is none in a pair.
    """
    told: list[str] = []
    names: list[list[str]] = []
    for baseline, now in pairs:
        pairing = paired(baseline.questions, now.questions)
        if not pairing.both:
            raise ConfigurationError(
                f"No question of {now.set!r} is in its baseline as it is asked now: write a new one with"
                f" python -m evaluation baseline {now.set}."
            )
        names.append([*pairing.both])
        told += _told(baseline, now, pairing.left_out())
    columns = {
        figure: np.concatenate([_sides(*pair, figure, asked) for pair, asked in zip(pairs, names, strict=True)])
        for figure in HELD
    }
    columns = {figure: sides for figure, sides in columns.items() if not np.isnan(sides).all()}
    if not columns:
        raise ConfigurationError("The baselines hold no figure that was measured: write them again from newer runs.")
    differences = {
        figure: np.nan_to_num(better(figure) * (sides[:, 1] - sides[:, 0])) for figure, sides in columns.items()
    }
    p_values = drops(np.stack([*differences.values()], axis=1))
    return Verdict(
        tuple(
            _held(figure, sides, differences[figure], float(p_value))
            for (figure, sides), p_value in zip(columns.items(), p_values, strict=True)
        ),
        tuple(told),
    )


def drops(differences: np.ndarray, seed: int = SEED) -> np.ndarray:
    """(m,) p-values of a drop for (n, m) differences of n questions in m figures, a fall below 0.

    If chance alone parted the runs, those of a question could as well have had the other signs, all its figures at
    once. A drop is the sum over its standard error under chance, and is held against the largest of any figure, step
    by step from the largest on (Westfall and Young, Resampling-Based Multiple Testing, 1993, algorithm 4.1 with
    maxima). That allows for as many false alarms as the method of Holm, and costs less power, since figures of one
    question fall together. All signs are tried where few questions changed, else 10,000 drawn ones.
    """
    changed = differences[(np.abs(differences) > _ROUNDING).any(1)]
    scale = np.sqrt((changed**2).sum(0))
    p_values = np.ones(differences.shape[1])
    fallen = np.flatnonzero(scale > _ROUNDING)
    if not len(fallen):
        return p_values
    scaled = -changed[:, fallen] / scale[fallen]
    seen = scaled.sum(0)
    order = np.argsort(-seen, kind="stable")
    as_far, tried = np.zeros(len(order)), 0
    for signs in _signs(len(changed), seed):
        under_chance = signs @ scaled[:, order]
        # The largest of the figure itself and of all that fell less.
        largest = np.maximum.accumulate(under_chance[:, ::-1], axis=1)[:, ::-1]
        as_far += (largest >= seen[order] - _ROUNDING).sum(0)
        tried += len(signs)
    # Of drawn signs those that were seen are counted as one more, so that no p-value is 0 (Phipson and Smyth 2010).
    found = as_far / tried if len(changed) <= _EXACT else (as_far + 1) / (tried + 1)
    p_values[fallen[order]] = np.maximum.accumulate(found)
    return p_values


def _signs(count: int, seed: int) -> Iterator[np.ndarray]:
    """Blocks of (r, count) signs: all there are where these are few, else drawn ones."""
    if count <= _EXACT:
        yield 1.0 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        return
    chance = np.random.default_rng(seed)
    block = max(1, _HELD // count)
    for start in range(0, RESAMPLES, block):
        yield 1.0 - 2 * chance.integers(0, 2, (min(block, RESAMPLES - start), count), dtype=np.int8)


def _sides(baseline: Baseline, now: Baseline, figure: str, names: Sequence[str]) -> np.ndarray:
    """(n, 2) values before and after, NaN in both where one has none."""
    sides = [[found.figures.get(figure, {}).get(name, np.nan) for found in (baseline, now)] for name in names]
    values = np.array(sides, float)
    values[np.isnan(values).any(1)] = np.nan
    return values


def _held(figure: str, sides: np.ndarray, differences: np.ndarray, p_value: float) -> Held:
    told = sides[~np.isnan(sides).any(1)]
    before, after = told.mean(0)
    worse, risen = (int((direction * differences > _ROUNDING).sum()) for direction in (-1, 1))
    return Held(figure, len(told), float(before), float(after), worse, risen, p_value)


def _told(baseline: Baseline, now: Baseline, left_out: str) -> list[str]:
    told = [f"{now.set}: the baseline is of revision {baseline.revision}, {baseline.time[:10]}. {left_out}".strip()]
    differ = [
        f"{name} {_short(baseline.settings.get(name))} before, {_short(now.settings.get(name))} now"
        for name in sorted({*baseline.settings, *now.settings})
        if baseline.settings.get(name) != now.settings.get(name)
    ]
    return told + ([f"{now.set}: settings that differ: {'; '.join(differ)}."] if differ else [])


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _TOLD else f"{text[:_TOLD]}…"
