"""The numbers along the axes of a figure, which are text in a PDF file but say nothing without the figure."""

import re
from collections.abc import Sequence

from ingest.loaders.layout_lines import Segment

_NUMBER = re.compile(r"[-−–+]?\d{1,6}(?:[.,]\d{1,4})?")
_LEAST = 3
# A row of three numbers may be a table's; so may a column of them with something close to their right.
_LEAST_ALONE = 4
_NEIGHBOUR = 4.0


def without_ticks(segments: Sequence[Segment]) -> list[Segment]:
    """The segments without numbers that follow each other and stand where a scale would put them."""
    runs = _number_runs(segments)
    upright = [run for run in runs if _is_scale(segments, run, upright=True) and _is_free(segments, run)]
    level = [
        run for run in runs if len(run) >= (_LEAST if upright else _LEAST_ALONE) and _is_scale(segments, run, False)
    ]
    dropped = {place for run in (*upright, *level) for place in run}
    return [item for place, item in enumerate(segments) if place not in dropped]


def _number_runs(segments: Sequence[Segment]) -> list[list[int]]:
    """Places of three or more numbers that follow each other and stand beside or below each other."""
    runs: list[list[int]] = [[]]
    for place, item in enumerate(segments):
        if not _NUMBER.fullmatch(item.text.strip()):
            runs.append([])
            continue
        run = [segments[before] for before in runs[-1]]
        beside = bool(run) and _level(run[-1], item)
        if run and not (beside or _aligned(run[-1], item)) or len(run) > 1 and _level(run[0], run[1]) != beside:
            runs.append([])
        runs[-1].append(place)
    return [run for run in runs if len(run) >= _LEAST]


def _aligned(first: Segment, second: Segment) -> bool:
    offsets = (
        first.right - second.right,
        first.left - second.left,
        first.left + first.right - second.left - second.right,
    )
    return min(map(abs, offsets)) < 0.5 * first.size


def _level(first: Segment, second: Segment) -> bool:
    return abs(first.bottom - second.bottom) < 0.5 * max(first.size, second.size)


def _is_scale(segments: Sequence[Segment], run: Sequence[int], upright: bool) -> bool:
    """Whether the numbers grow by as much as their places do."""
    items = [segments[place] for place in run]
    if upright == _level(items[0], items[1]):
        return False
    values = [float(re.sub("[−–]", "-", item.text.strip()).replace(",", ".")) for item in items]
    places = [item.middle if upright else (item.left + item.right) / 2 for item in items]
    if values[-1] == values[0] or abs(places[-1] - places[0]) < 2 * items[0].size:
        return False
    scale = (places[-1] - places[0]) / (values[-1] - values[0])
    return len(set(values)) == len(values) and all(
        abs(places[0] + scale * (value - values[0]) - place) < 0.3 * items[0].size
        for value, place in zip(values, places, strict=True)
    )


def _is_free(segments: Sequence[Segment], run: Sequence[int]) -> bool:
    """Whether nothing stands close to the right of all but one of them, as it would in a table or a list."""
    beside = sum(
        any(
            -0.5 * tick.size < item.left - tick.right < _NEIGHBOUR * tick.size and _level(tick, item)
            for item in segments
            if item is not tick
        )
        for tick in (segments[place] for place in run)
    )
    return beside <= 1
