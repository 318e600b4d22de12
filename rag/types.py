"""The whole domain in one place: documents, chunks, hits, questions, answers and the events that stream.

Knows nothing of files, indexes or models. Every class is frozen; data flows one way through them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    # For annotations alone: processes that only parse files start sooner without it.
    import numpy as np

PAGE_BREAK = "\f"
"""Stands between the parts of a chunk's text that come from different pages."""
UNSUPPORTED = "[?]"
"""Stands in an answer's text behind a sentence that no passage bears out."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a document; `number` is 1-based. Files without pages are one page."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A loaded source file. `id` is derived from its content, `source` is its path under `sources/`.

    `metadata` holds what the file says of itself (`kind`, and where known `author`, `date`, `url`).
    """

    id: str
    domain: str
    title: str
    source: str
    language: str
    pages: tuple[Page, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document, the unit of retrieval.

    `start` is the character offset of its first character in the text of page `first_page`, `end` the offset
    behind its last character in the text of page `last_page`. `text` is exactly what stands between them, with
    `PAGE_BREAK` where a page ends. `headings` are those above the passage, outermost first. `separator` is exactly
    what stands between it and the next chunk of its document, None where there is none or it is not known.
    """

    id: str
    document_id: str
    title: str
    source: str
    language: str
    first_page: int
    last_page: int
    start: int
    end: int
    headings: tuple[str, ...]
    text: str
    separator: str | None = None

    def page_at(self, offset: int) -> int:
        """The 1-based page on which the character at `offset` of `text` stands."""
        return self.first_page + self.text.count(PAGE_BREAK, 0, offset)


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved chunk. A higher `score` is better; `ranks` are 1-based places by ranker (`lexical`, `dense`).

    `features` holds the evidence the score was made of, by name. `also` are the sources of hits that were left out
    because this one says the same.
    """

    chunk: Chunk
    score: float
    ranks: Mapping[str, int] = field(default_factory=dict)
    features: Mapping[str, float] = field(default_factory=dict)
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """A glossary entry: the forms of one concept by language, the preferred form first."""

    forms: Mapping[str, tuple[str, ...]]
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What was found for a question.

    `confidence` is in [0, 1]: how sure it is that the hits answer the question. `terms` are the glossary entries
    that occur in it. `queries` are the words that passages of each language were compared with. `timings` are seconds
    by stage.
    """

    hits: tuple[Hit, ...]
    confidence: float
    language: str
    terms: tuple[Term, ...] = ()
    queries: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def named(self) -> tuple[str, ...]:
        """What the terms are called in the language of the question, each once."""
        forms = [term.forms.get(self.language) or next(iter(term.forms.values()), ()) for term in self.terms]
        return tuple(dict.fromkeys(form[0] for form in forms if form))


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of a conversation; `role` is `user` or `assistant`."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a model should write; what is None or empty is left to the settings.

    `max_tokens` can only lower what the settings allow. The answer ends before the first of the texts in `stop`.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a domain.

    `language` is the language to answer in; empty means that of the text. `interface_language` is the visitor's
    own, for messages where the text has no language of ours. `attachments` are the places of documents of the visitor's
    own that are searched too, see `visits`. `model` is the one of the settings that should answer, `extractive` for the
    passages' own sentences; empty means the first that can. `fresh` asks for a new answer, even where there is one to
    the same question.
    """

    text: str
    domain: str
    language: str = ""
    interface_language: str = "en"
    history: tuple[Turn, ...] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    model: str = ""
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Citation:
    """A numbered reference (from 1): `quote` is an exact part of the text of `page` of the chunk's document.

    Where an answer rests on parts of a passage that stand far apart, several have the same number and chunk.
    """

    number: int
    chunk: Chunk
    quote: str
    page: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an answer with the numbers of its citations; `supported` is False where no passage bears it out."""

    text: str
    citations: tuple[int, ...] = ()
    supported: bool = True


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one generation. Of the prompt's, `evaluated_tokens` were computed and the others reused.

    None where the model does not say.
    """

    prompt_tokens: int | None = None
    evaluated_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer. `text` carries its citations as `[1]`; `model` names what wrote it; `timings` are seconds.

    In the text, `[?]` stands behind sentences that no passage bears out. `notices` are sentences for the visitor, in
    the answer's language, such as why an earlier model did not answer; `failures` are the same for programs, as
    `(model, reason)`. `question` is what was searched for, where that is not what was asked: a follow-up made whole.
    `courtesy` tells that a greeting or thanks was returned, without a search. `shortened` tells that the answer ended
    where it had as many tokens as it may have. `cached` tells that it was given before, to the same question: `usage`
    is nothing then.
    """

    text: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    confidence: float
    language: str
    model: str
    hits: tuple[Hit, ...]
    timings: Mapping[str, float] = field(default_factory=dict)
    answerable: bool = True
    notices: tuple[str, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    question: str = ""
    courtesy: bool = False
    usage: Usage = Usage()
    shortened: bool = False
    cached: bool = False

    @property
    def unsupported(self) -> int:
        """How many sentences no passage bears out."""
        return sum(not sentence.supported for sentence in self.sentences)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """First event: the passages, before any word of the answer.

    `question` is what was searched for, where that is not what was asked.
    """

    retrieval: Retrieval
    question: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The model is busy with others: `position` generations come before this one."""

    position: int


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer's text, to be appended."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Last event: the answer with its citations checked. Its text replaces the tokens that were streamed."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Failed:
    """Last event instead of `Finished`: `code` for programs, `message` for the visitor, in the visitor's language."""

    code: str
    message: str


Event = Retrieved | Waiting | Token | Finished | Failed


class Embedder(Protocol):
    """Turns text into unit vectors.

    `name` changes whenever the vectors would: an index never mixes two. `languages` are those it was made for, all
    where empty.
    """

    name: str
    dimension: int
    languages: tuple[str, ...]

    def embed_passages(self, texts: Sequence[str]) -> "np.ndarray":
        """(n,) texts to (n, dimension) float32 unit rows."""
        ...

    def embed_query(self, text: str) -> "np.ndarray":
        """One text to (dimension,) float32, unit length."""
        ...


def knows(embedder: Embedder, language: str) -> bool:
    """Whether the embedder was made for a language."""
    return not embedder.languages or language in embedder.languages
