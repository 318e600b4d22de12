"""Every question set in BEIR layout below a folder, asked one after the other: where is the program worst?"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evaluation import answers, retrieval
from evaluation.answers import AnswerFigures
from evaluation.outcome import Outcome, Run, by, runs
from evaluation.retrieval import ALL
from evaluation.run import keep
from evaluation.statistics import Estimate
from evaluation.tables import table
from evaluation.target import ask as ask_target
from rag.errors import ConfigurationError
from rag.settings import Settings

_CORPUS = "corpus.jsonl"
_WORST_BY = "recall@10"


@dataclass(frozen=True, slots=True)
class SetFigures:
    """Figures of a set, or of one kind of its questions, called `set/kind`.

    `rankings` are by ranker and metric, the one that visitors are shown comes last. `answers` are those of questions
    whose answer is known and of unanswerable ones; None where there are no such. `unanswered` is the share of
    answerable ones that were refused or failed, `wrongly_answered` that of unanswerable ones that were answered.
    """

    name: str
    documents: int
    questions: int
    rankings: dict[str, dict[str, Estimate]]
    answers: AnswerFigures | None
    unanswered: float | None
    wrongly_answered: float | None

    @property
    def shown(self) -> dict[str, Estimate]:
        """The metrics of the ranking that visitors are shown."""
        return [*self.rankings.values()][-1]


def folders(place: Path) -> list[Path]:
    """The folders in BEIR layout in `place`, or itself; small ones first. Raises ConfigurationError where none is."""
    found = [place] if (place / _CORPUS).is_file() else [path.parent for path in place.glob(f"*/{_CORPUS}")]
    if not found:
        raise ConfigurationError(f"{place} holds no folder with {_CORPUS}, queries.jsonl and qrels/test.tsv.")
    return sorted(found, key=lambda folder: ((folder / _CORPUS).stat().st_size, folder.name))


def ask(place: Path, settings: Settings, limit: int | None = None) -> list[Run]:
    """Asks at most `limit` questions of each set below `place`, for an answer where one is known; the runs are kept."""
    found: list[Run] = []
    for folder in tqdm(folders(place), desc="sets", unit="set", disable=None):
        found.append(ask_target(settings, str(folder), limit))
        keep(found[-1], settings)
    return found


def kept(place: Path, settings: Settings) -> list[Run]:
    """The newest kept run of each set below `place`. Raises ConfigurationError where one was never asked."""
    found = []
    for folder in folders(place):
        stored = runs(settings.var / "evaluation", folder.name)
        if not stored:
            raise ConfigurationError(f'The set "{folder.name}" was never asked: leave out --kept.')
        found.append(Run.load(stored[-1]))
    return found


def figures(run: Run) -> list[SetFigures]:
    """Those of the run and, where its questions are of several kinds, of each of them."""
    kinds = by(run.outcomes, "set")
    several = {f"{run.set}/{kind}": kinds[kind] for kind in kinds} if len(kinds) > 1 else {}
    groups = {run.set: [*run.outcomes]} | several
    return [_figures(name, outcomes, run) for name, outcomes in groups.items()]


def report(found: Sequence[Run]) -> dict[str, Any]:
    """The figures of all runs as JSON has them, the worst set first, and `markdown` of them."""
    rows = _worst_first(found)
    return {
        "sets": [_plain(asdict(row)) for row in rows],
        "markdown": markdown(rows),
        "revisions": sorted({run.revision for run in found}),
        "embedders": sorted({str(run.settings["embedder"]) for run in found}),
        "models": sorted({model for run in found for model in run.settings["models"]}),
        "seconds": round(sum(run.seconds for run in found), 1),
    }


def markdown(rows: Sequence[SetFigures]) -> str:
    """Two tables, of retrieval in the order of the rows, of answers with the worst set first; in percent."""
    answered = [(row, row.answers) for row in rows if row.answers]
    answered.sort(key=lambda pair: pair[1].shares["inside"].value)
    metrics = [*rows[0].shown]
    others = [*rows[0].rankings][:-1]
    lines = table(
        ["set", "questions", "documents", *metrics, *(f"{name}: {', '.join(metrics)}" for name in others)],
        (
            [
                row.name,
                row.questions,
                row.documents,
                *map(_with_interval, row.shown.values()),
                *(" / ".join(_percent(one.value) for one in row.rankings[name].values()) for name in others),
            ]
            for row in rows
        ),
    )
    if answered:
        lines += ["", *table(_ANSWER_TITLES, (_answer_cells(*pair) for pair in answered))]
    return "\n".join(lines)


_ANSWER_TITLES = (
    "set",
    "questions",
    "gold answer inside",
    "token F1",
    "ROUGE-L",
    "cites a labelled document",
    "in the question's language",
    "not answered",
    "unanswerable answered",
    "AUROC",
)


def _answer_cells(row: SetFigures, found: AnswerFigures) -> list[str]:
    shares = found.shares
    return [
        row.name,
        str(shares["inside"].count),
        *(_with_interval(shares[name]) for name in ("inside", "token_f1", "rouge_l", "cited")),
        _percent(shares["faithful"].value) if "faithful" in shares else "",
        _percent(row.unanswered),
        _percent(row.wrongly_answered),
        f"{found.auroc.value:.3f} ({found.auroc.low:.3f} to {found.auroc.high:.3f})" if found.auroc.count else "",
    ]


def _figures(name: str, outcomes: Sequence[Outcome], run: Run) -> SetFigures:
    answerable = [one for one in outcomes if one.question.answers and (one.said or one.failure)]
    strange = [one for one in outcomes if not one.question.answerable and (one.said or one.failure)]
    return SetFigures(
        name=name,
        documents=int(run.settings["documents"]),
        questions=sum(bool(one.question.sources) for one in outcomes),
        rankings=retrieval.figures(outcomes)[ALL],
        answers=answers.figures([*answerable, *strange], run.threshold) if answerable else None,
        unanswered=_share(not (one.said and one.said.answered) for one in answerable),
        wrongly_answered=_share(bool(one.said and one.said.answered) for one in strange),
    )


def _worst_first(found: Iterable[Run]) -> list[SetFigures]:
    rows = [row for run in found for row in figures(run)]
    return sorted(rows, key=lambda row: (row.shown[_WORST_BY].value, row.shown["ndcg@10"].value))


def _share(values: Iterable[bool]) -> float | None:
    counted = [*values]
    return sum(counted) / len(counted) if counted else None


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _with_interval(estimate: Estimate) -> str:
    return f"{_percent(estimate.value)} ({_percent(estimate.low)} to {_percent(estimate.high)})"


def _plain(value: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and value != value else value
