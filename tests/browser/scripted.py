"""The page with a scripted engine, for what real documents do not show on demand: a slow, failing or hostile model.

`python tests/browser/scripted.py PORT`, with the project on PYTHONPATH.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import uvicorn
from fastapi import Request

from rag.settings import Domain
from rag.types import (
    Answer,
    Chunk,
    Citation,
    Event,
    Failed,
    Finished,
    Hit,
    Question,
    Retrieval,
    Retrieved,
    Sentence,
    Token,
    Waiting,
)
from web.server import create

HOSTILE = (
    '<img src="http://evil.example/a.png" onerror="document.title=\'owned\'"> ![x](http://evil.example/b.png) '
    "[click](http://evil.example/c) <script>document.title='owned'</script> http://evil.example/d "
    "[1](http://evil.example/e) ${document.title='owned'} {{constructor}} <a href=\"javascript:alert(1)\">j</a>"
)

READY = {"index": "ready", "reading": False, "created": "", "model": "scripted", "opening": False}


def chunk(identifier: str, text: str, title: str = "Handbook", page: int = 3) -> Chunk:
    return Chunk(identifier, "0" * 32, title, "handbook.pdf", "en", page, page, 0, len(text), ("Rules",), text)


def answer(text: str, chunks: tuple[Chunk, ...], question: Question, model: str = "scripted") -> Answer:
    citations = tuple(Citation(n, part, part.text.split(". ")[0], part.first_page) for n, part in enumerate(chunks, 1))
    hits = tuple(Hit(part, 1.0) for part in chunks)
    sentence = Sentence(text, tuple(range(1, len(chunks) + 1)))
    return Answer(text, (sentence,), citations, 0.8, "en", model, hits)


class ScriptedEngine:
    """Answers by the first word of the question; duck-typed as `rag.answer.Engine`."""

    def __init__(self) -> None:
        texts = {language: f"Scripted {language}" for language in ("en", "hu", "ko")}
        examples = {language: (f"plain {language}", "hostile example") for language in texts}
        self.domains = {
            name: Domain(name, Path(), ("en",), {key: f"{text} {name}" for key, text in texts.items()}, texts, examples)
            for name in ("first", "second")
        }
        self.standing: dict[str, object] = READY
        self.cancelled = 0
        self.active = 0
        self._lock = threading.Lock()

    def stream(self, question: Question, cancelled: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        word, _, rest = question.text.partition(" ")
        plain = (chunk("one", f"The rule says {rest}. A second sentence follows."), chunk("two", "Another passage."))
        if word == "fail":
            yield Failed("model", "The model did not answer <b>today</b>.")
        elif word == "crash":
            raise RuntimeError("scripted")
        elif word in ("slow", "late"):
            # Late: longer than a starved browser takes to draw the passages.
            yield from self._slow(plain, cancelled, 2.0 if word == "late" else 0.3)
        elif word == "busy":
            yield Retrieved(Retrieval(tuple(Hit(part, 1.0) for part in plain), 0.9, "en"), "busy <b>made whole</b>")
            for position in (2, 1):
                yield Waiting(position)
                time.sleep(1)
            yield Token("The rule says so [1].")
            doubted = answer("The rule says so [1]. Cars are free [?].", plain, question)
            notices = ("other-model did not answer (it cannot be reached).",)
            yield Finished(replace(doubted, question="busy <b>made whole</b>", notices=notices))
        elif word == "hostile":
            bad = (chunk("bad", f"{HOSTILE}. More {HOSTILE}", title=HOSTILE),)
            yield Retrieved(Retrieval(tuple(Hit(part, 1.0) for part in bad), 0.9, "en"))
            for start in range(0, len(HOSTILE), 20):
                yield Token(HOSTILE[start : start + 20])
                time.sleep(0.02)
            yield Finished(answer(f"{HOSTILE} [1] [7]", bad, question, model=HOSTILE))
        else:
            yield Retrieved(Retrieval(tuple(Hit(part, 1.0) for part in plain), 0.9, "en"))
            anew = " anew" if question.fresh else ""
            said = f"Answer to {question.text}{anew} after {len(question.history)} turns in {question.domain} [1]."
            yield Token(said)
            yield Finished(answer(said, plain, question))

    def _slow(self, chunks: tuple[Chunk, ...], cancelled: Callable[[], bool], pause: float) -> Iterator[Event]:
        with self._lock:
            self.active += 1
        try:
            yield Retrieved(Retrieval(tuple(Hit(part, 1.0) for part in chunks), 0.9, "en"))
            time.sleep(pause)
            for number in range(600):
                if cancelled():
                    with self._lock:
                        self.cancelled += 1
                    return
                yield Token(f"word{number} ")
                time.sleep(0.1)
        finally:
            with self._lock:
                self.active -= 1


def main(port: int) -> None:
    engine = ScriptedEngine()
    app = create(engine)

    @app.get("/scripted")
    def state() -> dict[str, int]:
        return {"active": engine.active, "cancelled": engine.cancelled}

    @app.post("/scripted/end")
    def end() -> None:
        """As where a machine goes dark: nothing is finished, nobody is told."""
        os._exit(1)

    @app.get("/state/{domain}")
    def standing(domain: str) -> dict[str, object]:
        return engine.standing

    @app.get("/documents/")
    def uploads() -> dict[str, bool]:
        return {"uploads": False}

    @app.post("/scripted")
    async def become(request: Request) -> None:
        """What `/state` says from then on."""
        engine.standing = await request.json()

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]))
