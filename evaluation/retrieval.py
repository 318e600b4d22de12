"""Figures of retrieval: is a labelled source, or its page, among the first passages of each ranker?

A document that comes several times takes as many places and counts once, for its first. Of the labelled sources each
counts for itself, so that nDCG is 1 only where all of them come first.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from evaluation.outcome import RANKERS, Outcome, Ranked, by
from evaluation.questions import GoldSource
from evaluation.statistics import Estimate, means

METRICS = {
    "recall@1": "Success@1",
    "recall@5": "Success@5",
    "recall@10": "Success@10",
    "mrr@10": "RR@10",
    "ndcg@10": "nDCG@10",
}
"""Ours and what ir-measures calls them: recall@k is the share of questions with a relevant passage in the first k."""
DOCUMENT, PAGE = "document", "page"
"""What counts as found: any passage of a labelled document, or one that holds a labelled page."""
ALL = "all"
_DEPTH = 10

Values = dict[str, dict[str, dict[str, float]]]
"""By ranker, metric and id of the question."""
Figures = dict[str, dict[str, dict[str, Estimate]]]
"""By group of questions, ranker and metric."""


def values(outcomes: Sequence[Outcome], level: str = DOCUMENT) -> Values:
    """Every metric of every question that has a source, for the rankers that were run. Raises ValueError for `level`.

    Ids are `set/id`, since sets may use the same ones.
    """
    import ir_measures

    if level not in (DOCUMENT, PAGE):
        raise ValueError(f"level should be {DOCUMENT} or {PAGE}, is now {level!r}.")
    measures = {ir_measures.parse_measure(theirs): ours for ours, theirs in METRICS.items()}
    found: Values = {}
    for ranker in RANKERS:
        relevant: dict[str, dict[str, int]] = {}
        ranked: dict[str, dict[str, float]] = {}
        for outcome in outcomes:
            if outcome.question.sources and ranker in outcome.rankings:
                gold = _gold(outcome.question.sources, level)
                relevant[key(outcome)] = {str(place): source.grade for place, source in enumerate(gold)}
                ranked[key(outcome)] = _places(outcome.rankings[ranker], gold)
        if not relevant:
            continue
        found[ranker] = {name: dict.fromkeys(relevant, 0.0) for name in METRICS}
        for metric in ir_measures.iter_calc(list(measures), relevant, ranked):
            found[ranker][measures[metric.measure]][metric.query_id] = float(metric.value)
    return found


def figures(outcomes: Sequence[Outcome], level: str = DOCUMENT, key: str = "pair") -> Figures:
    """Means with their intervals by group, ranker and metric, as `Estimate`.

    Groups are the values of `key` (see `outcome.by`), and `all`; those without a source are left out.
    """
    return summed(values(outcomes, level), outcomes, key)


def summed(found: Values, outcomes: Sequence[Outcome], key: str = "pair") -> Figures:
    """The same of values that are there already."""
    groups = {ALL: list(outcomes)} | by(outcomes, key)
    return {
        group: _estimates(found, some)
        for group, some in groups.items()
        if any(outcome.question.sources for outcome in some)
    }


def key(outcome: Outcome) -> str:
    """What tells a question from those of other sets."""
    return f"{outcome.question.set}/{outcome.question.id}"


def _estimates(found: Values, outcomes: Iterable[Outcome]) -> dict[str, dict[str, Estimate]]:
    names = [key(outcome) for outcome in outcomes if outcome.question.sources]
    columns = [(ranker, metric) for ranker, metrics in found.items() for metric in metrics]
    # One draw of questions for all columns: what is compared was asked the same.
    rows = np.array([[found[ranker][metric].get(name, np.nan) for ranker, metric in columns] for name in names])
    estimates = iter(means(rows[~np.isnan(rows).any(1)]))
    return {ranker: {metric: next(estimates) for metric in metrics} for ranker, metrics in found.items()}


def _gold(sources: Iterable[GoldSource], level: str) -> list[GoldSource]:
    """What counts each for itself: documents or pages, with the highest of their grades."""
    gold: dict[tuple[str, int | None], GoldSource] = {}
    for source in sources:
        place = (source.document, source.page if level == PAGE else None)
        grade = max(source.grade, gold[place].grade if place in gold else 0)
        gold[place] = GoldSource(*place, grade)
    return list(gold.values())


def _places(ranking: Sequence[Ranked], gold: Sequence[GoldSource]) -> dict[str, float]:
    """A ranking of labels, best first: the number of the source that a passage is the first to hit, or none."""
    hit: set[int] = set()
    ranked = {}
    for place, passage in enumerate(ranking[:_DEPTH]):
        new = (number for number, source in enumerate(gold) if number not in hit and holds(passage, source))
        label = next(new, None)
        hit |= {label} if label is not None else set()
        ranked[f"other {place}" if label is None else str(label)] = float(_DEPTH - place)
    return ranked


def holds(passage: Ranked, source: GoldSource) -> bool:
    """Whether a passage is of a labelled document and, where a page is labelled, holds it."""
    if passage.document != source.document:
        return False
    if source.page is None:
        return True
    return passage.first_page is not None and passage.first_page <= source.page <= (passage.last_page or 0)
