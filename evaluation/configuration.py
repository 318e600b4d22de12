"""A way to run the program, told in words such as `embedder=fast,passages=8`: what differs from the settings in force.

Knows nothing of questions and figures.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import ingest.split
import rag.weights
from rag.errors import ConfigurationError
from rag.settings import RetrievalSettings, Settings

AS_SET = "as set"
CONFIGURATION = "configuration"
"""What the settings of a run call the one that it was asked in."""
CHUNK_TOKENS, WEIGHTS = "chunk_tokens", "weights"
_SETTINGS: Mapping[str, Callable[[str], Any]] = {
    "embedder": str,
    "model": str,
    "reranker": str,
    "context_tokens": int,
    "answer_tokens": int,
}
_RETRIEVAL: Mapping[str, Callable[[str], Any]] = {
    item.name: int if item.type in (int, "int") else float for item in fields(RetrievalSettings)
}
# Below this, a chunk holds no whole sentence.
_LEAST_CHUNK = 20


@dataclass(frozen=True, slots=True)
class Configuration:
    """What differs from the settings in force, by key; see `keys`."""

    values: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str) -> "Configuration":
        """Reads `key=value[,key=value...]`; nothing at all is the settings in force.

        Raises ConfigurationError for an unknown key, a value that does not fit, or a key that comes twice.
        """
        values: dict[str, Any] = {}
        for part in filter(None, text.split(",")):
            name, equals, value = (item.strip() for item in part.partition("="))
            if not equals:
                raise ConfigurationError(f"{part!r} should be key=value, with a key of: {keys()}.")
            if name in values:
                raise ConfigurationError(f"{name} comes twice in {text!r}.")
            values[name] = _read(name, value)
        return cls(values)

    @property
    def label(self) -> str:
        """What differs, in words."""
        parts = (
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in self.values.items()
        )
        return ", ".join(parts) or AS_SET

    @property
    def chunk_tokens(self) -> int:
        """About how many tokens a chunk has."""
        return int(self.values.get(CHUNK_TOKENS, ingest.split.TARGET_TOKENS))

    def settings(self, settings: Settings) -> Settings:
        """The settings with what differs."""
        changed = {name: value for name, value in self.values.items() if name in _SETTINGS and name != "model"}
        if "model" in self.values:
            changed["models"] = (self.values["model"],)
        return replace(settings, **changed)

    def retrieval(self, retrieval: RetrievalSettings) -> RetrievalSettings:
        """A domain's `[retrieval]` with what differs."""
        return replace(retrieval, **{name: value for name, value in self.values.items() if name in _RETRIEVAL})

    def told(self) -> dict[str, Any]:
        """What a run over it should keep beside its settings."""
        others = {name: value for name, value in self.values.items() if "." in name or name == WEIGHTS}
        return {CONFIGURATION: self.label, CHUNK_TOKENS: self.chunk_tokens, **others}

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Chunk size and weights, which are constants of the program and no settings, are these in the meantime.

        Not for two threads at once. Raises ConfigurationError for a file of weights that is not whole.
        """
        split, path = (ingest.split.TARGET_TOKENS, ingest.split.LIMIT_TOKENS), rag.weights.PATH
        with tempfile.TemporaryDirectory(prefix="lacerta-weights-") as scratch:
            try:
                ingest.split.TARGET_TOKENS = self.chunk_tokens
                ingest.split.LIMIT_TOKENS = self.chunk_tokens + split[1] - split[0]
                rag.weights.PATH = self._weights(Path(scratch), path)
                rag.weights.weights.cache_clear()
                yield
            finally:
                ingest.split.TARGET_TOKENS, ingest.split.LIMIT_TOKENS = split
                rag.weights.PATH = path
                rag.weights.weights.cache_clear()

    def _weights(self, scratch: Path, path: Path) -> Path:
        single = {name: value for name, value in self.values.items() if "." in name}
        source = Path(self.values.get(WEIGHTS, path))
        if not single:
            return source
        try:
            found = json.loads(source.read_text(encoding="utf-8"))
            for name, value in single.items():
                model, head, feature = name.split(".", 2)
                if feature not in found[model][head]:
                    raise KeyError(feature)
                found[model][head][feature] = value
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"{source} has no weight for {', '.join(single)} ({error!r}).") from error
        changed = scratch / path.name
        changed.write_text(json.dumps(found), encoding="utf-8")
        return changed


def keys() -> str:
    """All keys, in words."""
    return (
        f"{', '.join((*_SETTINGS, *_RETRIEVAL))}, {CHUNK_TOKENS} (of a domain), {WEIGHTS} (a file such as"
        " rag/weights.json), or one weight of it such as fusion.same.coverage"
    )


def _read(name: str, value: str) -> Any:
    kinds: dict[str, Callable[[str], Any]] = {**_SETTINGS, **_RETRIEVAL, CHUNK_TOKENS: int, WEIGHTS: str}
    kind: Callable[[str], Any] | None = float if name.count(".") >= 2 else kinds.get(name)
    if kind is None:
        raise ConfigurationError(f"{name!r} can't be compared. Keys: {keys()}.")
    try:
        found = kind(value)
    except ValueError:
        raise ConfigurationError(f"{name} should be a number, is now {value!r}.") from None
    if name == CHUNK_TOKENS and found < _LEAST_CHUNK:
        raise ConfigurationError(f"{CHUNK_TOKENS} should be at least {_LEAST_CHUNK}, is now {found}.")
    if name == "passages" and found < 1:
        raise ConfigurationError(f"passages should be at least 1, is now {found}.")
    if name == WEIGHTS and not Path(found).is_file():
        raise ConfigurationError(f"There is no file of weights {value}.")
    return found
