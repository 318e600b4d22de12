"""The conversation as HTML: questions, answers with their citations as links, and what is said about an answer."""

from collections.abc import Mapping, Sequence
from html import escape

from rag.types import UNSUPPORTED, Answer, Citation
from web.conversation import Conversation, Exchange
from web.filtered import filter_words
from web.markup import answer_html, plain_html
from web.mascot import mascot_html
from web.passages import anchor, quotes_of
from web.why import level, why_html

SHOWN_QUESTION = 600
"""Characters of a question that are shown in the conversation; a longer one stays whole in the input box."""


def chat_html(conversation: Conversation, texts: Mapping[str, str]) -> str:
    """All exchanges; the empty state where there is none."""
    return earlier_html(conversation, texts) + current_html(conversation, texts)


def earlier_html(conversation: Conversation, texts: Mapping[str, str]) -> str:
    """All exchanges but the last: they stay as they are while it is written."""
    return "".join(_exchange(exchange, texts) for exchange in conversation[:-1])


def current_html(
    conversation: Conversation, texts: Mapping[str, str], about: str = "", examples: Sequence[str] = ()
) -> str:
    """The last exchange; where there is none, what the domain is about, what to do and questions to try."""
    if conversation:
        return _exchange(conversation[-1], texts)
    tried = "".join(
        f'<li><button type="button" class="example" data-action="example">{escape(text)}</button></li>'
        for text in examples
    )
    title = escape(texts["examples"])
    listed = (
        f'<h2 class="group" id="examples-title">{title}</h2>'
        f'<ul id="examples" aria-labelledby="examples-title">{tried}</ul>'
    )
    described = f'<p id="description">{escape(about)}</p>' if about else ""
    return (
        f'<div class="empty">{mascot_html("hello")}<h2>{escape(texts["theme_hello"])}</h2>'
        f'<p class="how">{escape(texts["empty"])}</p>{described}</div>{listed if tried else ""}'
    )


def status(conversation: Conversation, texts: Mapping[str, str]) -> str:
    """What a screen reader should say of the last exchange."""
    if not conversation:
        return ""
    last = conversation[-1]
    if last.failure:
        return last.failure
    if last.stopped:
        return texts["stopped"]
    if last.answer:
        return texts["finished"]
    return _waiting(last, texts)


def _waiting(exchange: Exchange, texts: Mapping[str, str]) -> str:
    if exchange.hits is None:
        return texts["searching"]
    return texts["queued"].format(position=exchange.position) if exchange.position else texts["writing"]


def _exchange(exchange: Exchange, texts: Mapping[str, str]) -> str:
    question = exchange.question
    if len(question) > SHOWN_QUESTION:
        question = f"{question[:SHOWN_QUESTION]} …"
    rated = f' data-answer="{escape(exchange.identifier)}"' if exchange.identifier else ""
    return (
        f'<section class="exchange {"open" if exchange.open else "ended"}" data-number="{exchange.number}"{rated}>'
        f'<h2 class="question">{plain_html(question)}</h2>'
        f'<div class="answer">{_picture(exchange)}{_filtered(exchange, texts)}{_searched(exchange, texts)}'
        f"{_body(exchange, texts)}</div></section>"
    )


def _picture(exchange: Exchange) -> str:
    """Who looks for passages, has found some, or is sorry; the style sheet shows who gives an answer."""
    answer = exchange.answer
    if exchange.failure or answer and not answer.answerable and not answer.courtesy:
        return mascot_html("sorry")
    if exchange.open and not exchange.text:
        return mascot_html("found" if exchange.hits else "thinking")
    return ""


def _filtered(exchange: Exchange, texts: Mapping[str, str]) -> str:
    """Which documents alone were searched."""
    words = filter_words(exchange.filters, texts)
    used = f"<span>{escape(texts['filter_used'])}</span>"
    return f'<p class="used-filters">{used} {escape(words)}</p>' if words else ""


def _searched(exchange: Exchange, texts: Mapping[str, str]) -> str:
    """What was searched for, where a follow-up was made whole."""
    if not exchange.searched:
        return ""
    searched = escape(texts["searched"])
    return f'<p class="searched"><span>{searched}</span> {plain_html(exchange.searched[:SHOWN_QUESTION])}</p>'


def _body(exchange: Exchange, texts: Mapping[str, str]) -> str:
    answer = exchange.answer
    # Until an answer is finished its numbers are the model's own, of what it was given.
    cited: dict[int, list[Citation]] = {}
    for citation in answer.citations if answer else ():
        cited.setdefault(citation.number, []).append(citation)
    # Where a number stands as often as it has quotes, each is that of one sentence.
    each = {number: iter(found) for number, found in cited.items() if exchange.text.count(f"[{number}]") == len(found)}

    def link(number: int) -> str | None:
        if number not in cited:
            return None
        citation = next(each.get(number, iter(())), cited[number][0])
        chunk, label = citation.chunk, escape(texts["citation"].format(number=number))
        start, end = next(iter(quotes_of(chunk, (citation,))), (0, len(chunk.text)))
        return (
            f'<a class="citation" href="#{anchor(exchange, number)}" aria-label="{label}"'
            f' data-document="{escape(chunk.document_id)}" data-chunk="{escape(chunk.id)}"'
            f' data-start="{start}" data-end="{end}" data-page="{citation.page}">[{number}]</a>'
        )

    doubt = escape(texts["unsupported"])
    mark = f'<abbr class="unsupported" role="img" title="{doubt}" aria-label="{doubt}">?</abbr>'
    # No escaping changes the sign that the check of citations puts behind a sentence.
    text = answer_html(exchange.text, link).replace(UNSUPPORTED, mark)
    if answer:
        notices = "".join(f'<p class="notice">{plain_html(notice)}</p>' for notice in answer.notices)
        if UNSUPPORTED in exchange.text:
            # Not everybody has a pointer that could rest on the mark.
            sign = '<span class="unsupported" aria-hidden="true">?</span>'
            notices += f'<p class="facts"><span>{sign} {doubt}</span></p>'
        after = f"{notices}{_facts(answer, texts)}{_actions(exchange, texts)}{why_html(exchange, texts)}"
        return f'<div class="text" lang="{escape(answer.language)}">{text}</div>{after}'
    if exchange.failure:
        return (
            f'{text}<p class="failure">{plain_html(exchange.failure)}</p>'
            f'<p class="facts"><span>{escape(texts["question_returned"])}</span></p>{_actions(exchange, texts)}'
        )
    if exchange.stopped:
        return f'{text}<p class="facts"><span>{escape(texts["stopped"])}</span></p>{_actions(exchange, texts)}'
    return text or f'<p class="waiting"><i></i><i></i><i></i> {escape(_waiting(exchange, texts))}</p>'


def _facts(answer: Answer, texts: Mapping[str, str]) -> str:
    facts = []
    if answer.answerable and not answer.courtesy:
        word = level(answer.confidence)
        facts.append(
            f'<span class="confidence {word}">'
            f"{escape(texts['confidence'].format(level=texts[f'confidence_{word}']))}</span>"
        )
        by_model = texts["answered_by"].format(model=answer.model)
        facts.append(f"<span>{escape(texts['extractive'] if answer.model == 'extractive' else by_model)}</span>")
    return f'<p class="facts">{"".join(facts)}</p>' if facts else ""


def _actions(exchange: Exchange, texts: Mapping[str, str]) -> str:
    """What can be done with an exchange; the page's own modules do it."""
    answer = exchange.answer
    said = answer is not None and not answer.courtesy
    names = [
        *(("copy",) if answer or exchange.text else ()),
        "again",
        "edit",
        *(("speak", "export") if answer else ()),
        *(("up", "down") if exchange.identifier and said else ()),
    ]
    buttons = "".join(
        f'<button type="button" data-action="{name}" title="{escape(texts[f"chat_{name}"])}">'
        f"<span>{escape(texts[f'chat_{name}'])}</span></button>"
        for name in names
    )
    return f'<div class="actions" role="group" aria-label="{escape(texts["chat_actions"])}">{buttons}</div>'
