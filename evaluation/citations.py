"""Figures of the citation check on sentences made by rule from question sets: supported, unsupported, wrongly cited.

Half of the documents, told by a hash of their article, are measured on; the check's weights were fitted on the other
half, see rag/WEIGHTS.md.
"""

import hashlib
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from evaluation import made_sentences as made
from evaluation.beir import QuestionSet, load
from evaluation.metrics import area_under_curve
from evaluation.tables import table
from rag.analysis import content_terms
from rag.cite import check, passage_spans, support
from rag.settings import LANGUAGES
from rag.text import flatten
from rag.types import Chunk, Hit

SUPPORTED, UNSUPPORTED, MISCITED = "supported", "unsupported", "wrongly cited"
PASSAGES = 6
# Of one folder, rule and half. A wrongly cited sentence is made by any of the rules that keep the meaning.
_EACH = 30
_LIMITS = {MISCITED: 100, "entailed": 120}
_WORDS = range(5, 45)
# Sentences of this many neighbouring questions, told by the numbers in their ids, make a passage where documents are
# sentences.
_JOINED = 8
_SENTENCE_ID = re.compile(r"([a-z]+)(\d+)-[a-z]{2}")


@dataclass(frozen=True, slots=True)
class Example:
    """A sentence that cites one of some passages: `claimed`, a place from 0. `right` is the one that bears it out.

    `kind` is what it is, `rule` how it was made, `measured` whether its article is in the half that is not fitted on.
    """

    kind: str
    rule: str
    language: str
    sentence: str
    passages: tuple[Chunk, ...]
    claimed: int
    right: int | None
    measured: bool

    @property
    def pair(self) -> str:
        """`language of the sentence>language of the passages`, or the one language of both."""
        other = self.passages[0].language
        return self.language if other == self.language else f"{self.language}>{other}"


@dataclass(frozen=True, slots=True)
class _Document:
    chunk: Chunk
    article: str
    sentences: tuple[str, ...]

    @property
    def measured(self) -> bool:
        return hashlib.sha256(self.article.encode()).digest()[0] % 2 == 1


def examples(folders: Sequence[Path], seed: int = 0) -> list[Example]:
    """The examples of the folders in BEIR layout, the same for the same folders and seed."""
    return [example for folder in folders for example in _Maker(folder, seed).examples()]


class _Maker:
    """Makes the examples of one folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        questions = load(folder)
        self.chance = random.Random(f"{seed} {folder.name}")
        chunks = {chunk.id: chunk for chunk in questions.chunks}
        self.asked: dict[str, list[dict[str, Any]]] = defaultdict(list)
        joined = _joined(questions, chunks)
        if joined:
            self.documents, self.asked = joined
        else:
            self.documents = [
                _Document(chunk, chunk.title or chunk.id, _sentences(chunk))
                for chunk in questions.chunks
                if chunk.language in LANGUAGES
            ]
            for question in questions.questions:
                self.asked[next(iter(questions.relevant[question["_id"]]))].append(question)
        self.chance.shuffle(self.documents)
        self.terms = {
            document.chunk.id: frozenset(content_terms(document.chunk.text, document.chunk.language))
            for document in self.documents
        }
        counts = Counter(term for terms in self.terms.values() for term in terms)
        self.rarity = {term: math.log(len(self.documents) / count) for term, count in counts.items()}
        self.answers = [
            answer
            for question in questions.questions
            for answer in question.get("answers", ())[:1]
            if 2 <= len(answer) <= 20 and not re.search(r"\d", answer)
        ]
        self.made: Counter[tuple[str, str, bool]] = Counter()

    def examples(self) -> list[Example]:
        found = []
        for document in self.documents:
            for example in self._of(document):
                key = (example.pair, example.kind + example.rule * (example.kind != MISCITED), example.measured)
                limit = _LIMITS.get(example.rule if example.kind == SUPPORTED else example.kind, _EACH)
                if self.made[key] < limit:
                    self.made[key] += 1
                    found.append(example)
        return found

    def _of(self, document: _Document) -> Iterator[Example]:
        near = self._near(document)
        if len(near) < PASSAGES - 1:
            return
        language = document.chunk.language
        for sentence in self.chance.sample(document.sentences, min(3, len(document.sentences))):
            yield from self._of_sentence(sentence, language, document, near)
        for first, second in zip(document.sentences, document.sentences[1:], strict=False):
            yield from self._right(made.merged(first, second, language), "merged", language, document, near)
            break
        for question in self.asked[document.chunk.id]:
            yield from self._of_question(question, document, near)

    def _of_question(
        self, question: dict[str, Any], document: _Document, near: Sequence[_Document]
    ) -> Iterator[Example]:
        language, text = question["lang"], question["text"].strip()
        answers = question.get("answers") or []
        if answers and "?" in text:
            yield from self._right(made.statement(text, answers[0], language), "statement", language, document, near)
            wrong = [choice for choice in question.get("choices", ()) if choice not in answers] or self.answers
            other = self.chance.choice([some for some in wrong if some not in document.chunk.text] or [""])
            changed = made.statement(text, other, language) if other else ""
            yield from self._wrong(changed, "other answer", language, document, near)
        elif not answers and text.endswith("."):
            if language != document.chunk.language:
                yield from self._of_sentence(text, language, document, near, str(question.get("sentence", "")))
            else:
                yield from self._right(text, "entailed", language, document, near)

    def _of_sentence(
        self, text: str, language: str, document: _Document, near: Sequence[_Document], original: str = ""
    ) -> Iterator[Example]:
        """`original` is the sentence of the passage that a text in another language translates."""
        chance = self.chance
        for name, rule in made.SAME_MEANING.items():
            yield from self._right(rule(text, language, chance), name, language, document, near)
        varied = made.reworded(text, language, chance) if chance.random() < 0.5 else text
        for name, rule in made.OTHER_MEANING.items():
            yield from self._wrong(rule(varied or text, language, chance), name, language, document, near)
        if language == document.chunk.language or "ko" not in (language, document.chunk.language):
            others = [name for other in near for name in made.names_of(other.chunk.text)]
            if language == "ko":
                others = self.answers
            changed = made.other_name(text, language, chance, self.answers if language == "ko" else (), others)
            yield from self._wrong(changed, "other name", language, document, near)
        without = tuple(sentence for sentence in document.sentences if sentence != (original or text))
        if len(without) == len(document.sentences) - 1 and without:
            rest = replace(document, chunk=_chunk(document.chunk.id, " ".join(without), document.chunk))
            yield from self._wrong(varied or text, "same article", language, rest, near)
        stranger = chance.choice(self.documents)
        if stranger.article != document.article:
            yield from self._wrong(varied or text, "other article", language, stranger, self._near(stranger, document))

    def _right(
        self, sentence: str, rule: str, language: str, document: _Document, near: Sequence[_Document]
    ) -> Iterator[Example]:
        if not sentence:
            return
        passages, place = self._shuffled(document, near)
        measured = document.measured
        yield Example(SUPPORTED, rule, language, sentence, passages, place, place, measured)
        other = self.chance.choice([at for at in range(len(passages)) if at != place])
        if not self._also_says(sentence, language, passages[other]):
            yield Example(MISCITED, rule, language, sentence, passages, other, place, measured)

    def _wrong(
        self, sentence: str, rule: str, language: str, document: _Document, near: Sequence[_Document]
    ) -> Iterator[Example]:
        if sentence:
            passages, place = self._shuffled(document, near)
            yield Example(UNSUPPORTED, rule, language, sentence, passages, place, None, document.measured)

    def _also_says(self, sentence: str, language: str, chunk: Chunk) -> bool:
        terms = set(content_terms(sentence, language))
        return len(terms & self.terms[chunk.id]) >= 0.7 * len(terms)

    def _near(self, document: _Document, without: _Document | None = None) -> list[_Document]:
        """Those of the same half that share the most, as a search would find them."""
        own = self.terms[document.chunk.id]
        shared = [
            (sum(self.rarity[term] for term in own & self.terms[other.chunk.id]), other.chunk.id, other)
            for other in self.documents
            if other is not document and other is not without and other.measured == document.measured
        ]
        return [other for *_, other in sorted(shared, key=lambda item: item[:2], reverse=True)[: PASSAGES - 1]]

    def _shuffled(self, document: _Document, near: Sequence[_Document]) -> tuple[tuple[Chunk, ...], int]:
        passages = [document.chunk, *(other.chunk for other in near)]
        self.chance.shuffle(passages)
        return tuple(passages), passages.index(document.chunk)


def _joined(
    questions: QuestionSet, chunks: dict[str, Chunk]
) -> tuple[list[_Document], dict[str, list[dict[str, Any]]]] | None:
    """Passages of neighbouring sentences, where every question is the translation of one; else None."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for question in questions.questions:
        match = _SENTENCE_ID.fullmatch(question["_id"])
        if not match:
            return None
        name = next(iter(questions.relevant[question["_id"]]))
        groups[f"{match[1]}{int(match[2]) // _JOINED}"].append(question | {"sentence": flatten(chunks[name].text)})
    documents = []
    for name, group in groups.items():
        sentences = tuple(question["sentence"] for question in group)
        language = Counter(question["doc_lang"] for question in group).most_common(1)[0][0]
        chunk = Chunk(name, name, "", name, language, 1, 1, 0, 0, (), "")
        documents.append(_Document(_chunk(name, " ".join(sentences), chunk), name, tuple(filter(_usable, sentences))))
    return documents, groups


def _chunk(name: str, text: str, like: Chunk) -> Chunk:
    return replace(like, id=name, text=text, end=len(text))


def _sentences(chunk: Chunk) -> tuple[str, ...]:
    return tuple(filter(_usable, (flatten(chunk.text[start:end]) for start, end in passage_spans(chunk.text))))


def _usable(text: str) -> bool:
    return text.endswith(".") and len(text.split()) in _WORDS


def evaluate(folders: Sequence[Path], seed: int = 0) -> dict[str, Any]:
    """Figures over the measured half, `all` and by language pair.

    `precision` and `recall` are of the judgement that a sentence is supported, without negated sentences, which are
    told apart in `rules` only; `kept`, `dropped` and `mended` the shares of citations that met the right end, and
    `auroc` that of the support by the best passage, supported sentences against the others.
    """
    rows = []
    for example in tqdm([some for some in examples(folders, seed) if some.measured], leave=False, disable=None):
        hits = [Hit(chunk, 1.0) for chunk in example.passages]
        checked = check(f"{example.sentence} [{example.claimed + 1}]", hits, example.language)
        cited = {example.passages.index(citation.chunk) for citation in checked.citations}
        supported = all(sentence.supported for sentence in checked.sentences)
        score = float(support([example.sentence], example.passages, example.language).scores.max())
        rows.append((example, supported, cited, score))
    pairs = sorted({example.pair for example, *_ in rows}, key=lambda pair: (len(pair), pair))
    return {
        "all": _figures(rows),
        "rules": {
            "same language": _rules([row for row in rows if ">" not in row[0].pair]),
            "across languages": _rules([row for row in rows if ">" in row[0].pair]),
        },
        "by_language": {pair: _figures([row for row in rows if row[0].pair == pair]) for pair in pairs},
    }


_Row = tuple[Example, bool, set[int], float]


def _figures(rows: Sequence[_Row]) -> dict[str, Any]:
    counted = [row for row in rows if row[0].rule != "negated"]
    true = [row for row in counted if row[0].kind != UNSUPPORTED]
    false = [row for row in counted if row[0].kind == UNSUPPORTED]
    found = sum(row[1] for row in true)
    cited = [(example.right == place) for example, _, places, _ in counted for place in places]
    return {
        "sentences": dict(Counter(row[0].kind for row in counted)),
        "precision": found / max(1, found + sum(row[1] for row in false)),
        "recall": found / max(1, len(true)),
        "auroc": area_under_curve([row[3] for row in true], [row[3] for row in false]),
        "kept": _mean([row[0].right in row[2] for row in true if row[0].kind == SUPPORTED]),
        "dropped": _mean([not row[2] for row in false]),
        "mended": _mean([row[2] == {row[0].right} for row in true if row[0].kind == MISCITED]),
        "citation precision": _mean(cited),
        "citation recall": _mean([row[0].right in row[2] for row in true]),
        "rules": _rules(rows),
    }


def _rules(rows: Sequence[_Row]) -> dict[str, dict[str, Any]]:
    """How many sentences of each rule were judged rightly."""
    found: dict[str, dict[str, Any]] = {}
    for kind, rule in sorted({(row[0].kind, row[0].rule) for row in rows if row[0].kind != MISCITED}):
        some = [row for row in rows if (row[0].kind, row[0].rule) == (kind, rule)]
        right = _mean([row[1] == (kind == SUPPORTED) for row in some])
        found[f"{kind}: {rule}"] = {"sentences": len(some), "right": right}
    return found


def _mean(values: Sequence[bool]) -> float:
    return float(np.mean(values)) if values else 0.0


def markdown(report: dict[str, Any]) -> str:
    """The figures of `evaluate` as Markdown tables."""
    names = [name for name in report["all"] if name not in ("sentences", "rules")]
    rows = []
    for pair, figures in {"all": report["all"], **report["by_language"]}.items():
        counts = " / ".join(str(figures["sentences"].get(kind, 0)) for kind in (SUPPORTED, UNSUPPORTED, MISCITED))
        rows.append([pair, counts, *(f"{figures[name]:.3f}" for name in names)])
    titles = ["language", f"{SUPPORTED} / {UNSUPPORTED} / {MISCITED}", *names]
    rules = report["all"]["rules"]
    parts = ("same language", "across languages")
    judged = [[rule, *(_judged(report["rules"][part].get(rule)) for part in parts)] for rule in rules]
    return "\n".join([*table(titles, rows), "", *table(["rule", *parts], judged)])


def _judged(figures: dict[str, Any] | None) -> str:
    return f"{figures['right']:.3f} of {figures['sentences']}" if figures else ""
