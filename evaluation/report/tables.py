"""The tables of a report, as texts and figures with their intervals. Knows nothing of HTML and Markdown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.answers import AnswerFigures, Spread
from evaluation.report.columns import Column
from evaluation.report.names import FIGURES, NOTHING, interval, percent, seconds, title
from evaluation.retrieval import ALL, METRICS
from evaluation.statistics import Estimate

_TIMES = ("total", "first_token")
Cell = str | int | tuple[str, str]
"""A text, a count, or a figure and its interval."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below titles; the first `heads` cells of a row say what the row is of; `texts` are not figures."""

    caption: str
    titles: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    heads: int = 1
    texts: bool = False


def headline(columns: Sequence[Column]) -> Table:
    """The figures that are looked at first, a column each."""
    shown = [*dict.fromkeys(figure for column in columns for figure in column.headline)]
    rows = [(title(figure), *(_estimate(column.headline.get(figure)) for column in columns)) for figure in shown]
    return Table("Headline figures, percent", ("Figure", *(column.name or "Value" for column in columns)), tuple(rows))


def retrieval(columns: Sequence[Column], level: str) -> Table:
    """Every metric by column, language pair and ranker."""
    several = len(columns) > 1
    rows: list[tuple[Cell, ...]] = []
    for column in columns:
        for pair, rankers in column.retrieval.get(level, {}).items():
            for ranker, metrics in rankers.items():
                head = (column.name, pair, ranker) if several else (pair, ranker)
                count = next(iter(metrics.values())).count
                rows.append((*head, count, *(_estimate(metrics[name]) for name in METRICS)))
    titles = ("Pair", "Ranker", "Questions", *(FIGURES[name][0] for name in METRICS))
    caption = f"Retrieval by {level}, question and document language, percent"
    return Table(caption, ("Run", *titles) if several else titles, tuple(rows), 2 + several)


def recalls(columns: Sequence[Column], level: str) -> Table:
    """Recall@5 by language pair, a column each, of the ranker whose passages a visitor sees."""
    rows: list[tuple[Cell, ...]] = []
    for pair in dict.fromkeys(pair for column in columns for pair in column.retrieval.get(level, {})):
        found = [
            column.retrieval[level][pair][column.ranker]["recall@5"]
            if pair in column.retrieval.get(level, {})
            else None
            for column in columns
        ]
        rows.append((pair, max(one.count for one in found if one), *map(_estimate, found)))
    titles = ("Pair", "Questions", *(column.name for column in columns))
    return Table(f"Recall@5 by {level} of the passages that are shown, percent", titles, tuple(rows))


def runs(columns: Sequence[Column]) -> Table:
    """What the letters of several columns stand for."""
    rows = [
        (column.name, column.label, ", ".join(run.set for run in column.runs), column.runs[0].revision)
        for column in columns
    ]
    return Table("The runs", ("Run", "What differs", "Sets", "Revision"), tuple(rows), texts=True)


def answers(columns: Sequence[Column]) -> list[Table]:
    """Every figure of answers: by column where there are several, and for each of them by language."""
    tables = []
    if len(columns) > 1:
        tables.append(_shares("Answers, percent", {column.name: column.answers[ALL] for column in columns}))
    for column in columns:
        name = f" of {column.name}" if len(columns) > 1 else ""
        tables.append(_shares(f"Answers{name} by the question's language, percent", column.answers))
    return [table for table in tables if table.rows]


def refusals(columns: Sequence[Column]) -> Table:
    """What was answered and refused, by column, set and language."""
    several = len(columns) > 1
    rows: list[tuple[Cell, ...]] = []
    for column in columns:
        groups: list[tuple[str, AnswerFigures, str]] = []
        thresholds = {outcome.question.set: run.threshold for run in column.runs for outcome in run.outcomes}
        one = f"{column.runs[0].threshold:g}" if len({*thresholds.values()}) == 1 else NOTHING
        groups += [(name, found, f"{thresholds[name]:g}") for name, found in column.answers_by_set.items()]
        groups += [(name, found, one) for name, found in column.answers.items()]
        for name, found, threshold in groups:
            if not found.questions:
                continue
            counts = found.confusion
            rows.append(
                (
                    *((column.name,) if several else ()),
                    name,
                    counts.answered,
                    counts.wrongly_refused,
                    counts.refused,
                    counts.wrongly_answered,
                    counts.failed,
                    _estimate(found.auroc),
                    threshold,
                )
            )
    titles = (
        "Questions",
        "Answered",
        "Wrongly refused",
        "Refused",
        "Wrongly answered",
        "Failed",
        "AUROC, percent",
        "Threshold",
    )
    caption = "Answerable questions answered or wrongly refused, unanswerable ones refused or wrongly answered"
    return Table(caption, ("Run", *titles) if several else titles, tuple(rows), 1 + several)


def costs(columns: Sequence[Column]) -> Table:
    """Length, time and tokens of answers."""
    rows: list[tuple[Cell, ...]] = []
    for column in columns:
        found = column.answers[ALL]
        kinds: tuple[tuple[str, Mapping[str, Spread], Callable[[float], str]], ...] = (
            ("length, ", found.length, lambda value: f"{value:.0f}"),
            ("time, ", dict(sorted(found.seconds.items(), key=lambda one: -one[1].p50)), seconds),
            ("", found.tokens, lambda value: f"{value:.0f}"),
        )
        for prefix, spreads, written in kinds:
            for name, spread in spreads.items():
                if spread.count and (len(columns) == 1 or prefix != "time, " or name in _TIMES):
                    head = (column.name,) if len(columns) > 1 else ()
                    text = f"{prefix}{name.replace('_', ' ')}"
                    values = (written(value) for value in (spread.p50, spread.p95, spread.mean))
                    rows.append((*head, text, *values, spread.count))
    titles = ("Answers'", "Median", "95th percentile", "Mean", "Answers")
    several = len(columns) > 1
    return Table(
        "Length, time and tokens of an answer", ("Run", *titles) if several else titles, tuple(rows), 1 + several
    )


def by_set(columns: Sequence[Column]) -> Table | None:
    """The headline figures by set, where there are several."""
    rows: list[tuple[Cell, ...]] = []
    several = len(columns) > 1
    for column in columns:
        for name, found in column.answers_by_set.items():
            cells: list[Cell] = [*((column.name,) if several else ()), name]
            cells.append(sum(outcome.question.set == name for outcome in column.outcomes))
            for level in ("document", "page"):
                group = column.retrieval_by_set.get(level, {}).get(name, {})
                cells.append(_estimate(group[column.ranker]["recall@5"] if group else None))
            cells += [_estimate(found.shares.get(figure)) for figure in ("inside", "cited_page", "faithful")]
            counts = found.confusion
            cells.append(_part(counts.answered, counts.answered + counts.wrongly_refused))
            cells.append(_part(counts.refused, counts.refused + counts.wrongly_answered))
            cells.append(seconds(found.seconds["total"].p50) if "total" in found.seconds else NOTHING)
            rows.append(tuple(cells))
    if not rows:
        return None
    names = ("inside", "cited_page", "faithful", "answered", "refused")
    titles = ("Set", "Questions", "Recall@5, document", "Recall@5, page", *(FIGURES[name][0] for name in names))
    titles = (*titles, "Median time")
    return Table("Figures by set, percent", ("Run", *titles) if several else titles, tuple(rows), 1 + several)


def settings(columns: Sequence[Column]) -> Table:
    """What each run depends on, a column a run."""
    runs = [run for column in columns for run in column.runs]
    labels = [column.name for column in columns for _ in column.runs]
    rows: list[tuple[Cell, ...]] = [("run", *labels)] if len(columns) > 1 else []
    for name in ("time", "seconds", "revision", "index_version"):
        rows.append((name.replace("_", " "), *(str(getattr(run, name)) for run in runs)))
    for which in ("settings", "machine"):
        for name in dict.fromkeys(name for run in runs for name in getattr(run, which)):
            rows.append((name.replace("_", " "), *(_plain(getattr(run, which).get(name)) for run in runs)))
    return Table("Settings and machine of each run", ("Set", *(run.set for run in runs)), tuple(rows), texts=True)


def _shares(caption: str, groups: Mapping[str, AnswerFigures]) -> Table:
    shown = [name for name in FIGURES if any(name in found.shares for found in groups.values())]
    rows: list[tuple[Cell, ...]] = [
        (title(name), *(_estimate(found.shares.get(name)) for found in groups.values())) for name in shown
    ]
    if shown:
        rows.append((title("unsupported"), *(_estimate(found.unsupported) for found in groups.values())))
    heads = (f"{name} ({found.questions})" for name, found in groups.items())
    return Table(caption, ("Figure (questions)", *heads), tuple(rows))


def _estimate(estimate: Estimate | None) -> Cell:
    return (percent(estimate.value), interval(estimate)) if estimate and estimate.count else NOTHING


def _part(part: int, whole: int) -> Cell:
    return (percent(part / whole), f"{part} of {whole}") if whole else NOTHING


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or NOTHING
    return NOTHING if value in ("", None) else str(value)
