"""The student's tokeniser: one unigram vocabulary a language, merged into one."""

import json
import math
from collections.abc import Iterable, Mapping

from tokenizers import Tokenizer, trainers

from rag.embed.static import unigram_tokenizer

UNKNOWN = "<unk>"


def train(texts: Mapping[str, Iterable[str]], sizes: Mapping[str, int]) -> Tokenizer:
    """Trains a vocabulary of `sizes[language]` pieces on each language's texts and merges them by their best score."""
    merged: dict[str, float] = {}
    for language, size in sizes.items():
        tokenizer = unigram_tokenizer()
        trainer = trainers.UnigramTrainer(
            vocab_size=size, unk_token=UNKNOWN, special_tokens=[UNKNOWN], show_progress=False, max_piece_length=16
        )
        tokenizer.train_from_iterator(texts[language], trainer)
        for piece, score in vocabulary(tokenizer):
            merged[piece] = max(merged.get(piece, -math.inf), score)
    del merged[UNKNOWN]
    return unigram_tokenizer([(UNKNOWN, 0.0), *sorted(merged.items(), key=lambda item: (-item[1], item[0]))])


def vocabulary(tokenizer: Tokenizer) -> list[tuple[str, float]]:
    """(piece, score) by number, the unknown piece first."""
    return [(piece, score) for piece, score in json.loads(tokenizer.to_str())["model"]["vocab"]]
