import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.lock import Locked
from ingest.watch import watch
from rag.errors import LacertaError
from rag.settings import Settings
from tests.files import make_domain

ROOT = Path(__file__).resolve().parent.parent


class Stopped(BaseException):
    """Ends a watch as Ctrl-C does, but from a test."""


class Watched:
    """A watch in a thread, and the runs it asked for; `during` is called in each."""

    def __init__(self, settings: Settings, names: list[str]) -> None:
        self.runs: list[str] = []
        self.during: Callable[[str], None] = lambda name: None
        self._stop = False
        self._settings, self._names = settings, names
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        try:
            watch(self._settings, self._names, self._run)
        except Stopped:
            pass

    def _run(self, name: str) -> None:
        if self._stop:
            raise Stopped
        self.runs.append(name)
        self.during(name)

    def wait(self, *names: str) -> None:
        """Until all runs so far are these."""
        deadline = time.monotonic() + 60
        while len(self.runs) < len(names):
            assert time.monotonic() < deadline, self.runs
            time.sleep(0.02)
        assert self.runs == list(names)

    def wait_after(self, count: int, name: str) -> None:
        """Until there are more than `count` runs; a slow machine may make several of what is one change."""
        deadline = time.monotonic() + 60
        while len(self.runs) <= count:
            assert time.monotonic() < deadline, self.runs
            time.sleep(0.02)
        assert set(self.runs[count:]) == {name}

    def stop(self) -> None:
        self._stop = True
        for name in self._names:
            folder = self._settings.corpora / name / "sources"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "stop.txt").write_text("x")
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    for name in ("ants", "birds"):
        (make_domain(tmp_path / "corpora", name) / "first.txt").write_text("The heron waits.", encoding="utf-8")
    return tmp_path / "corpora"


@pytest.fixture
def watched(corpora: Path) -> Iterator[Watched]:
    running = Watched(Settings(corpora=corpora), ["ants", "birds"])
    yield running
    running.stop()


def test_only_what_changed_is_run_again(watched: Watched, corpora: Path) -> None:
    watched.wait("ants", "birds")
    (corpora.parent / "new/deep").mkdir(parents=True)
    (corpora.parent / "new/deep/owl.txt").write_text("The owl hunts.")
    (corpora.parent / "new").rename(corpora / "birds/sources/new")
    watched.wait("ants", "birds", "birds")
    # None of these is a document.
    (corpora / "ants/sources/.hidden.txt").write_text("x")
    (corpora / "ants/sources/half.part").write_text("x")
    (corpora / "ants/questions.jsonl").write_text("")
    (corpora / "birds/sources/new/deep/owl.txt").unlink()
    watched.wait("ants", "birds", "birds", "birds")
    (corpora / "ants/glossary.csv").write_text("en,ko,hu,definition\n")
    watched.wait("ants", "birds", "birds", "birds", "ants")
    toml = corpora / "birds/domain.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    watched.wait("ants", "birds", "birds", "birds", "ants", "birds")


def test_many_changes_are_one_run(watched: Watched, corpora: Path) -> None:
    watched.wait("ants", "birds")
    for number in range(200):
        (corpora / f"birds/sources/{number}.txt").write_text(f"Heron {number}.")
    watched.wait_after(2, "birds")
    assert len(watched.runs) < 20


def test_a_folder_that_is_replaced_is_watched_again(watched: Watched, corpora: Path, tmp_path: Path) -> None:
    watched.wait("ants", "birds")
    sources = corpora / "birds/sources"
    (tmp_path / "other").mkdir()
    (tmp_path / "other/owl.txt").write_text("The owl hunts.")
    sources.rename(tmp_path / "old")
    (tmp_path / "other").rename(sources)
    watched.wait_after(2, "birds")
    count = len(watched.runs)
    (sources / "more.txt").write_text("Another one.")
    watched.wait_after(count, "birds")
    # A link in its place leads to the same files elsewhere.
    count = len(watched.runs)
    shutil.move(sources, tmp_path / "elsewhere")
    sources.symlink_to(tmp_path / "elsewhere")
    watched.wait_after(count, "birds")
    count = len(watched.runs)
    (tmp_path / "elsewhere/third.txt").write_text("A third.")
    watched.wait_after(count, "birds")


def test_a_domain_may_be_missing_for_a_while(watched: Watched, corpora: Path, tmp_path: Path) -> None:
    watched.wait("ants", "birds")
    (corpora / "birds").rename(tmp_path / "aside")
    # Whoever runs it says that it is not there.
    watched.wait("ants", "birds", "birds")
    (tmp_path / "aside").rename(corpora / "birds")
    watched.wait("ants", "birds", "birds", "birds")
    (corpora / "birds/sources/new.txt").write_text("New.")
    watched.wait("ants", "birds", "birds", "birds", "birds")


def test_a_domain_may_lie_elsewhere_behind_a_link(corpora: Path, tmp_path: Path) -> None:
    (corpora / "birds").rename(tmp_path / "elsewhere")
    (corpora / "birds").symlink_to(tmp_path / "elsewhere")
    running = Watched(Settings(corpora=corpora), ["birds"])
    try:
        running.wait("birds")
        (tmp_path / "elsewhere/sources/new.txt").write_text("New.")
        running.wait("birds", "birds")
        (tmp_path / "elsewhere/glossary.csv").write_text("en,ko,hu,definition\n")
        running.wait("birds", "birds", "birds")
    finally:
        running.stop()


def test_errors_are_printed_and_a_locked_domain_comes_later(
    watched: Watched, corpora: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults: list[Exception] = [LacertaError("the disk is full"), ValueError("a fault of ours"), Locked("busy")]

    def fail(name: str) -> None:
        if faults:
            raise faults.pop(0)

    watched.wait("ants", "birds")
    watched.during = fail
    for count in (3, 4):
        (corpora / "birds/sources/new.txt").write_text(f"New {count}.")
        watched.wait("ants", *["birds"] * (count - 1))
    # The third is locked and comes again by itself.
    (corpora / "birds/sources/new.txt").write_text("New 5.")
    watched.wait("ants", *["birds"] * 5)
    errors = capsys.readouterr().err
    assert "ingest: the disk is full" in errors and "ingest: busy" in errors


def test_what_changes_during_a_run_is_run_again(watched: Watched, corpora: Path) -> None:
    watched.wait("ants", "birds")

    def change(name: str) -> None:
        watched.during = lambda name: None
        (corpora / "birds/sources/late.txt").write_text("Late.")

    watched.during = change
    (corpora / "birds/sources/new.txt").write_text("New.")
    watched.wait("ants", "birds", "birds", "birds")


def test_the_files_can_be_looked_at_instead(corpora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHFILES_FORCE_POLLING", "1")
    running = Watched(Settings(corpora=corpora), ["birds"])
    try:
        running.wait("birds")
        (corpora / "birds/sources/new.txt").write_text("New.")
        running.wait("birds", "birds")
    finally:
        running.stop()
