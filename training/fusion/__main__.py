"""Makes fusion and confidence of `rag/weights.json`: `python -m training.fusion FOLDER...`, sets in BEIR layout.

Half of the questions of each set are fitted on, the other half and the sets named by `--unseen` are only measured.
The evidence is kept in `--cache` by set, embedder and code; `--plot` draws how reliable the confidence is.
"""

import argparse
import hashlib
import json
import pickle
from pathlib import Path

import numpy as np

from rag.embed import embedding_fingerprint, load_embedder
from rag.weights import PATH
from training.fusion import calibrate, fit
from training.fusion.evidence import Candidates, collect

ROOT = Path(__file__).parent.parent.parent
FEATURES = ("coverage", "coverage lead", "titles", "phrases", "cosine", "cosine lead", "alignment", "alignment lead")
# Evidence that speaks for a passage must not speak against it, whatever the sets say.
POSITIVE = FEATURES
_MIXED = ("mixed", "xling")
_CODE = (
    "rag/retrieve.py",
    "rag/analysis.py",
    "rag/lexical.py",
    "rag/bm25.py",
    "rag/align.py",
    "rag/embed/static.py",
    "rag/embed/balanced.py",
    "training/fusion/evidence.py",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.fusion", description=__doc__.split("\n")[0])
    parser.add_argument("sets", type=Path, nargs="+", help="folders in BEIR layout")
    parser.add_argument("--unseen", nargs="*", default=[], help="names of sets that are measured on only")
    parser.add_argument("--embedder", default="balanced")
    parser.add_argument("--output", type=Path, default=PATH)
    parser.add_argument("--cache", type=Path, default=ROOT / "var" / "training")
    parser.add_argument("--plot", type=Path, help="a PNG file for the reliability plot (needs matplotlib)")
    chosen = parser.parse_args()
    rows = [row for folder in chosen.sets for row in _evidence(folder, chosen.sets, chosen.embedder, chosen.cache)]
    fitted = [row for row in rows if row.training and row.kind.split("/")[0].split("|")[0] not in chosen.unseen]
    kept = {id(row) for row in fitted}
    measured = [row for row in rows if id(row) not in kept]
    fusion = fit.fit(fitted, FEATURES, POSITIVE)
    confidence = calibrate.fit(fitted, fusion, FEATURES)
    rounded = {
        name: {head: {key: round(value, 4) for key, value in some.items()} for head, some in model.items()}
        for name, model in (("fusion", fusion), ("confidence", confidence))
    }
    stored = json.loads(chosen.output.read_text(encoding="utf-8")) if chosen.output.is_file() else {}
    chosen.output.write_text(json.dumps(stored | rounded, indent=1) + "\n", encoding="utf-8")
    _report(measured, rounded, "not fitted on")
    _report(fitted, rounded, "fitted on")
    if chosen.plot:
        _plot(measured, rounded, chosen.plot)


def _evidence(folder: Path, sets: list[Path], embedder_name: str, cache: Path) -> list[Candidates]:
    embedder = load_embedder(embedder_name)
    code = "".join((ROOT / path).read_text(encoding="utf-8") for path in _CODE)
    key = hashlib.sha256((code + embedding_fingerprint(embedder) + str(folder)).encode()).hexdigest()[:16]
    path = cache / f"evidence-{folder.name}-{key}.pickle"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        # Mixed corpora hold the other sets' documents, and sets of one family the same passages.
        family = {folder.name.split("-")[0], *_MIXED}
        strangers = [other for other in sets if not other.name.startswith(tuple(family))]
        strangers = [] if folder.name.startswith(_MIXED) else strangers
        path.write_bytes(pickle.dumps(collect(folder, embedder, strangers)))
    rows: list[Candidates] = pickle.loads(path.read_bytes())
    return rows


def _report(rows: list[Candidates], weights: dict, title: str) -> None:
    print(f"\n## Questions that were {title}\n\n| kind | questions | R@1 | R@10 |\n|---|---|---|---|")
    for kind, (first, ten, count) in sorted(fit.recalls(rows, weights["fusion"], FEATURES).items()):
        print(f"| {kind} | {count} | {first:.1f} | {ten:.1f} |")
    values: dict[str, tuple[list[float], list[float]]] = {}
    every: list[tuple[float, bool]] = []
    kinds: list[tuple[str, bool]] = []
    for row in rows:
        if not len(row.features):
            continue
        head, features, truth = calibrate.judged(row, weights["fusion"], FEATURES)
        value = calibrate.probability(head, features, weights["confidence"])
        every.append((value, truth))
        kinds.append((row.kind, truth))
        corpus, _, stranger = row.kind.partition("|")
        values.setdefault(corpus.split("/")[0], ([], []))[bool(stranger) and stranger != "unanswerable"].append(value)
        if stranger == "unanswerable":
            values.setdefault(f"{corpus} unanswerable", (values[corpus][0], []))[1].append(value)
    print("\n| set | its own | strangers | AUROC | own answered at 0.5 | strangers answered at 0.5 |")
    print("|---|---|---|---|---|---|")
    for name, (own, others) in sorted(values.items()):
        if own and others:
            answered = " | ".join(f"{100 * float(np.mean(np.array(some) >= 0.5)):.1f}" for some in (own, others))
            area = calibrate.separation(own, others)
            print(f"| {name} | {len(own)} | {len(others)} | {area:.3f} | {answered} |")
    error, table = calibrate.calibration_error(
        [value for value, _ in every], [truth for _, truth in every], calibrate.shares(kinds).tolist()
    )
    print(f"\nExpected calibration error {error:.3f} over {len(every)} questions")
    for mean, share, weight in table:
        print(f"  said {mean:.2f}, true {share:.2f}, {100 * weight:.1f} % of the weight")


def _plot(rows: list[Candidates], weights: dict, path: Path) -> None:
    from matplotlib import pyplot

    said, kinds = [], []
    for row in rows:
        if len(row.features):
            head, features, truth = calibrate.judged(row, weights["fusion"], FEATURES)
            said.append((calibrate.probability(head, features, weights["confidence"]), truth))
            kinds.append((row.kind, truth))
    _, table = calibrate.calibration_error(
        [value for value, _ in said], [truth for _, truth in said], calibrate.shares(kinds).tolist()
    )
    figure, axes = pyplot.subplots(figsize=(5, 5))
    axes.plot([0, 1], [0, 1], color="0.7")
    axes.scatter([item[0] for item in table], [item[1] for item in table], s=[10 + 400 * item[2] for item in table])
    axes.set_xlabel("confidence")
    axes.set_ylabel("share of questions that the first three passages answer")
    figure.savefig(path, dpi=100, bbox_inches="tight")


if __name__ == "__main__":
    main()
