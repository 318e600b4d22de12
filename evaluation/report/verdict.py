"""What changed, in the order in which it matters: significant drops, then gains, then the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.changes import LOWER_IS_BETTER, Change
from evaluation.retrieval import ALL

SIGNIFICANT = 0.05
"""The p-value below which a change is named first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to make of all changes: `kind` is `none` without a baseline, `same`, `better` or `worse`."""

    kind: str
    text: str
    note: str
    drops: tuple[Change, ...] = ()
    gains: tuple[Change, ...] = ()
    others: tuple[Change, ...] = ()


def told(changes: Sequence[Change], columns: int = 1) -> Verdict:
    """The verdict on changes; `columns` is how many runs stand side by side."""
    if not changes:
        text = "There is no earlier run to compare with." if columns == 1 else "The runs stand side by side."
        return Verdict("none", text, "Differences within the intervals may be chance.")
    if not any(one.comparison.difference.value for one in changes):
        note = f"{len(changes)} comparisons, question by question."
        return Verdict("same", "No figure differs from those before.", note, others=tuple(changes))
    ranked = ordered(changes)
    drops, gains, others = (tuple(one for one in ranked if _side(one) == side) for side in (-1, 1, 0))
    compared = len(changes)
    note = (
        f"{compared} comparisons, paired question by question (two-sided randomisation test). Each p-value is that of"
        f" its own comparison: without any real change about {SIGNIFICANT * compared:.0f} of them would be below"
        f" {SIGNIFICANT} by chance."
    )
    overall = [[one for one in some if one.group == ALL] for some in (drops, gains)]
    words = [f"{len(some)} {word}" for some, word in zip(overall, ("got worse", "got better"), strict=True) if some]
    figures = sum(one.group == ALL for one in changes)
    text = f"Of {figures} figures over all questions {' and '.join(words) or 'none changed'} significantly."
    parts = len(drops) + len(gains) - sum(map(len, overall))
    if compared > figures:
        text += f" By language and pair, {parts} of {compared - figures} did."
    kind = "worse" if overall[0] else "better" if overall[1] else "same"
    return Verdict(kind, text, note, drops, gains, others)


def better(change: Change) -> float:
    """How much better a figure became, whichever way is better."""
    difference = change.comparison.difference.value
    return -difference if change.figure in LOWER_IS_BETTER else difference


def ordered(changes: Sequence[Change]) -> list[Change]:
    """Significant drops, then gains, then the rest; of each first what is over all questions, the largest first."""
    sides = {-1: 0, 1: 1, 0: 2}
    return sorted(changes, key=lambda one: (sides[_side(one)], one.group != ALL, -abs(better(one))))


def _side(change: Change) -> int:
    """-1 for a significant drop, 1 for a significant gain, 0 for neither."""
    if change.comparison.p_value >= SIGNIFICANT or not better(change):
        return 0
    return -1 if better(change) < 0 else 1
