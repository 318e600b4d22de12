"""An engine whose questions and searches are counted and logged where they pass, whoever asks: page or program."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, TypeVar, cast

from rag.answer import Engine
from rag.types import Answer, Event, Failed, Finished, Question, Retrieval, Waiting
from web.logs import REQUEST_ID
from web.maintain.journal import Journal
from web.metrics import Metrics
from web.stopping import Flow

_LOG = logging.getLogger("lacerta.answer")

AnyEngine = TypeVar("AnyEngine")


def observe(
    engine: AnyEngine, metrics: Metrics, flow: Flow, log_questions: bool = False, journal: Journal | None = None
) -> AnyEngine:
    """The same engine for whoever uses it. Its answers end with what there is when `flow` is cut."""
    return cast(AnyEngine, _Observed(engine, metrics, flow, log_questions, journal))


class _Observed:
    def __init__(self, engine: Any, metrics: Metrics, flow: Flow, log_questions: bool, journal: Journal | None) -> None:
        self._engine = engine
        self._metrics = metrics
        self._flow = flow
        self._log_questions = log_questions
        self._journal = journal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def search(self, question: Question, limit: int = 10) -> Retrieval:
        try:
            found: Retrieval = self._engine.search(question, limit)
        except Exception:
            self._metrics.search(question.domain, "failed", {})
            raise
        self._metrics.search(question.domain, "found" if found.hits else "nothing", found.timings)
        return found

    def ask(self, question: Question) -> Answer:
        # The engine's own, reading the stream of this one.
        return Engine.ask(cast(Engine, self), question)

    def stream(self, question: Question, cancelled: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        # Where the answer is written on another thread, the request is known only here.
        return self._stream(question, cancelled, REQUEST_ID.get())

    def _stream(self, question: Question, cancelled: Callable[[], bool], request_id: str) -> Iterator[Event]:
        ends = self._flow.cut.is_set
        last: Event | None = None
        waited = False
        started = time.perf_counter()
        outcome = "left"
        with self._flow.answering(), self._metrics.active.track_inprogress():
            try:
                with closing(self._engine.stream(question, lambda: cancelled() or ends())) as events:
                    for event in events:
                        if isinstance(event, Waiting) and not waited:
                            waited = True
                            self._metrics.waiting(event.position)
                        last = event
                        if isinstance(event, Finished | Failed):
                            outcome = _outcome(event, cancelled())
                        yield event
            except Exception:
                outcome = "failed"
                raise
            finally:
                self._ended(question, last, outcome, request_id, time.perf_counter() - started)

    def _ended(self, question: Question, last: Event | None, outcome: str, request_id: str, seconds: float) -> None:
        answer = last.answer if isinstance(last, Finished) else None
        language = answer.language if answer else question.language or question.interface_language
        self._metrics.question(question.domain, language, outcome)
        if answer:
            self._metrics.answer(question.domain, answer)
            if not answer.courtesy:
                self._metrics.cache("hit" if answer.cached else "fresh" if question.fresh else "miss")
        code = last.code if isinstance(last, Failed) else "internal" if outcome == "failed" else ""
        if code:
            self._metrics.failure(question.domain, code)
        if self._journal:
            self._journal.note(question, answer, outcome, code)
        if not _LOG.isEnabledFor(logging.INFO):
            return
        fields: dict[str, Any] = {
            **({"request_id": request_id} if request_id else {}),
            "domain": self._metrics.domain(question.domain),
            "language": language,
            "outcome": outcome,
            "seconds": round(seconds, 3),
        }
        if code:
            fields["code"] = code
        if answer:
            usage = answer.usage
            fields |= {
                "model": answer.model,
                "cached": answer.cached,
                "confidence": round(answer.confidence, 3),
                "citations": len(answer.citations),
                "timings": {stage: round(value, 3) for stage, value in answer.timings.items()},
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
                "failures": [f"{model}: {reason}" for model, reason in answer.failures],
            }
        if self._log_questions:
            fields["question"] = question.text
        _LOG.info("answer", extra={"fields": fields})


def _outcome(event: Finished | Failed, left: bool) -> str:
    if isinstance(event, Failed):
        return "failed"
    if left:
        return "left"
    if event.answer.courtesy:
        return "courtesy"
    return "answered" if event.answer.answerable else "refused"
