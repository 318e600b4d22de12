"""Questions typed with a keyboard set wrong: Korean on English keys, and Korean with a space behind every syllable.

What is not surely either stays as it is. Knows nothing of languages but the shapes of Hangul syllables.
"""

import re
import unicodedata
from functools import lru_cache

# The letters of a syllable in the order of Unicode (The Unicode Standard, section 3.12).
INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
# Dubeolsik, the standard Korean layout (KS X 5002), on the keys of an English keyboard.
KEYS = dict(zip("ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔㅁㄴㅇㄹㅎㅗㅓㅏㅣㅋㅌㅊㅍㅠㅜㅡ", "qwertyuiopasdfghjklzxcvbnm", strict=True))
KEYS |= dict(zip("ㅃㅉㄸㄲㅆㅒㅖ", "QWERTOP", strict=True))
_FINALS_OF_TWO = dict(
    zip("ㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ", "ㄱㅅ ㄴㅈ ㄴㅎ ㄹㄱ ㄹㅁ ㄹㅂ ㄹㅅ ㄹㅌ ㄹㅍ ㄹㅎ ㅂㅅ".split(), strict=True)
)
_VOWELS_OF_TWO = dict(zip("ㅘㅙㅚㅝㅞㅟㅢ", "ㅗㅏ ㅗㅐ ㅗㅣ ㅜㅓ ㅜㅔ ㅜㅣ ㅡㅣ".split(), strict=True))
TWOFOLD = _FINALS_OF_TWO | _VOWELS_OF_TWO
"""Letters that are typed as two."""
_LETTERS = {key: letter for letter, key in KEYS.items()}
_WHOLE = {parts: letter for letter, parts in TWOFOLD.items()}
_SYLLABLE = re.compile(
    rf"([{INITIALS}])({'|'.join(_VOWELS_OF_TWO.values())}|[{VOWELS}])"
    # A consonant before a vowel begins the next syllable.
    rf"((?:{'|'.join(_FINALS_OF_TWO.values())}|[{FINALS.strip()}])(?![{VOWELS}]))?"
)
_WORD = re.compile(r"[^\W\d_]+")
# Of the letters of 5,800 questions in English and Hungarian at most 65 percent stood in words that could be Korean, of
# 99 percent of 3,600 Korean ones typed on English keys at least 75.
_LEAST_SHARE = 0.75
# Fewer syllables could as well be a name or two, or words that could be both.
_LEAST_SYLLABLES = 4
# Full questions have at most 0.55 times the pieces in 99 of 100 cases; of a million words of English and Hungarian
# passages, taken by one, two and three, none that could be Korean has so few.
_PIECES = 0.6
_HANGUL = re.compile("[가-힣]")
_APART = re.compile(r"(?<![가-힣])[가-힣](?: [가-힣]){3,}(?![가-힣])")


def as_meant(text: str) -> str:
    """The question as it was meant, in NFC; unchanged but for that where nothing shows that it was typed wrongly."""
    text = unicodedata.normalize("NFC", text)
    if _HANGUL.search(text):
        return _APART.sub(lambda match: match[0].replace(" ", ""), text)
    return _from_english_keys(text)


def hangul_of(keys: str) -> str:
    """The syllables that these keys type on the Korean layout; nothing where they make other than whole syllables."""
    letters = "".join(_LETTERS.get(key) or _LETTERS.get(key.lower(), " ") for key in keys)
    found, place = [], 0
    while place < len(letters):
        match = _SYLLABLE.match(letters, place)
        if not match:
            return ""
        initial, vowel, final = match[1], match[2], match[3] or " "
        code = INITIALS.index(initial) * len(VOWELS) + VOWELS.index(_WHOLE.get(vowel, vowel))
        found.append(chr(ord("가") + code * len(FINALS) + FINALS.index(_WHOLE.get(final, final))))
        place = match.end()
    return "".join(found)


@lru_cache(256)
def _from_english_keys(text: str) -> str:
    words = _WORD.findall(text)
    korean = {word: hangul for word in words if (hangul := hangul_of(word))}
    letters = sum(map(len, words))
    share = sum(len(word) for word in words if word in korean) / letters if letters else 0.0
    meant = _WORD.sub(lambda match: korean.get(match[0], match[0]), text)
    if share < _LEAST_SHARE or len(_HANGUL.findall(meant)) < _LEAST_SYLLABLES:
        return text
    return meant if _reads_better(meant, text) else text


def _reads_better(meant: str, typed: str) -> bool:
    """Whether the vocabulary of the bundled student has much longer pieces of what was meant.

    Words such as "social work" could be typed Korean, too; but English has them whole, and Korean none of their
    syllables.
    """
    from rag.embed import bundled_student

    nothing, here, there, *each = bundled_student().pieces(["\ue000", meant, typed, *_HANGUL.findall(meant)])
    unknown = sum(one.tolist() == nothing.tolist() for one in each)
    return len(here) + 2 * unknown < _PIECES * len(there)
