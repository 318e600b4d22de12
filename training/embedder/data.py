"""The training texts: aligned pairs, sections under their headings, English lines, a glossary.

The folder holds `pairs.jsonl.gz` (`{src, licence, en?, ko?, hu?}`, texts that say the same), `sections.jsonl.gz`
(the same keys, each language a heading and a text), `english.txt.gz` (one text a line) and `glossary.tsv` (`en, ko,
hu` without a header, variants behind a bar).
"""

import csv
import gzip
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rag.text import fold

LANGUAGES = ("en", "ko", "hu")
# The translation of the Python documentation states no licence of its own.
_UNLICENSED = frozenset({"python-docs-ko"})
_VALIDATION_SHARE = 0.01
# Share of the Hungarian texts that are shown once more as typed on a foreign keyboard, without accents.
_TYPED_PLAIN = 0.2


@dataclass(frozen=True, slots=True)
class Texts:
    """`pairs` say the same in two or three languages; `sections` are (heading, text) by language."""

    pairs: tuple[dict[str, str], ...]
    sections: tuple[dict[str, tuple[str, str]], ...]
    english: tuple[str, ...]
    validation: tuple[dict[str, str], ...]
    """Pairs that are kept out of training, to choose between recipes."""

    def all(self, language: str) -> list[str]:
        """Every distinct training text in a language, in a stable order."""
        found = [row[language] for row in self.pairs if language in row]
        found += [part for row in self.sections if language in row for part in row[language]]
        return list(dict.fromkeys(found + (list(self.english) if language == "en" else [])))


def load(folder: Path) -> Texts:
    """Reads the folder; the same texts in the same order every time."""
    rows = [
        {language: row[language] for language in LANGUAGES if row.get(language)}
        for row in _json_lines(folder / "pairs.jsonl.gz")
        if row["src"] not in _UNLICENSED
    ]
    rows = [row for row in rows if len(row) > 1] + list(_glossary(folder / "glossary.tsv"))
    sections = [
        {language: (row[language][0], row[language][1]) for language in LANGUAGES if row.get(language)}
        for row in _json_lines(folder / "sections.jsonl.gz")
    ]
    with gzip.open(folder / "english.txt.gz", "rt", encoding="utf-8") as file:
        english = tuple(line.strip() for line in file if line.strip())
    chance = random.Random(1)
    chance.shuffle(rows)
    held = [row for row in rows if len(row.get("en", "").split()) > 6][: int(len(rows) * _VALIDATION_SHARE)]
    kept_out = {text for row in held for text in row.values()}
    kept = [row for row in rows if not kept_out & set(row.values())]
    kept += [{**row, "hu": fold(row["hu"])} for row in kept if "hu" in row and chance.random() < _TYPED_PLAIN]
    sections += [
        {**row, "hu": (fold(row["hu"][0]), row["hu"][1])}
        for row in sections
        if "hu" in row and chance.random() < _TYPED_PLAIN
    ]
    return Texts(tuple(kept), tuple(sections), english, tuple(held))


def _json_lines(path: Path) -> Iterator[dict]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _glossary(path: Path) -> Iterable[dict[str, str]]:
    """Every pairing of a term's forms, as far as the longest list of variants goes."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, LANGUAGES, delimiter="\t"):
            forms = {language: [form.strip() for form in row[language].split("|")] for language in LANGUAGES}
            for place in range(max(map(len, forms.values()))):
                yield {language: some[place % len(some)] for language, some in forms.items() if some[0]}
