"""Sentences made by rule out of others: what still says the same, and what no longer does, in three languages.

Every rule takes a sentence, its language and a source of chance; it gives an empty text where it has nothing to do.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence

_LEAST_WORDS = 5
_WORD = re.compile(r"\S+")
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*(?![\w]*\d)")
_NEGATION = re.compile(r"\b(?:not|no|never|without|nem|ne|sem|nincs\w*|nélkül)\b|n't\b|않|못|없|아니", re.IGNORECASE)
_NAME = re.compile(r"(?<=[^\W\d_,] )[A-ZÁÉÍÓÖŐÚÜŰ][^\W\d_]{2,}(?: [A-ZÁÉÍÓÖŐÚÜŰ][^\W\d_]{2,})*")
_FRAMES = {
    "en": ("According to the documents, ", "As described, ", "In short, ", "It is also stated that "),
    "hu": ("A leírás szerint ", "A dokumentumok alapján ", "Röviden: ", "Fontos, hogy "),
    "ko": ("자료에 따르면 ", "문서에 의하면 ", "요약하면 ", "또한 "),
}
_REWORDED = {
    "en": {
        "also": "as well", "however": "but", "such as": "like", "about": "approximately", "because": "since",
        "while": "whereas", "began": "started", "many": "numerous", "large": "big", "known": "recognised",
        "the": "this", "and": "as well as", "used": "employed", "after": "following", "before": "prior to",
        "first": "initial", "show": "demonstrate", "said": "stated", "people": "persons", "important": "significant",
    },
    "hu": {
        "azonban": "viszont", "mivel": "mert", "valamint": "és", "például": "így", "körülbelül": "nagyjából",
        "több": "számos", "jelenleg": "most", "és": "valamint", "de": "azonban", "is": "szintén", "nagyon": "igen",
        "mondta": "közölte", "hogy": "miszerint", "ahol": "amelyben", "majd": "később", "amely": "ami",
        "egy": "valamely",
    },
    "ko": {
        "그러나": "하지만", "또한": "그리고", "약": "대략", "매우": "아주", "때문에": "까닭에", "이후": "뒤",
        "및": "와",
        "통해": "거쳐", "그는": "그가", "많은": "수많은", "위해": "위하여", "대해": "관하여", "가장": "제일",
    },
}  # fmt: skip
_WORDS_OF_NUMBERS = {
    "en": ("", "", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    "hu": ("", "", "két", "három", "négy", "öt", "hat", "hét", "nyolc", "kilenc", "tíz", "tizenegy", "tizenkét"),
}
_UNITS = {
    "en": (("seconds", "minutes", "hours", "days", "weeks", "months", "years"), ("km", "m", "cm", "miles", "feet"),
           ("percent", "million", "billion"), ("kg", "tons", "pounds"), ("dollars", "euros")),
    "hu": (("másodperc", "perc", "óra", "nap", "hét", "hónap", "év"), ("km", "kilométer", "méter", "mérföld"),
           ("százalék", "millió", "milliárd", "ezer"), ("kg", "tonna"), ("dollár", "euró", "forint")),
    "ko": (("초", "분", "시간", "일", "주", "개월", "년"), ("km", "m", "킬로미터", "미터"), ("%", "만", "억"),
           ("kg", "톤"), ("달러", "유로", "원"), ("명", "개", "회", "위")),
}  # fmt: skip
# A Korean statement of the plain style, whose last syllable before it carries the tense, as the polite style has it.
_POLITE = (
    (re.compile(r"([가-힣])이다\.$"), r"\1입니다."),
    (re.compile(r"([했었았였됐렸졌났])다\.$"), r"\1습니다."),
    (re.compile(r"한다\.$"), "합니다."),
    (re.compile(r"된다\.$"), "됩니다."),
    (re.compile(r"있다\.$"), "있습니다."),
)
_KOREAN_QUESTION = re.compile(
    r"^(.*?[가-힣])(?:(?:은|는)"
    r"|(?:은|는|이|가) (?:무엇|누구|어디|언제|얼마)(?:인가요?|입니까|이었는가|였는가|였나요?)) ?\?$"
)
_ENGLISH_WHO = re.compile(r"^Who (?!did|do|does|has|had|will|can|could|else)(\w+ .*)\?$")
_ENGLISH_WHAT = re.compile(
    r"^What (is|was|are|were) (?!it |there )(?!.*\b(?:called|known as|named|for|like|of|to|in|by|as|on)\?$)(.*)\?$"
)


def copied(text: str, language: str, chance: random.Random) -> str:
    """The sentence as it stands."""
    return text


def shortened(text: str, language: str, chance: random.Random) -> str:
    """Without what stands behind the last comma, or, in Korean, before the first one."""
    parts = text.rstrip(".").split(", ")
    kept = ", ".join(parts[1:] if language == "ko" else parts[:-1])
    long_enough = len(parts) > 1 and 2 * len(kept) >= len(text) and len(_WORD.findall(kept)) >= _LEAST_WORDS
    return f"{kept}." if long_enough else ""


def dropped(text: str, language: str, chance: random.Random) -> str:
    """Without a quarter of its words; numbers and words of negation stay."""
    words = _WORD.findall(text)
    may_go = [at for at, word in enumerate(words[:-1]) if not re.search(r"\d", word) and not _NEGATION.search(word)]
    gone = set(chance.sample(may_go, min(len(words) // 4, len(may_go))))
    left = [word for at, word in enumerate(words) if at not in gone]
    return " ".join(left) if gone and len(left) >= _LEAST_WORDS else ""


def reordered(text: str, language: str, chance: random.Random) -> str:
    """Its two parts around a comma changed over."""
    commas = [match.start() for match in re.finditer(", ", text)]
    at = chance.choice(commas) if commas else 0
    first, second = text[:at], text[at + 2 :].rstrip(".")
    if min(len(first), len(second)) < 12:
        return ""
    return f"{second[:1].upper()}{second[1:]}, {first}."


def reworded(text: str, language: str, chance: random.Random) -> str:
    """Function words and a few others replaced, a frame put before it; Korean in the polite style."""
    changed = text
    for word, other in _REWORDED[language].items():
        changed = re.sub(rf"(?<!\w){word}(?!\w)", other, changed)
    for pattern, polite in _POLITE if language == "ko" else ():
        changed = pattern.sub(polite, changed)
    if changed == text:
        return ""
    return chance.choice(_FRAMES[language]) + changed


def respelt(text: str, language: str, chance: random.Random) -> str:
    """A number in another spelling: `1,200` as `1200`, `1 200` or `1.200`, a small one as a word."""

    def spelt(match: re.Match[str]) -> str:
        number = match[0]
        plain = number.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+", number) else ""
        if plain:
            return plain
        words = _WORDS_OF_NUMBERS.get(language, ())
        alone = text[match.end() : match.end() + 1] == " " and number.isdigit() and 2 <= int(number) < len(words)
        if alone:
            return words[int(number)]
        if number.isdigit() and 4 < len(number) < 10:
            return f"{int(number):,}".replace(",", "," if language != "hu" else chance.choice(" ."))
        return number

    changed = _NUMBER.sub(spelt, text)
    return changed if changed != text else ""


def merged(first: str, second: str, language: str) -> str:
    """Two sentences in one."""
    if language == "ko":
        if not re.search(r"(?<!니)다\.$", first):
            return ""
        return f"{first[:-2]}고, {second}"
    return f"{first.rstrip('.')}, {'és' if language == 'hu' else 'and'} {second}"


def statement(question: str, answer: str, language: str) -> str:
    """A question with its answer in it; empty where the question has none of the forms that can be turned by rule."""
    if language == "ko":
        match = _KOREAN_QUESTION.match(question)
        if not match or re.search(r"다음|않|아닌|지문", question):
            return ""
        # The particle depends on whether the syllable ends in a consonant (The Unicode Standard, section 3.12).
        topic = "은" if (ord(match[1][-1]) - ord("가")) % 28 else "는"
        return f"{match[1]}{topic} {answer}입니다."
    if language != "en":
        return ""
    who = _ENGLISH_WHO.match(question)
    if who:
        return f"{answer[:1].upper()}{answer[1:]} {who[1]}."
    what = _ENGLISH_WHAT.match(question)
    return f"{what[2][:1].upper()}{what[2][1:]} {what[1]} {answer}." if what else ""


def other_number(text: str, language: str, chance: random.Random) -> str:
    """One number replaced by another of about its size."""
    found = [match for match in _NUMBER.finditer(text) if match[0].isdigit() or "," in match[0] or "." in match[0]]
    if not found:
        return ""
    match = chance.choice(found)
    digits = [*match[0]]
    places = [at for at, digit in enumerate(digits) if digit.isdigit()]
    # A year stays one: only its last two digits change.
    at = chance.choice(places[-2:])
    digits[at] = chance.choice([digit for digit in "123456789" if digit != digits[at]])
    return text[: match.start()] + "".join(digits) + text[match.end() :]


def other_unit(text: str, language: str, chance: random.Random) -> str:
    """The unit behind a number replaced by another of its kind."""
    for units in chance.sample(_UNITS[language], len(_UNITS[language])):
        for unit in units:
            end = "" if language == "ko" else r"(?!\w)"
            match = re.search(rf"(?<=\d)( ?){re.escape(unit)}{end}", text)
            if match:
                other = chance.choice([some for some in units if some != unit])
                return text[: match.start()] + match[1] + other + text[match.end() :]
    return ""


def other_name(text: str, language: str, chance: random.Random, names: Sequence[str], others: Sequence[str]) -> str:
    """One name replaced by one of `others`; names are those of `names`, or words in capitals within the sentence."""
    found = [name for name in names if name in text] or _NAME.findall(text)
    others = [name for name in others if name not in text]
    if not found or not others:
        return ""
    return text.replace(chance.choice(found), chance.choice(others), 1)


def names_of(text: str) -> list[str]:
    """Words in capitals within a sentence."""
    return _NAME.findall(text)


def negated(text: str, language: str, chance: random.Random) -> str:
    """The contrary."""
    if _NEGATION.search(text):
        return ""
    if language == "ko":
        return re.sub(r"다\.$", "다고 볼 수 없다.", text) if text.endswith("다.") else ""
    if language == "hu":
        changed = re.sub(r"\b(volt|lesz|lehet|kell|tud|tudott)\b", r"nem \1", text, count=1)
        return changed if changed != text else f"Nem igaz, hogy {text[:1].lower()}{text[1:]}"
    changed = re.sub(r"\b(was|were|is|are|has|had|can|could|will|would|did|may|must)\b", r"\1 not", text, count=1)
    return changed if changed != text else ""


SAME_MEANING: Mapping[str, Callable[[str, str, random.Random], str]] = {
    rule.__name__: rule for rule in (copied, shortened, dropped, reordered, reworded, respelt)
}
OTHER_MEANING: Mapping[str, Callable[[str, str, random.Random], str]] = {
    "other number": other_number,
    "other unit": other_unit,
    "negated": negated,
}
"""By name: rules that need nothing but the sentence."""
