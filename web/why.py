"""Why an answer is what it is, as HTML: what was searched for, where each passage stood, how sure it is, how long."""

from collections.abc import Mapping
from html import escape

from rag.types import Answer, Chunk, Hit, Retrieval
from web.conversation import Exchange
from web.numbers import number

CONFIDENCE = ((0.75, "high"), (0.5, "medium"), (0.0, "low"))
"""Lower bounds of the words for an answer's confidence."""
STAGES = ("understand", "lexical", "embed", "dense", "evidence", "select", "retrieval", "first_token", "total")
"""Stages of an answer that have a time, in order; the last three count from the question's arrival."""
_SHOWN_QUERY = 400


def level(confidence: float) -> str:
    """The word for a confidence in [0, 1]: high, medium or low."""
    return next((word for bound, word in CONFIDENCE if confidence >= bound), CONFIDENCE[-1][1])


def why_html(exchange: Exchange, texts: Mapping[str, str]) -> str:
    """A folded table of how an answer came about; what is not known of a restored one is left out."""
    answer, found = exchange.answer, exchange.found
    if not answer or answer.courtesy:
        return ""
    facts = [*(_searched(exchange, found, texts) if found else ()), *_answered(exchange, answer, texts)]
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in facts)
    passages = _passages(answer, found.hits, texts) if found and found.hits else ""
    return (
        f'<details class="why" data-key="why-{exchange.number}"><summary data-action="why">'
        f"{escape(texts['chat_why'])}</summary><dl>{rows}</dl>{passages}{_timings(answer, texts)}</details>"
    )


def _searched(exchange: Exchange, found: Retrieval, texts: Mapping[str, str]) -> list[tuple[str, str]]:
    facts = [(texts["chat_why_language"], escape(_language(found.language, texts)))]
    if exchange.searched:
        facts.append((texts["chat_why_searched"], escape(exchange.searched[:_SHOWN_QUERY])))
    facts += [
        (
            texts["chat_why_words"].format(language=_language(group, texts)),
            f'<span lang="{escape(group)}">{escape(query[:_SHOWN_QUERY])}</span>',
        )
        for group, query in found.queries.items()
    ]
    if found.named:
        facts.append((texts["chat_why_terms"], escape(", ".join(found.named))))
    return facts


def _answered(exchange: Exchange, answer: Answer, texts: Mapping[str, str]) -> list[tuple[str, str]]:
    word, value = texts[f"confidence_{level(answer.confidence)}"], number(answer.confidence, 2, texts["code"])
    facts = [(texts["chat_why_confidence"], escape(texts["chat_why_sure"].format(level=word, value=value)))]
    if answer.model:
        model = texts["extractive"] if answer.model == "extractive" else answer.model
        facts.append((texts["chat_why_model"], escape(model)))
    if answer.cached:
        facts.append((texts["chat_why_kept"], escape(texts["chat_why_cached"])))
    facts += [(texts["chat_why_failed"], escape(f"{name}: {reason}")) for name, reason in answer.failures]
    found = exchange.found
    left = [source for hit in found.hits for source in hit.also] if found else []
    if left:
        facts.append((texts["chat_why_dropped"], escape(", ".join(dict.fromkeys(left)))))
    return facts


def _passages(answer: Answer, hits: tuple[Hit, ...], texts: Mapping[str, str]) -> str:
    numbers = {citation.chunk.id: citation.number for citation in reversed(answer.citations)}
    heads = ("chat_why_passage", "chat_why_lexical", "chat_why_dense", "chat_why_score", "chat_why_used")
    head = "".join(f'<th scope="col">{escape(texts[name])}</th>' for name in heads)

    def row(hit: Hit) -> str:
        cited = numbers.get(hit.chunk.id)
        used = f"[{cited}]" if cited else texts["chat_why_unused"]
        score = number(hit.score, 2, texts["code"])
        ranks = "".join(f"<td>{hit.ranks.get(ranker) or '–'}</td>" for ranker in ("lexical", "dense"))
        return (
            f'<tr><th scope="row"><span>{escape(hit.chunk.title)}</span>{_place(hit.chunk, texts)}</th>{ranks}'
            f"<td>{score}</td><td>{escape(used)}</td></tr>"
        )

    # Wider than a phone: it is moved by itself, also by the keyboard.
    return (
        f'<div class="table" role="region" tabindex="0" aria-label="{escape(texts["chat_why_passages"])}"><table>'
        f"<caption>{escape(texts['chat_why_passages'])}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(map(row, hits))}</tbody></table></div>"
    )


def _place(chunk: Chunk, texts: Mapping[str, str]) -> str:
    """Which passage of its document it is: its page, where there are pages to turn to, and its heading."""
    page = texts["page"].format(page=chunk.first_page) if chunk.source.lower().endswith(".pdf") else ""
    heading = chunk.headings[-1] if chunk.headings and chunk.headings[-1] != chunk.title else ""
    said = " · ".join(filter(None, (page, heading)))
    return f"<small>{escape(said)}</small>" if said else ""


def _timings(answer: Answer, texts: Mapping[str, str]) -> str:
    times = {
        stage: number(answer.timings[stage] * 1000, 0, texts["code"]) for stage in STAGES if stage in answer.timings
    }
    rows = "".join(
        f'<tr><th scope="row">{escape(texts[f"chat_stage_{stage}"])}</th>'
        f"<td>{escape(texts['chat_milliseconds'].format(value=value))}</td></tr>"
        for stage, value in times.items()
    )
    return f"<table><caption>{escape(texts['chat_why_timings'])}</caption><tbody>{rows}</tbody></table>" if rows else ""


def _language(code: str, texts: Mapping[str, str]) -> str:
    return texts.get(code, texts["other"])
