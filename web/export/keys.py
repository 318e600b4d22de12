"""Citation keys: ASCII, unique in one file, and the same for the same documents whatever their order."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from rag.text import fold
from web.export.references import Reference

_LONGEST_PART = 24
_SUFFIX_DIGITS = 6
_WORD = re.compile(r"[^\W_]+")
_SHORT = 3
"""Letters up to which a word of a title says nothing, in the Latin alphabet."""
_COMMON = frozenset(
    "about and for from into over some that the their these this toward towards under using with"
    " amely azok egy egyes ezek hogyan ilyen mint nagy ennek során szerint valamint".split()
)
_SPECIAL = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})


def keys(references: Sequence[Reference]) -> list[str]:
    """A key for each reference, in order: `kovacs2024szakmai`, from first author, year and first telling word.

    Where several documents would have the same, each gets the beginning of its id behind it.
    """
    plain = [_key(reference) for reference in references]
    count = Counter(plain)
    made = [
        key if count[key] == 1 else f"{key}-{_ascii(reference.document)[:_SUFFIX_DIGITS]}"
        for key, reference in zip(plain, references, strict=True)
    ]
    taken: set[str] = set()
    for place, key in enumerate(made):
        number = 2
        while made[place] in taken:
            made[place] = f"{key}-{number}"
            number += 1
        taken.add(made[place])
    return made


def _key(reference: Reference) -> str:
    author = ""
    if reference.authors:
        first = reference.authors[0]
        author = _ascii(first.family) or (_words(first.name) or [""])[0]
    word = (_words(reference.title) or [""])[0]
    return f"{author[:_LONGEST_PART]}{reference.year}{word[:_LONGEST_PART]}" or f"document{_ascii(reference.document)}"


def _words(text: str) -> list[str]:
    """The telling words of a title or a name, as they stand in keys."""
    words = [word for word in _WORD.findall(text.lower()) if word not in _COMMON and not word.isdigit()]
    telling = [word for word in words if len(word) > _SHORT or not word[0].isascii()] or words
    return [written for word in telling if (written := _ascii(word))]


def _ascii(text: str) -> str:
    """A text in the letters and digits of ASCII: without accents, Hangul by the names of its syllables."""
    return "".join(map(_letters, fold(text).translate(_SPECIAL)))


def _letters(letter: str) -> str:
    if letter.isascii():
        return letter if letter.isalnum() else ""
    name = unicodedata.name(letter, "")
    return name.rpartition(" ")[2].lower() if name.startswith("HANGUL SYLLABLE ") else ""
