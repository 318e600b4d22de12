"""The glossary of a domain: finds its terms in a question, whatever their inflection, and gives their other forms."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rag.analysis import content_terms, words_of
from rag.errors import ConfigurationError
from rag.settings import LANGUAGES
from rag.types import Term

_VARIANTS = "|"


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
        # language -> first analysed word -> (analysed words of a form, term)
        self._forms: dict[str, dict[str, list[tuple[tuple[str, ...], Term]]]] = {
            language: defaultdict(list) for language in LANGUAGES
        }
        for term in self.terms:
            for language, forms in term.forms.items():
                for form in forms:
                    words = tuple(_key(word, language) for word in words_of(form))
                    if words:
                        self._forms[language][words[0] if language != "ko" else words[0][:1]].append((words, term))

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
        keys = {name: [_key(word, name) for word in words] for name in languages}
        start = 0
        while start < len(words):
            best = max(
                (match for name in languages for match in self._at(keys[name], start, name)),
                key=lambda match: (len(match.words), match.length),
                default=None,
            )
            if best is None:
                start += 1
            else:
                found.append(best)
                start = best.words.stop
        return found

    def _at(self, keys: list[str], start: int, language: str) -> Iterable[Match]:
        first = keys[start] if language != "ko" else keys[start][:1]
        for form, term in self._forms[language].get(first, ()):
            count = _korean_length(keys, start, form) if language == "ko" else _length(keys, start, form)
            if count:
                yield Match(term, range(start, start + count), sum(map(len, form)))


def _term(row: dict[str, str | None]) -> Term:
    forms = {
        language: tuple(form.strip() for form in (row[language] or "").split(_VARIANTS) if form.strip())
        for language in LANGUAGES
    }
    return Term(forms=forms, definition=(row.get("definition") or "").strip())


def _key(word: str, language: str) -> str:
    """A word as it is compared: stemmed and folded, Hangul as written, without punctuation."""
    if language == "ko":
        return "".join(letter for letter in word if letter.isalnum())
    return " ".join(content_terms(word, language))


def _length(keys: list[str], start: int, form: tuple[str, ...]) -> int:
    return len(form) if tuple(keys[start : start + len(form)]) == form else 0


def _korean_length(keys: list[str], start: int, form: tuple[str, ...]) -> int:
    """How many words a Korean form covers: spaces inside are optional, particles may follow the last word."""
    wanted = "".join(form)
    seen = ""
    for count, key in enumerate(keys[start:], start=1):
        seen += key
        if len(seen) >= len(wanted):
            # One syllable is too little to be found inside a longer word.
            fits = seen.startswith(wanted) and (len(wanted) > 1 or len(seen) <= 2)
            return count if fits else 0
        if not wanted.startswith(seen):
            return 0
    return 0
