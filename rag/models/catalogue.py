"""The curated models of `catalogue.toml`: what each is, where it comes from and whether it is here. Fetches nothing."""

import os
import re
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from rag.errors import ConfigurationError
from rag.settings import Settings

PURPOSES = ("chat", "embed")
HUGGING_FACE = "https://huggingface.co"
_CATALOGUE = Path(__file__).with_name("catalogue.toml")
_PATTERNS = {
    "name": r"[a-z0-9][a-z0-9.-]*",
    "purpose": "|".join(PURPOSES),
    "repository": r"[\w.-]+/[\w.-]+",
    "revision": r"[0-9a-f]{40}",
    "file": r"[\w-][\w.-]*\.gguf",
    "sha256": r"[0-9a-f]{64}",
    "terms": r"https://\S+",
}
# The kernel and the graphics keep some of what a machine was sold with.
_SHARE_OF_MEMORY = 0.88


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the catalogue: one file, known by its SHA-256.

    `memory` is the smallest machine it is for in GB, `size` is in bytes. `repository` and `revision`, a commit, are on
    Hugging Face. `terms` is where the licence can be read.
    """

    name: str
    purpose: str
    memory: int
    repository: str
    revision: str
    file: str
    size: int
    sha256: str
    licence: str
    terms: str
    languages: str
    why: str

    def url(self, endpoint: str = HUGGING_FACE) -> str:
        """Where the file is, at Hugging Face or at a mirror of it."""
        return f"{endpoint.rstrip('/')}/{self.repository}/resolve/{self.revision}/{self.file}"


@cache
def load(path: Path = _CATALOGUE) -> tuple[Entry, ...]:
    """The entries in the file's order. Raises ConfigurationError naming the entry and the key that is wrong."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
    rows = table.pop("models", None)
    if table or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigurationError(f"{path} should consist of [[models]] tables alone.")
    entries = tuple(_entry(path, row) for row in rows)
    for key in ("name", "file"):
        values = [getattr(entry, key) for entry in entries]
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise ConfigurationError(f"{path}: the {key} {min(twice)} stands there twice.")
    return entries


def _entry(path: Path, row: dict[str, Any]) -> Entry:
    known = {item.name: item for item in fields(Entry)}
    label = f"{path}: {row.get('name', 'an entry without a name')}"
    missing = sorted(known.keys() - row.keys())
    unknown = sorted(row.keys() - known.keys())
    if missing or unknown:
        raise ConfigurationError(f"{label} lacks {missing or 'no key'} and has the unknown keys {unknown or 'none'}.")
    for key, value in row.items():
        if known[key].type is int:
            if type(value) is not int or value < 1:
                raise ConfigurationError(f"{label}: {key} should be a number above 0, is now {value!r}.")
        elif not isinstance(value, str) or not re.fullmatch(_PATTERNS.get(key, r".+"), value):
            raise ConfigurationError(f"{label}: {key} should match {_PATTERNS.get(key, '.+')}, is now {value!r}.")
    return Entry(**row)


def entry_named(name: str, purpose: str) -> Entry:
    """The entry `name` of a purpose. Raises ConfigurationError listing the names there are."""
    entries = [entry for entry in load() if entry.purpose == purpose]
    for entry in entries:
        if entry.name == name:
            return entry
    known = ", ".join(entry.name for entry in entries)
    raise ConfigurationError(f"{name!r} is not among the models that can be fetched: {known}.")


def models_folder(settings: Settings) -> Path:
    """Where fetched models are kept."""
    return settings.var / "models"


def find(name: str, settings: Settings) -> Path | None:
    """The file of the model with that name in the catalogue, if it was fetched; None for other names too.

    A fetched file was checked before it got its name, so only its size is looked at here.
    """
    for entry in load():
        if entry.name == name:
            path = models_folder(settings) / entry.file
            return path if path.is_file() and path.stat().st_size == entry.size else None
    return None


def fits(entry: Entry, memory: int) -> bool:
    """Whether the model is for a machine with `memory` bytes."""
    return memory >= entry.memory * 1e9 * _SHARE_OF_MEMORY


def recommended(entries: tuple[Entry, ...], memory: int) -> Entry | None:
    """The first of those for the largest machine that `memory` bytes make; None if none fits."""
    # max keeps the first of equals.
    return max((entry for entry in entries if fits(entry, memory)), key=lambda entry: entry.memory, default=None)


def machine_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or less where a container is given less."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(limit).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            memory = min(memory, int(text))
    return memory
