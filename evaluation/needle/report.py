"""What needles in haystacks came to: tables, and heat maps of depth against size. Asks nothing itself."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from evaluation.needle.measure import Asked, Found
from evaluation.report.plots import style, svg
from evaluation.report.section import Section

_SHARES: dict[str, Callable[[Asked], bool]] = {
    "page first": lambda item: item.rank == 1,
    "page in first 10": lambda item: item.rank > 0,
    "needle in passages": lambda item: item.given,
    "answer said": lambda item: item.inside,
    "right": lambda item: item.right,
    "refused": lambda item: not item.answered,
}
_MAPS = ("right", "needle in passages")
_MISSED = 20
# Light where nothing is right, so that white letters are read on the dark and black ones on the light cells.
_COLOURS = "Blues"


def report(found: Found) -> dict[str, Any]:
    """All as JSON: shares by size, question, needle and haystack language, and every question that was asked."""
    return {
        "questions": len(found.asked),
        "left_out": list(found.left_out),
        "ingest": [asdict(item) for item in found.ingested],
        "shares": [
            dict(zip(("words", "question", "needle", "haystack"), group, strict=True)) | shares(items)
            for group, items in grouped(
                found.asked, lambda item: (item.words, item.question, item.needle, item.haystack)
            ).items()
        ],
        "asked": [asdict(item) for item in found.asked],
    }


def sections(found: Found) -> tuple[Section, ...]:
    """Two heat maps, the table by languages, worst first, that by kind of fact, and needles that were missed."""
    maps = [
        Section(
            title=f"Needle in a haystack: {name}",
            paragraphs=(_EXPLAINED[name],),
            figure=_heat_maps(found.asked, _SHARES[name]),
            alternative=f"{name}: percent by depth and size, for each language of question and needle.",
            first=True,
        )
        for name in _MAPS
    ]
    return (*maps, _by_languages(found), _by(found, "kind"), _by(found, "depth"), _cost(found), *_missed(found))


def shares(items: Sequence[Asked]) -> dict[str, float]:
    """Each of the shares, in [0, 1]."""
    return {name: sum(map(test, items)) / len(items) for name, test in _SHARES.items()}


def grouped(items: Iterable[Asked], key: Callable[[Asked], Any]) -> dict[Any, list[Asked]]:
    """By a key, in the order in which keys are met."""
    groups: dict[Any, list[Asked]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


_EXPLAINED = {
    "right": (
        "Percent of questions whose answer was said with the needle's page cited. A row of maps is a language of"
        " questions, a column one of needles (question → needle); haystacks of all languages are taken together."
    ),
    "needle in passages": (
        "Percent of questions for which the needle stood whole in a passage that the answer could be made of. Where"
        " this is high and the map before is not, the passage was found and not trusted, or not used."
    ),
}


def _by_languages(found: Found) -> Section:
    sizes = list(dict.fromkeys(item.words for item in found.asked))
    groups = grouped(found.asked, lambda item: (item.question, item.needle, item.haystack))
    rows = []
    for names, items in sorted(groups.items(), key=lambda group: shares(group[1])["right"]):
        by_size = grouped(items, lambda item: item.words)
        cells = (_percents(by_size[size], ("needle in passages", "right", "refused")) for size in sizes)
        rows.append((*names, len(items), *cells))
    return Section(
        title="Needle in a haystack: by languages, worst first",
        paragraphs=("Percent by words of the haystack: needle in the passages / right / refused.",),
        titles=("question", "needle", "haystack", "questions", *(f"{size:,} words" for size in sizes)),
        rows=tuple(rows),
        first=True,
    )


def _by(found: Found, field: str) -> Section:
    groups = grouped(found.asked, lambda item: getattr(item, field))
    rows = [(name, len(items), *_each(items)) for name, items in groups.items()]
    return Section(
        title=f"Needle in a haystack: by {field}",
        paragraphs=("Percent of the questions, all sizes and languages together.",),
        titles=(field, "questions", *_SHARES),
        rows=tuple(rows),
    )


def _cost(found: Found) -> Section:
    rows = tuple(
        (f"{item.words:,}", item.ingests, item.chunks, item.seconds, f"{item.chunks / item.seconds:.0f}", asking)
        for item in found.ingested
        for asking in (item.asking_seconds,)
    )
    left = (
        f" Left out, since the text states the answer already: {', '.join(found.left_out)}." if found.left_out else ""
    )
    return Section(
        title="Needle in a haystack: what it took",
        paragraphs=(f"Haystacks that differ in their needles alone share the vectors of most passages.{left}",),
        titles=("words", "haystacks", "chunks", "ingest, seconds", "chunks a second", "questions, seconds"),
        rows=rows,
    )


def _missed(found: Found) -> list[Section]:
    missed = [item for item in found.asked if not item.right and item.question == item.needle]
    if not missed:
        return []
    rows = [
        (item.words, item.haystack, item.needle, item.depth, item.fact, item.rank or "none", _how(item))
        for item in missed[:_MISSED]
    ]
    return [
        Section(
            title="Needle in a haystack: missed in its own language",
            paragraphs=(f"The first of {len(missed)}.",),
            titles=("words", "haystack", "needle", "depth", "fact", "rank of its page", "what happened"),
            rows=tuple(rows),
        )
    ]


def _how(item: Asked) -> str:
    if not item.answered:
        return "refused"
    return "said, another page cited" if item.inside else "answered something else"


def _percents(items: Sequence[Asked], names: Sequence[str]) -> str:
    found = shares(items)
    return " / ".join(f"{100 * found[name]:.0f}" for name in names)


def _each(items: Sequence[Asked]) -> list[str]:
    return [f"{100 * share:.0f}" for share in shares(items).values()]


def _heat_maps(asked: Sequence[Asked], test: Callable[[Asked], bool]) -> bytes:
    """A grid of maps, a row a question's language, a column a needle's; percent in every cell."""
    import numpy as np
    from matplotlib.figure import Figure

    questions, needles, sizes, depths = (
        list(dict.fromkeys(getattr(item, name) for item in asked)) for name in ("question", "needle", "words", "depth")
    )
    depths.sort()
    groups = grouped(asked, lambda item: (item.question, item.needle, item.words, item.depth))
    with style():
        figure = Figure(
            figsize=(0.7 + len(needles) * (0.45 + 0.42 * len(sizes)), 0.5 + len(questions) * (0.6 + 0.26 * len(depths)))
        )
        every: Any = figure.subplots(len(questions), len(needles), sharex=True, sharey=True, squeeze=False)
        for row, question in enumerate(questions):
            for column, needle in enumerate(needles):
                axes = every[row, column]
                values = np.full((len(depths), len(sizes)), np.nan)
                for (one, other, size, depth), items in groups.items():
                    if (one, other) == (question, needle):
                        values[depths.index(depth), sizes.index(size)] = 100 * sum(map(test, items)) / len(items)
                axes.pcolormesh(values, cmap=_COLOURS, vmin=0, vmax=100, edgecolors="white", linewidth=0.5)
                for (y, x), value in np.ndenumerate(values):
                    if not np.isnan(value):
                        colour = "#ffffff" if value > 55 else "#111111"
                        axes.text(x + 0.5, y + 0.5, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=8)
                axes.grid(False)
                axes.set_title(f"{question} → {needle}")
                axes.set_xticks([place + 0.5 for place in range(len(sizes))], [_short(size) for size in sizes])
                axes.set_yticks([place + 0.5 for place in range(len(depths))], [f"{depth}" for depth in depths])
                axes.tick_params(length=0)
        every[0, 0].invert_yaxis()
        figure.supxlabel("words of the haystack")
        figure.supylabel("depth, percent")
        return svg(figure)


def _short(number: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size and number % size == 0:
            return f"{number // size}{letter}"
    return str(number)
