"""The page of one interface language: a thin converter of the engine's events into what the visitor sees.

State is kept per visitor (`gr.State`): a conversation for each domain. Nothing is shared between visitors.
"""

import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from html import escape
from typing import Any, Protocol

import gradio as gr

from rag.settings import Domain
from rag.types import Event, Failed, Question, Token
from web.access.caller import Caller, caller_of
from web.access.visitors import COOKIE
from web.chat import chat_html, status
from web.conversation import Conversation, Exchange, advance, stop, turns
from web.entrance import ANSWER, Entrance, Refused
from web.header import description_html, header_html, nothing_html
from web.logs import REQUEST_ID
from web.passages import passages_html
from web.texts import texts

logger = logging.getLogger(__name__)

REDRAW_SECONDS = 0.06
"""Tokens that come faster than this are drawn together."""

SETTLE_SECONDS = 0.1
_LOOK_SECONDS = 10.0
# Whoever finds no place is told so at once, by a handler that has to run for it.
_TOLD_AT_ONCE = 32
_QUEUED = 1000
SESSIONS = 1000
"""Visits of a process whose conversations are kept in one language: Gradio forgets none before, also where the page was
closed long ago, and each takes some 50 kB."""

Conversations = dict[str, Conversation]


class Answering(Protocol):
    """What the page needs of the engine."""

    domains: dict[str, Domain]

    def stream(self, question: Question, cancelled: Callable[[], bool] = ...) -> Iterator[Event]: ...


class Running:
    """Which visitors' answers are being written, so that each can be told to stop. Thread-safe."""

    def __init__(self) -> None:
        self._stopped: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def begin(self, session: str) -> threading.Event | None:
        """The event that stops the answer now begun, or None while the visitor's last one is still being written."""
        with self._lock:
            if session in self._stopped:
                return None
            self._stopped[session] = threading.Event()
            return self._stopped[session]

    def stop(self, session: str) -> None:
        with self._lock:
            stopped = self._stopped.pop(session, None)
        if stopped:
            stopped.set()
            # What the answer showed last is still on its way into the visitor's state; what follows must come after it.
            time.sleep(SETTLE_SECONDS)

    def end(self, session: str, stopped: threading.Event) -> None:
        with self._lock:
            if self._stopped.get(session) is stopped:
                del self._stopped[session]


def build(engine: Answering, language: str, entrance: Entrance, shown: Mapping[str, Domain]) -> gr.Blocks:
    """The page in one interface language. `shown` are the domains that every visitor sees; all else is told on load."""
    strings = texts(language)
    running = Running()
    with gr.Blocks(title=strings["page_title"], analytics_enabled=False) as page:
        if not engine.domains:
            gr.HTML(header_html(language, ""), elem_id="header")
            gr.HTML(f"<h2>{escape(strings['no_domains_title'])}</h2><p>{escape(strings['no_domains'])}</p>")
            return page
        first = next(iter(shown), None)
        header = gr.HTML(header_html(language, first or ""), elem_id="header")
        domain = gr.Radio(
            [(entry.title[language], name) for name, entry in shown.items()],
            value=first, label=strings["domain"], show_label=False, container=False, elem_id="domain",
        )  # fmt: skip
        # Every handler checks it; the choices would be those of the process that the visitor's page was opened with.
        domain.preprocess = lambda payload: payload  # type: ignore[method-assign]
        description = gr.HTML(description_html(shown[first], language) if first else "", elem_id="description")
        conversations = gr.State({}, time_to_live=24 * 3600)
        with gr.Row(elem_id="columns", equal_height=False):
            with gr.Column(scale=3, min_width=320, elem_id="talk"):
                chat = gr.HTML(chat_html((), strings), elem_id="chat", padding=False)
                examples = gr.Dataset(
                    label=strings["examples"], components=[gr.Textbox(visible=False)], samples_per_page=12,
                    samples=[[text] for text in shown[first].examples[language]] if first else [], type="index",
                    visible=bool(first), elem_id="examples",
                )  # fmt: skip
                with gr.Row(elem_id="entry"):
                    question = gr.Textbox(
                        placeholder=strings["question_hint"], label=strings["question"], show_label=False,
                        container=False, lines=1, max_lines=6, autofocus=True, elem_id="question", scale=1,
                    )  # fmt: skip
                    send = gr.Button(strings["send"], variant="primary", elem_id="send", scale=0, min_width=96)
                    halt = gr.Button(strings["stop"], elem_id="stop", scale=0, min_width=96, visible=False)
                with gr.Row(elem_id="below"):
                    said = gr.HTML("", elem_id="said", padding=False)
                    clear = gr.Button(strings["clear"], size="sm", elem_id="clear", scale=0, visible=False)
            with gr.Column(scale=2, min_width=300, elem_id="sources"):
                passages = gr.HTML(passages_html((), strings), elem_id="passages", padding=False)

        view = [conversations, chat, passages, said, examples, send, halt, clear]

        def seen(request: gr.Request) -> dict[str, Domain]:
            return _caller(request).visible(engine.domains)

        def top(name: str, request: gr.Request) -> str:
            visitor = _caller(request)
            can_leave = bool(request.request and COOKIE in request.request.cookies)
            return header_html(language, name, visitor.name if visitor.kind == "login" else "", can_leave)

        def show(all_of: Conversations, name: str, busy: bool, with_passages: bool = True, said: str = "") -> list[Any]:
            """The values of `view` for a domain's conversation."""
            conversation = all_of.get(name, ())
            live = f'<p role="status">{escape(said or status(conversation, strings))}</p>'
            return [
                all_of,
                chat_html(conversation, strings),
                passages_html(conversation, strings) if with_passages else gr.skip(),
                live,
                gr.Dataset(visible=not conversation),
                gr.Button(visible=not busy),
                gr.Button(visible=busy),
                gr.Button(visible=bool(conversation)),
            ]

        async def ask(
            text: str, name: str, all_of: Conversations, request: gr.Request
        ) -> AsyncGenerator[list[Any], None]:
            """Streams an answer. The text comes back into the box where it could not be answered."""
            said = "question_missing" if not text.strip() else "" if name in seen(request) else "no_domains_visible"
            if said:
                yield [*show(all_of, name, busy=False, said=strings[said]), gr.skip()]
                return
            session = request.session_hash or ""
            stopped = running.begin(session)
            if stopped is None:
                yield [gr.skip()] * (len(view) + 1)
                return
            try:
                earlier = all_of.get(name, ())
                exchange = Exchange(number=len(earlier) + 1, question=text.strip())
                yield [*show({**all_of, name: (*earlier, exchange)}, name, busy=True), ""]
                drawn = 0.0
                asked = Question(text, name, interface_language=language, history=turns(earlier))
                # Gradio answers elsewhere than where the request came in.
                REQUEST_ID.set(request.headers.get("x-request-id", ""))
                async with aclosing(_events(engine, entrance, _caller(request), asked, stopped)) as answer:
                    async for event in answer:
                        # Whoever stopped it has already said what is shown from then on.
                        if stopped.is_set():
                            return
                        exchange = advance(exchange, event)
                        streaming = isinstance(event, Token)
                        if streaming and time.monotonic() - drawn < REDRAW_SECONDS:
                            continue
                        drawn = time.monotonic()
                        updated = {**all_of, name: (*earlier, exchange)}
                        returned = text if exchange.failure else gr.skip()
                        yield [*show(updated, name, exchange.open, with_passages=not streaming), returned]
                if exchange.open and not stopped.is_set():
                    updated = {**all_of, name: stop((*earlier, exchange))}
                    yield [*show(updated, name, busy=False), gr.skip()]
            finally:
                running.end(session, stopped)

        async def ask_example(
            number: int, name: str, all_of: Conversations, request: gr.Request
        ) -> AsyncGenerator[list[Any], None]:
            samples = seen(request)[name].examples[language] if name in seen(request) else ()
            text = samples[number] if 0 <= number < len(samples) else ""
            async with aclosing(ask(text, name, all_of, request)) as shown:
                async for values in shown:
                    yield values

        def interrupt(name: str, all_of: Conversations, request: gr.Request) -> list[Any]:
            running.stop(request.session_hash or "")
            return show({key: stop(value) for key, value in all_of.items()}, name, busy=False)

        def begin_anew(name: str, all_of: Conversations, request: gr.Request) -> list[Any]:
            running.stop(request.session_hash or "")
            return show({**all_of, name: ()}, name, busy=False)

        def turn_to(name: str, all_of: Conversations, request: gr.Request) -> list[Any]:
            chosen = seen(request).get(name)
            if chosen is None:
                return [gr.skip()] * (len(view) + 2)
            changed = interrupt(name, all_of, request)
            samples = [[text] for text in chosen.examples[language]]
            changed[view.index(examples)] = gr.Dataset(samples=samples, visible=not all_of.get(name))
            return [*changed, top(name, request), description_html(chosen, language)]

        def arrive(request: gr.Request) -> list[Any]:
            """The visitor's domains and name. Of the domains that which the address names, so that the language switch
            does not lose it; what else belongs to it comes as it is chosen.
            """
            domains, wanted = seen(request), request.query_params.get("domain", "")
            name = wanted if wanted in domains else next(iter(domains), None)
            choices = [(entry.title[language], key) for key, entry in domains.items()]
            about = gr.skip() if name else nothing_html(language)
            return [gr.Radio(choices=choices, value=name), top(name or "", request), about]

        def leave(request: gr.Request) -> None:
            running.stop(request.session_hash or "")

        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        asking: dict[str, Any] = {"outputs": [*view, question], **quiet}
        answers = [
            gr.on([question.submit, send.click], ask, inputs=[question, domain, conversations], **asking),
            examples.click(ask_example, inputs=[examples, domain, conversations], **asking),
        ]
        now = {"inputs": [domain, conversations], "cancels": answers, "queue": False, **quiet}
        halt.click(interrupt, outputs=view, **now)
        clear.click(begin_anew, outputs=view, **now)
        domain.change(turn_to, outputs=[*view, header, description], **now)
        page.load(arrive, outputs=[domain, header, description], queue=False, **quiet)
        page.unload(leave)
    # Gradio lets nobody wait: there is a place at once, or none.
    page.max_threads = entrance.answers + _TOLD_AT_ONCE
    page.queue(default_concurrency_limit=None, max_size=_QUEUED, api_open=False)
    page.state_session_capacity = SESSIONS
    return page


def _caller(request: gr.Request) -> Caller:
    """Whoever sent what a handler of Gradio answers."""
    return caller_of(request.request) if request.request else Caller()


async def _events(
    engine: Answering, entrance: Entrance, caller: Caller, question: Question, stopped: threading.Event
) -> AsyncGenerator[Event, None]:
    """The engine's events. Where there is no place, or a fault that it did not foresee, a sentence for the visitor."""
    strings = texts(question.interface_language)
    try:
        async with entrance.enter(ANSWER, caller) as place:
            async with aclosing(place.answer(engine, question, _LOOK_SECONDS, stopped.is_set)) as events:
                async for event in events:
                    if event is not None:
                        yield event
    except Refused as refused:
        yield Failed(refused.code, strings[refused.code].format(seconds=refused.seconds))
    except Exception:
        logger.exception("An answer failed for a reason that was not foreseen.")
        yield Failed("internal", strings["unexpected"])
