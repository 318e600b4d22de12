"""Plain text: normal form, sentences, folding. Knows nothing of languages' words (see `analysis`) or of documents."""

import re
import unicodedata

from rag.types import PAGE_BREAK

_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_ACCENTS = {"˝": "\u030b", "´": "\u0301", "¨": "\u0308"}
# TeX sets an accent before its letter: "˝o" for "ő". A spacing accent is composed only where that letter exists.
_DETACHED = re.compile(r"([˝´¨]) ?([A-Za-zı])")
_LINE_ENDS = re.compile(r"\r\n?|[\u0085\u2028\u2029\v]")
_SPACES = re.compile(r"[^\S\n\f]+")
# Of other categories than the characters without a picture, but just as invisible: joiners, fillers of absent letters,
# and variation selectors, of which 256 in a row can carry any text.
_IGNORABLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f").union(
    map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
# Letters and signs that show as nothing but room.
_BLANK = frozenset("\u3164\uffa0\u2800")


class _Invisible(dict[int, str | None]):
    """A translation table, filled as it is used, that removes what has no picture of its own."""

    def __missing__(self, code: int) -> str | None:
        letter = chr(code)
        # Cc, Cf: control and format characters (zero-width, bidirectional, tags, soft hyphen); Co, Cs, Cn: no meaning.
        hidden = letter not in "\n\t\f" and unicodedata.category(letter) in ("Cc", "Cf", "Co", "Cs", "Cn")
        self[code] = None if hidden or letter in _IGNORABLE else " " if letter in _BLANK else letter
        return self[code]


_INVISIBLE = _Invisible()


def visible(text: str) -> str:
    """The text in NFC, with ligatures and detached accents composed and everything invisible removed.

    Line breaks become `\\n`; white space stays as it is.
    """
    # What is invisible goes first: it keeps letters and their accents apart.
    text = _LINE_ENDS.sub("\n", text).translate(_INVISIBLE).translate(_LIGATURES)
    return unicodedata.normalize("NFC", _DETACHED.sub(_compose, text))


def normalise(text: str) -> str:
    """The `visible` text with its line and page breaks, and other runs of white space as one space.

    Applying it twice changes nothing.
    """
    return "\n".join(line.strip(" ") for line in _SPACES.sub(" ", visible(text)).split("\n"))


def _compose(match: re.Match[str]) -> str:
    letter = match[2].replace("ı", "i")
    composed = unicodedata.normalize("NFC", letter + _ACCENTS[match[1]])
    return composed if len(composed) == 1 else match[0]


_MARKS = dict.fromkeys(range(0x300, 0x370))


def fold(text: str) -> str:
    """Lower case without accents (Hangul untouched): `Őszi` and `oszi` become the same."""
    text = text.lower()
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).translate(_MARKS))


def flatten(text: str) -> str:
    """The text in one line: page breaks, line breaks and runs of spaces become one space."""
    return " ".join(text.replace(PAGE_BREAK, " ").split())


# Closing quotes, brackets and emphasis, and numbers of notes, belong to the sentence that they follow. Korean is also
# written without a space behind the full stop.
# Possessive, and never begun within a run of stops: a line of dots must not take time with the square of its length.
# Never begun within a run of stops: a line of dots must not take time with the square of its length.
_END = re.compile(r"(?<![.!?。？！…])[.!?。？！…]++(?:[\"'”’»)\]*_]*+(?:\[\d+(?:[,–-] ?\d+)*\])*+(?=\s|$)|(?=[가-힣]))")
_KOREAN_LAST = "다요까죠"
_ITEM = r"(?:[-*•–|#]|\d+[.)] |\(\w\) |[a-z]\) |[①-⑳]|[가나다라마바사아자차카타파하]\. )"
# Where a line ends a sentence: before a blank line or a list item, and behind a Korean ending that only stands at the
# end of one.
_BREAK = re.compile(rf"\n(?:[ \t]*\n|(?=[ \t]*{_ITEM})|(?<=(?:니다|니까|세요|시오)\n))")
_HEADING = re.compile(r"^[ \t]*(?:#{1,6} [^\n]+|\*\*[^*\n]+\*\*:?)(\n)", re.MULTILINE)
_ABBREVIATIONS = frozenset(
    # English
    "etc no nos al st jan feb mar apr jun jul aug sep sept oct nov dec inc ltd jr u.s u.k p.m a.m approx ca"
    # Hungarian
    " kb min max ti stb.-t tel u.n évf old bek ha m t k sz ker u em t.i i.sz jan febr márc ápr máj jún júl szept"
    " okt".split()
)
# What these introduce follows them, whatever it begins with.
_INTRODUCING = frozenset(
    "e.g i.e fig figs eq eqs ref refs sec ch vol vs dr mr mrs ms prof cf p pp pl ld ún özv ifj id vö szül ill".split()
)
# Words in capitals that begin sentences and no names, behind what else could be an ordinal or an abbreviation.
_BEGINNING = re.compile(
    r"(?:The|It|Its|This|That|These|Those|He|She|They|We|You|There|Then|In|On|At|If|For|But|However|When|While|After"
    r"|A|Az|Ez|Ezt|Ezek|Ezért|Ha|Aki|Aztán|Azonban|Majd|Egy|Minden|Itt|Ott|Ezután|Emellett|Továbbá|Utána)(?![\w.])"
)
_LAST_WORD = re.compile(r"[\w.§-]+$")
_ROMAN = re.compile(r"[IVXLC]{2,}|[VXL]")
_NUMBERED = frozenset("war type class stage phase grade part chapter volume and or to".split())
_OUTLINE = frozenset("가나다라마바사아자차카타파하")
_AMOUNT = "$€£¥₩=:<>±/"
_OPENING = "\"'“„‚‘«([-–—*_• \t\n\f"


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """`(start, end)` of the sentences of a text in English, Hungarian or Korean, without the spaces around them.

    Blank lines and lines that begin a list item, a table row or a heading end a sentence; single line breaks and
    page breaks do not, but behind a heading or a polite Korean ending.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for block_end, next_start in [*_breaks(text), (len(text), len(text))]:
        cut = start
        for match in _END.finditer(text, start, block_end):
            if _ends_sentence(text, match, cut, block_end):
                _append(spans, text, cut, match.end())
                cut = match.end()
        _append(spans, text, cut, block_end)
        start = next_start
    return spans


def _breaks(text: str) -> list[tuple[int, int]]:
    """`(start, end)` of what parts blocks of a text, in order."""
    found = [match.span() for match in _BREAK.finditer(text)]
    if "# " in text or "**" in text:
        found = sorted([*found, *(match.span(1) for match in _HEADING.finditer(text))])
    return found


def _append(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    part = text[start:end]
    stripped = part.strip()
    if stripped:
        begin = start + len(part) - len(part.lstrip())
        spans.append((begin, begin + len(stripped)))


def _ends_sentence(text: str, match: re.Match[str], start: int, limit: int) -> bool:
    """Whether the mark ends the sentence that began at `start`; its block ends at `limit`."""
    mark = match[0]
    if "가" <= text[match.end() : match.end() + 1] <= "힣":
        return text[match.start() - 1 : match.start()] in _KOREAN_LAST and match.start() > start
    rest = text[match.end() : min(limit, match.end() + 40)].lstrip(_OPENING)
    following = rest[:1]
    if not following:
        return True
    if mark[0] != "." or mark.startswith(".."):
        return not following.islower()
    if following.islower():
        return False
    word_match = _LAST_WORD.search(text, max(0, match.start() - 30), match.start())
    word = word_match[0] if word_match else ""
    before = word_match.start() if word_match else match.start()
    earlier = text[start:before].strip(_OPENING + "#>")
    first = not earlier
    begins = _BEGINNING.match(rest) is not None
    if word.isdigit():
        # Ordinals and dates: "3. §", "2022. 8. 5.", "2026. március"; a number ends a sentence before a capital.
        ends = len(word) > 2 or begins or text[before - 1 : before] in _AMOUNT
        # "2. The mirror", "Figure 2. The mirror".
        numbered = len(word) < 3 and (first or earlier.isalpha())
        return following.isalpha() and ends and not numbered
    if word in _OUTLINE and first:
        return False
    known = word.lower().strip(".")
    if known in _INTRODUCING:
        return False
    if known in ("no", "nos"):
        return not following.isdigit()
    if known in _ABBREVIATIONS:
        return begins
    if _ROMAN.fullmatch(word):
        # "IV. Béla", but "World War II. Germany"
        return not first and (begins or earlier.rsplit(maxsplit=1)[-1].lower() in _NUMBERED)
    # Initials: "J. Doe", "U.S. Army".
    return begins and "." in word or not (len(word.split(".")[-1]) == 1 and word[-1:].isupper())
