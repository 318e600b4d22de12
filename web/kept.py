"""A conversation on its way to the visitor's browser, which keeps it, and back."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from rag.answer import Engine
from rag.errors import IndexUnavailable, LacertaError
from rag.index import DocumentRecord, Index
from rag.types import Chunk
from web.access.caller import Caller
from web.api.errors import ApiError
from web.conversation import Conversation
from web.export.conversation import BadConversation, dump, load, passages, with_passages
from web.sources.quotes import chunk_of

Records = Mapping[str, DocumentRecord]
"""Documents of an index by id."""


class Keeper:
    """Makes the texts that a browser keeps of a domain's conversations. Thread-safe.

    Without an engine no document is looked up.
    """

    def __init__(self, engine: Engine | None, language: str) -> None:
        self.engine = engine
        self._language = language
        # By domain, with the version that they are of.
        self._known: dict[str, tuple[str, Records]] = {}

    def records(self, domain: str) -> tuple[str, Records]:
        """The version that is served and its documents; nothing where there is none."""
        try:
            if self.engine is None:
                return "", {}
            with self.engine.index(domain) as index:
                manifest = index.manifest
                version, records = self._known.get(domain, ("", {}))
                if version != manifest.version:
                    records = {record.id: record for record in manifest.documents}
                    self._known[domain] = manifest.version, records
                return manifest.version, records
        # What is shown or kept is known without it, though less of it.
        except LacertaError:
            return "", {}

    def text(self, conversation: Conversation, domain: str) -> str:
        """The conversation as JSON. May read the index."""
        version, records = self.records(domain) if conversation else ("", {})
        return dump(conversation, records, domain, version, self._language, datetime.now(UTC).date())

    def conversation(self, text: str, domain: str, own: Sequence[str] = ()) -> Conversation:
        """What such a text holds, with the passages of the index there is now. Raises BadConversation.

        `own` are places of documents of the visitor's own, whose passages are looked up, too.
        """
        loaded = load(text)
        if loaded.domain != domain:
            raise BadConversation(f"This conversation is about {loaded.domain!r}, not about {domain!r}.")
        if not self.engine:
            return loaded.conversation
        wanted = {
            citation.chunk.id: citation.chunk.document_id
            for exchange in loaded.conversation
            if exchange.answer
            for citation in exchange.answer.citations
        }
        try:
            with self.engine.index(domain) as index, self.engine.visits.beside(own) as beside:
                searched = (index, *beside.indexes)
                found = [_found(one, wanted[name], name) for one in searched for name in passages(loaded.conversation)]
        except IndexUnavailable:
            return loaded.conversation
        return with_passages(loaded.conversation, [chunk for chunk in found if chunk])


def told(
    domain: str,
    why: str,
    conversation: Conversation,
    identifier: str | None = None,
    text: str = "",
    message: str = "",
    owner: Caller | None = None,
    left: Mapping[str, str] | None = None,
) -> str:
    """What the page's scripts are told of the conversation that is shown: JSON, another one each time.

    `owner` is the visitor whose conversations the browser should show, where that is to be told; `left` are texts of
    conversations of other domains that this ended, by domain.
    """
    facts = {
        "serial": time.time_ns(), "domain": domain, "why": why, "count": len(conversation), "id": identifier,
        "json": text, "message": message, "owner": owner_of(owner) if owner else None, "left": left or None,
    }  # fmt: skip
    return json.dumps({key: value for key, value in facts.items() if value is not None}, ensure_ascii=False)


def owner_of(caller: Caller) -> str:
    """Under what a browser keeps a visitor's conversations, apart from those of others who log in there; "" for nobody.

    It hides the login's name, not the conversations: whoever may use the browser's tools can read them.
    """
    if caller.kind != "login":
        return ""
    return hashlib.sha256(f"lacerta-conversations:{caller.name}".encode()).hexdigest()[:32]


def _found(index: Index, document: str, name: str) -> Chunk | None:
    try:
        return chunk_of(index, document, name)
    except ApiError:
        return None
