"""How well passages bear out sentences: evidence that can be named, and a logistic model that makes one figure of it.

Words, rare ones more than common ones; meaning, by the bundled student, which knows the three languages in one space;
and what must agree: numbers and their units, names, negation. All of it is taken of the best window of a passage.
Fitted on sentences made by rule by `python -m training.support`, see rag/WEIGHTS.md. Knows nothing of citations.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rag.analysis import content_terms, content_words, topic_of, words_of
from rag.cite.quantities import Quantity, contradicted, missing, quantities, values
from rag.embed import bundled_student
from rag.text import flatten, fold
from rag.types import Chunk, knows
from rag.weights import OTHER, SAME, weights

WINDOW = 3
"""The most neighbouring sentences of a passage that bear out one sentence together."""

FEATURES = ("coverage", "alignment", "cosine", "strangers", "numbers", "numbers nearby", "units", "names", "negation")
AGAINST = frozenset(FEATURES[3:])
"""Features whose weights are not above zero; those of the others are not below."""

_STRANGERS = 3
# A longer window has to be better by this for each sentence.
_LENGTH_MALUS = 0.08
# Names are compared by their beginnings: endings and spellings differ at their ends.
_NAME_LETTERS, _LEAST_NAME = 5, 3
_LIKE_NAME = 0.6
_LATIN = re.compile(r"[A-Za-zÀ-ž]")
_NEGATION = re.compile(
    r"(?<!\w)(?:not|no(?!\.)|never|none|neither|nor|without|cannot|nem|ne|sem|nincs\w*|nelkul|soha)(?!\w)"
    r"|n['’]t(?!\w)|않|못[하한했]|없[는다었습]|아니|아닌|아닙"
)

Span = tuple[int, int]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Supports:
    """`scores` is (sentences, passages) in [0, 1], NaN where nothing can judge: languages that the student has not.

    `spans` is what comes closest in each passage, `numbers_agree` whether the passage has all numbers of the sentence.
    """

    scores: np.ndarray
    spans: dict[Pair, Span]
    numbers_agree: np.ndarray


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one sentence in one passage: the head that judges it, features by name, and the span they were taken of."""

    head: str
    features: dict[str, float]
    span: Span


def supports(texts: Sequence[str], chunks: Sequence[Chunk], spans: Sequence[Sequence[Span]], language: str) -> Supports:
    """Judges sentences of one language against passages; `spans` are those of each passage's sentences."""
    scores = np.full((len(texts), len(chunks)), np.nan)
    agree = np.ones((len(texts), len(chunks)), bool)
    found = evidence(texts, chunks, spans, language)
    student = bundled_student()
    for (index, place), item in found.items():
        agree[index, place] = not item.features["numbers"]
        if item.head == SAME or (knows(student, language) and knows(student, chunks[place].language)):
            scores[index, place] = probability(item)
    return Supports(scores, {pair: item.span for pair, item in found.items()}, agree)


def probability(item: Evidence) -> float:
    """What the evidence comes to, in [0, 1]; sentences are told apart best at 0.5."""
    weight = weights("support")[item.head]
    value = weight["bias"] + sum(weight[name] * item.features[name] for name in FEATURES)
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, value))))


def evidence(
    texts: Sequence[str], chunks: Sequence[Chunk], spans: Sequence[Sequence[Span]], language: str
) -> dict[Pair, Evidence]:
    """The evidence by place of the sentence and place of the passage."""
    student = bundled_student()
    passages = [
        _passage(chunk.text, tuple(some), " ".join((chunk.title, *chunk.headings)), chunk.language)
        for chunk, some in zip(chunks, spans, strict=True)
    ]
    rarity = _Rarity.of([passage for passage in passages if passage.language == language])
    pieces = student.pieces(texts)
    sentences = [_sentence(text, language, some) for text, some in zip(texts, pieces, strict=True)]
    asked = np.unique(np.concatenate([sentence.pieces for sentence in sentences])) if sentences else np.empty(0, int)
    found = {}
    for place, passage in enumerate(passages):
        # (pieces of all sentences, sentences of the passage): the best cosine of each piece in each sentence
        cosines = student.cosines(asked, passage.pieces)[:, passage.place]
        alike = np.maximum.reduceat(cosines, passage.starts, axis=1)
        alike = np.maximum(alike[:, :-1], alike[:, -1:])
        for index, sentence in enumerate(sentences):
            rows = np.searchsorted(asked, sentence.pieces)
            found[index, place] = _evidence(sentence, passage, alike[rows], rarity)
    return found


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence as it is compared: `pieces` (p,) of the student, once each, and `row` (d,), their unit sum."""

    language: str
    terms: tuple[str, ...]
    pieces: np.ndarray
    row: np.ndarray
    quantities: tuple[Quantity, ...]
    names: tuple[str, ...]
    name_pieces: tuple[np.ndarray, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class _Passage:
    """A passage as it is compared. What is a sequence has an item a sentence of it; `windows` are ranges of these.

    What stands above it, title and headings, is part of every sentence. `pieces` (p,) are all pieces, `place` those of
    the sentences and of what stands above, one behind the other, as places in it, `starts` where each begins there.
    `rows` (windows, d) are the unit sums of windows.
    """

    language: str
    spans: tuple[Span, ...]
    terms: tuple[frozenset[str], ...]
    quantities: tuple[tuple[Quantity, ...], ...]
    negated: tuple[bool, ...]
    windows: tuple[tuple[int, int], ...]
    pieces: np.ndarray
    place: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    above: tuple[Quantity, ...]
    beginnings: frozenset[str]
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Rarity:
    """How rare a term is among the sentences of the passages of one language."""

    counts: Counter[str]
    total: int

    @classmethod
    def of(cls, passages: Sequence[_Passage]) -> "_Rarity":
        counts = Counter(term for passage in passages for terms in passage.terms for term in terms)
        return cls(counts, sum(len(passage.terms) for passage in passages))

    def __getitem__(self, term: str) -> float:
        return math.log(1 + (self.total + 1) / (1 + self.counts[term]))


def _sentence(text: str, language: str, pieces: np.ndarray) -> _Sentence:
    row = bundled_student().embed_pieces([pieces])[0]
    terms = tuple(sorted(set(_terms(text, language))))
    negated = bool(_NEGATION.search(fold(text)))
    names = _names(text, language)
    name_pieces = tuple(bundled_student().pieces(names)) if names else ()
    return _Sentence(language, terms, np.unique(pieces), row, quantities(text), names, name_pieces, negated)


@lru_cache(maxsize=256)
def _passage(text: str, spans: tuple[Span, ...], above: str, language: str) -> _Passage:
    student = bundled_student()
    texts = [flatten(text[start:end]) for start, end in spans]
    *parts, heading = student.pieces([*texts, above])
    sums = [some.sum(axis=0) if len(some := student.rows(part)) else np.zeros(student.dimension) for part in parts]
    count = len(spans)
    windows = [(start, start + size) for size in _sizes(count) for start in range(count - size + 1)]
    rows = np.stack([np.sum(sums[start:end], axis=0) for start, end in windows]).astype(np.float32)
    # A sentence without a known piece gets the unknown one, which resembles nothing.
    filled = [part if len(part) else np.zeros(1, np.uint16) for part in (*parts, heading)]
    pieces, place = np.unique(np.concatenate(filled), return_inverse=True)
    words = frozenset(fold(word) for word in words_of(f"{above} {text}"))
    shared = frozenset(_terms(above, language))
    return _Passage(
        language,
        spans,
        tuple(shared.union(_terms(part, language)) for part in texts),
        tuple(quantities(part) for part in texts),
        tuple(bool(_NEGATION.search(fold(part))) for part in texts),
        tuple(windows),
        pieces,
        place,
        np.cumsum([0, *(len(part) for part in filled[:-1])]),
        rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9),
        quantities(above),
        frozenset(word[:letters] for word in words for letters in range(2, _NAME_LETTERS + 1)),
        words,
    )


def _evidence(sentence: _Sentence, passage: _Passage, alike: np.ndarray, rarity: _Rarity) -> Evidence:
    """`alike` is (pieces of the sentence, sentences of the passage): the best cosine of each piece in each."""
    same = passage.language == sentence.language
    weight = np.array([rarity[term] for term in sentence.terms])
    stands = np.array([[term in terms for terms in passage.terms] for term in sentence.terms], float)
    lengths = bundled_student().lengths[sentence.pieces]
    coverage = _shares(weight, stands.reshape(len(weight), len(passage.spans))) * same
    alignment = _shares(lengths, alike)
    cosine = passage.rows @ sentence.row
    sizes = np.array([end - start for start, end in passage.windows])
    best = int(np.argmax(coverage + alignment + cosine - _LENGTH_MALUS * sizes))
    start, end = passage.windows[best]
    nearby = tuple(quantity for some in passage.quantities[start:end] for quantity in some)
    everywhere = passage.above + tuple(quantity for some in passage.quantities for quantity in some)
    far = np.sort(lengths * (1 - alike[:, start:end].max(axis=1)))[-_STRANGERS:] if len(lengths) else np.zeros(1)
    latin = "ko" not in (sentence.language, passage.language) or same
    lost = latin and sum(
        not _present(name, passage) and _likeness(name_pieces, sentence.pieces, alike) < _LIKE_NAME
        for name, name_pieces in zip(sentence.names, sentence.name_pieces, strict=True)
    )
    features = {
        "coverage": float(coverage[best]),
        "alignment": float(alignment[best]),
        "cosine": float(cosine[best]),
        "strangers": float(far.sum()) / _STRANGERS**2,
        "numbers": float(missing(sentence.quantities, values(everywhere), same) > 0),
        "numbers nearby": float(missing(sentence.quantities, values(passage.above + nearby), same) > 0),
        "units": float(contradicted(sentence.quantities, nearby) > 0),
        # Many names are spelt differently in other languages; in the same one, a single strange one tells.
        "names": (float(lost > 0) if same else lost / len(sentence.names)) if lost else 0.0,
        "negation": float(sentence.negated and not any(passage.negated[start:end])),
    }
    span = passage.spans[start][0], passage.spans[end - 1][1]
    return Evidence(SAME if same else OTHER, features, span)


def _shares(weight: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(windows,) weighted means of the best that each row finds in each window; zeros without rows."""
    count = found.shape[1]
    windows = [
        np.max([found[:, start : count - size + 1 + start] for start in range(size)], axis=0) for size in _sizes(count)
    ]
    total = float(weight.sum())
    return np.asarray(
        weight @ np.concatenate(windows, axis=1) / total if total else np.zeros(sum(w.shape[1] for w in windows))
    )


def _sizes(count: int) -> range:
    """The sizes of windows over so many sentences."""
    return range(1, min(count, WINDOW) + 1)


def _terms(text: str, language: str) -> list[str]:
    return content_terms(" ".join(content_words(text, language)), language)


def _names(text: str, language: str) -> tuple[str, ...]:
    """Words in capitals but the first, which would have one anyway; in Korean all Latin words."""
    words = [(place, word) for place, word in enumerate(words_of(text)) if len(word) > 1 and _LATIN.match(word)]
    if language == "ko":
        return tuple(word for _, word in words)
    named = [word for place, word in words if word[0].isupper() and (place or word[1].isupper())]
    return tuple(word for word in named if topic_of(word.lower(), language))


def _likeness(name: np.ndarray, pieces: np.ndarray, alike: np.ndarray) -> float:
    """The mean cosine of a name's pieces and what is most like them: "Moon" is said where a passage says "lunar"."""
    known = np.isin(pieces, name)
    return float(alike[known].max(axis=1).mean()) if known.any() else 0.0


def _present(name: str, passage: _Passage) -> bool:
    folded = fold(name)
    # "Bobnak" is in a passage that has "Bob".
    stems = (folded[:letters] for letters in range(_LEAST_NAME, len(folded)))
    return folded[:_NAME_LETTERS] in passage.beginnings or any(stem in passage.words for stem in stems)
