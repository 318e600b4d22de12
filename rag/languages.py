"""Which language a text is in: English, Hungarian, Korean, or another one. Knows nothing of documents or questions."""

import re
import threading
import unicodedata
from collections import Counter
from copy import copy
from functools import cache
from typing import Any

OTHER = "other"

_ASCII_LETTER, _NOT_ASCII, _HANGUL = re.compile("[A-Za-z]"), re.compile(r"[^\x00-\x7f]"), re.compile("[가-힣ㄱ-ㆎᄀ-ᇿ]")
_WORD = re.compile(r"[^\W\d_]+")
_HUNGARIAN_LETTERS = re.compile(r"[őűáéíóöúü]", re.IGNORECASE)
# Function words that the other language does not have, also as typed without accents.
_FUNCTION_WORDS = {
    "hu": frozenset(
        "az egy és es hogy nem meg van volt lesz mi mit mik mikor hol hova honnan hogyan miert miért mennyi hany"
        " hány melyik milyen ki kik kell lehet vagy ha de csak mar már mint ez ezt azt kap kapok tudok szabad".split()
    ),
    "en": frozenset(
        "the of and to in is are was were what which when where who why how many much does do did can could should"
        " must i my for with on from by it its this that be been has have".split()
    ),
}
# Latin-script neighbours that Hungarian or English would otherwise be taken for.
_CANDIDATES = "en hu de fr es it pt nl pl cs sk ro hr sl fi sv da no tr et lv lt vi id".split()
# More letters than these tell no more.
_SAMPLE = 1500
_READING = threading.Lock()
_OTHER_MINIMUM_WORDS = 4
# So few words without any that only one language has are a name.
_FEW_WORDS = 2
_OTHER_MINIMUM_PROBABILITY = 0.7


def detect(text: str, default: str = "en") -> str:
    """`en`, `hu`, `ko` or `other` for a text of any length.

    Text without letters, or of a name or two, counts as `default`. Latin text is called `other` only when it has
    several words and the evidence is strong: a short name or an identifier must never be turned away.
    """
    sample = text[:20_000]
    latin = len(_ASCII_LETTER.findall(sample))
    hangul = foreign = 0
    for letter, count in Counter(_NOT_ASCII.findall(sample)).items():
        if _HANGUL.match(letter):
            hangul += count
        elif letter.isalpha() and unicodedata.name(letter, "").startswith("LATIN"):
            latin += count
        elif letter.isalpha():
            foreign += count
    # A syllable block carries as much as two or three Latin letters, and Korean text is full of Latin names.
    if hangul and hangul * 2.5 >= latin * 0.5 and hangul >= foreign:
        return "ko"
    if foreign > latin:
        return OTHER
    return _latin(text, default)


def _latin(text: str, default: str) -> str:
    words = [word.lower() for word in _WORD.findall(text[:4000])]
    if max(map(len, words), default=0) < 3:
        return default
    shares = {language: sum(word in known for word in words) for language, known in _FUNCTION_WORDS.items()}
    sample = " ".join(words)
    if len(words) >= _OTHER_MINIMUM_WORDS and max(shares.values()) * 5 < len(words):
        language, probability = _identifier(None).classify(sample[:_SAMPLE])
        if language not in ("en", "hu") and probability >= _OTHER_MINIMUM_PROBABILITY:
            return OTHER
    shares["hu"] += len(set(_HUNGARIAN_LETTERS.findall(text)))
    if len(words) <= _FEW_WORDS and default == "hu" and "is" in words:
        # A word of both languages: "ott is?" goes on in Hungarian.
        shares["en"] -= 1
    if shares["hu"] != shares["en"]:
        return max(shares, key=lambda language: shares[language])
    if len(words) <= _FEW_WORDS and default != "en":
        return default
    return str(_identifier(("en", "hu")).classify(sample)[0])


def probabilities(text: str) -> dict[str, float]:
    """How probable each of many European languages is for a text in Latin letters; they add up to 1."""
    return {str(language): float(share) for language, share in _identifier(None).rank(text[:_SAMPLE])}


def warm_up() -> None:
    """Reads the model that tells languages apart, so that no question waits for it."""
    for languages in (None, ("en", "hu")):
        _identifier(languages)


def _identifier(languages: tuple[str, ...] | None) -> Any:
    # Of many that ask at once one reads the model, which is a second's work, and the others wait for it.
    with _READING:
        return _restricted(languages)


@cache
def _restricted(languages: tuple[str, ...] | None) -> Any:
    identifier = copy(_model())
    identifier.set_languages(list(languages or _CANDIDATES))
    return identifier


@cache
def _model() -> Any:
    # py3langid: Lui and Baldwin, "langid.py: An Off-the-shelf Language Identification Tool", ACL 2012.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
