"""What later runs of a question set are held against: a few numbers of every question, small enough to commit.

Knows nothing of when a difference counts. Holds no text of a question, an answer or a document.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from evaluation.changes import LOWER_IS_BETTER, Numbers, digests, numbers
from evaluation.outcome import Run
from rag.errors import ConfigurationError

FOLDER = Path(__file__).parent / "baselines"
FORMAT = 1
HELD = (
    "retrieval/document/shown/recall@5",
    "retrieval/page/shown/recall@5",
    "retrieval/page/shown/mrr@10",
    "answers/inside",
    "answers/cited_page",
    "answers/citation_precision_page",
    "answers/faithful",
    "answers/unsupported",
    "refusals/answered",
    "refusals/refused",
)
"""The figures that are kept, see `changes.numbers`. `shown` is the order of the passages that a visitor sees."""
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Baseline:
    """The numbers of a run. `questions` are digests by `set/id`, `figures` numbers by figure and `set/id`.

    `settings` are those that change an outcome, `time` is ISO 8601 UTC.
    """

    set: str
    revision: str
    index_version: str
    time: str
    settings: Mapping[str, Any]
    questions: Mapping[str, str]
    figures: Numbers

    @classmethod
    def of(cls, run: Run) -> "Baseline":
        """The numbers of a run, rounded as they are kept, so that nothing differs by being written."""
        found = numbers(run)
        rankers = {name.split("/")[2] for name in found if name.startswith("retrieval/")}
        shown = "reranked" if "reranked" in rankers else "fused"
        figures = {
            name: {question: round(value, _DIGITS) for question, value in values.items()}
            for name in HELD
            if (values := found.get(name.replace("/shown/", f"/{shown}/")))
        }
        settings: Any = json.loads(json.dumps(dict(run.settings)))
        return cls(run.set, run.revision, run.index_version, run.time, settings, digests(run), figures)

    @classmethod
    def load(cls, name: str, folder: Path = FOLDER) -> "Baseline":
        """The baseline of a set. Raises ConfigurationError where there is none, or not one of ours."""
        path = _path(name, folder)
        if not path.is_file():
            raise ConfigurationError(
                f"There is no baseline {path}. Ask the questions, look at the report, then run"
                f" python -m evaluation baseline {name}."
            )
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if found["format"] != FORMAT:
                raise ConfigurationError(f"{path} has format {found['format']}, this program reads {FORMAT}.")
            rows, names = found["questions"], found["figures"]
            figures = {
                figure: {name: float(row[place]) for name, row in rows.items() if row[place] is not None}
                for place, figure in enumerate(names, start=1)
            }
            header = {item.name: found[item.name] for item in fields(cls) if item.name not in ("questions", "figures")}
            return cls(questions={name: row[0] for name, row in rows.items()}, figures=figures, **header)
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise ConfigurationError(
                f"{path} is no baseline ({error!r}): write it again with python -m evaluation baseline {name}."
            ) from error

    def save(self, folder: Path = FOLDER) -> Path:
        """Writes it, a question a line so that a change can be read; the file that it is in."""
        folder.mkdir(parents=True, exist_ok=True)
        path = _path(self.set, folder)
        header = {item.name: getattr(self, item.name) for item in fields(self)}
        header |= {"figures": [*self.figures], "means": {name: self.mean(name) for name in self.figures}}
        del header["questions"]
        lines = [f" {_json(name)}: {_json(value)},\n" for name, value in ({"format": FORMAT} | header).items()]
        rows = [
            f"  {_json(name)}: {_json([told, *(values.get(name) for values in self.figures.values())])}"
            for name, told in self.questions.items()
        ]
        text = "{\n" + "".join(lines) + ' "questions": {\n' + ",\n".join(rows) + "\n }\n}\n"
        aside = path.with_suffix(".tmp")
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
        return path

    def mean(self, figure: str, names: Iterable[str] | None = None) -> float:
        """The mean of a figure over the questions that it applies to, or some of them; 0 where there is none."""
        values = self.figures[figure]
        asked = [values[name] for name in (values if names is None else names)]
        return round(sum(asked) / len(asked), _DIGITS) if asked else 0.0


def better(figure: str) -> int:
    """1 for a figure that improves by rising, -1 for the others."""
    return -1 if figure in LOWER_IS_BETTER else 1


def _path(name: str, folder: Path) -> Path:
    return folder / f"{name}.json"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
