"""Fits how well passages bear out sentences, into `rag/weights.json`: `python -m training.support FOLDER...`.

The folders are question sets in BEIR layout, of which sentences are made by rule (`evaluation.citations`); half of
their articles are fitted on. Figures of the other half: `python -m evaluation citations FOLDER...`.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from evaluation.citations import UNSUPPORTED, Example, examples
from rag.cite import passage_spans
from rag.cite.support import AGAINST, FEATURES, Evidence, evidence
from rag.weights import HEADS, PATH, SAME

_PENALTY = 2e-4
# Sentences that people wrote are few, and what a model writes is like them; the contrary is told by one word alone.
_RULE_WEIGHTS = {"entailed": 4.0, "statement": 4.0, "negated": 0.3}
# Of a passage that was not cited; there are five of them.
_UNCITED = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.support", description=__doc__.split("\n")[0])
    parser.add_argument("sets", type=Path, nargs="+", help="folders in BEIR layout")
    parser.add_argument("--output", type=Path, default=PATH)
    chosen = parser.parse_args()
    fitted = [example for example in examples(chosen.sets) if not example.measured]
    rows = [(example, _evidence(example)) for example in tqdm(fitted, leave=False, disable=None)]
    stored = json.loads(chosen.output.read_text(encoding="utf-8"))
    stored["support"] = {head: fit(rows, head) for head in HEADS}
    chosen.output.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


def fit(rows: Sequence[tuple[Example, Sequence[Evidence]]], head: str) -> dict[str, float]:
    """The weights of a head; supported and unsupported pairs count the same, and among them every rule."""
    counts = Counter(_kind(example) for example, _ in rows)
    inputs, truth, weight = [], [], []
    for example, passages in rows:
        natural = _RULE_WEIGHTS.get(example.rule, 1.0) if head == SAME else 1.0
        for place, item in enumerate(passages):
            if item.head == head:
                right = place == example.right
                cited = right or (example.right is None and place == example.claimed)
                inputs.append([item.features[name] for name in FEATURES])
                truth.append(right)
                weight.append(natural / counts[_kind(example)] * (1.0 if cited else _UNCITED))
    matrix, target, share = np.array(inputs), np.array(truth), np.array(weight)
    share /= 2 * np.where(target, share[target].sum(), share[~target].sum())
    allowed = [*range(len(FEATURES))]
    while True:
        found = _logistic(matrix[:, allowed], target, share)
        wrong = [
            (abs(value), place)
            for place, value in zip(allowed, found[1:], strict=True)
            if (value > 0) == (FEATURES[place] in AGAINST) and value
        ]
        if not wrong:
            break
        allowed.remove(max(wrong)[1])
    values = dict.fromkeys(FEATURES, 0.0) | {
        FEATURES[place]: round(float(value), 4) for place, value in zip(allowed, found[1:], strict=True)
    }
    return {"bias": round(float(found[0]), 4), **values}


def _evidence(example: Example) -> list[Evidence]:
    spans = [passage_spans(chunk.text) or ((0, len(chunk.text)),) for chunk in example.passages]
    found = evidence([example.sentence], example.passages, spans, example.language)
    return [found[0, place] for place in range(len(spans))]


def _kind(example: Example) -> tuple[bool, str, bool]:
    return example.kind != UNSUPPORTED, example.rule, ">" in example.pair


def _logistic(matrix: np.ndarray, target: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(1 + f,) intercept and weights, by Newton's method."""
    inputs = np.concatenate([np.ones((len(matrix), 1)), matrix], axis=1)
    penalty = np.diag([1e-9, *[_PENALTY] * matrix.shape[1]])
    found = np.zeros(inputs.shape[1])
    for _ in range(50):
        said = 1 / (1 + np.exp(-np.clip(inputs @ found, -60, 60)))
        slope = inputs.T @ (share * (said - target)) + penalty @ found
        curvature = (inputs * (share * said * (1 - said))[:, None]).T @ inputs + penalty
        step = np.linalg.solve(curvature, slope)
        found -= step
        if np.abs(step).max() < 1e-6:
            break
    return found


if __name__ == "__main__":
    main()
