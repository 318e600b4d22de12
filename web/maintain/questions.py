"""Questions that found no answer, or one of low confidence, as a list."""

from html import escape
from itertools import islice

from fastapi.responses import Response

from rag.settings import Settings
from web.maintain.frame import Reader, choices, command, facts, nothing, page, paging, searched
from web.maintain.journal import MOST_QUESTIONS, QUESTION_DAYS, UNANSWERED, WEAK, Asked, Journal
from web.maintain.wanted import ROWS
from web.maintain.words import count, moment
from web.numbers import number


def questions(reader: Reader, settings: Settings, journal: Journal) -> Response:
    """The page. Blocks; raises JournalUnavailable."""
    strings, wanted = reader.texts, reader.wanted
    why = wanted.of if wanted.of in (UNANSWERED, WEAK) else ""
    found = [*islice(journal.questions(reader.chosen, reader.since, why, wanted.offset, ROWS + 1), ROWS + 1)]
    limits = {"most": count(MOST_QUESTIONS, reader.language), "days": QUESTION_DAYS}
    about = f'<p class="note">{escape(strings["maintain_questions_text"].format(**limits))}</p>'
    if not settings.keep_questions:
        off = escape(strings["maintain_questions_off"])
        about += f'<div class="said"><p>{off}</p>{command("LACERTA_KEEP_QUESTIONS=true")}</div>'
    items = "".join(f"<li>{_item(reader, item)}</li>" for item in found[:ROWS])
    listed = f'<ol class="items">{items}</ol>' if items else nothing(reader) if settings.keep_questions else ""
    outcomes = {UNANSWERED: strings["maintain_refused"], WEAK: strings["maintain_low"]}
    chosen = choices(reader, "questions", outcomes, strings["maintain_why"], "questions")
    return page(reader, "questions", f"{about}{chosen}{listed}{paging(reader, 'questions', len(found) > ROWS)}")


def _item(reader: Reader, item: Asked) -> str:
    strings, language = reader.texts, reader.language
    name, tone = ("refused", "fair") if item.why == UNANSWERED else ("low", "poor")
    return (
        f'<p class="head"><span class="mark {tone}">{escape(strings[f"maintain_{name}"])}</span> '
        f'<time datetime="{escape(item.created)}">{escape(moment(item.created, language))}</time></p>'
        f'<p class="asked" dir="auto">{escape(item.question)}</p>{searched(reader, item.searched)}'
        + facts(
            [
                (strings["maintain_domain"], item.domain),
                (strings["maintain_confidence"], number(item.confidence, 2, language)),
                (strings["maintain_model"], item.model),
                (strings["maintain_index_version"], item.index_version),
            ]
        )
    )
