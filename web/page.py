"""The page of one interface language: its parts, and which handler runs for what a visitor does.

State is kept per visitor (`gr.State`): a conversation for each domain. Nothing is shared between visitors.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

import gradio as gr

from rag.answer import Engine
from rag.settings import Domain
from web.access.visitors import COOKIE
from web.entrance import Entrance
from web.header import header_html, nothing_html, notice_html
from web.kept import Keeper
from web.passages import passages_html
from web.shell import modes_html, side_html, skip_html, slot_html, standing_html
from web.talk import PARTS, Answering, Conversations, Given, Talk, visitor_of
from web.texts import texts

# Whoever finds no place is told so at once, by a handler that has to run for it.
_TOLD_AT_ONCE = 32
_QUEUED = 1000
# What a question waits for its handler at most.
_LOOK_SECONDS = 0.01
# Nothing here tells of progress but by what it shows.
_PROGRESS_SECONDS = 1.0
SESSIONS = 1000
"""Visits of a process whose conversations are kept in one language: Gradio forgets none before, also where the page was
closed long ago, and each takes some 50 kB."""

# Nothing is sent before the page has arrived, see static/js/whole.js.
_TYPED = "(text, domain, all) => [window.lacerta.order(text), domain, all]"
_SENT = "(text, domain, all) => [window.lacerta.take('{name}'), domain, all]"
_STOPPED = "(text, domain, all) => [window.lacerta ? window.lacerta.shown() : '', domain, all]"
_CLEARED = "(text, domain, all) => [window.lacerta ? window.lacerta.clear() : '', domain, all]"
_KEPT = "(text) => { const tell = () => window.lacerta ? window.lacerta.kept(text) : setTimeout(tell, 50); tell(); }"


def build(
    engine: Answering,
    language: str,
    entrance: Entrance,
    shown: Mapping[str, Domain],
    library: Engine | None = None,
    given: Given | None = None,
) -> gr.Blocks:
    """The page in one interface language. `shown` are the domains that every visitor sees; all else is told on load.

    `library` is where documents are looked up, `given` is told of every answer.
    """
    strings = texts(language)
    talk = Talk(engine, language, entrance, Keeper(library, language), given)
    with gr.Blocks(title=strings["page_title"], analytics_enabled=False) as page:
        gr.HTML(skip_html(language), elem_id="skip", padding=False)
        first = next(iter(shown), None)
        with gr.Row(elem_id="bar"):
            header = gr.HTML(header_html(language, first or ""), elem_id="header", padding=False)
        if not engine.domains:
            gr.HTML(f"<h2>{escape(strings['no_domains_title'])}</h2><p>{escape(strings['no_domains'])}</p>")
            return page
        with gr.Row(elem_id="about"):
            domain = gr.Radio(
                [(entry.title[language], name) for name, entry in shown.items()],
                value=first, label=strings["domain"], show_label=False, container=False, elem_id="domain",
            )  # fmt: skip
            gr.HTML(modes_html(language), elem_id="modes-place", padding=False)
        # Every handler checks it; the choices would be those of the process that the visitor's page was opened with.
        domain.preprocess = lambda payload: payload  # type: ignore[method-assign]
        notice = gr.HTML(notice_html(shown[first], language) if first else "", elem_id="notice", padding=False)
        gr.HTML(standing_html(), elem_id="standing-place", padding=False)
        conversations = gr.State({}, time_to_live=24 * 3600)
        with gr.Row(elem_id="columns", equal_height=False):
            with gr.Column(scale=0, min_width=0, elem_id="side"):
                gr.HTML(side_html(language), padding=False)
            with gr.Column(scale=3, min_width=320, elem_id="talk"):
                with gr.Column(elem_id="chat"):
                    earlier = gr.HTML("", elem_id="earlier", padding=False)
                    current = gr.HTML(
                        talk.current((), shown[first] if first else None), elem_id="current", padding=False
                    )
                gr.HTML(slot_html("own") + slot_html("filters"), elem_id="before-entry", padding=False)
                with gr.Row(elem_id="entry"):
                    question = gr.Textbox(
                        placeholder=strings["question_hint"], label=strings["question"], show_label=False,
                        container=False, lines=1, max_lines=6, elem_id="question", scale=1,
                    )  # fmt: skip
                    send = gr.Button(strings["send"], variant="primary", elem_id="send", scale=0, min_width=96)
                    halt = gr.Button(strings["stop"], elem_id="stop", scale=0, min_width=96)
                with gr.Row(elem_id="below"):
                    said = gr.HTML("<p></p>", elem_id="said", padding=False)
                    clear = gr.Button(strings["clear"], size="sm", elem_id="clear", scale=0)
            with gr.Column(scale=2, min_width=300, elem_id="sources"):
                passages = gr.HTML(passages_html((), strings), elem_id="passages", padding=False)
        gr.HTML('<section id="search" hidden></section>', elem_id="search-place", padding=False)
        # What the page's own scripts use, see static/js/bridge.js.
        payload = gr.Textbox(visible="hidden", elem_id="payload")
        kept = gr.Textbox(visible="hidden", elem_id="kept")
        do = {name: gr.Button(visible="hidden", elem_id=f"do-{name}") for name in ("ask", "restore", "clear")}

        parts: dict[str, Any] = {
            "conversations": conversations, "earlier": earlier, "current": current, "passages": passages,
            "said": said, "kept": kept,
        }  # fmt: skip
        view = [parts[name] for name in PARTS]

        def top(name: str, request: gr.Request) -> str:
            visitor = visitor_of(request)
            can_leave = bool(request.request and COOKIE in request.request.cookies)
            who = visitor.name if visitor.kind == "login" else ""
            return header_html(language, name, who, can_leave, visitor.maintainer)

        def turn_to(name: str, all_of: Conversations, request: gr.Request, why: str = "turned") -> list[Any]:
            chosen = talk.seen(request).get(name)
            if chosen is None:
                return [gr.skip()] * (len(view) + 2)
            changed = talk.interrupt(name, all_of, request, why)
            return [*changed, top(name, request), notice_html(chosen, language)]

        def arrive(request: gr.Request) -> list[Any]:
            """The visitor's domains and name. Of the domains that which the address names, so that the language switch
            does not lose it.
            """
            domains, wanted = talk.seen(request), request.query_params.get("domain", "")
            choices = [(entry.title[language], key) for key, entry in domains.items()]
            name = wanted if wanted in domains else next(iter(domains), "")
            if not name:
                nothing = talk.arrived("", request)
                return [gr.Radio(choices=choices, value=None), *nothing, top("", request), nothing_html(language)]
            if name == first:
                # All else is there already.
                return [gr.Radio(choices=choices), *talk.arrived(name, request), top(name, request), gr.skip()]
            return [gr.Radio(choices=choices, value=name), *turn_to(name, {}, request, "arrived")]

        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        # A question that comes while another one is answered is refused by its handler, which knows until when.
        asking: dict[str, Any] = {"outputs": [*view, question], "trigger_mode": "multiple", **quiet}
        ordered = [payload, domain, conversations]
        answers = [
            gr.on(
                [question.submit, send.click], talk.ask, inputs=[question, domain, conversations], js=_TYPED, **asking
            ),
            do["ask"].click(talk.ask, inputs=ordered, js=_SENT.format(name="ask"), **asking),
        ]
        here: dict[str, Any] = {"outputs": view, "queue": False, **quiet}
        ending = {"cancels": answers, **here}
        halt.click(talk.stop, inputs=ordered, js=_STOPPED, **ending)
        clear.click(talk.begin_anew, inputs=ordered, js=_CLEARED, **ending)
        do["clear"].click(talk.begin_anew, inputs=ordered, js=_SENT.format(name="clear"), **ending)
        do["restore"].click(talk.restore, inputs=ordered, js=_SENT.format(name="restore"), **ending)
        whole = [*view, header, notice]
        # Which one is chosen while another one is on its way is not forgotten.
        turning = ending | {"outputs": whole, "trigger_mode": "always_last"}
        domain.input(turn_to, inputs=[domain, conversations], **turning)
        page.load(arrive, **(here | {"outputs": [domain, *whole]}))
        page.unload(talk.leave)
        kept.change(None, inputs=[kept], js=_KEPT)
    # Gradio lets nobody wait: there is a place at once, or none.
    page.max_threads = entrance.answers + _TOLD_AT_ONCE
    page.queue(default_concurrency_limit=None, max_size=_QUEUED, api_open=False)
    page.state_session_capacity = SESSIONS
    # It looks for questions a thousand times a second, for each language, and would use a twentieth of a processor.
    page._queue.sleep_when_free = _LOOK_SECONDS
    page._queue.progress_update_sleep_when_free = _PROGRESS_SECONDS
    return page
