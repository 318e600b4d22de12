"""How much of a gold answer a text holds: inside it or not, token F1, ROUGE. Knows nothing of questions.

All rules keep every letter of every script. Korean is compared by syllables, because its words end in particles and
are parted by spaces now so, now so.
"""

import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from rag.text import flatten

_ARTICLES = {"en": re.compile(r"\b(?:a|an|the)\b"), "hu": re.compile(r"\b(?:a|az)\b")}
# Letters and digits between anything else, a Hangul syllable each for itself.
_ROUGE_TOKEN = re.compile(r"[가-힣]|[^\W_가-힣]+")


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a text and a gold answer share, as parts of the text and of the gold answer; all in [0, 1]."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


NOTHING = Overlap(0.0, 0.0)


def holds_exactly(text: str, answers: Sequence[str]) -> bool:
    """Whether a text holds one of the answers letter by letter; only white space may differ, numbers must be whole."""
    return _inside(_composed(text), map(_composed, answers))


def holds(text: str, answers: Sequence[str], language: str) -> bool:
    """Whether a text holds one of the answers, both normalised; a number only as a whole, not as part of another.

    An answer that is there letter by letter is there: without its dash, a span of years is one long number.
    """
    told = [answer for answer in answers if normalised(answer, language)]
    return holds_exactly(text, told) or _inside(_joined(text, language), (_joined(answer, language) for answer in told))


def token_f1(text: str, answers: Sequence[str], language: str) -> Overlap:
    """The overlap of tokens, in any order, with the answer that the text is nearest to.

    Words after `normalised`, as the script of SQuAD counts them (Rajpurkar et al., EMNLP 2016); in Korean the
    characters of these words, as that of KorQuAD 1.0 does.
    """

    def tokens(value: str) -> Sequence[str]:
        words = normalised(value, language)
        return "".join(words) if language == "ko" else words

    return _nearest(text, answers, lambda said, wanted: _shared(Counter(tokens(said)), Counter(tokens(wanted))))


def rouge(text: str, answers: Sequence[str], size: int) -> Overlap:
    """ROUGE-`size`, the overlap of n-grams, with the answer that the text is nearest to.

    Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004; tokens are those of `rouge_tokens`, no stems.
    """

    def grams(value: str) -> Counter[tuple[str, ...]]:
        tokens = rouge_tokens(value)
        return Counter(zip(*(tokens[start:] for start in range(size)), strict=False))

    return _nearest(text, answers, lambda said, wanted: _shared(grams(said), grams(wanted)))


def rouge_l(text: str, answers: Sequence[str]) -> Overlap:
    """ROUGE-L, the longest common subsequence of tokens, with the answer that the text is nearest to."""

    def overlap(said: str, wanted: str) -> Overlap:
        first, second = rouge_tokens(said), rouge_tokens(wanted)
        length = _common_subsequence(first, second)
        return Overlap(length / len(first), length / len(second)) if length else NOTHING

    return _nearest(text, answers, overlap)


def rouge_tokens(text: str) -> list[str]:
    """Words and numbers in lower case, accents kept, every Hangul syllable a token of its own."""
    return _ROUGE_TOKEN.findall(_composed(text).lower())


def normalised(text: str, language: str) -> list[str]:
    """Words in lower case without punctuation and articles.

    By the rules of SQuAD, with the punctuation of all scripts as MLQA has it (Lewis et al., ACL 2020).
    """
    plain = unicodedata.normalize("NFC", text).lower().translate(_punctuation())
    articles = _ARTICLES.get(language)
    return (articles.sub(" ", plain) if articles else plain).split()


def _inside(said: str, answers: Iterable[str]) -> bool:
    for wanted in filter(None, answers):
        before = r"(?<!\d)(?<!\d[.,])" if wanted[0].isdigit() else ""
        behind = r"(?![.,]?\d)" if wanted[-1].isdigit() else ""
        if re.search(before + re.escape(wanted) + behind, said):
            return True
    return False


def _joined(text: str, language: str) -> str:
    return ("" if language == "ko" else " ").join(normalised(text, language))


def _composed(text: str) -> str:
    return flatten(unicodedata.normalize("NFC", text))


@cache
def _punctuation() -> dict[int, None]:
    marks = (code for code in range(sys.maxunicode) if unicodedata.category(chr(code)).startswith("P"))
    return dict.fromkeys([*marks, *map(ord, string.punctuation)])


def _nearest(text: str, answers: Sequence[str], overlap: Callable[[str, str], Overlap]) -> Overlap:
    return max((overlap(text, answer) for answer in answers), key=lambda found: found.f1, default=NOTHING)


def _shared(said: Counter[Any], wanted: Counter[Any]) -> Overlap:
    shared = (said & wanted).total()
    return Overlap(shared / said.total(), shared / wanted.total()) if shared else NOTHING


def _common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    lengths = [0] * (len(second) + 1)
    for item in first:
        above = 0
        for place, other in enumerate(second, start=1):
            best = above + 1 if item == other else max(lengths[place], lengths[place - 1])
            above, lengths[place] = lengths[place], best
    return lengths[-1]
