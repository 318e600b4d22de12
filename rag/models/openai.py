"""Chat models behind an OpenAI-compatible HTTP interface: OpenAI itself, vLLM, llama-server, Ollama, LM Studio."""

from typing import TYPE_CHECKING, Any

from rag.errors import ModelUnavailable
from rag.settings import Settings

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

_OFFICIAL = "https://api.openai.com/v1"
_CONNECT_SECONDS = 5.0
_TEMPERATURE = 0.2


def open_openai(model: str, settings: Settings) -> "ChatOpenAI":
    """A client for `model` at `settings.openai_base_url`, OpenAI's own address where that is empty.

    Sends nothing yet. Raises ModelUnavailable where OpenAI itself is meant and there is no key.
    """
    base_url = settings.openai_base_url or _OFFICIAL
    if base_url == _OFFICIAL and not settings.openai_api_key:
        raise ModelUnavailable(
            f"openai:{model} needs a key: set LACERTA_OPENAI_API_KEY, or LACERTA_OPENAI_BASE_URL for a server of"
            " your own."
        )
    import httpx
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    options: dict[str, Any]
    if base_url == _OFFICIAL:
        options = {"max_tokens": settings.answer_tokens}
    else:
        # Other servers know the older name of the limit, and their models take a temperature.
        options = {"extra_body": {"max_tokens": settings.answer_tokens}, "temperature": _TEMPERATURE}
        options["use_responses_api"] = False
    return ChatOpenAI(
        model=model,
        base_url=base_url,
        api_key=SecretStr(settings.openai_api_key.reveal() or "none"),
        timeout=httpx.Timeout(settings.model_timeout, connect=min(_CONNECT_SECONDS, settings.model_timeout)),
        # The chain retries what is worth it; retrying a timeout here would double the visitor's wait.
        max_retries=0,
        stream_usage=False,
        **options,
    )
