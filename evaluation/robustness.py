"""How much is lost when the same questions are typed differently, variant by variant, with a paired test.

Only the questions that a variant changes are asked again and compared; knows nothing of what the variants do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from evaluation.changes import Change, numbers
from evaluation.outcome import Outcome, Run, by
from evaluation.questions import GoldQuestion
from evaluation.report.plots import forest
from evaluation.report.section import Section
from evaluation.retrieval import ALL, key
from evaluation.run import ask_domain
from evaluation.statistics import Estimate, compare
from evaluation.variants import VARIANTS, typed
from rag.answer import Engine

FIGURES = {
    **{f"retrieval/document/fused/recall@{k}": f"document in first {k}" for k in (1, 5, 10)},
    **{f"retrieval/page/fused/recall@{k}": f"page in first {k}" for k in (1, 5, 10)},
    "answers/inside": "gold answer inside",
    "answers/cited": "labelled document cited",
    "refusals/answered": "answerable, answered",
    "refusals/refused": "unanswerable, refused",
    "answers/language": "language recognised",
}
"""What is compared, by the names of `changes.numbers`, with words for it; all improve by rising."""
LEADING = "retrieval/document/fused/recall@5"
"""What variants are put in order by."""
PLAIN = "as-written"
"""What the run of the questions as they are is called."""
_SIGNIFICANT = 0.05
_EXAMPLES = 3
_PLOTTED = ("answers/inside", "refusals/answered")


@dataclass(frozen=True, slots=True)
class Retyped:
    """The questions that a variant changes, asked as it types them, and what became of the figures.

    Groups are `all` and the questions' languages.
    """

    variant: str
    run: Run
    changes: tuple[Change, ...]

    def change(self, figure: str, group: str = ALL) -> Change | None:
        """That of a figure and a group, None where no question has it."""
        return next((item for item in self.changes if (item.figure, item.group) == (figure, group)), None)


@dataclass(frozen=True, slots=True)
class Robustness:
    """Questions as they are, and by variant, worst first; a variant that changes none of them is missing."""

    plain: Run
    variants: tuple[Retyped, ...]


def measure(
    engine: Engine,
    domain: str,
    questions: Sequence[GoldQuestion] | None = None,
    variants: Sequence[str] = tuple(VARIANTS),
    answers: bool = True,
    limit: int | None = None,
) -> Robustness:
    """Asks a domain its own questions, or others, as they are and in each variant; at most `limit`, evenly spaced.

    Raises KeyError for an unknown variant, and what `ask_domain` raises.
    """
    if questions is None and limit is not None:
        # Loaded and checked against the index, not answered.
        questions = [outcome.question for outcome in ask_domain(engine, domain, None, False, PLAIN).outcomes]
    chosen = questions if limit is None or questions is None else spaced(questions, limit)
    plain = ask_domain(engine, domain, chosen, answers, PLAIN)
    found = []
    for variant in variants:
        changed = [retyped(outcome.question, variant) for outcome in plain.outcomes]
        asked = [new for new, old in zip(changed, plain.outcomes, strict=True) if new.text != old.question.text]
        if asked:
            run = ask_domain(engine, domain, asked, answers, variant)
            found.append(Retyped(variant, run, effects(plain, run)))
    return Robustness(plain, tuple(sorted(found, key=_loss)))


def spaced(questions: Sequence[GoldQuestion], limit: int) -> list[GoldQuestion]:
    """At most `limit` of the questions, evenly spaced, since sets are often in the order of their languages."""
    count = min(limit, len(questions))
    return [questions[number * len(questions) // count] for number in range(count)]


def retyped(question: GoldQuestion, variant: str) -> GoldQuestion:
    """The question as the variant types it."""
    text = typed({"_id": question.id, "text": question.text, "lang": question.language}, variant)
    return replace(question, text=text)


def effects(plain: Run, run: Run) -> tuple[Change, ...]:
    """What became of `FIGURES`, over the questions of `run`, which are of `plain` in other words."""
    before, after = numbers(plain), numbers(run)
    languages = {name: {key(outcome) for outcome in some} for name, some in by(run.outcomes, "language").items()}
    paged = any(source.page for outcome in run.outcomes for source in outcome.question.sources)
    found = []
    for figure in FIGURES:
        if figure.startswith("retrieval/page") and not paged:
            continue
        shared = [name for name in after.get(figure, {}) if name in before.get(figure, {})]
        for group, names in {ALL: set(shared), **languages}.items():
            ours, theirs = ([side[figure][name] for name in shared if name in names] for side in (before, after))
            if ours:
                before_mean, after_mean = (sum(values) / len(values) for values in (ours, theirs))
                found.append(Change(figure, group, before_mean, after_mean, compare(ours, theirs)))
    return tuple(found)


def report(found: Robustness) -> dict[str, Any]:
    """The same as JSON: by variant, group and figure the means before and after, the difference and its p-value."""
    variants: dict[str, Any] = {}
    for item in found.variants:
        groups: dict[str, Any] = {}
        for change in item.changes:
            groups.setdefault(change.group, {})[change.figure] = {
                "before": change.before,
                "after": change.after,
                "difference": asdict(change.comparison.difference),
                "p_value": change.comparison.p_value,
            }
        variants[item.variant] = {"questions": len(item.run.outcomes), "groups": groups}
    return {
        "questions": len(found.plain.outcomes),
        "index_version": found.plain.index_version,
        "revision": found.plain.revision,
        "settings": dict(found.plain.settings),
        "variants": variants,
    }


def sections(name: str, found: Robustness) -> tuple[Section, ...]:
    """Parts of a report: the table with its plot, and questions that were found as written and are lost as typed."""
    shown = [figure for figure in FIGURES if any(item.change(figure) for item in found.variants)]
    shown = [figure for figure in shown if "@1" not in figure]
    rows: list[tuple[Any, ...]] = []
    for item in found.variants:
        groups = [*dict.fromkeys(change.group for change in item.changes)]
        # Of one language all is that language.
        for group in groups if len(groups) > 2 else groups[1:]:
            cells = (_cell(item.change(figure, group)) for figure in shown)
            count = max(change.comparison.difference.count for change in item.changes if change.group == group)
            rows.append((item.variant, group, count, *cells))
    table = Section(
        title=f"Typed differently: {name}",
        paragraphs=(
            "The same questions, typed as people type them. Each variant is compared with the questions as they were"
            " written, over those alone that it changes: percent before and after, and in brackets the p-value of a"
            " paired randomisation test, marked where it is below 0.05. Of many such values one in twenty is below by"
            " chance alone. Worst first.",
        ),
        titles=("variant", "language", "questions", *(FIGURES[figure] for figure in shown)),
        rows=tuple(rows),
        figure=_plot(found, LEADING) if found.variants else None,
        alternative="Change of the share found in the first five by variant, with 95 % intervals; means in the table.",
        first=True,
    )
    plots = [
        Section(
            title=f"Typed differently: {FIGURES[figure]}, {name}",
            figure=_plot(found, figure),
            alternative=f"Change of this figure by variant, with 95 % intervals: {FIGURES[figure]}.",
        )
        for figure in _PLOTTED
        if any(item.change(figure) for item in found.variants)
    ]
    examples = tuple(row for item in found.variants for row in _lost(found.plain, item))
    if not examples:
        return (table, *plots)
    lost = Section(
        title=f"Typed differently: questions lost, {name}",
        paragraphs=("Found among the first five passages as written, not found as typed.",),
        titles=("variant", "question", "as written", "as typed"),
        rows=examples,
    )
    return (table, *plots, lost)


def _loss(item: Retyped) -> float:
    change = item.change(LEADING)
    return change.comparison.difference.value if change else 0.0


def _cell(change: Change | None) -> str:
    if change is None:
        return ""
    mark = "*" if change.comparison.p_value < _SIGNIFICANT else ""
    return f"{100 * change.before:.1f} → {100 * change.after:.1f} ({change.comparison.p_value:.3f}{mark})"


def _lost(plain: Run, item: Retyped) -> list[tuple[str, ...]]:
    before, after = (numbers(run).get(LEADING, {}) for run in (plain, item.run))
    written: Mapping[str, Outcome] = {key(outcome): outcome for outcome in plain.outcomes}
    gone = [outcome for outcome in item.run.outcomes if before.get(key(outcome), 0) > after.get(key(outcome), 1)]
    return [
        (item.variant, outcome.question.id, written[key(outcome)].question.text, outcome.question.text)
        for outcome in gone[:_EXAMPLES]
    ]


def _plot(found: Robustness, figure: str) -> bytes:
    """Differences with their intervals: a row a variant, a series a language."""
    groups = sorted({change.group for item in found.variants for change in item.changes} - {ALL}) or [ALL]
    series = {group: [_difference(item.change(figure, group)) for item in found.variants] for group in groups}
    label = f"{FIGURES[figure]}: change in percentage points"
    return forest([item.variant for item in found.variants], series, label, difference=True)


def _difference(change: Change | None) -> Estimate | None:
    return change.comparison.difference if change else None
