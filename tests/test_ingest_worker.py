import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from ingest import limits
from ingest.blocks import Loaded
from ingest.loaders.errors import LoadError
from ingest.worker import Item, Worker, Workers
from rag import child_process

ROOT = Path(__file__).resolve().parent.parent
HERON = "A heron stands still."


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker(seconds=30) as started:
        yield started


def written(path: Path, content: str | bytes = HERON) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def process_of(worker: Worker) -> subprocess.Popen[bytes]:
    assert worker._process is not None
    return worker._process


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def gone(pid: int) -> bool:
    for _ in range(200):
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False


def test_a_file_gives_its_document_and_the_hash_of_what_was_read(worker: Worker, tmp_path: Path) -> None:
    document, digest = worker.load(written(tmp_path / "a b\n.txt"), "a.txt")
    assert document.pages[0][0].text == HERON
    assert digest == sha256(HERON.encode()).hexdigest()
    first = process_of(worker).pid
    worker.load(tmp_path / "a b\n.txt", "a.txt")
    assert process_of(worker).pid == first


def test_what_is_no_regular_file_is_refused_without_waiting(worker: Worker, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "folder.txt").mkdir()
    for name in ("pipe.txt", "folder.txt"):
        with pytest.raises(LoadError, match="no regular file"):
            worker.load(tmp_path / name, name)
    with pytest.raises(LoadError, match="no regular file"):
        worker.load(Path("/dev/zero"), "zero")
    (tmp_path / "link.txt").symlink_to(written(tmp_path / "a.txt"))
    with pytest.raises(LoadError, match="no regular file"):
        worker.load(tmp_path / "link.txt", "link.txt")
    with pytest.raises(LoadError, match="No such file"):
        worker.load(tmp_path / "missing.txt", "missing.txt")


def test_a_file_that_is_too_large_is_not_read(worker: Worker, tmp_path: Path) -> None:
    with (tmp_path / "a.txt").open("wb") as stream:
        stream.truncate(limits.FILE_BYTES + 1)
    with pytest.raises(LoadError, match="at most 300 are read"):
        worker.load(tmp_path / "a.txt", "a.txt")


def test_a_file_that_changes_while_it_is_read_is_noticed(worker: Worker, tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", b"x" * 90_000_000)
    over = threading.Event()

    def write_on() -> None:
        with path.open("ab") as stream:
            while not over.is_set():
                stream.write(b"more\n")
                stream.flush()

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        with pytest.raises(LoadError, match="changed while it was read"):
            worker.load(path, "a.txt")
    finally:
        over.set()
        writer.join()


def test_a_worker_that_hangs_is_replaced(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt")
    with Worker(seconds=2) as worker:
        worker.load(path, "a.txt")
        first = process_of(worker).pid
        os.kill(first, signal.SIGSTOP)
        with pytest.raises(LoadError, match="more than 2 s"):
            worker.load(path, "a.txt")
        assert gone(first)
        assert worker.load(path, "a.txt")[0].kind == "text"


def test_a_worker_that_crashes_is_replaced_and_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt")
    with Worker(seconds=20) as worker:
        # Not started yet: stopped at its first breath, then killed.
        worker._process = child_process.start("ingest.parser")
        os.kill(worker._process.pid, signal.SIGSTOP)
        first = worker._process.pid
        threading.Timer(0.5, os.kill, (first, signal.SIGSEGV)).start()
        threading.Timer(0.6, os.kill, (first, signal.SIGCONT)).start()
        with pytest.raises(LoadError, match="SIGSEGV"):
            worker.load(path, "a.txt")
        assert worker.load(path, "a.txt")[0].kind == "text"
        # A crash in a worker that other files went through before may be their fault: the file gets a fresh one.
        os.kill(process_of(worker).pid, signal.SIGSTOP)
        second = process_of(worker).pid
        threading.Timer(0.5, os.kill, (second, signal.SIGKILL)).start()
        assert worker.load(path, "a.txt")[0].kind == "text"
        assert process_of(worker).pid != second


def test_a_text_of_more_characters_than_are_taken_is_refused(worker: Worker, tmp_path: Path) -> None:
    text = "A heron stands still in the reeds. " * (limits.TEXT_CHARACTERS // 34)
    with pytest.raises(LoadError, match="more than 30 million characters"):
        worker.load(written(tmp_path / "a.txt", text), "a.txt")


def test_reasons_hold_nothing_that_disturbs_a_terminal(worker: Worker, tmp_path: Path) -> None:
    with pytest.raises(LoadError) as caught:
        worker.load(tmp_path / "missing\x1b[2J\u202e.pdf", "missing")
    assert str(caught.value).isprintable()


def test_stopping_ends_a_load_of_another_thread(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt")
    caught: list[BaseException] = []
    worker = Worker(seconds=60)
    worker.load(path, "a.txt")
    os.kill(process_of(worker).pid, signal.SIGSTOP)

    def load() -> None:
        try:
            worker.load(path, "a.txt")
        except LoadError as error:
            caught.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    while not worker._lock.locked():
        time.sleep(0.01)
    worker.stop()
    thread.join(20)
    assert not thread.is_alive() and "SIGKILL" in str(caught[0])
    assert worker._process is None


_PARENT = """
import os, signal, sys, time
from pathlib import Path
from ingest.worker import Worker
worker = Worker(seconds=600)
worker.load(Path(sys.argv[1]), "a.txt")
print(worker._process.pid, flush=True)
if sys.argv[2] == "busy":
    worker.load(Path(sys.argv[3]), "b.txt")
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("state", ["idle", "busy"])
def test_no_worker_outlives_an_ingest_that_was_killed(tmp_path: Path, state: str) -> None:
    path = written(tmp_path / "a.txt")
    # Numbered headings make the parser busy for long: much longer than the test waits.
    slow = written(tmp_path / "b.txt", "1. A heron\n\n" * 8_000_000)
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(path), state, str(slow)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert alive(child)
    if state == "busy":
        while _cpu_seconds(child) < 1:
            time.sleep(0.05)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(child)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_several_workers_give_results_in_order(tmp_path: Path) -> None:
    items = []
    for number in range(150):
        content = f"Heron number {number}. " * (2000 if number % 7 == 0 else 1)
        items.append(Item(written(tmp_path / f"{number}.txt", content if number % 10 else b"\xff\0\xff"), f"{number}"))
    with Workers(count=2, seconds=30) as workers:
        results = list(workers.load_all(iter(items)))
    assert [item for item, _ in results] == items
    for number, (_, outcome) in enumerate(results):
        if number % 10 == 0:
            assert isinstance(outcome, LoadError)
        else:
            assert not isinstance(outcome, LoadError)
            assert outcome[0].pages[0][0].text.startswith(f"Heron number {number}.")


def test_few_files_are_parsed_ahead(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt")
    taken = 0

    def supply() -> Iterator[tuple[Path, str, tuple[str, ...]]]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield path, str(number), ()

    with Workers(count=2) as workers:
        results = workers.load_all(supply())
        item, outcome = next(results)
        assert item.source == "0" and isinstance(outcome, tuple) and isinstance(outcome[0], Loaded)
        assert taken <= 70
        for _ in range(100):
            next(results)
        assert taken <= 170


def test_large_files_are_not_parsed_ahead(tmp_path: Path) -> None:
    large = written(tmp_path / "a.txt", "x" * 40_000_000)
    taken = 0

    def supply() -> Iterator[tuple[Path, str, tuple[str, ...]]]:
        nonlocal taken
        for number in range(20):
            taken += 1
            yield large, str(number), ()

    with Workers(count=2) as workers:
        next(workers.load_all(supply()))
        assert taken <= 4


def test_leaving_early_ends_all_workers(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt")
    with pytest.raises(KeyboardInterrupt), Workers(count=2) as workers:
        results = workers.load_all((path, str(number), ()) for number in range(100))
        next(results)
        processes = [process for worker in workers._workers if (process := worker._process)]
        raise KeyboardInterrupt
    assert processes and all(process.returncode is not None for process in processes)
    assert workers._threads._shutdown


def test_secrets_of_the_environment_stay_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "heron-key")
    with Worker() as worker:
        worker.load(written(tmp_path / "a.txt"), "a.txt")
        if sys.platform == "linux":
            environment = Path(f"/proc/{process_of(worker).pid}/environ").read_bytes()
            assert b"PATH=" in environment and b"heron-key" not in environment
