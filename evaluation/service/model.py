"""A model server on loopback that writes at a set rate, out of the passages it is given, and fails as often as told.

`python -m evaluation.service.model` says its address on its first line. A request's `seed` names it: `GET /times` gives
for each seed when it came and when its first words were sent, on the clock of `time.monotonic()`, which all processes
of a machine share.
"""

import argparse
import asyncio
import json
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

_PASSAGE = re.compile(r'<passage number="(\d+)"[^>]*>\n(.*?)\n</passage>', re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n\s*\n")
_WORD = re.compile(r"\S+\s*")
_PLAIN = re.compile(r"\w+")
_NAME = re.compile(r"\b\w+-\d+\b")
_QUESTION = re.compile(r"(?:Question|Kérdés|질문): (.*)")
_HANG_SECONDS = 60.0
_OTHER_LANGUAGE = (
    "Die Dokumente beschreiben den Leuchtturm nur kurz, und es steht nirgends, wie viele Menschen dort arbeiten. Man"
    " müsste also jemanden fragen, der sich damit auskennt, bevor man weiterfährt."
)


@dataclass(slots=True)
class Server:
    """`seconds` between two words; answers of `words` words, as long as the passages' sentences are where 0; of all
    requests the share `faulty` fails, in each of the ways of `FAULTS` in turn.
    """

    seconds: float = 0.02
    words: int = 0
    faulty: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    times: dict[str, tuple[float, float]] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its answer; the connection ends with it."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            came = time.monotonic()
            if head.startswith("GET"):
                told = json.dumps({"times": self.times, "failed": self.failed}).encode()
                writer.write(_head("200 OK", "application/json") + told)
            else:
                length = int(head.lower().partition("content-length:")[2].split("\r\n", 1)[0])
                await self._answer(json.loads(await reader.readexactly(length)), came, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            # Whoever asked has left.
            pass
        finally:
            writer.close()

    async def _answer(self, asked: dict[str, Any], came: float, writer: asyncio.StreamWriter) -> None:
        if self.chance.random() < self.faulty:
            names = [*FAULTS]
            name = names[sum(self.failed.values()) % len(names)]
            self.failed[name] = self.failed.get(name, 0) + 1
            await FAULTS[name](self, asked, writer)
            return
        words = _WORD.findall(answer_of(asked["messages"]))
        if self.words:
            words = (words * (self.words // len(words) + 1))[: self.words]
        writer.write(_head("200 OK", "text/event-stream"))
        for place, word in enumerate(words):
            await asyncio.sleep(self.seconds)
            if not place:
                self.times[str(asked.get("seed"))] = (came, time.monotonic())
            writer.write(_event(_piece(word)))
            await writer.drain()
        usage = {"prompt_tokens": 500, "completion_tokens": len(words), "total_tokens": 500 + len(words)}
        writer.write(_event(_piece(None, "stop")) + _event({**_piece(None), "choices": [], "usage": usage}))
        writer.write(b"data: [DONE]\n\n")


def answer_of(messages: Sequence[dict[str, Any]]) -> str:
    """The sentence of the passages that has most words of the question, those with a name of it first, cited."""
    told = str(messages[-1]["content"])
    asked = _QUESTION.search(told)
    question = asked[1] if asked else told
    names, words = _NAME.findall(question), {*_PLAIN.findall(question)}
    found = [
        (number, " ".join(sentence.split()))
        for number, text in _PASSAGE.findall(told)
        for sentence in _SENTENCE.split(text)
    ]
    if not found:
        return "There is nothing to answer from."
    number, sentence = max(
        found,
        key=lambda each: (any(name in each[1] for name in names), len(words.intersection(_PLAIN.findall(each[1])))),
    )
    return f"{sentence} [{number}]"


def _head(status: str, kind: str, *more: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close", *more)
    return "\r\n".join((*lines, "\r\n")).encode()


def _event(value: object) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def _piece(text: str | None, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


Fault = Callable[[Server, dict[str, Any], asyncio.StreamWriter], Awaitable[None]]


def _status(status: str, *more: str) -> Fault:
    async def fault(server: Server, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"error": {"message": "no", "type": "t", "code": "c"}}).encode()
        writer.write(_head(status, "application/json", f"Content-Length: {len(body)}", *more) + body)

    return fault


def _stream(ending: bytes, seconds: float = 0.0, words: int = 3) -> Fault:
    """Some words of the right answer, then `ending`, then silence."""

    async def fault(server: Server, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(_head("200 OK", "text/event-stream"))
        for word in _WORD.findall(answer_of(asked["messages"]))[:words]:
            writer.write(_event(_piece(word)))
        writer.write(ending)
        await writer.drain()
        await asyncio.sleep(seconds)

    return fault


async def _refused(server: Server, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _silent(server: Server, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(_HANG_SECONDS)


def _said(text: str) -> bytes:
    words: Iterator[bytes] = (_event(_piece(word)) for word in _WORD.findall(text))
    return b"".join(words) + _event(_piece(None, "stop")) + b"data: [DONE]\n\n"


FAULTS: dict[str, Fault] = {
    "refused": _refused,
    "500": _status("500 Internal Server Error"),
    "429": _status("429 Too Many Requests", "Retry-After: 1"),
    "cut in the middle": _stream(b""),
    "hangs": _silent,
    "hangs in the middle": _stream(b"", _HANG_SECONDS),
    "garbage": _stream(b"data: {broken\n\n", words=0),
    "garbage in the middle": _stream(b"\x00\xff{]\n\ndata: [1,\n\n"),
    "nothing": _stream(_said(""), words=0),
    "another language": _stream(_said(_OTHER_LANGUAGE), words=0),
}
"""By name: what goes wrong."""


async def _main(server: Server) -> None:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m evaluation.service.model", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.02, help="between two words")
    parser.add_argument("--words", type=int, default=0, help="of each answer")
    parser.add_argument("--faulty", type=float, default=0.0, help="share of the requests that fail")
    chosen = parser.parse_args()
    asyncio.run(_main(Server(chosen.seconds, chosen.words, chosen.faulty)))
