from pathlib import Path

import pytest

from rag.hold import hold, in_use


def test_a_folder_is_in_use_until_its_last_reader_ends(tmp_path: Path) -> None:
    assert not in_use(tmp_path)
    first, second = hold(tmp_path), hold(tmp_path)
    assert in_use(tmp_path)
    first()
    first()
    assert in_use(tmp_path)
    second()
    assert not in_use(tmp_path)


def test_ending_twice_closes_nothing_else(tmp_path: Path) -> None:
    release = hold(tmp_path)
    release()
    other = hold(tmp_path)
    release()
    assert in_use(tmp_path)
    other()


def test_what_is_not_there_is_not_in_use(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        hold(tmp_path / "gone")
    assert not in_use(tmp_path / "gone")


def test_a_name_is_held_through_a_renaming(tmp_path: Path) -> None:
    folder = tmp_path / "building"
    folder.mkdir()
    release = hold(folder)
    folder.rename(tmp_path / "version")
    assert in_use(tmp_path / "version")
    release()
