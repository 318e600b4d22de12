"""The vector store on a Chroma server: collections of their own for each version. Knows nothing of files of an index.

The server is the one that `chroma run` starts. Every fault of it is IndexUnavailable, and the next call may succeed.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from rag.errors import IndexUnavailable
from rag.settings import Secret, Settings
from rag.types import Chunk
from rag.vectors import VectorStore

INSTALLATION = "installation"
"""Name of the file in `var/` that tells this installation from others that use the same server."""

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 15.0
# Adding a batch to a large graph takes seconds, on a slow machine many.
_WRITE_SECONDS = 300.0
# The server takes 40 MB in a request.
_BODY_BYTES = 16_000_000
_COPIED = 1000
_SAID_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class VectorServer:
    """A Chroma server at `address`, asked with `token` where that is not empty, and whose collections are meant."""

    address: str
    token: Secret
    installation: str

    @classmethod
    def of(cls, settings: Settings) -> "VectorServer | None":
        """The server that the settings name, None where vectors are in files."""
        if not settings.chroma:
            return None
        return cls(settings.chroma, settings.chroma_token, _installation(settings.var))

    def open(self, folder: Path, *, writing: bool = False) -> "ServerVectors":
        """The vectors of the version whose folder is `<domain>/<version>`, also while that ends in `.building`.

        Raises IndexUnavailable.
        """
        return ServerVectors(self, folder.parent.name, folder.name.partition(".")[0], writing)

    def count(self, folder: Path) -> int:
        """How many vectors of a version there are. Raises IndexUnavailable where that can't be told."""
        with closing(self.open(folder)) as store:
            return sum(store.counts().values())

    def answers(self) -> None:
        """Raises IndexUnavailable where it does not."""
        disconnect(self.call(self.connect, _READ_SECONDS))

    def prune(self, domain: str, kept: Collection[str]) -> None:
        """Deletes what is there of a domain's versions other than `kept`. Raises IndexUnavailable."""
        client = self.call(self.connect, _WRITE_SECONDS)
        for item in self.call(client.list_collections):
            known = item.metadata or {}
            mine = known.get("installation") == self.installation and known.get("domain") == domain
            if mine and known.get("version") not in kept:
                self.call(client.delete_collection, item.name)
        disconnect(client)

    def connect(self, seconds: float) -> Any:
        """A client of Chroma whose calls take at most so long."""
        import chromadb
        import httpx
        from chromadb.config import Settings as ChromaSettings

        headers = {"Authorization": f"Bearer {self.token.reveal()}"} if self.token else {}
        # Chroma's client would wait for ever while it is made, and can be told otherwise only afterwards.
        asked = httpx.get(f"{self.address.rstrip('/')}/api/v2/heartbeat", headers=headers, timeout=_CONNECT_SECONDS)
        asked.raise_for_status()
        client = chromadb.HttpClient(self.address, headers=headers, settings=ChromaSettings(anonymized_telemetry=False))
        client._server._session.timeout = httpx.Timeout(seconds, connect=_CONNECT_SECONDS)  # type: ignore[attr-defined]
        return client

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """What a function of Chroma's client returns. Raises IndexUnavailable for whatever it raises."""
        try:
            return function(*arguments, **named)
        # Beside its own errors and those of httpx it raises plain ones with what the server, or a gateway, replied.
        except Exception as error:
            said = " ".join(str(error).split())[:_SAID_CHARACTERS]
            raise IndexUnavailable(
                f"The vector server at {self.address} (LACERTA_CHROMA) failed with {type(error).__name__}: {said}."
                " Start it if it does not run (chroma run --path FOLDER --port PORT); if it no longer has these"
                " vectors, run make ingest."
            ) from error


class ServerVectors(VectorStore):
    """Unit vectors of the chunks of a version of a domain."""

    def __init__(self, server: VectorServer, domain: str, version: str, writing: bool) -> None:
        # Chroma allows fewer characters in a name than a folder may have.
        digest = hashlib.sha256(f"{domain}/{version}".encode()).hexdigest()[:32]
        known = {"installation": server.installation, "domain": domain, "version": version}
        self._server = server
        client = server.call(server.connect, _WRITE_SECONDS if writing else _READ_SECONDS)
        super().__init__(client, f"lacerta-{server.installation}-{digest}-", known)

    def take(self, other: VectorStore, chunks: Iterable[Chunk], without: Collection[str]) -> list[str]:
        """Adds chunks that `other` holds, but for those of some documents; the ids of the latter.

        Raises IndexUnavailable where it lacks one.
        """
        left_out: list[str] = []

        def kept() -> Iterator[Chunk]:
            for chunk in chunks:
                if chunk.document_id in without:
                    left_out.append(chunk.id)
                else:
                    yield chunk

        rest = kept()
        while page := list(islice(rest, _COPIED)):
            rows = other.rows([chunk.id for chunk in page])
            if len(rows) < len(page):
                raise IndexUnavailable(
                    f"The vector server at {self._server.address} has lost vectors: run the ingest with --rebuild."
                )
            self.add(page, np.stack([rows[chunk.id] for chunk in page]))
        return left_out

    def check(self) -> None:
        self._call(self._client.heartbeat)

    def _call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return self._server.call(function, *arguments, **named)

    def _batch(self, dimension: int) -> int:
        # As base64 in JSON, with an id and metadata.
        return max(1, min(super()._batch(dimension), _BODY_BYTES // (6 * dimension + 200)))

    def close(self) -> None:
        self._collections = {}
        disconnect(self._client)


def disconnect(client: Any) -> None:
    client.close()
    # Which it leaves open.
    client._server._session.close()


def _installation(var: Path) -> str:
    """Made at the first use, which several processes may come to at once."""
    path = var / INSTALLATION
    if not path.exists():
        var.mkdir(parents=True, exist_ok=True)
        made = secrets.token_hex(8)
        aside = path.with_name(f"{INSTALLATION}.{made}.tmp")
        aside.write_text(made + "\n", encoding="ascii")
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return path.read_text(encoding="ascii").strip()
