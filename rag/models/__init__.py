"""Chat models by name, opened once: `gguf:PATH`, `openai:NAME`, `langchain:PROVIDER:NAME`.

`extractive` is a name too, but no chat model: it stands for answers in the documents' own words. Importing this
package loads no framework; each adapter is imported when a model of its kind is opened.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.errors import ConfigurationError, ModelUnavailable
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


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has where the model's tokenizer isn't at hand: a token for 2.5 bytes of UTF-8.

    On the high side on purpose: current tokenizers take 3 to 4.5 bytes of English and Korean and about 2.7 of
    Hungarian for a token.
    """
    return int(len(text.encode("utf-8", errors="replace")) / 2.5) + 1


def model_names(settings: Settings) -> tuple[str, ...]:
    """The names in `settings.models` up to `extractive`, which always comes last.

    Raises ConfigurationError for a name of an unknown kind.
    """
    names: list[str] = []
    for name in settings.models:
        if name == EXTRACTIVE:
            break
        kind, _, rest = name.partition(":")
        if kind not in KINDS or not rest or (kind == "langchain" and not all(rest.partition(":"))):
            raise ConfigurationError(
                f"{name!r} is not the name of a model. LACERTA_MODELS takes gguf:PATH, openai:NAME,"
                " langchain:PROVIDER:NAME and extractive, with commas between them."
            )
        names.append(name)
    return (*dict.fromkeys(names), EXTRACTIVE)


def public_name(name: str) -> str:
    """A model's name as visitors may see it: without the folders of a file."""
    kind, _, rest = name.partition(":")
    return f"{kind}:{Path(rest).name}" if kind == "gguf" else name


class ModelCache:
    """Opens each model once, at its first use, and shares it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._models: dict[str, ChatModel] = {}

    def open(self, name: str) -> ChatModel:
        """The model `name`. Raises ModelUnavailable, with what to do, if it can't be opened."""
        with self._lock:
            if name not in self._models:
                self._models[name] = open_model(name, self._settings)
            return self._models[name]

    def close(self) -> None:
        with self._lock:
            for model in self._models.values():
                close = getattr(model.chat, "close", None)
                if close is not None:
                    close()
            self._models.clear()


def open_model(name: str, settings: Settings) -> ChatModel:
    """Opens the model `name`. Raises ModelUnavailable, with what to do, if it can't be opened."""
    kind, _, rest = name.partition(":")
    remote_budget = (settings.context_tokens or REMOTE_CONTEXT) - settings.answer_tokens
    if kind == "gguf":
        from rag.models.gguf import open_gguf

        chat = open_gguf(Path(rest).expanduser(), settings)
        # A short context is shared between prompt and answer.
        budget = chat.context_tokens - min(settings.answer_tokens, chat.context_tokens // 2)
        return ChatModel(name, chat, budget, chat.count_tokens)
    if kind == "openai":
        from rag.models.openai import open_openai

        return ChatModel(name, open_openai(rest, settings), remote_budget, estimate_tokens)
    provider, _, model = rest.partition(":")
    return ChatModel(name, _open_provider(provider, model, settings), remote_budget, estimate_tokens)


def _open_provider(provider: str, model: str, settings: Settings) -> "BaseChatModel":
    from langchain.chat_models import init_chat_model

    try:
        chat: BaseChatModel = init_chat_model(
            model, model_provider=provider, timeout=settings.model_timeout, max_tokens=settings.answer_tokens
        )
    except ImportError as error:
        raise ModelUnavailable(f"langchain:{provider}:{model} needs a package: {error}") from error
    except ValueError as error:
        raise ModelUnavailable(f"langchain:{provider}:{model} cannot be opened: {error}") from error
    return chat


__all__: Sequence[str] = (
    "EXTRACTIVE",
    "ChatModel",
    "ModelCache",
    "estimate_tokens",
    "model_names",
    "open_model",
    "public_name",
)
