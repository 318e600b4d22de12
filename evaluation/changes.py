"""What changed between two runs of the same questions: every figure of both, question by question. Judges nothing."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evaluation import retrieval
from evaluation.answers import measured
from evaluation.outcome import Outcome, Run, by
from evaluation.questions import GoldQuestion
from evaluation.retrieval import ALL, key
from evaluation.statistics import Comparison, Estimate, compare

LOWER_IS_BETTER = frozenset({"answers/unsupported"})
"""The figures that improve by falling; all the others improve by rising."""

Numbers = dict[str, dict[str, float]]
"""By figure, such as `retrieval/page/fused/recall@5` or `answers/inside`, and by question, as `set/id`."""


@dataclass(frozen=True, slots=True)
class Change:
    """The means of a figure before and after, of `group`: `all`, or a language pair or language.

    The p-value of `comparison` is that of this figure alone, two-sided: of many, some are small by chance.
    """

    figure: str
    group: str
    before: float
    after: float
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Pairing:
    """The questions of two runs: in `both`, in one alone, and those whose text or labels differ, by `set/id`."""

    both: tuple[str, ...]
    first_only: tuple[str, ...] = ()
    second_only: tuple[str, ...] = ()
    reworded: tuple[str, ...] = ()

    def left_out(self) -> str:
        """A sentence on what is not compared; nothing where all is."""
        counts = {
            "only in the first": self.first_only,
            "only in the second": self.second_only,
            "with another text or labels": self.reworded,
        }
        parts = [f"{len(names)} {what}" for what, names in counts.items() if names]
        return f"Questions that are not compared: {', '.join(parts)}." if parts else ""


def numbers(run: Run) -> Numbers:
    """Every figure of every question that it applies to.

    Beside those of `retrieval.values` and `answers.measured`: `answers/unsupported`, the part of an answer's sentences
    that no passage bears out, `refusals/answered` of answerable questions and `refusals/refused` of others.
    """
    found: Numbers = {}
    for level in (retrieval.DOCUMENT, retrieval.PAGE):
        for ranker, metrics in retrieval.values(run.outcomes, level).items():
            for metric, values in metrics.items():
                found[f"retrieval/{level}/{ranker}/{metric}"] = values
    for outcome in run.outcomes:
        for figure, value in _of_an_answer(outcome):
            found.setdefault(figure, {})[key(outcome)] = value
    return found


def digest(question: GoldQuestion) -> str:
    """Changes with what is asked and with what is known to be right."""
    sources = sorted((source.document, source.page or 0, source.grade) for source in question.sources)
    known = [question.text, question.answerable, sorted(question.answers), sources]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:12]


def paired(first: Mapping[str, str], second: Mapping[str, str]) -> Pairing:
    """The questions of two runs, each by `set/id` with its digest; in the order of the second."""
    return Pairing(
        tuple(name for name in second if first.get(name) == second[name]),
        tuple(name for name in first if name not in second),
        tuple(name for name in second if name not in first),
        tuple(name for name in second if first.get(name, second[name]) != second[name]),
    )


def digests(run: Run) -> dict[str, str]:
    """The digest of each question of a run, by `set/id`."""
    return {key(outcome): digest(outcome.question) for outcome in run.outcomes}


def changes(first: Run, second: Run) -> tuple[Change, ...]:
    """What became of every figure, over the questions that both runs have a value for.

    By `all`, and by language pair (retrieval) or language (the rest) where there are several.
    """
    kept = set(paired(digests(first), digests(second)).both)
    before, after = numbers(first), numbers(second)
    groups = {
        field: _groups([outcome for outcome in second.outcomes if key(outcome) in kept], field)
        for field in ("pair", "language")
    }
    found = []
    for figure in after:
        if figure not in before:
            continue
        shared = kept & before[figure].keys() & after[figure].keys()
        for group, names in groups["pair" if figure.startswith("retrieval/") else "language"].items():
            asked = [name for name in names if name in shared]
            if asked:
                ours, theirs = ([side[figure][name] for name in asked] for side in (before, after))
                found.append(Change(figure, group, _mean(ours), _mean(theirs), _compared(ours, theirs)))
    return tuple(found)


def _of_an_answer(outcome: Outcome) -> Iterable[tuple[str, float]]:
    if outcome.said is None and not outcome.failure:
        return
    for name, value in measured(outcome).items():
        yield f"answers/{name}", value
    answered = outcome.said is not None and outcome.said.answered
    if outcome.said and answered and outcome.said.sentences:
        sentences = outcome.said.sentences
        yield "answers/unsupported", sum(not sentence.supported for sentence in sentences) / len(sentences)
    if outcome.question.answerable:
        yield "refusals/answered", float(answered)
    else:
        yield "refusals/refused", float(outcome.said is not None and not answered)


def _groups(outcomes: Sequence[Outcome], field: str) -> dict[str, list[str]]:
    parts = {name: [key(outcome) for outcome in some] for name, some in by(outcomes, field).items()}
    return {ALL: [key(outcome) for outcome in outcomes]} | (parts if len(parts) > 1 else {})


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _compared(before: Sequence[float], after: Sequence[float]) -> Comparison:
    # Most figures of most changes to the program stay as they were: nothing to resample.
    if before == after:
        return Comparison(Estimate(0.0, 0.0, 0.0, len(after)), 1.0)
    return compare(before, after)
