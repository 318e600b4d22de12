"""From a question to a streamed, cited answer: the whole way, with everything that is opened once and shared."""

import logging
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rag import extractive, languages
from rag.answer_cache import AnswerCache, Kept, Key
from rag.cite import Checked, check
from rag.conversation import Memory, carry_over, condensed, needs_context
from rag.conversation.courtesy import courtesy
from rag.denial import declines, without_the_word
from rag.errors import ConfigurationError, IndexUnavailable, LacertaError, ModelUnavailable
from rag.filters import allowed_documents
from rag.gate import Gate
from rag.generate import Reply, Writer
from rag.index import Index, current_version
from rag.joined import Searched, join
from rag.keyboard import as_meant
from rag.languages import OTHER, detect
from rag.models import EXTRACTIVE, ChatModel, ModelCache, model_names, public_name
from rag.models.chain import Chain, Generation
from rag.models.gguf_machine import available_cores
from rag.pages import PageText, page_text
from rag.plain import addresses, plain, sourced
from rag.prompt import build_condense
from rag.prompt.templates import Prompts
from rag.refusal import refusal
from rag.retrieve import retrieve
from rag.settings import LANGUAGES, Domain, Settings
from rag.shared import Shared
from rag.text import normalise
from rag.types import Answer, Embedder, Event, Failed, Finished, Question, Retrieval, Retrieved, Token, Waiting
from rag.visits import Beside, OpenVisits

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.messages import BaseMessage

_LOG = logging.getLogger(__name__)

# What a model may take to make a follow-up whole, before the words of the last question are carried over instead.
_CONDENSE_SECONDS = 8.0
_CONDENSE_CHARACTERS = 400
# How often who waits for the answer to the same question looks whether to go on waiting, and when it first says so.
_TICK_SECONDS = 0.05
_SILENT_SECONDS = 0.5


class QuestionFailed(LacertaError):
    """A question ended without an answer; `code` is that of the event."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class _Asked:
    """A question on its way to an answer. `searched` is what is searched for in place of what was asked.

    `whole` tells that nothing was left out or failed on the way: asked again, the answer would be no better. `notices`
    are those that the answer has whatever becomes of it.
    """

    question: Question
    domain: Domain
    prompts: Prompts
    cancelled: Callable[[], bool]
    started: float
    searched: str = ""
    whole: bool = True
    notices: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.searched or self.question.text


class Engine:
    """Answers questions to the domains. Thread-safe.

    Raises ConfigurationError at once if a domain, a prompt or the name of a model is wrong.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._shared = Shared(settings)
        self.domains = self._shared.domains
        self._models = ModelCache(settings)
        self._chain = Chain(model_names(settings), self._models)
        self._memory = Memory()
        self._answers = AnswerCache(settings.cached_answers)
        self._gate = Gate(_places(settings))
        self.visits = OpenVisits(settings, self._shared.embedder)

    def search(self, question: Question, limit: int = 10) -> Retrieval:
        """The `limit` best passages for a question. Raises LacertaError where it can't be asked or there is no index.

        A text in a fourth language is searched for as it is.
        """
        domain = self._domain(question)
        self._refuse_text(question)
        question = replace(question, text=as_meant(question.text))
        language = detect(question.text)
        if language == OTHER:
            language = question.language or OTHER
        with self._shared.index(domain.name) as index, self.visits.beside(question.attachments) as beside:
            searched = join(index, beside.indexes)
            return self._retrieve(question, question.text, language, domain, searched, limit)

    def open_page(self, domain: str, source: str, page: int) -> PageText:
        """A page (1-based) of a document of the current version. Raises LacertaError where there is none."""
        with self.index(domain) as index:
            return page_text(index, source, page)

    def index(self, domain: str) -> AbstractContextManager[Index]:
        """The current version of a domain's index, held open while it is read. Raises LacertaError for none."""
        self._domain(Question("", domain))
        return self._shared.index(domain)

    def ask(self, question: Question) -> Answer:
        """The finished answer. Raises QuestionFailed, with the visitor's sentence, where `stream` ends in Failed."""
        for event in self.stream(question):
            if isinstance(event, Finished):
                return event.answer
            if isinstance(event, Failed):
                raise QuestionFailed(event.code, event.message)
        raise LacertaError("The answer ended without a result.")

    def stream(self, question: Question, cancelled: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Retrieved, then Waiting and Token as often as needed, then Finished; or Failed. Never raises for a fault.

        Retrieved comes a second time where a model understood a follow-up better than its words alone. When
        `cancelled()` becomes true, the answer ends with what there is by then.
        `question.model` should be one of `model_names`; with another one, or `extractive`, no model is asked.
        """
        prompts = self._shared.prompts(question.domain, question.interface_language)
        try:
            yield from self._stream(question, cancelled)
        except QuestionFailed as failure:
            yield Failed(failure.code, str(failure))
        except IndexUnavailable as error:
            _LOG.warning("%s", error)
            missing = current_version(self.settings, question.domain) is None
            code = "no_index" if missing else "bad_index"
            yield Failed(code, prompts.message(code, domain=question.domain))
        except (ConfigurationError, ModelUnavailable) as error:
            _LOG.error("%s", error)
            yield Failed("configuration", prompts.message("configuration"))
        # The last resort: a visitor reads a sentence, whoever runs the program the traceback.
        except Exception:
            _LOG.exception("A question to %r failed", question.domain)
            yield Failed("internal", prompts.message("internal"))

    @property
    def embedder(self) -> Embedder:
        """What turns questions and passages into vectors, opened if it was not."""
        return self._shared.embedder()

    def embed(self, texts: Sequence[str]) -> "np.ndarray":
        """(n,) passages to (n, dimension) float32 unit rows, in turn with the questions that are answered."""
        with self._gate:
            return self._shared.embedder().embed_passages(texts)

    def warm_up(self) -> None:
        """Opens the embedder, the indexes there are and the model that answers first, so that nobody waits.

        From then on new versions of the indexes are opened as they come.
        """
        self._shared.embedder().embed_query("warm")
        languages.warm_up()
        for name in self.domains:
            if current_version(self.settings, name) is not None:
                try:
                    with self._shared.index(name):
                        pass
                except IndexUnavailable as error:
                    _LOG.warning("%s", error)
        self._shared.follow()
        first = model_names(self.settings)[0]
        if first != EXTRACTIVE:
            # A client of a server sends nothing yet, but what it imports takes seconds.
            try:
                self._models.open(first)
            except LacertaError as error:
                _LOG.warning("%s", error)

    def lacking(self) -> dict[str, str]:
        """Why questions can't be answered yet, by domain, "" for all of them; empty where all can. Names no file."""
        if not self._shared.warm:
            return {"": "it is still being opened"}
        reasons = {}
        for name in self.domains:
            try:
                with self._shared.index(name) as index:
                    index.vectors.check()
            except IndexUnavailable:
                missing = current_version(self.settings, name) is None
                reasons[name] = "there is none yet" if missing else "it can't be opened"
            # The stores pass on whatever a damaged file makes of them.
            except Exception:
                _LOG.exception("The index of %r can't be opened", name)
                reasons[name] = "it can't be opened"
        return reasons

    def opening(self) -> tuple[str, ...]:
        """The names of the models that are being opened now."""
        return self._models.pending()

    def close(self) -> None:
        """Closes indexes and models. Questions that are being answered end first."""
        self.visits.close()
        self._shared.close()
        self._models.close()

    def _stream(self, question: Question, cancelled: Callable[[], bool]) -> Iterator[Event]:
        started = time.perf_counter()
        domain = self._domain(question)
        self._refuse_text(question)
        meant = as_meant(question.text)
        # What differs more than in how its letters are coded is shown as what was searched for.
        mended = meant if meant != unicodedata.normalize("NFC", question.text) else ""
        question = replace(question, text=meant)
        detected = detect(question.text, _spoken_before(question))
        language = question.language or detected
        if domain.small_talk:
            # "Szia" alone is too short to tell its language otherwise; "Hello" is said in two.
            for spoken in dict.fromkeys((question.language or question.interface_language, language, *LANGUAGES)):
                if kind := courtesy(question.text, spoken):
                    yield self._courtesy(domain, kind, spoken, started)
                    return
        if language not in LANGUAGES:
            prompts = self._shared.prompts(domain.name, question.interface_language)
            raise QuestionFailed("language", prompts.message("other_language"))
        asked = _Asked(question, domain, self._shared.prompts(domain.name, language), cancelled, started, mended)
        retrieval: Retrieval | None = None
        # What was said of a visitor's own documents is kept nowhere.
        alone = question.fresh or bool(question.attachments)
        with self._shared.index(domain.name) as index, self.visits.beside(question.attachments) as beside:
            key = Key.of(question, index.manifest.version)
            kept = None if alone else self._answers.get(key)
            if kept is None:
                searched = join(index, beside.indexes)
                asked.notices = _missing(beside, asked.prompts)
                for retrieval in self._found(asked, detected if detected != OTHER else language, searched):
                    yield Retrieved(retrieval, asked.searched)
                documents = len(searched.manifest.documents)
        if kept is not None:
            yield kept.retrieved
            yield from _replayed(kept, started)
            return
        assert retrieval is not None
        written = None if alone else self._answers.begin(key)
        if written is not None:
            yield from self._awaited(written, cancelled)
            if kept := self._answers.get(key):
                yield from _replayed(kept, started)
                return
        try:
            for event in self._answer(asked, retrieval, documents, bool(beside.indexes)):
                keeps = not question.attachments and asked.whole and not cancelled()
                if isinstance(event, Finished) and keeps:
                    self._answers.keep(key, Retrieved(retrieval, asked.searched), event.answer)
                yield event
        finally:
            # Where it came to nothing, those who wait go on alone.
            if written is None and not alone:
                self._answers.end(key)

    def _awaited(self, written: threading.Event, cancelled: Callable[[], bool]) -> Iterator[Waiting]:
        """Waits for the answer that somebody is given to the same question, no longer than for a model."""
        began = time.perf_counter()
        said = False
        while not written.wait(_TICK_SECONDS) and not cancelled():
            waited = time.perf_counter() - began
            if waited > self.settings.model_timeout:
                return
            if not said and waited > _SILENT_SECONDS:
                said = True
                yield Waiting(1)

    def _answer(
        self, asked: _Asked, retrieval: Retrieval, documents: int, own: bool
    ) -> Iterator[Token | Waiting | Finished]:
        """What is said to what was found in so many `documents`, the visitor's `own` among them or not."""
        question, domain, started, cancelled = asked.question, asked.domain, asked.started, asked.cancelled
        language = asked.prompts.language
        timings = {**retrieval.timings, "retrieval": time.perf_counter() - started}
        refused = Checked(refusal(domain, asked.prompts, documents, retrieval.hits, own), (), ())

        def finished(checked: Checked, reply: Reply, notices: tuple[str, ...] = (), model: str = "") -> Finished:
            timings["total"] = time.perf_counter() - started
            return Finished(
                Answer(
                    text=checked.text,
                    sentences=checked.sentences,
                    citations=checked.citations,
                    confidence=retrieval.confidence,
                    language=language,
                    model=model,
                    hits=retrieval.hits,
                    timings=timings,
                    answerable=checked is not refused,
                    notices=asked.notices + notices,
                    failures=tuple(reply.generation.failures),
                    question=asked.searched,
                    usage=reply.generation.usage,
                    shortened=reply.generation.shortened,
                )
            )

        if not retrieval.hits or retrieval.confidence < domain.retrieval.refuse_below:
            yield finished(refused, Reply())
            return
        title = domain.title[language]
        writer = Writer(self._chain, asked.prompts, title, question, asked.text, retrieval, self._memory, cancelled)
        for event in writer.stream():
            if isinstance(event, Token):
                timings.setdefault("first_token", time.perf_counter() - started)
            yield event
        reply = writer.reply
        asked.whole &= not (reply.generation.failures or reply.generation.interrupted or reply.wrong_language)
        notices = _notices(reply.generation, asked.prompts)
        model = public_name(reply.generation.model)
        if cancelled():
            notices += (asked.prompts.message("cancelled"),)
        if reply.prompt is not None and reply.generation.model != EXTRACTIVE:
            if declines(reply.text):
                answer = finished(refused, reply, notices, model)
            else:
                passages = reply.prompt.passages
                text = plain(without_the_word(reply.text), addresses(hit.chunk.text for hit in passages))
                with self._gate:
                    checked = sourced(check(text, passages, language))
                notices += _doubts(checked, reply, retrieval, asked)
                answer = finished(checked, reply, notices, model)
            writer.remember(answer.answer.text)
            yield answer
            return
        if cancelled():
            yield finished(Checked("", (), ()), reply, notices, model)
            return
        with self._gate:
            checked = extractive.answer(asked.text, retrieval, self._shared.embedder())
        if not checked.text:
            yield finished(refused, reply, notices)
            return
        framing = _framing(checked, retrieval, domain, language, asked.prompts)
        checked = sourced(replace(checked, text=f"{framing}\n\n{checked.text}"))
        timings.setdefault("first_token", time.perf_counter() - started)
        yield Token(checked.text)
        yield finished(checked, reply, notices, EXTRACTIVE)

    def _found(self, asked: _Asked, language: str, index: Searched) -> Iterator[Retrieval]:
        """What was found: for a follow-up first by the words of the question before, then as a model understands it.

        Sets `asked.searched` before each.
        """
        question, domain = asked.question, asked.domain

        def found(text: str) -> Retrieval:
            return self._retrieve(question, text, language, domain, index, domain.retrieval.passages, join=True)

        if not needs_context(question.text, language, question.history):
            yield found(question.text)
            return
        carried = carry_over(question.text, language, question.history)
        if carried != question.text.strip():
            asked.searched = carried
        yield found(asked.text)

        def condense(model: ChatModel) -> "list[BaseMessage]":
            past = self._memory.recall(Memory.key(domain.name, asked.prompts.language, model.name, question.history))
            title = domain.title[asked.prompts.language]
            return build_condense(
                asked.prompts, title, question.text, question.history, model.count_tokens, model.budget, past
            )

        written = self._chain.complete(
            condense, asked.cancelled, _CONDENSE_SECONDS, _CONDENSE_CHARACTERS, question.model
        )
        # Late or failed, or there is no model to do it.
        asked.whole = bool(written) or not self._chain or question.model == EXTRACTIVE
        understood = condensed(plain(written), question.text, language) if written else ""
        if understood and understood != asked.searched and not asked.cancelled():
            asked.searched = understood
            yield found(understood)

    def _retrieve(
        self,
        question: Question,
        text: str,
        language: str,
        domain: Domain,
        index: Searched,
        limit: int,
        join: bool = False,
    ) -> Retrieval:
        try:
            documents = allowed_documents(question.filters, index.manifest)
        except ConfigurationError as error:
            raise QuestionFailed("filter", str(error)) from error
        with self._gate:
            return retrieve(
                normalise(text),
                language,
                index,
                self._shared.embedder(),
                self._shared.glossaries[domain.name],
                domain.retrieval,
                limit,
                documents,
                self._shared.reranker(),
                join,
            )

    def _courtesy(self, domain: Domain, kind: str, language: str, started: float) -> Finished:
        prompts = self._shared.prompts(domain.name, language)
        text = prompts.message(kind, **({"domain": domain.title[prompts.language]} if kind == "greeting" else {}))
        timings = {"total": time.perf_counter() - started}
        return Finished(Answer(text, (), (), 1.0, prompts.language, "", (), timings, courtesy=True))

    def _domain(self, question: Question) -> Domain:
        if question.domain not in self.domains:
            prompts = self._shared.prompts("", question.interface_language)
            raise QuestionFailed("unknown_domain", prompts.message("unknown_domain", domain=question.domain))
        return self.domains[question.domain]

    def _refuse_text(self, question: Question) -> None:
        """Raises QuestionFailed for a text that is empty or too long."""
        prompts = self._shared.prompts(question.domain, question.interface_language)
        limit = self.settings.question_characters
        if not normalise(question.text[: limit + 1]).strip():
            raise QuestionFailed("empty_question", prompts.message("empty_question"))
        if len(question.text) > limit:
            message = prompts.message("too_long", length=len(question.text), limit=limit)
            raise QuestionFailed("too_long", message)


def _places(settings: Settings) -> int:
    """How many questions are searched for and checked at once: beyond the cores they only slow each other down."""
    if settings.chroma or settings.embedder.startswith("openai:"):
        # These wait for a server, together rather than behind each other.
        return settings.concurrent_answers + settings.concurrent_searches
    return settings.threads or available_cores()


def _replayed(kept: Kept, started: float) -> Iterator[Token | Finished]:
    """An answer that was given before, as the answer to a question of now."""
    seconds = time.perf_counter() - started
    yield Token(kept.answer.text)
    yield Finished(replace(kept.answer, timings={"first_token": seconds, "total": seconds}))


def _missing(beside: Beside, prompts: Prompts) -> tuple[str, ...]:
    """What a visitor should know of documents of their own that were not searched."""
    keys = [key for key in ("missing", "waiting") if getattr(beside, key)]
    return tuple(prompts.message(f"own_{key}") for key in keys)


def _spoken_before(question: Question) -> str:
    """The language of the conversation: a follow-up of a name or a number alone has none of its own."""
    asked = [turn.text for turn in question.history if turn.role == "user"]
    return detect(asked[-1]) if asked else "en"


def _doubts(checked: Checked, reply: Reply, retrieval: Retrieval, asked: _Asked) -> tuple[str, ...]:
    """What the visitor should know of a model's answer: its language, its confidence, sentences without support."""
    doubts = []
    if reply.wrong_language:
        doubts.append(asked.prompts.message("wrong_language"))
    if retrieval.confidence < asked.domain.retrieval.hedge_below:
        doubts.append(asked.prompts.message("uncertain"))
    unsupported = sum(not sentence.supported for sentence in checked.sentences)
    if unsupported:
        doubts.append(asked.prompts.message("unsupported", count=unsupported))
    return tuple(doubts)


def _framing(checked: Checked, retrieval: Retrieval, domain: Domain, language: str, prompts: Prompts) -> str:
    """The line above an extractive answer: how sure it is, and in which language it stands if not the visitor's."""
    if retrieval.confidence < domain.retrieval.hedge_below:
        return prompts.message("hedge")
    languages = {citation.chunk.language for citation in checked.citations}
    foreign = sorted(languages.intersection(LANGUAGES) - {language})
    if language in languages or not foreign:
        return prompts.message("extractive")
    listed = ", ".join(prompts.message(f"language_{name}") for name in foreign)
    return prompts.message("extractive_foreign", language=listed)


def _notices(generation: Generation, prompts: Prompts) -> tuple[str, ...]:
    """What the visitor should know of the models: which did not answer and why, and whether the answer is whole."""

    def say(reason: str) -> str:
        return prompts.message(f"reason_{reason}")

    extracted = generation.model == EXTRACTIVE
    model = prompts.message("extractive_model") if extracted else public_name(generation.model)
    notices = [
        prompts.message("replaced", failed=failed, reason=say(reason), model=model)
        for failed, reason in generation.failures
    ]
    if generation.interrupted:
        notices.append(prompts.message("interrupted", model=model, reason=say(generation.interrupted)))
    if generation.shortened:
        notices.append(prompts.message("shortened"))
    return tuple(notices)
