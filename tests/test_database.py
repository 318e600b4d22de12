"""SQLite files that several processes write."""

import multiprocessing
import multiprocessing.synchronize
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from rag.database import open_database

PROCESSES = 4
FILES = 40


def write(folder: Path, gate: multiprocessing.synchronize.Barrier) -> None:
    for number in range(FILES):
        gate.wait(60)
        with closing(open_database(folder / f"{number}.sqlite", 30.0)) as connection:
            connection.execute("create table if not exists said (word text)")
            connection.execute("insert into said values ('yes')")


def test_those_that_begin_a_file_at_once_all_write_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(PROCESSES)
    processes = [context.Process(target=write, args=(tmp_path, gate)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    for number in range(FILES):
        with closing(sqlite3.connect(tmp_path / f"{number}.sqlite")) as connection:
            assert connection.execute("select count(*) from said").fetchone() == (PROCESSES,)


def test_a_new_file_is_its_owners_and_has_a_log(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.sqlite"
    with closing(open_database(path, 1.0)) as connection:
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_who_writes_for_too_long_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("create table said (word text)")
        other.execute("begin exclusive")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            open_database(path, 0.2)


def test_a_file_that_is_no_database_is_told_of_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_text("This is no database, and long enough to be read as one." * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        open_database(path, 1000.0)
