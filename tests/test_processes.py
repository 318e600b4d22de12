"""Several processes behind one port: real ones, killed and told to end while they are asked."""

import json
import os
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.index import current_version
from rag.settings import ROOT, Settings
from tests.chat_server import ChatServer
from tests.test_app import free_port, write_domain
from tests.test_web_stopping import QUESTION, TEXT, Asked, Slow

COUNT = 2
ASKED = "When is the lighthouse painted?"
ENDED = re.compile(r"It is started again (?:now|in (\d+) s)")


class Program:
    """The program on a port of its own; every request goes over a connection of its own, to whichever process."""

    def __init__(self, folder: Path, **settings: str) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("LACERTA_")}
        self.port = free_port()
        values = {
            "CORPORA": str(folder / "corpora"), "VAR": str(folder / "var"), "PORT": str(self.port), "PROCESSES": "2",
            **settings,
        }  # fmt: skip
        self.environment = {
            **kept, "NO_PROXY": "127.0.0.1", **{f"LACERTA_{name}": value for name, value in values.items()}
        }  # fmt: skip
        self.settings = Settings.from_environment(
            {name: value for name, value in self.environment.items() if name.startswith("LACERTA_")}
        )
        self.log = folder / "log.txt"
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "app.py")], env=self.environment, stdout=log, stderr=log, cwd=ROOT
            )

    @contextmanager
    def client(self, process: int | None = None) -> Iterator[httpx.Client]:
        """One with the cookie of a visitor of that process."""
        headers = {} if process is None else {"cookie": f"lacerta_process={process}"}
        address = f"http://127.0.0.1:{self.port}"
        with httpx.Client(base_url=address, trust_env=False, timeout=60, headers=headers) as client:
            yield client

    def get(self, path: str) -> httpx.Response:
        with self.client() as client:
            return client.get(path)

    def search(self, query: str) -> httpx.Response:
        with self.client() as client:
            return client.post("/v1/search", json={"domain": "harbour", "query": query})

    def measured(self, name: str) -> dict[str, float]:
        """The values of a metric by what stands between its braces."""
        lines = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", self.get("/metrics").text, re.MULTILINE)
        return {labels: float(value) for labels, value in lines}

    def ids(self) -> dict[int, int]:
        """The ids of the processes by number."""
        listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
        found = re.findall(rf"^ *(\d+) +{self.process.pid} .* process (\d+) ", listed, re.MULTILINE)
        return {int(number): int(identity) for identity, number in found}

    def wait_until(self, holds: Any, seconds: float = 300) -> None:
        latest = time.monotonic() + seconds
        while not holds():
            assert self.process.poll() is None and time.monotonic() < latest, self.said()
            time.sleep(0.1)

    def ready(self) -> bool:
        """Whether all of them are: any of many may be the one that answers."""
        try:
            return len(self.ids()) == COUNT and all(self.get("/readyz").status_code == 200 for _ in range(12))
        except httpx.TransportError:
            return False

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")


@contextmanager
def program(folder: Path, **settings: str) -> Iterator[Program]:
    write_domain(folder / "corpora" / "harbour")
    (folder / "corpora" / "harbour" / "sources").mkdir()
    (folder / "corpora" / "harbour" / "sources" / "a.txt").write_text(TEXT, encoding="utf-8")
    started = Program(folder, **settings)
    try:
        started.wait_until(started.ready)
        yield started
    finally:
        started.process.terminate()
        try:
            started.process.wait(30)
        except subprocess.TimeoutExpired:
            started.process.kill()


class Visitor:
    """A page that belongs to a process, as the browser speaks with it. `process` follows the cookies that come."""

    def __init__(self, place: Program, process: int) -> None:
        self._place = place
        self.process = process
        self.session = secrets.token_hex(5)
        with place.client() as client:
            functions = client.get("/en/config").json()["dependencies"]
        self._ask = next(function["id"] for function in functions if function["api_name"] == "ask")

    def ask(self, question: str) -> str:
        """What the page then shows and keeps."""
        joined = self._send(
            "POST", "queue/join", json={
                "data": [question, "harbour", None], "fn_index": self._ask, "session_hash": self.session,
                "trigger_id": 12,
            },
        )  # fmt: skip
        assert joined.status_code == 200, joined.text
        streamed = self._send("GET", "queue/data", params={"session_hash": self.session})
        events = [json.loads(line[5:]) for line in streamed.text.splitlines() if line.startswith("data:")]
        parts = next(event["output"]["data"] for event in events if event["msg"] == "process_completed")
        return "".join(part for part in parts if isinstance(part, str))

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        with self._place.client(self.process) as client:
            response = client.request(method, f"/en/gradio_api/{path}", **content)
        named = response.cookies.get("lacerta_process")
        self.process = self.process if named is None else int(named)
        return response


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with program(tmp_path_factory.mktemp("program"), THREADS="1") as started:
        yield started
    assert "Traceback" not in started.said()


def test_all_of_them_answer_and_are_counted_together(place: Program) -> None:
    before = sum(place.measured("lacerta_searches_total").values())
    for number in range(10):
        assert place.search(f"lighthouse {number}").status_code == 200
    assert sum(place.measured("lacerta_searches_total").values()) == before + 10
    assert set(place.measured("process_resident_memory_bytes")) == {'process="0"', 'process="1"'}
    assert place.measured("lacerta_answers_in_progress") == {"": 0}
    assert place.measured("lacerta_places") == {'kind="answer"': 32, 'kind="search"': 64}
    assert place.measured("lacerta_index_ready") == {'domain="harbour"': 1}


def test_a_conversation_goes_on_whichever_process_is_asked(place: Program) -> None:
    for process in range(COUNT):
        visitor = Visitor(place, process)
        first = visitor.ask("When is the lighthouse painted?")
        second = visitor.ask("Which colours does the lighthouse have?")
        assert "painted red and white" in first
        assert "When is the lighthouse painted?" in second and "Which colours" in second
        assert visitor.process == process


def test_a_page_gets_a_process_that_it_then_keeps(place: Program) -> None:
    with place.client() as client:
        loaded = client.get("/en/")
        named = loaded.cookies["lacerta_process"]
        assert named in ("0", "1")
        for _ in range(6):
            assert "set-cookie" not in client.get("/en/").headers
        assert client.cookies["lacerta_process"] == named
    for process in (0, 1) * 4:
        with place.client(process) as client:
            again = client.get("/en/")
            assert again.status_code == 200 and "set-cookie" not in again.headers
    for strange in ("7", "-1", "x", "0; lacerta_process=9", "9" * 50):
        with place.client() as client:
            response = client.get("/en/", headers={"cookie": f"lacerta_process={strange}"})
            assert response.status_code == 200


def test_what_is_relayed_is_let_in_and_limited_as_all_else(place: Program) -> None:
    for process in range(COUNT):
        with place.client(process) as client:
            unknown = client.get("/en/gradio_api/upload_progress")
            assert unknown.status_code == 404 and "x-frame-options" in unknown.headers
            named = client.post("/en/gradio_api/reset", json={}, headers={"x-request-id": "mine"})
            assert named.headers.get_list("x-request-id") == ["mine"]
            assert len(named.headers.get_list("date")) == 1
            assert client.get("/en/gradio_api/heartbeat/" + "x" * 20_000).status_code == 414
        with socket.create_connection(("127.0.0.1", place.port)) as raw:
            raw.sendall(
                b"GET /en/gradio_api/reset\xc3\xa9?\xff=%e9 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                + f"Cookie: lacerta_process={process}\r\n\r\n".encode()
            )
            assert raw.makefile("rb").readline().split()[1] in (b"400", b"404", b"405")


def test_feedback_says_what_it_is_about_whoever_gave_the_answer(place: Program) -> None:
    asked: dict[str, Any] = {"model": "harbour", "messages": QUESTION["messages"]}
    given: list[str] = []
    for _ in range(8):
        with place.client() as client:
            given.append(client.post("/v1/chat/completions", json=asked).json()["id"])

    def rows(file: str, query: str) -> list[Any]:
        with closing(sqlite3.connect(place.settings.var / file)) as connection:
            return connection.execute(query).fetchall()

    # They are in the file a moment later.
    place.wait_until(lambda: {name for (name,) in rows("given.sqlite", "select id from texts")} >= set(given))
    for identity in given:
        with place.client() as client:
            assert client.post("/v1/feedback", json={"id": identity, "rating": "up"}).status_code == 200
    kept = rows("feedback.sqlite", "select domain, model, rating, question from feedback")
    assert kept == [("harbour", "extractive", "up", asked["messages"][-1]["content"])] * 8


def test_a_new_version_is_seen_by_all_of_them_within_a_second(place: Program) -> None:
    source = place.settings.corpora / "harbour" / "sources" / "b.txt"
    source.write_text("The ferry leaves for the island at seven every morning.", encoding="utf-8")
    before = current_version(place.settings, "harbour")
    ingest = subprocess.Popen([sys.executable, "-m", "ingest", "harbour"], env=place.environment, cwd=ROOT)
    place.wait_until(lambda: current_version(place.settings, "harbour") != before)
    time.sleep(1)
    for _ in range(12):
        found = place.search("When does the ferry leave?").json()["hits"]
        assert "ferry" in found[0]["text"]
    assert ingest.wait(60) == 0


def test_a_killed_process_is_started_again_and_the_others_go_on(place: Program) -> None:
    place.wait_until(place.ready)
    visitor = Visitor(place, 1)
    visitor.ask("When is the lighthouse painted?")
    counted = sum(place.measured("lacerta_searches_total").values())
    before = place.ids()
    os.kill(before[1], signal.SIGKILL)
    place.wait_until(lambda: "SIGKILL" in place.said())
    # While it is away whoever comes anew is answered, and its visitors belong to another one.
    for _ in range(6):
        assert place.search("lighthouse").status_code == 200
    assert "painted" in visitor.ask("When is the lighthouse painted?")
    place.wait_until(place.ready)
    after = place.ids()
    assert after[0] == before[0] and after[1] != before[1]
    assert sum(place.measured("lacerta_searches_total").values()) == counted + 6


def test_one_that_is_killed_again_and_again_is_started_ever_later(place: Program) -> None:
    place.wait_until(place.ready)
    already = len(ENDED.findall(place.said()))
    for number in range(1, 4):
        identity = place.ids()[0]
        os.kill(identity, signal.SIGKILL)
        place.wait_until(lambda wanted=already + number: len(ENDED.findall(place.said())) == wanted)
        place.wait_until(lambda: 0 in place.ids())
    pauses = [int(pause or 0) for pause in ENDED.findall(place.said())[already:]]
    assert pauses in ([0, 1, 2], [1, 2, 4])


def test_they_end_with_the_one_that_looks_after_them(place: Program) -> None:
    ids = place.ids()
    place.process.kill()
    latest = time.monotonic() + 30
    while any(Path(f"/proc/{identity}/cmdline").exists() for identity in ids.values()):
        assert time.monotonic() < latest
        time.sleep(0.1)


def test_answers_end_before_the_processes_do(tmp_path: Path) -> None:
    slow = Slow()
    settings = {"MODELS": "openai:m", "STOP_SECONDS": "60", "THREADS": "1"}
    with ChatServer(slow) as model, program(tmp_path, OPENAI_BASE_URL=model.address, **settings) as place:
        with place.client() as client, place.client() as other:
            asked = Asked(client)
            assert asked.begun.wait(60)
            answered: list[str] = []
            # The same answer over the page, of each process: some of it is relayed.
            visitors = [Visitor(place, process) for process in range(COUNT)]
            pages = [threading.Thread(target=lambda each=each: answered.append(each.ask(ASKED))) for each in visitors]
            for page in pages:
                page.start()
            place.wait_until(lambda: sum(place.measured("lacerta_answers_in_progress").values()) == 1 + COUNT)
            place.process.send_signal(signal.SIGTERM)
            place.wait_until(lambda: other.get("/readyz").status_code == 503)
            assert other.post("/v1/chat/completions", json=QUESTION).json()["error"]["code"] == "stopping"
            slow.finish.set()
            assert "red and white every spring" in asked.text()
            for page in pages:
                page.join()
            assert len(answered) == COUNT and all("red and white every spring" in shown for shown in answered)
        assert place.process.wait(60) == 0
        assert "Traceback" not in place.said()


def test_where_none_can_start_the_reason_is_said_and_nothing_goes_on(tmp_path: Path) -> None:
    write_domain(tmp_path / "corpora" / "bare")
    place = Program(tmp_path, MODELS="telepathy:m")
    assert place.process.wait(300) == 2
    assert "telepathy" in place.said() and "Traceback" not in place.said()


def test_the_program_takes_no_arguments() -> None:
    ended = subprocess.run([sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2 and "--help" in ended.stderr and ".env" in ended.stderr
