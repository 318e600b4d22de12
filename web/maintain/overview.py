"""The overview: how many questions there were, how they ended, how long they took, and what answered them."""

from collections.abc import Mapping
from html import escape

from fastapi.responses import Response

from rag.feedback import Store
from rag.feedback import Wanted as Rated
from rag.models import model_names, public_name
from rag.settings import Settings
from web.maintain.frame import Reader, choices, nothing, page
from web.maintain.journal import BINS, COUNT_DAYS, SECONDS, Journal
from web.maintain.plots import Series, by_period, days, periods, plot
from web.maintain.wanted import today
from web.maintain.words import count, duration, share
from web.numbers import number

_ENDINGS = {
    "answered": "answered", "refused": "refused", "failed": "failed", "courtesy": "other", "left": "other",
}  # fmt: skip
_TONES = {"answered": "good", "refused": "fair", "failed": "poor", "other": "rest", "up": "good", "down": "poor"}
_STAGE = "stage "


def overview(reader: Reader, settings: Settings, journal: Journal, store: Store) -> Response:
    """The page. Blocks; raises JournalUnavailable and FeedbackUnavailable."""
    strings, language = reader.texts, reader.language
    bars = periods(reader.wanted.first_day, today())
    labels = days(bars, language)
    asked = by_period(journal.daily(reader.chosen, reader.since, "outcome"), _ENDINGS, bars)
    rated = by_period(store.daily(rated_of(reader)), {"up": "up", "down": "down"}, bars)
    totals = journal.totals(reader.chosen, reader.since)

    def drawn(identifier: str, found: Mapping[str, list[int]]) -> str:
        series = [Series(strings[f"maintain_{name}"], _TONES[name], values) for name, values in found.items()]
        return plot(identifier, strings[f"maintain_{identifier}"], strings, language, labels, series)

    sections = [
        _tiles(reader, {name: sum(values) for name, values in (asked | rated).items()}),
        drawn("over_time", asked),
        *([drawn("ratings", rated)] if settings.feedback or any(map(any, rated.values())) else []),
        _confidence(reader, totals),
        _stages(reader, totals),
        _models(reader, settings, totals),
        _codes(reader, totals),
    ]
    note = strings["maintain_counts_text"].format(days=COUNT_DAYS)
    content = f'{choices(reader, "overview", sheet="counts")}{"".join(sections)}<p class="note">{escape(note)}</p>'
    return page(reader, "overview", content)


def rated_of(reader: Reader, rating: str = "") -> Rated:
    """Which feedback a maintainer sees: that on answers nobody knows any more, only who sees all domains."""
    every = reader.all_domains and not reader.wanted.domain
    return Rated(None if every else reader.chosen, rating, reader.since)


def _tiles(reader: Reader, sums: Mapping[str, int]) -> str:
    strings, language = reader.texts, reader.language
    asked = sum(sums.get(name, 0) for name in ("answered", "refused", "failed", "other"))
    tiles = [(strings["maintain_asked"], count(asked, language), "")]
    for name in ("answered", "refused", "failed"):
        tiles.append((strings[f"maintain_{name}"], count(sums.get(name, 0), language), share(sums.get(name, 0), asked)))
    for name in ("up", "down"):
        tiles.append((strings[f"maintain_{name}"], count(sums.get(name, 0), language), ""))
    shown = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{value}{f' <small>{part}</small>' if part else ''}</dd></div>"
        for name, value, part in tiles
    )
    return f'<dl class="tiles">{shown}</dl>'


def _confidence(reader: Reader, totals: Mapping[str, Mapping[str, int]]) -> str:
    strings, language = reader.texts, reader.language
    labels = [f"{number(place / BINS, 1, language)}–{number((place + 1) / BINS, 1, language)}" for place in range(BINS)]
    series = [
        Series(strings[f"maintain_{name}"], _TONES[name], [totals.get(kind, {}).get(str(n), 0) for n in range(BINS)])
        for name, kind in (("answered", "sure"), ("refused", "refused"))
    ]
    title, note = strings["maintain_confidence"], strings["maintain_confidence_text"]
    return plot("confidence", title, strings, language, labels, series, note)


def _stages(reader: Reader, totals: Mapping[str, Mapping[str, int]]) -> str:
    strings, language = reader.texts, reader.language
    stages = {kind.removeprefix(_STAGE): counts for kind, counts in totals.items() if kind.startswith(_STAGE)}
    # As they follow each other: shorter ones are parts of the longer ones behind them.
    ordered = sorted(stages.items(), key=lambda item: (quantile(item[1], 0.5), item[0]))
    longest = max((quantile(counts, 0.95) for counts in stages.values()), default=0)
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(name)}</code></th><td>{count(sum(counts.values()), language)}</td>'
        f"<td>{duration(quantile(counts, 0.5), language)}</td><td>{duration(quantile(counts, 0.95), language)}</td>"
        f'<td class="span">{_span(quantile(counts, 0.5), quantile(counts, 0.95), longest)}</td></tr>'
        for name, counts in ordered
    )
    names = ("stage", "times", "half", "most")
    return _section(reader, "stages", names, rows, strings["maintain_stages_text"], '<td class="bare"></td>')


def quantile(counts: Mapping[str, int], part: float) -> float:
    """Seconds that this part of the durations did not pass: the upper bound of a step."""
    wanted, found = part * sum(counts.values()), 0
    for bound in SECONDS:
        found += counts.get(str(bound), 0)
        if found >= wanted:
            return bound
    return SECONDS[-1]


def _span(half: float, most: float, longest: float) -> str:
    """A bar on a scale by steps, since durations differ a thousandfold."""
    places = {bound: place + 1 for place, bound in enumerate(SECONDS)}
    width = places[longest]
    return (
        f'<svg viewBox="0 0 {width} 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rest" x="0" y="2" width="{places[most]}" height="6"/>'
        f'<rect class="good" x="0" y="2" width="{places[half]}" height="6"/></svg>'
    )


def _models(reader: Reader, settings: Settings, totals: Mapping[str, Mapping[str, int]]) -> str:
    strings, language = reader.texts, reader.language
    answers = totals.get("model", {})
    failures: dict[str, dict[str, int]] = {}
    for name, times in totals.get("failure", {}).items():
        model, _, reason = name.rpartition(": ")
        failures.setdefault(model, {})[reason] = times
    known = [public_name(name) for name in model_names(settings)]
    rows = ""
    for model in dict.fromkeys((*known, *answers, *failures)):
        failed = ", ".join(f"{reason}: {count(times, language)}" for reason, times in failures.get(model, {}).items())
        rows += (
            f'<tr><th scope="row"><code>{escape(model)}</code></th><td>{count(answers.get(model, 0), language)}</td>'
            f"<td>{escape(failed) or '0'}</td></tr>"
        )
    beside = (
        f"{strings['maintain_embedder']}: {settings.embedder} · "
        f"{strings['maintain_reranker']}: {settings.reranker or strings['maintain_none']}"
    )
    return _section(reader, "models", ("model", "answers", "failures"), rows, beside)


def _codes(reader: Reader, totals: Mapping[str, Mapping[str, int]]) -> str:
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(name)}</code></th><td>{count(times, reader.language)}</td></tr>'
        for name, times in sorted(totals.get("code", {}).items(), key=lambda item: -item[1])
    )
    return _section(reader, "codes", ("code", "times"), rows) if rows else ""


def _section(
    reader: Reader, identifier: str, columns: tuple[str, ...], rows: str, note: str = "", beside: str = ""
) -> str:
    strings = reader.texts
    title = f'<h2 id="{identifier}">{escape(strings[f"maintain_{identifier}"])}</h2>'
    about = f'<p class="note">{escape(note)}</p>' if note else ""
    if not rows:
        return f"<section>{title}{about}{nothing(reader)}</section>"
    head = "".join(f'<th scope="col">{escape(strings[f"maintain_{name}"])}</th>' for name in columns)
    return (
        f'<section>{title}{about}<div class="scroll" tabindex="0" role="region" aria-labelledby="{identifier}">'
        f"<table><thead><tr>{head}{beside}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )
