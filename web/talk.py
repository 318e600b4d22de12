"""What the page does with what a visitor asks of it: each handler gives the values of the page's parts.

Every handler says for itself what the visitor may see; state is the visitor's own.
"""

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from html import escape
from typing import Any, Protocol

import gradio as gr

from rag.settings import Domain
from rag.types import Answer, Event, Failed, Finished, Question, Token
from web.access.caller import Caller, caller_of
from web.chat import current_html, earlier_html, status
from web.conversation import Conversation, Exchange, advance, stop, turns
from web.entrance import ANSWER, SEARCH, Entrance, Refused
from web.export.conversation import BadConversation
from web.filtered import kept_filters
from web.kept import Keeper, told
from web.logs import REQUEST_ID
from web.order import BadOrder, read_ask, read_named, read_restore
from web.own import own_places
from web.passages import passages_html
from web.running import Running
from web.texts import texts

logger = logging.getLogger(__name__)

REDRAW_SECONDS = 0.06
"""Tokens that come faster than this are drawn together."""
PARTS = ("conversations", "earlier", "current", "passages", "said", "kept")
"""The parts of the page that handlers give values of, in order."""
_LOOK_SECONDS = 10.0

Conversations = dict[str, Conversation]
Values = list[Any]
Given = Callable[[str, str, str, Answer], None]
"""Called with an answer's id, the domain, the question and the answer, before the visitor sees it."""


class Answering(Protocol):
    """What the page needs of the engine."""

    domains: dict[str, Domain]

    def stream(self, question: Question, cancelled: Callable[[], bool] = ...) -> Iterator[Event]: ...


class Talk:
    """The handlers of one interface language. Thread-safe."""

    def __init__(
        self, engine: Answering, language: str, entrance: Entrance, keeper: Keeper, given: Given | None = None
    ) -> None:
        self._engine = engine
        self._language = language
        self._entrance = entrance
        self._keeper = keeper
        self._given = given
        self._strings = texts(language)
        self._running = Running()

    def seen(self, request: gr.Request) -> dict[str, Domain]:
        """The domains that are there for whoever asks."""
        return visitor_of(request).visible(self._engine.domains)

    def show(
        self,
        all_of: Conversations,
        name: str,
        streaming: bool = False,
        said: str = "",
        kept: str | None = None,
    ) -> Values:
        """The values of `PARTS` for a domain's conversation; while it is `streaming` only of what tokens change."""
        conversation = all_of.get(name, ())
        live = _live(said or status(conversation, self._strings))
        if streaming:
            changed = {"conversations": all_of, "current": current_html(conversation, self._strings), "said": live}
            return [changed.get(part, gr.skip()) for part in PARTS]
        domain = self._engine.domains.get(name)
        return [
            all_of,
            earlier_html(conversation, self._strings),
            self.current(conversation, domain),
            passages_html(conversation, self._strings, self._keeper.records(name)[1] if conversation else None),
            live,
            gr.skip() if kept is None else kept,
        ]

    def current(self, conversation: Conversation, domain: Domain | None) -> str:
        """The last exchange of a domain's conversation; where there is none, what to ask there."""
        if not domain:
            return current_html(conversation, self._strings)
        about, examples = domain.description[self._language], domain.examples[self._language]
        return current_html(conversation, self._strings, about, examples)

    async def ask(
        self, order: str, name: str, all_of: Conversations, request: gr.Request
    ) -> AsyncGenerator[Values, None]:
        """Streams an answer; behind `PARTS` what the box of the question holds, where that changes."""
        said = "" if name in self.seen(request) else "no_domains_visible"
        try:
            asked = read_ask(order)
        except BadOrder:
            yield [*self._aside(self._strings["chat_bad_order"]), gr.skip()]
            return
        if not asked.text.strip():
            said = said or "question_missing"
        if said:
            yield [*self._aside(self._strings[said]), gr.skip()]
            return
        session = request.session_hash or ""
        stopped = self._running.begin(session)
        if stopped is None:
            yield [gr.skip()] * (len(PARTS) + 1)
            return
        # Gradio answers elsewhere than where the request came in.
        REQUEST_ID.set(request.headers.get("x-request-id", ""))
        try:
            before = all_of.get(name, ())
            if len(before) < asked.count:
                # A visit that was forgotten, as after a restart: the browser brings it back and asks again.
                yield [*[gr.skip()] * (len(PARTS) - 1), told(name, "forgotten", before), gr.skip()]
                return
            earlier = before[: asked.at - 1] if asked.at else before
            filters = kept_filters(asked.filters, self._keeper.records(name)[1]) if asked.filters else {}
            exchange = Exchange(number=len(earlier) + 1, question=asked.text.strip(), filters=filters)
            emptied = gr.skip() if asked.at or asked.keeps else ""
            yield [*self.show({**all_of, name: (*earlier, exchange)}, name), emptied]
            question = Question(
                asked.text, name, interface_language=self._language, history=turns(earlier), filters=asked.filters,
                fresh=asked.fresh, attachments=own_places(asked.attachments, visitor_of(request)),
            )  # fmt: skip
            drawn = 0.0
            updated = all_of
            async with aclosing(self._events(visitor_of(request), question, stopped)) as answer:
                async for event in answer:
                    # Whoever stopped it has already said what is shown from then on.
                    if stopped.is_set():
                        return
                    exchange = advance(exchange, event)
                    if isinstance(event, Finished) and self._given:
                        exchange = replace(exchange, identifier=f"page-{secrets.token_hex(16)}")
                        self._given(exchange.identifier, name, exchange.question, event.answer)
                    streaming = isinstance(event, Token)
                    if streaming and time.monotonic() - drawn < REDRAW_SECONDS:
                        continue
                    drawn = time.monotonic()
                    updated = {**all_of, name: (*earlier, exchange)}
                    yield [*self.show(updated, name, streaming), gr.skip()]
            if exchange.open and not stopped.is_set():
                updated = {**all_of, name: stop((*earlier, exchange))}
                yield [*self.show(updated, name), gr.skip()]
            # The answer is there to be read, and the next question may come, while this is made.
            self._running.end(session, stopped)
            kept = await asyncio.to_thread(self._told, name, "asked", updated, asked.id)
            yield [*[gr.skip()] * (len(PARTS) - 1), kept, gr.skip()]
        finally:
            self._running.end(session, stopped)

    async def restore(self, order: str, name: str, all_of: Conversations, request: gr.Request) -> Values:
        """Shows a conversation that the browser kept; a sentence where it can't be."""
        if name not in self.seen(request):
            return self._refused(all_of, name, "no_domains_visible")
        try:
            asked = read_restore(order)
            async with self._entrance.enter(SEARCH, visitor_of(request), counted=False) as place:
                own = own_places(asked.attachments, visitor_of(request))
                conversation = await place.run(self._keeper.conversation, asked.text, name, own)
        except Refused as refused:
            return self._refused(all_of, name, refused.code, seconds=refused.seconds)
        except (BadOrder, BadConversation) as error:
            logger.info("A conversation was not taken back: %s", error)
            return self._refused(all_of, name, "chat_not_restored")
        self._running.stop(request.session_hash or "")
        updated = {**all_of, name: conversation}
        kept = await asyncio.to_thread(self._told, name, "restored", updated, asked.id)
        return self.show(updated, name, kept=kept)

    def arrived(self, name: str, request: gr.Request) -> Values:
        """Tells the browser which domain is shown, and whose conversations it should show; all else stays."""
        return [*[gr.skip()] * (len(PARTS) - 1), self._told(name, "arrived", {}, owner=visitor_of(request))]

    def stop(self, order: str, name: str, all_of: Conversations, request: gr.Request) -> Values:
        """Ends what is being written, in the conversation that the order names."""
        return self.interrupt(name, all_of, request, "stopped", _named(order))

    def interrupt(
        self, name: str, all_of: Conversations, request: gr.Request, why: str, identifier: str | None = None
    ) -> Values:
        """Ends what is being written."""
        self._running.stop(request.session_hash or "")
        stopped = {key: stop(value) for key, value in all_of.items()}
        # Who turns to another domain meanwhile keeps what was written in this one.
        left = {
            key: self._keeper.text(stopped[key], key)
            for key, value in all_of.items()
            if key != name and value and value[-1].open
        }
        kept = self._told(name, why, stopped, identifier, owner=visitor_of(request), left=left)
        return self.show(stopped, name, kept=kept)

    def begin_anew(self, order: str, name: str, all_of: Conversations, request: gr.Request) -> Values:
        """An empty conversation."""
        self._running.stop(request.session_hash or "")
        updated = {**all_of, name: ()}
        return self.show(updated, name, kept=self._told(name, "cleared", updated, _named(order)))

    def leave(self, request: gr.Request) -> None:
        """The page was closed."""
        self._running.stop(request.session_hash or "")

    def _told(
        self,
        name: str,
        why: str,
        all_of: Conversations,
        identifier: str | None = None,
        owner: Caller | None = None,
        left: Mapping[str, str] | None = None,
    ) -> str:
        conversation = all_of.get(name, ())
        text = self._keeper.text(conversation, name) if name else ""
        return told(name, why, conversation, identifier, text, owner=owner, left=left)

    def _refused(self, all_of: Conversations, name: str, code: str, **values: object) -> Values:
        message = self._strings[code].format(**values)
        kept = told(name, "refused", all_of.get(name, ()), message=message)
        return self.show(all_of, name, said=message, kept=kept) if name in all_of else self._aside(message, kept)

    def _aside(self, said: str, kept: str | None = None) -> Values:
        """A sentence beside what is shown, which stays: it may be a conversation that this visit has forgotten."""
        changed = {"said": _live(said), "kept": gr.skip() if kept is None else kept}
        return [changed.get(part, gr.skip()) for part in PARTS]

    async def _events(
        self, caller: Caller, question: Question, stopped: threading.Event
    ) -> AsyncGenerator[Event, None]:
        """The engine's events. Where there is no place, or a fault that it did not foresee, a sentence instead."""
        try:
            async with self._entrance.enter(ANSWER, caller) as place:
                async with aclosing(place.answer(self._engine, question, _LOOK_SECONDS, stopped.is_set)) as events:
                    async for event in events:
                        if event is not None:
                            yield event
        except Refused as refused:
            yield Failed(refused.code, self._strings[refused.code].format(seconds=refused.seconds))
        except Exception:
            logger.exception("An answer failed for a reason that was not foreseen.")
            yield Failed("internal", self._strings["unexpected"])


def _named(order: str) -> str | None:
    """The conversation that an order names; None where it names none."""
    try:
        return read_named(order).id
    except BadOrder:
        return None


def _live(said: str) -> str:
    """What a screen reader says at once."""
    return f"<p>{escape(said)}</p>"


def visitor_of(request: gr.Request) -> Caller:
    """Whoever sent what a handler of Gradio answers."""
    return caller_of(request.request) if request.request else Caller()
