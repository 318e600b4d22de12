"""What was seen of every question that was asked: the one record that figures, reports, comparisons and gates read.

A run is a folder of two files, `outcomes.jsonl` and `run.json`, the latter written last: where it is, the run is whole.
Knows nothing of metrics.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evaluation.questions import GoldQuestion
from rag.errors import ConfigurationError

FORMAT = 1
RANKERS = ("lexical", "dense", "fused", "reranked")
"""The order of the passages by words, by vectors, as they are shown, and as shown with a reranker where one is set."""
_HEADER, _OUTCOMES = "run.json", "outcomes.jsonl"
_FOR_A_NAME = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class Ranked:
    """A passage in a ranking: its document's source and its 1-based pages, None where these are not known."""

    document: str
    first_page: int | None = None
    last_page: int | None = None


@dataclass(frozen=True, slots=True)
class ShownPassage:
    """A passage that an answer could be made of; a higher score is better."""

    document: str
    title: str
    first_page: int
    last_page: int
    language: str
    score: float
    text: str


@dataclass(frozen=True, slots=True)
class CitedPlace:
    """A citation of an answer: its number from 1, the document's source, the 1-based page, the exact words."""

    number: int
    document: str
    page: int
    quote: str


@dataclass(frozen=True, slots=True)
class SaidSentence:
    """A sentence of an answer with the numbers of its citations."""

    text: str
    citations: tuple[int, ...]
    supported: bool


@dataclass(frozen=True, slots=True)
class Said:
    """An answer or a refusal: `answered` is False for the latter. `seconds` are by stage, `total` is all of it.

    `model` is empty where none was asked. Of the prompt's tokens `evaluated_tokens` were computed and the others
    reused; all three are None where the model does not say.
    """

    text: str
    answered: bool
    language: str
    model: str
    sentences: tuple[SaidSentence, ...] = ()
    citations: tuple[CitedPlace, ...] = ()
    passages: tuple[ShownPassage, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    prompt_tokens: int | None = None
    evaluated_tokens: int | None = None
    completion_tokens: int | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """A question and what came of it. `rankings`, best first, are by the names of `RANKERS`, without what was not run.

    `confidence`, in [0, 1], is how sure it was that the passages answer. `said` is None where no answer was asked for,
    or none came: `failure` is then the code of the reason.
    """

    question: GoldQuestion
    rankings: Mapping[str, tuple[Ranked, ...]]
    confidence: float
    said: Said | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """All outcomes of a set, in the order in which they were asked, with what they depend on.

    `settings` are those that change an outcome, `machine` is what the seconds depend on, `time` is ISO 8601 UTC, when
    it began, `seconds` how long it took.
    """

    set: str
    outcomes: tuple[Outcome, ...]
    settings: Mapping[str, Any]
    revision: str
    index_version: str
    machine: Mapping[str, Any]
    time: str
    seconds: float
    format: int = FORMAT

    @property
    def threshold(self) -> float:
        """The confidence below which a question is refused."""
        return float(self.settings["refuse_below"])

    def save(self, folder: Path) -> Path:
        """Writes the run below `folder`: `<set>/<UTC time>-<revision>-<index version>`, which is returned."""
        stamp = re.sub(r"[-:]|\.\d+", "", self.time.replace("+00:00", "Z"))
        name = "-".join(_FOR_A_NAME.sub("_", part) for part in (stamp, self.revision, self.index_version))
        place = _new_folder(folder / (_FOR_A_NAME.sub("_", self.set) or "_"), name)
        save_outcomes(place / _OUTCOMES, self.outcomes)
        header = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "outcomes"}
        text = json.dumps(header | {"questions": len(self.outcomes)}, ensure_ascii=False, indent=1)
        aside = place / f"{_HEADER}.tmp"
        aside.write_text(text + "\n", encoding="utf-8")
        os.replace(aside, place / _HEADER)
        return place

    @classmethod
    def load(cls, folder: Path) -> "Run":
        """The run in a folder of its own. Raises ConfigurationError where there is none, or not all of it."""
        try:
            header: dict[str, Any] = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
            if header["format"] != FORMAT:
                raise ConfigurationError(f"{folder} has format {header['format']}, this program reads {FORMAT}.")
            outcomes = load_outcomes(folder / _OUTCOMES)
            count = header.pop("questions")
            if count != len(outcomes):
                raise ConfigurationError(f"{folder} should have {count} outcomes, has {len(outcomes)}.")
            return cls(outcomes=outcomes, **header)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"{folder} holds no run of the evaluation: {error}") from error


def save_outcomes(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Writes one JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for outcome in outcomes:
            file.write(json.dumps(asdict(outcome), ensure_ascii=False) + "\n")


def load_outcomes(path: Path) -> tuple[Outcome, ...]:
    """What `save_outcomes` wrote. Raises ConfigurationError naming the line that is wrong, OSError for no file."""
    outcomes = []
    # Not splitlines(): a text may hold U+2028, which ends a line there.
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line:
            continue
        try:
            outcomes.append(_reader().validate_json(line))
        except ValidationError as error:
            raise ConfigurationError(f"{path}, line {number}: {error}") from error
    return tuple(outcomes)


def runs(folder: Path, name: str) -> list[Path]:
    """The folders of the whole runs of a set below `folder`, oldest first."""
    return sorted(path.parent for path in (folder / _FOR_A_NAME.sub("_", name)).glob(f"*/{_HEADER}"))


def by(outcomes: Sequence[Outcome], key: str) -> dict[str, list[Outcome]]:
    """Outcomes by what their questions say of themselves: `set`, `language` or `pair`; sorted by it."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(getattr(outcome.question, key), []).append(outcome)
    return dict(sorted(groups.items()))


def _new_folder(parent: Path, name: str) -> Path:
    count = 1
    while True:
        place = parent / (name if count == 1 else f"{name}-{count}")
        try:
            place.mkdir(parents=True)
            return place
        except FileExistsError:
            count += 1


@cache
def _reader() -> TypeAdapter[Outcome]:
    return TypeAdapter(Outcome)
