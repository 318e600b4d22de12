"""What a connector is: it keeps documents of a remote collection in a folder of its own. Knows no protocol."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ingest.report import Problem

if TYPE_CHECKING:
    from ingest.connectors.http import Fetcher

Progress = Callable[[int, int], None]
"""Called with the number of documents done and the number known so far."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document that a connector keeps on disk.

    `source` is a stable readable name such as `arxiv/2401.01234v2`, never used as a path. `metadata` has what the file
    itself does not say: `url`, `authors`, `published`, `license`, `language`, `identifier`.
    """

    path: Path
    source: str
    title: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class Connector(Protocol):
    """Options of a remote collection, checked when made: ConfigurationError names the key, the value and the limit."""

    def fetch(self, folder: Path, fetcher: "Fetcher", progress: Progress) -> tuple[list[Fetched], list[Problem]]:
        """The documents of the collection, as files in `folder`, and what could not be had.

        `folder` belongs to this connector alone and lives on between runs. What was fetched before and cannot be
        reached now is returned with a Problem; what the server says is gone is not returned. A kill at any moment
        loses at most the document in flight.
        """
        ...


def file_name(identifier: str, suffix: str = "") -> str:
    """A name in the connector's folder for any URL or identifier: a hash, so that nothing remote becomes a path."""
    return sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:40] + suffix


def write_atomically(path: Path, content: bytes, durable: bool = True) -> None:
    """Writes the file so that after a kill it holds either what it held before or all of `content`.

    Also after a power cut, unless `durable` is False, which is for files whose damage shows and costs little.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process id keeps two writers of one cache apart; the suffix is one that the file source passes over.
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with aside.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
