"""Embedders by name: the bundled encoder itself, a real HTTP server for OpenAI's client, a real GGUF file."""

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag.embed import bundled_english, load_embedder
from rag.embed.onnx import OnnxEmbedder
from rag.embed.prefixes import prefixes
from rag.embed.rows import unit_rows
from rag.errors import ConfigurationError, ModelUnavailable
from rag.settings import Secret, Settings
from tests.doubles import write_gguf

FOLDER = Path(__file__).parent.parent / "rag" / "embed" / "minilm"
TEXTS = [
    "The telescope observes infrared light from distant galaxies.",
    "Interns hand in their report by the end of June.",
    "Saturn.",
    "An infrared observatory looks at galaxies that are far away. " * 6,
    "",
]


@pytest.fixture(scope="module")
def minilm() -> OnnxEmbedder:
    return bundled_english(threads=1)


def test_rows_are_float32_of_unit_length(minilm: OnnxEmbedder) -> None:
    rows = minilm.embed_passages(TEXTS)
    assert rows.shape == (len(TEXTS), minilm.dimension) == (5, 384)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_rows(minilm: OnnxEmbedder) -> None:
    assert minilm.embed_passages([]).shape == (0, 384)


def test_a_vector_does_not_depend_on_the_batch_or_its_place(minilm: OnnxEmbedder) -> None:
    texts = [" ".join(TEXTS[0].split()[: 1 + number % 9]) + f" {number}" for number in range(70)] + TEXTS
    together = minilm.embed_passages(texts)
    alone = np.stack([minilm.embed_query(text) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-3)
    np.testing.assert_allclose(minilm.embed_passages(texts[::-1]), together[::-1], atol=1e-3)


def test_meaning_is_nearer_than_another_subject(minilm: OnnxEmbedder) -> None:
    telescope, intern, _, observatory, _ = minilm.embed_passages(TEXTS)
    question = minilm.embed_query("Which instrument sees galaxies in the infrared?")
    assert telescope @ observatory > 0.6 > telescope @ intern + 0.3
    assert question @ telescope > question @ intern + 0.3


def test_only_the_first_tokens_of_a_long_text_count(minilm: OnnxEmbedder) -> None:
    start = "galaxy " * 300
    rows = minilm.embed_passages([start + "internship deadline " * 40_000, start])
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-5)


@pytest.mark.parametrize(
    "text", ["\ud800 half a pair", "\x00\u202e\u200b", "👩🏽‍🚀", "한글" * 500, "ő" * 5000, " \n\t"]
)
def test_strange_text_has_a_vector(minilm: OnnxEmbedder, text: str) -> None:
    assert np.isfinite(minilm.embed_query(text)).all()
    np.testing.assert_allclose(np.linalg.norm(minilm.embed_passages([text])), 1, atol=1e-5)


def test_threads_share_one_embedder(minilm: OnnxEmbedder) -> None:
    expected = [minilm.embed_query(text) for text in TEXTS]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(minilm.embed_query, TEXTS * 5))
    for place, row in enumerate(found):
        np.testing.assert_allclose(row, expected[place % len(TEXTS)], atol=1e-5)


def test_the_name_follows_the_bytes_of_the_weights(minilm: OnnxEmbedder) -> None:
    recorded = json.loads((FOLDER / "model.json").read_text(encoding="utf-8"))["sha256"]
    assert set(recorded) == {"model.onnx", "tokenizer.json"}
    card = (FOLDER / "MODEL.md").read_text(encoding="utf-8")
    for name, checksum in recorded.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == checksum
        assert checksum in card
    assert minilm.name == f"minilm-256-{recorded['model.onnx'][:12]}"


def test_a_folder_without_a_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="git checkout"):
        OnnxEmbedder(tmp_path)


@pytest.mark.parametrize("name", ["", "word2vec", "gguf:", "huggingface:x"])
def test_an_unknown_name_lists_the_choices(name: str) -> None:
    with pytest.raises(ConfigurationError, match="balanced, fast, minilm, sentence-transformers:NAME, gguf:PATH or"):
        load_embedder(name)


@pytest.mark.parametrize(
    ("module", "name", "command"),
    [
        ("sentence_transformers", "sentence-transformers:intfloat/multilingual-e5-small", "make extra EXTRA=models"),
        ("llama_cpp", "gguf:{path}", "make extra EXTRA=gguf"),
    ],
)
def test_a_missing_extra_names_the_command(
    module: str, name: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelUnavailable, match=command):
        load_embedder(name.format(path=path))


def test_a_path_that_is_no_gguf_file_is_told(tmp_path: Path) -> None:
    text = tmp_path / "notes.gguf"
    text.write_text("hello", encoding="utf-8")
    for path, reason in [(text, "begins with b'hell'"), (tmp_path / "none", "cannot be read"), (tmp_path, "Is a dir")]:
        with pytest.raises(ModelUnavailable, match=reason):
            load_embedder(f"gguf:{path}")


def test_a_gguf_file_embeds(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="the extra gguf is not installed")
    pytest.importorskip("gguf", reason="the extra gguf is not installed")
    path = write_gguf(tmp_path / "tiny.gguf")
    embedder = load_embedder(f"gguf:{path}", Settings(threads=1))
    rows = embedder.embed_passages(["the sun", "", "한국어 " * 2000])
    assert rows.shape == (3, embedder.dimension) == (3, 64)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(embedder.embed_query("the sun"), rows[0], atol=1e-4)
    assert embedder.name == f"gguf:tiny.gguf-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


def test_families_are_asked_as_they_were_trained() -> None:
    assert prefixes("intfloat/multilingual-e5-small") == ("query: ", "passage: ")
    assert prefixes("nomic-embed-text-v1.5.Q8_0.gguf") == ("search_query: ", "search_document: ")
    assert prefixes("BAAI/bge-m3") == prefixes("intfloat/e5-mistral-7b-instruct") == ("", "")


def test_rows_without_direction_or_of_another_length_are_refused() -> None:
    np.testing.assert_allclose(unit_rows([[3, 4]], "toy"), [[0.6, 0.8]])
    for broken in ([[0, 0]], [[float("nan"), 1]], [[1, 2, 3]], [[1, 2], [3]]):
        with pytest.raises(ModelUnavailable, match="toy"):
            unit_rows(broken, "toy", dimension=2)


class Server(ThreadingHTTPServer):
    """An embeddings interface: the vector of a text is its length and its number of spaces, plus one each."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, Any]] = []
        self.drop = 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        status = 200 if self.headers["Authorization"] == "Bearer right" else 401
        rows = [
            {"object": "embedding", "index": index, "embedding": [len(text) + 1.0, text.count(" ") + 1.0]}
            for index, text in enumerate(body["input"])
        ]
        answer: dict[str, Any] = {"object": "list", "model": body["model"], "data": rows[::-1][self.server.drop :]}
        if status == 401:
            answer = {"error": {"message": "bad key", "type": "invalid_request_error"}}
        if body["model"] == "absent":
            status, answer = 404, {"error": {"message": "no such model"}}
        reply = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def at(server: Server, key: str = "right") -> Settings:
    return Settings(openai_base_url=f"http://127.0.0.1:{server.server_port}/v1", openai_api_key=Secret(key))


def test_openai_vectors_keep_the_order_of_the_texts(server: Server) -> None:
    embedder = load_embedder("openai:small", at(server))
    texts = [f"{'word ' * (number % 7)}{number}" for number in range(150)]
    rows = embedder.embed_passages([*texts, ""])
    expected = np.array([[len(text) + 1.0, text.count(" ") + 1.0] for text in [*texts, "-"]])
    np.testing.assert_allclose(rows, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    assert embedder.dimension == 2
    assert embedder.embed_passages([]).shape == (0, 2)
    assert embedder.name == f"openai:small@http://127.0.0.1:{server.server_port}/v1"
    assert all(len(request["input"]) <= 64 and all(request["input"]) for request in server.requests)


def test_openai_faults_say_what_to_set(server: Server) -> None:
    with pytest.raises(ModelUnavailable, match=r"refuses the key.*LACERTA_OPENAI_API_KEY") as fault:
        load_embedder("openai:small", at(server, "wrong-key"))
    assert "wrong-key" not in str(fault.value)
    with pytest.raises(ModelUnavailable, match="knows no embedding model 'absent'"):
        load_embedder("openai:absent", at(server))
    with pytest.raises(ModelUnavailable, match="LACERTA_OPENAI_API_KEY"):
        load_embedder("openai:small", Settings())
    embedder = load_embedder("openai:small", at(server))
    server.drop = 1
    with pytest.raises(ModelUnavailable, match="returned 1 vectors for 2 texts"):
        embedder.embed_passages(["one", "two"])


def test_an_openai_server_that_is_not_there_is_told() -> None:
    with pytest.raises(ModelUnavailable, match="cannot be reached.*LACERTA_OPENAI_BASE_URL"):
        load_embedder("openai:small", Settings(openai_base_url="http://127.0.0.1:9/v1"))
