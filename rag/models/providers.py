"""Chat models of any provider that LangChain knows, by `init_chat_model`. Installs nothing."""

import re
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel

from rag.errors import ModelUnavailable
from rag.models import REMOTE_CONTEXT
from rag.models.sampling import OWN_TEMPERATURE
from rag.settings import Settings

_PACKAGE = re.compile(r"\blangchain[-_][a-z0-9_-]+")
_CHARACTERS = 300
_TEMPERATURE = 0.2


def open_provider(provider: str, model: str, settings: Settings) -> BaseChatModel:
    """The chat model `model` of `provider`. Sends nothing yet. Raises ModelUnavailable, with what to do."""
    name = f"langchain:{provider}:{model}"
    try:
        chat: BaseChatModel = init_chat_model(model, model_provider=provider, **_options(provider, settings))
    except ImportError as error:
        package = _PACKAGE.search(str(error))
        command = package[0].replace("_", "-") if package else f"langchain-{provider}"
        raise ModelUnavailable(
            f"{name} needs a package that is not installed: run make extra EXTRA={command}."
        ) from error
    # Each provider has its own way to say that a key or a parameter is missing.
    except Exception as error:
        raise ModelUnavailable(f"{name} cannot be opened: {_text(error)}") from error
    return chat


def _options(provider: str, settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if provider not in OWN_TEMPERATURE:
        options["temperature"] = _TEMPERATURE
    if provider == "ollama":
        # It has names of its own, and cuts a prompt that is longer than the window it was told.
        window = settings.context_tokens or REMOTE_CONTEXT
        return options | {"num_predict": settings.answer_tokens, "num_ctx": window}
    # The chain retries what is worth it.
    return options | {"timeout": settings.model_timeout, "max_tokens": settings.answer_tokens, "max_retries": 0}


def _text(error: Exception) -> str:
    """What an error says, without the values that it was given: there may be a key among them."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        details = error.errors(include_url=False, include_input=False, include_context=False)
        text = "; ".join(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in details)
    else:
        text = str(error)
    return " ".join(text.split())[:_CHARACTERS]
