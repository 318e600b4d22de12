"""The report in short, as the text of a pull request's comment.

What comes from documents, questions, answers and names of sets is untrusted: it stands in code spans alone, where
nothing of it becomes a heading, a link, a picture, a mention or a reference.
"""

import re
from collections.abc import Iterable, Sequence

from evaluation.changes import Change
from evaluation.report import names, tables, verdict
from evaluation.report.columns import Column
from evaluation.report.drill import Asked
from evaluation.report.faults import SHOWN
from evaluation.report.names import percent, points, probability, title
from evaluation.report.section import Section, section_cell
from evaluation.report.tables import Cell, Table
from evaluation.retrieval import ALL
from evaluation.tables import table
from rag.text import flatten, visible

LIMIT = 65_536
"""Characters that GitHub takes."""
_WORST = 5
_CHANGES = 10
_PAIRS = 20
_COLUMNS = 8
_TEXT = 240
_ROWS = 40
_PLAIN = re.compile(
    r"(?!\W?(?:www\.|GH-\d))[(„“”‘\"]?[^\W_](?:[\w.,;:%()’'”“\"–−+-](?<!_))*|[(−–+-]?\d[\d.,%();:]*|[<>=–−→+-]"
)


def text(
    columns: Sequence[Column], asked: Sequence[Asked], changes: Sequence[Change], sections: Sequence[Section] = ()
) -> str:
    """Within the limit: verdict, what comes first, headline figures, recall by language pair, the worst questions."""
    columns = columns[:_COLUMNS]
    sets = [*dict.fromkeys(run.set for column in columns for run in column.runs)]
    parts = [
        [f"## Evaluation: {', '.join(map(code, sets[:_PAIRS]))}"],
        _verdict(changes, len(columns)),
        [f"- {column.name}: {code(column.label)}" for column in columns] if len(columns) > 1 else [],
        *(_section(section) for section in sections if section.first and section.rows),
        _table(tables.headline(columns)),
        _pairs(columns),
        _worst(asked),
        _footer(columns),
    ]
    found = ""
    for part in filter(None, parts):
        added = found + "\n".join(part) + "\n\n"
        if len(added) < LIMIT:
            found = added
    return found.rstrip() + "\n"


def code(value: str, limit: int = _TEXT) -> str:
    """A text as a code span of one line, with a fence that the text does not hold; right in a table, too."""
    line = flatten(visible(value))
    line = line if len(line) <= limit else line[: limit - 1] + "…"
    # A table is cut at bars before its code spans are found, and no escape looks right outside of one.
    line = line.replace("|", "¦") or " "
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def sentence(value: str) -> str:
    """A text in one line, with every word that could be markup, a link, a mention or a reference as a code span."""
    return " ".join(word if _PLAIN.fullmatch(word) else code(word) for word in flatten(visible(value)).split())


def _section(section: Section) -> list[str]:
    lines = [f"### {sentence(section.title)}", ""]
    for paragraph in section.paragraphs:
        lines += [sentence(paragraph), ""]
    rows = [[sentence(section_cell(one)) for one in row] for row in section.rows[:_ROWS]]
    return [*lines, *table([sentence(one) for one in section.titles], rows)] if rows else lines


def _verdict(changes: Sequence[Change], columns: int) -> list[str]:
    found = verdict.told(changes, columns)
    lines = [f"**{found.text}** {found.note}"]
    named = [*found.drops, *found.gains]
    if named:
        rows = [
            [
                title(one.figure),
                code(one.group),
                percent(one.before),
                percent(one.after),
                f"{points(one.comparison.difference.value)} ({points(one.comparison.difference.low)} to"
                f" {points(one.comparison.difference.high)})",
                probability(one.comparison.p_value),
            ]
            for one in named[:_CHANGES]
        ]
        titles = ("Significant change", "Group", "Before", "After", "Points", "p-value")
        lines += ["", *table(titles, rows)]
    if len(named) > _CHANGES:
        lines += ["", f"and {len(named) - _CHANGES} more significant changes, which the page lists."]
    return lines


def _table(found: Table) -> list[str]:
    heads = [found.titles[0], *(name for name in found.titles[1:])]
    return [f"{found.caption}:", "", *table(heads, [[_cell(one) for one in row] for row in found.rows])]


def _pairs(columns: Sequence[Column]) -> list[str]:
    """Recall@5 by document and page of each pair, of the ranker that counts."""
    rows = []
    for column in columns:
        for pair, rankers in column.retrieval.get("document", {}).items():
            by_page = column.retrieval["page"][pair][column.ranker]["recall@5"]
            by_document = rankers[column.ranker]["recall@5"]
            label = [column.name] if len(columns) > 1 else []
            figures = (f"{percent(one.value)} ({names.interval(one)})" for one in (by_document, by_page))
            rows.append([*label, pair if pair == ALL else code(pair), by_document.count, *figures])
    if not rows:
        return []
    titles = [*(["Run"] if len(columns) > 1 else []), "Pair", "Questions", f"Recall@{SHOWN}, document"]
    lines = [*table([*titles, f"Recall@{SHOWN}, page"], rows[: _PAIRS * len(columns)])]
    return ["<details><summary>By language pair</summary>", "", *lines, "", "</details>"]


def _worst(asked: Sequence[Asked]) -> list[str]:
    """The worst question of each kind of fault first, then the next of each."""
    chosen: list[Asked] = []
    left = [one for one in asked if one.faults]
    while left and len(chosen) < _WORST:
        kinds: set[str] = set()
        for one in left:
            if one.faults[0] not in kinds and len(chosen) < _WORST:
                kinds.add(one.faults[0])
                chosen.append(one)
        left = [one for one in left if one not in chosen]
    lines = []
    for one in chosen:
        outcome = next(attempt.outcome for attempt in one.attempts if attempt.faults)
        expected = one.question.answers[0] if one.question.answers else "" if one.question.answerable else "a refusal"
        said = outcome.said.text if outcome.said else outcome.failure
        lines.append(f"- **{', '.join(one.faults)}** {code(one.question.text)} ({code(one.question.id, 60)})")
        lines += [f"  - expected: {code(expected)}"] if expected else []
        lines += (
            [f"  - {'answered' if outcome.said and outcome.said.answered else 'refused'}: {code(said)}"] if said else []
        )
    return (
        [f"<details><summary>The worst {len(chosen)} questions</summary>", "", *lines, "", "</details>"]
        if lines
        else []
    )


def _footer(columns: Sequence[Column]) -> list[str]:
    first = columns[-1].runs[0]
    facts: Iterable[str] = (
        f"revision {code(first.revision, 60)}",
        f"index {', '.join(code(run.index_version, 60) for run in columns[-1].runs[:_PAIRS])}",
        f"embedder {code(str(first.settings.get('embedder', '')), 80)}",
        f"models {code(', '.join(map(str, first.settings.get('models', ()))), 120)}",
        f"machine {code(str(first.machine.get('processor', '')), 60)}, {first.machine.get('cores', '?')} cores",
    )
    return [
        f"<sub>{'; '.join(facts)}. Percent; intervals hold the true value {names.LEVEL_PERCENT} times of 100.</sub>"
    ]


def _cell(value: Cell) -> str:
    return str(value) if isinstance(value, str | int) else f"{value[0]} ({value[1]})"
