"""From a question to a streamed, cited answer: the whole way, with everything that is opened once and shared."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rag import extractive
from rag.cite import Checked, check
from rag.embed import embedding_fingerprint, load_embedder
from rag.errors import ConfigurationError, IndexUnavailable, LacertaError, ModelUnavailable
from rag.filters import allowed_documents
from rag.glossary import Glossary
from rag.index import Index, current_version
from rag.languages import OTHER, detect
from rag.models import EXTRACTIVE, ChatModel, ModelCache, model_names, public_name
from rag.models.chain import Chain, Generation
from rag.prompt import NO_ANSWER, build_messages
from rag.rerank import Reranker, load_reranker
from rag.retrieve import retrieve
from rag.settings import LANGUAGES, Domain, Settings, domain_names, load_domain
from rag.templates import Prompts, load_prompts
from rag.text import normalise
from rag.types import Answer, Embedder, Event, Failed, Finished, Question, Retrieval, Retrieved, Token

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

_LOG = logging.getLogger(__name__)

# Models like to dress up the word that says they have no answer.
_NO_ANSWER_WITHIN = 40


class QuestionFailed(LacertaError):
    """A question ended without an answer; `code` is that of the event."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class _OpenIndex:
    """An index with the number of questions that read it now; closed when retired and read by none."""

    version: str
    index: Index
    readers: int = 0
    retired: bool = False


class Engine:
    """Everything opened once and shared: domains, indexes, embedder, models. Thread-safe.

    Raises ConfigurationError at once if a domain, a prompt or the name of a model is wrong.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.domains: dict[str, Domain] = {name: load_domain(settings, name) for name in domain_names(settings)}
        self._glossaries = {
            name: Glossary.load(domain.folder / "glossary.csv") for name, domain in self.domains.items()
        }
        self._prompts = {name: load_prompts(settings.prompts, name) for name in ("", *self.domains)}
        self._models = ModelCache(settings)
        self._chain = Chain(model_names(settings), self._models)
        self._embedder: Embedder | None = None
        self._reranker: Reranker | None = None
        self._embedder_lock = threading.Lock()
        self._indexes: dict[str, _OpenIndex] = {}
        self._index_lock = threading.Lock()

    def search(self, question: Question, limit: int = 10) -> Retrieval:
        """The `limit` best passages for a question. Raises LacertaError where it can't be asked or there is no index.

        A text in a fourth language is searched for as it is.
        """
        domain = self._domain(question)
        self._refuse_text(question, self._prompts_for(question, domain.name))
        language = detect(question.text)
        if language == OTHER:
            language = question.language or OTHER
        with self._index(domain.name) as index:
            return self._retrieve(question, language, domain, index, limit)

    def ask(self, question: Question) -> Answer:
        """The finished answer. Raises QuestionFailed, with the visitor's sentence, where `stream` ends in Failed."""
        for event in self.stream(question):
            if isinstance(event, Finished):
                return event.answer
            if isinstance(event, Failed):
                raise QuestionFailed(event.code, event.message)
        raise LacertaError("The answer ended without a result.")

    def stream(self, question: Question, cancelled: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Retrieved, then Token as often as needed, then Finished; or Failed. Never raises for a fault.

        When `cancelled()` becomes true, the answer ends with what there is by then.
        """
        prompts = self._prompts_for(question, question.domain)
        try:
            yield from self._stream(question, prompts, cancelled)
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

    def warm_up(self) -> None:
        """Loads the embedder and opens the indexes that exist, so that the first question need not wait."""
        self._shared_embedder().embed_query("warm")
        for name in self.domains:
            if current_version(self.settings, name) is not None:
                try:
                    with self._index(name):
                        pass
                except IndexUnavailable as error:
                    _LOG.warning("%s", error)

    def close(self) -> None:
        """Closes indexes and models. Questions that are being answered end first."""
        with self._index_lock:
            for held in self._indexes.values():
                self._retire(held)
            self._indexes.clear()
        self._models.close()

    def _stream(self, question: Question, prompts: Prompts, cancelled: Callable[[], bool]) -> Iterator[Event]:
        started = time.perf_counter()
        domain = self._domain(question)
        self._refuse_text(question, prompts)
        detected = detect(question.text)
        language = question.language or detected
        if language not in LANGUAGES:
            raise QuestionFailed("language", prompts.message("other_language"))
        prompts = self._prompts[domain.name][language]
        with self._index(domain.name) as index:
            spoken = detected if detected != OTHER else language
            retrieval = self._retrieve(question, spoken, domain, index, domain.retrieval.passages, join=True)
            documents = len(index.manifest.documents)
        timings = {**retrieval.timings, "retrieval": time.perf_counter() - started}
        yield Retrieved(retrieval)

        def finished(checked: Checked, model: str, notices: tuple[str, ...] = (), answerable: bool = True) -> Finished:
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
                    answerable=answerable,
                    notices=notices,
                )
            )

        refusal = Checked(_refusal(domain, prompts, documents), (), ())
        if not retrieval.hits or retrieval.confidence < domain.retrieval.refuse_below:
            yield finished(refusal, "", answerable=False)
            return
        generation = Generation()
        text = ""
        shown = 0
        for piece in self._chain.stream(generation, self._messages(question, domain, prompts, retrieval), cancelled):
            timings.setdefault("first_token", time.perf_counter() - started)
            text += piece
            # A model may be about to say that it has no answer: that word is never shown.
            if not NO_ANSWER.startswith(text.strip()[: len(NO_ANSWER)]):
                yield Token(text[shown:])
                shown = len(text)
        notices = _notices(generation, prompts)
        model = public_name(generation.model)
        if cancelled():
            notices += (prompts.message("cancelled"),)
        if generation.model != EXTRACTIVE:
            if retrieval.confidence < domain.retrieval.hedge_below:
                notices += (prompts.message("uncertain"),)
            if NO_ANSWER in text[:_NO_ANSWER_WITHIN]:
                yield finished(refusal, model, notices, answerable=False)
                return
            if text[shown:]:
                yield Token(text[shown:])
            yield finished(check(text, retrieval.hits, language, self._shared_embedder()), model, notices)
            return
        if cancelled():
            yield finished(Checked("", (), ()), model, notices)
            return
        checked = extractive.answer(question.text, retrieval, self._shared_embedder())
        if not checked.text:
            yield finished(refusal, "", notices, answerable=False)
            return
        framing = _framing(checked, retrieval, domain, language, prompts)
        checked = replace(checked, text=f"{framing}\n\n{checked.text}")
        timings.setdefault("first_token", time.perf_counter() - started)
        yield Token(checked.text)
        yield finished(checked, EXTRACTIVE, notices)

    def _messages(
        self, question: Question, domain: Domain, prompts: Prompts, retrieval: Retrieval
    ) -> "Callable[[ChatModel], list[BaseMessage]]":
        def messages(model: ChatModel) -> "list[BaseMessage]":
            return build_messages(
                prompts,
                domain.title[prompts.language],
                question.text,
                retrieval.hits,
                retrieval.terms,
                question.history,
                model.count_tokens,
                model.budget,
            ).messages

        return messages

    def _retrieve(
        self, question: Question, language: str, domain: Domain, index: Index, limit: int, join: bool = False
    ) -> Retrieval:
        try:
            documents = allowed_documents(question.filters, index.manifest)
        except ConfigurationError as error:
            raise QuestionFailed("filter", str(error)) from error
        return retrieve(
            normalise(question.text),
            language,
            index,
            self._shared_embedder(),
            self._glossaries[domain.name],
            domain.retrieval,
            limit,
            documents,
            self._shared_reranker(),
            join,
        )

    def _domain(self, question: Question) -> Domain:
        if question.domain not in self.domains:
            prompts = self._prompts_for(question, "")
            raise QuestionFailed("unknown_domain", prompts.message("unknown_domain", domain=question.domain))
        return self.domains[question.domain]

    def _refuse_text(self, question: Question, prompts: Prompts) -> None:
        """Raises QuestionFailed for a text that is empty or too long."""
        limit = self.settings.question_characters
        if not normalise(question.text[: limit + 1]).strip():
            raise QuestionFailed("empty_question", prompts.message("empty_question"))
        if len(question.text) > limit:
            message = prompts.message("too_long", length=len(question.text), limit=limit)
            raise QuestionFailed("too_long", message)

    def _prompts_for(self, question: Question, domain: str) -> Prompts:
        """The prompts in the visitor's own language, for what is said before the question is understood."""
        language = question.interface_language if question.interface_language in LANGUAGES else "en"
        return self._prompts[domain if domain in self.domains else ""][language]

    def _shared_embedder(self) -> Embedder:
        with self._embedder_lock:
            if self._embedder is None:
                self._embedder = load_embedder(self.settings.embedder, self.settings)
            return self._embedder

    def _shared_reranker(self) -> Reranker | None:
        with self._embedder_lock:
            if self._reranker is None and self.settings.reranker:
                self._reranker = load_reranker(self.settings.reranker, self.settings)
            return self._reranker

    @contextmanager
    def _index(self, name: str) -> Iterator[Index]:
        """The current version of a domain's index, held open while it is read. Raises IndexUnavailable."""
        embedder = embedding_fingerprint(self._shared_embedder())
        with self._index_lock:
            held = self._indexes.get(name)
            version = current_version(self.settings, name)
            if held is None or held.version != version:
                # The old version stays, and serves, if the new one can't be opened.
                opened = _OpenIndex(version or "", Index.open(self.settings, name, embedder))
                if held is not None:
                    self._retire(held)
                held = self._indexes[name] = opened
            held.readers += 1
        try:
            yield held.index
        finally:
            with self._index_lock:
                held.readers -= 1
                if held.retired and not held.readers:
                    held.index.close()

    @staticmethod
    def _retire(held: _OpenIndex) -> None:
        held.retired = True
        if not held.readers:
            held.index.close()


def _refusal(domain: Domain, prompts: Prompts, documents: int) -> str:
    title = domain.title[prompts.language]
    searched = prompts.message("refusal_documents", count=documents)
    text = prompts.message("refusal", domain=title, documents=searched)
    contact = domain.contact.get(prompts.language)
    if not contact:
        return text
    # A domain may give a name and an address, or a whole sentence of its own.
    return f"{text} {contact if contact.endswith('.') else prompts.message('refusal_contact', contact=contact)}"


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
