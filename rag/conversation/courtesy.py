"""Greetings, thanks and farewells: a text that is nothing but that, however it is typed. Knows nothing of a domain."""

import re
import tomllib
from pathlib import Path

from rag.text import fold, normalise

# More words or characters than these ask for something.
_MOST_WORDS, _MOST_CHARACTERS = 6, 80
_LETTERS = re.compile(r"[ㄱ-ㅎㅏ-ㅣ]+|[가-힣]+|[^\W\d_ㄱ-ㅎㅏ-ㅣ가-힣]+")
# What must not be there beside the words: digits and signs of a formula, an address, code.
_NOT_SMALL_TALK = re.compile(r"[\d@#$%&=+/\\<>{}\[\]|_]")
_REPEATED = re.compile(r"(.)\1+")
_EMOTICON = re.compile(r"[:;=][-']?[)(DPpdoO/*3]+|\bx[dD]+\b|<3|\^[_.]?\^|T[_.]T")

# Where a text is several of these, the later it comes in a conversation the more it says.
_BY_WEIGHT = ("farewell", "thanks", "greeting")


def _squeezed(word: str) -> str:
    """A word with every run of one letter as one letter, for people draw words out: `kösziiii`."""
    return _REPEATED.sub(r"\1", fold(word))


def _words(text: str) -> tuple[str, ...]:
    return tuple(_squeezed(word) for word in _LETTERS.findall(text))


_PHRASES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_KNOWN = {
    # A phrase is found however its spaces were typed, so it is kept as its letters.
    language: {"".join(_words(phrase)): kind for kind in reversed(_BY_WEIGHT) for phrase in kinds[kind]}
    for language, kinds in _PHRASES.items()
}
_BESIDE = {language: frozenset(_words(kinds["beside"])) for language, kinds in _PHRASES.items()}


def courtesy(text: str, language: str) -> str:
    """`greeting`, `thanks` or `farewell` where the whole text is that in `en`, `hu` or `ko`, otherwise empty."""
    if len(text) > _MOST_CHARACTERS or language not in _KNOWN:
        return ""
    text = _EMOTICON.sub(" ", normalise(text).replace("'", "").replace("’", ""))
    if _NOT_SMALL_TALK.search(text):
        return ""
    words = _words(text)
    if not 0 < len(words) <= _MOST_WORDS:
        return ""
    kinds = _kinds(words, language)
    return next((kind for kind in _BY_WEIGHT if kind in kinds), "")


def _kinds(words: tuple[str, ...], language: str) -> set[str]:
    """What the words of a text are if they are phrases and fillers without exception, otherwise nothing."""
    known, fillers = _KNOWN[language], _BESIDE[language]
    kinds: set[str] = set()
    start = 0
    while start < len(words):
        for stop in range(len(words), start, -1):
            kind = known.get("".join(words[start:stop]))
            if kind:
                kinds.add(kind)
                start = stop
                break
        else:
            if words[start] not in fillers:
                return set()
            start += 1
    return kinds
