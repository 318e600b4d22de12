"""The page of one interface language: a thin converter of the engine's events into what the visitor sees.

State is kept per visitor (`gr.State`): a conversation for each domain. Nothing is shared between visitors.
"""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Protocol

import gradio as gr

from rag.settings import LANGUAGES, Domain
from rag.types import Event, Failed, Question, Token
from web.chat import chat_html, status
from web.conversation import Conversation, Exchange, advance, stop, turns
from web.logs import REQUEST_ID
from web.passages import passages_html
from web.texts import texts

logger = logging.getLogger(__name__)

CONCURRENT_ANSWERS = 8
WAITING_QUESTIONS = 64
REDRAW_SECONDS = 0.06
"""Tokens that come faster than this are drawn together."""

SETTLE_SECONDS = 0.1

Conversations = dict[str, Conversation]


class Answering(Protocol):
    """What the page needs of the engine."""

    domains: dict[str, Domain]

    def stream(self, question: Question, cancelled: Any = ...) -> Iterator[Event]: ...


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


def header_html(language: str, domain: str) -> str:
    """Name, tagline and the language switch, which keeps the chosen domain."""
    strings = texts(language)
    links = "".join(
        f'<a href="/?language={code}&amp;domain={escape(domain)}" lang="{code}" hreflang="{code}"'
        f"{' aria-current=true' if code == language else ''}>{escape(texts(code)['language'])}</a>"
        for code in LANGUAGES
    )
    return (
        '<div class="top"><div class="brand"><img src="/static/lizard.svg" alt="" width="40" height="40">'
        f"<div><h1>Lacerta</h1><p>{escape(strings['tagline'])}</p></div></div>"
        f'<nav class="languages" aria-label="{escape(strings["interface_language"])}">{links}</nav></div>'
    )


def description_html(domain: Domain, language: str) -> str:
    """What a domain is about, and its notice where it has one."""
    notice = domain.notice.get(language, "")
    badge = f'<p class="sample">{escape(notice)}</p>' if notice else ""
    return f"<p>{escape(domain.description[language])}</p>{badge}"


def build(engine: Answering, language: str) -> gr.Blocks:
    """The page in one interface language."""
    strings = texts(language)
    running = Running()
    with gr.Blocks(title=strings["page_title"], analytics_enabled=False) as page:
        if not engine.domains:
            gr.HTML(header_html(language, ""), elem_id="header")
            gr.HTML(f"<h2>{escape(strings['no_domains_title'])}</h2><p>{escape(strings['no_domains'])}</p>")
            return page
        first = next(iter(engine.domains))
        header = gr.HTML(header_html(language, first), elem_id="header")
        domain = gr.Radio(
            [(entry.title[language], name) for name, entry in engine.domains.items()],
            value=first, label=strings["domain"], show_label=False, container=False, elem_id="domain",
        )  # fmt: skip
        description = gr.HTML(description_html(engine.domains[first], language), elem_id="description")
        conversations = gr.State({}, time_to_live=24 * 3600)
        with gr.Row(elem_id="columns", equal_height=False):
            with gr.Column(scale=3, min_width=320, elem_id="talk"):
                chat = gr.HTML(chat_html((), strings), elem_id="chat", padding=False)
                examples = gr.Dataset(
                    label=strings["examples"], components=[gr.Textbox(visible=False)], samples_per_page=12,
                    samples=[[text] for text in engine.domains[first].examples[language]], elem_id="examples",
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

        def ask(text: str, name: str, all_of: Conversations, request: gr.Request) -> Iterator[list[Any]]:
            """Streams an answer. The text comes back into the box where it could not be answered."""
            if not text.strip():
                yield [*show(all_of, name, busy=False, said=strings["question_missing"]), gr.skip()]
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
                for event in _events(engine, asked, stopped, strings):
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

        def ask_example(
            sample: list[str], name: str, all_of: Conversations, request: gr.Request
        ) -> Iterator[list[Any]]:
            yield from ask(sample[0], name, all_of, request)

        def interrupt(name: str, all_of: Conversations, request: gr.Request) -> list[Any]:
            running.stop(request.session_hash or "")
            return show({key: stop(value) for key, value in all_of.items()}, name, busy=False)

        def begin_anew(name: str, all_of: Conversations, request: gr.Request) -> list[Any]:
            running.stop(request.session_hash or "")
            return show({**all_of, name: ()}, name, busy=False)

        def turn_to(name: str, all_of: Conversations, request: gr.Request) -> list[Any]:
            chosen = engine.domains[name]
            shown = interrupt(name, all_of, request)
            samples = [[text] for text in chosen.examples[language]]
            shown[view.index(examples)] = gr.Dataset(samples=samples, visible=not all_of.get(name))
            return [*shown, header_html(language, name), description_html(chosen, language)]

        def arrive(request: gr.Request) -> Any:
            """The domain that the address names, so that the language switch does not lose it."""
            wanted = request.query_params.get("domain", "")
            return wanted if wanted in engine.domains else gr.skip()

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
        page.load(arrive, outputs=domain, queue=False, **quiet)
        page.unload(leave)
    page.queue(default_concurrency_limit=CONCURRENT_ANSWERS, max_size=WAITING_QUESTIONS, api_open=False)
    return page


def _events(
    engine: Answering, question: Question, stopped: threading.Event, strings: Mapping[str, str]
) -> Iterator[Event]:
    """The engine's events; a fault that it did not foresee is logged and becomes a sentence for the visitor."""
    try:
        yield from engine.stream(question, stopped.is_set)
    except Exception:
        logger.exception("An answer failed for a reason that was not foreseen.")
        yield Failed("internal", strings["unexpected"])
