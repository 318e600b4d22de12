import io
import struct
import zipfile
from collections.abc import Mapping

import pytest

from ingest.loaders import archive
from ingest.loaders.archive import open_zip, read_entry
from ingest.loaders.errors import LoadError


def packed(entries: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return target.getvalue()


def test_an_archive_is_read_as_it_is() -> None:
    text = b"A heron stands still." * 50_000
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        with open_zip(packed({"a/b.xml": text, "empty": b"", "../up": b"x"}, method)) as opened:
            assert opened.namelist() == ["a/b.xml", "empty", "../up"]
            assert read_entry(opened, "a/b.xml") == text
            assert read_entry(opened, "empty") == b""
            with pytest.raises(LoadError, match="missing"):
                read_entry(opened, "c.xml")


def test_what_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = bytes(1_000_000)
    monkeypatch.setattr(archive, "ENTRY_BYTES", 2_000_000)
    monkeypatch.setattr(archive, "UNPACKED_BYTES", 3_000_000)
    monkeypatch.setattr(archive, "ENTRIES", 5)
    open_zip(packed({str(number): zeros for number in range(3)})).close()
    with pytest.raises(LoadError, match="more than 2 MB in one part"):
        open_zip(packed({"a": zeros * 3}))
    with pytest.raises(LoadError, match="more than 3 MB"):
        open_zip(packed({str(number): zeros for number in range(4)}))
    with pytest.raises(LoadError, match="6 files, at most 5"):
        open_zip(packed({str(number): b"" for number in range(6)}))


def test_a_bomb_of_zeros_is_refused_by_its_ratio() -> None:
    with pytest.raises(LoadError, match="times its size, at most 200"):
        open_zip(packed({"word/document.xml": bytes(30_000_000)}))


def test_headers_that_state_too_little_are_noticed() -> None:
    content = packed({"a": bytes(1_000_000)})
    assert content.count(struct.pack("<I", 1_000_000)) == 2
    with pytest.raises(LoadError, match="more than it states"):
        open_zip(content.replace(struct.pack("<I", 1_000_000), struct.pack("<I", 10)))


def test_entries_that_share_their_bytes_are_refused() -> None:
    content = packed({"a": b"heron" * 100, "b": b"heron" * 100})
    places = [place for place in range(len(content)) if content.startswith(b"PK\x01\x02", place)]
    first, second = places
    offset = struct.unpack_from("<I", content, first + 42)[0]
    forged = bytearray(content)
    struct.pack_into("<I", forged, second + 42, offset)
    with pytest.raises(LoadError, match="overlap"):
        open_zip(bytes(forged))


def test_damaged_encrypted_and_strange_archives_say_what_is_wrong() -> None:
    content = packed({"a": b"heron" * 1000})
    with pytest.raises(LoadError, match="damaged"):
        open_zip(content[:40])
    with pytest.raises(LoadError, match="damaged"):
        open_zip(b"PK\x03\x04" + b"x" * 100)
    with pytest.raises(LoadError, match="packed in a way"):
        open_zip(packed({"a": b"heron"}, zipfile.ZIP_BZIP2))
    locked = bytearray(content)
    locked[6] |= 1
    locked[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(LoadError, match="password"):
        open_zip(bytes(locked))
    broken = bytearray(content)
    broken[35:45] = b"\xff" * 10
    with open_zip(bytes(broken)) as opened, pytest.raises(LoadError, match="'a' is damaged"):
        read_entry(opened, "a")


def test_an_archive_inside_stays_closed() -> None:
    inner = packed({"a": bytes(30_000_000)})
    with open_zip(packed({"inner.zip": inner}, zipfile.ZIP_STORED)) as opened:
        assert read_entry(opened, "inner.zip") == inner
