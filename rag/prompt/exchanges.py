"""The last exchanges of a conversation, as far as a model's window has room for them. Knows nothing of prompts."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag.prompt.window import Window, shorten
from rag.types import Turn
from rag.untrusted import harmless, without_references

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

# What lies further back seldom bears on a question, and reading it costs a small machine seconds.
_EXCHANGES, _TURNS, _TURN_CHARACTERS = 10, 100, 2000
# What the visitor was shown behind sentences; numbers of another prompt mean nothing in this one.
_CITATION = re.compile(r"(?<![^\S\n])[^\S\n]*+\[(?:\d{1,3}(?:\s*[-–,;]\s*\d{1,3})*|\?)\]")


def recent(window: Window, history: Sequence[Turn], room: int) -> list[tuple[str, str]]:
    """The last exchanges of a conversation that take at most `room` tokens, in order: `(question, reply)`.

    A question that got no reply is left out: chat templates want user and assistant to alternate.
    """
    kept: list[tuple[str, str]] = []
    reply = ""
    frame = window.frame()
    for turn in reversed(history[-_TURNS:]):
        if turn.role == "assistant":
            reply = reply or _said(turn)
        elif turn.role == "user":
            question = _said(turn)
            if question and reply:
                room -= window.count(question) + window.count(reply) + 2 * frame
                if room < 0 or len(kept) == _EXCHANGES:
                    break
                kept.insert(0, (question, reply))
            reply = ""
    return kept


def _said(turn: Turn) -> str:
    text = _CITATION.sub("", turn.text[: 2 * _TURN_CHARACTERS])
    return shorten(without_references(harmless(text)), _TURN_CHARACTERS).strip()


def as_messages(exchanges: Sequence[tuple[str, str]]) -> "list[BaseMessage]":
    """Each exchange as a message of the user and one of the assistant."""
    from langchain_core.messages import AIMessage, HumanMessage

    return [message for question, reply in exchanges for message in (HumanMessage(question), AIMessage(reply))]
