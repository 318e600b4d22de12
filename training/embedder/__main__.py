"""Makes `rag/embed/student` from a folder of training texts: `python -m training.embedder DATA [--output FOLDER]`.

    python -m venv /tmp/training && /tmp/training/bin/pip install -r requirements/training.txt
    /tmp/training/bin/python -m training.embedder.fetch DATA        # for those who do not have the texts yet
    /tmp/training/bin/python -m training.embedder DATA --check SET...

`DATA` is described in `training/embedder/data.py`. Takes about half an hour and 4 GB of memory on two cores; the
teacher's vectors are kept in `--cache`. `--check` prints recall on question sets in BEIR layout.
"""

import argparse
from pathlib import Path

import numpy as np

from rag.embed.static import StaticEncoder
from training.embedder import evaluate, teacher, tokenizer
from training.embedder.data import LANGUAGES, load
from training.embedder.export import export
from training.embedder.student import Corpus, Recipe, train

_STUDENT = Path(__file__).parent.parent.parent / "rag" / "embed" / "student"
# Pieces trained on the texts of each language; merged they must stay below 65,536, their numbers have 16 bits.
_PIECES = {"en": 20_000, "ko": 23_000, "hu": 26_000}
_TRAINING_CHARACTERS = 700


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.embedder", description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--output", type=Path, default=_STUDENT, help="where the weights go (default rag/embed/student)"
    )
    parser.add_argument("--cache", type=Path, default=Path("var/training"), help="for the teacher's vectors")
    parser.add_argument("--check", type=Path, nargs="*", default=[], help="question sets in BEIR layout to measure on")
    chosen = parser.parse_args()
    chosen.cache.mkdir(parents=True, exist_ok=True)

    texts = load(chosen.data)
    print(
        f"{len(texts.pairs)} pairs, {len(texts.sections)} sections, {len(texts.validation)} pairs held out", flush=True
    )
    pieces = tokenizer.train(
        {language: [text[:_TRAINING_CHARACTERS] for text in texts.all(language)] for language in LANGUAGES}, _PIECES
    )
    english = texts.all("en")
    vectors = teacher.vectors(english, chosen.cache)
    recipe = Recipe()
    projection = teacher.projection(vectors, recipe.dimension)
    corpus = Corpus(texts, pieces, {text: row for row, text in enumerate(english)})
    rows = train(corpus, teacher.projected(vectors, projection), pieces.get_vocab_size(), recipe)
    export(rows, tokenizer.vocabulary(pieces), projection.astype(np.float16), chosen.output)
    evaluate.report(StaticEncoder(chosen.output), texts.validation, chosen.check)


if __name__ == "__main__":
    main()
