"""Figures of answers: what they say, what they cite, in which language, how often they are refused, how long they take.

An answerable question that was refused, or came to nothing, counts as an empty answer, so that nobody gains by
refusing. Questions that were not asked for an answer don't count.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.metrics import area_under_curve
from evaluation.outcome import CitedPlace, Outcome, Ranked, Run, by
from evaluation.overlap import holds, holds_exactly, rouge, rouge_l, token_f1
from evaluation.questions import GoldSource
from evaluation.retrieval import ALL
from evaluation.retrieval import holds as place_holds
from evaluation.statistics import Estimate, means, rate, statistic
from rag.fidelity import faithful
from rag.types import UNSUPPORTED

_MARKER = re.compile(rf"\s*(?:\[\d+\]|{re.escape(UNSUPPORTED)})")
_SHARES = (50, 95)


@dataclass(frozen=True, slots=True)
class Confusion:
    """Questions by whether the documents answer them and whether they were answered or refused."""

    answered: int = 0
    wrongly_refused: int = 0
    wrongly_answered: int = 0
    refused: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Spread:
    """The mean, the median and the 95th percentile of what `count` answers have."""

    mean: float
    p50: float
    p95: float
    count: int


@dataclass(frozen=True, slots=True)
class AnswerFigures:
    """Figures of some questions. `shares` are the means of `measured` with their intervals.

    `unsupported` is the rate of sentences that no passage bears out. `auroc` tells how well the confidence parts
    answerable questions from others, `threshold` the confidence in use below which none is answered. `length` is in
    characters and sentences, `seconds` by stage, `tokens` by kind; answers alone, without refusals. `models` counts
    what wrote them.
    """

    questions: int
    shares: Mapping[str, Estimate]
    unsupported: Estimate
    confusion: Confusion
    auroc: Estimate
    threshold: float
    length: Mapping[str, Spread]
    seconds: Mapping[str, Spread]
    tokens: Mapping[str, Spread]
    models: Mapping[str, int]


def measured(outcome: Outcome) -> dict[str, float]:
    """What can be told of one question, each in [0, 1]; what does not apply to it is left out.

    `inside_exact`, `inside`: a gold answer stands in what was said, letter by letter or normalised. `token_f1`,
    `rouge_1`, `rouge_2`, `rouge_l`: F1 against the nearest gold answer. `cited`: a labelled document is cited,
    `citation_precision`: the part of the cited places that are labelled, `citation_recall`: the part of the labelled
    ones that are cited; the same by page with `_page` behind it. `language`: the question's language was recognised,
    `faithful`: all of the text is in it, which an answer made of a foreign document's sentences is not.
    """
    question, said = outcome.question, outcome.said
    if said is None and not outcome.failure:
        return {}
    found: dict[str, float] = {}
    if question.answerable and question.answers:
        text = wording(outcome)
        found["inside_exact"] = float(holds_exactly(text, question.answers))
        found["inside"] = float(holds(text, question.answers, question.language))
        found["token_f1"] = token_f1(text, question.answers, question.language).f1
        found |= {f"rouge_{size}": rouge(text, question.answers, size).f1 for size in (1, 2)}
        found["rouge_l"] = rouge_l(text, question.answers).f1
    if question.sources:
        citations = said.citations if said else ()
        found |= _citations(citations, [GoldSource(source.document) for source in question.sources], "")
        found |= _citations(citations, question.sources, "_page")
    if said:
        found["language"] = float(said.language == question.language)
        if said.answered:
            found["faithful"] = float(faithful(said.text, question.language))
    return found


def wording(outcome: Outcome) -> str:
    """What was said to the question, without marks, and without the words around an extract; nothing for a refusal."""
    said = outcome.said
    if said is None or not said.answered:
        return ""
    return _MARKER.sub("", " ".join(sentence.text for sentence in said.sentences) or said.text)


def figures(outcomes: Sequence[Outcome], threshold: float) -> AnswerFigures:
    """The figures of questions that were asked with the threshold that was in use."""
    asked = [outcome for outcome in outcomes if outcome.said or outcome.failure]
    answers = [outcome.said for outcome in asked if outcome.said and outcome.said.answered]
    stages = sorted({stage for said in answers for stage in said.seconds})
    kinds = ("prompt_tokens", "evaluated_tokens", "completion_tokens")
    unsupported = [sum(not sentence.supported for sentence in said.sentences) for said in answers]
    confidences: dict[bool, list[float]] = {True: [], False: []}
    for outcome in asked:
        confidences[outcome.question.answerable].append(outcome.confidence)
    return AnswerFigures(
        questions=len(asked),
        shares=_shares([measured(outcome) for outcome in asked]),
        unsupported=rate(unsupported, [len(said.sentences) for said in answers]),
        confusion=_confusion(asked),
        auroc=statistic(_area, confidences[True], confidences[False]),
        threshold=threshold,
        length={
            "characters": _spread([len(said.text) for said in answers]),
            "sentences": _spread([len(said.sentences) for said in answers]),
        },
        seconds={
            stage: _spread([said.seconds[stage] for said in answers if stage in said.seconds]) for stage in stages
        },
        tokens={
            kind: _spread([value for said in answers if (value := getattr(said, kind)) is not None]) for kind in kinds
        },
        models=dict(Counter(said.model for said in answers)),
    )


def figures_by(run: Run, key: str = "language") -> dict[str, AnswerFigures]:
    """The figures of a run's questions by `set`, `language` or `pair`, and of `all`."""
    groups = {ALL: run.outcomes} | by(run.outcomes, key)
    return {name: figures(outcomes, run.threshold) for name, outcomes in groups.items()}


def _citations(citations: Sequence[CitedPlace], gold: Sequence[GoldSource], suffix: str) -> dict[str, float]:
    """Several citations of one page, and several labels of one document, count once."""
    labelled = {(source.document, source.page): source for source in gold}.values()
    if suffix:
        cited = {Ranked(item.document, item.page, item.page) for item in citations}
    else:
        cited = {Ranked(item.document) for item in citations}
    right = sum(any(place_holds(place, source) for source in labelled) for place in cited)
    reached = sum(any(place_holds(place, source) for place in cited) for source in labelled)
    found = {f"cited{suffix}": float(right > 0), f"citation_recall{suffix}": reached / len(labelled)}
    if cited:
        found[f"citation_precision{suffix}"] = right / len(cited)
    return found


def _shares(rows: Sequence[Mapping[str, float]]) -> dict[str, Estimate]:
    names = dict.fromkeys(name for row in rows for name in row)
    if not names:
        return {}
    values = np.array([[row.get(name, 0.0) for name in names] for row in rows])
    counted = np.array([[name in row for name in names] for row in rows])
    return dict(zip(names, means(values, counted), strict=True))


def _confusion(outcomes: Sequence[Outcome]) -> Confusion:
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        if outcome.said is None:
            counts["failed"] += 1
        elif outcome.question.answerable:
            counts["answered" if outcome.said.answered else "wrongly_refused"] += 1
        else:
            counts["wrongly_answered" if outcome.said.answered else "refused"] += 1
    return Confusion(**counts)


def _area(positives: np.ndarray, negatives: np.ndarray) -> float:
    return area_under_curve([*positives], [*negatives])


def _spread(values: Sequence[float]) -> Spread:
    if not values:
        return Spread(math.nan, math.nan, math.nan, 0)
    middle, most = np.percentile(values, _SHARES)
    return Spread(float(np.mean(values)), float(middle), float(most), len(values))
