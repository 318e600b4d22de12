"""New versions of an index while questions are asked: opened beside them, seen soon, and left alone where broken."""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rag.answer import Engine
from rag.errors import IndexUnavailable
from rag.index import Index, domain_index_folder
from rag.settings import Settings
from rag.shared import Shared
from tests.test_answer import HOW_LONG, TEXTS, build_index, ground  # noqa: F401  (a fixture)

NINE = {"en": ["The internship lasts nine weeks."], "hu": TEXTS["hu"]}


@pytest.fixture
def place(ground: Settings, tmp_path: Path) -> Settings:  # noqa: F811
    """Settings with a copy of the index of its own."""
    shutil.copytree(ground.var, tmp_path / "var")
    return replace(ground, var=tmp_path / "var")


@pytest.fixture
def shared(place: Settings) -> Iterator[Shared]:
    opened = Shared(place)
    yield opened
    opened.close()


def version(shared: Shared) -> str:
    with shared.index("guide") as index:
        return index.manifest.version


def becomes(state: Callable[[], bool]) -> bool:
    """Whether it comes about within ten seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if state():
            return True
        time.sleep(0.02)
    return False


def point(settings: Settings, name: str) -> None:
    """Makes a version the current one without looking at it."""
    (domain_index_folder(settings, "guide") / "CURRENT").write_text(f"{name}\n", encoding="utf-8")


class Opening:
    """Holds up whoever opens an index until `go`; `begun` tells that somebody does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.count = 0
        really = Index.open

        def held_up(*arguments: object) -> Index:
            self.count += 1
            self.begun.set()
            assert self.go.wait(20)
            return really(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(Index, "open", held_up)


def test_questions_are_answered_while_a_new_version_is_opened(shared, place, monkeypatch):
    assert version(shared) == "1"
    opening = Opening(monkeypatch)
    build_index(place, "2", NINE)
    shared.follow()
    assert opening.begun.wait(10)
    assert [version(shared) for _ in range(20)] == ["1"] * 20 and opening.count == 1
    opening.go.set()
    assert becomes(lambda: version(shared) == "2")


def test_where_versions_are_followed_no_question_opens_the_next_one(shared, place, monkeypatch):
    assert version(shared) == "1"
    monkeypatch.setattr("rag.shared._LOOK_SECONDS", 600.0)
    shared.follow()
    opening = Opening(monkeypatch)
    build_index(place, "2", NINE)
    assert version(shared) == "1" and opening.count == 0


def test_only_one_opens_a_version_and_all_get_it(shared, monkeypatch):
    opening = Opening(monkeypatch)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(version(shared))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert opening.begun.wait(10)
    opening.go.set()
    for thread in threads:
        thread.join(20)
    assert found == ["1"] * 8 and opening.count == 1


def test_a_version_that_comes_is_opened_before_anyone_asks(place, monkeypatch):
    engine = Engine(place)
    engine.warm_up()
    build_index(place, "2", NINE)
    assert becomes(lambda: engine._shared._indexes["guide"].version == "2")

    def never(*_: object) -> Index:
        raise AssertionError("the question opened it")

    monkeypatch.setattr(Index, "open", never)
    assert "nine weeks" in engine.ask(HOW_LONG).text
    engine.close()


def test_a_first_version_is_opened_too(ground, tmp_path):  # noqa: F811
    settings = replace(ground, var=tmp_path)
    engine = Engine(settings)
    engine.warm_up()
    assert engine.lacking() == {"guide": "there is none yet"}
    build_index(settings, "1")
    assert becomes(lambda: "guide" in engine._shared._indexes) and engine.lacking() == {}
    engine.close()


@pytest.mark.parametrize("damage", ["no manifest", "no folder", "no table", "no vectors", "other embedder", "garbage"])
def test_a_broken_version_is_said_once_and_the_one_before_serves(shared, place, caplog, damage):
    assert version(shared) == "1"
    folder = domain_index_folder(place, "guide")
    if damage != "no folder":
        shutil.copytree(folder / "1", folder / "2")
        manifest = folder / "2" / "manifest.json"
        text = manifest.read_text(encoding="utf-8")
        if damage == "no manifest":
            manifest.unlink()
        elif damage == "other embedder":
            manifest.write_text(text.replace('"embedder": "', '"embedder": "another-'), encoding="utf-8")
        elif damage == "no table":
            shutil.rmtree(folder / "2" / "table")
        elif damage == "no vectors":
            for part in (folder / "2" / "chroma").glob("*.sqlite3"):
                part.write_bytes(b"no database" * 999)
        else:
            (folder / "2" / "table" / "hashes.npy").write_bytes(b"garbage")
    shared.follow()
    point(place, "2")
    assert becomes(lambda: "guide" in shared._refused)
    for _ in range(3):
        # As if the time had passed after which it is tried again.
        shared._refused["guide"] = replace(shared._refused["guide"], until=0.0)
        assert becomes(lambda: shared._refused["guide"].until > 0)
        assert version(shared) == "1"
    said = [record for record in caplog.records if record.levelno >= logging.ERROR and record.name == "rag.shared"]
    assert len(said) == 1 and "2" in said[0].getMessage() and "1 goes on serving" in said[0].getMessage()
    build_index(place, "3", NINE)
    assert becomes(lambda: version(shared) == "3")


def test_a_version_that_is_mended_is_opened(shared, place):
    assert version(shared) == "1"
    folder = domain_index_folder(place, "guide")
    build_index(place, "2", NINE)
    (folder / "2" / "manifest.json").rename(folder / "aside")
    shared.follow()
    assert becomes(lambda: "guide" in shared._refused) and version(shared) == "1"
    (folder / "aside").rename(folder / "2" / "manifest.json")
    assert becomes(lambda: version(shared) == "2")


def test_without_a_version_before_a_broken_one_is_an_error_that_is_not_looked_for_again_at_once(place, monkeypatch):
    shutil.rmtree(domain_index_folder(place, "guide") / "1" / "table")
    shared = Shared(place)
    tries = 0
    really = Index.open

    def counted(*arguments: object) -> Index:
        nonlocal tries
        tries += 1
        return really(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Index, "open", counted)
    monkeypatch.setattr("rag.shared._REFUSED_SECONDS", 600.0)
    for _ in range(5):
        with pytest.raises(IndexUnavailable, match="damaged"), shared.index("guide"):
            raise AssertionError("it was opened")
    assert tries == 1
    shared.close()


def test_a_build_that_was_killed_changes_nothing(shared, place):
    assert version(shared) == "1"
    folder = domain_index_folder(place, "guide")
    shutil.copytree(folder / "1" / "table", folder / "2" / "table")
    (folder / "CURRENT.1.tmp").write_text("2\n", encoding="utf-8")
    shared.follow()
    time.sleep(0.6)
    assert version(shared) == "1" and "guide" not in shared._refused


def test_an_index_that_is_taken_away_no_longer_answers(shared, place):
    assert version(shared) == "1"
    current = domain_index_folder(place, "guide") / "CURRENT"
    current.unlink()
    with pytest.raises(IndexUnavailable, match="make ingest DOMAIN=guide"), shared.index("guide"):
        raise AssertionError("it was opened")
    point(place, "1")
    assert version(shared) == "1"


def test_an_old_version_is_closed_when_its_last_question_ends(shared, place, monkeypatch):
    closed: list[str] = []
    really = Index.close

    def close(index: Index) -> None:
        closed.append(index.manifest.version)
        really(index)

    monkeypatch.setattr(Index, "close", close)
    with shared.index("guide") as old:
        build_index(place, "2", NINE)
        assert version(shared) == "2" and closed == []
        assert old.chunks(["en0"])[0].text == TEXTS["en"][0]
    assert closed == ["1"]
    shared.close()
    assert closed == ["1", "2"]


def test_versions_come_and_go_under_questions(shared, place):
    shared.follow()
    stop = threading.Event()
    wrong: list[object] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                with shared.index("guide") as index:
                    text = index.chunks(["en0"])[0].text
                    number = int(index.manifest.version)
                    expected = TEXTS["en"][0] if number == 1 else f"It lasts {number} weeks."
                    found = index.vectors.search("en", index.table.rows(["en0"]).vectors[0], 1)
                    if text != expected or not found:
                        wrong.append((number, text, found))
            # Whatever it is, it is what this test looks for.
            except Exception as error:
                wrong.append(error)
                return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(2, 8):
        build_index(place, str(number), {"en": [f"It lasts {number} weeks."]})
    assert becomes(lambda: version(shared) == "7")
    stop.set()
    for thread in threads:
        thread.join(20)
    assert wrong == []


def test_the_thread_ends_with_the_rest(place):
    shared = Shared(place)
    shared.follow()
    shared.follow()
    follower = shared._follower
    assert follower is not None and follower.is_alive()
    shared.close()
    assert not follower.is_alive()
    shared.follow()
    assert shared._follower is follower
