"""Chat models behind an OpenAI-compatible HTTP interface: OpenAI itself, vLLM, llama-server, Ollama, LM Studio."""

from collections.abc import Iterator
from typing import Any

import httpx2
import openai
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from rag.errors import LacertaError, ModelUnavailable
from rag.models.sampling import OFFICIAL, temperate
from rag.settings import Settings

_CONNECT_SECONDS = 5.0
_TEMPERATURE = 0.2
# Bytes of one response: a piece of a stream takes 200 to 500 a token, and some servers repeat much more in each.
_BYTES_AT_LEAST = 1 << 20
_BYTES_FOR_TOKEN = 4096
# Statuses with which servers reject a parameter that they don't know.
_REJECTED = (400, 422)


class ResponseTooLarge(LacertaError):
    """A server sends more than an answer can have."""


class OpenAIChat(ChatOpenAI):
    """Asks for the number of tokens used, until the server says that it does not know such a thing."""

    def _stream(self, *arguments: Any, **options: Any) -> Iterator[ChatGenerationChunk]:
        if self.stream_usage:
            try:
                yield from super()._stream(*arguments, **options)
                return
            except openai.APIStatusError as error:
                # A status comes before any token, so nothing is said twice.
                if error.status_code not in _REJECTED or "stream_options" not in str(error):
                    raise
                self.stream_usage = False
        yield from super()._stream(*arguments, **options)


def open_openai(model: str, settings: Settings) -> OpenAIChat:
    """A client for `model` at `settings.openai_base_url`, OpenAI's own address where that is empty.

    Sends nothing yet. Proxies are those of the environment; redirects are not followed, since they would carry the
    question and the passages to another server. Raises ModelUnavailable where OpenAI itself is meant and there is no
    key.
    """
    base_url = settings.openai_base_url or OFFICIAL
    official = base_url.rstrip("/") == OFFICIAL
    if official and not settings.openai_api_key:
        raise ModelUnavailable(
            f"openai:{model} needs a key: set LACERTA_OPENAI_API_KEY, or LACERTA_OPENAI_BASE_URL for a server of"
            " your own."
        )
    options: dict[str, Any] = {}
    if official:
        options["max_tokens"] = settings.answer_tokens
    else:
        # Other servers know the older name of the limit.
        options = {"extra_body": {"max_tokens": settings.answer_tokens}, "use_responses_api": False}
    if temperate(model, base_url):
        options["temperature"] = _TEMPERATURE
    timeout = httpx2.Timeout(settings.model_timeout, connect=min(_CONNECT_SECONDS, settings.model_timeout))
    return OpenAIChat(
        model=model,
        base_url=base_url,
        api_key=SecretStr(settings.openai_api_key.reveal() or "none"),
        timeout=timeout,
        http_client=_client(f"openai:{model}", timeout, _BYTES_AT_LEAST + settings.answer_tokens * _BYTES_FOR_TOKEN),
        # LangChain refuses its own variable for a proxy beside a client.
        openai_proxy=None,
        # Else it warns of what it does to the proxies of a client of its own, which is never used.
        http_socket_options=(),
        # The chain retries what is worth it; retrying a timeout here would double the visitor's wait.
        max_retries=0,
        stream_usage=True,
        **options,
    )


def _client(name: str, timeout: httpx2.Timeout, most: int) -> httpx2.Client:
    """A client that refuses redirects and packed responses, and reads at most `most` bytes of the others."""

    def guard(response: httpx2.Response) -> None:
        if response.is_redirect:
            location = response.headers.get("location", "")[:200]
            raise ModelUnavailable(
                f"{name} is redirected to {location!r}: if you mean that server, set LACERTA_OPENAI_BASE_URL to it."
            )
        packing = response.headers.get("content-encoding", "identity")[:20]
        if packing != "identity":
            # A small packed response may be a thousand times larger unpacked.
            raise ModelUnavailable(f"{name} packs its responses ({packing!r}) though asked not to: set the server so.")
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Bounded(response.stream, name, most)

    return openai.DefaultHttpxClient(
        timeout=timeout,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [guard]},
    )


class _Bounded(httpx2.SyncByteStream):
    """The bytes of a response, up to `most`."""

    def __init__(self, stream: httpx2.SyncByteStream, name: str, most: int) -> None:
        self._stream = stream
        self._name = name
        self._most = most

    def __iter__(self) -> Iterator[bytes]:
        left = self._most
        for part in self._stream:
            left -= len(part)
            if left < 0:
                raise ResponseTooLarge(f"{self._name} sent more than {self._most} bytes, the limit of one response.")
            yield part

    def close(self) -> None:
        self._stream.close()
