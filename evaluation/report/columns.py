"""The runs of a report side by side: a column is one configuration, asked one set or several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation import answers, retrieval
from evaluation.answers import AnswerFigures
from evaluation.outcome import Outcome, Run, by
from evaluation.report.faults import shown_ranker
from evaluation.retrieval import ALL, DOCUMENT, PAGE, Figures, key
from evaluation.statistics import Estimate, mean

LEVELS = (DOCUMENT, PAGE)
# What follows from the documents of a set, or from the machine, tells no configurations apart.
_OF_A_SET = ("documents", "chunks")
_LABEL = 80


@dataclass(frozen=True, slots=True)
class Column:
    """Runs of one configuration over sets that share no question, and their figures.

    `name` is a letter, empty where there is one column alone; `label` says what tells it from the others.
    `retrieval` is by level, language pair, ranker and metric, `retrieval_by_set` by set in place of the pair, `answers`
    by language, `answers_by_set` by set; each group but sets holds `all`, too. `headline` is the figures that are
    looked at first, by the names that `names.title` knows.
    """

    name: str
    label: str
    runs: tuple[Run, ...]
    outcomes: tuple[Outcome, ...]
    retrieval: Mapping[str, Figures]
    retrieval_by_set: Mapping[str, Figures]
    answers: Mapping[str, AnswerFigures]
    answers_by_set: Mapping[str, AnswerFigures]
    headline: Mapping[str, Estimate]

    @property
    def ranker(self) -> str:
        """The ranker whose passages a visitor sees; empty where none was run."""
        return next((shown_ranker(outcome) for outcome in self.outcomes if outcome.rankings), "")


def columns(runs: Sequence[Run]) -> tuple[Column, ...]:
    """The runs by configuration, in the order of the first of each: runs of the same questions are put side by side."""
    grouped: list[list[Run]] = []
    asked: list[set[str]] = []
    for run in runs:
        keys = {key(outcome) for outcome in run.outcomes}
        for group, theirs in zip(grouped, asked, strict=True):
            if not theirs & keys:
                group.append(run)
                theirs |= keys
                break
        else:
            grouped.append([run])
            asked.append(keys)
    letters = [*map(_letter, range(len(grouped)))] if len(grouped) > 1 else [""]
    return tuple(_column(*parts) for parts in zip(letters, _labels(grouped), grouped, strict=True))


def _labels(groups: Sequence[Sequence[Run]]) -> list[str]:
    """What tells each group from the others: settings that differ, else the revision, the index, the time."""
    settings = [group[0].settings for group in groups]
    configurations = [str(one.get("configuration", "")) for one in settings]
    if all(configurations) and len({*configurations}) == len(groups):
        # They were asked to be told apart by this.
        return configurations
    names = [name for name in dict.fromkeys(name for one in settings for name in one) if name not in _OF_A_SET]
    differing = [name for name in names if len({repr(one.get(name)) for one in settings}) > 1]
    labels = ["; ".join(f"{name} {_plain(one.get(name))}" for name in differing)[:_LABEL] for one in settings]
    for other in ("set", "revision", "index_version", "time"):
        if len({*labels}) == len(labels):
            break
        values = [str(getattr(group[0], other)) for group in groups]
        if len({*values}) > 1:
            labels = ["; ".join(filter(None, (label, value))) for label, value in zip(labels, values, strict=True)]
    return labels


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "none" if value in ("", None) else str(value)


def _column(name: str, label: str, runs: Sequence[Run]) -> Column:
    outcomes = tuple(outcome for run in runs for outcome in run.outcomes)
    # A group of several runs has several thresholds: none of their figures depends on it.
    threshold = runs[0].threshold
    values = {level: retrieval.values(outcomes, level) for level in LEVELS}
    sets, languages = by(outcomes, "set"), by(outcomes, "language")
    every = answers.figures(outcomes, threshold)
    groups = {ALL: every} | {name: answers.figures(some, threshold) for name, some in languages.items()}
    by_set = {name: answers.figures(some, threshold) for name, some in sets.items()} if len(sets) > 1 else {}
    pairs = {level: retrieval.summed(values[level], outcomes) for level in LEVELS if values[level]}
    of_sets = {level: retrieval.summed(values[level], outcomes, "set") for level in LEVELS if values[level]}
    headline = _headline(outcomes, pairs, every)
    return Column(name, label, tuple(runs), outcomes, pairs, of_sets, groups, by_set, headline)


def _headline(outcomes: Sequence[Outcome], pairs: Mapping[str, Figures], every: AnswerFigures) -> dict[str, Estimate]:
    found = {}
    for level in reversed(LEVELS):
        if level in pairs:
            *_, (ranker, figures) = pairs[level][ALL].items()
            found[f"retrieval/{level}/{ranker}/recall@5"] = figures["recall@5"]
    for name in ("inside", "token_f1", "cited_page", "faithful"):
        if name in every.shares:
            found[f"answers/{name}"] = every.shares[name]
    if every.questions:
        found["answers/unsupported"] = every.unsupported
        asked = [outcome for outcome in outcomes if outcome.said or outcome.failure]
        for answerable, name in ((True, "answered"), (False, "refused")):
            right = [
                outcome.said is not None and outcome.said.answered == answerable
                for outcome in asked
                if outcome.question.answerable == answerable
            ]
            if right:
                found[f"refusals/{name}"] = mean([*map(float, right)])
        if every.auroc.count:
            found["refusals/auroc"] = every.auroc
    return found
