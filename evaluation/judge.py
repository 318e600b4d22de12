"""A model as judge over what a kept run said: is it right, and do its passages bear it out?

One answer is judged at a time, in two requests of their own, without the name of what wrote it, its citations and its
doubts. Knows nothing of how models are run, or of what is made of the verdicts.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tqdm import tqdm

from evaluation.answers import measured, wording
from evaluation.completions import CompletionFailed, Completions
from evaluation.judged import CORRECTNESS, SUPPORT, Judged, Verdict
from evaluation.outcome import Outcome, Run, Said, ShownPassage
from rag.models import ChatModel, public_name
from rag.prompt import render_passage
from rag.prompt.templates import StrictTemplate, load_parts
from rag.prompt.window import Window, shorten
from rag.settings import LANGUAGES, Settings
from rag.text import flatten
from rag.types import Chunk
from rag.untrusted import harmless, without_references

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

ATTEMPTS = 2
"""How often a judge may say its word."""
_PARTS = (
    frozenset[str](),
    frozenset({"question", "gold", "answer", "correct", "partly", "wrong"}),
    frozenset({"passages", "answer", "supported", "partly", "unsupported"}),
    frozenset({"labels"}),
)
# One in so many tokens of the window, for the answer, and for the question and what is right.
_ANSWER_SHARE, _OTHERS_SHARE = 3, 6
_LEAST_CHARACTERS, _REPLY_CHARACTERS = 200, 200
# What may stand around a word that stands alone.
_AROUND = re.compile(r"^[\W_]+|[\W_]+$")


def judge(
    run: Run, completions: Completions, settings: Settings, limit: int | None = None, name: str = "", domain: str = ""
) -> Judged:
    """Asks the model about the answers of a run, at most `limit` of them, spread over all.

    `name` is that of the run. Raises CompletionFailed where it can't be asked at all.
    """
    prompts = {language: load_parts(settings.prompts, language, "judge.md", _PARTS, domain) for language in LANGUAGES}
    answered = [outcome for outcome in run.outcomes if outcome.said and outcome.said.answered]
    chosen = answered
    if limit is not None and limit < len(answered):
        chosen = [answered[place * len(answered) // limit] for place in range(limit)]
    verdicts: list[Verdict] = []
    ended = ""
    for outcome in tqdm(chosen, desc="judge", unit="answer", leave=False, disable=None):
        language = outcome.question.language if outcome.question.language in LANGUAGES else "en"
        try:
            verdicts.append(_verdict(outcome, completions, prompts[language]))
        except CompletionFailed as error:
            if not verdicts:
                raise
            ended = str(error)
            break
    digest = hashlib.sha256("\0".join(part.template.template for parts in prompts.values() for part in parts).encode())
    return Judged(
        judge=completions.public_name,
        run=name,
        set=run.set,
        revision=run.revision,
        index_version=run.index_version,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        digest=digest.hexdigest()[:12],
        verdicts=tuple(verdicts),
        unasked=len(run.outcomes) - len(answered),
        failed=dict(completions.failed),
        ended=ended,
        own=any(outcome.said and public_name(outcome.said.model) == completions.public_name for outcome in chosen),
    )


def label_of(reply: str, labels: Mapping[str, float]) -> str:
    """The label that stands alone in a line of the reply, whatever marks are around it; empty for none, or several."""
    lines = {_AROUND.sub("", line).upper() for line in reply.splitlines()}
    said = lines & labels.keys()
    return said.pop() if len(said) == 1 else ""


def _verdict(outcome: Outcome, completions: Completions, parts: Sequence[StrictTemplate]) -> Verdict:
    system, correctness, support, reminder = parts
    question, said = outcome.question, outcome.said
    assert said
    text = wording(outcome)
    right: str | None = None
    borne: str | None = None
    cut: list[bool] = []
    figures = measured(outcome)

    def beside_gold(model: ChatModel) -> list[str]:
        asked, gold = (
            _within(model, part, _OTHERS_SHARE) for part in (question.text, "\n".join(map(flatten, question.answers)))
        )
        answer = _within(model, text, _ANSWER_SHARE)
        return [system.render(), correctness.render(question=asked, gold=gold, answer=answer, **_named(CORRECTNESS))]

    def beside_passages(model: ChatModel) -> list[str]:
        answer = _within(model, text, _ANSWER_SHARE)
        passages, whole = _fitted(model, system, support, answer, _cited_first(said))
        cut.append(not whole)
        return [system.render(), support.render(passages=passages, answer=answer, **_named(SUPPORT))]

    if question.answerable and question.answers:
        right = _asked(completions, CORRECTNESS, reminder, beside_gold)
    if said.passages:
        borne = _asked(completions, SUPPORT, reminder, beside_passages)
    return Verdict(
        set=question.set,
        id=question.id,
        language=question.language,
        correctness=right,
        support=borne,
        inside=figures.get("inside"),
        token_f1=figures.get("token_f1"),
        supported=float(all(sentence.supported for sentence in said.sentences)) if said.sentences else None,
        characters=len(text),
        cut=any(cut),
    )


def _asked(
    completions: Completions,
    labels: Mapping[str, float],
    reminder: StrictTemplate,
    texts: Callable[[ChatModel], list[str]],
) -> str | None:
    """One of the labels, empty where the judge said none, None where it could not be asked."""
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    replies: list[str] = []

    def messages(model: ChatModel) -> "list[BaseMessage]":
        system, request = texts(model)
        found: list[BaseMessage] = [SystemMessage(system), HumanMessage(request)]
        for reply in replies:
            again = reminder.render(labels=", ".join(labels))
            found += [AIMessage(shorten(harmless(reply), _REPLY_CHARACTERS)), HumanMessage(again)]
        return found

    for _ in range(ATTEMPTS):
        reply = completions.complete(messages)
        if reply is None:
            return None
        if label := label_of(reply, labels):
            return label
        replies.append(reply)
    return ""


def _fitted(
    model: ChatModel,
    system: StrictTemplate,
    support: StrictTemplate,
    answer: str,
    passages: Sequence[ShownPassage],
) -> tuple[str, bool]:
    """The passages as the window has room for them, in their order, and whether that is all of them."""
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    window = Window(model.budget, model.count_tokens)
    bare = support.render(passages="", answer=answer, **_named(SUPPORT))
    frame = [SystemMessage(system.render()), HumanMessage(bare), AIMessage("x" * _REPLY_CHARACTERS), HumanMessage(bare)]
    room = window.budget - window.size(frame)
    parts: list[str] = []
    for number, passage in enumerate(passages, start=1):
        chunk = Chunk(
            "", "", passage.title, passage.document, passage.language, passage.first_page, passage.last_page, 0, 0, (),
            passage.text,
        )  # fmt: skip

        def render(text: str, number: int = number, chunk: Chunk = chunk) -> str:
            return render_passage(number, chunk, text)

        text = window.longest(passage.text, room, _LEAST_CHARACTERS, render)
        if text is None:
            break
        parts.append(render(text))
        room -= window.count(parts[-1])
        if text != passage.text:
            break
    else:
        return "\n".join(parts), True
    return "\n".join(parts), False


def _cited_first(said: Said) -> list[ShownPassage]:
    """So that where not all fit, those are left out that nobody rests on."""
    places = {(citation.document, citation.page) for citation in said.citations}

    def uncited(passage: ShownPassage) -> bool:
        pages = range(passage.first_page, passage.last_page + 1)
        return not any((passage.document, page) in places for page in pages)

    return sorted(said.passages, key=uncited)


def _named(labels: Mapping[str, float]) -> dict[str, str]:
    return {label.lower(): label for label in labels}


def _within(model: ChatModel, text: str, share: int) -> str:
    """Untrusted text as it may stand in a prompt, as much of it as its share of the window has room for."""
    window = Window(model.budget, model.count_tokens)
    return window.longest(without_references(harmless(text)), window.budget // share, 1, str) or "…"
