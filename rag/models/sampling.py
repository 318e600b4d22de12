"""How a question wants its answer written, in the words that each kind of model has for it. Imports no framework."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rag.models import ChatModel
from rag.settings import Settings
from rag.types import Sampling

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk, BaseMessage

OFFICIAL = "https://api.openai.com/v1"
# Models at the official address that take a temperature and stop texts, by the beginning of their names; those that
# reason don't.
_TEMPERATE = ("gpt-4", "gpt-3.5", "chatgpt-", "ft:gpt-4", "ft:gpt-3.5")
OWN_TEMPERATURE = ("anthropic", "azure_openai", "openai")
"""Providers some of whose models refuse a temperature; there is no telling which."""
# What the chat models of LangChain's providers call it.
_FIELDS = {
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens", "num_predict", "max_output_tokens"),
    "seed": ("seed", "random_seed"),
}


def temperate(model: str, base_url: str) -> bool:
    """Whether the model of an OpenAI-compatible server at `base_url` (empty: OpenAI's own) takes a temperature."""
    return (base_url or OFFICIAL).rstrip("/") != OFFICIAL or model.startswith(_TEMPERATE)


def most_tokens(sampling: Sampling, settings: Settings) -> int:
    """Tokens that an answer may have: what was asked for, within the settings."""
    return min(sampling.max_tokens or settings.answer_tokens, settings.answer_tokens)


def generate(
    model: ChatModel, messages: "list[BaseMessage]", sampling: Sampling, settings: Settings
) -> "Iterator[AIMessageChunk]":
    """The model's stream. What is not asked for stays as the model was opened; what it can't take is left out."""
    if sampling == Sampling():
        return model.chat.stream(messages)
    kind, _, rest = model.name.partition(":")
    wished: dict[str, Any] = {"temperature": sampling.temperature, "seed": sampling.seed}
    if sampling.max_tokens is not None:
        wished["max_tokens"] = most_tokens(sampling, settings)
    wished = {name: value for name, value in wished.items() if value is not None}
    stop = list(sampling.stop) or None
    if kind == "langchain":
        if rest.partition(":")[0] in OWN_TEMPERATURE:
            wished.pop("temperature", None)
        known = type(model.chat).model_fields
        fields = {field: value for name, value in wished.items() for field in _FIELDS[name] if field in known}
        # Their calls take other names than their constructors; the copy shares the connections.
        return model.chat.model_copy(update=fields).stream(messages, stop=stop)
    if kind == "openai":
        if not temperate(rest, settings.openai_base_url):
            wished.pop("temperature", None)
            stop = None
        if "max_tokens" in wished and (settings.openai_base_url or OFFICIAL).rstrip("/") != OFFICIAL:
            # Other servers know the older name of the limit, which this client would rename.
            wished["extra_body"] = {"max_tokens": wished.pop("max_tokens")}
    return model.chat.stream(messages, stop=stop, **wished)
