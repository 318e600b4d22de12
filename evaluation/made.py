"""Made documents: chunks of real words in three languages, any number of them, each with a fact only it states.

The words are those of the bundled corpora, drawn with the frequencies of Zipf's law as Mandelbrot corrected it (word of
rank r: 1 / (r + 2.7)), so that an index meets the few very common and the many rare words of real text. Each document
has frequencies of its own around those (a Dirichlet compound multinomial: Madsen, Kauchak and Elkan, "Modeling word
burstiness", ICML 2005): without it all chunks would say the same on average, and their vectors be nearly equal.
Sentences have the length of sentences and no meaning.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from rag.errors import ConfigurationError
from rag.languages import detect
from rag.settings import LANGUAGES, ROOT
from rag.types import Chunk

CHARACTERS = 800
"""Length of a chunk, about."""
CHUNKS_OF_A_DOCUMENT = 20
_WORD = re.compile(r"\w(?:[\w./-]*\w)?")
_MANDELBROT = 2.7
# How strongly documents keep to the common frequencies. With this the median cosine of chunks of two documents is 0.44
# in English, 0.43 in Hungarian and 0.60 in Korean; of real passages it was 0.14 to 0.37, 0.35 and 0.60.
_CONCENTRATION = 30.0
_SENTENCE_WORDS = (7, 19)
# Names are two of these and four digits: no two of the first 2,560,000 chunks share one.
_SYLLABLES = {
    "en": "ba ce di fo gu ha ke li mo nu pa re si to vu wa".split(),
    "hu": "bá csi dé fo gyö há ki lő mu nyá pe ró szi tű vo zsu".split(),
    "ko": "가 너 도 루 미 배 소 우 자 초 키 태 파 해 려 모".split(),
}
_FACTS = {
    "en": (
        "The antenna {name} has a diameter of {value} metres.",
        "What is the diameter of the antenna {name} ({title})?",
    ),
    "hu": ("A {name} antenna átmérője {value} méter.", "Mekkora a {name} antenna átmérője ({title})?"),
    "ko": ("{name} 안테나의 지름은 {value} 미터이다.", "{name} 안테나({title})의 지름은 몇 미터인가?"),
}


def language_of(number: int) -> str:
    """The language of chunk `number`: the three take turns."""
    return LANGUAGES[number % len(LANGUAGES)]


def chunk_of(number: int) -> Chunk:
    """Chunk `number`, from 0: always the same one."""
    language = language_of(number)
    # Chunks of one language and neighbouring numbers make a document.
    series, place = divmod(number // len(LANGUAGES), CHUNKS_OF_A_DOCUMENT)
    words, shares = vocabulary(language)[0], _frequencies(language, series)
    chance = np.random.default_rng(number)
    # A word and its space are at least two characters.
    drawn = iter(words[np.searchsorted(shares, chance.random(CHARACTERS // 2))])
    fact = _FACTS[language][0].format(name=_name(number), value=_value(number))
    sentences: list[str] = []
    length = len(fact)
    while length < CHARACTERS:
        sentence = " ".join(next(drawn) for _ in range(chance.integers(*_SENTENCE_WORDS)))
        sentences.append(f"{sentence[:1].upper()}{sentence[1:]}.")
        length += len(sentences[-1]) + 1
    sentences.insert(int(chance.integers(len(sentences) + 1)), fact)
    text = " ".join(sentences)
    document = f"{language}-{series}"
    titles = np.random.default_rng((series, number % len(LANGUAGES))).random(4)
    title = " ".join(words[np.searchsorted(shares, titles)])
    return Chunk(
        id=f"{document}-{place}",
        document_id=document,
        title=title,
        source=f"{document}.txt",
        language=language,
        first_page=place + 1,
        last_page=place + 1,
        start=0,
        end=len(text),
        headings=(),
        text=text,
    )


def passage_of(chunk: Chunk) -> str:
    """A chunk as it is embedded: its title stands above it."""
    return f"{chunk.title}\n{chunk.text}"


def question_of(number: int) -> str:
    """The question that chunk `number` alone answers, in the chunk's language; it names the subject, as people do."""
    return _FACTS[language_of(number)][1].format(name=_name(number), title=chunk_of(number).title)


@dataclass(frozen=True, slots=True)
class MadeVectors:
    """Rows for any number of chunks from the real rows of the first ones.

    Embedding a million chunks would take hours, so that a chunk beyond the `(n, dimension)` real unit rows gets the row
    of a real one in its language with random noise added. `noise` is the length of the noise: 0.6 leaves a cosine of
    about 0.86 between the two.
    """

    real: np.ndarray
    noise: float = 0.6

    def rows(self, start: int, end: int) -> np.ndarray:
        """`(end - start, dimension)` float32 unit rows of the chunks `start` to `end`."""
        known, dimension = self.real.shape
        if end <= known:
            return self.real[start:end]
        # A whole number of turns keeps the language.
        turns = known - known % len(LANGUAGES)
        numbers = np.arange(start, end)
        rows = self.real[np.where(numbers < known, numbers, numbers % turns)]
        noise = np.random.default_rng(start).standard_normal((end - start, dimension), dtype=np.float32)
        noise *= self.noise / np.linalg.norm(noise, axis=1, keepdims=True)
        rows = rows + np.where(numbers[:, np.newaxis] < known, np.float32(0), noise)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


@cache
def vocabulary(language: str, corpora: Path = ROOT / "corpora") -> tuple[np.ndarray, np.ndarray]:
    """The `(n,)` words of the corpora in a language, most frequent first, and the `(n,)` running sum of their shares.

    Raises ConfigurationError where the corpora hold no text in that language.
    """
    found: Counter[str] = Counter()
    files = [*corpora.glob("*/sources/*"), *corpora.glob("*/manuscripts/*")]
    for path in sorted(path for path in files if path.suffix in (".md", ".txt", ".csv")):
        for paragraph in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
            if detect(paragraph) == language:
                found.update(_WORD.findall(paragraph))
    if not found:
        raise ConfigurationError(f"{corpora} holds no text in the language {language!r} to make documents of.")
    words = sorted(found, key=lambda word: (-found[word], word))
    weights = 1 / (np.arange(1, len(words) + 1) + _MANDELBROT)
    shares = np.cumsum(weights / weights.sum())
    shares[-1] = 1.0
    return np.array(words, dtype=object), shares


@lru_cache(16)
def _frequencies(language: str, series: int) -> np.ndarray:
    """The (n,) running sum of the shares of the words in one document."""
    _, shares = vocabulary(language)
    chance = np.random.default_rng((LANGUAGES.index(language), series))
    drawn = np.cumsum(chance.standard_gamma(_CONCENTRATION * np.diff(shares, prepend=0.0)))
    return np.asarray(drawn / drawn[-1])


def _name(number: int) -> str:
    syllables = _SYLLABLES[language_of(number)]
    second, first = divmod(number // 10000, len(syllables))
    return f"{syllables[first]}{syllables[second % len(syllables)]}{number % 10000:04}".capitalize()


def _value(number: int) -> int:
    return 10 + number * 37 % 9973
