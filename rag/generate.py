"""The answer of a model: asked with what fits its window, shown as it comes, in the language that was asked for.

Knows nothing of citations; whether what was written holds is for `cite` to say.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rag.conversation import Memory
from rag.denial import says_the_word
from rag.fidelity import faithful, verdict
from rag.models import EXTRACTIVE, ChatModel
from rag.models.chain import Chain, Generation
from rag.plain import PlainStream, addresses
from rag.prompt import Past, Prompt, build_messages, firmer
from rag.prompt.templates import Prompts
from rag.types import Question, Retrieval, Token, Turn, Waiting
from rag.untrusted import NO_ANSWER

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

# Of an answer whose language can't be told, so many characters are held back.
_HELD_CHARACTERS = 300
_DECORATION = " \n*_`\"'([“„"


@dataclass(slots=True)
class Reply:
    """What a model wrote: filled while it is streamed. `prompt` is what was sent to the model that answered."""

    text: str = ""
    generation: Generation = field(default_factory=Generation)
    prompt: Prompt | None = None
    wrong_language: bool = False


class Writer:
    """Asks the chain for the answer to one question; `reply` is what came of it once `stream` has ended.

    `text` is the question as it was searched for.
    """

    def __init__(
        self,
        chain: Chain,
        prompts: Prompts,
        title: str,
        question: Question,
        text: str,
        retrieval: Retrieval,
        memory: Memory,
        cancelled: Callable[[], bool],
    ) -> None:
        self._chain = chain
        self._prompts = prompts
        self._title = title
        self._question = question
        self._text = text
        self._retrieval = retrieval
        self._memory = memory
        self._cancelled = cancelled
        self._sent: dict[str, Prompt] = {}
        self._addresses = addresses(hit.chunk.text for hit in retrieval.hits)
        self.reply = Reply()

    def stream(self) -> Iterator[Token | Waiting]:
        """The answer as it is written. One in another language is broken off, or asked for again without being shown.

        The second time the model is told more firmly; what it writes then stands, and is marked if need be.
        """
        language = self._prompts.language
        first = self.reply
        shown = yield from self._attempt(first, self._messages, "")
        first.prompt = self._sent.get(first.generation.model)
        if self._cancelled() or first.generation.interrupted or not first.prompt:
            return
        if not first.wrong_language:
            first.wrong_language = not says_the_word(first.text) and not faithful(first.text, language)
        if not first.wrong_language:
            return
        second = Reply(prompt=first.prompt)
        asked = self._attempt(second, self._firmer, first.generation.model)
        if shown:
            for _ in asked:
                pass
        else:
            yield from asked
        if not second.text:
            # What there is, is marked; a beginning that was broken off is no answer.
            if shown:
                return
            failed = second.generation.failures or [(first.generation.model, "empty")]
            second.generation.failures = first.generation.failures + failed
            second.generation.model = EXTRACTIVE
        else:
            second.generation.failures = first.generation.failures
            second.wrong_language = not says_the_word(second.text) and not faithful(second.text, language)
        self.reply = second

    def remember(self, answer: str) -> None:
        """Keeps what the model saw and wrote, so that the next question of this conversation can go on from there.

        `answer` is the text that the visitor has, and will send as history.
        """
        reply = self.reply
        question = self._question
        # Of a visitor's own documents nothing stays behind.
        if reply.prompt is None or reply.generation.interrupted or self._cancelled() or question.attachments:
            return
        turns = (*question.history, Turn("user", question.text), Turn("assistant", answer))
        past = Past(tuple(reply.prompt.messages), reply.prompt.passages, reply.text)
        self._memory.remember(self._key(reply.generation.model, turns), past)

    def _attempt(
        self, reply: Reply, messages: "Callable[[ChatModel], list[BaseMessage]]", only: str
    ) -> Generator[Token | Waiting, None, bool]:
        """One run of the chain; whether any of the answer was shown. With `only`, it is the second try."""
        language = self._prompts.language
        plain = PlainStream(self._addresses)
        given = 0
        shown = settled = False

        def token(text: str) -> Iterator[Token]:
            nonlocal shown
            if text:
                shown = True
                yield Token(text)

        question = self._question
        stream = self._chain.stream(
            reply.generation, messages, self._cancelled, only or question.model, question.sampling
        )
        with closing(stream) as pieces:  # type: ignore[type-var]
            for piece in pieces:
                if isinstance(piece, Waiting):
                    yield piece
                    continue
                reply.text += piece
                if not settled:
                    if NO_ANSWER.startswith(reply.text.lstrip(_DECORATION)[: len(NO_ANSWER)]):
                        # That word is never shown.
                        continue
                    judged = verdict(reply.text, language)
                    if judged is False and not only:
                        reply.wrong_language = True
                        return False
                    if judged is None and len(reply.text) < _HELD_CHARACTERS:
                        continue
                    settled = True
                yield from token(plain.feed(reply.text[given:]))
                given = len(reply.text)
        if not settled and reply.text and not says_the_word(reply.text) and (only or faithful(reply.text, language)):
            settled = True
        if settled:
            yield from token(plain.feed(reply.text[given:]) + plain.end())
        # What turned out to be no part of the answer only when it was over.
        reply.text = reply.text[reply.generation.reasoning :]
        return shown

    def _messages(self, model: ChatModel) -> "list[BaseMessage]":
        question = self._question
        prompt = build_messages(
            self._prompts,
            self._title,
            self._text,
            self._retrieval.hits,
            self._retrieval.terms,
            question.history,
            model.count_tokens,
            model.budget,
            self._memory.recall(self._key(model.name, question.history)),
        )
        self._sent[model.name] = prompt
        return prompt.messages

    def _firmer(self, model: ChatModel) -> "list[BaseMessage]":
        return firmer(self._sent[model.name], self._prompts)

    def _key(self, model: str, turns: Sequence[Turn]) -> str:
        return Memory.key(self._question.domain, self._prompts.language, model, turns)
