"""What only a Chroma server can do: be away, hang, lose its data, ask for a token, be shared with others."""

import json
import shutil
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from ingest.pipeline import bring_up_to_date, roll_back
from rag import vectors_server
from rag.answer import Engine
from rag.embed import embedding_fingerprint, load_embedder
from rag.errors import IndexUnavailable, LacertaError
from rag.index import Index, current_version, domain_index_folder, versions
from rag.settings import Secret, Settings
from rag.types import Chunk, Question
from rag.vectors_server import INSTALLATION, ServerVectors, VectorServer
from tests.chroma_server import ChromaServer
from tests.files import make_domain
from tests.servers import Reply, Server
from tests.web_server import served
from web.backup import stage
from web.doctor.domains import domains
from web.server import create

ASKED = "How many herons live at the lake?"


@pytest.fixture
def settings(tmp_path: Path, chroma_server: ChromaServer) -> Settings:
    """Two short documents, not yet indexed."""
    sources = make_domain(tmp_path / "corpora")
    (sources / "lake.txt").write_text("Forty herons live at the lake, more than ever before.", encoding="utf-8")
    (sources / "madarak.txt").write_text("A fehér gólya a réten él, őszre elvonul.", encoding="utf-8")
    return Settings(var=tmp_path / "var", corpora=tmp_path / "corpora", embedder="fast", chroma=chroma_server.address)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ChromaServer]:
    """A server that a test may stop."""
    server = ChromaServer(tmp_path / "chroma")
    try:
        yield server.start()
    finally:
        server.stop()


def write(settings: Settings, name: str, text: str) -> None:
    (settings.corpora / "birds" / "sources" / name).write_text(text, encoding="utf-8")


def server_of(settings: Settings) -> VectorServer:
    server = VectorServer.of(settings)
    assert server
    return server


def stored(settings: Settings, domain: str = "birds") -> set[str]:
    """The versions of which the server holds something."""
    client = server_of(settings).connect(30)
    known = [item.metadata for item in client.list_collections()]
    installation = server_of(settings).installation
    return {one["version"] for one in known if (one["installation"], one["domain"]) == (installation, domain)}


def opened(settings: Settings) -> Index:
    embedder = load_embedder(settings.embedder, settings)
    return Index.open(settings, "birds", embedding_fingerprint(embedder))


def found(settings: Settings) -> str:
    with closing(Engine(settings)) as engine:
        return engine.search(Question(ASKED, "birds"), limit=1).hits[0].chunk.text


def some(server: VectorServer, folder: Path) -> ServerVectors:
    """Two chunks in a store of their own."""
    store = server.open(folder, writing=True)
    chunks = [Chunk(f"c{row}", "document", "", "a.txt", "en", 1, 1, 0, 4, (), "text") for row in range(2)]
    store.add(chunks, np.eye(2, 4, dtype=np.float32))
    return store


def test_a_server_that_is_away_is_said_and_when_it_is_back_all_goes_on(settings: Settings, own: ChromaServer) -> None:
    settings = replace(settings, chroma=own.address)
    bring_up_to_date(settings, "birds")
    engine = Engine(settings)
    engine.warm_up()
    try:
        with served(create(engine)) as client:
            asked = {"query": ASKED, "domain": "birds"}
            chat = {"model": "birds", "messages": [{"role": "user", "content": ASKED}]}
            answer = client.post("/v1/search", json=asked)
            assert answer.status_code == client.get("/readyz").status_code == 200, answer.text
            own.stop()
            for path, body in (("search", asked), ("chat/completions", chat)):
                refused = client.post(f"/v1/{path}", json=body)
                assert (refused.status_code, refused.json()["error"]["code"]) == (503, "bad_index")
                assert own.address not in refused.text
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["reasons"][0]["domain"]) == (503, "birds")
            with pytest.raises(IndexUnavailable, match=f"{own.address}.*chroma run"):
                bring_up_to_date(settings, "birds")
            said = [finding.name for finding in domains(settings) if own.address in finding.text]
            assert said == ["vectors", "birds now"]
            own.start()
            assert client.get("/readyz").status_code == 200
            again = client.post("/v1/search", json=asked)
            assert again.json()["hits"] == answer.json()["hits"] != []
    finally:
        engine.close()


def test_a_server_that_does_not_reply_is_not_waited_for(
    own: ChromaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Enough for a reply on a busy machine.
    monkeypatch.setattr(vectors_server, "_READ_SECONDS", 3.0)
    server = VectorServer(own.address, Secret(""), "here")
    some(server, tmp_path).close()
    with closing(server.open(tmp_path)) as store:
        own.signal(signal.SIGSTOP)
        with pytest.raises(IndexUnavailable, match="ReadTimeout"):
            store.search("en", np.eye(1, 4, dtype=np.float32)[0], 1)
        monkeypatch.setattr(vectors_server, "_CONNECT_SECONDS", 0.3)
        with pytest.raises(IndexUnavailable, match="Timeout"):
            server.open(tmp_path)
        own.signal(signal.SIGCONT)
        assert [name for name, _ in store.search("en", np.eye(1, 4, dtype=np.float32)[0], 1)] == ["c0"]


@pytest.mark.parametrize(
    "reply", [Reply(status=502), Reply(b"<html>"), Reply(b"{}"), Reply(status=301, headers={"Location": "/elsewhere"})]
)
def test_what_is_no_chroma_server_is_said(reply: Reply, tmp_path: Path) -> None:
    with Server() as other:
        other.otherwise(lambda request: reply)
        with pytest.raises(IndexUnavailable, match="LACERTA_CHROMA"):
            VectorServer(other.url().rstrip("/"), Secret("hidden"), "here").open(tmp_path)
        assert {request.headers["authorization"] for request in other.requests} == {"Bearer hidden"}


@contextmanager
def gateway(address: str, token: str) -> Iterator[str]:
    """Passes on to `address`, below a path of its own, what comes with the token."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = 401, b"no"
            if self.headers.get("Authorization") == f"Bearer {token}" and self.path.startswith("/vectors/"):
                request = urllib.request.Request(
                    address + self.path.removeprefix("/vectors"), body or None, method=self.command,
                    headers={"Content-Type": "application/json"},
                )  # fmt: skip
                try:
                    with urllib.request.urlopen(request) as response:
                        status, content = response.status, response.read()
                except urllib.error.HTTPError as error:
                    status, content = error.code, error.read()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_DELETE = do_PUT = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/vectors"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_gateway_gets_its_token_with_every_request(settings: Settings, chroma_server: ChromaServer) -> None:
    with gateway(chroma_server.address, "hidden") as address:
        guarded = replace(settings, chroma=address, chroma_token=Secret("hidden"))
        bring_up_to_date(guarded, "birds")
        assert found(guarded).startswith("Forty herons")
        with pytest.raises(IndexUnavailable, match="401") as refused:
            opened(replace(guarded, chroma_token=Secret("wrong")))
        assert "wrong" not in str(refused.value)


def test_another_place_is_noticed_and_nothing_is_embedded_again(settings: Settings) -> None:
    files = replace(settings, chroma="")
    first = bring_up_to_date(files, "birds")
    assert first.embedded == 2
    with pytest.raises(IndexUnavailable, match=f"in files.*LACERTA_CHROMA.*on {settings.chroma}.*make ingest"):
        opened(settings)
    moved = bring_up_to_date(settings, "birds")
    assert (moved.published, moved.embedded, moved.unchanged) == (True, 0, 2)
    assert not (domain_index_folder(settings, "birds") / moved.version / "chroma").exists()
    assert found(settings).startswith("Forty herons")
    assert not bring_up_to_date(settings, "birds").published
    with pytest.raises(IndexUnavailable, match=f"on {settings.chroma}.*in files"):
        opened(files)
    assert bring_up_to_date(files, "birds").published
    assert found(files).startswith("Forty herons")


def test_lost_vectors_are_noticed_and_come_back_from_the_cache(settings: Settings) -> None:
    report = bring_up_to_date(settings, "birds")
    server_of(settings).prune("birds", ())
    with pytest.raises(IndexUnavailable, match="0 of 2.*make ingest DOMAIN=birds"):
        opened(settings)
    again = bring_up_to_date(settings, "birds")
    assert (again.published, again.embedded, again.version > report.version) == (True, 0, True)
    assert found(settings).startswith("Forty herons")


def test_a_server_that_goes_away_during_an_ingest_leaves_the_version_before(
    settings: Settings, own: ChromaServer
) -> None:
    settings = replace(settings, chroma=own.address)
    first = bring_up_to_date(settings, "birds")
    write(settings, "lake.txt", "Fifty herons live at the lake.")
    with pytest.raises(IndexUnavailable, match="chroma run"):
        bring_up_to_date(settings, "birds", progress=lambda stage, *_: own.stop() if stage == "embedding" else None)
    assert current_version(settings, "birds") == first.version
    own.start()
    assert found(settings).startswith("Forty herons")
    again = bring_up_to_date(settings, "birds")
    assert (again.updated, again.embedded) == (1, 0)
    assert found(settings).startswith("Fifty herons")
    assert stored(settings) == {first.version, again.version}


def test_a_version_is_measured_on_the_server_before_it_is_published(settings: Settings) -> None:
    domain = settings.corpora / "birds"
    asked = {"id": "1", "question": ASKED, "language": "en", "answerable": True, "answer": "40"}
    asked["sources"] = [{"source": "lake.txt", "page": 1}]
    (domain / "questions.jsonl").write_text(json.dumps(asked), encoding="utf-8")
    with (domain / "domain.toml").open("a", encoding="utf-8") as file:
        file.write("\n[publish]\nmin_recall = 1.0\n")
    first = bring_up_to_date(settings, "birds")
    assert first.published
    (domain / "sources" / "lake.txt").unlink()
    with pytest.raises(LacertaError, match="recall|found"):
        bring_up_to_date(settings, "birds")
    assert current_version(settings, "birds") == first.version


def test_what_no_version_needs_is_deleted_and_what_is_others_stays(settings: Settings, tmp_path: Path) -> None:
    neighbour = replace(settings, var=tmp_path / "neighbour")
    bring_up_to_date(neighbour, "birds")
    shutil.copytree(settings.corpora / "birds", settings.corpora / "birds.2")
    bring_up_to_date(settings, "birds.2")
    others = stored(neighbour), stored(settings, "birds.2")
    some(server_of(settings), domain_index_folder(settings, "birds") / "20200101T000000000000Z.building").close()
    assert stored(settings) == {"20200101T000000000000Z"}
    made = []
    for number in range(5):
        write(settings, "lake.txt", f"{number + 40} herons live at the lake.")
        made.append(bring_up_to_date(settings, "birds").version)
    assert stored(settings) == set(versions(settings, "birds")) == set(made[-3:])
    assert (stored(neighbour), stored(settings, "birds.2")) == others
    assert found(neighbour).startswith("Forty herons")
    roll_back(settings, "birds")
    assert found(settings).startswith("43 herons")


def test_a_copy_of_the_folder_elsewhere_leaves_the_vectors_of_the_first_alone(
    settings: Settings, tmp_path: Path
) -> None:
    report = bring_up_to_date(settings, "birds")
    assert (settings.var / INSTALLATION).exists()
    copied = replace(settings, var=tmp_path / "copied")
    copied.var.mkdir()
    stage(settings, copied.var)
    assert current_version(copied, "birds") == report.version
    with pytest.raises(IndexUnavailable, match="0 of 2"):
        opened(copied)
    assert bring_up_to_date(copied, "birds").embedded == 0
    assert found(copied) == found(settings)
    assert stored(settings) == {report.version}


def test_one_request_never_carries_more_than_the_server_takes(settings: Settings, tmp_path: Path) -> None:
    with closing(server_of(settings).open(tmp_path, writing=True)) as store:
        chunks = [Chunk(f"c{row}", "document", "", "a.txt", "en", 1, 1, 0, 4, (), "text") for row in range(1000)]
        rows = np.random.default_rng(0).normal(size=(1000, 8500)).astype(np.float32)
        store.add(chunks, rows)
        assert store.counts() == {"en": 1000}
