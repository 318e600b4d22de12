import io
import json
import os
import shutil
import sqlite3
import tarfile
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.errors import ConfigurationError, LacertaError
from rag.index import current_version, domain_index_folder, versions
from rag.settings import Settings
from rag.types import Question
from tests.test_app import write_domain
from web.__main__ import main
from web.backup import backup
from web.restore import NotWhole, restore

LIGHT = "The lighthouse is painted red and white every spring."
PIER = "Boats moor at the north pier until the ice comes."


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Settings:
    folder = tmp_path_factory.mktemp("backup")
    write_domain(folder / "corpora" / "harbour")
    (folder / "corpora" / "harbour" / "sources").mkdir()
    (folder / "corpora" / "harbour" / "sources" / "light.txt").write_text(LIGHT, encoding="utf-8")
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var")
    bring_up_to_date(settings, "harbour")
    (settings.var / "models").mkdir()
    (settings.var / "models" / "large.gguf").write_bytes(b"GGUF")
    (settings.var / "fetched" / "harbour").mkdir(parents=True)
    (settings.var / "fetched" / "harbour" / "page.html").write_text("<p>Fetched.</p>")
    return settings


@pytest.fixture
def place(made, tmp_path) -> Settings:
    shutil.copytree(made.corpora, tmp_path / "corpora")
    shutil.copytree(made.var, tmp_path / "var")
    return replace(made, corpora=tmp_path / "corpora", var=tmp_path / "var")


def names(file: Path) -> set[str]:
    with tarfile.open(file) as archive:
        return set(archive.getnames())


def found(settings: Settings) -> list[str]:
    engine = Engine(settings)
    try:
        return [hit.chunk.text for hit in engine.search(Question("When is the lighthouse painted?", "harbour")).hits]
    finally:
        engine.close()


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_restored_answers_as_before(place, tmp_path) -> None:
    before = tree(place.var)
    count, size = backup(place, tmp_path / "b.tar")
    assert tree(place.var) == before
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
    other = replace(place, var=tmp_path / "new" / "var")
    assert restore(other.var, tmp_path / "b.tar") == count > 5 and size > 10_000
    assert current_version(other, "harbour") == current_version(place, "harbour")
    assert found(other) == found(place) == [LIGHT]
    assert bring_up_to_date(other, "harbour").embedded == 0
    assert (other.var / "fetched" / "harbour" / "page.html").read_text() == "<p>Fetched.</p>"
    assert not [path for path in other.var.iterdir() if path.name.startswith(".")]


def test_models_are_left_out_unless_asked_for(place, tmp_path) -> None:
    backup(place, tmp_path / "without.tar")
    backup(place, tmp_path / "with.tar", models=True)
    assert names(tmp_path / "with.tar") - names(tmp_path / "without.tar") == {"models/large.gguf"}


def test_what_logins_are_signed_with_is_in_no_backup(place, tmp_path) -> None:
    (place.var / "session.key").write_bytes(b"secret")
    backup(place, tmp_path / "b.tar", models=True)
    assert "session.key" not in names(tmp_path / "b.tar")


def test_what_nobody_rated_is_in_no_backup(place, tmp_path) -> None:
    with closing(sqlite3.connect(place.var / "given.sqlite")) as held:
        held.execute("PRAGMA journal_mode=WAL")
        held.execute("CREATE TABLE texts (fields TEXT)")
        backup(place, tmp_path / "b.tar")
    assert not [name for name in names(tmp_path / "b.tar") if name.startswith("given")]


def test_what_is_being_written_is_kept_whole(place, tmp_path) -> None:
    # A transaction that is open, and one that stands in the journal alone.
    path = place.var / "feedback.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as writing:
        writing.execute("PRAGMA journal_mode=WAL")
        writing.execute("CREATE TABLE said (text TEXT)")
        writing.execute("INSERT INTO said VALUES ('done')")
        writing.execute("BEGIN IMMEDIATE")
        writing.execute("INSERT INTO said VALUES ('not yet')")
        backup(place, tmp_path / "b.tar")
        writing.execute("COMMIT")
    assert not [name for name in names(tmp_path / "b.tar") if name.endswith(("-wal", "-shm"))]
    restore(tmp_path / "back", tmp_path / "b.tar")
    with closing(sqlite3.connect(tmp_path / "back" / "feedback.sqlite")) as read:
        assert read.execute("SELECT text FROM said").fetchall() == [("done",)]


def test_an_unfinished_version_is_left_out(place, tmp_path) -> None:
    (domain_index_folder(place, "harbour") / "20990101T000000000000Z.building").mkdir()
    (domain_index_folder(place, "harbour") / "20990101T000000000000Z.building" / "part").write_text("x")
    backup(place, tmp_path / "b.tar")
    assert not [name for name in names(tmp_path / "b.tar") if "building" in name or name.endswith("LOCK")]


def test_backups_during_ingests_and_questions_are_whole(place, tmp_path) -> None:
    versions_made: list[str] = []

    def ingest() -> None:
        for number in range(4):
            (place.corpora / "harbour" / "sources" / "pier.txt").write_text(f"{PIER} {number}", encoding="utf-8")
            versions_made.append(bring_up_to_date(place, "harbour").version)

    working = threading.Thread(target=ingest)
    working.start()
    count = 0
    while working.is_alive() or not count:
        backup(place, tmp_path / "b.tar", force=True)
        other = replace(place, var=tmp_path / f"back{count}")
        restore(other.var, tmp_path / "b.tar")
        assert LIGHT in found(other) and versions(other, "harbour") == [current_version(other, "harbour")]
        count += 1
    assert len(set(versions_made)) == 4


def test_nothing_is_replaced_unasked(place, tmp_path) -> None:
    backup(place, tmp_path / "b.tar")
    with pytest.raises(ConfigurationError, match="--force"):
        backup(place, tmp_path / "b.tar")
    with pytest.raises(ConfigurationError, match="inside of"):
        backup(place, place.var / "b.tar")
    with pytest.raises(ConfigurationError, match="not empty.*--force"):
        restore(place.var, tmp_path / "b.tar")
    with pytest.raises(LacertaError, match="nothing to keep"):
        backup(replace(place, var=tmp_path / "nowhere"), tmp_path / "c.tar")


def test_with_force_what_was_there_gives_way_and_the_rest_stays(place, tmp_path) -> None:
    backup(place, tmp_path / "b.tar")
    (place.corpora / "harbour" / "sources" / "pier.txt").write_text(PIER, encoding="utf-8")
    bring_up_to_date(place, "harbour")
    assert len(found(place)) == 2
    restore(place.var, tmp_path / "b.tar", force=True)
    assert found(place) == [LIGHT] and (place.var / "models" / "large.gguf").is_file()


def altered(file: Path, target: Path, change) -> Path:
    """The archive with its members, `(header, content)`, changed by a function."""
    with tarfile.open(file) as archive:
        members = []
        for member in archive:
            content = archive.extractfile(member)
            members.append((member, content.read() if content else b""))
    with tarfile.open(target, "w") as archive:
        for member, content in change(members):
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target


def named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


HOSTILE = {
    "above": named("../out.txt"),
    "deep above": named("index/../../out.txt"),
    "absolute": named("/out.txt"),
    "empty part": named("index//x"),
    "dot": named("./x"),
    "hidden": named(".restore-x/y"),
    "backslash": named("..\\out.txt"),
    "drive": named("C:/x"),
    "too deep": named("/".join("d" * 40)),
    "symbolic link": named("link", tarfile.SYMTYPE, "/etc"),
    "hard link": named("link", tarfile.LNKTYPE, "/etc/passwd"),
    "device": named("device", tarfile.CHRTYPE),
    "pipe": named("pipe", tarfile.FIFOTYPE),
    "folder": named("folder", tarfile.DIRTYPE),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_leads_out_of_an_archive(place, tmp_path, kind) -> None:
    backup(place, tmp_path / "b.tar")
    bad = altered(tmp_path / "b.tar", tmp_path / "bad.tar", lambda members: [(HOSTILE[kind], b""), *members])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(NotWhole):
        restore(tmp_path / "back", bad)
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "back"])


def tampered(members):
    return [
        (m, b"X" + c[1:] if m.name.endswith("light.txt") or m.name.endswith("page.html") else c) for m, c in members
    ]


DAMAGED = {
    "a byte": tampered,
    "a file is missing": lambda members: members[1:],
    "a file more": lambda members: [(named("index/more"), b"x"), *members],
    "a file twice": lambda members: [members[0], *members],
    "no list": lambda members: members[:-1],
    "an odd list": lambda members: [*members[:-1], (members[-1][0], b"[]")],
    "another format": lambda members: [*members[:-1], (members[-1][0], json.dumps({"format": 99}).encode())],
    "something behind": lambda members: [*members, (named("index/more"), b"x")],
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_archive_changes_nothing(place, tmp_path, kind) -> None:
    backup(place, tmp_path / "b.tar")
    before = tree(place.var)
    with pytest.raises(NotWhole):
        restore(place.var, altered(tmp_path / "b.tar", tmp_path / "bad.tar", DAMAGED[kind]), force=True)
    assert tree(place.var) == before


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_an_archive_that_was_cut_off_changes_nothing(place, tmp_path, share) -> None:
    backup(place, tmp_path / "b.tar")
    os.truncate(tmp_path / "b.tar", int((tmp_path / "b.tar").stat().st_size * share))
    before = tree(place.var)
    with pytest.raises(NotWhole):
        restore(place.var, tmp_path / "b.tar", force=True)
    assert tree(place.var) == before


def test_the_command_line(place, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("LACERTA_CORPORA", str(place.corpora))
    monkeypatch.setenv("LACERTA_VAR", str(place.var))
    monkeypatch.setenv("LACERTA_PORT", "1")
    file = str(tmp_path / "b.tar")
    assert main(["backup", file]) == 0 and "web restore" in capsys.readouterr().out
    assert main(["backup", file]) == 2 and "--force" in capsys.readouterr().err
    assert main(["restore", file]) == 2 and "not empty" in capsys.readouterr().err
    assert main(["restore", str(tmp_path / "none.tar"), "--force"]) == 1
    assert "none.tar" in capsys.readouterr().err
    assert main(["restore", file, "--force"]) == 0 and "make doctor" in capsys.readouterr().out
