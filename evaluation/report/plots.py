"""Plots as SVG whose colours are the page's: the same plot is right in the light, in the dark and on paper.

Letters stay letters, drawn by the reader's fonts: those that matplotlib brings have no Hangul.
"""

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from evaluation.statistics import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

INK, MUTED, LINES = "#010101", "#020202", "#030303"
SERIES = ("#010204", "#010205", "#010206", "#010207", "#010208", "#010209")
"""Stand-ins for the colours of text, of what is beside it, of lines and of series; `svg` puts in those of the page."""
_VARIABLES = {INK: "ink", MUTED: "muted", LINES: "lines"} | {
    colour: f"series-{number}" for number, colour in enumerate(SERIES, start=1)
}
# Told apart without colours, too.
_MARKERS = "osD^vP"
_WIDTH = 5.0
_ROW = 0.17
_LABEL = 34
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINES,
    "axes.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": LINES,
    "ytick.labelcolor": INK,
    "grid.color": LINES,
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    # A label may hold a dollar.
    "text.parse_math": False,
}
_NEEDLESS = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL)
_SIZE = re.compile(r' (?:width|height)="[\d.]+pt"')
_FAMILY = re.compile(r"font-family: [^;\"]+;? ?|(?<=px) '[^;\"]+(?=[;\"])")
# A text may hold what looks like an attribute, but no such brackets.
_TAG = re.compile(r"<[^>]+>")
_IDENTIFIER = re.compile(r'(\bid="|href="#|url\(#)')


@contextmanager
def style() -> "Iterator[None]":
    """The look of the plots of a report, for figures that are made within."""
    import matplotlib

    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def svg(figure: "Figure") -> bytes:
    """A figure, without its ground, as an `<svg>` element in whose style the stand-ins are the page's colours."""
    import matplotlib

    target = BytesIO()
    with style(), matplotlib.rc_context({"svg.hashsalt": "lacerta"}):
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None})
    # The page says how large a plot is, and in which letters.
    text = _SIZE.sub("", _NEEDLESS.sub("", target.getvalue().decode("utf-8")), count=2)
    return _TAG.sub(lambda tag: _of_the_page(tag[0]), text).encode("utf-8")


def within(found: bytes, prefix: str) -> str:
    """What `svg` made, with identifiers that no other figure of the page has."""
    return _TAG.sub(lambda tag: _IDENTIFIER.sub(rf"\g<1>{prefix}-", tag[0]), found.decode("utf-8"))


def forest(
    rows: Sequence[str],
    series: Mapping[str, Sequence[Estimate | None]],
    label: str = "percent",
    difference: bool = False,
) -> bytes:
    """Points with their intervals: a line a row, in it one point a series, which has as many estimates as rows.

    Estimates are in [0, 1] and shown as percent; a `difference` is in [-1, 1] and drawn about a line at 0.
    """
    from matplotlib.figure import Figure

    lines = len(rows) * (len(series) + 1)
    with style():
        figure = Figure(figsize=(_WIDTH, 0.6 + _ROW * max(lines, 4) + 0.2 * math.ceil(len(series) / 2)))
        axes = figure.subplots()
        handles = []
        for number, (name, estimates) in enumerate(series.items()):
            colour, marker = SERIES[number % len(SERIES)], _MARKERS[number % len(_MARKERS)]
            told = [
                (row * (len(series) + 1) + number, estimate)
                for row, estimate in enumerate(estimates)
                if estimate is not None and not math.isnan(estimate.value)
            ]
            places = [place for place, _ in told]
            axes.hlines(
                places,
                [100 * estimate.low for _, estimate in told],
                [100 * estimate.high for _, estimate in told],
                color=colour,
                linewidth=1.6,
            )
            values = [100 * estimate.value for _, estimate in told]
            handles += axes.plot(values, places, marker, color=colour, markersize=4.5, label=_cut(name), clip_on=False)
        middle = (len(series) - 1) / 2
        axes.set_yticks([row * (len(series) + 1) + middle for row in range(len(rows))], [*map(_cut, rows)])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(lines - 0.5, -1)
        if difference:
            axes.axvline(0, color=MUTED, linewidth=1)
        else:
            axes.set_xlim(0, 100)
        axes.set_xlabel(label)
        if len(series) > 1:
            beside = 1 if max(map(len, series)) > 12 else 4
            figure.legend(handles=handles, loc="outside upper center", ncols=min(len(series), beside))
        return svg(figure)


def confidences(panels: Mapping[str, tuple[Sequence[float], Sequence[float], float]]) -> bytes:
    """For each panel the confidences of answerable questions, upwards, of others, downwards, and the threshold.

    As shares of the questions of their kind, of which there are many more of one than of the other.
    """
    import numpy as np
    from matplotlib.figure import Figure

    edges = np.linspace(0, 1, 26)
    with style():
        figure = Figure(figsize=(_WIDTH, 0.7 + 1.7 * len(panels)))
        every: Any = figure.subplots(len(panels), 1, sharex=True, squeeze=False)
        for axes, (name, (positives, negatives, threshold)) in zip(every[:, 0], panels.items(), strict=True):
            upwards, downwards = (
                100 * np.histogram(some, edges)[0] / max(len(some), 1) for some in (positives, negatives)
            )
            bars = [
                axes.bar(edges[:-1], upwards, 0.036, align="edge", color=SERIES[0], label="answerable"),
                axes.bar(edges[:-1], -downwards, 0.036, align="edge", color=SERIES[1], label="unanswerable"),
            ]
            axes.axhline(0, color=MUTED, linewidth=0.8)
            axes.axvline(threshold, color=INK, linewidth=1.2, linestyle="--")
            axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
            axes.yaxis.get_major_locator().set_params(integer=True, nbins=5)
            axes.tick_params(axis="y", length=0)
            axes.set_ylabel("percent of them")
            axes.set_xlim(0, 1)
            axes.set_title(_cut(name), fontsize=10, loc="left")
        every[-1, 0].set_xlabel("confidence; the broken line is the threshold")
        figure.legend(handles=bars, loc="outside upper center", ncols=2)
        return svg(figure)


def _of_the_page(tag: str) -> str:
    for colour, name in _VARIABLES.items():
        tag = tag.replace(colour, f"var(--{name})")
    return _FAMILY.sub("", tag)


def _cut(label: str) -> str:
    return label if len(label) <= _LABEL else label[: _LABEL - 1] + "…"
