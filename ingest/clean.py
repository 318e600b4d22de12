"""What stands on pages but is not the document's text: running headers and footers, page and line numbers.

Knows nothing of files; `rag.text.normalise` does what concerns characters.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ingest.loaders.layout_lines import Segment

# Running headers, footers and page numbers stand in the outer eighth of the page.
_MARGIN = 0.12
_NUMBER_MARGIN = 0.15
# Other segments on the line of a page number.
_MOST_BESIDE = 2
_PAGE_NUMBER = re.compile(
    r"^\W*(?:page|oldal|p\.|페이지)?\W*(?:\d{1,4}|[ivxl]{1,6})\W*(?:(?:/|of|von|페이지|쪽|oldal)\W*\d{0,4})?\W*$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+")
_LEADING_NUMBER = re.compile(r"^(\d{1,4})(?:\s+|$)")
_LEAST_LINE_NUMBERS = 10


def without_furniture(
    pages: Sequence[Sequence[Segment]], heights: Sequence[float], known: Sequence[str] = ()
) -> list[list[Segment]]:
    """The pages without page numbers and without what repeats in the margins of at least a third of them.

    `known` are texts, such as title and author, that are running headers wherever they stand in the margin of a page
    after the first: a document of two pages repeats nothing.
    """
    running = {" ".join(text.split()) for text in known if text.strip()}
    counts = Counter(
        key
        for page, height in zip(pages, heights, strict=True)
        for key in {_key(item) for item in page if _in_margin(item, height)}
    )
    least = max(2, (len(pages) + 2) // 3)
    return [
        [
            item
            for item in page
            if item not in page_numbers
            and not (
                _in_margin(item, height)
                and (
                    (counts[_key(item)] >= least and (number > 0 or counts[_key(item)] > 2))
                    or (number > 0 and " ".join(item.text.split()) in running)
                )
            )
        ]
        for number, (page, height, page_numbers) in enumerate(
            zip(pages, heights, _page_numbers(pages, heights), strict=True)
        )
    ]


def _in_margin(segment: Segment, height: float, margin: float = _MARGIN) -> bool:
    return segment.bottom > (1 - margin) * height or segment.top < margin * height


def _page_numbers(pages: Sequence[Sequence[Segment]], heights: Sequence[float]) -> list[set[Segment]]:
    """The page numbers of each page: alone on their line, or counting with the pages."""
    candidates = [
        [item for item in page if _in_margin(item, height, _NUMBER_MARGIN) and _PAGE_NUMBER.match(item.text)]
        for page, height in zip(pages, heights, strict=True)
    ]
    offsets = Counter(
        offset
        for number, items in enumerate(candidates)
        for offset in {_offset(item, number) for item in items}
        if offset is not None
    )
    counting = {offset for offset, count in offsets.items() if count >= max(2, len(pages) // 3)}
    found: list[set[Segment]] = []
    for number, (page, items) in enumerate(zip(pages, candidates, strict=True)):
        found.append(set())
        for item in items:
            beside = sum(abs(other.middle - item.middle) < 0.4 * item.size for other in page) - 1
            # Among several others it is a number in a table.
            if not beside or (beside <= _MOST_BESIDE and _offset(item, number) in counting):
                found[-1].add(item)
    return found


def _offset(segment: Segment, number: int) -> int | None:
    match = _NUMBER.search(segment.text)
    return int(match[0]) - number if match else None


def _key(segment: Segment) -> tuple[str, int]:
    # Headers alternate between left and right pages and carry the page number, but keep their height.
    return _NUMBER.sub("#", " ".join(segment.text.split())), round(segment.bottom / 3)


def without_line_numbers(pages: Sequence[Sequence[Segment]]) -> list[list[Segment]]:
    """The pages without the line numbers that manuscripts carry in the margin, also where they touch the text."""
    chains = [_number_chain(page) for page in pages]
    numbered = sum(
        len(chain) >= max(_LEAST_LINE_NUMBERS, len(page) // 4) for chain, page in zip(chains, pages, strict=True)
    )
    if 2 * numbered < len(pages):
        return [list(page) for page in pages]
    return [_without(page, chain) for page, chain in zip(pages, chains, strict=True)]


def _number_chain(page: Sequence[Segment]) -> set[int]:
    """The places of the segments that begin with a number whose neighbour stands close by."""
    numbers = [
        (place, int(match[1]))
        for place, item in enumerate(page)
        if not item.row and (match := _LEADING_NUMBER.match(item.text))
    ]
    return {
        place
        for row, (place, number) in enumerate(numbers)
        if {number - 1, number + 1} & {value for _, value in numbers[max(0, row - 3) : row + 4]}
    }


def _without(page: Sequence[Segment], chain: set[int]) -> list[Segment]:
    kept = []
    for place, item in enumerate(page):
        text = _LEADING_NUMBER.sub("", item.text) if place in chain else item.text
        if text:
            kept.append(replace(item, text=text))
    return kept
