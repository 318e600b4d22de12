"""After fusion: from ranked hits to the few that are shown. Knows nothing of indexes, questions or models.

Hits come best first. The first one stays the first, whatever is done here; every step only leaves out, demotes or
joins what stands below it.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rag.types import PAGE_BREAK, Chunk, Hit

# How many distinct hits are looked at for each that is shown.
_POOL = 4
# Hangul counts by syllables: where words are parted in Korean differs from one edition of a text to the next.
_WORD = re.compile(r"[가-힣]|[^\W가-힣]+")
_NAME_OR_NUMBER = re.compile(r"[\dA-ZÀ-ÖØ-ÞŐŰ]")
_SHINGLE = 3
_PROBES = 12
# A word that was changed, cut or misread spoils three of its text's shingles: 0.9 is one such word in thirty.
_CONTAINED = 0.9
# Where so many shingles are the same, more of the words are.
_ALIKE = 0.8
# What is much shorter than a text that holds it says a part of it, and is a passage of its own.
_LEAST_SHARE = 0.5
_SAME_SIZE = 0.9
# Words that turn a sentence round. With names and numbers they decide what it says.
_TURNING = frozenset(
    "no not t never none without except only unless nem ne nincs nincsen se sem nélkül kivéve csak 않 없 못 안".split()
)
_FAIR_SHARE = 0.5
_TOLERANCE = 0.1
# Of questions on the bundled documents, those with one answer reach 0.2 to 0.5 here, those on a subject 0.5 to 0.85.
_BROAD_FROM = 0.65
_RELEVANCE = 0.7
_LONGEST = 2400


@dataclass(frozen=True, slots=True)
class _Shingles:
    probes: frozenset[tuple[str, ...]]
    all: frozenset[tuple[str, ...]]


_NONE = _Shingles(frozenset(), frozenset())


def select(
    hits: Sequence[Hit],
    limit: int,
    vectors: Mapping[str, np.ndarray] | None = None,
    terms: Mapping[str, np.ndarray] | None = None,
    *,
    share: float = _FAIR_SHARE,
    join: bool = False,
    longest: int = _LONGEST,
) -> list[Hit]:
    """The `limit` hits to show, of hits that come best first; give several times `limit` to choose from.

    Near-duplicates are left out, see `without_duplicates`. Where the question is broad, MMR over `vectors` (unit rows
    by chunk id) chooses; a document with more than `share` of the list gives way to others that are about as good. With
    `join`, neighbouring chunks become one of at most `longest` characters, with an id of its own.
    """
    if limit < 1:
        return []
    pool = without_duplicates(hits, _POOL * limit, terms)
    if vectors and is_broad(pool, limit):
        pool = diverse(pool, limit, vectors)
    pool = fair(pool, limit, share)
    return joined(pool, limit, longest) if join else pool[:limit]


def without_duplicates(
    hits: Sequence[Hit], enough: int | None = None, terms: Mapping[str, np.ndarray] | None = None
) -> list[Hit]:
    """Hits that a better one does not already say; the better one names the sources of the others in `also`.

    Texts are compared by their shingles, three words long (Broder, "On the resemblance and containment of documents",
    1997), and names, numbers and negations must be the same: a form for another year is no duplicate. With `terms`,
    those of each text by chunk id, as numbers, only texts that share most of them are compared. Ends when `enough`
    distinct hits are found.
    """
    alike = _alike(hits, terms) if hits and terms is not None else None
    kept: list[int] = []
    also: dict[int, list[str]] = {}
    shingles: dict[int, _Shingles] = {}
    for place, hit in enumerate(hits):
        if len(kept) == enough:
            break
        near = [better for better in kept if alike is None or alike[place, better]]
        for one in (place, *near):
            if near and one not in shingles:
                shingles[one] = _shingles(hits[one].chunk.text)
        own = hit.chunk.text, shingles.get(place, _NONE)
        better = next((one for one in near if _says(hits[one].chunk.text, shingles[one], *own)), None)
        if better is None:
            kept.append(place)
            continue
        named = also.setdefault(better, [])
        there = {hits[better].chunk.source, *hits[better].also, *named}
        named += [source for source in (hit.chunk.source, *hit.also) if source not in there]
    return [
        replace(hits[place], also=(*hits[place].also, *also[place])) if also.get(place) else hits[place]
        for place in kept
    ]


def _alike(hits: Sequence[Hit], terms: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n, n) whether the hit of a row has so many of its terms from that of a column that it may repeat it."""
    known = [np.unique(terms.get(hit.chunk.id, np.empty(0, np.uint32))) for hit in hits]
    distinct, columns = np.unique(np.concatenate(known), return_inverse=True)
    has = np.zeros((len(hits), len(distinct)), np.float32)
    has[np.repeat(np.arange(len(hits)), [*map(len, known)]), columns] = 1
    return np.asarray(has @ has.T >= _ALIKE * has.sum(axis=1, keepdims=True))


def _says(better: str, its: _Shingles, text: str, own: _Shingles) -> bool:
    """Whether a better text says what another one does."""
    if len(own.probes & its.all) < len(own.probes) / 2:
        return False
    size = len(own.all) / len(its.all)
    contained = size >= _LEAST_SHARE and len(own.all & its.all) >= _CONTAINED * len(own.all)
    return contained and _decides_nothing_else(text, better, size)


def _shingles(text: str) -> _Shingles:
    """Each run of words of a text; all of them as one where there are too few."""
    words = _WORD.findall(text.casefold())
    if len(words) < _SHINGLE:
        found = [tuple(words)]
    else:
        found = list(zip(*(words[start:] for start in range(_SHINGLE)), strict=False))
    # A few tell most pairs apart: of a duplicate, no more than one in ten is missing.
    return _Shingles(frozenset(found[:: max(1, len(found) // _PROBES)]), frozenset(found))


def _decides_nothing_else(text: str, better: str, size: float) -> bool:
    """Whether a text of `size` times the length of a better one that holds it has no name, number or turn of its own.

    Nor may one as long lack any: the better text may say "not" where it does not.
    """
    its_words, its_decisive = _counted(text)
    better_words, better_decisive = _counted(better)
    return its_decisive <= better_words and (size < _SAME_SIZE or better_decisive <= its_words)


def _counted(text: str) -> tuple[Counter[str], Counter[str]]:
    """How often a text has each of its words, and each of those that decide what it says."""
    words = [(written, written.casefold()) for written in _WORD.findall(text)]
    decisive = (word for written, word in words if word in _TURNING or _NAME_OR_NUMBER.search(written))
    return Counter(word for _, word in words), Counter(decisive)


def is_broad(hits: Sequence[Hit], limit: int) -> bool:
    """Whether there is more to say than a list of `limit` hits, best first, has room for.

    A question with one answer has a passage that stands out, and scores that fall steeply behind it. Where the last
    place of the list is still within a third of the way from the best hit down to the worst, the scores do not tell
    which of the passages to show, and many of those that tie say the same thing.
    """
    if not 1 < limit < len(hits):
        return False
    return bool(_relevance(hits)[limit - 1] >= _BROAD_FROM)


def _relevance(hits: Sequence[Hit]) -> np.ndarray:
    """Scores of hits, best first, as (n,) from 1 for the best to 0 for the worst: no scale of scores is assumed."""
    scores = np.array([hit.score for hit in hits], dtype=np.float64)
    spread = scores[0] - scores[-1] if len(scores) else 0.0
    return (scores - scores[-1]) / spread if spread > 0 else np.ones(len(scores))


def diverse(
    hits: Sequence[Hit], limit: int, vectors: Mapping[str, np.ndarray], relevance_weight: float = _RELEVANCE
) -> list[Hit]:
    """The hits with `limit` that are relevant and unlike each other in front, in the order of their scores.

    Maximal marginal relevance (Carbonell and Goldstein, 1998) chooses, the scores go on ordering. `vectors` are unit
    rows by chunk id; a hit without one is like no other.
    """
    if limit >= len(hits):
        return list(hits)
    size = len(next(iter(vectors.values()))) if vectors else 1
    rows = np.stack([vectors.get(hit.chunk.id, np.zeros(size, np.float32)) for hit in hits])
    worth = relevance_weight * _relevance(hits)
    likeness = np.zeros(len(hits))
    chosen: list[int] = []
    while len(chosen) < limit:
        values = worth - (1 - relevance_weight) * likeness
        values[chosen] = -np.inf
        # Of equal values the first: the order of the hits decides.
        best = int(np.argmax(values)) if chosen else 0
        chosen.append(best)
        likeness = np.maximum(likeness, rows @ rows[best])
    front = set(chosen)
    return [hits[place] for place in sorted(front)] + [hit for place, hit in enumerate(hits) if place not in front]


def fair(hits: Sequence[Hit], limit: int, share: float = _FAIR_SHARE, tolerance: float = _TOLERANCE) -> list[Hit]:
    """All hits; of a document that has its share of the first `limit` already, further ones give way to others.

    They give way only to hits that are about as good: whose score is at most `tolerance` of the distance between the
    best and the worst hit lower. So a document that alone is relevant keeps the list.
    """
    most = max(1, math.ceil(share * limit))
    scores = [hit.score for hit in hits]
    allowed = tolerance * (max(scores) - min(scores)) if scores else 0.0
    rest = list(hits)
    counts: Counter[str] = Counter()
    front: list[Hit] = []
    while rest and len(front) < limit:
        due = rest[0]
        if counts[due.chunk.document_id] >= most:
            others = (hit for hit in rest if counts[hit.chunk.document_id] < most)
            due = next((hit for hit in others if hit.score >= rest[0].score - allowed), due)
        rest.remove(due)
        counts[due.chunk.document_id] += 1
        front.append(due)
    return front + rest


def joined(hits: Sequence[Hit], limit: int, longest: int = _LONGEST) -> list[Hit]:
    """The first `limit` hits, neighbouring chunks of a document among them made one that stands in the better's place.

    The places that become free go to the hits that follow. A joined hit has the score and features of its best part,
    and of each ranker the best place.
    """
    shown: list[Hit] = []
    for hit in hits:
        if len(shown) == limit:
            break
        found = _neighbour(shown, hit, longest)
        if found is None:
            shown.append(hit)
            continue
        place, chunk = found
        shown[place] = _together(shown[place], hit, chunk)
        # The new span may close the gap to another one.
        while (found := _neighbour(shown, shown[place], longest)) is not None:
            place, later = sorted((place, found[0]))
            shown[place] = _together(shown[place], shown.pop(later), found[1])
    return shown


def _neighbour(shown: Sequence[Hit], hit: Hit, longest: int) -> tuple[int, Chunk] | None:
    """The first hit that is next to another one, by its place, and the two of them as one chunk."""
    for place, other in enumerate(shown):
        chunk = span(other.chunk, hit.chunk, longest) or span(hit.chunk, other.chunk, longest)
        if chunk:
            return place, chunk
    return None


def _together(better: Hit, hit: Hit, chunk: Chunk) -> Hit:
    ranks = dict(better.ranks)
    for ranker, place in hit.ranks.items():
        ranks[ranker] = min(place, ranks.get(ranker, place))
    return replace(better, chunk=chunk, ranks=ranks, also=tuple(dict.fromkeys((*better.also, *hit.also))))


def span(first: Chunk, second: Chunk, longest: int) -> Chunk | None:
    """Two chunks as one, or None unless `second` follows `first` at once and the text between them is known.

    The text is exactly what stands between the new `start` and `end`. Not joined is what would be longer than `longest`
    characters, is in another language, or stands under headings that those of the first do not tell.
    """
    if first.separator is None or first.document_id != second.document_id or first.language != second.language:
        return None
    if second.headings[: len(first.headings)] != first.headings:
        return None
    pages = first.separator.split(PAGE_BREAK)
    place = len(pages[-1]) + (first.end if len(pages) == 1 else 0)
    if (second.first_page, second.start) != (first.last_page + len(pages) - 1, place):
        return None
    text = first.text + first.separator + second.text
    if len(text) > longest:
        return None
    return replace(
        first,
        id=f"{first.id}+{second.id}",
        last_page=second.last_page,
        end=second.end,
        text=text,
        separator=second.separator,
    )
