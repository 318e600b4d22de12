"""Rerankers: cross-encoders that read a question together with each passage. Optional, over the first hits only.

By name: `sentence-transformers:NAME`, `onnx:FOLDER`. Knows nothing of hits or indexes; each adapter loads its framework
when a reranker of its kind is opened.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rag.embed.rows import well_formed
from rag.errors import ConfigurationError, ModelUnavailable
from rag.settings import Settings

DEPTH = 30
"""How many of the first hits are worth reading again: a cross-encoder costs milliseconds a passage."""

_BATCH = 8
# Where the tokenizer does not say how long a pair may be.
_MAXIMUM_TOKENS = 512
# A token stands for at most a hundred characters, so no text needs more of them to fill the longest input.
_CHARACTERS_PER_TOKEN = 100


class Reranker(Protocol):
    """Says how well passages answer a query."""

    name: str

    def scores(self, query: str, passages: Sequence[str]) -> np.ndarray:
        """(n,) float32 in [0, 1], higher is better, for (n,) passages in their order."""
        ...


def load_reranker(name: str, settings: Settings) -> Reranker | None:
    """Opens the reranker `name`; None where the name is empty.

    Raises ConfigurationError for an unknown name, ModelUnavailable, with what to do, if it can't be opened.
    """
    kind, _, rest = name.partition(":")
    if not name:
        return None
    if kind == "sentence-transformers" and rest:
        return SentenceTransformersReranker(rest)
    if kind == "onnx" and rest:
        return OnnxReranker(Path(rest).expanduser(), settings.threads)
    raise ConfigurationError(
        f"{name!r} is not the name of a reranker. LACERTA_RERANKER takes sentence-transformers:NAME or onnx:FOLDER,"
        " or stays empty."
    )


class OnnxReranker:
    """A cross-encoder in a folder with `model.onnx` and `tokenizer.json`. May be used from several threads at once.

    The model takes `input_ids`, and if it wants them `attention_mask` and `token_type_ids`, (B, T) int64, and gives
    one logit a pair, (B, 1) or (B,), or two, of which the second one speaks for the passage.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        """Opens the model with `threads` threads, or one a core where 0. Raises ModelUnavailable."""
        import onnxruntime
        from tokenizers import Tokenizer

        self.name = f"onnx:{folder}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Threads that spin for their next task keep the cores of an idle server busy.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._tokenizer = Tokenizer.from_str((folder / "tokenizer.json").read_text(encoding="utf-8"))
            self._session = onnxruntime.InferenceSession(
                folder / "model.onnx", sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's and tokenizers' exceptions share no other base
            raise ModelUnavailable(
                f"{self.name} cannot be opened ({error}). Put model.onnx and tokenizer.json of a cross-encoder there,"
                " or set LACERTA_RERANKER to another one or to nothing."
            ) from error
        self._inputs = {item.name for item in self._session.get_inputs()}
        known = {"input_ids", "attention_mask", "token_type_ids"}
        if "input_ids" not in self._inputs or not self._inputs <= known:
            raise ModelUnavailable(
                f"{self.name} is no cross-encoder: it takes {', '.join(sorted(self._inputs))} where"
                f" {', '.join(sorted(known))} are expected. Set LACERTA_RERANKER to another one or to nothing."
            )
        limit = (self._tokenizer.truncation or {}).get("max_length", _MAXIMUM_TOKENS)
        self._characters = limit * _CHARACTERS_PER_TOKEN
        self._tokenizer.enable_truncation(limit, strategy="longest_first")
        self._tokenizer.no_padding()

    def scores(self, query: str, passages: Sequence[str]) -> np.ndarray:
        """(n,) float32 in [0, 1] for (n,) passages; what is too long is cut. Raises ModelUnavailable."""
        found = np.empty(len(passages), np.float32)
        pairs = [(self._cut(query), self._cut(passage)) for passage in passages]
        encodings = self._tokenizer.encode_batch(pairs)
        # Pairs of about one length go together, so that little of a batch is padding.
        places = sorted(range(len(pairs)), key=lambda place: len(encodings[place].ids))
        for start in range(0, len(places), _BATCH):
            batch = places[start : start + _BATCH]
            found[batch] = self._run([encodings[place] for place in batch])
        return found

    def _cut(self, text: str) -> str:
        return well_formed(text[: self._characters])

    def _run(self, encodings: Sequence[Any]) -> np.ndarray:
        shape = len(encodings), max(len(encoding.ids) for encoding in encodings)  # (B, T)
        values = {name: np.zeros(shape, np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
        for row, encoding in enumerate(encodings):
            length = len(encoding.ids)
            values["input_ids"][row, :length] = encoding.ids
            values["attention_mask"][row, :length] = 1
            values["token_type_ids"][row, :length] = encoding.type_ids
        try:
            logits = self._session.run(None, {name: values[name] for name in self._inputs})[0]
        except Exception as error:  # onnxruntime's exceptions share no other base
            raise ModelUnavailable(f"{self.name} failed ({error}). Set LACERTA_RERANKER to another one.") from error
        return _probabilities(logits, len(encodings), self.name)


class SentenceTransformersReranker:
    """Any cross-encoder that the sentence-transformers package loads, by its name or folder. Needs torch, an extra."""

    def __init__(self, model: str) -> None:
        """Opens `model`, which the package fetches if it is not on this machine yet. Raises ModelUnavailable."""
        self.name = f"sentence-transformers:{model}"
        try:
            from sentence_transformers import CrossEncoder
            from torch.nn import Identity
        except ImportError as error:
            raise ModelUnavailable(
                f"{self.name} needs sentence-transformers and torch: run make extra EXTRA=models."
            ) from error
        try:
            # Models differ in the activation they bring; without one they all give logits.
            self._encoder = CrossEncoder(model, activation_fn=Identity(), trust_remote_code=False)
        except Exception as error:  # the package passes on whatever the hub, the files or torch raise
            raise ModelUnavailable(
                f"{self.name} cannot be loaded ({error}). Name a folder or a published cross-encoder in"
                " LACERTA_RERANKER."
            ) from error

    def scores(self, query: str, passages: Sequence[str]) -> np.ndarray:
        """(n,) float32 in [0, 1] for (n,) passages; pairs are cut at the model's own limit."""
        if not passages:
            return np.zeros(0, np.float32)
        pairs = [(well_formed(query), well_formed(passage)) for passage in passages]
        logits = self._encoder.predict(pairs, batch_size=_BATCH, show_progress_bar=False)
        return _probabilities(logits, len(passages), self.name)


def _probabilities(logits: Any, count: int, name: str) -> np.ndarray:
    """(n,), (n, 1) or (n, 2) logits to (n,) float32 in [0, 1]. Raises ModelUnavailable for anything else."""
    rows = np.asarray(logits, dtype=np.float64)
    if rows.ndim == 1:
        rows = rows[:, np.newaxis]
    if rows.shape not in ((count, 1), (count, 2)) or not np.isfinite(rows).all():
        raise ModelUnavailable(
            f"{name} is no cross-encoder: for {count} pairs it gives {np.asarray(logits).shape} where one or two finite"
            " logits a pair are expected. Set LACERTA_RERANKER to another one or to nothing."
        )
    logit = rows[:, 0] if rows.shape[1] == 1 else rows[:, 1] - rows[:, 0]
    # The sigmoid, written so that no exponential overflows.
    probability: np.ndarray = (0.5 * (1 + np.tanh(0.5 * logit))).astype(np.float32)
    return probability
