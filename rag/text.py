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


def fold(text: str) -> str:
    """Lower case without accents (Hangul untouched): `Őszi` and `oszi` become the same."""
    decomposed = unicodedata.normalize("NFD", text.lower())
    return unicodedata.normalize("NFC", "".join(letter for letter in decomposed if not "\u0300" <= letter <= "\u036f"))


def flatten(text: str) -> str:
    """The text in one line: page breaks, line breaks and runs of spaces become one space."""
    return " ".join(text.replace(PAGE_BREAK, " ").split())


_END = re.compile(r"[.!?。？！…]+[\"'”’»)\]]*(?=\s|$)")
_BREAK = re.compile(r"\n[ \t]*\n|\n(?=[ \t]*(?:[-*•–|#]|\d+[.)] |\(\w\) ))")
_ABBREVIATIONS = frozenset(
    # English
    "e.g i.e etc fig figs eq eqs ref refs sec ch vol no nos al vs dr mr mrs ms prof st approx ca cf jan feb mar apr jun"
    " jul aug sep sept oct nov dec inc ltd u.s u.k p pp"
    # Hungarian
    " pl ld kb min max ún ti dr prof özv ifj id stb.-t vö tel ún u.n szül évf old bek pont ha m t k sz ker u t.i"
    " jan febr márc ápr máj jún júl szept okt".split()
)
_LAST_WORD = re.compile(r"[\w.§-]+$")
_OPENING = "\"'“„‚‘«([-–—*• \t\n\f"


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """`(start, end)` of the sentences of a text in English, Hungarian or Korean, without the spaces around them.

    Blank lines and lines that begin a list item, a table row or a heading end a sentence; single line breaks and
    page breaks do not.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for block_end, next_start in [(m.start(), m.end()) for m in _BREAK.finditer(text)] + [(len(text), len(text))]:
        cut = start
        for match in _END.finditer(text, start, block_end):
            if _ends_sentence(text, match, block_end):
                _append(spans, text, cut, match.end())
                cut = match.end()
        _append(spans, text, cut, block_end)
        start = next_start
    return spans


def _append(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    part = text[start:end]
    stripped = part.strip()
    if stripped:
        begin = start + len(part) - len(part.lstrip())
        spans.append((begin, begin + len(stripped)))


def _ends_sentence(text: str, match: re.Match[str], limit: int) -> bool:
    mark = match[0]
    following = text[match.end() : limit].lstrip(_OPENING)[:1]
    if not following:
        return True
    if mark[0] != "." or mark.startswith(".."):
        return not following.islower()
    word_match = _LAST_WORD.search(text, max(0, match.start() - 30), match.start())
    word = word_match[0] if word_match else ""
    if following.islower():
        return False
    if word.isdigit():
        # Ordinals and dates: "3. §", "2022. 8. 5.", "2026. március"; a number ends a sentence before a capital.
        return following.isalpha() and len(word) > 2
    if word.lower().strip(".") in _ABBREVIATIONS:
        return False
    # Initials: "J. Doe", "U.S. Army".
    return not (len(word.split(".")[-1]) == 1 and word[-1:].isupper())
