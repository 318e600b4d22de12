"""Bars as small inline SVG, whose colours are the page's and whose numbers stand beside them as a table.

Letters are HTML around the picture, which is stretched: so they are as large on a phone as elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape

from web.maintain.words import count, day

_HEIGHT = 100
_SHARE = 0.8
"""Of its room that a bar takes."""
_SINGLE_DAYS = 90


@dataclass(frozen=True, slots=True)
class Series:
    """`values` are as many as there are bars; `tone` is a class of the style sheet."""

    name: str
    tone: str
    values: Sequence[int]


def periods(first: date, last: date) -> list[tuple[date, date]]:
    """First and last day of each bar: days, or weeks where there would be too many."""
    step = 1 if (last - first).days < _SINGLE_DAYS else 7
    starts = [first + timedelta(number) for number in range(0, (last - first).days + 1, step)]
    return [(start, min(start + timedelta(step - 1), last)) for start in starts]


def by_period(
    counts: Mapping[tuple[str, str], int], wanted: Mapping[str, str], bars: Sequence[tuple[date, date]]
) -> dict[str, list[int]]:
    """Counts by day and name as lists of a value a bar; `wanted` says which list a name belongs to."""
    found = {key: [0] * len(bars) for key in wanted.values()}
    first, step = bars[0][0], (bars[0][1] - bars[0][0]).days + 1
    for (text, name), times in counts.items():
        place = (date.fromisoformat(text) - first).days // step
        if name in wanted and 0 <= place < len(bars):
            found[wanted[name]][place] += times
    return found


def plot(
    identifier: str, title: str, texts: Mapping[str, str], language: str, labels: Sequence[str],
    series: Sequence[Series], note: str = "",
) -> str:  # fmt: skip
    """Stacked bars with their legend and table; a sentence where all is zero."""
    sums = [sum(values) for values in zip(*(item.values for item in series), strict=True)]
    top = max(sums, default=0)
    about = f'<p class="note">{escape(note)}</p>' if note else ""
    head = f'<h2 id="{identifier}">{escape(title)}</h2>{about}'
    if not top:
        return f'<section class="plot">{head}<p class="nothing">{escape(texts["maintain_nothing"])}</p></section>'
    totals = [(item, sum(item.values)) for item in series]
    legend = "".join(
        f'<li><span class="key {item.tone}"></span>{escape(item.name)} <b>{count(total, language)}</b></li>'
        for item, total in totals
    )
    said = ", ".join(f"{item.name}: {count(total, language)}" for item, total in totals)
    bars = "".join(_bar(place, labels[place], series, top, language) for place in range(len(labels)))
    axis = "".join(f"<span>{escape(label)}</span>" for label in _axis(labels))
    return (
        f'<section class="plot">{head}<ul class="legend">{legend}</ul><div class="drawn">'
        f'<span class="top" aria-hidden="true">{count(top, language)}</span>'
        f'<svg viewBox="0 0 {len(labels)} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(f"{title}. {said}")}">{bars}</svg>'
        f'<div class="axis" aria-hidden="true">{axis}</div></div>'
        f"{_table(identifier, texts, language, labels, series)}</section>"
    )


def days(bars: Sequence[tuple[date, date]], language: str) -> list[str]:
    """What stands at the bars."""
    return [day(first, language) if first == last else f"{day(first, language)} –" for first, last in bars]


def _bar(place: int, label: str, series: Sequence[Series], top: int, language: str) -> str:
    told = ", ".join(f"{item.name}: {count(item.values[place], language)}" for item in series if item.values[place])
    parts, below = [], 0.0
    for item in series:
        height = _HEIGHT * item.values[place] / top
        if height:
            below += height
            parts.append(
                f'<rect class="{item.tone}" x="{place + (1 - _SHARE) / 2:.2f}" y="{_HEIGHT - below:.2f}" '
                f'width="{_SHARE}" height="{height:.2f}"/>'
            )
    room = f'<rect class="room" x="{place}" y="0" width="1" height="{_HEIGHT}"/>'
    return f"<g><title>{escape(f'{label} {told}' if told else label)}</title>{room}{''.join(parts)}</g>"


def _axis(labels: Sequence[str]) -> list[str]:
    return [labels[0]] if len(labels) == 1 else [labels[0], labels[-1]]


def _table(
    identifier: str, texts: Mapping[str, str], language: str, labels: Sequence[str], series: Sequence[Series]
) -> str:
    head = "".join(f'<th scope="col">{escape(item.name)}</th>' for item in series)
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(f"<td>{count(item.values[place], language)}</td>" for item in series)
        + "</tr>"
        for place, label in enumerate(labels)
    )
    return (
        f'<details><summary>{escape(texts["maintain_table"])}</summary><div class="scroll" tabindex="0" role="region" '
        f'aria-labelledby="{identifier}"><table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</div></details>"
    )
