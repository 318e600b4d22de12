import os
from pathlib import Path

import pytest

from ingest.sources import find_files
from rag.errors import LacertaError
from rag.settings import Domain, Source


def domain(folder: Path, *sources: Source) -> Domain:
    return Domain("birds", folder, ("en",), {}, {}, {}, sources=sources or (Source(),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b.txt",
        "a.md",
        "sub/deep/c.csv",
        ".hidden",
        ".git/x.txt",
        "Thumbs.db",
        "~$a.docx",
        "d.tmp",
        "e.txt~",
    ):
        path = tmp_path / "sources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path


def found(folder: Path, *sources: Source) -> list[str]:
    return [file.source for file in find_files(domain(folder, *sources))[0]]


def test_files_come_in_order_without_hidden_and_temporary_ones(folder: Path) -> None:
    assert found(folder) == ["a.md", "b.txt", "sub/deep/c.csv"]


def test_include_and_exclude_patterns(folder: Path) -> None:
    assert found(folder, Source(include=("*.md", "**/*.csv"))) == ["a.md", "sub/deep/c.csv"]
    assert found(folder, Source(exclude=("sub/**",))) == ["a.md", "b.txt"]
    assert found(folder, Source(include=("*.txt",)), Source(include=("sub/**/*",))) == ["b.txt", "sub/deep/c.csv"]


def test_links_that_lead_out_and_what_is_no_file_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("secret")
    (tmp_path / "sources" / "out.txt").symlink_to(tmp_path / "outside.txt")
    (tmp_path / "sources" / "outer").symlink_to(tmp_path)
    (tmp_path / "sources" / "inner.txt").symlink_to(tmp_path / "sources" / "b.txt")
    (tmp_path / "sources" / "loop").symlink_to(tmp_path / "sources")
    os.mkfifo(tmp_path / "sources" / "pipe")
    files, refused = find_files(domain(folder))
    assert [file.source for file in files] == ["a.md", "b.txt", "inner.txt", "sub/deep/c.csv"]
    assert {item.source for item in refused} == {"loop", "out.txt", "outer", "pipe"}


def test_given_paths_take_the_place_of_the_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.txt").write_text("y")
    paths = [tmp_path / "other", tmp_path / "sources" / "b.txt"]
    assert [file.source for file in find_files(domain(folder), paths)[0]] == ["2/b.txt", "b.txt"]
    with pytest.raises(LacertaError, match="no file or folder"):
        find_files(domain(folder), [tmp_path / "missing"])


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(LacertaError, match=str(tmp_path / "sources")):
        find_files(domain(tmp_path))
