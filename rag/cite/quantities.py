"""Numbers as a text means them, with their units: "six weeks", "6 hét" and "6주" are one quantity.

Knows English, Hungarian and Korean. Numbers are read to be compared, not to be computed with: an ambiguous one keeps
every reading that it may have.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from rag.text import fold

_SPACE = "[ \u00a0\u2009\u202f]"
_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90,
    "ket": 2, "ketto": 2, "harom": 3, "negy": 4, "ot": 5, "hat": 6, "het": 7, "nyolc": 8, "kilenc": 9, "tiz": 10,
    "tizenegy": 11, "tizenket": 12, "tizenot": 15, "husz": 20, "harminc": 30, "negyven": 40, "otven": 50, "hatvan": 60,
}  # fmt: skip
# "Affects", "week" and what is "five" only with its accent: of these nothing is required.
_AMBIGUOUS = frozenset(("hat", "het", "ot", "ket"))
_MONTHS = {
    "january": 1, "januar": 1, "february": 2, "februar": 2, "march": 3, "marcius": 3, "april": 4, "aprilis": 4,
    "may": 5, "majus": 5, "june": 6, "junius": 6, "july": 7, "julius": 7, "august": 8, "augusztus": 8, "september": 9,
    "szeptember": 9, "october": 10, "oktober": 10, "november": 11, "december": 12,
}  # fmt: skip
_SCALES = {
    "thousand": 10**3, "ezer": 10**3, "ezr": 10**3, "million": 10**6, "millio": 10**6, "milliard": 10**9,
    "billion": 10**9, "bn": 10**9, "trillion": 10**12, "천": 10**3, "만": 10**4, "십만": 10**5, "백만": 10**6,
    "천만": 10**7, "억": 10**8, "백억": 10**10, "천억": 10**11, "조": 10**12,
}  # fmt: skip
# Hungarian ones are stems; "percent" comes before "perc".
_UNITS = {
    "percent": "%|percent|per cent|szazalek|퍼센트",
    "second": "seconds?|masodperc|초",
    "minute": "minutes?|perc|분",
    "hour": "hours?|ora(?!ng)|시간",
    "day": "days?|nap|일",
    "week": "weeks?|het|주",
    "month": "months?|honap|개월|달",
    "year": "years?|ev(?:es|ig|et|re|vel|ben|nyi|e|ek)?(?![a-z])|년",
    "month of a year": "월",
    "century": "century|szazad|세기",
    "kilometre": "km|kilomet(?:er|re)s?|킬로미터",
    "metre": "m|met(?:er|re)s?|미터",
    "centimetre": "cm|centimet(?:er|re)s?|센티미터",
    "mile": "miles?|merfold|마일",
    "foot": "feet|foot|lab(?!d)|피트",
    "kilogram": "kg|kilogramm?s?|킬로그램",
    "gram": "g|gramm?s?|그램",
    "ton": "tons?|tonnes?|tonna|톤",
    "pound": "pounds?|파운드",
    "dollar": "dollars?|dollar|달러",
    "euro": "euros?|euro|유로",
    "forint": "forints?|forint|ft|huf",
    "won": "won|원",
    "person": "명",
    "piece": "개(?!월)",
    "occasion": "회|번",
    "place": "위",
}
_NAMES = tuple(_UNITS)
# A Hungarian unit may have an ending, a Korean one always may; an English one or a symbol ends with the word.
_SHORTEST_STEM = 3
_UNIT = re.compile(
    rf"(?:{_SPACE}|-)?(?:" + "|".join(f"(?P<u{number}>{forms})" for number, forms in enumerate(_UNITS.values())) + ")"
)
_NUMBER = re.compile(
    rf"(?P<figures>(?<![\d.,])\d{{1,3}}(?:{_SPACE}\d{{3}})+(?![\d.,]*\d)|\d+(?:[.,]\d+)*)"
    rf"|(?<![^\W_])(?P<word>{'|'.join(sorted(_WORDS, key=len, reverse=True))})"
    rf"|(?<![^\W_])(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})"
)
_SCALED = re.compile(rf"{_SPACE}?({'|'.join(sorted(_SCALES, key=len, reverse=True))})")
_GROUPED = re.compile(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*")
_ROMAN = re.compile(r"(?<!\w)[IVXL]{2,}(?!\w)")
_ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10, "L": 50}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in all its readings, with the name of its unit or "".

    `certain` is False where it may be no number. `figures` tells whether it is written in figures.
    """

    readings: frozenset[float]
    unit: str
    certain: bool
    figures: bool


@lru_cache(maxsize=4096)
def quantities(text: str) -> tuple[Quantity, ...]:
    """The quantities of a text in their order; names of months and Roman numerals are uncertain ones."""
    folded = fold(text)
    found = []
    end = -1
    for match in _NUMBER.finditer(folded):
        if match.start() < end:
            continue
        end = match.end()
        following = folded[end : end + 1]
        if match["month"]:
            found.append(Quantity(frozenset((float(_MONTHS[match["month"]]),)), "", False, False))
            continue
        if match["word"]:
            whole = not following.isalpha()
            readings = frozenset((float(_WORDS[match["word"]]),))
            certain = whole and match["word"] not in _AMBIGUOUS
        else:
            parts = _readings(match["figures"])
            found += [Quantity(part, "", True, True) for part in parts[:-1]]
            readings, certain = parts[-1], True
        readings, end = _scaled(folded, readings, end)
        unit = _UNIT.match(folded, end)
        name = ""
        if unit and _ends(folded, unit):
            name = _NAMES[int((unit.lastgroup or "u0")[1:])]
            end = unit.end()
        found.append(Quantity(readings, name, certain, not match["word"]))
    for match in _ROMAN.finditer(text):
        found.append(Quantity(frozenset((float(_roman(match[0])),)), "", False, False))
    return tuple(found)


def missing(wanted: tuple[Quantity, ...], known: frozenset[float], words: bool = True) -> int:
    """How many certain quantities have no reading among the known values.

    Without `words` those that are words and have no unit do not count: other languages say them differently.
    """
    return sum(
        quantity.certain and (words or quantity.figures or bool(quantity.unit)) and quantity.readings.isdisjoint(known)
        for quantity in wanted
    )


def values(found: tuple[Quantity, ...]) -> frozenset[float]:
    """All readings of all quantities."""
    return frozenset(reading for quantity in found for reading in quantity.readings)


def contradicted(wanted: tuple[Quantity, ...], known: tuple[Quantity, ...]) -> int:
    """How many quantities are there with other units only: "6 weeks", where the text says "6 months"."""
    count = 0
    for quantity in wanted:
        if quantity.unit:
            units = {other.unit for other in known if not quantity.readings.isdisjoint(other.readings)}
            count += bool(units) and "" not in units and quantity.unit not in units
    return count


def _readings(figures: str) -> list[frozenset[float]]:
    """Of `1,234` 1234 and 1.234, of `1,200` 1200, of `2022.8.5` three numbers of one reading each.

    No one writes a third decimal that is 0.
    """
    plain = re.sub(r"\s", "", figures)
    grouped = _GROUPED.fullmatch(plain)
    whole = [float(plain.replace(grouped[1], ""))] if grouped else []
    separators = re.findall(r"[.,]", plain)
    if len(set(separators)) == 2 and separators.count(separators[-1]) == 1:
        integer, _, decimals = plain.rpartition(separators[-1])
        return [frozenset((float(f"{re.sub(r'[.,]', '', integer)}.{decimals}"),))]
    if len(separators) > 1 and not grouped:
        return [frozenset((float(part),)) for part in re.split(r"[.,]", plain)]
    if len(separators) < 2 and not (grouped and plain.endswith("0")):
        whole.append(float(plain.replace(",", ".")))
    return [frozenset(whole)]


def _scaled(text: str, readings: frozenset[float], end: int) -> tuple[frozenset[float], int]:
    """With the scale behind it, and the end of that; Korean ones add up: `3만 5천`."""
    match = _SCALED.match(text, end)
    if not match or not _ends(text, match):
        return readings, end
    scaled = frozenset(reading * _SCALES[match[1]] for reading in readings)
    if "가" <= match[1] <= "힣":
        more = re.compile(rf"{_SPACE}?(\d[\d,]*)").match(text, match.end())
        if more:
            rest = _SCALED.match(text, more.end())
            if rest and "가" <= rest[1] <= "힣" and _SCALES[rest[1]] < _SCALES[match[1]]:
                further, last = _scaled(text, frozenset((float(more[1].replace(",", "")),)), more.end())
                return frozenset(first + second for first in scaled for second in further), last
    return scaled, match.end()


def _ends(text: str, match: re.Match[str]) -> bool:
    """Whether what was matched is a word, or the stem of one that may have an ending."""
    word = match[0].strip(" -\u00a0\u2009\u202f")
    following = text[match.end() : match.end() + 1]
    hangul = "가" <= word[-1:] <= "힣"
    return hangul or not following.isalpha() or len(word) >= _SHORTEST_STEM


def _roman(numeral: str) -> int:
    digits = [_ROMAN_DIGITS[letter] for letter in numeral]
    return sum(-digit if digit < max(digits[at:]) else digit for at, digit in enumerate(digits))
