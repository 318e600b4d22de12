"""The process that computes a GGUF model: a JSON line a request from standard input, JSON lines back.

Started by `rag.models.gguf_process` and expected to die at times: it computes what strangers wrote, in a language that
does not forgive. Loads no framework. Requests: `count`, `generate`, `cancel`, `ping`, each with its `id`.
"""

import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

# What has gathered is sent at most so often; a token's time is short against what waking the other process costs.
_SEND_SECONDS = 0.02


def main() -> None:
    """Loads the model that the first line names, then answers until standard input ends, as it does with the parent."""
    requests, answers = os.dup(0), os.dup(1)
    # Libraries that print must not disturb the answers.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    with os.fdopen(requests, "rb") as source:
        line = source.readline()
        if line:
            Worker(source, os.fdopen(answers, "wb")).run(json.loads(line))


class Worker:
    """One thread reads, counts and cancels, while the main one computes, one request after the other."""

    def __init__(self, source: Any, target: Any) -> None:
        self._source, self._target = source, target
        self._sending = threading.Lock()
        self._jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._running = 0
        self._cancelled: set[int] = set()
        self._model: Any = None

    def run(self, options: dict[str, Any]) -> None:
        """Never returns: the process ends with its input, or when the file can't be used."""
        # From here on a parent that ends is noticed, even in the midst of loading.
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self._send(self._load(options))
            while self._model is not None:
                job = self._jobs.get()
                self._send({"id": job["id"]} | self._generate(job))
        except BaseException:
            traceback.print_exc()
        finally:
            # The thread that reads would keep the process from ending.
            os._exit(1)

    def _load(self, options: dict[str, Any]) -> dict[str, Any]:
        from rag.models.gguf_engine import Model, Refused, Wishes
        from rag.models.gguf_template import TemplateError

        _log_to_stderr()
        last = time.monotonic()

        def progress(share: float) -> None:
            nonlocal last
            if time.monotonic() - last > 0.5:
                last = time.monotonic()
                self._send({"loading": share})

        path = Path(options.pop("path"))
        try:
            model = Model(path, Wishes(**options), progress)
        except Refused as error:
            return {"error": str(error), "kind": "refused"}
        except TemplateError as error:
            return {"error": f"its chat template can't be used ({error}): name another file.", "kind": "refused"}
        except (MemoryError, OSError) as error:
            return {"error": str(error), "kind": "memory" if isinstance(error, MemoryError) else "refused"}
        self._model = model
        about = {"context": model.context_tokens, "reason": model.reason, "threads": model.threads}
        return {"ready": about | {"preamble": model.preamble_tokens}}

    def _generate(self, job: dict[str, Any]) -> dict[str, Any]:
        from rag.models.gguf_engine import Cancelled, PromptTooLong
        from rag.models.gguf_sampling import Sampling
        from rag.models.gguf_template import TemplateError

        number = job["id"]
        with self._turn:
            if number in self._cancelled:
                self._cancelled.discard(number)
                return {"error": "cancelled", "kind": "cancelled"}
            self._running = number
            self._model.resume()
        gathered: list[str] = []
        # The first piece is sent at once.
        last = 0.0

        def emit(text: str) -> None:
            nonlocal last
            gathered.append(text)
            now = time.monotonic()
            if now - last >= _SEND_SECONDS:
                last = now
                self._send({"id": number, "text": "".join(gathered)})
                gathered.clear()

        try:
            sampling = Sampling(**job["sampling"] | {"stop": tuple(job["sampling"]["stop"])})
            done = self._model.generate(job["messages"], sampling, emit)
        except Cancelled:
            return {"error": "cancelled", "kind": "cancelled"}
        except PromptTooLong as error:
            return {"error": str(error), "kind": "context"}
        except TemplateError as error:
            return {"error": f"its chat template failed ({error})", "kind": "template"}
        except MemoryError as error:
            return {"error": str(error), "kind": "memory"}
        except RuntimeError as error:
            return {"error": str(error), "kind": "broken"}
        finally:
            with self._turn:
                self._running = 0
        counts = {"prompt": done.prompt, "evaluated": done.evaluated, "completion": done.completion}
        return {"text": "".join(gathered), "done": done.finish, **counts}

    def _read(self) -> None:
        try:
            for line in self._source:
                request = json.loads(line)
                match request["do"]:
                    case "count":
                        self._send({"id": request["id"], "count": self._model.count(request["text"])})
                    case "generate":
                        self._jobs.put(request)
                    case "cancel":
                        self._cancel(request["id"])
                    case "ping":
                        computed = self._model.computed if self._model is not None else 0
                        self._send({"id": request["id"], "computed": computed})
        finally:
            # The parent has ended, or this process is no use any more.
            os._exit(0)

    def _cancel(self, number: int) -> None:
        with self._turn:
            if number == self._running:
                self._model.cancel()
            else:
                self._cancelled.add(number)

    def _send(self, answer: dict[str, Any]) -> None:
        line = json.dumps(answer, ensure_ascii=False).encode() + b"\n"
        try:
            with self._sending:
                self._target.write(line)
                self._target.flush()
        except BrokenPipeError:
            os._exit(0)


def _log_to_stderr() -> None:
    """Has llama.cpp tell warnings and errors only."""
    from llama_cpp import llama_cpp as api

    @api.llama_log_callback
    def log(level: int, text: bytes, _: Any) -> None:
        if level in (3, 4):  # GGML_LOG_LEVEL_WARN, GGML_LOG_LEVEL_ERROR in ggml.h
            sys.stderr.write(text.decode("utf-8", errors="replace"))

    _KEPT.append(log)
    api.llama_log_set(log, None)


# What llama.cpp calls must live as long as the process.
_KEPT: list[Any] = []

if __name__ == "__main__":
    # The parent says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
