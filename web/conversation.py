"""A visitor's conversation as values: each event of an answer makes the next value. Knows nothing of HTML or Gradio."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rag.types import Answer, Event, Failed, Finished, Hit, Retrieval, Retrieved, Token, Turn, Waiting


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and what became of it. `number` is 1-based in the conversation; `text` is what streamed so far.

    `hits` is None until the passages were found. `failure` is the sentence that tells why there is no answer.
    `searched` is the question that was searched for, where it is not the one asked; `position` are the answers that the
    model writes before this one. `found` is how the passages were found, None where that is not known any more;
    `identifier` names the answer for whoever rates it, empty where it can't be rated. `filters` are those it was asked
    with, see `web.filtered`.
    """

    number: int
    question: str
    text: str = ""
    hits: tuple[Hit, ...] | None = None
    answer: Answer | None = None
    failure: str = ""
    stopped: bool = False
    searched: str = ""
    position: int = 0
    found: Retrieval | None = None
    identifier: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether the answer is still awaited."""
        return not (self.answer or self.failure or self.stopped)


Conversation = tuple[Exchange, ...]


def advance(exchange: Exchange, event: Event) -> Exchange:
    """The exchange after an event of the engine."""
    match event:
        case Retrieved(retrieval, searched):
            return replace(exchange, hits=retrieval.hits, searched=searched, found=retrieval)
        case Waiting(position):
            return replace(exchange, position=position)
        case Token(text):
            return replace(exchange, text=exchange.text + text, position=0)
        case Finished(answer):
            return replace(exchange, answer=answer, text=answer.text)
        case Failed(_, message):
            return replace(exchange, failure=message)


def stop(conversation: Conversation) -> Conversation:
    """The conversation with its last exchange marked as stopped, where that one was still open."""
    if not conversation or not conversation[-1].open:
        return conversation
    return (*conversation[:-1], replace(conversation[-1], stopped=True))


def turns(conversation: Conversation) -> tuple[Turn, ...]:
    """The history that a next question refers to: answered exchanges only."""
    return tuple(
        turn
        for exchange in conversation
        if exchange.answer
        for turn in (Turn("user", exchange.question), Turn("assistant", exchange.answer.text))
    )
