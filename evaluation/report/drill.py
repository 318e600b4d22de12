"""Every question with what was expected, found, said and cited, the worst first. Knows nothing of HTML but marks."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from evaluation.answers import measured
from evaluation.outcome import RANKERS, CitedPlace, Outcome, Ranked, ShownPassage
from evaluation.questions import GoldQuestion, GoldSource
from evaluation.report.columns import Column
from evaluation.report.faults import FAULTS, faults, labelled, place, severity
from evaluation.retrieval import key
from rag.text import visible
from rag.types import PAGE_BREAK

# Characters of passages that all questions share, so that a large set makes no large page.
_PASSAGES = 600_000
_LEAST, _MOST = 160, 700
# What is neither labelled nor cited is seldom read.
_OTHERS = 3
_QUESTIONS = 600
_ANSWER = 4000
_EMPTY_LINES = re.compile(r"\n(?:\s*\n)+")
_REST = re.compile(r"(?:\S{0,20}\s+)?")


@dataclass(frozen=True, slots=True)
class Place:
    """A passage, citation or place of a ranking: `right` is `page` or `document` where that is labelled, else empty."""

    document: str
    pages: str
    right: str
    language: str = ""
    text: Markup = Markup()
    score: float = 0.0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one column made of a question. `places` are the 1-based ones of each ranker by document and by page.

    Where passages and ranking are those of the first column, they are left out, and it is `as_before`.
    """

    column: Column
    outcome: Outcome
    threshold: float
    faults: tuple[str, ...]
    answer: Markup
    places: tuple[tuple[str, int | None, int | None], ...]
    ranking: tuple[Place, ...]
    citations: tuple[Place, ...]
    passages: tuple[Place, ...]
    as_before: bool
    measured: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the attempts at it, a column each; `faults` are those of any."""

    question: GoldQuestion
    faults: tuple[str, ...]
    attempts: tuple[Attempt, ...]


def drilled(columns: Sequence[Column]) -> tuple[Asked, ...]:
    """The questions, worst first, at most 600 of them."""
    found: dict[str, list[_Try]] = {}
    for column in columns:
        for run in column.runs:
            for outcome in run.outcomes:
                values = measured(outcome)
                tried = _Try(column, run.threshold, outcome, values, faults(outcome, values))
                found.setdefault(key(outcome), []).append(tried)
    worst = sorted(found.values(), key=lambda tries: min(map(_severity, tries)))[:_QUESTIONS]
    passages = sum(
        len(one.outcome.said.passages)
        for tries in worst
        for one in tries
        if one.outcome.said and (one is tries[0] or not _as_before(one, tries[0]))
    )
    limit = min(_MOST, max(_LEAST, _PASSAGES // max(passages, 1)))
    return tuple(_asked(tries, limit) for tries in worst)


def excerpt(text: str, gold: Iterable[str] = (), quotes: Iterable[str] = (), limit: int = _MOST) -> Markup:
    """A text, escaped, cut to about `limit` characters around the first gold answer or quote; these are marked."""
    text = _EMPTY_LINES.sub("\n", visible(text).replace(PAGE_BREAK, "\n")).strip()
    spans = [*_spans(text, gold, "gold"), *_spans(text, quotes, "quote")]
    first = spans[0][0] if spans else 0
    start = 0 if len(text) <= limit else min(max(0, first - limit // 4), len(text) - limit)
    # Not in the middle of a word, unless that is one without an end.
    start += len(_REST.match(text, start)[0]) if start else 0  # type: ignore[index]
    end = min(start + limit, len(text))
    end -= len(_REST.match(text[start:end][::-1])[0]) if end < len(text) else 0  # type: ignore[index]
    # A gold answer often stands within a quote.
    cuts = sorted({start, end} | {cut for begin, behind, _ in spans for cut in (begin, behind) if start < cut < end})
    parts = [Markup("… " if start else "")]
    for begin, behind in pairwise(cuts):
        kinds = {kind for first, last, kind in spans if first <= begin and behind <= last}
        mark = Markup('<mark class="{}">{}</mark>' if kinds else "{1}")
        parts.append(mark.format("gold" if "gold" in kinds else "quote", text[begin:behind]))
    return Markup("").join([*parts, " …" if end < len(text) else ""])


@dataclass(frozen=True, slots=True)
class _Try:
    column: Column
    threshold: float
    outcome: Outcome
    values: Mapping[str, float]
    faults: tuple[str, ...]


def _severity(one: _Try) -> tuple[int, int, float, float]:
    return severity(one.outcome, one.faults, one.values)


def _asked(tries: Sequence[_Try], limit: int) -> Asked:
    every = {kind for one in tries for kind in one.faults}
    attempts = [_attempt(one, limit, one is not tries[0] and _as_before(one, tries[0])) for one in tries]
    return Asked(tries[0].outcome.question, tuple(kind for kind in FAULTS if kind in every), tuple(attempts))


def _attempt(tried: _Try, limit: int, as_before: bool) -> Attempt:
    outcome = tried.outcome
    question, said = outcome.question, outcome.said
    rankers = [ranker for ranker in RANKERS if ranker in outcome.rankings] if question.sources else []
    quotes: dict[str, list[str]] = {}
    for citation in said.citations if said else ():
        quotes.setdefault(citation.document, []).append(citation.quote)
    return Attempt(
        column=tried.column,
        outcome=outcome,
        threshold=tried.threshold,
        faults=tried.faults,
        answer=excerpt(said.text, question.answers, limit=_ANSWER) if said else Markup(""),
        places=tuple((ranker, place(outcome, ranker, False), place(outcome, ranker, True)) for ranker in rankers),
        ranking=tuple(_ranked(ranked, question.sources) for ranked in _shown(outcome) if not as_before),
        citations=tuple(_cited(citation, question) for citation in said.citations) if said else (),
        passages=tuple(
            _passage(number, passage, question, quotes.get(passage.document, ()), limit)
            for number, passage in enumerate(said.passages if said and not as_before else (), start=1)
        ),
        as_before=as_before,
        measured=tuple(tried.values.items()),
    )


def _as_before(one: _Try, first: _Try) -> bool:
    """Whether the same passages were found and shown."""
    return _shown(one.outcome) == _shown(first.outcome) and _texts(one.outcome) == _texts(first.outcome)


def _texts(outcome: Outcome) -> list[str]:
    return [passage.text for passage in outcome.said.passages] if outcome.said else []


def _shown(outcome: Outcome) -> Sequence[Ranked]:
    return next((outcome.rankings[ranker] for ranker in reversed(RANKERS) if ranker in outcome.rankings), ())


def _ranked(ranked: Ranked, sources: Sequence[GoldSource]) -> Place:
    return Place(ranked.document, _pages(ranked.first_page, ranked.last_page), _right(ranked, sources))


def _cited(citation: CitedPlace, question: GoldQuestion) -> Place:
    right = _right(Ranked(citation.document, citation.page, citation.page), question.sources)
    text = excerpt(citation.quote, question.answers)
    return Place(citation.document, _pages(citation.page, citation.page), right, text=text, number=citation.number)


def _passage(number: int, passage: ShownPassage, question: GoldQuestion, quotes: Sequence[str], limit: int) -> Place:
    ranked = Ranked(passage.document, passage.first_page, passage.last_page)
    right = _right(ranked, question.sources)
    text = excerpt(passage.text, question.answers, quotes, limit if right or quotes else max(limit // _OTHERS, _LEAST))
    return Place(
        document=passage.document,
        pages=_pages(passage.first_page, passage.last_page),
        right=right,
        language=passage.language,
        text=text,
        score=passage.score,
        number=number,
    )


def _right(ranked: Ranked, sources: Sequence[GoldSource]) -> str:
    if labelled(ranked, sources, True):
        return "page"
    return "document" if labelled(ranked, sources, False) else ""


def _pages(first: int | None, last: int | None) -> str:
    if first is None:
        return ""
    return f"p. {first}" if last in (None, first) else f"p. {first}–{last}"


def _spans(text: str, wanted: Iterable[str], kind: str) -> list[tuple[int, int, str]]:
    """Where texts stand in another, whatever white space is in either; `(start, end, kind)`."""
    found = []
    for item in wanted:
        words = visible(item).split()
        pattern = r"\s+".join(map(re.escape, words))
        # A single letter or digit stands anywhere.
        if len("".join(words)) > 1:
            found += [(match.start(), match.end(), kind) for match in re.finditer(pattern, text, re.IGNORECASE)]
    return found
