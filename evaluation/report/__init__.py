"""One self-contained page of what an evaluation found, and its short form for a pull request."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.report.section import Section

if TYPE_CHECKING:
    from evaluation.changes import Change
    from evaluation.outcome import Run

__all__ = ["HTML", "MARKDOWN", "Section", "write"]
HTML, MARKDOWN = "report.html", "report.md"


def write(
    folder: Path, runs: "Sequence[Run]", changes: "Sequence[Change]" = (), sections: Sequence[Section] = ()
) -> Path:
    """Writes `report.html`, whose path is returned, and `report.md`, for a pull request, to `folder`.

    Runs of different questions, as of several domains, are shown as one; runs of the same questions side by side.
    `changes` are those against a baseline or of the first run to the last. Raises ValueError where no question was
    asked.
    """
    from evaluation.report import html, markdown
    from evaluation.report.columns import columns
    from evaluation.report.drill import drilled

    if not any(run.outcomes for run in runs):
        raise ValueError("A report needs a run with at least one question.")
    found = columns([run for run in runs if run.outcomes])
    asked = drilled(found)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / HTML
    path.write_text(html.page(found, asked, changes, sections), encoding="utf-8")
    (folder / MARKDOWN).write_text(markdown.text(found, asked, changes, sections), encoding="utf-8")
    return path
