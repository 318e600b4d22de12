"""Text of any number of words in one language, and facts hidden in it at chosen depths, written as real documents.

Without documents of one's own the text is that of `evaluation.made`: real words in sentences without meaning, each
passage with a sentence of its own on an antenna, so that needles are not the only sentences that make sense.
"""

import csv
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from evaluation.made import chunk_of
from evaluation.made_files import LINE, PAGE_LINES, pdf
from rag.errors import ConfigurationError
from rag.languages import detect
from rag.settings import LANGUAGES
from rag.text import flatten, sentence_spans

LAYOUTS = ("book", "text", "files")
"""One PDF with pages, one text file, or text files of `FILE_WORDS` words."""
FILE_WORDS = 2_000
# Between needles of one depth, so that no passage holds two of them.
_APART = 300
# Where the text is too short for that, needles of one depth may take this share of it.
_BAND = 0.1
_SHORTEST = 20


@dataclass(frozen=True, slots=True)
class Needle:
    """A fact in one language: the sentence that states it, a question that it alone answers, and the answer."""

    fact: str
    kind: str
    language: str
    text: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Hidden:
    """A needle at a depth, in percent of the words before it."""

    needle: Needle
    depth: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a needle came to stand: its document's source and its 1-based pages, two where a page ends within it."""

    source: str
    pages: tuple[int, ...]


@cache
def facts() -> dict[str, dict[str, Needle]]:
    """The facts of `needles.csv`: by fact and language, in their order there."""
    found: dict[str, dict[str, Needle]] = {}
    with Path(__file__).with_name("needles.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            needle = Needle(row["fact"], row["kind"], row["language"], row["needle"], row["question"], row["answer"])
            found.setdefault(needle.fact, {})[needle.language] = needle
    return found


def paragraphs(language: str, words: int, folder: Path | None = None) -> list[str]:
    """Paragraphs of about `words` words in a language: made ones, or those of the documents in `folder`.

    Raises ConfigurationError where these have too little text in that language.
    """
    found: list[str] = []
    total = 0
    for paragraph in _of_documents(folder, language) if folder else _made(language):
        missing = words - total
        part = paragraph.split()[:missing]
        found.append(" ".join(part))
        total += len(part)
        if total >= words:
            return found
    raise ConfigurationError(
        f"{folder} has {total} words in the language {language!r}, {words} are asked for: give more documents, or"
        f" --words {max(total, 1)}."
    )


def write(folder: Path, text: Sequence[str], hidden: Sequence[Hidden], layout: str = "book") -> dict[str, Place]:
    """Writes a text with needles in it to an empty folder; where each came to stand, by its fact.

    Raises ConfigurationError for an unknown layout, ValueError where a needle can't be found again.
    """
    if layout not in LAYOUTS:
        raise ConfigurationError(f"A layout should be one of {', '.join(LAYOUTS)}, is now {layout!r}.")
    parts = with_needles(text, hidden)
    folder.mkdir(parents=True, exist_ok=True)
    if layout == "book":
        pages = [*_pages(parts)]
        (folder / "haystack.pdf").write_bytes(pdf("Haystack", pages))
        written = {"haystack.pdf": [" ".join(page) for page in pages]}
    else:
        files = [parts] if layout == "text" else _files(parts)
        written = {}
        for number, paragraphs in enumerate(files, 1):
            name = f"haystack-{number:04}.txt"
            content = "\n\n".join(paragraphs) + "\n"
            (folder / name).write_text(content, encoding="utf-8")
            written[name] = [content]
    flat = {name: [*map(flatten, pages)] for name, pages in written.items()}
    return {item.needle.fact: _place(item.needle, flat) for item in hidden}


def with_needles(text: Sequence[str], hidden: Sequence[Hidden]) -> list[str]:
    """The paragraphs with each needle as a sentence of its own between two of theirs, or at their beginning or end."""
    starts = [0]
    for paragraph in text:
        starts.append(starts[-1] + len(paragraph.split()))
    added: dict[int, list[tuple[int, str]]] = {}
    for item, word in zip(hidden, _offsets(hidden, starts[-1]), strict=True):
        number = min(sum(start <= word for start in starts) - 1, len(text) - 1)
        added.setdefault(number, []).append((word - starts[number], item.needle.text))
    return [
        _inserted(paragraph, added[number]) if number in added else paragraph for number, paragraph in enumerate(text)
    ]


def _offsets(hidden: Sequence[Hidden], words: int) -> list[int]:
    """The number of words before each needle: those of one depth stand apart, the first at 0 and the last at 100."""
    depths: dict[int, list[int]] = {}
    for number, item in enumerate(hidden):
        depths.setdefault(item.depth, []).append(number)
    offsets = [0] * len(hidden)
    for depth, numbers in depths.items():
        step = min(_APART, _BAND * words / max(1, len(numbers) - 1))
        first = depth / 100 * (words - step * (len(numbers) - 1))
        for place, number in enumerate(numbers):
            offsets[number] = round(first + place * step)
    return offsets


def _inserted(paragraph: str, needles: Sequence[tuple[int, str]]) -> str:
    for word, needle in sorted(needles, reverse=True):
        before = len(" ".join(paragraph.split()[:word]))
        edges = [0, *(end for _, end in sentence_spans(paragraph)), len(paragraph)]
        at = min(edges, key=lambda edge: abs(edge - before))
        paragraph = " ".join(part for part in (paragraph[:at].strip(), needle, paragraph[at:].strip()) if part)
    return paragraph


def _pages(parts: Sequence[str]) -> Iterator[list[str]]:
    lines: list[str] = []
    for paragraph in parts:
        # Hangul is wider: where some stands in a paragraph, a line of it must still fit.
        width = LINE["ko"] if any("가" <= letter <= "힣" for letter in paragraph) else LINE["en"]
        lines += [*textwrap.wrap(paragraph, width, break_long_words=False, break_on_hyphens=False), ""]
    for start in range(0, len(lines), PAGE_LINES):
        yield lines[start : start + PAGE_LINES]


def _files(parts: Sequence[str]) -> list[list[str]]:
    files: list[list[str]] = [[]]
    words = 0
    for paragraph in parts:
        if words >= FILE_WORDS:
            files.append([])
            words = 0
        files[-1].append(paragraph)
        words += len(paragraph.split())
    return files


def _place(needle: Needle, written: dict[str, list[str]]) -> Place:
    for source, pages in written.items():
        for number, page in enumerate(pages, 1):
            if needle.text in page:
                return Place(source, (number,))
            following = pages[number] if number < len(pages) else ""
            # Only as much of both as a needle that is parted can take.
            joint = f"{page[-len(needle.text) :]} {following[: len(needle.text)]}"
            if needle.text not in following and needle.text in joint:
                return Place(source, (number, number + 1))
    raise ValueError(f"The needle {needle.text!r} was lost when it was written.")


def _made(language: str) -> Iterator[str]:
    numbers = count(LANGUAGES.index(language), len(LANGUAGES))
    return (chunk_of(number).text for number in numbers)


def _of_documents(folder: Path, language: str) -> Iterator[str]:
    from ingest.blocks import page_text
    from ingest.loaders import load
    from ingest.loaders.errors import LoadError

    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            loaded = load(path.read_bytes(), path.name)
        except LoadError:
            continue
        for page in loaded.pages:
            for block in page:
                text = flatten(page_text([block]))
                if len(text) >= _SHORTEST and detect(text) == language:
                    yield text
