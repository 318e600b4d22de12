"""Hangul taken apart and written with Latin letters: as it sounds, or as the keys that were meant."""

import re
from collections.abc import Iterator

from rag.keyboard import FINALS, INITIALS, KEYS, TWOFOLD, VOWELS

_FIRST = ord("가")
_WORD = re.compile("[가-힣]+")

_ROMAN_INITIALS = dict(zip(INITIALS, "g kk n d tt r m b pp s ss - j jj ch k t p h".split(), strict=True)) | {"ㅇ": ""}
_ROMAN_VOWELS = dict(zip(VOWELS, "a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i".split(), strict=True))
# What is heard of a final at the end of a word or before a consonant.
_HEARD = dict(zip(FINALS, "- k k k n n n t l k m l l l p l m p p t t ng t t k t p t".split(), strict=True)) | {" ": ""}
_BEFORE_H = {"ㄱ": "k", "ㄷ": "t", "ㅈ": "ch"}
_BEFORE_NASAL = {"k": "ng", "t": "n", "p": "m"}
_KEYS = KEYS | {letter: KEYS[parts[0]] + KEYS[parts[1]] for letter, parts in TWOFOLD.items()} | {" ": ""}


def parted(syllable: str) -> tuple[str, str, str]:
    """The first consonant, the vowel and the last consonant of a Hangul syllable; a space where there is no last."""
    code, final = divmod(ord(syllable) - _FIRST, len(FINALS))
    initial, vowel = divmod(code, len(VOWELS))
    return INITIALS[initial], VOWELS[vowel], FINALS[final]


def composed(initial: str, vowel: str, final: str = " ") -> str:
    """The Hangul syllable of these letters. Raises ValueError for letters that make none."""
    code = INITIALS.index(initial) * len(VOWELS) + VOWELS.index(vowel)
    return chr(_FIRST + code * len(FINALS) + FINALS.index(final))


def english_keys(text: str) -> str:
    """What appears when Korean is typed while the keyboard is set to English: `달` as `ekf`."""
    return re.sub("[가-힣]", lambda match: "".join(_KEYS[letter] for letter in parted(match[0])), text)


def romanised(text: str) -> str:
    """Hangul in the Revised Romanization, other text as it is.

    국어의 로마자 표기법 (Romanization of Korean, Ministry of Culture and Tourism, notification 2000-8), kept by the
    National Institute of Korean Language: sounds that change one another between the syllables of a word are written as
    they change, tensed ones are not. What only a dictionary knows is left out: the added n of compounds, and h behind
    g, d, b, which stays as in nouns.
    """
    return _WORD.sub(lambda match: "".join(_sounds(match[0])), text)


def _sounds(word: str) -> Iterator[str]:
    syllables = [parted(syllable) for syllable in word]
    start = _ROMAN_INITIALS[syllables[0][0]]
    for (_, vowel, final), following in zip(syllables, [*syllables[1:], None], strict=True):
        yield start + _ROMAN_VOWELS[vowel]
        if following is None:
            yield _HEARD[final]
            return
        end, start = _meeting(final, following[0], following[1])
        yield end


def _meeting(final: str, initial: str, vowel: str) -> tuple[str, str]:
    """What is written of a final and of the first consonant of the next syllable, whose vowel is `vowel`."""
    parts = TWOFOLD.get(final, f" {final}")
    stays, moves = parts[0], parts[1]
    if initial == "ㅇ":
        if final in " ㅇ":
            return _HEARD[final], ""
        if moves == "ㅎ":
            # Unheard between vowels; the letter that it stood with moves instead.
            return "", _ROMAN_INITIALS.get(stays, "")
        if moves in "ㄷㅌ" and vowel == "ㅣ":
            return _HEARD[stays], "j" if moves == "ㄷ" else "ch"
        return _HEARD[stays], _ROMAN_INITIALS[moves]
    if moves == "ㅎ" and initial in _BEFORE_H:
        return _HEARD[stays], _BEFORE_H[initial]
    if initial == "ㅎ":
        if moves == "ㅈ":
            return _HEARD[stays], "ch"
        if moves == "ㄷ" and vowel in "ㅣㅕ":
            return "", "ch"
    if moves == "ㅎ" and stays == " ":
        return ("n", "n") if initial == "ㄴ" else ("", _ROMAN_INITIALS[initial])
    end, start = _HEARD[final], _ROMAN_INITIALS[initial]
    if initial == "ㄹ" and end and end not in "nl":
        start = "n"
    if end == "l" and initial in "ㄴㄹ" or end == "n" and initial == "ㄹ":
        return "l", "l"
    if start[:1] in ("n", "m"):
        end = _BEFORE_NASAL.get(end, end)
    return end, start
