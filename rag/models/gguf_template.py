"""A model file's own chat template, which is a program that a stranger wrote: rendered in a sandbox, within limits.

What is said in a conversation is data: nothing in it can become one of the model's control tokens or one of the
markers that the template puts between messages. Part of the child process of `rag.models.gguf`.
"""

import re
import resource
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llama_cpp.llama_chat_format import Jinja2ChatFormatter

SECONDS = 2.0
"""Processor time that rendering may take; a few milliseconds are usual."""
MEMORY_BYTES = 512_000_000
"""What rendering may take on top of what the process has, where the system can limit that (Linux)."""
CHARACTERS = 100_000
"""What a template may add to the messages."""

Messages = list[dict[str, str]]

# What templates without tokens of their own put between messages: <user>, [INST], ### Instruction:
_MARKER = re.compile(r"<[^<>\n]{1,40}>|\[[^\[\]\n]{1,40}\]|^#{2,} ?\w+:?", re.MULTILINE)
_TRIAL: Messages = [
    {"role": "system", "content": "sssssss"},
    {"role": "user", "content": "uuuuuuu"},
    {"role": "assistant", "content": "aaaaaaa"},
    {"role": "user", "content": "vvvvvvv"},
]
# For a file without a template, which was made for completing text.
_PLAIN = {"system": "{}\n\n", "user": "User: {}\n\n", "assistant": "Assistant: {}\n\n"}
_PLAIN_END = "Assistant:"
_PLAIN_STOP = "\nUser:"
_ROUNDS = 8


class TemplateError(Exception):
    """The chat template can't be used: it is broken, refuses the messages or exceeds a limit."""


class _LimitReached(TemplateError):
    pass


class ChatTemplate:
    """Messages, `role` (`system`, `user`, `assistant`) and `content`, to the text that a model is given.

    `stop` are strings that end an answer. Raises TemplateError for a template that can't be used.
    """

    def __init__(self, source: str, bos: str, eos: str, controls: Iterable[str]) -> None:
        """`controls` are the texts of the control tokens; a source that is empty stands for plain dialogue."""
        self.stop = () if source else (_PLAIN_STOP,)
        self._tokens = self._controls = _any_of(controls)
        self._formatter: Any = None
        if source:
            try:
                with _limits():
                    self._formatter = Jinja2ChatFormatter(source, eos_token=eos, bos_token=bos)
            # Whatever the program of a stranger raises, it is no template that can be used.
            except Exception as error:
                raise _failed(error) from error
        trial = self._fitted(_TRIAL)
        for message in _TRIAL:
            trial = trial.replace(message["content"], "\n")
        self._controls = _any_of({*controls, *_MARKER.findall(trial)})

    def harmless(self, text: str) -> str:
        """The text with a space inside of whatever would be a control token or a marker of the template."""
        if self._controls is None:
            return text
        for _ in range(_ROUNDS):
            if not self._controls.search(text):
                return text
            text = self._controls.sub(_broken, text)
        # Each gap made another token: then without them.
        while self._controls.search(text):
            text = self._controls.sub("", text)
        return text

    def begins_with_control(self, text: str) -> bool:
        """Whether a control token stands at the beginning of a text."""
        return self._tokens is not None and self._tokens.match(text) is not None

    def render(self, messages: Messages) -> str:
        """The prompt. A system message that the template refuses or drops goes into the first one of the user."""
        return self._fitted([message | {"content": self.harmless(message["content"])} for message in messages])

    def _fitted(self, messages: Messages) -> str:
        failure: TemplateError | None = None
        rendered: list[str] = []
        for shape in _shapes(messages):
            try:
                rendered.append(self._rendered(shape))
            except _LimitReached:
                raise
            except TemplateError as error:
                failure = failure or error
                continue
            if all(word in rendered[-1] for word in set(shape[0]["content"].split())):
                return rendered[-1]
        if rendered:
            return rendered[0]
        raise failure or TemplateError("there are no messages")

    def _rendered(self, messages: Messages) -> str:
        if self._formatter is None:
            return "".join(_PLAIN[each["role"]].format(each["content"]) for each in messages) + _PLAIN_END
        try:
            with _limits():
                # Qwen and others reason at length unless told so; what is asked here stands in the passages.
                text = str(self._formatter(messages=messages, enable_thinking=False).prompt)
        except Exception as error:
            raise _failed(error) from error
        if len(text) > sum(len(message["content"]) for message in messages) + CHARACTERS:
            raise _LimitReached(f"it added more than {CHARACTERS:,} characters")
        return text


def _shapes(messages: Messages) -> Iterator[Messages]:
    """The messages as they are, then as stricter templates want them: without a system role, with roles in turn."""
    for shape in (messages, _without_system(messages)):
        if shape:
            yield shape
    for shape in (_in_turn(messages), _in_turn(_without_system(messages))):
        if shape and shape != messages:
            yield shape


def _without_system(messages: Messages) -> Messages:
    if len(messages) < 2 or messages[0]["role"] != "system":
        return []
    system, first, *rest = messages
    if first["role"] != "user":
        return [system | {"role": "user"}, first, *rest]
    return [first | {"content": f"{system['content']}\n\n{first['content']}"}, *rest]


def _in_turn(messages: Messages) -> Messages:
    joined: Messages = []
    for message in messages:
        if joined and joined[-1]["role"] == message["role"]:
            joined[-1] = joined[-1] | {"content": f"{joined[-1]['content']}\n\n{message['content']}"}
        elif message["role"] != "assistant" or any(each["role"] == "user" for each in joined):
            joined.append(message)
    return joined


def _any_of(texts: Iterable[str]) -> re.Pattern[str] | None:
    # The longest first, so that a token that begins another one does not hide it.
    known = sorted({text for text in texts if text.strip()}, key=lambda text: (-len(text), text))
    return re.compile("|".join(map(re.escape, known))) if known else None


def _broken(match: re.Match[str]) -> str:
    text = match[0]
    return f"{text[0]} {text[1:]}" if len(text) > 1 else " "


def _failed(error: Exception) -> TemplateError:
    if isinstance(error, TemplateError):
        return error
    if isinstance(error, MemoryError):
        return _LimitReached(f"it took more than {MEMORY_BYTES / 1e6:.0f} MB of memory")
    return TemplateError(f"{type(error).__name__}: {str(error)[:200]}")


@contextmanager
def _limits() -> Iterator[None]:
    """Ends what runs for more than `SECONDS` or takes more than `MEMORY_BYTES`. Only for the main thread."""
    assert threading.current_thread() is threading.main_thread(), "signals are for the main thread"

    def late(*_: object) -> None:
        raise _LimitReached(f"it ran for more than {SECONDS:g} s")

    before = signal.signal(signal.SIGPROF, late)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = _address_space() + MEMORY_BYTES
    try:
        if most > MEMORY_BYTES and (hard == resource.RLIM_INFINITY or most <= hard):
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, before)


def _address_space() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
