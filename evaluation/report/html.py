"""The report as one page that needs nothing else: style, script and plots stand in it.

Texts of documents, questions and answers are untrusted: the template escapes all of them, nothing of them becomes a
link, and the page's policy lets no address be asked.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from evaluation.changes import Change
from evaluation.report import names, plots, tables, verdict
from evaluation.report.columns import LEVELS, Column
from evaluation.report.drill import Asked
from evaluation.report.faults import FAULTS
from evaluation.report.section import Section, section_cell
from evaluation.retrieval import ALL
from evaluation.statistics import Estimate
from rag.text import visible

_TEMPLATES = Path(__file__).parent / "templates"
_PANELS = 6
_CHANGES = 20
_ANSWERS = ("inside", "token_f1", "rouge_l", "cited", "cited_page", "citation_precision_page", "faithful")


def page(
    columns: Sequence[Column], asked: Sequence[Asked], changes: Sequence[Change], sections: Sequence[Section]
) -> str:
    """The page, with `asked` in the order in which questions are listed; plots take most of its time."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        name: getattr(names, name) for name in ("percent", "points", "probability", "seconds", "title")
    }
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8").strip()
    told = verdict.told(changes, len(columns))
    outcomes = [outcome for column in columns for outcome in column.outcomes]
    return environment.get_template("report.html").render(
        # Ours, so they stay as they are.
        style=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8").strip()),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        columns=columns,
        sets=sorted({outcome.question.set for outcome in outcomes}),
        languages=sorted({outcome.question.language for outcome in outcomes}),
        questions=len({(outcome.question.set, outcome.question.id) for outcome in outcomes}),
        verdict=told,
        changed=_changed(told),
        headline=tables.headline(columns),
        retrieval=[(level, _retrieval(columns, level), *_recalls(columns, level)) for level in _levels(columns)],
        runs=tables.runs(columns) if len(columns) > 1 else None,
        answers=tables.answers(columns),
        answers_plot=_answers(columns),
        refusals=tables.refusals(columns),
        refusals_plot=_refusals(columns),
        costs=tables.costs(columns),
        by_set=tables.by_set(columns),
        asked=asked,
        faults=[(kind, FAULTS[kind], sum(kind in one.faults for one in asked)) for kind in FAULTS],
        sections=[(section, _figure(section, number), _table(section)) for number, section in enumerate(sections)],
        settings=tables.settings(columns),
        definitions=names.FIGURES,
        level=names.LEVEL_PERCENT,
        language=_language,
    )


def _shown(value: Any) -> Any:
    """Nothing invisible reaches the page, which could turn the text around or hide some of it."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _language(code: str) -> str:
    """A code for the attribute `lang`; empty for what is none."""
    return code if code.isascii() and code.isalpha() and 2 <= len(code) <= 3 else ""


def _table(section: Section) -> tables.Table | None:
    rows = tuple(tuple(map(section_cell, row)) for row in section.rows)
    return tables.Table(f"{section.title}: figures", section.titles, rows) if rows else None


def _levels(columns: Sequence[Column]) -> list[str]:
    return [level for level in reversed(LEVELS) if any(level in column.retrieval for column in columns)]


def _recalls(columns: Sequence[Column], level: str) -> tuple[tables.Table, tables.Table | None]:
    """The table that is shown, and one behind it with more."""
    every = tables.retrieval(columns, level)
    return (every, None) if len(columns) == 1 else (tables.recalls(columns, level), every)


def _retrieval(columns: Sequence[Column], level: str) -> Markup:
    """Recall@5 by language pair: of every ranker, or of every column with the ranker that counts."""
    groups = [*dict.fromkeys(group for column in columns for group in column.retrieval.get(level, {}))]
    if len(columns) == 1:
        figures = columns[0].retrieval[level]
        series: dict[str, list[Estimate | None]] = {
            ranker: [figures[group][ranker]["recall@5"] for group in groups] for ranker in figures[ALL]
        }
    else:
        series = {
            column.name: [
                column.retrieval[level][group][column.ranker]["recall@5"]
                if group in column.retrieval.get(level, {})
                else None
                for group in groups
            ]
            for column in columns
        }
    return _inline(plots.forest(groups, series, f"recall@5 by {level}, percent"), f"retrieval-{level}")


def _answers(columns: Sequence[Column]) -> Markup | None:
    if not any(column.answers[ALL].shares for column in columns):
        return None
    groups = (
        {column.name: column.answers[ALL] for column in columns}
        if len(columns) > 1
        else {name: found for name, found in columns[0].answers.items() if name != ALL}
    )
    shown = [name for name in _ANSWERS if any(name in found.shares for found in groups.values())]
    series = {group: [found.shares.get(name) for name in shown] for group, found in groups.items()}
    return _inline(plots.forest([names.FIGURES[name][0] for name in shown], series), "answers")


def _refusals(columns: Sequence[Column]) -> Markup | None:
    panels: dict[str, tuple[list[float], list[float], float]] = {}
    for column in columns:
        for run in column.runs:
            asked = [outcome for outcome in run.outcomes if outcome.said or outcome.failure]
            sides = [[one.confidence for one in asked if one.question.answerable == wanted] for wanted in (True, False)]
            name = ", ".join(filter(None, (column.name, run.set, f"threshold {run.threshold:g}")))
            if asked and len(panels) < _PANELS:
                panels[name] = (sides[0], sides[1], run.threshold)
    return _inline(plots.confidences(panels), "confidence") if panels else None


def _changed(found: verdict.Verdict) -> Markup | None:
    """The differences that matter most."""
    shown = [one for one in (*found.drops, *found.gains, *found.others) if one.comparison.difference.value][:_CHANGES]
    if not shown:
        return None
    rows = [names.title(one.figure) + (f", {one.group}" if one.group != ALL else "") for one in shown]
    series = {"difference": [change.comparison.difference for change in shown]}
    return _inline(plots.forest(rows, series, "difference in percentage points", difference=True), "changes")


def _inline(found: bytes, name: str) -> Markup:
    return Markup(plots.within(found, name))


def _figure(section: Section, number: int) -> Markup | str | None:
    """An SVG that follows the page's colours as it is, any other picture as an address that holds it."""
    if section.figure is None:
        return None
    if section.figure.startswith(b"<svg"):
        return _inline(section.figure, f"section-{number}")
    kind = "png" if section.figure.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(section.figure).decode()}"
