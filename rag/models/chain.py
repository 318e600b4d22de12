"""A chain of chat models: the next one answers when one fails before its first token. Knows nothing of prompts."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rag.errors import LacertaError
from rag.models import EXTRACTIVE, ChatModel, ModelCache, public_name
from rag.models.failure import ADVICE, reason

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

_LOG = logging.getLogger(__name__)
# Worth a second try after a moment: the server was busy, not broken or misconfigured.
_RETRIED = ("rate", "server")
_PAUSE_SECONDS = 1.0
# Kinds of model that always say why they stopped; silence means that the connection was cut.
_SAY_WHY = ("openai", "gguf")


@dataclass(slots=True)
class Generation:
    """How a generation went: filled while its tokens are read. Not shared between threads.

    `model` is the name of the model that answered, `extractive` if none did; `failures` are (name, reason) of those
    before it; `interrupted` is the reason why it stopped in the middle, empty if it did not.
    """

    model: str = EXTRACTIVE
    failures: list[tuple[str, str]] = field(default_factory=list)
    interrupted: str = ""
    shortened: bool = False


class Chain:
    """Chat models in the order in which they are tried."""

    def __init__(self, names: Sequence[str], models: ModelCache) -> None:
        self._names = tuple(name for name in names if name != EXTRACTIVE)
        self._models = models

    def __bool__(self) -> bool:
        return bool(self._names)

    def stream(
        self,
        generation: Generation,
        messages: "Callable[[ChatModel], list[BaseMessage]]",
        cancelled: Callable[[], bool],
    ) -> Iterator[str]:
        """The pieces of the first answer that one of the models begins; nothing if none does.

        `messages` makes the prompt for a model. A failure after the first piece ends the answer and is noted.
        """
        for name in self._names:
            for attempt in range(2):
                failure = ""
                try:
                    model = self._models.open(name)
                    yield from self._generate(generation, model, messages(model), cancelled)
                # Providers raise whatever they like: any failure of a model is for the next one to make good.
                except Exception as error:
                    failure = reason(error)
                    _log(name, failure, error)
                if generation.model == name:
                    generation.interrupted = failure or generation.interrupted
                    return
                if cancelled():
                    return
                if failure not in _RETRIED or attempt:
                    break
                _wait(_PAUSE_SECONDS, cancelled)
            generation.failures.append((public_name(name), failure or "empty"))

    def _generate(
        self,
        generation: Generation,
        model: ChatModel,
        messages: "list[BaseMessage]",
        cancelled: Callable[[], bool],
    ) -> Iterator[str]:
        finish = ""
        # Closing the stream is what makes a model stop computing and a connection close.
        with closing(model.chat.stream(messages)) as stream:  # type: ignore[type-var]
            for chunk in stream:
                if cancelled():
                    return
                finish = chunk.response_metadata.get("finish_reason") or finish
                text = str(chunk.text)
                if text:
                    generation.model = model.name
                    yield text
        generation.shortened = finish == "length"
        if not finish and model.name.partition(":")[0] in _SAY_WHY:
            generation.interrupted = "broken"


def _log(name: str, failure: str, error: Exception) -> None:
    # The text of a provider's error may repeat a key or a document, so only our own texts are logged in full.
    if isinstance(error, LacertaError):
        _LOG.warning("%s did not answer: %s", name, error)
    elif failure == "other":
        _LOG.warning("%s failed with %s", name, type(error).__name__, exc_info=_LOG.isEnabledFor(logging.DEBUG))
    else:
        _LOG.warning("%s did not answer: %s", name, ADVICE.get(failure) or f"{failure} ({type(error).__name__})")


def _wait(seconds: float, cancelled: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    pause = threading.Event()
    while not cancelled() and (left := until - time.monotonic()) > 0:
        pause.wait(min(left, 0.1))
