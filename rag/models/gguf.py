"""A chat model in a GGUF file, computed by llama.cpp in a process of its own, behind LangChain's interface."""

import importlib.util
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from rag.errors import ModelUnavailable
from rag.models.gguf_process import Answer, Child, ModelDied, ModelOutOfMemory
from rag.prompt import ContextTooSmall
from rag.settings import Settings

_MAGIC = b"GGUF"
_TEMPERATURE = 0.2
_ROLES = {"system": "system", "human": "user", "ai": "assistant"}
_OPTIONS = ("temperature", "max_tokens", "seed", "top_p")
_HEARTBEAT_SECONDS = 0.1
_END_SECONDS = 5.0
_COUNTED_TEXTS = 4096
# A process that ended so often within so many seconds is not started again for the rest of them.
_ENDS_MOST, _ENDS_SECONDS = 3, 120.0


class Turns:
    """One after the other, in the order in which they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tickets: deque[threading.Event] = deque()

    def enter(self) -> threading.Event:
        """A ticket, which is set when its turn has come; it must be given back with `leave`."""
        ticket = threading.Event()
        with self._lock:
            self._tickets.append(ticket)
            self._tickets[0].set()
        return ticket

    def position(self, ticket: threading.Event) -> int:
        """How many come before a ticket."""
        with self._lock:
            return self._tickets.index(ticket)

    def leave(self, ticket: threading.Event) -> None:
        """Gives a ticket back; nothing happens if it was before."""
        with self._lock:
            if ticket in self._tickets:
                self._tickets.remove(ticket)
            if self._tickets:
                self._tickets[0].set()


class GgufChat(BaseChatModel):
    """One generation at a time, first come, first served; what a prompt has in common with the last one is reused.

    While it waits or evaluates a prompt it yields empty chunks, at most 0.1 s apart, with `queue_position` in their
    `response_metadata` while others come before it. The last chunk tells `finish_reason`, usage and
    `evaluated_tokens`. Closing the stream leaves the queue and stops the computation. A process that died is started
    again at the next use. Raises ModelUnavailable, ModelDied, MemoryError or ContextTooSmall.
    """

    path: Path
    wishes: dict[str, int]
    answer_tokens: int
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)
    _turns: Turns = PrivateAttr(default_factory=Turns)
    _child: Child | None = PrivateAttr(default=None)
    _ends: deque[float] = PrivateAttr(default_factory=lambda: deque(maxlen=_ENDS_MOST))
    _context_tokens: int = PrivateAttr(default=0)
    _preamble_tokens: int = PrivateAttr(default=0)
    _threads: int = PrivateAttr(default=0)
    _closed: bool = PrivateAttr(default=False)
    _counted: Any = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        # The parts of a prompt are counted one by one, most of them again and again.
        self._counted = lru_cache(_COUNTED_TEXTS)(self._count)

    @property
    def _llm_type(self) -> str:
        return "gguf"

    @property
    def context_tokens(self) -> int:
        """Tokens of prompt and answer together; known once the model was opened."""
        return self._context_tokens

    @property
    def preamble_tokens(self) -> int:
        """Tokens that the file's chat template writes by itself; known once the model was opened."""
        return self._preamble_tokens

    @property
    def threads(self) -> int:
        """Threads that compute; known once the model was opened."""
        return self._threads

    @property
    def process_id(self) -> int:
        """The process that computes, 0 if there is none."""
        child = self._child
        return child.process_id if child is not None and child.failure is None else 0

    def computed_tokens(self) -> int:
        """Tokens of prompts and answers that the process has evaluated; stands still while nobody waits."""
        with self._opened().ask({"do": "ping"}) as conversation:
            return int(conversation.last()["computed"])

    def count_tokens(self, text: str) -> int:
        """The tokens of a text within a message; does not wait for a generation that runs."""
        return int(self._counted(text))

    def close(self) -> None:
        """Ends the process at once; the model can't be used again."""
        with self._lock:
            self._closed = True
            if self._child is not None:
                self._child.close()

    def open(self) -> None:
        """Loads the file, unless it is. Raises ModelUnavailable, or what the process died of."""
        self._opened()

    def _opened(self) -> Child:
        child = self._started()
        while not child.ready.wait(1.0):
            child.look_after()
        return self._checked(child)

    def _started(self) -> Child:
        """The process, started if there is none; its file may still be loading."""
        with self._lock:
            if self._closed:
                raise ModelUnavailable(f"gguf:{self.path} was closed.")
            if self._child is not None and self._child.failure is not None:
                # Both at once may not fit into the memory.
                self._child.gone.wait(_END_SECONDS)
                self._child = None
                self._ends.append(time.monotonic())
            if self._child is None:
                recent = [at for at in self._ends if time.monotonic() - at < _ENDS_SECONDS]
                if len(recent) >= _ENDS_MOST:
                    raise ModelDied(
                        f"gguf:{self.path} ended {len(recent)} times within {_ENDS_SECONDS:g} s and is left alone for a"
                        " while: name another file in LACERTA_MODELS, or lower LACERTA_CONTEXT_TOKENS."
                    )
                # Prompts are made for the context that was chosen first.
                context = self._context_tokens or self.wishes["context_tokens"]
                self._child = Child(self.path, self.wishes | {"context_tokens": context})
                weakref.finalize(self, self._child.abandon)
            return self._child

    def _checked(self, child: Child) -> Child:
        if child.failure is not None:
            raise child.death()
        self._context_tokens, self._threads = child.context_tokens, child.threads
        self._preamble_tokens = child.preamble_tokens
        return child

    def _count(self, text: str) -> int:
        with self._opened().ask({"do": "count", "text": text}) as conversation:
            return int(conversation.last()["count"])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> Iterator[ChatGenerationChunk]:
        sampling = {"max_tokens": self.answer_tokens, "temperature": _TEMPERATURE, "stop": list(stop or ())}
        sampling |= {name: options[name] for name in _OPTIONS if options.get(name) is not None}
        turns = [{"role": _ROLES[message.type], "content": str(message.text)} for message in messages]
        ticket = self._turns.enter()
        try:
            while not ticket.is_set():
                yield _chunk("", queue_position=self._turns.position(ticket))
                ticket.wait(_HEARTBEAT_SECONDS)
            child = self._started()
            while not child.ready.wait(_HEARTBEAT_SECONDS):
                child.look_after()
                yield _chunk("")
            self._checked(child)
            request = {"do": "generate", "messages": turns, "sampling": sampling}
            # The model is free when it has answered, even if whoever asked is slow to read.
            with child.ask(request, partial(self._turns.leave, ticket)) as conversation:
                answer: Answer | None = {}
                while answer is None or "done" not in answer:
                    answer = conversation.next(_HEARTBEAT_SECONDS)
                    chunk = self._as_chunk(answer)
                    if run_manager and chunk.text:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
        finally:
            self._turns.leave(ticket)

    def _as_chunk(self, answer: Answer | None) -> ChatGenerationChunk:
        if answer is None:
            return _chunk("")
        if "error" in answer:
            raise self._failed(answer)
        if "done" not in answer:
            return _chunk(answer["text"])
        chunk = _chunk(answer["text"], finish_reason=answer["done"], evaluated_tokens=answer["evaluated"])
        prompt, completion = answer["prompt"], answer["completion"]
        usage = UsageMetadata(input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion)
        chunk.message = chunk.message.model_copy(update={"usage_metadata": usage, "chunk_position": "last"})
        return chunk

    def _failed(self, answer: Answer) -> Exception:
        text = f"gguf:{self.path}: {answer['error']}"
        match answer["kind"]:
            case "context":
                return ContextTooSmall(f"{text}: raise LACERTA_CONTEXT_TOKENS, or ask something shorter.")
            case "memory":
                return ModelOutOfMemory(f"{text}: name a smaller file, or lower LACERTA_CONTEXT_TOKENS.")
            case "template":
                return ModelUnavailable(f"{text}: name another file in LACERTA_MODELS.")
        return ModelDied(text)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **options))


def _chunk(text: str, **metadata: Any) -> ChatGenerationChunk:
    message = AIMessageChunk(content=text, response_metadata=metadata)
    return ChatGenerationChunk(message=message, generation_info=metadata)


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
    if importlib.util.find_spec("llama_cpp") is None:
        raise ModelUnavailable(f"gguf:{path} needs llama-cpp-python: run make extra EXTRA=gguf.")
    wishes = {
        "context_tokens": settings.context_tokens,
        "threads": settings.threads,
        "gpu_layers": settings.gpu_layers,
    }
    chat = GgufChat(path=path, wishes=wishes, answer_tokens=settings.answer_tokens)
    try:
        chat.open()
    except BaseException:
        chat.close()
        raise
    return chat


__all__ = ("GgufChat", "ModelDied", "ModelOutOfMemory", "Turns", "open_gguf")
