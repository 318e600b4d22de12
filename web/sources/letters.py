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
_LEAST_LETTERS = 5
_NEAR = 200
_SAME_SEEDS = 20
# Pages that say the same thing over and over are given up.
_MOST_COMPARED = 50_000
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
    return _Alignment(wanted, there).places


class _Alignment:
    """Two texts, put side by side from the beginning of the first to its end."""

    def __init__(self, wanted: str, there: str) -> None:
        self._wanted = wanted
        self._there = there
        self._taken = bytearray(len(there))
        self._expected = -1
        # The end of a passage may stand alone on a page.
        self._seed = min(_SEED, max(len(wanted), _LEAST_LETTERS))
        self._compared = 0
        self.places = [-1] * len(wanted)
        position = 0
        while position < len(wanted) and self._compared < _MOST_COMPARED:
            place, length = self._continued(position)
            if not length:
                place, length = self._sought(position)
            if not length:
                position += 1
                continue
            self.places[position : position + length] = range(place, place + length)
            self._taken[place : place + length] = bytes([1]) * length
            position, self._expected = position + length, place + length

    def _continued(self, position: int) -> tuple[int, int]:
        """Where the letters go on behind those that were found last, at once or a little further on, and how many."""
        if self._expected < 0:
            return -1, 0
        length = self._common(position, self._expected)
        if length >= min(_NEAR_SEED, len(self._wanted) - position):
            return self._expected, length
        return self._near(position, self._seed)

    def _sought(self, position: int) -> tuple[int, int]:
        """Where the letters stand for the longest, and how many; none where they do in several places."""
        seed = self._wanted[position : position + self._seed]
        found: list[tuple[int, int]] = []
        place = self._there.find(seed) if len(seed) == self._seed else -1
        while place >= 0 and len(found) < _SAME_SEEDS:
            found.append((self._common(position, place), place))
            place = self._there.find(seed, place + 1)
        longest = max(found, default=(0, -1))[0]
        if longest >= self._seed:
            alike = [place for length, place in found if length == longest]
            # Of places that are alike, the one that follows what was found last.
            following = [place for place in alike if 0 <= self._expected <= place]
            if len(alike) == 1 or following:
                return min(following or alike), longest
        # Short pieces, such as words of a table, only where what was found last is near.
        return self._near(position, _NEAR_SEED) if self._expected >= 0 else (-1, 0)

    def _near(self, position: int, least: int) -> tuple[int, int]:
        seed = self._wanted[position : position + least]
        if len(seed) < least:
            return -1, 0
        place = self._there.find(seed, self._expected, self._expected + _NEAR)
        length = self._common(position, place) if place >= 0 else 0
        return (place, length) if length >= least else (-1, 0)

    def _common(self, start: int, other: int) -> int:
        """How many letters are the same from these places on, those taken left out."""
        self._compared += 1
        most = min(len(self._wanted) - start, len(self._there) - other)
        taken = self._taken.find(1, other, other + most)
        most = most if taken < 0 else taken - other
        low, step = 0, 16
        # Whole slices: much faster than letter by letter.
        while low < most and step:
            upper = min(low + step, most)
            if self._wanted[start + low : start + upper] == self._there[other + low : other + upper]:
                low, step = upper, step * 2
            else:
                step = min(step, upper - low) // 2
        return low
