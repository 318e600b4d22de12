"""Text recognition of pictures and scanned pages with Tesseract, which is looked for on the search path.

Knows nothing of PDF files (see `pdf`, which renders their pages). The same picture, program and language data give
the same text.
"""

import csv
import functools
import io
import os
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from ingest.blocks import Block, Loaded
from ingest.loaders.errors import LoadError
from ingest.loaders.layout_lines import count_words, join_lines
from ingest.pulse import beat
from rag.text import flatten, normalise

if TYPE_CHECKING:
    from PIL.Image import Image

LANGUAGES = ("eng", "hun", "kor")
INSTALL = "apt install tesseract-ocr tesseract-ocr-hun tesseract-ocr-kor"
PAGE_LIMIT = 200
"""Pages of one file that are recognised; a page takes seconds."""
PAGE_SECONDS = 60.0
# A page of A4 at 300 dots an inch has 8.7 million; larger pictures are made smaller before they are recognised.
PIXELS = 10_000_000
_PIXEL_LIMIT = 150_000_000
# Letters of a screen picture are too small to be recognised well as they are.
_SMALL_PIXELS = 1_500_000
# Confidence is 0 to 100. Below the first, a word is a speck of dirt; below the second, a paragraph is a picture's.
_WORD_CONFIDENCE = 30.0
_PARAGRAPH_CONFIDENCE = 55.0
# Wider than the space between two words, in heights of a line.
_CELL_GAP = 2.0
# Syllables of one Korean word come as words of their own; a true space is wider than something between these.
_HANGUL_GAP = (0.2, 0.6)
_HANGUL = re.compile("[가-힣]")


class Word(NamedTuple):
    """A recognised word: its line as (block, paragraph, line), its place in pixels, its confidence of 0 to 100."""

    line: tuple[int, int, int]
    left: int
    right: int
    height: int
    confidence: float
    text: str


@dataclass(frozen=True, slots=True)
class _Program:
    path: str
    version: str
    languages: tuple[str, ...]
    # Finds out by itself that a page stands on its side or on its head.
    orientation: bool


def fingerprint() -> str:
    """The program's version and languages, empty without it: when this changes, so may what is recognised."""
    program = _program()
    return f"tesseract {program.version} {'+'.join(program.languages)}" if program else ""


def missing() -> str:
    """What is to be installed before pictures can be read, as the end of a sentence; empty if nothing is."""
    program = _program()
    if program is None or not program.languages:
        return f"install Tesseract ({INSTALL}) and ingest again"
    return ""


def load_image(content: bytes, name: str) -> Loaded:
    """The text recognised in a picture; each page of a TIFF file is a page, other files have one.

    Raises LoadError, with the reason and what to do, when there is none.
    """
    if reason := missing():
        raise LoadError(f"it is a picture and waits for text recognition: {reason}")
    with warnings.catch_warnings():
        # Sizes are checked against our own limit.
        warnings.simplefilter("ignore")
        pages, notes = recognise(_frames(content))
    if not any(pages):
        raise LoadError("no text was recognised in it (a photo or a drawing): describe it in a text file if it matters")
    return Loaded("image", "", tuple(pages), notes=notes)


def recognise(pictures: Iterable["Image"]) -> tuple[list[tuple[Block, ...]], tuple[str, ...]]:
    """The blocks of each page picture, in reading order, and notes on what could not be read.

    Takes about 4 s a page. Raises LoadError without the program.
    """
    program = _program()
    if program is None or not program.languages:
        raise LoadError(f"it waits for text recognition: {missing()}")
    pages: list[tuple[Block, ...]] = []
    failed: list[int] = []
    for number, picture in enumerate(pictures, 1):
        try:
            words = _words(program, picture, program.languages)
            if "kor" in program.languages and _is_korean(words):
                words = merged(words, _words(program, picture, ("kor",)))
        except subprocess.TimeoutExpired:
            failed.append(number)
            words = []
        pages.append(blocks_of(words))
        beat()
    lacking = [language for language in LANGUAGES if language not in program.languages]
    notes = [f"text recognition lacks {', '.join(lacking)}: apt install tesseract-ocr-{lacking[0]}"] if lacking else []
    if failed:
        notes.append(f"text recognition gave up on {len(failed)} of {len(pages)} pages after {PAGE_SECONDS:g} s")
    return pages, tuple(notes)


def blocks_of(words: Sequence[Word]) -> tuple[Block, ...]:
    """The paragraphs and table rows that recognised words make, without noise and with divided words mended."""
    paragraphs: dict[tuple[int, int], dict[tuple[int, int, int], list[Word]]] = {}
    for word in words:
        paragraphs.setdefault(word.line[:2], {}).setdefault(word.line, []).append(word)
    kept = [
        [text for line in lines.values() if (text := _line(line))]
        for lines in paragraphs.values()
        if _confidence([word for line in lines.values() for word in line]) >= _PARAGRAPH_CONFIDENCE
    ]
    known = count_words(line for lines in kept for line in lines)
    blocks: list[Block] = []
    for lines in kept:
        # A row ends the text before it.
        text = ""
        for line in lines:
            if " | " in line:
                blocks += [Block(text)] * bool(text) + [Block(line, row=True)]
                text = ""
            else:
                text = join_lines(text, line, known) if text else line
        blocks += [Block(text)] * bool(text)
    return tuple(block for block in blocks if any(letter.isalnum() for letter in block.text))


def _line(words: Sequence[Word]) -> str:
    height = sorted(word.height for word in words)[len(words) // 2]
    # What is dropped still fills the line: it leaves no gap between cells.
    gaps = [(word.left - before.right) / height for before, word in pairwise(words)]
    space = _word_space(gaps)
    text = ""
    for word, gap in zip(words, [0.0, *gaps], strict=True):
        if word.confidence < _WORD_CONFIDENCE:
            continue
        if text:
            touching = gap < space and _HANGUL.search(text[-1] + word.text[0]) and text[-1] not in ".,;:!?)"
            text += " | " if gap > _CELL_GAP else "" if touching else " "
        text += word.text
    return flatten(normalise(text))


def _word_space(gaps: Sequence[float]) -> float:
    """The gap, in heights, from which Korean words are apart: it differs from line to line of justified text."""
    low, high = _HANGUL_GAP
    inside = sorted(gap for gap in gaps if low <= gap <= high)
    bounds = [low, *inside, high]
    _, below, above = max((above - below, below, above) for below, above in pairwise(bounds))
    return (below + above) / 2


def merged(words: Sequence[Word], korean: Sequence[Word]) -> list[Word]:
    """The words of one page read twice: where the readings differ in script, that which is surer.

    Beside other languages, short Korean words are read as Latin letters; alone, Korean swallows other languages' words.
    """
    readings: dict[tuple[int, int, int], tuple[list[Word], list[Word]]] = {}
    for place, reading in enumerate((words, korean)):
        for word in reading:
            readings.setdefault(word.line, ([], []))[place].append(word)
    kept: list[Word] = []
    for both in readings.values():
        spans = sorted((word.left, word.right, place, word) for place in (0, 1) for word in both[place])
        edge, group = 0, ([], [])  # type: tuple[int, tuple[list[Word], list[Word]]]
        for left, right, place, word in spans:
            if left >= edge:
                kept += _surer(*group)
                group = ([], [])
            group[place].append(word)
            edge = max(edge, right)
        kept += _surer(*group)
    return kept


def _surer(words: list[Word], korean: list[Word]) -> list[Word]:
    hangul = any(_HANGUL.search(word.text) for word in korean)
    swap = korean and hangul and (not words or _confidence(korean) > _confidence(words))
    return korean if swap else words


def _is_korean(words: Sequence[Word]) -> bool:
    letters = [letter for word in words for letter in word.text if letter.isalpha()]
    return 5 * sum(bool(_HANGUL.match(letter)) for letter in letters) > len(letters)


def _confidence(words: Sequence[Word]) -> float:
    letters = sum(len(word.text) for word in words)
    return sum(word.confidence * len(word.text) for word in words) / letters if letters else 100.0


def _words(program: _Program, picture: "Image", languages: Sequence[str]) -> list[Word]:
    stream = io.BytesIO()
    _prepared(picture).save(stream, "PNG", compress_level=1)
    # Mode 1 finds out how the page is turned, mode 3 takes it as it is.
    mode = "1" if program.orientation else "3"
    run = subprocess.run(
        [program.path, "stdin", "stdout", "-l", "+".join(languages), "--dpi", "300", "--psm", mode, "tsv"],
        input=stream.getvalue(),
        capture_output=True,
        timeout=PAGE_SECONDS,
        cwd=tempfile.gettempdir(),
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
    )
    # A page without anything that looks like text is an error to it.
    rows = csv.DictReader(io.StringIO(run.stdout.decode("utf-8", "replace")), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [
        Word(
            (int(row["block_num"]), int(row["par_num"]), int(row["line_num"])),
            int(row["left"]),
            int(row["left"]) + int(row["width"]),
            int(row["height"]),
            float(row["conf"]),
            row["text"],
        )
        for row in rows
        if row["level"] == "5" and row["text"].strip()
    ]


def _prepared(picture: "Image") -> "Image":
    """The picture in grey on white, neither too large nor too small to be recognised."""
    from PIL import Image

    if picture.mode.startswith("I"):
        picture = picture.point(lambda value: value * (1 / 256)).convert("L")
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, "white")
        ground.alpha_composite(picture)
        picture = ground
    picture = picture.convert("L")
    pixels = picture.width * picture.height
    if pixels > PIXELS or pixels < _SMALL_PIXELS:
        factor = (PIXELS / pixels) ** 0.5 if pixels > PIXELS else 2.0
        size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return picture


def _frames(content: bytes) -> Iterator["Image"]:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as picture:
            # Frames of other formats are those of an animation.
            count = getattr(picture, "n_frames", 1) if picture.format == "TIFF" else 1
            if count > PAGE_LIMIT:
                raise LoadError(f"it has {count} pages, at most {PAGE_LIMIT} are recognised: split it")
            for number in range(count):
                picture.seek(number)
                if picture.width * picture.height > _PIXEL_LIMIT:
                    size, limit = picture.width * picture.height / 1e6, _PIXEL_LIMIT / 1e6
                    raise LoadError(f"it has {size:.0f} million pixels, at most {limit:.0f} are read: make it smaller")
                yield ImageOps.exif_transpose(picture)
    except (Image.DecompressionBombError, MemoryError) as error:
        raise LoadError(f"it has more than {_PIXEL_LIMIT / 1e6:.0f} million pixels: make it smaller") from error
    except UnidentifiedImageError as error:
        raise LoadError("it is no picture that can be opened: save it again as PNG") from error
    except (OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError) as error:
        raise LoadError(f"it is a damaged picture ({error}): save it again") from error


def _program() -> _Program | None:
    path = shutil.which("tesseract")
    return _asked(path) if path else None


@functools.cache
def _asked(path: str) -> _Program | None:
    try:
        version = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=PAGE_SECONDS)
        listed = subprocess.run([path, "--list-langs"], capture_output=True, text=True, timeout=PAGE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    # Older versions write to the error stream.
    first = (version.stdout or version.stderr).split("\n", 1)[0].removeprefix("tesseract").strip()
    names = (listed.stdout or listed.stderr).split()
    return _Program(path, first, tuple(name for name in LANGUAGES if name in names), "osd" in names)
