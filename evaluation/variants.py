"""Questions typed differently: without accents, in capitals, with a typo, as keywords, with spaces where none belong.

Every variant takes the text, its language and a seed, and gives the same text for the same three. It gives the text
unchanged where it has nothing to do.
"""

import random
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rag.analysis import content_words
from rag.languages import detect

# A typo in a shorter word makes another word as often as not.
_LONG_WORD = re.compile(r"[가-힣]{3,}|[^\W\d_가-힣]{6,}")
_HANGUL_WORD = re.compile(r"[가-힣]{2,}")
_SPACE_IN_HANGUL = re.compile(r"(?<=[가-힣])\s+|\s+(?=[가-힣])")

_KEYBOARDS = {
    "en": ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    "hu": ("qwertzuiopőú", "asdfghjkléáű", "íyxcvbnm"),
    "ko": ("ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ", "ㅁㄴㅇㄹㅎㅗㅓㅏㅣ", "ㅋㅌㅊㅍㅠㅜㅡ"),
}
# The letters of a Hangul syllable in the order of Unicode (The Unicode Standard, section 3.12).
_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"


def without_accents(text: str, language: str, seed: int) -> str:
    """As on a foreign keyboard: every letter without its accents, upper and lower case kept, Hangul untouched."""
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(letter for letter in decomposed if not "\u0300" <= letter <= "\u036f"))


def upper_case(text: str, language: str, seed: int) -> str:
    """All in capitals."""
    return text.upper()


def typo(text: str, language: str, seed: int) -> str:
    """One edit in one word of at least six letters or three Hangul syllables, which becomes another word.

    Two neighbours swapped, one letter dropped, doubled, or replaced by a neighbour on the keyboard; in Hangul a
    syllable is swapped, dropped or doubled, or one of the letters it is made of replaced.
    """
    chance = random.Random(seed)
    text = unicodedata.normalize("NFC", text)
    words = [*_LONG_WORD.finditer(text)]
    if not words:
        return text
    word = chance.choice(words)
    edits = [_swapped, _dropped, _doubled, _mistyped]
    chance.shuffle(edits)
    for edit in edits:
        changed = sorted({other for other in edit(word[0], language) if other != word[0]})
        if changed:
            return text[: word.start()] + chance.choice(changed) + text[word.end() :]
    return text


def keywords(text: str, language: str, seed: int) -> str:
    """Only the words that carry the topic, as into a search box."""
    return " ".join(content_words(text, language))


def unspaced(text: str, language: str, seed: int) -> str:
    """Korean without its spaces; those between words of other scripts stay."""
    return _SPACE_IN_HANGUL.sub("", text)


def spaced_out(text: str, language: str, seed: int) -> str:
    """Spaces between the syllables of one Korean word."""
    words = [*_HANGUL_WORD.finditer(text)]
    if not words:
        return text
    word = random.Random(seed).choice(words)
    return text[: word.start()] + " ".join(word[0]) + text[word.end() :]


VARIANTS: Mapping[str, Callable[[str, str, int], str]] = {
    variant.__name__: variant for variant in (without_accents, upper_case, typo, keywords, unspaced, spaced_out)
}
"""By name: `(text, language, seed)` to the text as it is typed."""


def typed(question: Mapping[str, Any], variant: str = "") -> str:
    """The text of a question `{_id, text, lang}` as the named variant types it, seeded by its id; "" leaves it as is.

    Raises KeyError for an unknown variant.
    """
    text: str = question["text"]
    if not variant:
        return text
    return VARIANTS[variant](text, question.get("lang") or detect(text), zlib.crc32(str(question["_id"]).encode()))


def _swapped(word: str, language: str) -> Iterator[str]:
    return (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1))


def _dropped(word: str, language: str) -> Iterator[str]:
    return (word[:at] + word[at + 1 :] for at in range(len(word)))


def _doubled(word: str, language: str) -> Iterator[str]:
    return (word[:at] + letter + word[at:] for at, letter in enumerate(word))


def _mistyped(word: str, language: str) -> Iterator[str]:
    for at, letter in enumerate(word):
        for other in _syllables_beside(letter) if "가" <= letter <= "힣" else _letters_beside(letter, language):
            yield word[:at] + other + word[at + 1 :]


def _letters_beside(letter: str, language: str) -> list[str]:
    near = _keys_beside(letter.lower(), "hu" if language == "hu" else "en")
    return [other.upper() if letter.isupper() else other for other in near]


def _syllables_beside(syllable: str) -> list[str]:
    code, final = divmod(ord(syllable) - ord("가"), len(_FINALS))
    initial, vowel = divmod(code, len(_VOWELS))

    def others(letters: str, place: int) -> list[int]:
        # The key beside may hold a letter of the other kind, which makes no syllable.
        return [letters.index(near) for near in _keys_beside(letters[place], "ko") if near in letters]

    places = [(other, vowel, final) for other in others(_INITIALS, initial)]
    places += [(initial, other, final) for other in others(_VOWELS, vowel)]
    places += [(initial, vowel, other) for other in others(_FINALS, final)]
    return [chr(ord("가") + (first * len(_VOWELS) + second) * len(_FINALS) + third) for first, second, third in places]


def _keys_beside(letter: str, keyboard: str) -> list[str]:
    for row in _KEYBOARDS[keyboard]:
        if letter in row:
            at = row.index(letter)
            return [*row[max(0, at - 1) : at], *row[at + 1 : at + 2]]
    return []
