"""What a model is given: instructions, passages, terms, history and question, fitted to its window.

Knows nothing of how a model is reached; what it needs of one is a function that counts tokens.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from rag.errors import LacertaError
from rag.languages import detect
from rag.prompt.exchanges import as_messages, recent
from rag.prompt.templates import Prompts
from rag.prompt.window import Window, shorten
from rag.text import flatten
from rag.types import PAGE_BREAK, Chunk, Hit, Term, Turn
from rag.untrusted import NO_ANSWER, harmless, in_quotes, without_references

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

_TITLE_CHARACTERS, _LINE_CHARACTERS, _HEADINGS = 120, 1000, 3
# Glossary terms in a prompt, the longest form worth a place, and their part (one in so many) of the tokens left.
_TERMS, _FORM_CHARACTERS, _TERMS_SHARE = 10, 100, 8
# Less of a passage than this answers nothing.
_LEAST_CHARACTERS = 200
# Tokens of parts add up to a little more or less than those of the whole.
_SEAM_TOKENS = 6
_EMPTY_LINES = re.compile(r"\n{3,}")


class ContextTooSmall(LacertaError):
    """A question does not fit into a model's context, even without passages."""


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier exchange exactly as the model saw it, so that a model which kept it computed evaluates only what is
    new: the `messages` sent, the `passages` in them (number n is `passages[n - 1]`), and its `reply`, unchanged.
    """

    messages: "tuple[BaseMessage, ...]"
    passages: tuple[Hit, ...]
    reply: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """Messages for a model and the passages it may cite: number n is `passages[n - 1]`, those of the past first."""

    messages: "list[BaseMessage]"
    passages: tuple[Hit, ...]


def render_passage(number: int, chunk: Chunk, text: str | None = None) -> str:
    """A passage between markers that its text cannot contain, with its number, title and pages."""
    pages = str(chunk.first_page)
    if chunk.last_page != chunk.first_page:
        pages += f"-{chunk.last_page}"
    title = shorten(in_quotes(_line(chunk.title)), _TITLE_CHARACTERS)
    body = chunk.text if text is None else text
    # The innermost headings say most about the passage.
    headings = _line(" > ".join(chunk.headings[-_HEADINGS:]))
    inner = "\n".join(filter(None, (shorten(headings, _TITLE_CHARACTERS), harmless(body.replace(PAGE_BREAK, "\n")))))
    return f'<passage number="{number}" title="{title}" page="{pages}">\n{without_references(inner)}\n</passage>'


def equations(terms: Sequence[Term], languages: Sequence[str]) -> list[str]:
    """`전파망원경 = radio telescope`: the preferred form of each term in those languages, where two of them differ."""
    lines: dict[str, None] = {}
    for term in terms:
        forms = [term.forms[language][0] for language in languages if term.forms.get(language)]
        lined = [_line(form) for form in forms if 0 < len(form) <= _FORM_CHARACTERS]
        different = {form.casefold(): form for form in lined}
        if len(different) > 1:
            lines[" = ".join(different.values())] = None
        if len(lines) == _TERMS:
            break
    return list(lines)


def build_messages(
    prompts: Prompts,
    domain_title: str,
    question: str,
    hits: Sequence[Hit],
    terms: Sequence[Term],
    history: Sequence[Turn],
    count_tokens: Callable[[str], int],
    budget: int,
    past: Past | None = None,
) -> Prompt:
    """The prompt for a model, at most `budget` tokens by `count_tokens`: system, history, passages and question.

    With a `past` that leaves room for all that is new, the prompt goes on behind it, and passages given there are only
    named. Otherwise it is made anew: the first passage (a part, if it must be), then the terms, the other passages in
    full from the best on, and for what is left the history, its oldest exchanges dropped first. Raises ContextTooSmall
    if the question and a useful part of the first passage do not fit.
    """
    # The firmer instruction must fit too, should it be needed. The same texts are counted several times.
    window = Window(budget - count_tokens(_firm(prompts)), cache(count_tokens))
    # The answer's language comes first, since its form is the one to use.
    languages = list(
        dict.fromkeys([prompts.language, *(hit.chunk.language for hit in hits), detect(question, prompts.language)])
    )
    ask = _Ask(prompts, harmless(question), equations(terms, languages))
    prompt = _continued(window, ask, hits, past) if past is not None else None
    return prompt or _anew(window, ask, domain_title, hits, history)


def build_condense(
    prompts: Prompts,
    domain_title: str,
    question: str,
    history: Sequence[Turn],
    count_tokens: Callable[[str], int],
    budget: int,
    past: Past | None = None,
) -> "list[BaseMessage]":
    """Messages that ask a model to make a follow-up whole; they begin as those of the answer will.

    At most `budget` tokens; raises ContextTooSmall if not even the question fits.
    """
    from langchain_core.messages import HumanMessage

    window = Window(budget, cache(count_tokens))
    request = HumanMessage(prompts.condense.render(question=harmless(question)))
    if past is not None and past.reply.strip():
        messages = [*_conversation(past), request]
        if window.size(messages) <= budget:
            return messages
    system = _system(prompts, domain_title)
    room = _room(window, [system, request])
    exchanges = recent(window, history, room)
    while window.size(messages := [system, *as_messages(exchanges), request]) > budget:
        exchanges = exchanges[1:]
    return messages


def firmer(prompt: Prompt, prompts: Prompts) -> "list[BaseMessage]":
    """The messages of a prompt with a firmer word on the answer's language; room for it was left."""
    from langchain_core.messages import HumanMessage

    *earlier, last = prompt.messages
    return [*earlier, HumanMessage(f"{last.text}{_firm(prompts)}")]


@dataclass(frozen=True, slots=True)
class _Ask:
    """The last message of a prompt, but for its passages."""

    prompts: Prompts
    question: str
    equations: Sequence[str]

    def __call__(self, passages: Sequence[str], terms: int) -> "BaseMessage":
        """The message with those passages and the first `terms` terms."""
        from langchain_core.messages import HumanMessage

        listed = "; ".join(self.equations[:terms])
        text = self.prompts.question.render(
            passages="\n".join(passages),
            terminology=self.prompts.message("terminology", terms=listed) if listed else "",
            question=self.question,
        )
        # What is left out leaves empty lines.
        return HumanMessage(_EMPTY_LINES.sub("\n\n", text).strip())


def _continued(window: Window, ask: _Ask, hits: Sequence[Hit], past: Past) -> Prompt | None:
    """The prompt that goes on behind `past`; None if not all that is new fits."""
    numbers = {(hit.chunk.id, hit.chunk.text): number for number, hit in enumerate(past.passages, start=1)}
    known = sorted(numbers[key] for hit in hits if (key := (hit.chunk.id, hit.chunk.text)) in numbers)
    new = [hit for hit in hits if (hit.chunk.id, hit.chunk.text) not in numbers]
    if not past.reply.strip() or sum(len(hit.chunk.text) for hit in new) > window.characters:
        return None
    parts = [render_passage(number, hit.chunk) for number, hit in enumerate(new, start=len(past.passages) + 1)]
    if known:
        listed = ", ".join(f"[{number}]" for number in known)
        parts.append(ask.prompts.message("given_before", numbers=listed))
    earlier = _conversation(past)
    for terms in (len(ask.equations), 0):
        messages = [*earlier, ask(parts, terms)]
        if window.size(messages) <= window.budget:
            return Prompt(messages, (*past.passages, *new))
    return None


def _anew(window: Window, ask: _Ask, domain_title: str, hits: Sequence[Hit], history: Sequence[Turn]) -> Prompt:
    system = _system(ask.prompts, domain_title)
    room = _room(window, [system, ask([], 0)])
    given: list[Hit] = []
    parts: list[str] = []
    terms = 0
    for hit in hits:
        number = len(parts) + 1
        if not parts:
            render = partial(render_passage, number, hit.chunk)
            part = window.longest(hit.chunk.text, room - _SEAM_TOKENS, _LEAST_CHARACTERS, render)
            if part is None:
                least = window.count(render(hit.chunk.text[:_LEAST_CHARACTERS]))
                raise _too_small(window, window.budget - room + least)
            rendered = render(part)
        elif len(hit.chunk.text) > window.characters:
            continue
        else:
            rendered = render_passage(number, hit.chunk)
        needed = window.count(rendered) + _SEAM_TOKENS
        if needed > room:
            continue
        given.append(hit)
        parts.append(rendered)
        room -= needed
        if len(parts) == 1:
            terms, needed = _terms(window, ask, room)
            room -= needed
    exchanges = recent(window, history, room)
    # The sum of parts is seldom less than the whole, but tokenizers promise nothing.
    while window.size(messages := [system, *as_messages(exchanges), ask(parts, terms)]) > window.budget:
        if exchanges:
            exchanges = exchanges[1:]
        elif terms:
            terms -= 1
        elif len(parts) > 1:
            parts.pop()
            given.pop()
        else:
            raise _too_small(window, window.size(messages))
    return Prompt(messages, tuple(given))


def _terms(window: Window, ask: _Ask, room: int) -> tuple[int, int]:
    """How many terms may go in, and their tokens: what fits into a share of what the first passage leaves."""
    for terms in range(len(ask.equations), 0, -1):
        listed = ask.prompts.message("terminology", terms="; ".join(ask.equations[:terms]))
        needed = window.count(listed) + _SEAM_TOKENS
        if needed <= room // _TERMS_SHARE:
            return terms, needed
    return 0, 0


def _conversation(past: Past) -> "list[BaseMessage]":
    from langchain_core.messages import AIMessage

    # A reply is unchanged by this unless the model wrote a control token of its own.
    return [*past.messages, AIMessage(harmless(past.reply))]


def _system(prompts: Prompts, domain_title: str) -> "BaseMessage":
    from langchain_core.messages import SystemMessage

    domain = shorten(_line(domain_title), _TITLE_CHARACTERS)
    return SystemMessage(prompts.system.render(domain=domain, no_answer=NO_ANSWER))


def _room(window: Window, messages: "list[BaseMessage]") -> int:
    """Tokens that messages leave free; raises ContextTooSmall if they do not fit themselves."""
    room = window.budget - window.size(messages)
    if room < 0:
        raise _too_small(window, window.budget - room)
    return room


def _too_small(window: Window, needed: int) -> ContextTooSmall:
    return ContextTooSmall(
        f"The question needs about {needed} tokens of prompt, the model has {window.budget}: ask a shorter one, or set"
        " LACERTA_CONTEXT_TOKENS higher if the model allows it."
    )


def _firm(prompts: Prompts) -> str:
    return "\n" + prompts.message("language_firm")


def _line(text: str) -> str:
    """Untrusted text as one harmless line, far from endless."""
    return flatten(harmless(text[:_LINE_CHARACTERS]))
