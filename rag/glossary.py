"""The glossary of a domain: finds its terms in a question, whatever their inflection, and gives their other forms."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from os.path import commonprefix
from pathlib import Path

from rag.analysis import content_terms, words_of
from rag.errors import ConfigurationError
from rag.settings import LANGUAGES
from rag.text import fold
from rag.types import Term

_VARIANTS = "|"
# Letters that an inflected word and a form share at least; letters that an ending has at most; how many of the last
# letters of a form may change, and the length from which on they may.
_SURE_LETTERS, _LONGEST_ENDING, _CHANGED_LETTERS, _LONG_FORM = 4, 5, 2, 7


@dataclass(frozen=True, slots=True)
class Match:
    """A glossary term found in a text.

    `words` are the words it covers, as indexes into the text's words; `length` counts the letters of its form.
    """

    term: Term
    words: range
    length: int


class Glossary:
    """Terms by the first word of each of their forms, so that a question is looked through once."""

    def __init__(self, terms: Iterable[Term] = ()) -> None:
        self.terms = tuple(terms)
        # language -> first letters -> (words of a form, term)
        self._forms: dict[str, dict[str, list[tuple[tuple[str, ...], Term]]]] = {
            language: defaultdict(list) for language in LANGUAGES
        }
        for term in self.terms:
            for language, forms in term.forms.items():
                for form in forms:
                    words = tuple(fold(word) for word in words_of(form))
                    if words:
                        self._forms[language][_first_letters(words[0], language)].append((words, term))

    @classmethod
    def load(cls, path: Path) -> "Glossary":
        """The glossary in a CSV file with the columns en, ko, hu, definition; empty where there is no such file.

        Variants of a form stand behind it after a bar. Raises ConfigurationError naming the line that is wrong.
        """
        if not path.is_file():
            return cls()
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                missing = [language for language in LANGUAGES if language not in (reader.fieldnames or ())]
                if missing:
                    raise ConfigurationError(f"{path} lacks the columns {', '.join(missing)}.")
                return cls(_term(row) for row in reader)
        except (UnicodeDecodeError, csv.Error) as error:
            raise ConfigurationError(f"{path} is not a UTF-8 CSV file: {error}") from error

    def matches(self, words: list[str], language: str) -> list[Match]:
        """The terms that occur in a text, the longest first, not overlapping.

        `words` are those of the text (see `analysis.words_of`). Forms of its language are looked for, and English ones:
        names are written so in every language.
        """
        found: list[Match] = []
        languages = [language] if language in LANGUAGES else []
        if "en" not in languages:
            languages.append("en")
        folded = [fold(word) for word in words]
        start = 0
        while start < len(folded):
            best = max(
                (match for name in languages for match in self._at(folded, start, name)),
                key=lambda match: (len(match.words), match.length),
                default=None,
            )
            if best is None:
                start += 1
            else:
                found.append(best)
                start = best.words.stop
        return found

    def _at(self, words: list[str], start: int, language: str) -> Iterable[Match]:
        for form, term in self._forms[language].get(_first_letters(words[start], language), ()):
            count, length = (_korean_length if language == "ko" else _length)(words, start, form, language)
            if count:
                yield Match(term, range(start, start + count), length)


def _term(row: dict[str, str | None]) -> Term:
    forms = {
        language: tuple(form.strip() for form in (row[language] or "").split(_VARIANTS) if form.strip())
        for language in LANGUAGES
    }
    return Term(forms=forms, definition=(row.get("definition") or "").strip())


def _first_letters(word: str, language: str) -> str:
    return word[: 1 if language == "ko" else 3]


def _length(words: list[str], start: int, form: tuple[str, ...], language: str) -> tuple[int, int]:
    """How many words and letters of the text a form covers there, whatever their inflection; (0, 0) if it doesn't."""
    part = words[start : start + len(form)]
    if len(part) < len(form):
        return 0, 0
    lengths = [_common(word, wanted, language) for word, wanted in zip(part, form, strict=True)]
    return (len(form), sum(lengths)) if all(lengths) else (0, 0)


def _common(word: str, form: str, language: str) -> int:
    """Letters that an inflected word shares with a form, 0 where it is another word."""
    shared = len(commonprefix((word, form)))
    if shared == len(word) == len(form):
        # Exact, so it wins over an inflected form.
        return shared + 1
    ending = len(word) - len(form)
    # Stems alone would take "főtükre" for "foton": both are "fot".
    if shared >= min(_SURE_LETTERS, len(form)) and content_terms(word, language) == content_terms(form, language):
        return shared if ending <= _LONGEST_ENDING else 0
    if language == "hu" and len(form) > _SURE_LETTERS and -1 <= ending <= _LONGEST_ENDING:
        # Snowball misses some Hungarian endings, and long words lose or shorten a vowel: "tükör", "tükre".
        return shared if shared >= len(form) - (_CHANGED_LETTERS if len(form) >= _LONG_FORM else 0) else 0
    return 0


def _korean_length(words: list[str], start: int, form: tuple[str, ...], language: str) -> tuple[int, int]:
    """The same for a Korean form: spaces inside are optional, particles may follow the last word."""
    wanted = "".join(form)
    seen = ""
    for count, word in enumerate(words[start:], start=1):
        seen += word
        if len(seen) >= len(wanted):
            # One syllable is too little to be found inside a longer word.
            fits = seen.startswith(wanted) and (len(wanted) > 1 or len(seen) <= 2)
            return (count, len(wanted)) if fits else (0, 0)
        if not wanted.startswith(seen):
            return 0, 0
    return 0, 0
