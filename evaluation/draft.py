"""Drafts questions from a domain's passages with a model, for a person to accept. Knows nothing of how models are run.

Documents are anybody's. Whatever stands in one, a draft has the id, the language and the source that it would have had;
only its words are the model's, and they are dropped unless the answer stands in the passage.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from evaluation.candidates import Candidate, Proposal, identity, one_line, same
from evaluation.completions import CompletionFailed, Completions
from evaluation.overlap import holds, rouge_tokens, token_f1
from rag.index import Manifest
from rag.languages import detect
from rag.models import ChatModel
from rag.prompt import render_passage
from rag.prompt.templates import StrictTemplate, load_parts
from rag.prompt.window import Window
from rag.questions import LabelledQuestion
from rag.settings import LANGUAGES, Settings
from rag.table import ChunkTable
from rag.types import PAGE_BREAK, Chunk
from rag.untrusted import NO_ANSWER

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

TO_CHECK = "drafted by a model: would someone ask this, is the answer right, and is it nowhere else?"
_PARTS = (frozenset({"domain", "no_answer"}), frozenset({"passage"}))
# Less of a text answers nothing worth asking.
_LEAST_CHARACTERS = 120
_QUESTION_CHARACTERS, _ANSWER_CHARACTERS = 300, 200
_LEAST_QUESTION = 8
# Passages that are tried for each draft that is wanted.
_TRIES = 4
# So much of a question in a row in the passage, and so many tokens, is no question of its own.
_QUOTED_SHARE, _QUOTED_TOKENS = 0.6, 6
# Two questions with so many tokens in common ask the same.
_SAME = 0.9


@dataclass(slots=True)
class Drafts:
    """The drafts, how many passages the model was given, and why what it wrote was dropped, by reason.

    `nothing`: it found nothing to ask for, `unparsable`: no JSON with a question and an answer, `length`, `language`:
    the question is not in the one that was asked for, `not in the passage`: the answer, `gives it away`: the question,
    `quotes`: the question is a sentence of the passage, `known`: it is asked already. `ended` says why the model could
    not be asked any more.
    """

    candidates: list[Candidate] = field(default_factory=list)
    asked: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    ended: str = ""


def draft(
    domain: str,
    title: dict[str, str],
    chunks: Sequence[Chunk],
    known: Iterable[LabelledQuestion],
    completions: Completions,
    settings: Settings,
    count: int,
    language: str = "",
) -> Drafts:
    """At most `count` drafts, from passages in their order; `title` is that of the domain by language.

    Questions are in `language`, in that of the passage where it is empty. Raises CompletionFailed where the model
    can't be asked at all.
    """
    prompts = {name: load_parts(settings.prompts, name, "draft.md", _PARTS, domain) for name in LANGUAGES}
    asked = [(item.question, item.language) for item in known if isinstance(item.question, str)]
    drafts = Drafts()
    with tqdm(total=count, desc="drafts", unit="q", leave=False, disable=None) as bar:
        for chunk in chunks:
            if len(drafts.candidates) >= count:
                break
            wanted = language or (chunk.language if chunk.language in LANGUAGES else "en")
            system, ask = prompts[wanted]
            drafts.asked += 1
            try:
                reply = completions.complete(_messages(system, ask, title[wanted], chunk))
            except CompletionFailed as error:
                if not drafts.candidates:
                    raise
                drafts.ended = str(error)
                break
            if reply is None:
                continue
            found = parsed(reply)
            why = found if isinstance(found, str) else _fault(*found, chunk, wanted, asked)
            if why or isinstance(found, str):
                drafts.dropped[why] += 1
                continue
            question, answer = found
            asked.append((question, wanted))
            drafts.candidates.append(_candidate(domain, question, answer, chunk, wanted, completions.public_name))
            bar.update()
    return drafts


def passages(
    manifest: Manifest,
    table: ChunkTable,
    count: int,
    documents: Sequence[str] = (),
    only_new: bool = False,
    known: Iterable[LabelledQuestion] = (),
) -> list[Chunk]:
    """Passages to make `count` drafts of, a document after the other in turn, those of each spread over it.

    `documents` are sources; with `only_new` only of documents that none of the questions `known` names. Of too many
    documents some are taken, spread over all.
    """
    cited = {source for item in known for source, _ in item.sources} if only_new else set()
    names = {record.id: {record.source, *record.names} for record in manifest.documents}
    wanted = [
        document
        for document, theirs in names.items()
        if not cited & theirs and (not documents or theirs.intersection(documents))
    ]
    most = _TRIES * count
    if len(wanted) > most:
        wanted = [wanted[place * len(wanted) // most] for place in range(most)]
    by_document: dict[str, list[Chunk]] = {document: [] for document in wanted}
    for chunk in table.all_chunks():
        if chunk.document_id in by_document and len(chunk.text.strip()) >= _LEAST_CHARACTERS:
            by_document[chunk.document_id].append(chunk)
    queues = [_spread(chunks) for chunks in by_document.values() if chunks]
    found: list[Chunk] = []
    while queues and len(found) < most:
        found += [queue.pop(0) for queue in queues]
        queues = [queue for queue in queues if queue]
    return found[:most]


def parsed(reply: str) -> tuple[str, str] | str:
    """The question and the answer of a reply, or why there are none: `nothing` or `unparsable`.

    The first JSON object with both counts, whatever stands around it.
    """
    decoder = json.JSONDecoder()
    start = reply.find("{")
    while start >= 0:
        try:
            value, _ = decoder.raw_decode(reply, start)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and all(isinstance(value.get(name), str) for name in ("question", "answer")):
            # One sign more than is allowed, so that what is too long is seen to be.
            question = one_line(value["question"], _QUESTION_CHARACTERS + 1)
            answer = one_line(value["answer"], _ANSWER_CHARACTERS + 1)
            return (question, answer) if question and answer else "nothing"
        start = reply.find("{", start + 1)
    return "nothing" if NO_ANSWER in reply else "unparsable"


def quotes(question: str, passage: str) -> bool:
    """Whether a question is mostly a run of the passage's own words."""
    asked, said = rouge_tokens(question), rouge_tokens(passage)
    run = _longest_run(asked, said)
    return run >= _QUOTED_TOKENS and run >= _QUOTED_SHARE * len(asked)


def _fault(question: str, answer: str, chunk: Chunk, language: str, asked: Sequence[tuple[str, str]]) -> str:
    if not _LEAST_QUESTION <= len(question) <= _QUESTION_CHARACTERS or len(answer) > _ANSWER_CHARACTERS:
        return "length"
    if detect(question, language) != language:
        return "language"
    if not holds(chunk.text, [answer], chunk.language):
        return "not in the passage"
    if holds(question, [answer], language):
        return "gives it away"
    if quotes(question, chunk.text):
        return "quotes"
    for other, its in asked:
        if same(other) == same(question) or (its == language and token_f1(question, [other], language).f1 >= _SAME):
            return "known"
    return ""


def _candidate(domain: str, question: str, answer: str, chunk: Chunk, language: str, model: str) -> Candidate:
    # A passage over two pages: the one on which the answer stands, the first where it goes over the break.
    parts = list(enumerate(chunk.text.split(PAGE_BREAK), start=chunk.first_page))
    page, text = next((part for part in parts if holds(part[1], [answer], chunk.language)), parts[0])
    return Candidate(
        identity(domain, "draft", question),
        question,
        language,
        answer,
        sources=((chunk.source, page),),
        proposed=(Proposal(chunk.source, page, text, True),),
        origin={"model": model, "document_language": chunk.language},
        check=TO_CHECK,
    )


def _messages(system: StrictTemplate, ask: StrictTemplate, title: str, chunk: Chunk) -> Any:
    def make(model: ChatModel) -> "list[BaseMessage]":
        from langchain_core.messages import HumanMessage, SystemMessage

        window = Window(model.budget, model.count_tokens)
        first = SystemMessage(system.render(domain=title, no_answer=NO_ANSWER))

        def render(text: str) -> str:
            return ask.render(passage=render_passage(1, chunk, text))

        room = window.budget - window.size([first, HumanMessage("")])
        text = window.longest(chunk.text, room, _LEAST_CHARACTERS, render)
        return [first, HumanMessage(render(chunk.text[:_LEAST_CHARACTERS] if text is None else text))]

    return make


def _spread(chunks: list[Chunk]) -> list[Chunk]:
    """First, last, middle, the middles between: however few are taken, they come from all over the document."""

    def order(low: int, high: int) -> Iterator[int]:
        waiting = [(low, high)]
        yield low
        if high > low:
            yield high
        while waiting:
            begin, end = waiting.pop(0)
            middle = (begin + end) // 2
            if middle not in (begin, end):
                yield middle
                waiting += [(begin, middle), (middle, end)]

    return [chunks[place] for place in order(0, len(chunks) - 1)]


def _longest_run(first: Sequence[str], second: Sequence[str]) -> int:
    """Tokens of the longest run that both have."""
    longest = 0
    lengths = [0] * (len(second) + 1)
    for item in first:
        before = 0
        for place, other in enumerate(second, start=1):
            length = before + 1 if item == other else 0
            before, lengths[place] = lengths[place], length
            longest = max(longest, length)
    return longest


def default_file(settings: Settings, domain: str, stamp: str) -> Path:
    """Where drafts go that are given no file."""
    return settings.var / "evaluation" / "drafts" / f"{domain}-{stamp}.jsonl"
