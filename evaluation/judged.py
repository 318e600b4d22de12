"""What a judge said of a run's answers, how far that agrees with the figures that need no judge, and both as a report.

Knows nothing of how a judge is asked.
"""

import json
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.report.section import Section
from evaluation.statistics import Estimate, mean, statistic

CORRECTNESS = {"CORRECT": 1.0, "PARTLY": 0.5, "WRONG": 0.0}
"""What is said of an answer beside the gold one, and what it is worth."""
SUPPORT = {"SUPPORTED": 1.0, "PARTLY": 0.5, "UNSUPPORTED": 0.0}
"""What is said of an answer beside its passages, and what it is worth."""
Numbers = Sequence[float] | np.ndarray
_FOR_A_NAME = re.compile(r"[^\w.-]+")
_PREFIX = "judge-"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was said of the answer to the question `id` of a set, beside what is known without a judge.

    `correctness` and `support` are labels, empty where the judge said none of them, None where it was not asked.
    `inside` tells that a gold answer stands in it, `supported` that every sentence is borne out, `characters` its
    length; `cut` that not all of its passages could be shown.
    """

    set: str
    id: str
    language: str
    correctness: str | None
    support: str | None
    inside: float | None
    token_f1: float | None
    supported: float | None
    characters: int
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the judge with a figure of yes and no: the share of questions on which they agree, and Cohen's kappa, what of
    it is more than chance. The latter is NaN where both always say the same."""

    accuracy: Estimate
    kappa: Estimate


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts of a judge on a run. `unasked` are questions that were refused or came to nothing.

    `failed` counts requests by the reason why they did, `ended` says why the judge could not be asked any more. `own`:
    the judge wrote some of the answers itself. `digest` is that of its prompts.
    """

    judge: str
    run: str
    set: str
    revision: str
    index_version: str
    time: str
    digest: str
    verdicts: tuple[Verdict, ...]
    unasked: int
    failed: Mapping[str, int]
    ended: str
    own: bool

    def mean(self, what: str, language: str = "") -> Estimate:
        """What the judge's labels on `correctness` or `support` are worth, from 0 to 1, over those that have one."""
        return mean([value for _, value in self._scores(what, language)])

    def counts(self, what: str) -> dict[str, int]:
        """How often each label was said; `unparsable` where none was."""
        said = Counter(getattr(verdict, what) for verdict in self.verdicts)
        labels = {label: said[label] for label in (CORRECTNESS if what == "correctness" else SUPPORT)}
        return labels | {"unparsable": said[""]}

    def agreement(self) -> dict[str, Agreement]:
        """With `inside`, of what is called correct, and with `supported`, of what is called supported; partly is no."""
        return {
            figure: agreement([value == 1.0 for value, _ in pairs], [other == 1.0 for _, other in pairs])
            for what, figure in (("correctness", "inside"), ("support", "supported"))
            if (pairs := self._pairs(what, figure)) is not None
        }

    def correlations(self) -> dict[str, Estimate]:
        """Pearson's: of correctness with token F1, with the length of the answer, and of `inside` with that length.

        Where the second is above the third, the judge likes long answers more than it should.
        """
        told = [verdict for verdict in self.verdicts if verdict.correctness and verdict.inside is not None]
        inside = [(float(verdict.inside or 0), float(verdict.characters)) for verdict in told]
        return {
            "correctness and token F1": paired(correlation, *_columns(self._pairs("correctness", "token_f1"))),
            "correctness and length": paired(correlation, *_columns(self._pairs("correctness", "characters"))),
            "gold answer inside and length": paired(correlation, *_columns(inside)),
        }

    def _scores(self, what: str, language: str = "") -> list[tuple[Verdict, float]]:
        worth = CORRECTNESS if what == "correctness" else SUPPORT
        return [
            (verdict, worth[label])
            for verdict in self.verdicts
            if (label := getattr(verdict, what)) and language in ("", verdict.language)
        ]

    def _pairs(self, what: str, figure: str) -> list[tuple[float, float]]:
        return [
            (value, float(other))
            for verdict, value in self._scores(what)
            if (other := getattr(verdict, figure)) is not None
        ]

    def report(self) -> dict[str, Any]:
        """All of it as a JSON value, with the figures; what can't be told is null."""
        values = asdict(self) | {
            "temperature": 0,
            "correctness": self.counts("correctness") | {"mean": asdict(self.mean("correctness"))},
            "support": self.counts("support") | {"mean": asdict(self.mean("support"))},
            "agreement": {name: asdict(found) for name, found in self.agreement().items()},
            "correlations": {name: asdict(found) for name, found in self.correlations().items()},
            "by_language": {
                language: {what: asdict(self.mean(what, language)) for what in ("correctness", "support")}
                for language in sorted({verdict.language for verdict in self.verdicts})
            },
        }
        return dict(_told(values))

    def save(self, folder: Path) -> Path:
        """Writes the report beside the run in `folder`: `judge-<model>-<UTC time>.json`."""
        stamp = re.sub(r"[-:]", "", self.time.replace("+00:00", "Z"))
        path = folder / f"{_PREFIX}{_FOR_A_NAME.sub('_', self.judge)}-{stamp}.json"
        aside = path.with_name(f"{path.name}.tmp")
        aside.write_text(json.dumps(self.report(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        os.replace(aside, path)
        return path


def kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's kappa of two (n,) arrays of 0 and 1; NaN where chance alone would always agree.

    Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and Psychological Measurement 20, 1960.
    """
    agreed = float(np.mean(first == second))
    chance = float(first.mean() * second.mean() + (1 - first.mean()) * (1 - second.mean()))
    return (agreed - chance) / (1 - chance) if chance < 1 else math.nan


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of two (n,) arrays; NaN where either is always the same."""
    if len(first) < 2 or not np.ptp(first) or not np.ptp(second):
        return math.nan
    return float(np.corrcoef(first, second)[0, 1])


def agreement(first: Sequence[bool], second: Sequence[bool]) -> Agreement:
    """How far two say the same of the same questions."""
    ones, others = np.asarray(first, float), np.asarray(second, float)
    return Agreement(mean([*(ones == others).astype(float)]), paired(kappa, ones, others))


def paired(function: Callable[..., float], first: Numbers, second: Numbers) -> Estimate:
    """A function of two (n,) samples with its interval; a question is drawn with both of its numbers."""
    ones, others = np.asarray(first, float), np.asarray(second, float)

    def drawn(places: np.ndarray) -> float:
        index = places.astype(int)
        return function(ones[index], others[index])

    return statistic(drawn, range(len(ones)))


def section(judged: Judged) -> Section:
    """The judge's part of a report."""
    correctness, support = judged.counts("correctness"), judged.counts("support")
    unparsable = correctness.pop("unparsable") + support.pop("unparsable")
    both = judged.agreement()
    rows: list[tuple[Any, ...]] = []
    for title, what in (("correctness", "correctness"), ("borne out by the passages", "support")):
        rows.append((title, *_cells(judged.mean(what))))
        for language in sorted({verdict.language for verdict in judged.verdicts}):
            rows.append((f"{title}, {language}", *_cells(judged.mean(what, language))))
    for name, title in (("inside", "correct and gold answer inside"), ("supported", "supported and all sentences so")):
        rows.append((f"{title}: agreement", *_cells(both[name].accuracy)))
        rows.append((f"{title}: Cohen's kappa", *_cells(both[name].kappa)))
    rows += [(f"correlation of {name}", *_cells(found)) for name, found in judged.correlations().items()]
    paragraphs = [
        f"{judged.judge} judged {len(judged.verdicts)} answers of {judged.set}, temperature 0, prompts {judged.digest};"
        f" {judged.unasked} questions without an answer were left out. Correctness: {_listed(correctness)}. Borne out"
        f" by the passages: {_listed(support)}. Replies that were none of these words, twice: {unparsable}.",
        "A judge is a model and errs: read its figures only as far as it agrees with those that need none. It sees one"
        " answer at a time and never what wrote it, so that no order of answers can sway it; the passages that were"
        " cited come first, labels always stand in the same order. Long answers sway many judges: compare the"
        " correlation of its verdict with the length to that of the gold answer inside.",
    ]
    cut = sum(verdict.cut for verdict in judged.verdicts)
    if cut:
        paragraphs.append(f"Of {cut} answers not all passages fitted into its window: it may call these unsupported.")
    if judged.own:
        paragraphs.append("It wrote some of these answers itself, and models like their own: take another judge.")
    if judged.failed:
        paragraphs.append(f"Requests that failed: {_listed(judged.failed)}. {judged.ended}".strip())
    return Section(
        f"{judged.judge} as judge", tuple(paragraphs), ("figure", "value", "low", "high", "questions"), tuple(rows)
    )


def sections(folder: Path) -> tuple[Section, ...]:
    """The parts of a report that were kept beside the run in `folder`, the newest of each judge."""
    newest: dict[str, Judged] = {}
    for path in sorted(folder.glob(f"{_PREFIX}*.json"), key=lambda path: path.name[-len("20260101T000000Z.json") :]):
        judged = load(path)
        newest[judged.judge] = judged
    return tuple(section(judged) for judged in newest.values())


def load(path: Path) -> Judged:
    """What `save` wrote."""
    values = json.loads(path.read_text(encoding="utf-8"))
    verdicts = tuple(Verdict(**verdict) for verdict in values["verdicts"])
    names = ("judge", "run", "set", "revision", "index_version", "time", "digest", "unasked", "failed", "ended", "own")
    return Judged(**{name: values[name] for name in names}, verdicts=verdicts)


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [first for first, _ in pairs], [second for _, second in pairs]


def _cells(found: Estimate) -> tuple[Any, ...]:
    values = ("–" if math.isnan(value) else value for value in (found.value, found.low, found.high))
    return *values, found.count


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _told(value: Any) -> Any:
    """A JSON value without NaN, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _told(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_told(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
