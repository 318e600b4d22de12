"""The learned weights of fusion, confidence and support, in a file that can be read: `weights.json`.

Made by `python -m training.fusion` and `python -m training.support`; see rag/WEIGHTS.md for the data and the figures.
"""

import json
from functools import cache
from pathlib import Path

from rag.errors import ConfigurationError

PATH = Path(__file__).parent / "weights.json"
SAME, OTHER = HEADS = "same", "other"
"""Heads: passages in the question's language, and those in another one."""

Weights = dict[str, dict[str, float]]


@cache
def weights(name: str) -> Weights:
    """The weights of a model by head and feature. Raises ConfigurationError if the file is not there or not whole."""
    try:
        found = json.loads(PATH.read_text(encoding="utf-8"))[name]
        return {head: {feature: float(weight) for feature, weight in found[head].items()} for head in (SAME, OTHER)}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"{PATH} holds no weights ({error}). Restore it: git checkout -- {PATH}") from error
