"""Markdown tables."""

from collections.abc import Iterable, Sequence
from typing import Any


def table(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """The lines of a table: titles, a rule, and a line a row."""
    return [_line(titles), _line(["---"] * len(titles)), *map(_line, rows)]


def _line(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
