"""Chat models by name, opened once: `gguf:NAME-or-PATH`, `openai:NAME`, `langchain:PROVIDER:NAME`.

`extractive` is a name too, but no chat model: it stands for answers in the documents' own words. Importing this
package loads no framework; each adapter is imported when a model of its kind is opened.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.errors import ConfigurationError, ModelUnavailable
from rag.models.tokens import estimate_tokens, token_counter
from rag.settings import Settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

EXTRACTIVE = "extractive"
KINDS = ("gguf", "openai", "langchain")
REMOTE_CONTEXT = 4096
"""Tokens of window that a model on a server is taken to have where nothing is set; some cut what is longer unasked."""


@dataclass(frozen=True, slots=True)
class ChatModel:
    """An open model: `budget` tokens of prompt, counted by `count_tokens`, leave room for the answer."""

    name: str
    chat: "BaseChatModel"
    budget: int
    count_tokens: Callable[[str], int]


def model_names(settings: Settings) -> tuple[str, ...]:
    """The names in `settings.models` up to `extractive`, which always comes last.

    Raises ConfigurationError for a name of an unknown kind, and for one that is not in the catalogue.
    """
    names: list[str] = []
    for name in settings.models:
        if name == EXTRACTIVE:
            break
        kind, _, rest = name.partition(":")
        if kind not in KINDS or not rest or (kind == "langchain" and not all(rest.partition(":"))):
            raise ConfigurationError(
                f"{name!r} is not the name of a model. LACERTA_MODELS takes gguf:NAME or gguf:PATH,"
                " openai:NAME, langchain:PROVIDER:NAME and extractive, with commas between them."
            )
        if kind == "gguf" and not _is_path(rest):
            from rag.models.catalogue import entry_named

            try:
                entry_named(rest, "chat")
            except ConfigurationError as error:
                raise ConfigurationError(
                    f"LACERTA_MODELS: {error} A file's path has a slash or ends in .gguf."
                ) from error
        names.append(name)
    return (*dict.fromkeys(names), EXTRACTIVE)


def public_name(name: str) -> str:
    """A model's name as visitors may see it: without the folders of a file."""
    kind, _, rest = name.partition(":")
    return f"{kind}:{Path(rest).name}" if kind in ("gguf", "onnx") else name


class ModelCache:
    """Opens each model once, at its first use, and shares it. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._models: dict[str, ChatModel] = {}
        self._opening: dict[str, Future[ChatModel]] = {}
        self._closed = False

    def open(self, name: str) -> ChatModel:
        """The model `name`. Raises ModelUnavailable, with what to do, if it can't be opened."""
        return self.opening(name).result()

    def opening(self, name: str) -> "Future[ChatModel]":
        """The model `name`, perhaps not open yet: it is opened on a thread of its own, so that nobody must wait for it.

        Whoever asks meanwhile gets the same one. A failure is forgotten: the next one to ask tries again.
        """
        with self._lock:
            future = self._opening.get(name)
            if future is None:
                future = Future()
                if name in self._models:
                    future.set_result(self._models[name])
                else:
                    self._opening[name] = future
                    # A daemon: a provider that never returns must not keep the program from ending.
                    threading.Thread(target=self._open, args=(name, future), name=f"open {name}", daemon=True).start()
            return future

    def pending(self) -> tuple[str, ...]:
        """The models that are being opened now."""
        with self._lock:
            return tuple(self._opening)

    def close(self) -> None:
        """Closes the open models, and those that are being opened when they are."""
        with self._lock:
            self._closed = True
            models = list(self._models.values())
            self._models.clear()
        for model in models:
            _close(model)

    def _open(self, name: str, future: "Future[ChatModel]") -> None:
        try:
            model = open_model(name, self.settings)
        # Whoever waits for the model gets the error, whatever it is.
        except BaseException as error:
            with self._lock:
                del self._opening[name]
            future.set_exception(error)
            return
        with self._lock:
            del self._opening[name]
            closed = self._closed
            if not closed:
                self._models[name] = model
        if closed:
            _close(model)
            future.set_exception(ModelUnavailable(f"{name} was opened while the program was ending."))
        else:
            future.set_result(model)


def open_model(name: str, settings: Settings) -> ChatModel:
    """Opens the model `name`. Raises ModelUnavailable, with what to do, if it can't be opened."""
    kind, _, rest = name.partition(":")
    remote_budget = (settings.context_tokens or REMOTE_CONTEXT) - settings.answer_tokens
    if kind == "gguf":
        from rag.models.gguf import open_gguf

        chat = open_gguf(_gguf_path(rest, settings), settings)
        # A short context is shared between prompt and answer.
        room = chat.context_tokens - chat.preamble_tokens
        budget = room - min(settings.answer_tokens, room // 2)
        return ChatModel(name, chat, budget, chat.count_tokens)
    if kind == "openai":
        from rag.models.openai import open_openai

        return ChatModel(name, open_openai(rest, settings), remote_budget, token_counter(rest, settings))
    from rag.models.providers import open_provider

    provider, _, model = rest.partition(":")
    counter = token_counter(model, settings) if "openai" in provider else estimate_tokens
    return ChatModel(name, open_provider(provider, model, settings), remote_budget, counter)


def _is_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.lower().endswith(".gguf")


def _gguf_path(text: str, settings: Settings) -> Path:
    """The file that `gguf:NAME-or-PATH` means."""
    if _is_path(text):
        return Path(text).expanduser()
    from rag.models.catalogue import find

    path = find(text, settings)
    if path is None:
        raise ModelUnavailable(f"gguf:{text} has not been fetched: run make model NAME={text}.")
    return path


def _close(model: ChatModel) -> None:
    close = getattr(model.chat, "close", None)
    if close is not None:
        close()


__all__: Sequence[str] = (
    "EXTRACTIVE",
    "ChatModel",
    "ModelCache",
    "estimate_tokens",
    "model_names",
    "open_model",
    "public_name",
)
