"""Answers in the documents' own words: the sentences of the hits that answer a question best, each cited.

Needs no model. Knows nothing of how the hits were found; frames in messages are made by the caller.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.analysis import content_terms, content_words
from rag.cite import Checked, is_row, joined_quote, passage_spans, topic_terms
from rag.fuse import leads
from rag.text import flatten, fold, normalise
from rag.types import Chunk, Citation, Embedder, Retrieval, Sentence, knows
from rag.untrusted import without_references

SENTENCES = 3
"""The most sentences that an answer shows."""

_PASSAGES = 5
# What the embedder is asked to compare, so that an answer is complete well within a second.
_EMBEDDED = 40
_CHARACTERS = 600
_COVERAGE_WEIGHT, _COSINE_WEIGHT, _PASSAGE_WEIGHT = 1.0, 0.48, 0.3
# For any number where one is asked for, and for what the question's kind needs.
_NUMBER_BONUS, _KIND_BONUS = 0.15, 0.1
# For a passage that does not name what the question names: it is about something else.
_STRANGER_MALUS = 0.4
# For a sentence without the long numbers of the question: years, and what tells "GJ 1214 b" from "GJ 1132 b".
_NUMBER_MALUS = 0.2
_LONG_NUMBER = re.compile(r"\d{3,}")
# For a sentence that the visitor can surely read.
_OWN_LANGUAGE_BONUS = 0.1
# How much a term of the question counts that stands above the sentence.
_HEADING_SHARE = 0.5
# A further sentence is shown if it is about as good as the best one, and says something else.
_WORTH_SHOWING = 0.4
_DUPLICATE = 0.85

# The number of a paragraph or list item, which reads like a citation.
_NUMBERED = re.compile(r"\A(?:\(?(?:\d{1,2}|[a-z])\)\s+(?=\S)|\d{1,2}\.\s+(?=[^\W\d]))")
_DIGIT = re.compile(r"\d")
_NAME_WITH_NUMBER = re.compile(r"[^\W\d_]+[ -]\d{1,2}")
_END = re.compile(r"[.!?。？！…:;][\"'”’»)\]]*$")
# What a question asks for (folded text), and what a sentence that can answer it contains.
_KINDS = (
    (  # a point in time
        re.compile(
            r"\b(?:when|(?:what|which) (?:year|date|month|day)|deadline|mikor\w*|meddig|mettol|hatarido\w*)\b"
            r"|\bmelyik ev\w*|언제|기한|날짜|연도|몇 년|며칠"
        ),
        re.compile(
            r"\b(?:1[6-9]|20)\d\d\b|\d{4}\s?년|\d\s?월|\b\d{1,2}[./]\s?\d{1,2}\b"
            r"|\b(?:within|belul)\b|이내"
            r"|\b(?:january|february|march|april|june|july|august|september|october|november|december"
            r"|januar|februar|marcius|aprilis|majus|junius|julius|augusztus|szeptember|oktober|november|december)"
        ),
    ),
    (  # a length of time
        re.compile(
            r"\b(?:how long|how much time|duration|mennyi ideig|meddig tart|milyen hosszu|idotartam\w*"
            r"|hany (?:het|nap|ora|honap|ev|perc)\w*)\b|얼마 동안|얼마나 (?:걸|오래)|기간|몇 (?:주|일|시간|개월|년|분)"
        ),
        re.compile(
            r"(?:\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|egy|ket|harom|negy|ot|hat|het|nyolc|tiz))"
            r"[\s-]?(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|masodperc|perc|ora|nap|het|honap|ev)\w*\b"
            r"|\d\s?(?:초|분|시간|일|주|개월|년)"
        ),
    ),
    (  # a measured quantity
        re.compile(
            r"\b(?:how (?:large|big|wide|tall|heavy|far|high|deep|fast|hot|cold|massive|bright)|diameter|mass|distance"
            r"|mekkora|milyen (?:nagy|messze|nehez|magas|gyors|meleg|hideg)|atmero\w*|tomeg\w*|tavolsag\w*)\b"
            r"|지름|직경|구경|질량|무게|거리|크기|온도|속도|높이|얼마나 (?:크|큰|멀|무거|높|빠)"
        ),
        re.compile(
            r"\d\s?(?:(?:[kcmµμn]?m|k?g|t|tonnes?|au|pc|k?pc|ly|k|km/s|light[ -]years?|per ?cent)\b|[%°])"
            r"|\d\s?(?:미터|톤|광년)"
        ),
    ),
)
_ASKS_FOR_NUMBER = re.compile(
    r"\b(?:when|what (?:year|date|time|value)|which year|deadline"
    r"|how (?:many|much|long|far|old|big|large|high|deep|fast|often|heavy|hot)"
    r"|mikor|meddig|mettol|mennyi\w*|hany\w*|hatarido\w*|mekkora|ertek\w*|milyen (?:hosszu|magas|messze|nagy|gyors))\b"
    r"|언제|몇|얼마|며칠|기한|날짜|연도|값은",
)
# Sentences that begin like this need the one before them.
_REFERS_BACK = re.compile(
    r"(?:it|its|they|their|he|his|she|her|this|these|those|such|ez|ezt|ezek|ezeket|ennek|ezzel|erre|ebben|az|azt|azok|o|ok"
    r"|itt|ott|igy|이|그|이는|이것은|이를|이들은|이들|그는|그녀는|그들은|그것은|이때|이후|그러나|따라서|또한|여기에)\b"
)
# A Hungarian "az" before a word is the article; only "Az is" and the like point back.
_ARTICLE = re.compile(r"az (?!is |volt |lesz |a )")
# Sentences about the document itself: where it comes from, not what it says.
_SOURCE_LINE = re.compile(r"(?:sources?|forras(?:ok)?|출처)\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A sentence of a hit: `place` is that of its hit, `index` its own among the spans of the chunk."""

    place: int
    index: int
    start: int
    end: int
    text: str
    terms: frozenset[str]


def answer(question: str, retrieval: Retrieval, embedder: Embedder | None = None) -> Checked:
    """At most three sentences of the first hits, best first, each with its citation; empty without hits."""
    hits = retrieval.hits[:_PASSAGES]
    candidates = [candidate for place, hit in enumerate(hits) for candidate in _candidates(place, hit.chunk)]
    if not candidates:
        return Checked("", (), ())
    scores = _scores(question, retrieval, candidates, embedder)
    groups = _selected(candidates, scores, [hit.chunk.language for hit in hits], retrieval.language)

    numbers: dict[int, int] = {}
    spans: dict[int, list[tuple[int, int]]] = {}
    sentences = []
    for group in groups:
        for candidate in group:
            number = numbers.setdefault(candidate.place, len(numbers) + 1)
            spans.setdefault(candidate.place, []).append((candidate.start, candidate.end))
            sentences.append(Sentence(candidate.text, (number,)))
    citations = []
    for place, number in numbers.items():
        words, page = joined_quote(hits[place].chunk, spans[place])
        citations.append(Citation(number, hits[place].chunk, words, page))
    lines = []
    for group in groups:
        texts = " ".join(candidate.text for candidate in group)
        lines.append(f"{texts} [{numbers[group[0].place]}]")
    return Checked("\n\n".join(lines), tuple(sentences), tuple(citations))


def _candidates(place: int, chunk: Chunk) -> list[_Candidate]:
    headings = {flatten(heading) for heading in (*chunk.headings, chunk.title)}
    found = []
    header: list[str] = []
    for index, (start, end) in enumerate(passage_spans(chunk.text)):
        written = chunk.text[start:end]
        cells = _cells(written)
        if cells and len(cells) != len(header):
            header = cells
            # Without values it is the header, and no answer; with them, the header stands in another passage.
            if not any(map(_is_value, cells)):
                continue
        elif not cells:
            header = []
        text = _shown(_labelled(header, cells) if cells else written)
        words = len(text.split())
        row = bool(cells) or is_row(written)
        # Headings, captions, cut-off lines, the questions of an FAQ and "as follows:" say nothing by themselves.
        whole = row or (not text.endswith(("?", ":")) and (words >= 8 or (_END.search(text) and words >= 3)))
        if text and whole and text not in headings and not _SOURCE_LINE.match(fold(text)):
            found.append(_Candidate(place, index, start, end, text, topic_terms(text, chunk.language)))
    return found


def _cells(text: str) -> list[str]:
    """The cells of a table row as it stands on a page, `cell | cell`; empty where the text isn't one."""
    cells = [cell.strip() for cell in flatten(text).strip("| ").split(" | ")]
    return cells if len(cells) > 1 else []


def _is_value(cell: str) -> bool:
    """Whether a cell holds a number that is not part of a name, as in "Voyager 1"."""
    return bool(_DIGIT.search(cell)) and not _NAME_WITH_NUMBER.fullmatch(cell)


def _labelled(header: Sequence[str], cells: Sequence[str]) -> str:
    if any(map(_is_value, header)):
        return f"{cells[0]}: {'; '.join(cells[1:])}"
    return "; ".join(f"{name}: {cell}" for name, cell in zip(header, cells, strict=True) if cell)


def _shown(text: str) -> str:
    """A sentence as it is shown: in one line, without list marks or numbers, its brackets not like citations."""
    line = _NUMBERED.sub("", flatten(normalise(text)).lstrip("#*•–|- ")).rstrip("| ")
    shown = without_references(line)
    return shown if len(shown) <= _CHARACTERS else shown[:_CHARACTERS].rsplit(" ", 1)[0] + " …"


def _scores(
    question: str, retrieval: Retrieval, candidates: Sequence[_Candidate], embedder: Embedder | None
) -> list[float]:
    """How well each candidate answers: covered terms, meaning, the hit's own score, and what the question asks for."""
    hits = retrieval.hits
    languages = {candidate.place: hits[candidate.place].chunk.language for candidate in candidates}
    frequency: dict[str, int] = {}
    for candidate in candidates:
        for term in candidate.terms:
            frequency[term] = frequency.get(term, 0) + 1

    def rarity(term: str) -> float:
        return math.log(1 + len(candidates) / (0.5 + frequency.get(term, 0)))

    def weight(form: frozenset[str]) -> float:
        return sum(map(rarity, form))

    above = {place: _context_terms(hits[place].chunk) for place in languages}
    wanted = {
        # A long name counts for more than a word, but not for as many as it has.
        language: [
            (forms, weight(forms[0]) / math.sqrt(len(forms[0]))) for forms in _wanted(question, retrieval, language)
        ]
        for language in set(languages.values())
    }
    numbers = {term for term in topic_terms(question, retrieval.language) if _LONG_NUMBER.fullmatch(term)}
    strangers = {place for place in languages if not _names_all(retrieval, hits[place].chunk)}
    best = max((hit.score for hit in hits[:_PASSAGES]), default=0.0)
    folded = fold(question)
    asks_for_number = bool(_ASKS_FOR_NUMBER.search(folded))
    kinds = [answers for asks, answers in _KINDS if asks.search(folded)]
    meaning = _meaning(question, retrieval, candidates, embedder)
    scores = []
    for candidate, similarity in zip(candidates, meaning, strict=True):
        place = candidate.place
        # What the heading already says counts half: "Deadline" above "30 April".
        half = above[place] - candidate.terms
        covered = sum(
            worth
            * max(
                (weight(form & candidate.terms) + _HEADING_SHARE * weight(form & half)) / weight(form) for form in forms
            )
            for forms, worth in wanted[languages[place]]
        ) / (sum(worth for _, worth in wanted[languages[place]]) or 1.0)
        score = _COVERAGE_WEIGHT * covered + _PASSAGE_WEIGHT * max(-1.0, hits[place].score - best)
        score += _COSINE_WEIGHT * similarity
        if not (numbers <= (candidate.terms | above[place])):
            score -= _NUMBER_MALUS
        if place in strangers:
            score -= _STRANGER_MALUS
        if languages[place] == retrieval.language:
            score += _OWN_LANGUAGE_BONUS
        if asks_for_number and _DIGIT.search(candidate.text):
            score += _NUMBER_BONUS
        if kinds and any(answers.search(fold(candidate.text)) for answers in kinds):
            score += _KIND_BONUS
        scores.append(score)
    return scores


def _meaning(
    question: str, retrieval: Retrieval, candidates: Sequence[_Candidate], embedder: Embedder | None
) -> list[float]:
    """Cosines of question and sentence, centred a language as in fusion; 0 where the embedder can't compare them.

    The question is embedded as it was for that language: with the glossary's words for its terms.
    """
    similarity = [0.0] * len(candidates)
    if embedder is None or not knows(embedder, retrieval.language):
        return similarity
    for language in {retrieval.hits[candidate.place].chunk.language for candidate in candidates}:
        if not knows(embedder, language):
            continue
        places = [
            at for at, candidate in enumerate(candidates) if retrieval.hits[candidate.place].chunk.language == language
        ][:_EMBEDDED]
        rows = embedder.embed_passages([candidates[at].text for at in places])
        cosines = rows @ embedder.embed_query(retrieval.queries.get(language, question))
        for at, cosine in zip(places, leads(cosines), strict=True):
            similarity[at] = float(cosine)
    return similarity


def _selected(
    candidates: Sequence[_Candidate], scores: Sequence[float], languages: Sequence[str], language: str
) -> list[list[_Candidate]]:
    """The best candidates, each behind the sentence that it refers back to; no two say the same.

    What follows the best one is in its language or in that of the question. `languages` are those of the hits.
    """
    by_place = {(candidate.place, candidate.index): candidate for candidate in candidates}
    order = sorted(range(len(candidates)), key=lambda at: (-scores[at], candidates[at].place, candidates[at].index))
    best = scores[order[0]]
    readable = {language, languages[candidates[order[0]].place]}
    groups: list[list[_Candidate]] = []
    shown: list[_Candidate] = []
    for at in order:
        candidate = candidates[at]
        if len(shown) >= SENTENCES or (groups and scores[at] < _WORTH_SHOWING * best):
            break
        if languages[candidate.place] not in readable:
            continue
        if any(candidate is other or _same(candidate.terms, other.terms) for other in shown):
            continue
        group = [candidate]
        before = by_place.get((candidate.place, candidate.index - 1))
        # Not where the one before stands in the answer already.
        if before and _refers_back(candidate.text) and before not in shown and len(shown) + 2 <= SENTENCES:
            group.insert(0, before)
        groups.append(group)
        shown += group
    return groups


def _refers_back(text: str) -> bool:
    start = fold(text[:40])
    return bool(_REFERS_BACK.match(start)) and not _ARTICLE.match(start)


def _same(terms: frozenset[str], other: frozenset[str]) -> bool:
    # Two rows of a table may differ in a single number, which is all that matters.
    if {term for term in terms if term[0].isdigit()} ^ {term for term in other if term[0].isdigit()}:
        return False
    smaller = min(len(terms), len(other))
    return smaller > 0 and len(terms & other) / smaller >= _DUPLICATE


def _wanted(question: str, retrieval: Retrieval, language: str) -> list[tuple[frozenset[str], ...]]:
    """What passages in a language should say: each part of the question with all the forms it may have there.

    In the question's language these are its terms, and the forms of the glossary's; in another one the glossary's
    forms, and what every language writes alike: names and numbers.
    """
    same = retrieval.language == language
    words = content_words(question, retrieval.language)
    terms = set(
        content_terms(" ".join(word for word in words if same or word[:1].isupper() or word[:1].isdigit()), language)
    )
    wanted = []
    for term in retrieval.terms:
        forms = tuple(filter(None, (topic_terms(form, language) for form in term.forms.get(language, ()))))
        if forms:
            terms -= set().union(*forms)
            wanted.append(forms)
    return wanted + [(frozenset({term}),) for term in sorted(terms)]


def _names_all(retrieval: Retrieval, chunk: Chunk) -> bool:
    """Whether a passage, or what stands above it, has every proper name that the glossary knows in the question."""
    said = topic_terms(" ".join((chunk.title, *chunk.headings, chunk.text)), chunk.language)
    for term in retrieval.terms:
        if any(form[:1].isupper() for form in term.forms.get("en", ())[:1]):
            # Names are often written as in English, whatever the language around them.
            forms = (*term.forms.get(chunk.language, ()), *term.forms.get("en", ()))
            if not any(topic_terms(form, chunk.language) <= said for form in forms):
                return False
    return True


def _context_terms(chunk: Chunk) -> frozenset[str]:
    return topic_terms(" ".join((chunk.title, *chunk.headings)), chunk.language)
