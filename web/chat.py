"""The conversation as HTML: questions, answers with their citations as links, and what is said about an answer."""

from collections.abc import Mapping
from html import escape

from rag.types import UNSUPPORTED, Answer
from web.conversation import Conversation, Exchange
from web.markup import answer_html, plain_html
from web.passages import anchor

SHOWN_QUESTION = 600
"""Characters of a question that are shown in the conversation; a longer one stays whole in the input box."""
CONFIDENCE = ((0.75, "high"), (0.5, "medium"), (0.0, "low"))
"""Lower bounds of the words for an answer's confidence."""


def chat_html(conversation: Conversation, texts: Mapping[str, str]) -> str:
    """All exchanges; the empty state where there is none."""
    if not conversation:
        return (
            '<div class="empty"><img src="/static/lizard.svg" alt="" width="72" height="72">'
            f"<p>{escape(texts['empty'])}</p></div>"
        )
    return "".join(_exchange(exchange, texts) for exchange in conversation)


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
    return (
        f'<section class="exchange {"open" if exchange.open else "ended"}">'
        f'<div class="question" aria-label="{escape(texts["you"])}">'
        f'{plain_html(question)}</div><div class="answer">{_searched(exchange, texts)}{_body(exchange, texts)}</div>'
        "</section>"
    )


def _searched(exchange: Exchange, texts: Mapping[str, str]) -> str:
    """What was searched for, where a follow-up was made whole."""
    if not exchange.searched:
        return ""
    searched = escape(texts["searched"])
    return f'<p class="searched"><span>{searched}</span> {plain_html(exchange.searched[:SHOWN_QUESTION])}</p>'


def _body(exchange: Exchange, texts: Mapping[str, str]) -> str:
    answer = exchange.answer
    # Until an answer is finished its numbers are the model's own, of what it was given.
    numbers = {citation.number for citation in answer.citations} if answer else set()

    def link(number: int) -> str | None:
        if number not in numbers:
            return None
        label = escape(texts["citation"].format(number=number))
        return f'<a class="citation" href="#{anchor(exchange, number)}" aria-label="{label}">[{number}]</a>'

    doubt = escape(texts["unsupported"])
    mark = f'<abbr class="unsupported" title="{doubt}" aria-label="{doubt}">?</abbr>'
    # No escaping changes the sign that the check of citations puts behind a sentence.
    text = answer_html(exchange.text, link).replace(UNSUPPORTED, mark)
    if answer:
        notices = "".join(f'<p class="notice">{plain_html(notice)}</p>' for notice in answer.notices)
        return f'<div class="text" lang="{escape(answer.language)}">{text}</div>{notices}{_facts(answer, texts)}'
    if exchange.failure:
        return (
            f'{text}<p class="failure">{plain_html(exchange.failure)}</p>'
            f'<p class="facts"><span>{escape(texts["question_returned"])}</span></p>'
        )
    if exchange.stopped:
        return f'{text}<p class="facts"><span>{escape(texts["stopped"])}</span></p>'
    return text or f'<p class="waiting"><i></i><i></i><i></i> {escape(_waiting(exchange, texts))}</p>'


def _facts(answer: Answer, texts: Mapping[str, str]) -> str:
    facts = []
    if answer.answerable and not answer.courtesy:
        level = next(word for bound, word in CONFIDENCE if answer.confidence >= bound)
        facts.append(
            f'<span class="confidence {level}">'
            f"{escape(texts['confidence'].format(level=texts[f'confidence_{level}']))}</span>"
        )
        by_model = texts["answered_by"].format(model=answer.model)
        facts.append(f"<span>{escape(texts['extractive'] if answer.model == 'extractive' else by_model)}</span>")
    return f'<p class="facts">{"".join(facts)}</p>' if facts else ""
