"""What visitors said of answers, as a list with what it is about, and how questions are made of it."""

from html import escape

from fastapi.responses import Response

from rag.feedback import RATINGS, Feedback, Passage, Store
from rag.settings import Settings
from web.maintain.frame import Reader, choices, command, facts, nothing, page, paging, searched
from web.maintain.overview import rated_of
from web.maintain.wanted import ROWS
from web.maintain.words import moment
from web.numbers import number


def said(reader: Reader, settings: Settings, store: Store) -> Response:
    """The page. Blocks; raises FeedbackUnavailable."""
    strings, wanted = reader.texts, reader.wanted
    rating = wanted.of if wanted.of in RATINGS else ""
    found = [*store.latest(rated_of(reader, rating), wanted.offset, ROWS + 1)]
    about = "" if settings.feedback else f'<p class="said">{escape(strings["maintain_feedback_off"])}</p>'
    if settings.feedback and not settings.feedback_texts:
        about = f'<p class="said">{escape(strings["maintain_texts_off"])}</p>'
    ratings = {name: strings[f"maintain_{name}"] for name in ("down", "up")}
    chosen = choices(reader, "feedback", ratings, strings["maintain_rating"], "feedback")
    items = "".join(f"<li>{_item(reader, item)}</li>" for item in found[:ROWS])
    listed = f'<ol class="items">{items}</ol>' if items else nothing(reader)
    return page(
        reader, "feedback", f"{about}{chosen}{listed}{paging(reader, 'feedback', len(found) > ROWS)}{_next(reader)}"
    )


def _next(reader: Reader) -> str:
    """The commands that make questions of it."""
    strings = reader.texts
    made = [f"python -m evaluation feedback {name} --candidates {name}.jsonl" for name in reader.chosen]
    taken = [f"python -m evaluation accept {name}.jsonl {name}" for name in reader.chosen]
    if not made:
        return ""
    return (
        f"<section><p>{escape(strings['maintain_candidates'])}</p>{command(*made)}"
        f"<p>{escape(strings['maintain_candidates_next'])}</p>{command(*taken)}</section>"
    )


def _item(reader: Reader, item: Feedback) -> str:
    strings, language, given = reader.texts, reader.language, item.given
    tone = "good" if item.rating == "up" else "poor"
    reason = f" <span>{escape(strings[f'feedback_{item.reason}'])}</span>" if item.reason else ""
    head = (
        f'<p class="head"><span class="mark {tone}">{escape(strings[f"maintain_{item.rating}"])}</span>{reason} '
        f'<time datetime="{escape(item.created)}">{escape(moment(item.created, language))}</time></p>'
    )
    typed = "".join(
        f'<p class="label">{escape(strings[f"maintain_{name}"])}</p><blockquote dir="auto">{escape(text)}</blockquote>'
        for name, text in (("correction", item.correction), ("comment", item.comment))
        if text
    )
    if given is None:
        return f'{head}{typed}<p class="note">{escape(strings["maintain_gone"])}</p>'
    known = facts(
        [
            (strings["maintain_domain"], given.domain),
            (strings["maintain_why"], "" if given.answerable else strings["maintain_refused"]),
            (strings["maintain_confidence"], number(given.confidence, 2, language)),
            (strings["maintain_model"], given.model),
            (strings["maintain_index_version"], given.index_version),
            (strings["maintain_program"], item.revision),
        ]
    )
    if given.texts is None:
        return f'{head}{typed}{known}<p class="note">{escape(strings["maintain_without_texts"])}</p>'
    told = given.texts
    other = searched(reader, told.searched if told.searched != told.question else "")
    passages = "".join(_passage(passage, strings["page"]) for passage in told.passages)
    more = (
        f"<details><summary>{escape(strings['maintain_passages'])}</summary><ol>{passages}</ol></details>"
        if passages
        else ""
    )
    return (
        f'{head}<p class="asked" dir="auto">{escape(told.question)}</p>{other}{typed}'
        f'<div class="more"><details><summary>{escape(strings["maintain_answer"])}</summary>'
        f'<div class="text" dir="auto">{escape(told.answer)}</div></details>{more}</div>{known}'
    )


def _passage(passage: Passage, page_of: str) -> str:
    mark = ' class="cited"' if passage.cited else ""
    place = f"{passage.document}, {page_of.format(page=passage.page)}"
    return f'<li{mark}><cite>{escape(place)}</cite><div class="text" dir="auto">{escape(passage.quote)}</div></li>'
