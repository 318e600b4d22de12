"""How the program ends: the real process, told to by signals, while a model is writing."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from rag.settings import ROOT
from tests.chat_server import ChatServer, event, piece, start
from tests.test_app import free_port, write_domain
from web.stopping import Flow

TEXT = "The lighthouse is painted red and white every spring."
QUESTION = {
    "model": "harbour",
    "stream": True,
    "messages": [{"role": "user", "content": "When is the lighthouse painted?"}],
}


class Slow:
    """A reply that says one sentence and the rest when it is told to."""

    def __init__(self) -> None:
        self.finish = threading.Event()

    def __call__(self, handler: Any) -> None:
        start(handler)
        event(handler, piece("The lighthouse is painted "))
        self.finish.wait(60)
        event(handler, piece("red and white every spring. [1]"))
        event(handler, piece(None, "stop"))
        event(handler, "[DONE]")


@contextmanager
def running(folder: Path, model: ChatServer, seconds: str) -> Iterator[Any]:
    """The program as a process, once it is ready, and a client of it."""
    write_domain(folder / "corpora" / "harbour")
    (folder / "corpora" / "harbour" / "sources").mkdir()
    (folder / "corpora" / "harbour" / "sources" / "a.txt").write_text(TEXT, encoding="utf-8")
    port = free_port()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LACERTA_")}
    settings = {
        "CORPORA": str(folder / "corpora"), "VAR": str(folder / "var"), "PORT": str(port), "MODELS": "openai:m",
        "OPENAI_BASE_URL": model.address, "STOP_SECONDS": seconds, "THREADS": "1",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**kept, "NO_PROXY": "127.0.0.1", **{f"LACERTA_{name}": value for name, value in settings.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            while not ready(client):
                assert process.poll() is None, process.communicate()
                time.sleep(0.1)
            yield SimpleNamespace(process=process, client=client)
    finally:
        process.kill()
        process.communicate()


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


class Asked:
    """A streamed answer, read on a thread of its own; `begun` is set at its first words."""

    def __init__(self, client: httpx.Client) -> None:
        self.begun = threading.Event()
        self.lines: list[str] = []
        self.thread = threading.Thread(target=self._read, args=(client,))
        self.thread.start()

    def _read(self, client: httpx.Client) -> None:
        with client.stream("POST", "/v1/chat/completions", json=QUESTION) as response:
            for line in response.iter_lines():
                self.lines.append(line)
                if "painted" in line:
                    self.begun.set()

    def text(self) -> str:
        self.thread.join()
        assert self.lines.count("data: [DONE]") == 1
        pieces = [json.loads(line[6:]) for line in self.lines if line.startswith("data: {")]
        return "".join(item["choices"][0]["delta"].get("content") or "" for item in pieces if item["choices"])


def test_answers_end_and_new_questions_are_told_to_come_back(tmp_path) -> None:
    slow = Slow()
    with ChatServer(slow) as model, running(tmp_path, model, "60") as place:
        asked = Asked(place.client)
        assert asked.begun.wait(60)
        place.process.send_signal(signal.SIGTERM)
        while place.client.get("/readyz").status_code == 200:
            time.sleep(0.05)
        assert {"check": "process", "reason": "it is being stopped"} in place.client.get("/readyz").json()["reasons"]
        refused = place.client.post("/v1/chat/completions", json=QUESTION)
        assert refused.status_code == 503 and refused.json()["error"]["code"] == "stopping"
        assert int(refused.headers["retry-after"]) > 0 and "x-frame-options" in refused.headers
        assert place.client.get("/en/").status_code == 503
        assert place.client.get("/healthz").status_code == place.client.get("/metrics").status_code == 200
        slow.finish.set()
        assert "red and white every spring" in asked.text()
        _, errors = place.process.communicate(timeout=60)
        assert place.process.returncode == 0 and "Traceback" not in errors


def test_an_answer_that_takes_too_long_ends_with_what_there_is(tmp_path) -> None:
    slow = Slow()
    with ChatServer(slow) as model, running(tmp_path, model, "1") as place:
        asked = Asked(place.client)
        assert asked.begun.wait(60)
        place.process.send_signal(signal.SIGTERM)
        text = asked.text()
        assert "painted" in text and "red and white" not in text
        _, errors = place.process.communicate(timeout=60)
        assert place.process.returncode == 0 and "Traceback" not in errors
        slow.finish.set()


def test_an_open_page_does_not_hold_up_the_end(tmp_path) -> None:
    with ChatServer(Slow()) as model, running(tmp_path, model, "60") as place:
        with place.client.stream("GET", "/en/gradio_api/heartbeat/visitor") as page:
            assert page.status_code == 200
            place.process.send_signal(signal.SIGTERM)
            _, errors = place.process.communicate(timeout=60)
        assert place.process.returncode == 0 and errors == ""


def test_a_second_signal_ends_it_at_once(tmp_path) -> None:
    slow = Slow()
    with ChatServer(slow) as model, running(tmp_path, model, "3000") as place:
        asked = Asked(place.client)
        assert asked.begun.wait(60)
        for _ in range(2):
            place.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
        _, errors = place.process.communicate(timeout=60)
        assert place.process.returncode == 0 and "Traceback" not in errors
        slow.finish.set()
        asked.thread.join()


def test_answers_that_follow_each_other_are_all_waited_for() -> None:
    flow, ended = Flow(60), []

    def queue() -> None:
        for number in range(5):
            with flow.answering():
                time.sleep(0.05)
            ended.append(number)
            time.sleep(0.02)

    thread = threading.Thread(target=queue)
    thread.start()
    assert flow.drain() and ended == [0, 1, 2, 3, 4] and not flow.cut.is_set()
    thread.join()


@pytest.mark.parametrize("path", ["/healthz", "/en/gradio_api/queue/data", "/hu/gradio_api/cancel"])
def test_what_the_end_needs_stays_open(path) -> None:
    flow = Flow(0)
    assert flow.refusal({"path": "/en/"}) is None
    with flow.answering():
        assert not flow.drain()
    assert flow.refusal({"path": path}) is None and flow.refusal({"path": "/en/"}) is not None
