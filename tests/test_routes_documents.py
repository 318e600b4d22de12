import errno
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from ingest import visits as taken_in
from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.settings import Settings
from rag.types import Question
from tests.files import make_domain, make_pdf, prose
from tests.web_server import served
from web.access.caller import Caller
from web.own import own_place, own_places
from web.routes.documents import _OF_ONE
from web.server import create

OWL = "The barn owl of the old mill raised seven owlets in spring. Its nest is behind the third beam."
ABOUT_OWL = "How many owlets did the barn owl of the old mill raise?"
LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Ground:
    client: httpx.Client
    engine: Engine

    def send(self, content: bytes | str, name: str = "owl.txt", visit: str = "", **headers: str) -> httpx.Response:
        return self.client.post(f"/documents/{visit}", content=content, headers={"x-name": quote(name), **headers})

    def files(self, visit: str) -> list[dict[str, Any]]:
        """The files of a visit, once all are read."""
        while True:
            response = self.client.get(f"/documents/{visit}")
            assert response.status_code == 200, response.text
            files: list[dict[str, Any]] = response.json()["files"]
            if all(file["state"] in ("ready", "failed") for file in files):
                return files
            time.sleep(0.02)

    def put(self, content: bytes | str, name: str = "owl.txt") -> tuple[str, dict[str, Any]]:
        """The name of a new visit and its only file, once it is read."""
        response = self.send(content, name)
        assert response.status_code == 201, response.text
        visit = response.json()["id"]
        return visit, self.files(visit)[0]


def places(settings: Settings) -> set[str]:
    """The visits there are; in those of other tests something may still be read."""
    return {path.name for path in (settings.var / "visits").iterdir()}


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("documents")
    settings = replace(
        Settings(), corpora=folder / "corpora", var=folder / "var", threads=1, visit_file_bytes=LIMIT, visit_files=3
    )
    (make_domain(settings.corpora) / "heron.txt").write_text("A grey heron stands at the lake.", encoding="utf-8")
    bring_up_to_date(settings, "birds")
    return settings


@pytest.fixture(scope="module")
def ground(settings: Settings) -> Iterator[Ground]:
    engine = Engine(settings)
    engine.warm_up()
    with served(create(engine)) as client:
        yield Ground(client, engine)
    engine.close()


def test_the_rules_are_told(ground: Ground) -> None:
    rules = ground.client.get("/documents/").json()
    assert rules == {
        "uploads": True, "files": 3, "bytes": LIMIT, "pages": 500, "page_characters": 4000, "hours": 24.0,
    }  # fmt: skip


def test_a_file_is_read_asked_about_and_deleted(ground: Ground) -> None:
    visit, file = ground.put(OWL, "bagoly és 올빼미.txt")
    assert (file["name"], file["state"], file["share"], file["pages"]) == ("bagoly és 올빼미.txt", "ready", 1.0, 1)
    question = Question(ABOUT_OWL, "birds", attachments=own_places([visit], Caller()))
    answer = ground.engine.ask(question)
    assert "seven owlets" in answer.text
    assert answer.citations[0].chunk.document_id == file["document"]
    assert ground.client.delete(f"/documents/{visit}/{file['file']}").json() == {"id": visit, "files": []}
    assert "seven" not in ground.engine.ask(question).text
    assert ground.client.delete(f"/documents/{visit}").status_code == 200
    for method in ("get", "delete"):
        assert code(getattr(ground.client, method)(f"/documents/{visit}")) == (404, "unknown_visit")
    assert code(ground.send(OWL, visit=visit)) == (404, "unknown_visit")


def test_several_files_have_one_visit(ground: Ground) -> None:
    visit, owl = ground.put(OWL)
    second = ground.send("Cranes rest on the island.", "crane.txt", visit)
    assert (second.status_code, second.json()["id"]) == (201, visit)
    assert [file["name"] for file in ground.files(visit)] == ["owl.txt", "crane.txt"]
    # The same content again is the same file.
    assert ground.send(OWL, "copy.txt", visit).json()["file"]["file"] == owl["file"]
    assert ground.send("A third one.", "third.txt", visit).status_code == 201
    assert code(ground.send("A fourth one.", "fourth.txt", visit)) == (409, "too_many_files")


@pytest.mark.parametrize("declared", [True, False])
def test_a_file_that_is_too_large_leaves_nothing(ground: Ground, settings: Settings, declared: bool) -> None:
    before = places(settings)
    content = b"a" * (LIMIT + 1)
    sent = content if declared else iter([content[:50_000]] * 3)
    response = ground.client.post("/documents/", content=sent, headers={"x-name": "large.txt"})
    assert response.status_code == 413
    assert response.json()["error"]["code"] in ("too_large", "request_too_large")
    assert places(settings) <= before


def test_empty_and_bad_files_are_told_apart(ground: Ground) -> None:
    assert code(ground.send(b"")) == (400, "empty")
    for content, name, expected in (
        (b"PK\x03\x04 no archive", "a.docx", "damaged"),
        (b"Rar!\x1a\x07 packed", "a.rar", "unsupported"),
        (b"Bird,Owlets\n", "a.csv", "no_text"),
    ):
        _, file = ground.put(content, name)
        assert (file["state"], file["code"]) == ("failed", expected)
        assert file["document"] is None


def test_a_visitor_who_leaves_in_the_middle_leaves_nothing(ground: Ground, settings: Settings) -> None:
    before = places(settings)
    url = ground.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        head = "POST /documents/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Name: half.txt\r\nContent-Length: 90000\r\n\r\n"
        connection.sendall(head.encode() + b"a" * 40_000)
        deadline = time.monotonic() + 10
        while places(settings) <= before and time.monotonic() < deadline:
            time.sleep(0.02)
    deadline = time.monotonic() + 10
    while not places(settings) <= before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert places(settings) <= before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere loopback has one address")
def test_who_sends_slowly_keeps_nobody_else_from_sending(ground: Ground, settings: Settings) -> None:
    url, before = ground.client.base_url, places(settings)
    head = "POST /documents/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Name: slow.txt\r\nContent-Length: 900\r\n\r\n"
    with ExitStack() as held:
        for _ in range(_OF_ONE):
            connection = held.enter_context(socket.create_connection((url.host, url.port or 80), timeout=10))
            connection.sendall(head.encode())
        deadline = time.monotonic() + 10
        while len(places(settings) - before) < _OF_ONE and time.monotonic() < deadline:
            time.sleep(0.02)
        assert code(ground.send(OWL)) == (503, "busy")
        transport = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(base_url=url, transport=transport, timeout=60) as other:
            assert other.post("/documents/", content=OWL, headers={"x-name": "owl.txt"}).status_code == 201
    deadline = time.monotonic() + 10
    while len(places(settings) - before) > 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert ground.send(OWL).status_code == 201


def test_a_full_disk_is_told(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        """As a stream is on a full disk."""

        def write(self, piece: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            pass

    real = taken_in.Incoming.__init__

    def begun(incoming: Any, *arguments: Any) -> None:
        real(incoming, *arguments)
        incoming._stream.close()
        incoming._stream = Full()

    monkeypatch.setattr(taken_in.Incoming, "__init__", begun)
    assert code(ground.send(OWL)) == (507, "disk_full")


@pytest.mark.parametrize("path", ["birds", "0" * 31, "0" * 33, "..%2f..", "own:" + "0" * 32, "A" * 32])
def test_what_is_no_name_of_a_visit_is_refused(ground: Ground, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert ground.client.request(method, f"/documents/{path}", content=b"").status_code in (400, 404, 405)


def test_a_name_is_only_text(ground: Ground, settings: Settings) -> None:
    for name, shown in (("../../../evil.txt", "evil.txt"), ("a" * 900, ""), ("<script>.txt", "<script>.txt")):
        _, file = ground.put(f"{OWL} {len(name)}", name)
        assert file["state"] == "ready"
        assert file["name"] == shown or (not shown and len(file["name"]) <= 150)
    assert not list(settings.var.parent.rglob("evil.txt"))


def test_another_page_may_not_send_files(ground: Ground) -> None:
    response = ground.send(OWL, origin="https://evil.example")
    assert response.status_code == 403


def test_the_viewer_shows_pages_of_own_documents(ground: Ground) -> None:
    visit, file = ground.put(make_pdf([prose(["An empty page."]), prose(OWL.split(". "))], "Owls"), "owls.pdf")
    address = f"/sources/own:{visit}/{file['document']}"
    about = ground.client.get(address).json()
    assert (about["title"], about["source"], about["pages"]) == ("Owls", "owls.pdf", 2)
    answer = ground.engine.ask(Question(ABOUT_OWL, "birds", attachments=own_places([visit], Caller())))
    citation = answer.citations[0]
    page = ground.client.get(f"{address}/pages/2", params={"chunk": citation.chunk.id, "quote": "0-20"}).json()
    assert page["kind"] == "picture"
    picture = ground.client.get(page["picture"], params={"width": page["widths"][0]})
    assert picture.headers["content-type"] == "image/webp"
    assert "no-store" in picture.headers["cache-control"]
    opened = ground.client.get(about["file"])
    assert opened.content.startswith(b"%PDF") and "sandbox" in opened.headers["content-security-policy"]
    text_visit, text = ground.put(OWL)
    shown = ground.client.get(f"/sources/own:{text_visit}/{text['document']}/pages/1").json()
    assert "owlets" in str(shown)
    # Through another visit, or a domain, there is no way to it.
    for domain in (f"own:{visit}", "birds"):
        assert ground.client.get(f"/sources/{domain}/{text['document']}").json()["error"]["code"] == "unknown_document"
    ground.client.delete(f"/documents/{visit}")
    assert ground.client.get(address).status_code == 404
    assert ground.client.get(page["picture"]).status_code == 404


def test_uploads_can_be_switched_off(settings: Settings) -> None:
    engine = Engine(replace(settings, visit_uploads=False))
    with served(create(engine)) as client:
        assert client.get("/documents/").json()["uploads"] is False
        assert code(client.post("/documents/", content=b"a")) == (403, "uploads_off")
    engine.close()


def test_a_login_has_visits_of_its_own() -> None:
    bob, eve = Caller("login", "bob"), Caller("login", "eve")
    visit = "0" * 32
    assert len({own_place(visit, caller) for caller in (bob, eve, Caller(address="10.0.0.1"))}) == 3
    # Whoever is not logged in may change networks.
    assert own_place(visit, Caller(address="10.0.0.1")) == own_place(visit, Caller(address="10.0.0.2"))


def test_gradios_own_uploads_stay_closed(ground: Ground, tmp_path: Path) -> None:
    for path in ("/en/gradio_api/upload", "/en/gradio_api/upload_progress", "/en/gradio_api/file=/etc/passwd"):
        assert ground.client.post(path, files={"files": ("a.txt", b"a")}).status_code == 404
        assert ground.client.get(path).status_code == 404
