"""A chain of chat models: the next one answers when one fails before its first token. Knows nothing of prompts."""

import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import wait
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rag.errors import LacertaError
from rag.models import EXTRACTIVE, ChatModel, ModelCache, public_name
from rag.models.breaker import LONGEST_SECONDS, Breaker
from rag.models.failure import ADVICE, connection_lost, reason, retry_after
from rag.models.pump import Ended, Pump
from rag.models.sampling import generate, most_tokens
from rag.models.thinking import Thinking
from rag.types import Sampling, Usage, Waiting

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk, BaseMessage

_LOG = logging.getLogger(__name__)
# Worth a second try after a moment: the server was busy, not broken or misconfigured.
_RETRIED = ("rate", "server")
_PAUSE_SECONDS = 1.0
# A connection that was lost is made anew at once: a server with many visitors turns some away so.
_LOST_PAUSE_SECONDS = 0.2
# Who asks for a longer pause than this is left to later visitors.
_LONGEST_PAUSE_SECONDS = 5.0
# How often a wait looks at the time and whether the visitor has left.
_TICK_SECONDS = 0.05
# In units of the setting model_timeout: the longest silence between two tokens, and a whole call with all its models.
_BETWEEN_TOKENS = 0.5
_WHOLE_CALL = 10.0
# How long the counts of tokens may come behind the end of an answer.
_AFTERWARDS_SECONDS = 1.0
# Characters for each token that an answer may have; more come only from a server that ignores the limit.
_CHARACTERS_FOR_TOKEN = 32
# A model with so many generations that were given up lately and have not ended yet gets no more threads.
_MOST_GIVEN_UP = 8
# Kinds of model that always say why they stopped; silence means that the connection was cut.
_SAY_WHY = ("openai", "gguf")
# Where providers say why an answer ended, and how they say that it reached its permitted length.
_FINISH = ("finish_reason", "stop_reason", "done_reason")
_LENGTH = ("length", "max_tokens")
_AS_SET = Sampling()


@dataclass(slots=True)
class Generation:
    """How a generation went: filled while its tokens are read. Not shared between threads.

    `model` is the name of the model that answered, `extractive` if none did; `failures` are (public name, reason) of
    those before it; `interrupted` is the reason why it stopped in the middle, empty if it did not; `shortened` tells
    that it reached its permitted length. `usage` counts its tokens, where the model says how many. `reasoning` is the
    number of characters, of those given out, that turned out to stand before the answer: a model whose reasoning begins
    in its prompt shows only where it ends.
    """

    model: str = EXTRACTIVE
    failures: list[tuple[str, str]] = field(default_factory=list)
    interrupted: str = ""
    shortened: bool = False
    usage: Usage = Usage()
    reasoning: int = 0


class _Failed(Exception):
    """A model failed for `reason`; its server asked to be left alone for `pause` seconds, if it said so."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause = pause


class _Cancelled(Exception):
    """The visitor left."""


class _Patience:
    """How long a model is waited for: `seconds` after its last sign of life, until the time `begin` for its first token
    and until `end` for all of them."""

    def __init__(
        self, seconds: float, begin: float, end: float, clock: Callable[[], float], cancelled: Callable[[], bool]
    ) -> None:
        self._seconds = seconds
        self._latest = begin
        self._end = end
        self._clock = clock
        self._cancelled = cancelled
        self._last = clock()

    def renew(self) -> None:
        """A sign of life."""
        self._last = self._clock()

    def begun(self, seconds: float) -> None:
        """A token; from now on `seconds` are allowed between signs of life."""
        self.renew()
        self._seconds = seconds
        self._latest = self._end

    def allows(self, pause: float) -> bool:
        return self._clock() + pause < min(self._last + self._seconds, self._latest)

    def check(self) -> None:
        """Raises _Cancelled if the visitor has left, _Failed if the time is up."""
        if self._cancelled():
            raise _Cancelled
        if not self.allows(0.0):
            raise _Failed("timeout")


class Chain:
    """Chat models in the order in which they are tried.

    Every wait is bounded, whatever a provider does with its own timeouts: models are opened and read on threads that
    can be left behind. With T for the setting `model_timeout`, a model is left T after its last sign of life, the pause
    before a second attempt included, and T/2 after its last token. So n models that hang cost n·T, once, since they
    rest afterwards. Being opened, reasoning, and the queue and prompt that a local model reports on are signs of life,
    but a call as a whole ends after 10·T, and a model has half of what is left to begin if others come after it.
    Whether the visitor has left is looked at every 0.05 s.
    """

    def __init__(
        self,
        names: Sequence[str],
        models: ModelCache,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._names = tuple(name for name in names if name != EXTRACTIVE)
        self._models = models
        self._breaker = breaker or Breaker(clock)
        self._clock = clock
        self._lock = threading.Lock()
        # By model: when each was given up, and whether it ended since.
        self._given_up: dict[str, list[tuple[float, Pump[AIMessageChunk]]]] = {}
        # Models that were seen to reason from their first word on, without a sign that they do.
        self._reasoners: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._names)

    def _named(self, only: str) -> tuple[str, ...]:
        return tuple(name for name in self._names if only in ("", name))

    def stream(
        self,
        generation: Generation,
        messages: "Callable[[ChatModel], list[BaseMessage]]",
        cancelled: Callable[[], bool],
        only: str = "",
        sampling: Sampling = _AS_SET,
    ) -> Iterator[str | Waiting]:
        """The pieces of the first answer that one of the models begins; nothing if none does.

        `messages` makes the prompt for a model, on another thread. Before the first piece, Waiting tells each
        change of the place in a model's queue, at last 0 when its turn has come. A failure after the first piece ends
        the answer and is noted. `only` names the one model to ask, as `Generation.model` does; where the chain does not
        have it, as `extractive`, none is.
        """
        seconds = self._models.settings.model_timeout
        end = self._clock() + _WHOLE_CALL * seconds
        names = self._named(only)
        for name in names:
            if cancelled():
                return
            now = self._clock()
            late = now >= end
            if late or not self._breaker.allows(name):
                generation.failures.append((public_name(name), "timeout" if late else "resting"))
                continue
            begin = end if name == names[-1] else (now + end) / 2
            patience = _Patience(seconds, begin, end, self._clock, cancelled)
            try:
                yield from self._ask(name, generation, messages, patience, sampling)
            except _Cancelled:
                return
            except _Failed as failure:
                if generation.model != name:
                    generation.failures.append((public_name(name), failure.reason))
                    continue
                generation.interrupted = failure.reason
            return

    def complete(
        self,
        messages: "Callable[[ChatModel], list[BaseMessage]]",
        cancelled: Callable[[], bool],
        seconds: float,
        characters: int,
        only: str = "",
    ) -> str:
        """A short text by the first model that does not rest, cut at `characters`; empty if it fails or is late.

        `only` names the one model to ask.

        Ends within `seconds`. A model that fails rests, so that the answer does not wait for it again; one that is only
        late does not unless it had all of `model_timeout`, as it may be in time for the answer.
        """
        name = next((name for name in self._named(only) if self._breaker.allows(name)), "")
        if not name:
            return ""
        timeout = self._models.settings.model_timeout
        end = self._clock() + seconds
        patience = _Patience(min(seconds, timeout), end, end, self._clock, cancelled)
        generation = Generation()
        text = ""
        try:
            with closing(self._ask(name, generation, messages, patience, _AS_SET, seconds >= timeout)) as pieces:
                for piece in pieces:
                    text += piece if isinstance(piece, str) else ""
                    if len(text) >= generation.reasoning + characters:
                        break
        except (_Failed, _Cancelled):
            return ""
        return text[generation.reasoning :][:characters].strip()

    def _ask(
        self,
        name: str,
        generation: Generation,
        messages: "Callable[[ChatModel], list[BaseMessage]]",
        patience: _Patience,
        sampling: Sampling,
        late_fails: bool = True,
    ) -> Generator[str | Waiting, None, None]:
        """The pieces of a model's answer; the breaker is told how it went. Raises _Failed and _Cancelled."""
        decided = False
        try:
            with closing(self._attempts(name, generation, messages, patience, sampling)) as pieces:
                for piece in pieces:
                    if isinstance(piece, str) and not decided:
                        decided = True
                        generation.model = name
                        self._breaker.succeeded(name)
                    yield piece
        except _Failed as failure:
            _log(name, failure)
            if late_fails or failure.reason != "timeout":
                decided = True
                self._breaker.failed(name, failure.reason, failure.pause)
            raise
        finally:
            if not decided:
                self._breaker.undecided(name)

    def _attempts(
        self,
        name: str,
        generation: Generation,
        messages: "Callable[[ChatModel], list[BaseMessage]]",
        patience: _Patience,
        sampling: Sampling,
    ) -> Generator[str | Waiting, None, None]:
        for last in (False, True):
            try:
                model = self._open(name, patience)
                yield from self._generate(generation, model, messages, patience, sampling)
                return
            except (_Failed, _Cancelled):
                raise
            # Providers raise whatever they like: any failure of a model is for the next one to make good.
            except Exception as error:
                failure, asked = reason(error), retry_after(error)
                lost = connection_lost(error)
                pause = _LOST_PAUSE_SECONDS if lost else _PAUSE_SECONDS if asked is None else asked
                begun = generation.model == name
                if last or begun or not (lost or failure in _RETRIED) or pause > _LONGEST_PAUSE_SECONDS:
                    raise _Failed(failure, asked) from error
                if not patience.allows(pause):
                    raise _Failed(failure, asked) from error
            until = self._clock() + pause
            while self._clock() < until:
                patience.check()
                time.sleep(min(_TICK_SECONDS, pause))

    def _open(self, name: str, patience: _Patience) -> ChatModel:
        opening = self._models.opening(name)
        while not opening.done():
            patience.check()
            wait((opening,), _TICK_SECONDS)
        patience.renew()
        return opening.result()

    def _generate(
        self,
        generation: Generation,
        model: ChatModel,
        messages: "Callable[[ChatModel], list[BaseMessage]]",
        patience: _Patience,
        sampling: Sampling,
    ) -> Iterator[str | Waiting]:
        """The pieces of one generation without the reasoning before them."""
        settings = self._models.settings
        thinking = Thinking(begun=model.name in self._reasoners)
        left = most_tokens(sampling, settings) * _CHARACTERS_FOR_TOKEN
        place, finish, heard = 0, "", False
        with closing(self._chunks(model, messages, patience, sampling)) as chunks:
            try:
                for chunk in chunks:
                    heard = True
                    generation.usage = _usage(generation.usage, chunk)
                    information = chunk.response_metadata
                    position = int(information.get("queue_position") or 0)
                    if position != place and generation.model != model.name:
                        place = position
                        yield Waiting(position)
                    piece = thinking.feed(str(chunk.text))[:left]
                    generation.reasoning = thinking.stray
                    if piece:
                        left -= len(piece)
                        yield piece
                        patience.begun(_BETWEEN_TOKENS * settings.model_timeout)
                    if not left:
                        finish = "length"
                        break
                    if ended := next((information[key] for key in _FINISH if information.get(key)), ""):
                        finish = str(ended).lower()
                        patience.begun(min(_AFTERWARDS_SECONDS, settings.model_timeout))
            except Exception as error:
                # So LangChain says that nothing came.
                if not heard and isinstance(error, ValueError) and "No generation chunks" in str(error):
                    raise _Failed("broken") from error
                # What comes behind the end of an answer can't take it back.
                if not finish:
                    raise
        if thinking.stray:
            self._reasoners.add(model.name)
        generation.shortened = finish in _LENGTH
        if not generation.shortened and (piece := thinking.finish()[:left]):
            yield piece
        if not finish and model.name.partition(":")[0] in _SAY_WHY:
            raise _Failed("broken")
        if generation.model != model.name:
            raise _Failed("empty" if heard else "broken")

    def _chunks(
        self,
        model: ChatModel,
        messages: "Callable[[ChatModel], list[BaseMessage]]",
        patience: _Patience,
        sampling: Sampling,
    ) -> "Generator[AIMessageChunk, None, None]":
        """What the model sends, as it comes. Raises _Failed, _Cancelled and what the model raises."""
        lately = self._clock() - LONGEST_SECONDS
        with self._lock:
            given_up = [(at, pump) for at, pump in self._given_up.get(model.name, ()) if pump.running and at > lately]
            self._given_up[model.name] = given_up
            if len(given_up) >= _MOST_GIVEN_UP:
                raise _Failed("timeout")
        # A local model counts the prompt's tokens in a process that may have to be started again for it.
        settings = self._models.settings
        pump = Pump(
            lambda: generate(model, messages(model), sampling, settings), f"generation of {public_name(model.name)}"
        )
        try:
            while True:
                try:
                    chunk = pump.get(_TICK_SECONDS)
                except queue.Empty:
                    patience.check()
                    continue
                # What was waiting here while the reader was slow is in time.
                patience.renew()
                patience.check()
                yield chunk
        except Ended:
            pass
        except _Failed:
            with self._lock:
                self._given_up[model.name].append((self._clock(), pump))
            raise
        finally:
            pump.stop()


def _usage(usage: Usage, chunk: "AIMessageChunk") -> Usage:
    """The counts with those of one more chunk. Some providers split them over chunks, some repeat what they had."""
    counted = getattr(chunk, "usage_metadata", None) or {}
    prompt = counted.get("input_tokens") or None
    evaluated = chunk.response_metadata.get("evaluated_tokens")
    reused = (counted.get("input_token_details") or {}).get("cache_read")
    if evaluated is None and prompt and reused is not None:
        evaluated = prompt - reused
    new = (prompt, evaluated, counted.get("output_tokens"))
    old = (usage.prompt_tokens, usage.evaluated_tokens, usage.completion_tokens)
    return Usage(*(max(pair, key=lambda count: -1 if count is None else count) for pair in zip(old, new, strict=True)))


def _log(name: str, failure: _Failed) -> None:
    error = failure.__cause__
    if isinstance(error, LacertaError):
        # The text of a provider's error may repeat a key or a document, so only our own texts are logged in full.
        _LOG.warning("%s did not answer: %s", name, error)
    elif failure.reason in ADVICE:
        _LOG.warning("%s did not answer: %s", name, ADVICE[failure.reason])
    else:
        _LOG.warning("%s did not answer: %s (%s)", name, failure.reason, type(error).__name__)
        if error is not None:
            _LOG.debug("%s", "".join(traceback.format_tb(error.__traceback__)))
