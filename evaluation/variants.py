"""Questions typed differently: on another keyboard, in capitals, with a typo, as keywords, with other spaces.

Every variant takes the text, its language and a seed, and gives the same text for the same three. It gives the text
unchanged where it has nothing to do.
"""

import random
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from evaluation.hangul import FINALS, INITIALS, VOWELS, composed, english_keys, parted, romanised
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
# Two letters that Latin-1 lacks, in its nearest ones: how old programs and foreign keyboards write Hungarian.
_LATIN1 = str.maketrans("őűŐŰ", "õûÕÛ")
_DIGRAPHS = {"ö": "oe", "ő": "oe", "ü": "ue", "ű": "ue", "Ö": "Oe", "Ő": "Oe", "Ü": "Ue", "Ű": "Ue"}
_SWAPPED_KEYS = str.maketrans("yzYZ", "zyZY")


def without_accents(text: str, language: str, seed: int) -> str:
    """As on a foreign keyboard: every letter without its accents, upper and lower case kept, Hangul untouched."""
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(letter for letter in decomposed if not "\u0300" <= letter <= "\u036f"))


def latin1_accents(text: str, language: str, seed: int) -> str:
    """Hungarian `ő` and `ű` as `õ` and `û`, for want of their keys."""
    return unicodedata.normalize("NFC", text).translate(_LATIN1)


def digraphs(text: str, language: str, seed: int) -> str:
    """`ö` and `ő` as `oe`, `ü` and `ű` as `ue`, as in addresses and telegrams; other letters without accents."""
    spelt = "".join(_DIGRAPHS.get(letter, letter) for letter in unicodedata.normalize("NFC", text))
    return without_accents(spelt, language, seed)


def swapped_keys(text: str, language: str, seed: int) -> str:
    """`y` for `z` and `z` for `y`: typed blindly on the other of the English and the Hungarian keyboard."""
    return text.translate(_SWAPPED_KEYS)


def decomposed(text: str, language: str, seed: int) -> str:
    """Accents, and the letters of Hangul syllables, as characters of their own: as copied from names of files."""
    return unicodedata.normalize("NFD", text)


def lower_case(text: str, language: str, seed: int) -> str:
    """Without a capital."""
    return text.lower()


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


def spaced_throughout(text: str, language: str, seed: int) -> str:
    """Spaces between all syllables of Korean."""
    return _HANGUL_WORD.sub(lambda match: " ".join(match[0]), text)


def romanised_korean(text: str, language: str, seed: int) -> str:
    """Korean in Latin letters, as it sounds."""
    return romanised(text)


def english_keyboard(text: str, language: str, seed: int) -> str:
    """Korean typed while the keyboard was set to English."""
    return english_keys(text)


VARIANTS: Mapping[str, Callable[[str, str, int], str]] = {
    variant.__name__: variant
    for variant in (
        without_accents,
        latin1_accents,
        digraphs,
        swapped_keys,
        decomposed,
        lower_case,
        upper_case,
        typo,
        keywords,
        unspaced,
        spaced_out,
        spaced_throughout,
        romanised_korean,
        english_keyboard,
    )
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
    initial, vowel, final = parted(syllable)

    def others(letters: str, letter: str) -> list[str]:
        # The key beside may hold a letter of the other kind, which makes no syllable.
        return [near for near in _keys_beside(letter, "ko") if near in letters]

    places = [(other, vowel, final) for other in others(INITIALS, initial)]
    places += [(initial, other, final) for other in others(VOWELS, vowel)]
    places += [(initial, vowel, other) for other in others(FINALS, final)]
    return [composed(*place) for place in places]


def _keys_beside(letter: str, keyboard: str) -> list[str]:
    for row in _KEYBOARDS[keyboard]:
        if letter in row:
            at = row.index(letter)
            return [*row[max(0, at - 1) : at], *row[at + 1 : at + 2]]
    return []
