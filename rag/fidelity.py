"""Whether a model answered in the language that it was asked for, by script, function words and letter statistics.

What an answer may well have in another language does not count: names, numbers, citations, code, addresses, quotations
and what stands in brackets. In doubt an answer is right: asking anew costs more than a foreign title.
"""

import re
import unicodedata
from collections import Counter
from functools import cache

from rag.languages import probabilities
from rag.text import sentence_spans

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`?", re.DOTALL)
# Addresses, paths, identifiers and file names; Hungarian and Korean endings may stick to them.
_ADDRESS = re.compile(
    r"\bhttps?://\S+|\bwww\.\S+|(?<!\S)\S{1,80}@\S+|(?<![\w#:-])[\w#:-]{1,80}[/_=\\]+[\w./=\\'-]+"
    r"|(?<!\w)[A-Za-z]\w{0,80}(?:\.[a-z]\w{0,80})+"
)
_BRACKETS = re.compile(r"\([^()\n]{0,200}\)|\[[^\[\]\n]{0,200}\]|（[^（）\n]{0,200}）|【[^【】\n]{0,80}】")
_QUOTED = re.compile(
    r"[„“][^„“”\n]{1,300}[”“]|«[^«»\n]{1,300}»|»[^«»\n]{1,300}«|\"[^\"\n]{1,300}\"|‘[^‘’\n]{1,300}’"
    r"|「[^「」\n]{1,300}」|『[^『』\n]{1,300}』|《[^《》\n]{1,300}》|〈[^〈〉\n]{1,300}〉"
)
_NESTED = 2
# A quotation or bracket that the stream has not closed yet.
_OPEN = re.compile(r"[„“«\"‘「『《〈(\[（【][^”»\"’」』》〉)\]）】\n]{0,200}\Z")
# 21,150 km: a unit is in every language.
_UNIT = re.compile(r"(?<=\d)[\s-]?[A-Za-z]{1,2}(?![^\W_])")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# Where less than this share of the letters stands outside quotations and brackets, the whole is looked at.
_LEAST_PROSE = 0.25
# A syllable block or an ideograph carries as much as two or three Latin letters.
_WEIGHTS = {"hangul": 2.5, "hanja": 2.5, "han": 2.5, "kana": 2.5}
# A part of an answer that may be in another language, by weight.
_TOLERATED = 0.2
# Function words that neither the other language nor another neighbour has much use for.
_FUNCTION_WORDS = {
    "en": frozenset(
        "the of and to with from by this that these those which who whose what when where how has have had are were"
        " is it its been being not can could should would may must there they their them between than then because"
        " about into through during after before each other only also both such more many however while for at".split()
    ),
    "hu": frozenset(
        "az és hogy nem egy ez ezt azt ezek azok aki amely amelyek amelyet melyek vagy volt van vannak voltak lesz"
        " lehet kell csak már még mint mert majd után előtt között alatt által alapján szerint számára során esetén"
        " illetve valamint pedig azonban így ha is meg ki el fel le be össze vissza sem nincs olyan ilyen minden több"
        " való minél annak ennek ahol amikor mivel továbbá legalább legfeljebb kb".split()
    ),
}
# Characters of a stream after which more tell nothing.
_BEGINNING = 800
_SURE, _UNLIKELY = 0.9, 0.05
# Words that are needed to call something wrong: the first ones of a stream may be a name or a term, a sentence a title;
# a finished answer has nothing to come.
_STREAM_WORDS, _SENTENCE_WORDS, _ANSWER_WORDS = 6, 5, 2


def verdict(text: str, language: str) -> bool | None:
    """Whether the beginning of an answer is in `language`; None as long as it can't be told."""
    prose = _prose(text[:_BEGINNING])
    return _judge(_OPEN.sub(" ", prose), language, _STREAM_WORDS)


def faithful(text: str, language: str) -> bool:
    """Whether a finished answer is in `language`, but for at most a fifth of it; True where nothing speaks against."""
    prose = _prose(text)
    if _weight(prose) < _LEAST_PROSE * _weight(_plain(text)):
        prose = _plain(text)
    if _judge(prose, language, _ANSWER_WORDS) is False:
        return False
    wrong = total = 0.0
    for start, end in sentence_spans(prose):
        weight = _weight(prose[start:end])
        total += weight
        if _judge(prose[start:end], language, _SENTENCE_WORDS) is False:
            wrong += weight
    return wrong <= _TOLERATED * total


def _plain(text: str) -> str:
    return _ADDRESS.sub(" ", _CODE.sub(" ", text))


def _prose(text: str) -> str:
    prose = _QUOTED.sub(" ", _plain(text))
    for _ in range(_NESTED):
        prose = _BRACKETS.sub(" ", prose)
    return prose


@cache
def _script(letter: str) -> str:
    if not letter.isalpha():
        return ""
    name = unicodedata.name(letter, "")
    for script, beginnings in _SCRIPTS.items():
        if name.startswith(beginnings):
            return "hanja" if script == "han" and _korean_knows(letter) else script
    return "other"


def _korean_knows(letter: str) -> bool:
    """Whether an ideograph is in the Korean set KS X 1001; those simplified in China or Japan are not."""
    try:
        letter.encode("euc_kr")
    except UnicodeEncodeError:
        return False
    return True


_SCRIPTS = {
    "latin": ("LATIN",),
    "hangul": ("HANGUL",),
    "han": ("CJK",),
    "kana": ("HIRAGANA", "KATAKANA"),
    # Formulas and units: Δv, μm.
    "": ("GREEK", "MATHEMATICAL", "MICRO", "OHM", "DOUBLE-STRUCK", "SCRIPT", "MODIFIER"),
}


def _scripts(text: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for letter, count in Counter(text).items():
        script = _script(letter)
        if script:
            counts[script] += count
    return counts


def _weight(text: str) -> float:
    return sum(_WEIGHTS.get(script, 1.0) * count for script, count in _scripts(text).items())


def _judge(prose: str, language: str, least: int) -> bool | None:
    counts = _scripts(prose)
    words = _words(prose)
    if language == "ko":
        return _korean(counts, words, least)
    return _latin(counts, words, language, least)


def _korean(counts: Counter[str], words: list[str], least: int) -> bool | None:
    hangul = counts["hangul"]
    chinese = counts["han"] + counts["kana"]
    ideographs = chinese + counts["hanja"]
    if chinese >= 3 and chinese * 8 > hangul or ideographs >= 5 and ideographs * 2 > hangul:
        return False
    if counts["other"] >= 8 and counts["other"] > hangul:
        return False
    letters = sum(map(len, words))
    if hangul >= 4 and hangul * 2.5 >= letters / 2:
        return True
    if len(words) >= least and hangul * 2.5 < letters / 6:
        # Code and lists of names are in no language.
        listed = sum(word in known for known in _FUNCTION_WORDS.values() for word in words)
        # Of close relatives, such as Danish and Norwegian, neither is probable alone.
        probable = sum(sorted(probabilities(" ".join(words)).values())[-2:])
        return False if listed >= 2 or probable >= _SURE or least == _ANSWER_WORDS and not hangul else None
    return None


def _latin(counts: Counter[str], words: list[str], language: str, least: int) -> bool | None:
    foreign = sum(_WEIGHTS.get(script, 1.0) * count for script, count in counts.items() if script != "latin")
    letters = sum(map(len, words))
    if foreign >= (12 if least == _ANSWER_WORDS else 20) and foreign > 2 * letters:
        return False
    if len(words) < 2:
        return None
    own = sum(word in _FUNCTION_WORDS[language] for word in words)
    rival = sum(word in listed for name, listed in _FUNCTION_WORDS.items() if name != language for word in words)
    probable = probabilities(" ".join(words))
    if probable[language] >= _SURE and len(words) >= 4:
        return True
    if probable[language] == max(probable.values()):
        return True if own >= 2 and own > rival else None
    # The fewer words, the surer it must be.
    unlikely = _UNLIKELY * min(len(words) / _SENTENCE_WORDS, 1) ** 2
    if probable[language] <= unlikely and len(words) >= least and own * 4 <= len(words):
        return False
    return False if rival >= 2 and len(words) >= max(least, 4) and not own else None


def _words(prose: str) -> list[str]:
    """The words in Latin letters that are no names, numbers or units, in lower case."""
    words = []
    for word in _WORD.findall(_UNIT.sub(" ", prose)):
        if not all(_script(letter) == "latin" or letter in "'’" for letter in word):
            continue
        lowered = word.lower()
        if word.islower() and len(word) > 1 or any(lowered in listed for listed in _FUNCTION_WORDS.values()):
            words.append(lowered)
    return words
