"""A part of a report that another measurement adds. Knows nothing of how reports are written."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, paragraphs of plain text, a table and a plot; all but the heading may be missing.

    `titles` are the table's column headings, each of `rows` has as many cells; a cell is shown as `str` of it, floats
    with three digits behind the point. `figure` is an SVG or PNG, `alternative` says in words what it shows. An SVG
    made by `plots.svg` follows the page's colours; any other is shown on white.
    One that says what to make of it all comes `first`, beside the verdict and in the text of a pull request, too.
    """

    title: str
    paragraphs: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    figure: bytes | None = None
    alternative: str = ""
    first: bool = False


def section_cell(value: Any) -> str:
    """A cell as it is shown."""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
