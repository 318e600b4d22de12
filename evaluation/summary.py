"""The figures of a run as JSON and as tables for a terminal of 80 columns. Computes none of them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evaluation import answers, retrieval
from evaluation.changes import Change
from evaluation.gate import Verdict
from evaluation.outcome import Run
from evaluation.retrieval import ALL, DOCUMENT, PAGE

_COLUMNS = ((DOCUMENT, "recall@5"), (PAGE, "recall@5"), (PAGE, "mrr@10"))
_SHARES = {
    "inside": "gold answer inside",
    "inside_exact": "letter by letter",
    "token_f1": "token F1",
    "rouge_l": "ROUGE-L F1",
    "cited": "labelled document cited",
    "cited_page": "labelled page cited",
    "citation_precision_page": "cited pages labelled",
    "citation_recall_page": "labelled pages cited",
    "language": "question's language known",
    "faithful": "answer in that language",
}
_STAGES = ("retrieval", "first_token", "total")
# More changes than these are in the report.
_CHANGES = 12


def summary(run: Run) -> dict[str, Any]:
    """All figures of a run, `null` where one does not apply: `retrieval` by level, pair, ranker and metric, `answers`
    by language."""
    levels = {level: retrieval.figures(run.outcomes, level) for level in (DOCUMENT, PAGE)}
    said = answers.figures_by(run) if any(item.said or item.failure for item in run.outcomes) else {}
    found = {
        "set": run.set,
        "questions": len(run.outcomes),
        "revision": run.revision,
        "index_version": run.index_version,
        "settings": dict(run.settings),
        "seconds": run.seconds,
        "retrieval": {
            level: {pair: _by_ranker(rankers) for pair, rankers in groups.items()} for level, groups in levels.items()
        },
        "answers": {language: asdict(figures) for language, figures in said.items()},
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def of_changes(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The figures that differ, over all questions, least likely by chance first."""
    differ = [item for item in changes if item.group == ALL and item.before != item.after]
    differ.sort(key=lambda item: (item.comparison.p_value, item.figure))
    plain: list[dict[str, Any]] = _plain([asdict(item) for item in differ])
    return plain


def of_gate(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON."""
    plain: dict[str, Any] = _plain(
        {
            "passes": verdict.passes,
            "sentence": verdict.sentence(),
            "told": verdict.told,
            "held": [asdict(item) | {"fails": item.fails} for item in verdict.held],
        }
    )
    return plain


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """A summary for people."""
    yield (
        f"{found['set']}: {found['questions']} questions in {found['seconds']:.1f} s; revision {found['revision']},"
        f" index {found['index_version']}"
    )
    yield from _retrieval_lines(found["retrieval"])
    if found["answers"]:
        yield from _answer_lines(found["answers"])


def change_lines(changes: Sequence[Mapping[str, Any]], since: str) -> Iterator[str]:
    """What `of_changes` found against the run in a folder called `since`."""
    yield f"since {since}: {len(changes) or 'no'} figures differ"
    for item in changes[:_CHANGES]:
        values = f"{100 * item['before']:5.1f} to {100 * item['after']:5.1f}"
        yield f"  {item['figure']:40} {values}  {probability(item['comparison']['p_value'])}"
    if len(changes) > _CHANGES:
        yield f"  and {len(changes) - _CHANGES} more"


def gate_lines(gate: Mapping[str, Any]) -> Iterator[str]:
    """What `of_gate` gives, as a table and its sentences."""
    yield f"{'held against the baseline':36} {'n':>4} {'before':>6} {'now':>6} {'worse':>5} {'better':>6}  p of a drop"
    for item in gate["held"]:
        values = f"{100 * item['before']:6.1f} {100 * item['after']:6.1f} {item['worse']:5} {item['better']:6}"
        failed = "  FAILS" if item["fails"] else ""
        yield f"{item['figure']:36} {item['questions']:4} {values}  {item['p_value']:.4f}{failed}"
    yield from gate["told"]
    yield gate["sentence"]


def probability(p_value: float) -> str:
    """A p-value in words; none is 0."""
    return "p < 0.001" if p_value < 0.001 else f"p {p_value:.3f}"


def _retrieval_lines(levels: Mapping[str, Any]) -> Iterator[str]:
    if not levels[DOCUMENT]:
        return
    titles = "".join(f"{f'{metric} {level}':>19}" for level, metric in _COLUMNS)
    yield f"{'pair':8} {'n':>4} {'ranker':8}{titles}"
    for pair, rankers in levels[DOCUMENT].items():
        for number, ranker in enumerate(rankers):
            estimates = [levels[level][pair][ranker][metric] for level, metric in _COLUMNS]
            opening = f"{pair:8.8} {estimates[0]['count']:4}" if number == 0 else " " * 13
            yield f"{opening} {ranker:8.8}{''.join(f'{_percent(item):>19}' for item in estimates)}"


def _answer_lines(groups: Mapping[str, Any]) -> Iterator[str]:
    languages = [name for name in groups if name != ALL]
    yield f"{'answers, percent':28} {'all':>18}{''.join(f'{name:>8}' for name in languages)}"
    for name, title in _SHARES.items():
        if name in groups[ALL]["shares"]:
            yield _row(title, [groups[group]["shares"].get(name) for group in (ALL, *languages)])
    yield _row("sentences unsupported", [groups[group]["unsupported"] for group in (ALL, *languages)])
    yield _row("AUROC of the confidence", [groups[group]["auroc"] for group in (ALL, *languages)])
    whole = groups[ALL]
    confusion = whole["confusion"]
    yield (
        f"answerable: {confusion['answered']} answered, {confusion['wrongly_refused']} refused; others:"
        f" {confusion['wrongly_answered']} answered, {confusion['refused']} refused;"
        f" {confusion['failed']} failed; threshold {whole['threshold']:g}"
    )
    size = whole["length"]
    yield (
        f"median answer {_number(size['sentences']['p50'], 0)} sentences, {_number(size['characters']['p50'], 0)}"
        " characters; 95 % within"
        f" {_number(size['sentences']['p95'], 0)} and {_number(size['characters']['p95'], 0)}"
    )
    stages = "; ".join(
        f"{stage.replace('_', ' ')} {_number(spread['p50'], 3)} / {_number(spread['p95'], 3)}"
        for stage, spread in whole["seconds"].items()
        if stage in _STAGES
    )
    yield f"seconds, median / 95 %: {stages or 'none'}"
    tokens = {kind: spread for kind, spread in whole["tokens"].items() if spread["count"]}
    if tokens:
        means = ", ".join(f"{kind.replace('_', ' ')} {_number(spread['mean'], 0)}" for kind, spread in tokens.items())
        yield f"mean tokens: {means}"


def _row(title: str, estimates: Sequence[Mapping[str, Any] | None]) -> str:
    others = "".join(f"{_number(item['value'] if item else None, 1, 100):>8}" for item in estimates[1:])
    return f"{title:28} {_percent(estimates[0]):>18}{others}"


def _percent(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None or estimate["value"] is None:
        return "-"
    low, high = (f"{100 * estimate[end]:.0f}" if estimate[end] is not None else "?" for end in ("low", "high"))
    return f"{100 * estimate['value']:.1f} ({low}-{high})"


def _number(value: float | None, digits: int, times: float = 1.0) -> str:
    return "-" if value is None else f"{times * value:.{digits}f}"


def _by_ranker(rankers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        ranker: {metric: asdict(estimate) for metric, estimate in metrics.items()}
        for ranker, metrics in rankers.items()
    }


def _plain(value: Any) -> Any:
    """The same with None for what is not a number, which JSON has no word for."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
