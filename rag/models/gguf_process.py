"""The child process that computes a GGUF model, seen from its parent: started, asked, watched, ended.

The other end is `rag.models.gguf_worker`. Knows nothing of messages or of LangChain.
"""

import contextlib
import itertools
import json
import logging
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rag import child_process
from rag.errors import LacertaError, ModelUnavailable

_LOG = logging.getLogger(__name__)
LOAD_SECONDS = 300.0
"""What loading may take: a large file from a slow disk."""
# The child answers a ping at any time, unless it hangs; a machine that swaps is slow to.
_QUIET_SECONDS, _SILENT_SECONDS = 10.0, 60.0
# How llama.cpp and the C++ library complain of memory.
_MEMORY_WORDS = ("bad_alloc", "failed to allocate", "unable to allocate", "out of memory", "MemoryError")
_LAST_LINES = 20
_END_SECONDS = 5.0

Answer = dict[str, Any]


class ModelDied(LacertaError):
    """The process that computes a model ended in the midst of its work; it is started again at the next use."""


class ModelOutOfMemory(LacertaError, MemoryError):
    """As `ModelDied`, where memory ran out, or what happened points to that."""


class Child:
    """A running process; `ready` is set when its model is loaded or when it has failed. Threads may share it.

    When it ends, whoever waits gets `failure`, and `gone` is set when its memory is free.
    """

    def __init__(self, path: Path, wishes: Mapping[str, int]) -> None:
        """Starts it; the file is loaded meanwhile."""
        self.label = f"gguf:{path}"
        self.ready, self.gone = threading.Event(), threading.Event()
        self.failure: Exception | None = None
        self.context_tokens = self.threads = self.preamble_tokens = 0
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._waiting: dict[int, Conversation] = {}
        self._numbers = itertools.count(1)
        self._started = self._heard = time.monotonic()
        self._pinged = 0.0
        self._errors: deque[str] = deque(maxlen=_LAST_LINES)
        try:
            self._process = child_process.start("rag.models.gguf_worker", stderr=subprocess.PIPE)
        except OSError as error:
            raise ModelUnavailable(f"{self.label}: its process can't be started ({error.strerror}).") from error
        self._listeners = [
            threading.Thread(target=listen, name=f"gguf-{self._process.pid}", daemon=True)
            for listen in (self._hear, self._hear_errors)
        ]
        for listener in self._listeners:
            listener.start()
        self._send({"path": str(path), **wishes})

    @property
    def process_id(self) -> int:
        return self._process.pid

    def ask(self, request: Mapping[str, Any], finished: Callable[[], None] | None = None) -> "Conversation":
        """Sends a request; its answers are read from what is returned, which must be closed.

        `finished` is called when the last answer is there, even if nobody has read it yet.
        """
        conversation = Conversation(self, next(self._numbers), finished)
        with self._lock:
            self._waiting[conversation.number] = conversation
            # Whoever comes after the end is not told any more by the thread that noticed it.
            if self.failure is not None:
                conversation.put(None)
        self._send({**request, "id": conversation.number})
        return conversation

    def death(self) -> Exception:
        """`failure`, to be raised: each thread gets its own."""
        assert self.failure is not None
        return type(self.failure)(str(self.failure))

    def look_after(self) -> None:
        """Ends a process that hangs; whoever waits for it calls this now and then."""
        now = time.monotonic()
        if not self.ready.is_set():
            if now - self._started > LOAD_SECONDS:
                text = f"{self.label} was not loaded within {LOAD_SECONDS:g} s: name a smaller file in LACERTA_MODELS."
                self._end(ModelUnavailable(text))
        elif self._pinged <= self._heard:
            if now - self._heard > _QUIET_SECONDS:
                self._pinged = now
                self._send({"do": "ping", "id": 0})
        elif now - self._pinged > _SILENT_SECONDS:
            self._end(ModelDied(f"{self.label} gave no sign of life for {_SILENT_SECONDS:g} s and was ended."))

    def close(self) -> None:
        """Ends the process at once."""
        self._end(ModelUnavailable(f"{self.label} was closed."))

    def abandon(self) -> None:
        """As `close`, but takes no lock and waits for nothing: it may be called by the garbage collection."""
        self.failure = self.failure or ModelUnavailable(f"{self.label} was closed.")
        self._process.kill()

    def forget(self, number: int, finished: bool) -> None:
        with self._lock:
            self._waiting.pop(number, None)
        if not finished:
            self._send({"do": "cancel", "id": number})

    def _send(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        line = json.dumps(request, ensure_ascii=False).encode(errors="replace") + b"\n"
        # The end of the process is noticed by whoever listens to it.
        with self._sending, contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _hear(self) -> None:
        assert self._process.stdout is not None
        try:
            with self._process.stdout as lines:
                for line in lines:
                    answer = json.loads(line)
                    self._heard = time.monotonic()
                    if "id" not in answer:
                        self._loaded(answer)
                    elif (conversation := self._waiting.get(answer["id"])) is not None:
                        conversation.put(answer)
        except ValueError:
            _LOG.debug("%s: its process was killed in the midst of a line", self.label)
        finally:
            self._end(None)

    def _loaded(self, answer: Answer) -> None:
        if "ready" in answer:
            about = answer["ready"]
            self.context_tokens, self.threads = about["context"], about["threads"]
            self.preamble_tokens = about["preamble"]
            _LOG.info(
                "%s: a context of %d tokens (%s), %d threads, loaded in %.1f s, process %d",
                self.label,
                about["context"],
                about["reason"],
                about["threads"],
                time.monotonic() - self._started,
                self._process.pid,
            )
            self.ready.set()
        elif "error" in answer:
            text = f"{self.label} cannot be loaded: {answer['error']}"
            self._end(ModelOutOfMemory(text) if answer["kind"] == "memory" else ModelUnavailable(text))

    def _hear_errors(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                text = line.decode("utf-8", errors="replace").rstrip()
                self._errors.append(text)
                _LOG.debug("%s: %s", self.label, text)

    def _end(self, failure: Exception | None) -> None:
        """Ends the process, if it still runs, and tells all who wait why: `failure`, or what it died of."""
        with self._lock:
            # Before the thread that listens finds a process that was killed.
            self.failure = self.failure or failure
        if failure is not None or not self._waits_for_end():
            child_process.kill(self._process)
        code = self._process.wait()
        errors = self._listeners[-1]
        if threading.current_thread() is not errors:
            errors.join(_END_SECONDS)
        with self._lock:
            if self.failure is None:
                self.failure = self._cause(code)
                _LOG.warning("%s", self.failure)
            waiting = list(self._waiting.values())
        with self._sending, contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        self.ready.set()
        self.gone.set()
        for conversation in waiting:
            conversation.put(None)

    def _waits_for_end(self) -> bool:
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _cause(self, code: int) -> ModelDied | ModelOutOfMemory:
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"
        last = next((line for line in reversed(self._errors) if line.strip()), "")
        text = f"{self.label}: its process {self._process.pid} ended {how}" + (f" ({last[:200]})" if last else "")
        # Nobody else ends a process by SIGKILL as often as a system that is out of memory.
        if code == -signal.SIGKILL or any(word in line for line in self._errors for word in _MEMORY_WORDS):
            return ModelOutOfMemory(
                f"{text}, which points to a lack of memory: name a smaller file in LACERTA_MODELS or lower"
                " LACERTA_CONTEXT_TOKENS."
            )
        return ModelDied(f"{text}. It is started again at the next question.")


class Conversation:
    """A request and its answers; closing it before the last one cancels it. For one thread that reads."""

    def __init__(self, child: Child, number: int, finished: Callable[[], None] | None) -> None:
        self.number = number
        self._child, self._finished = child, finished
        self._answers: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        self._complete = False

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(self, *_: object) -> None:
        self._child.forget(self.number, self._complete)

    def put(self, answer: Answer | None) -> None:
        """Takes an answer in; None is the end of the process."""
        self._complete = answer is None or "text" not in answer or "done" in answer
        self._answers.put(answer)
        if self._complete and self._finished is not None:
            self._finished()

    def next(self, seconds: float) -> Answer | None:
        """The next answer, None if there is none within `seconds`. Raises what the process died of."""
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            self._child.look_after()
            return None
        if answer is None:
            raise self._child.death()
        return answer

    def last(self) -> Answer:
        """The answer of a request that has one only. Raises what the process died of."""
        while (answer := self.next(1.0)) is None:
            pass
        return answer
