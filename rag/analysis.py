"""Search terms of a text by language, the same for documents and questions. Knows nothing of an index.

English and Hungarian words are stemmed (Snowball) and their accents folded, Hungarian ones cut to six letters; Hangul
becomes character pairs, which need no morphology and measured best; Latin words in Korean text stay whole.

An identifier is taken apart where letters meet digits, so that every spelling of it has the same terms: `GJ1214b`,
`GJ-1214b` and `GJ 1214 b` are `gj`, `1214`, `b`. What surely is one adds its joined neighbours, `gj1214` and `1214b`,
which tell it from a text that has the same letters and numbers elsewhere.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from rag.text import fold

_WORD = re.compile(r"[가-힣]+|(?:\d+(?:[.,]\d+)*|[^\W\d_가-힣]+)+")
# Thousands set apart by spaces are one number, unless more digits follow or precede, as in a row of a table.
_SPACE = "[ \u00a0\u2009\u202f]"
_SPACED = rf"(?<!\w)(?<!\d[ .,])(?<!\d[.,] )[1-9]\d{{0,2}}(?:{_SPACE}\d{{3}}){{1,3}}(?:[.,]\d+)?(?![.,]?{_SPACE}?\d)"
_PIECE = re.compile(rf"({_SPACED}|\d+(?:[.,]\d+)*|[가-힣]+|[^\W\d_가-힣]+)")
_HANGUL = re.compile(r"[가-힣]")
_HYPHENS = frozenset("-\u2010\u2011\u2013")
_APOSTROPHES = frozenset("'’")
# Letters that are longer say enough by themselves: "Apollo" 11, "COVID" 19.
_LONGEST_PREFIX = 4
_LONG_WORD = re.compile(rf"[^\W\d_]{{{_LONGEST_PREFIX + 1}}}")
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:([.,])\d{3})(?:\1\d{3})*")
# Unmistakable ones in any case, those that are also words or names in capitals only.
_ROMAN = {
    "ii": "2", "iii": "3", "vii": "7", "viii": "8", "xii": "12", "xiii": "13", "xiv": "14", "xvi": "16", "xvii": "17",
    "xviii": "18", "IV": "4", "VI": "6", "IX": "9", "XI": "11", "XV": "15", "XIX": "19",
}  # fmt: skip
_ORDINALS = frozenset(("st", "nd", "rd", "th", "s"))
# Case endings behind a hyphen, those of "val" and "vel" in all their assimilated forms: "JWST-vel", "5-tel".
_HUNGARIAN_ENDING = re.compile(
    r"[bn][ae]n|b[oő]l|b[óő]l|[bnr][ae]|r[óő]l|t[óő]l|h[oeö]z|n[ae]k|n[áé]l|[^\W\d_aeiou]{1,3}[ae]l|[oeöa]?[nt]|ig|k[ée]nt"
    r"|[ée]rt|v[áé]|[aeoö]?s|[áéae]|i|[áé]n|[aeo]?k|kor|sz[oeö]r|beli|f[ée]le"
)
_KOREAN_PARTICLE = re.compile(
    r"(?:은|는|이|가|을|를|의|에|에서|에게|께서|으로|로|와|과|도|까지|부터|이나|이며|이고|이란|란|라는|이라는|인)(?:는|은|의|도)?"
)
# Shorter stems are shared by unrelated words: "él" by "élet" and "előtt".
_SHORTEST_STEM = 4
# Snowball leaves Hungarian endings on some forms of a word and not on others ("időtart", "időtartam"): what follows the
# sixth letter is dropped. On HuRTE this took recall@1 from 84 to 87 percent, recall@10 from 96 to 98.
_LONGEST_STEM = {"hu": 6}
_SNOWBALL = {"en": "english", "hu": "hungarian"}
PAIR_GAP = 2
"""How many stop words may stand between two terms that follow each other."""

_STOP_WORDS = {
    "en": frozenset(
        "a an and any are as at be been by can could did do does for from had has have how i in into is it its many me"
        " much my of on or our shall should so some such that the their them there these they this those to was we were"
        " what when where which who whom whose why will with would you your if than then about tell please give".split()
    ),
    "hu": frozenset(
        fold(
            "a az egy és s is de ha hogy nem se sem meg el ki be le fel van vannak volt voltak lesz lenne lehet kell mi"
            " mik mit miket mikor mettől meddig hol hova hová honnan hogyan miként miért mennyi mennyit mennyire hány"
            " hányan mely melyik melyek milyen ki kik kit kinek kitől én te ő mi ti ők ez ezt az azt ezek azok itt ott"
            " vagy mint már még csak kb pl stb szerint alatt után előtt között számára által való vele nekem kérem"
            " minden mekkora"
            # Case endings that a number or an acronym lost with its hyphen.
            " ban ben ból ből ba ra re ról ről tól től hoz hez höz nak nek nál nél ig ként"
        ).split()
    ),
}
# Endings and question words that carry no topic; matched at the end of, or as, a whole Korean word.
_KOREAN_STOP_WORDS = frozenset(
    "무엇 무엇인가 무엇인가요 무엇입니까 누구 누가 언제 언제인가요 어디 어디서 어디에 어디에서 어떻게 왜"
    " 얼마 얼마나 얼마인가요 몇 어떤 어느 무슨 있는 있나요 있습니까 있는가 있다 하는 하나요 합니까 한다"
    " 했나요 했습니까 되는 되나요 됩니까 되었나요 되었습니까 인가 인가요 입니까 이다 그 이 저 및 또는 그리고"
    " 대한 대해 위해 위한 수 것 때 등 좀 알려 알려줘 주세요 알려주세요 해야 하는가 되는가 된다 이는 것은 것이"
    # Particles that a number or a Latin word lost.
    " 은 는 가 을 를 의 에 에서 에는 에게 으로 로 와 과 까지 부터".split()
)
_KOREAN_ENDING = re.compile(
    # Particles behind nouns, verb endings of questions.
    r"(?<=[가-힣]{2})(?:은|는|이|가|을|를|의|에|에서|에게|으로|로|와|과|도|만|까지|부터|이나|나|이며|이고|이란|란"
    r"|인가요?|입니까|이다|인지)$"
    r"|(?<=[가-힣])(?:(?:하|했|되|되었|됐|였|었|았|이)?(?:나요|는가요?|은가요?|습니까|니까|을까요?|까요|는지|은지|어요|아요|지요|죠))$"
)


# Words that ask, looked for at the beginning of a text, where they mostly stand when it has no question mark.
_ASKED_WITHIN = 3
_INTERROGATIVES = {
    "en": frozenset("what when where which who whom whose why how".split()),
    "hu": frozenset(
        "mi mit mik mikor mettol meddig hol hova honnan hogyan miert mennyi mennyit hany hanyan mely melyik milyen ki"
        " kik kinek kitol mekkora".split()
    ),
}
_KOREAN_INTERROGATIVE = re.compile(r"(?:무엇|누구|누가|언제|어디|어떻게|얼마|어떤|어느|무슨|왜$|몇)")
_KOREAN_QUESTION = re.compile(r"(?:나요|까요?|니까|는가요?|은가요?|인가요?|인지|는지)$")


def words_of(text: str) -> list[str]:
    """The words, numbers and identifiers of a text as written, without punctuation."""
    return _WORD.findall(_composed(text))


def content_terms(text: str, language: str) -> list[str]:
    """All search terms of a text, in order, repeated as they occur, and behind them the joined ones of identifiers.

    `language` is `en`, `hu`, `ko` or `other`.
    """
    pieces = _pieces(text, language)
    parts = [term for piece in pieces for term in piece.terms]
    return parts + [term for piece in pieces for term in piece.extra]


def question_terms(text: str, language: str, analysis: str = "") -> list[str]:
    """The distinct terms to search for a question: those of the words that carry its topic, and its identifiers'.

    `analysis` is the language group searched in, that of the question itself where empty.
    """
    words, extra = _topics(text, language, analysis or language)
    return list(dict.fromkeys([term for _, terms in words for term in terms] + extra))


def question_pairs(text: str, language: str, analysis: str = "") -> list[tuple[str, str]]:
    """The distinct pairs of terms that follow each other in a question, at most `PAIR_GAP` stop words between them."""
    words, _ = _topics(text, language, analysis or language)
    placed = [(start + offset, term) for start, terms in words for offset, term in enumerate(terms)]
    return list(
        dict.fromkeys(
            (first, second)
            for (place, first), (following, second) in zip(placed, placed[1:], strict=False)
            if following - place <= PAIR_GAP + 1 and first != second
        )
    )


def _topics(text: str, language: str, analysis: str) -> tuple[list[tuple[int, tuple[str, ...]]], list[str]]:
    """The terms of a question's words with their place among all its terms, and the joined ones."""
    found: list[tuple[int, tuple[str, ...]]] = []
    every: list[tuple[int, tuple[str, ...]]] = []
    joined: list[str] = []
    place = 0
    stop_words = _STOP_WORDS.get(language, frozenset())
    before = ""
    for piece in _pieces(text, analysis):
        every.append((place, piece.terms))
        # The last letter of "gj 1214 b".
        designates = before == "number" and len(piece.text) == 1 and fold(piece.text) not in stop_words
        topic = piece.stem or (piece.text if piece.joined or designates else topic_of(piece.text, language))
        if topic:
            found.append((place, _terms(topic, analysis)))
        if piece.joined:
            joined += piece.extra
        place += len(piece.terms)
        before = piece.kind
    return found or every, joined


def content_words(text: str, language: str) -> list[str]:
    """The words of a question that carry its topic, as written: stop words, question words and endings are gone.

    Falls back to all words where nothing would be left.
    """
    words = words_of(text)
    return [topic for word in words if (topic := topic_of(word, language))] or words


def topic_words(text: str, language: str) -> str:
    """What a text is about: a question's content words, any other text as it is, for none of its words ask."""
    return " ".join(content_words(text, language)) if _asks(text, language) else text


def _asks(text: str, language: str) -> bool:
    if "?" in text or "？" in text:
        return True
    words = words_of(text)
    if any(_HANGUL.match(word) for word in words):
        return bool(_KOREAN_QUESTION.search(words[-1])) or any(_KOREAN_INTERROGATIVE.match(word) for word in words)
    return any(fold(word) in _INTERROGATIVES.get(language, ()) for word in words[:_ASKED_WITHIN])


def topic_of(word: str, language: str) -> str:
    """A word as it carries a topic, a Korean one without its ending; empty for a stop word or question word."""
    if _HANGUL.match(word):
        stem = _KOREAN_ENDING.sub("", word)
        return "" if word in _KOREAN_STOP_WORDS or stem in _KOREAN_STOP_WORDS else stem
    if fold(word) in _STOP_WORDS.get(language, ()) or (len(word) == 1 and not (word.isdigit() or word.isupper())):
        return ""
    return word


@dataclass(frozen=True, slots=True)
class _Piece:
    """A run of Hangul, of other letters, or a number in its usual form; `kind` is `hangul`, `letters` or `number`.

    `terms` are its own, `extra` others that it adds. `stem` is the text without a particle where it has one, `joined`
    says whether the piece is part of an identifier.
    """

    text: str
    kind: str
    terms: tuple[str, ...]
    stem: str = ""
    joined: bool = False
    extra: tuple[str, ...] = ()


def _pieces(text: str, language: str) -> list[_Piece]:
    text = _composed(text)
    # Capitals tell identifiers from words only where not everything is in capitals.
    shouted = text.isupper() and not _HANGUL.search(text) and bool(_LONG_WORD.search(text))
    split = _PIECE.split(text)
    pieces: list[_Piece] = []
    before: _Piece | None = None
    for gap, written in zip(split[::2], split[1::2], strict=False):
        piece = _piece(written, language)
        if before and len(gap) < 2 and (gap != " " or piece.kind == "number" or before.kind == "number"):
            if _is_ending(before, piece, gap, language):
                before = None
                continue
            if _belongs(before, piece, gap, language, shouted):
                pieces[-1] = replace(before, joined=True)
                piece = replace(piece, joined=True, extra=(fold(before.text + piece.text),))
            elif piece.kind == "hangul" and before.kind == "number" and not gap:
                piece = _counted(piece)
        pieces.append(piece)
        before = piece
    return pieces


@lru_cache(maxsize=131072)
def _piece(written: str, language: str) -> _Piece:
    if written[0].isdigit():
        number = _number(written, language)
        return _Piece(number, "number", (number,))
    numeral = _ROMAN.get(written) or _ROMAN.get(written.lower())
    if numeral:
        return _Piece(numeral, "number", (numeral,))
    return _Piece(written, "hangul" if _HANGUL.match(written) else "letters", _terms(written, language))


def _is_ending(before: _Piece, piece: _Piece, gap: str, language: str) -> bool:
    """Whether a piece is a mere ending or particle of the one before it."""
    if piece.kind == "hangul":
        return (
            not gap
            and before.kind != "hangul"
            and bool(_KOREAN_PARTICLE.fullmatch(piece.text))
            and not (before.kind == "number" and piece.text == "도")
        )
    if piece.kind != "letters":
        return False
    if not gap:
        return before.kind == "number" and piece.text.lower() in _ORDINALS
    if gap in _APOSTROPHES:
        return piece.text in ("s", "S")
    return gap in _HYPHENS and language == "hu" and _has_ending(before, piece)


def _counted(piece: _Piece) -> _Piece:
    """Hangul behind a number; where it is a counter with a particle, the counter is a term too."""
    if len(piece.text) > 1 and _KOREAN_PARTICLE.fullmatch(piece.text[1:]):
        # "년에" as a pair would miss "년" and "년의".
        return replace(piece, stem=piece.text[0], extra=(piece.text[0],))
    return piece


def _has_ending(before: _Piece, piece: _Piece) -> bool:
    """Whether a piece behind a hyphen is the Hungarian ending of a number, an acronym or a name."""
    if before.kind == "number":
        return not piece.text.isupper() and bool(_HUNGARIAN_ENDING.fullmatch(piece.text))
    return before.text[:1].isupper() and bool(_HUNGARIAN_ENDING.fullmatch(piece.text.lower()))


def _belongs(first: _Piece, second: _Piece, gap: str, language: str, shouted: bool) -> bool:
    """Whether two neighbours are parts of one identifier, however it is spelt."""
    if gap and (shouted or (gap != " " and gap not in _HYPHENS)):
        return False
    stop_words = _STOP_WORDS.get(language, frozenset())
    if first.kind == "letters" and second.kind == "number":
        # "NASA 1958" is no identifier; "GJ 1214" looks the same but for the size of its number.
        if len(first.text) > _LONGEST_PREFIX or _YEAR.fullmatch(second.text):
            return False
        return not gap or (not first.joined and _capital(first.text) and fold(first.text) not in stop_words)
    if first.kind == "number" and second.kind == "letters" and len(second.text) == 1:
        # A small letter behind a number alone is a unit.
        return (first.joined or second.text.isupper()) and (gap != " " or fold(second.text) not in stop_words)
    return False


def _capital(word: str) -> bool:
    return word.isupper() or any(map(str.isupper, word[1:]))


def _number(written: str, language: str) -> str:
    """A number without thousands separators, its decimals behind a point.

    In Hungarian and unknown languages a lone `1.234` or `1,234` may be either: it has thousands if it ends in 0, which
    no one writes as a third decimal.
    """
    written = "".join(written.split())
    last = max(written.rfind("."), written.rfind(","))
    if "." in written and "," in written and written.count(written[last]) == 1:
        return written[:last].replace(".", "").replace(",", "") + "." + written[last + 1 :]
    match = _THOUSANDS.fullmatch(written)
    if match:
        english = language in ("en", "ko")
        several = written.count(match[1]) > 1
        if several or (match[1] == "," if english else written.endswith("0")):
            return written.replace(match[1], "")
    return written.replace(",", ".")


def _composed(text: str) -> str:
    # Hangul pasted from some systems comes as single letters.
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


@lru_cache(maxsize=65536)
def _terms(word: str, language: str) -> tuple[str, ...]:
    if _HANGUL.match(word):
        return tuple(word[i : i + 2] for i in range(len(word) - 1)) if len(word) > 1 else (word,)
    if language not in _SNOWBALL or not word.isalpha():
        return (fold(word),)
    stemmer = _stemmer(language)
    stem = fold(stemmer.stemWord(word.lower()))
    # The second stemming brings words typed without accents to the same term: "urtavcso" and "űrtávcső".
    again = stemmer.stemWord(stem)
    return ((again if len(again) >= _SHORTEST_STEM else stem)[: _LONGEST_STEM.get(language)],)


@cache
def _stemmer(language: str) -> Any:
    import Stemmer

    return Stemmer.Stemmer(_SNOWBALL[language])
