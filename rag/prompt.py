"""Prompts: strict templates from files, untrusted text made harmless, the context fitted to a model's window.

Knows nothing of how a model is reached; what it needs of one is a function that counts tokens.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from rag.errors import ConfigurationError, LacertaError
from rag.settings import LANGUAGES
from rag.types import PAGE_BREAK, Chunk, Hit, Term, Turn
from rag.untrusted import harmless, without_references

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

NO_ANSWER = "NO_ANSWER"
"""What a model replies when the passages do not answer the question."""

_SEPARATOR = re.compile(r"^---$", re.MULTILINE)
_SYSTEM_VARIABLES = frozenset({"domain", "no_answer"})
_QUESTION_VARIABLES = frozenset({"passages", "terminology", "question"})
# The messages for the visitor, with the variables that each must use.
_MESSAGES: Mapping[str, frozenset[str]] = {
    **{
        key: frozenset()
        for key in (
            "language_en language_hu language_ko extractive hedge uncertain empty_question other_language configuration"
            " internal shortened cancelled extractive_model reason_key reason_unreachable reason_timeout reason_rate"
            " reason_server reason_missing reason_rejected reason_unavailable reason_context reason_memory"
            " reason_empty reason_broken reason_other"
        ).split()
    },
    "refusal": frozenset({"domain", "documents"}),
    "refusal_documents": frozenset({"count"}),
    "refusal_contact": frozenset({"contact"}),
    "extractive_foreign": frozenset({"language"}),
    "terminology": frozenset({"terms"}),
    "too_long": frozenset({"length", "limit"}),
    "unknown_domain": frozenset({"domain"}),
    "no_index": frozenset({"domain"}),
    "bad_index": frozenset({"domain"}),
    "replaced": frozenset({"failed", "reason", "model"}),
    "interrupted": frozenset({"model", "reason"}),
}
_TERMS = 10
# Chat templates frame every message with a few tokens of their own.
_MESSAGE_TOKENS = 12


class ContextTooSmall(LacertaError):
    """A question does not fit into a model's context, even without passages."""


@dataclass(frozen=True, slots=True)
class StrictTemplate:
    """A text with `$variables`, all of which are known beforehand; a `$` itself is written `$$`."""

    template: Template

    @classmethod
    def parse(cls, text: str, variables: frozenset[str], where: str) -> "StrictTemplate":
        """Raises ConfigurationError, naming `where`, if the text uses other variables or lacks one."""
        template = Template(text)
        if not template.is_valid():
            raise ConfigurationError(f"{where} has a $ that starts no variable; a dollar sign is written $$.")
        found = set(template.get_identifiers())
        for kind, names in (("lacks", variables - found), ("has the unknown", found - variables)):
            if names:
                listed = ", ".join(f"${name}" for name in sorted(names))
                raise ConfigurationError(f"{where} {kind} {listed}.")
        return cls(template)

    def render(self, **values: object) -> str:
        return self.template.substitute(values)


@dataclass(frozen=True, slots=True)
class Prompts:
    """The templates of one language: `system` and `question` for a model, `messages` for the visitor."""

    language: str
    system: StrictTemplate
    question: StrictTemplate
    messages: Mapping[str, StrictTemplate]

    def message(self, key: str, **values: object) -> str:
        return self.messages[key].render(**values)


def load_prompts(folder: Path, domain: str = "") -> dict[str, Prompts]:
    """The prompts by language from `folder/<language>`; files in `folder/<domain>/<language>` take precedence.

    A domain's `messages.toml` may hold some of the keys only. Raises ConfigurationError naming file and fault.
    """
    return {language: _load_language(folder, domain, language) for language in LANGUAGES}


def _load_language(folder: Path, domain: str, language: str) -> Prompts:
    folders = [folder / language]
    if domain and domain not in LANGUAGES:
        folders.append(folder / domain / language)
    answer = [place / "answer.md" for place in folders if (place / "answer.md").is_file()]
    if not answer:
        raise ConfigurationError(f"The prompt {folders[0] / 'answer.md'} is missing.")
    parts = _SEPARATOR.split(_read(answer[-1]))
    if len(parts) != 2:
        raise ConfigurationError(f"{answer[-1]} should have one line ---, between its system and its question part.")
    messages: dict[str, StrictTemplate] = {}
    for path in (place / "messages.toml" for place in folders):
        if path.is_file():
            messages |= _load_messages(path)
    missing = sorted(_MESSAGES.keys() - messages.keys())
    if missing:
        raise ConfigurationError(f"{folders[0] / 'messages.toml'} lacks {', '.join(missing)}.")
    return Prompts(
        language,
        StrictTemplate.parse(parts[0].strip(), _SYSTEM_VARIABLES, f"{answer[-1]}, above ---,"),
        StrictTemplate.parse(parts[1].strip(), _QUESTION_VARIABLES, f"{answer[-1]}, below ---,"),
        messages,
    )


def _load_messages(path: Path) -> dict[str, StrictTemplate]:
    try:
        table = tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
    messages = {}
    for key, text in table.items():
        if key not in _MESSAGES:
            raise ConfigurationError(f"{path} has the unknown key {key!r}.")
        if not isinstance(text, str) or not text.strip():
            raise ConfigurationError(f"{path}: {key} should be a text, is now {text!r}.")
        messages[key] = StrictTemplate.parse(text, _MESSAGES[key], f"{path}: {key}")
    return messages


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The prompt file {path} cannot be read: {error}") from error


def render_passage(number: int, chunk: Chunk, text: str | None = None) -> str:
    """A passage between markers that its text cannot contain, with its number, title and pages."""
    pages = str(chunk.first_page)
    if chunk.last_page != chunk.first_page:
        pages += f"-{chunk.last_page}"
    title = harmless(chunk.title).replace('"', "'").replace("\n", " ")
    body = chunk.text if text is None else text
    headings = " > ".join(chunk.headings)
    inner = without_references(harmless("\n".join(filter(None, (headings, body.replace(PAGE_BREAK, "\n"))))))
    return f'<passage number="{number}" title="{title}" page="{pages}">\n{inner}\n</passage>'


def terminology(prompts: Prompts, terms: Sequence[Term]) -> str:
    """One line with the preferred forms of the first terms in every language; empty without terms."""
    lines = [" = ".join(forms[0] for forms in term.forms.values() if forms) for term in terms[:_TERMS]]
    return prompts.message("terminology", terms=harmless("; ".join(lines))) + "\n" if lines else ""


def build_messages(
    prompts: Prompts,
    domain_title: str,
    question: str,
    hits: Sequence[Hit],
    terms: Sequence[Term],
    history: Sequence[Turn],
    count_tokens: Callable[[str], int],
    budget: int,
) -> "list[BaseMessage]":
    """The messages for a model, at most `budget` tokens by `count_tokens`: system, history, passages and question.

    The passages come in full from the best on, as many as fit (of the first one a part, if it must be); what is left
    goes to the history, newest first. Raises ContextTooSmall if not even the question fits.
    """
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    system = prompts.system.render(domain=harmless(domain_title), no_answer=NO_ANSWER)

    def ask(passages: Sequence[str]) -> str:
        return prompts.question.render(
            passages="\n".join(passages), terminology=terminology(prompts, terms), question=harmless(question)
        )

    def cost(text: str) -> int:
        return count_tokens(text) + _MESSAGE_TOKENS

    left = budget - cost(system) - cost(ask([]))
    if left < 0:
        raise ContextTooSmall(f"The question needs {budget - left} tokens of context, the model has {budget}.")
    passages: list[str] = []
    for number, hit in enumerate(hits, start=1):
        passage = render_passage(number, hit.chunk)
        # Tokens of parts add up to a little more or less than those of the whole.
        needed = count_tokens(passage) + 2
        if needed > left and passages:
            break
        length = len(hit.chunk.text)
        while needed > left and length > 1:
            length //= 2
            passage = render_passage(number, hit.chunk, hit.chunk.text[:length])
            needed = count_tokens(passage) + 2
        if needed > left:
            break
        passages.append(passage)
        left -= needed
    kept: list[BaseMessage] = []
    for turn in reversed(history):
        text = harmless(turn.text)
        left -= cost(text)
        if left < 0:
            break
        kept.append(HumanMessage(text) if turn.role == "user" else AIMessage(without_references(text)))
    # Chat templates want a conversation to begin with the user.
    while kept and kept[-1].type != "human":
        kept.pop()
    return [SystemMessage(system), *reversed(kept), HumanMessage(ask(passages))]
