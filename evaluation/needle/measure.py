"""Needles in haystacks: facts hidden at depths of a text of any size, asked through the whole pipeline.

A haystack of one language and size is ingested with a needle of every fact at once, each fact in one language and at
one depth, in the next haystack in another language and at another depth: so one ingest each fills all cells, and no two
needles answer the same question. Where a text is too short for all facts, it is ingested several times, with some.
"""

import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from evaluation.answers import measured
from evaluation.needle.haystack import Hidden, Needle, Place, facts, paragraphs, write
from evaluation.outcome import Outcome, Run
from evaluation.questions import GoldQuestion, GoldSource
from evaluation.retrieval import holds
from evaluation.run import ask_domain, write_domain
from rag.answer import Engine
from rag.errors import LacertaError
from rag.settings import LANGUAGES, RetrievalSettings, Settings

WORDS = (1_000, 10_000, 100_000, 1_000_000)
DEPTHS = (0, 25, 50, 75, 100)
# A needle to so many words of the text, so that it remains a haystack.
_WORDS_A_NEEDLE = 100


@dataclass(frozen=True, slots=True)
class Options:
    """`words` are sizes of haystacks, `depths` are in percent; `text` is a folder of documents to make them of.

    `languages` are those of haystacks, needles and questions: each with each. `needles` is how many facts are hidden,
    all where None; in `rounds` beyond the first each haystack is ingested again, with needles in the other languages.
    """

    words: tuple[int, ...] = WORDS
    depths: tuple[int, ...] = DEPTHS
    languages: tuple[str, ...] = LANGUAGES
    layout: str = "book"
    text: Path | None = None
    needles: int | None = None
    rounds: int = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a needle. `rank`, from 1, is that of the first passage of its page, 0 where none of ten is.

    `given`: the needle was whole in a passage that the answer could be made of. `inside`: the answer was said. `cited`:
    the needle's page was.
    """

    words: int
    haystack: str
    needle: str
    question: str
    depth: int
    fact: str
    kind: str
    rank: int
    given: bool
    inside: bool
    cited: bool
    answered: bool

    @property
    def right(self) -> bool:
        """The answer was said and the needle's page cited: a short number may stand elsewhere by chance."""
        return self.inside and self.cited


@dataclass(frozen=True, slots=True)
class Ingested:
    """What it took to ingest the haystacks of a size, of all languages and needles together."""

    words: int
    ingests: int
    chunks: int
    seconds: float
    asking_seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """All that was asked, what ingest took by size, a run a size, and the facts left out since a text states them."""

    asked: tuple[Asked, ...]
    ingested: tuple[Ingested, ...]
    runs: tuple[Run, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stack:
    """A domain to be: the text of a language with some needles in it."""

    name: str
    words: int
    language: str
    hidden: tuple[Hidden, ...]


def measure(settings: Settings, options: Options) -> Found:
    """Ingests and asks all haystacks; nothing of them is left afterwards.

    Raises ConfigurationError where documents have too little text, LacertaError where a haystack can't be ingested.
    """
    asked: list[Asked] = []
    ingested: list[Ingested] = []
    runs: list[Run] = []
    known: set[str] = set()
    for words in options.words:
        texts = {language: paragraphs(language, words, options.text) for language in options.languages}
        known |= {name for name, needles in facts().items() if _stated(needles.values(), texts.values())}
        stacks = [*planned(words, options, known)]
        with tempfile.TemporaryDirectory(prefix="lacerta-needle-") as scratch:
            theirs = replace(settings, corpora=Path(scratch) / "corpora", var=Path(scratch) / "var", chroma="")
            theirs.var.mkdir()
            if (settings.var / "models").is_dir():
                (theirs.var / "models").symlink_to((settings.var / "models").resolve())
            started = time.perf_counter()
            places, chunks = {}, 0
            for stack in tqdm(stacks, desc=f"{words} words, ingest", unit="haystack", leave=False, disable=None):
                places[stack.name], count = _ingested(theirs, stack, texts[stack.language], options.layout)
                chunks += count
            between = time.perf_counter()
            parts: list[Run] = []
            engine = Engine(theirs)
            try:
                for stack in tqdm(stacks, desc=f"{words} words, questions", unit="haystack", leave=False, disable=None):
                    run, some = _asked(engine, stack, places[stack.name], options)
                    parts.append(run)
                    asked += some
            finally:
                engine.close()
            ended = time.perf_counter()
        ingested.append(Ingested(words, len(stacks), chunks, round(between - started, 1), round(ended - between, 1)))
        outcomes = tuple(outcome for run in parts for outcome in run.outcomes)
        runs.append(replace(parts[0], set=f"{words} words", outcomes=outcomes, seconds=round(ended - between, 1)))
    return Found(tuple(asked), tuple(ingested), tuple(runs), tuple(sorted(known)))


def planned(words: int, options: Options, left_out: Collection[str] = ()) -> Iterator[Stack]:
    """The haystacks of a size, which hold every fact in every language in as many rounds as there are languages.

    Facts change depths from one to the next, so that a hard one does not make a depth look hard.
    """
    names = [name for name in facts() if name not in left_out][: options.needles]
    size = max(len(options.depths), words // _WORDS_A_NEEDLE)
    for place, language in enumerate(options.languages):
        for turn in range(options.rounds):
            for part, start in enumerate(range(0, len(names), size)):
                hidden = []
                for number in range(start, min(start + size, len(names))):
                    series, first = divmod(number, len(options.depths))
                    depth = options.depths[(first + turn + 2 * place) % len(options.depths)]
                    chosen = options.languages[(series + turn + place) % len(options.languages)]
                    hidden.append(Hidden(facts()[names[number]][chosen], depth))
                yield Stack(f"haystack-{words}-{language}-{turn}-{part}", words, language, tuple(hidden))


def _ingested(settings: Settings, stack: Stack, text: Sequence[str], layout: str) -> tuple[dict[str, Place], int]:
    """Where each needle came to stand, and the number of chunks."""
    from ingest.pipeline import bring_up_to_date

    folder = settings.corpora / stack.name
    write_domain(folder, RetrievalSettings(), "Haystack")
    places = write(folder / "sources", text, stack.hidden, layout)
    report = bring_up_to_date(settings, stack.name)
    if report.failures:
        raise LacertaError(f"{stack.name} could not be ingested: {report.failures[0]}")
    return places, report.chunks


def _asked(engine: Engine, stack: Stack, places: Mapping[str, Place], options: Options) -> tuple[Run, list[Asked]]:
    asked: list[tuple[Hidden, GoldQuestion]] = []
    for item in stack.hidden:
        needles = facts()[item.needle.fact]
        place = places[item.needle.fact]
        for language in options.languages:
            question = GoldQuestion(
                id=f"{stack.name}/{item.needle.fact}/{item.needle.language}/{language}",
                text=needles[language].question,
                language=language,
                set=f"{stack.words} words",
                answers=tuple(dict.fromkeys(needle.answer for needle in needles.values())),
                sources=tuple(GoldSource(place.source, page) for page in place.pages),
                document_languages=(item.needle.language,),
            )
            asked.append((item, question))
    run = ask_domain(engine, stack.name, [question for _, question in asked], label=f"{stack.words} words")
    found = [_seen(stack, item, outcome) for (item, _), outcome in zip(asked, run.outcomes, strict=True)]
    return run, found


def _seen(stack: Stack, item: Hidden, outcome: Outcome) -> Asked:
    question, said = outcome.question, outcome.said
    ranked = outcome.rankings["fused"]
    hits = (rank for rank, place in enumerate(ranked, 1) if any(holds(place, source) for source in question.sources))
    figures = measured(outcome)
    return Asked(
        words=stack.words,
        haystack=stack.language,
        needle=item.needle.language,
        question=question.language,
        depth=item.depth,
        fact=item.needle.fact,
        kind=item.needle.kind,
        rank=next(hits, 0),
        given=said is not None
        and any(_letters(item.needle.text) in _letters(passage.text) for passage in said.passages),
        inside=figures["inside"] > 0,
        cited=figures["cited_page"] > 0,
        answered=said is not None and said.answered,
    )


def _letters(text: str) -> str:
    """Without what a document's lines and columns put between words."""
    return "".join(filter(str.isalnum, text))


def _stated(needles: Iterable[Needle], texts: Iterable[Sequence[str]]) -> bool:
    """Whether a text has the answer already. A number of a few digits stands in any long text, and says nothing."""
    answers = [needle.answer.casefold() for needle in needles if needle.kind != "number"]
    return any(answer in paragraph.casefold() for text in texts for paragraph in text for answer in answers)
