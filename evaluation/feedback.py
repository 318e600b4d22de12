"""What visitors said of answers, listed for whoever maintains a domain, and made into candidates for its questions.

What visitors typed is data: it is shown as a line without control characters. Knows nothing of how feedback comes in.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evaluation.candidates import ANSWER_CHARACTERS, QUESTION_CHARACTERS, Candidate, Proposal, identity, one_line, same
from evaluation.overlap import holds
from rag.feedback import Feedback, Passage, Texts
from rag.languages import detect
from rag.settings import LANGUAGES
from rag.types import Hit

Search = Callable[[str], Sequence[Hit]]
"""The passages of a domain that are found for a text, best first."""
_PROPOSED = 8

TO_SHORTEN = "a visitor found this answer good: shorten it to what every right answer must hold, and look at the pages"
TO_PLACE = "a visitor corrected the answer: is it right, and where does it stand? move those places to sources"
TO_REFUSE = "a visitor found it right that this was not answered: is there really nothing in the documents?"


@dataclass(frozen=True, slots=True)
class Found:
    """Candidates, and the feedback that none was made of: `known` is asked already, `repeated` is of a question that
    another one was made of, `bare` says too little: no texts were kept, or it is a thumbs down without a correction."""

    candidates: tuple[Candidate, ...]
    known: int
    repeated: int
    bare: int


def row(item: Feedback) -> dict[str, Any]:
    """Feedback as a JSON value."""
    values = asdict(item)
    given = values.pop("given") or {}
    texts = given.pop("texts", None) or {}
    return values | given | texts


def candidates(domain: str, kept: Iterable[Feedback], known: Iterable[str], search: Search) -> Found:
    """Candidates made of the feedback on a domain, newest first; `known` are questions that it has already.

    A correction becomes the answer, without sources: the places where it may stand are proposed, those of the answer
    and those found for it now. A thumbs up with citations gives their pages as sources and the first quote as answer,
    one of a refusal a question that has no answer.
    """
    counts: Counter[str] = Counter()
    asked = {same(question) for question in known}
    ratings: dict[str, Counter[str]] = {}
    found: dict[str, Candidate] = {}
    # A correction says more than a thumb, what was said later more than what was said before.
    ordered = sorted(kept, key=lambda item: (bool(item.correction.strip()), item.created), reverse=True)
    for item in ordered:
        texts = item.given.texts if item.given else None
        question = one_line(texts.searched or texts.question, QUESTION_CHARACTERS) if texts else ""
        if not texts or not question:
            counts["bare"] += 1
            continue
        key = same(question)
        ratings.setdefault(key, Counter())[item.rating] += 1
        if key in asked or key in found:
            counts["known" if key in asked else "repeated"] += 1
            continue
        made = _candidate(domain, item, texts, question, search)
        if made:
            found[key] = made
        else:
            counts["bare"] += 1
    for key, made in found.items():
        made.origin["ratings"] = dict(ratings[key])
    newest = sorted(found.values(), key=lambda made: str(made.origin["created"]), reverse=True)
    return Found(tuple(newest), counts["known"], counts["repeated"], counts["bare"])


def _candidate(domain: str, item: Feedback, texts: Texts, question: str, search: Search) -> Candidate | None:
    language = detect(question)
    if language not in LANGUAGES and item.given:
        language = item.given.language
    name = identity(domain, "feedback", question)
    origin = {key: getattr(item, key) for key in ("id", "created", "rating", "reason")} | {
        "comment": one_line(item.comment, ANSWER_CHARACTERS)
    }
    correction = one_line(item.correction, ANSWER_CHARACTERS)
    if correction:
        places = _proposed(texts.passages, search(f"{question} {correction}"), correction, language)
        return Candidate(name, question, language, correction, proposed=places, origin=origin, check=TO_PLACE)
    if item.rating != "up":
        return None
    if item.given and not item.given.answerable:
        return Candidate(name, question, language, answerable=False, origin=origin, check=TO_REFUSE)
    cited = [passage for passage in texts.passages if passage.cited and passage.quote.strip()]
    if not cited:
        return None
    sources = tuple(dict.fromkeys((passage.document, passage.page) for passage in cited))
    answer = one_line(cited[0].quote, ANSWER_CHARACTERS)
    places = tuple(Proposal(passage.document, passage.page, passage.quote, True) for passage in cited)
    return Candidate(
        name, question, language, answer, sources=sources, proposed=places, origin=origin, check=TO_SHORTEN
    )


def _proposed(passages: Sequence[Passage], hits: Sequence[Hit], answer: str, language: str) -> tuple[Proposal, ...]:
    """Places of the answer and of the hits, those first that hold the answer word for word; each page once."""
    places = [(item.document, item.page, item.quote) for item in passages]
    for hit in hits:
        parts = hit.chunk.text.split("\f")
        places += [(hit.chunk.source, page, part) for page, part in enumerate(parts, start=hit.chunk.first_page)]
    found: dict[tuple[str, int], Proposal] = {}
    for document, page, text in places:
        proposal = Proposal(document, page, text, holds(text, [answer], language))
        if proposal.holds or (document, page) not in found:
            found[document, page] = proposal
    return tuple(sorted(found.values(), key=lambda proposal: not proposal.holds)[:_PROPOSED])
