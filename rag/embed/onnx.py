"""A sentence encoder in an ONNX file, run on the processor by onnxruntime. Needs no torch and no network.

The folder holds `model.onnx` (token ids and mask to unit rows), `tokenizer.json`, and `model.json` with what the two
are: dimension, languages, longest input and checksums.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from rag.embed.rows import well_formed
from rag.errors import ModelUnavailable

# Tokens of a batch, padding included. More falls out of the processor's cache and is slower.
_BATCH_TOKENS = 512
# Texts tokenised at a time: bounds the memory that their encodings take.
_WINDOW = 1024
# A token stands for at most a hundred characters, so no text needs more of them to fill the longest input.
_CHARACTERS_PER_TOKEN = 100


class OnnxEmbedder:
    """Vectors of one model. May be used from several threads at once."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        """Opens the model in `folder`; passages are embedded by `threads` threads, or one a core where 0.

        Raises ModelUnavailable if files are missing or broken.
        """
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        # A thread a batch: sharing out the small matrices of one batch costs more than it gives, a question's too.
        options.intra_op_num_threads = 1
        try:
            facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            self.dimension: int = facts["dimension"]
            self.languages: tuple[str, ...] = tuple(facts["languages"])
            self.maximum_tokens: int = facts["maximum_tokens"]
            self.name = f"{folder.name}-{self.maximum_tokens}-{facts['sha256']['model.onnx'][:12]}"
            definition = (folder / "tokenizer.json").read_text(encoding="utf-8")
            self._session = onnxruntime.InferenceSession(
                folder / "model.onnx", sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions share no other base
            raise ModelUnavailable(
                f"The embedder in {folder} cannot be opened ({error}). Restore the folder from the repository:"
                f" git checkout -- {folder}"
            ) from error
        self._tokenizer = Tokenizer.from_str(definition)
        self._tokenizer.enable_truncation(self.maximum_tokens)
        self._tokenizer.no_padding()
        self._threads = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="onnx")

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) texts to (n, dimension) float32 unit rows, in the order of the texts.

        Only the first `maximum_tokens` tokens of a text count. A row does not depend on the other texts.
        """
        rows = np.empty((len(texts), self.dimension), np.float32)
        for start in range(0, len(texts), _WINDOW):
            window = texts[start : start + _WINDOW]
            ids = [encoding.ids for encoding in self._tokenizer.encode_batch_fast([*map(self._cut, window)])]
            batches = _batches([len(text) for text in ids])
            found = self._threads.map(self._run, ([ids[place] for place in batch] for batch in batches))
            for batch, its_rows in zip(batches, found, strict=True):
                rows[[start + place for place in batch]] = its_rows
        return rows

    def embed_query(self, text: str) -> np.ndarray:
        """One text to (dimension,) float32, unit length."""
        row: np.ndarray = self._run([self._tokenizer.encode(self._cut(text)).ids])[0]
        return row

    def _cut(self, text: str) -> str:
        return well_formed(text[: self.maximum_tokens * _CHARACTERS_PER_TOKEN])

    def _run(self, ids: Sequence[Sequence[int]]) -> Any:
        longest = max(map(len, ids))
        tokens = np.zeros((len(ids), longest), np.int64)  # (B, T)
        mask = np.zeros_like(tokens)
        for row, text in enumerate(ids):
            tokens[row, : len(text)] = text
            mask[row, : len(text)] = 1
        return self._session.run(["embedding"], {"input_ids": tokens, "attention_mask": mask})[0]


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Places of texts grouped by similar length, each group padded to at most `_BATCH_TOKENS` tokens."""
    batches: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        # Sorted upwards: the newcomer is the longest, so it sets the width.
        if batches and (len(batches[-1]) + 1) * lengths[place] <= _BATCH_TOKENS:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches
