"""What is wrong with what came of a question, worst first. Knows nothing of figures over many."""

from collections.abc import Mapping, Sequence

from evaluation.outcome import RANKERS, Outcome, Ranked
from evaluation.questions import GoldSource
from evaluation.retrieval import holds

SHOWN = 5
"""Passages among which a source counts as found, as in recall@5."""
FAULTS = {
    "failed": "No answer came: the model or the program failed.",
    "wrongly answered": "The documents don't answer the question, it should have been refused.",
    "not found": f"No labelled document is among the first {SHOWN} passages.",
    "wrongly refused": "The documents answer the question, it was refused.",
    "wrong page": f"A labelled document is among the first {SHOWN} passages, a labelled page is not.",
    "not answered": "A labelled page was found, but the answer neither holds a gold answer nor cites a labelled page.",
    "unsupported": "A sentence of the answer is not borne out by the passages it cites.",
    "wrong language": "The answer, or part of it, is not in the question's language.",
}
"""Kinds of faults, worst first, and what each means."""


def faults(outcome: Outcome, values: Mapping[str, float]) -> tuple[str, ...]:
    """The kinds of faults of an outcome, worst first; those of an answer only where one was asked for.

    `values` are those of `answers.measured`, which take long to come by.
    """
    question, said = outcome.question, outcome.said
    found = set()
    if question.sources and outcome.rankings:
        document, page = place(outcome, shown_ranker(outcome), False), place(outcome, shown_ranker(outcome), True)
        if document is None or document > SHOWN:
            found.add("not found")
        elif page is None or page > SHOWN:
            found.add("wrong page")
    if said is None:
        found |= {"failed"} if outcome.failure else set()
    elif said.answered:
        if not question.answerable:
            found.add("wrongly answered")
        elif not found and not values.get("inside") and not values.get("cited_page", not question.sources):
            found.add("not answered")
        if not all(sentence.supported for sentence in said.sentences):
            found.add("unsupported")
        if not values["language"] or not values["faithful"]:
            found.add("wrong language")
    elif question.answerable:
        found.add("wrongly refused")
    return tuple(kind for kind in FAULTS if kind in found)


def severity(outcome: Outcome, kinds: Sequence[str], values: Mapping[str, float]) -> tuple[int, int, float, float]:
    """A key that sorts the worst outcomes first, of their faults and what was measured.

    By the worst of their faults, by how many there are, by how little of a gold answer was said, and by how sure the
    program was of what it should have refused.
    """
    first = list(FAULTS).index(kinds[0]) if kinds else len(FAULTS)
    return first, -len(kinds), values.get("token_f1", 1.0), -outcome.confidence


def shown_ranker(outcome: Outcome) -> str:
    """The ranker whose passages a visitor sees: the last of those that were run."""
    return [ranker for ranker in RANKERS if ranker in outcome.rankings][-1]


def place(outcome: Outcome, ranker: str, by_page: bool) -> int | None:
    """The 1-based place of the first passage that is of a labelled document, or holds a labelled page."""
    for number, passage in enumerate(outcome.rankings[ranker], start=1):
        if labelled(passage, outcome.question.sources, by_page):
            return number
    return None


def labelled(passage: Ranked, sources: Sequence[GoldSource], by_page: bool) -> bool:
    """Whether a passage is of a labelled document or, `by_page`, holds a labelled page."""
    wanted = sources if by_page else [GoldSource(source.document) for source in sources]
    return any(holds(passage, source) for source in wanted)
