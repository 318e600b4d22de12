"""Where a text stands among the characters of a page, by its letters and digits alone.

A passage was brought into normal form when it was read: hyphens at line ends are gone, ligatures taken apart, running
heads left out, columns put in order. Its letters are the page's all the same. Knows nothing of PDF files.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

# What two texts share in a row before it counts as the same place, and as its continuation a little further on.
_SEED = 12
_NEAR_SEED = 4
_NEAR = 200
_SAME_SEEDS = 50
# The share of a quote's letters that must have been found.
_LEAST = 0.95
_DOTLESS = {"ı": "i"}
# Rows of a table were read as `column: value; column: value`; on the page a column has its name once.
_COLUMN = re.compile(r"(?:^|(?<=; ))([^:;\n]{1,80}): ", re.MULTILINE)


class _Folded(dict[str, str]):
    """Letters and digits of a character, without accents and case; Hangul as its parts. Filled as it is used."""

    def __missing__(self, character: str) -> str:
        parts = unicodedata.normalize("NFKD", character.casefold())
        self[character] = "".join(_DOTLESS.get(part, part) for part in parts if part.isalnum())
        return self[character]


_FOLDED = _Folded()


def letters(text: Iterable[str]) -> tuple[str, list[int]]:
    """The letters of a text and, for each, the number of the character it comes from."""
    found: list[str] = []
    owners: list[int] = []
    for number, character in enumerate(text):
        folded = _FOLDED[character]
        if folded:
            found.append(folded)
            owners += [number] * len(folded)
    return "".join(found), owners


def places(text: str, spans: Sequence[tuple[int, int]], page: Sequence[str]) -> list[list[int]]:
    """For each part `(start, end)` of a text the numbers of its characters on a page, ascending.

    Empty where the part is not there, or may be elsewhere. What stands around it in the text tells which one of two
    alike is meant.
    """
    wanted, wanted_owners = letters(_without_columns(text))
    there, owners = letters(page)
    aligned = align(wanted, there)
    found: list[list[int]] = []
    for start, end in spans:
        own = [aligned[place] for place, owner in enumerate(wanted_owners) if start <= owner < end]
        known = [place for place in own if place >= 0]
        whole = bool(own) and len(known) >= _LEAST * len(own)
        found.append(sorted({owners[place] for place in known}) if whole else [])
    return found


def _without_columns(text: str) -> str:
    """The text with blanks in place of what it repeats of a table's header."""
    names = Counter(match[1] for match in _COLUMN.finditer(text))
    return _COLUMN.sub(lambda match: " " * len(match[0]) if names[match[1]] > 1 else match[0], text)


def align(wanted: str, there: str) -> list[int]:
    """For each letter of `wanted` its place in `there`, -1 where it is not known. No place is given twice."""
    aligned = [-1] * len(wanted)
    taken = bytearray(len(there))
    position, expected = 0, 0
    while position < len(wanted):
        place, length = _next(wanted, position, there, expected, taken)
        if not length:
            position += 1
            continue
        for step in range(length):
            aligned[position + step] = place + step
            taken[place + step] = 1
        position, expected = position + length, place + length
    return aligned


def _next(wanted: str, position: int, there: str, expected: int, taken: bytearray) -> tuple[int, int]:
    """Where the letters from `position` on go on, and for how many; none where that is nowhere or in several places."""
    near = _common(wanted, position, there, expected, taken)
    if near >= min(_NEAR_SEED, len(wanted) - position):
        return expected, near
    seed = wanted[position : position + _SEED]
    best, best_length, alike = -1, 0, False
    place = there.find(seed)
    for _ in range(_SAME_SEEDS if len(seed) == _SEED else 0):
        if place < 0:
            break
        length = _common(wanted, position, there, place, taken)
        if length > best_length:
            best, best_length, alike = place, length, False
        elif length == best_length:
            # Of places that go on as long, the one that follows what was found last.
            if best < expected <= place:
                best, alike = place, False
            else:
                alike = alike or expected == 0 or best < expected
        place = there.find(seed, place + 1)
    if best >= 0 and best_length >= _SEED and not alike:
        return best, best_length
    # Shorter pieces, such as words of a table, only where what was found last is near.
    short = wanted[position : position + _NEAR_SEED]
    place = there.find(short, expected, expected + _NEAR)
    if place >= 0 and len(short) == _NEAR_SEED and expected:
        length = _common(wanted, position, there, place, taken)
        if length >= _NEAR_SEED:
            return place, length
    return -1, 0


def _common(first: str, start: int, second: str, other: int, taken: bytearray) -> int:
    """How many letters are the same from these places on, those taken left out."""
    most = min(len(first) - start, len(second) - other)
    count = 0
    while count < most and first[start + count] == second[other + count] and not taken[other + count]:
        count += 1
    return count
