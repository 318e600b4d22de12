"""A chat model in a GGUF file, run in this process by llama-cpp-python behind LangChain's interface."""

import logging
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr

from rag.errors import ModelUnavailable
from rag.settings import Settings

_LOG = logging.getLogger(__name__)
_MAGIC = b"GGUF"
_TEMPERATURE = 0.2
_ROLES = {"system": "system", "human": "user", "ai": "assistant"}
# Tokens evaluated in one step; also the longest that a cancelled prompt goes on computing.
_BATCH = 256


class GgufChat(BaseChatModel):
    """One generation at a time; whoever comes second waits for the lock.

    The instance keeps what it evaluated last, so a prompt that begins like the previous one costs only its end.
    """

    llama: Any = Field(repr=False, exclude=True)
    answer_tokens: int
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "gguf"

    @property
    def context_tokens(self) -> int:
        """Tokens of prompt and answer together: what was allocated, but never more than the model was trained on."""
        trained = int(self.llama.metadata.get(f"{self.llama.metadata.get('general.architecture')}.context_length", 0))
        allocated = int(self.llama.n_ctx())
        return min(allocated, trained) if trained else allocated

    def count_tokens(self, text: str) -> int:
        # The tokenizer reads the vocabulary only, so it needs no lock.
        return len(self.llama.tokenize(text.encode("utf-8"), add_bos=False, special=False))

    def close(self) -> None:
        with self._lock:
            self.llama.close()

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with self._lock:
            # Leaving the loop early closes the generator, and with it the computation.
            for part in self.llama.create_chat_completion(
                self._as_dictionaries(messages),
                stop=stop or [],
                stream=True,
                max_tokens=self.answer_tokens,
                temperature=_TEMPERATURE,
                **options,
            ):
                choice = part["choices"][0]
                text = choice["delta"].get("content") or ""
                finish = choice.get("finish_reason")
                information = {"finish_reason": finish} if finish else {}
                message = AIMessageChunk(content=text, response_metadata=information)
                chunk = ChatGenerationChunk(message=message, generation_info=information)
                if run_manager and text:
                    run_manager.on_llm_new_token(text, chunk=chunk)
                yield chunk

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **options))

    def _as_dictionaries(self, messages: list[BaseMessage]) -> list[dict[str, str]]:
        turns = [{"role": _ROLES[message.type], "content": str(message.text)} for message in messages]
        template = self.llama.metadata.get("tokenizer.chat_template", "")
        # Some templates (Gemma's first ones) refuse a system message: the user's first one carries it instead.
        if "System role not supported" in template and len(turns) > 1 and turns[0]["role"] == "system":
            system, first, *rest = turns
            return [{"role": first["role"], "content": f"{system['content']}\n\n{first['content']}"}, *rest]
        return turns


@cache
def _log_quietly() -> Any:
    """Sends what llama.cpp would write to stderr to the log; the result must live as long as the library does."""
    import llama_cpp

    @llama_cpp.llama_log_callback
    def log(level: int, text: bytes, data: Any) -> None:
        _LOG.debug("%s", text.decode("utf-8", errors="replace").rstrip())

    llama_cpp.llama_log_set(log, None)
    return log


def open_gguf(path: Path, settings: Settings) -> GgufChat:
    """The model in the file at `path`. Raises ModelUnavailable, with what to do, if it can't be opened."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise ModelUnavailable(
            f"gguf:{path} cannot be read ({error.strerror}): name an existing GGUF file in LACERTA_MODELS."
        ) from error
    if magic != _MAGIC:
        raise ModelUnavailable(
            f"gguf:{path} is not a GGUF file: it begins with {magic!r} instead of {_MAGIC!r}. Download it again, or"
            " name another file in LACERTA_MODELS."
        )
    try:
        from llama_cpp import Llama
    except ImportError as error:
        raise ModelUnavailable(f"gguf:{path} needs llama-cpp-python: run make extra EXTRA=gguf.") from error
    _log_quietly()
    try:
        llama = Llama(
            str(path),
            n_ctx=settings.context_tokens or 4096,
            n_batch=_BATCH,
            n_threads=settings.threads or None,
            n_threads_batch=settings.threads or None,
            verbose=False,
        )
    # llama.cpp reports a broken or unsupported file, and memory that does not suffice, in the same few ways.
    except (ValueError, RuntimeError, AssertionError, OSError, MemoryError) as error:
        raise ModelUnavailable(
            f"gguf:{path} cannot be loaded ({error}). The file may be damaged, of a kind this llama-cpp-python does not"
            " know, or too large for the memory: download it again, or name a smaller one in LACERTA_MODELS."
        ) from error
    return GgufChat(llama=llama, answer_tokens=settings.answer_tokens)
