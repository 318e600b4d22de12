"""The labels of automatic lists: `2.1`, `b)`, `iv.`, `나.`. Knows nothing of files."""

from collections.abc import Mapping
from dataclasses import dataclass, field

BULLET = "-"
_KOREAN = "가나다라마바사아자차카타파하"
_LETTERS_LIMIT = 26 * 4
_ROMAN = (
    (1000, "m"),
    (900, "cm"),
    (500, "d"),
    (400, "cd"),
    (100, "c"),
    (90, "xc"),
    (50, "l"),
    (40, "xl"),
    (10, "x"),
    (9, "ix"),
    (5, "v"),
    (4, "iv"),
    (1, "i"),
)


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a list: the form of its numbers, its text such as `%1.%2)`, and the first number."""

    form: str
    text: str
    start: int = 1


@dataclass(slots=True)
class Numbering:
    """The lists of a document by identifier, each with its levels from "0", and how far each has counted."""

    lists: Mapping[str, Mapping[str, Level]] = field(default_factory=dict)
    _counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def label(self, name: str, place: str) -> str:
        """The label of the next item of a list at a level; empty where there is no such list."""
        levels = self.lists.get(name, {})
        level = levels.get(place)
        if level is None or level.form == "none":
            return ""
        if level.form == "bullet":
            return BULLET
        self._counts[name, place] = self._counts.get((name, place), level.start - 1) + 1
        for deeper in levels:
            if deeper > place:
                self._counts.pop((name, deeper), None)
        label = level.text
        for number, (key, other) in enumerate(sorted(levels.items()), 1):
            count = self._counts.get((name, key), other.start)
            label = label.replace(f"%{number}", written(count, other.form))
        return label.strip()


def written(number: int, form: str) -> str:
    """A number in one of the forms of Office Open XML; decimal in those not known here."""
    if form in ("lowerLetter", "upperLetter") and 0 < number <= _LETTERS_LIMIT:
        letter = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letter.upper() if form[0] == "u" else letter
    if form in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        text = ""
        for value, sign in _ROMAN:
            text += sign * (number // value)
            number %= value
        return text.upper() if form[0] == "u" else text
    if form in ("ganada", "chosung") and 0 < number <= len(_KOREAN):
        return _KOREAN[number - 1]
    return str(number)
