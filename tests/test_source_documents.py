import hashlib
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.connectors.store import Entry, Store
from rag.errors import ConfigurationError
from rag.index import DocumentRecord
from rag.settings import PublishSettings, Settings, load_domain
from tests.files import make_domain
from web.sources.context import rows
from web.sources.documents import Files, described, file_name, media_type, shape
from web.sources.process import PageFailed

CONTENT = b"A document that lies somewhere."


def record(source: str, kind: str = "text", content: bytes = CONTENT, **metadata: str) -> DocumentRecord:
    digest = hashlib.sha256(content).hexdigest()
    return DocumentRecord(
        digest[:32], source, "Title", "en", kind, digest, len(content), 1, 1, (source,), metadata=metadata
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    make_domain(tmp_path / "corpora")
    return replace(Settings(), corpora=tmp_path / "corpora", var=tmp_path / "var")


def test_a_fetched_document_is_found(settings: Settings) -> None:
    domain = load_domain(settings, "birds")
    found = record("arxiv/2401.01234v2")
    with pytest.raises(PageFailed, match="source_gone"):
        Files(settings).find(found, domain)
    folder = settings.var / "fetched" / "birds" / "arxiv-00000000-00000000"
    with Store(folder) as store:
        store.keep(Entry("2401.01234", "2", found.source, "Title", "https://example.org"), "2", CONTENT, ".pdf", 1)
    (settings.var / "fetched" / "birds" / "stray").write_text("no folder")
    (settings.var / "fetched" / "birds" / "broken").mkdir()
    (settings.var / "fetched" / "birds" / "broken" / "state.sqlite3").write_text("no database")
    assert Files(settings).find(found, domain).read_bytes() == CONTENT
    with Store(folder) as store:
        store.keep(Entry("2401.01234", "3", found.source, "Title", "https://example.org"), "3", b"New.", ".pdf", 1)
    with pytest.raises(PageFailed, match="source_changed"):
        Files(settings).find(found, domain)


def test_a_name_is_found_in_the_form_that_the_disk_has(settings: Settings) -> None:
    domain = load_domain(settings, "birds")
    (domain.source_folder / unicodedata.normalize("NFD", "árvíztűrő.txt")).write_bytes(CONTENT)
    assert Files(settings).find(record("árvíztűrő.txt"), domain).read_bytes() == CONTENT


def test_nothing_outside_of_the_folders_is_found(settings: Settings, tmp_path: Path) -> None:
    domain = load_domain(settings, "birds")
    (tmp_path / "outside.txt").write_bytes(CONTENT)
    (domain.source_folder / "link.txt").symlink_to(tmp_path / "outside.txt")
    (domain.source_folder / "folder").symlink_to(tmp_path)
    (domain.source_folder / "loop").symlink_to("loop")
    names = (
        "link.txt",
        "folder/outside.txt",
        "loop",
        "../../../outside.txt",
        str(tmp_path / "outside.txt"),
        "",
        "a\0b",
    )
    for name in names:
        with pytest.raises(PageFailed, match="source_gone"):
            Files(settings).find(record(name), domain)


def test_a_file_is_read_again_once_it_is_another_one(settings: Settings) -> None:
    domain = load_domain(settings, "birds")
    path = domain.source_folder / "a.txt"
    files = Files(settings)
    path.write_bytes(CONTENT)
    assert files.find(record("a.txt"), domain) == path
    path.write_bytes(CONTENT.upper())
    with pytest.raises(PageFailed, match="source_changed"):
        files.find(record("a.txt"), domain)
    assert files.find(record("a.txt", content=CONTENT.upper()), domain) == path


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://arxiv.org/abs/2401.01234", True), ("http://example.org/a?b=c#d", True), ("", False),
        ("javascript:alert(1)", False), ("data:text/html,a", False), ("file:///etc/passwd", False),
        ("//example.org", False), ("https://", False), ("https://example.org/\n", False), ("https://[", False),
        ("https://example.org/" + "a" * 2000, False),
    ],
)  # fmt: skip
def test_only_addresses_of_the_web_are_shown(settings: Settings, url: str, shown: bool) -> None:
    domain = load_domain(settings, "birds")
    assert described(record("a.txt", url=url), domain)["url"] == (url if shown else None)


def test_what_connectors_and_files_say_of_a_document(settings: Settings) -> None:
    domain = load_domain(settings, "birds")
    about = described(record("a", "pdf", author="From the file", authors="A, B", published="2024-01-02"), domain)
    assert (about["authors"], about["date"], about["file"]) == ("A, B", "2024-01-02", None)
    opened = replace(domain, publish=PublishSettings(files=True))
    assert described(record("a"), opened)["file"] == f"/sources/birds/{about['document']}/file"
    assert described(record("a"), domain)["authors"] is None


@pytest.mark.parametrize(("said", "opened"), [("", False), ("files = false", False), ("files = true", True)])
def test_a_domain_says_whether_its_files_may_be_opened(settings: Settings, said: str, opened: bool) -> None:
    path = settings.corpora / "birds" / "domain.toml"
    path.write_text(path.read_text(encoding="utf-8") + f"[publish]\n{said}\n", encoding="utf-8")
    assert load_domain(settings, "birds").publish.files is opened


def test_whether_files_may_be_opened_is_true_or_false(settings: Settings) -> None:
    path = settings.corpora / "birds" / "domain.toml"
    path.write_text(path.read_text(encoding="utf-8") + "[publish]\nfiles = 1\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="publish.files should be true or false, is now 1"):
        load_domain(settings, "birds")


@pytest.mark.parametrize("domain", ["space", "internship"])
def test_the_bundled_documents_are_the_project_s_own(domain: str) -> None:
    assert load_domain(Settings(), domain).publish.files


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        ("a/b/Report.pdf", "pdf", "Report.pdf"), ("arxiv/2401.01234v2", "pdf", "2401.01234v2.pdf"),
        ("wikipedia/en/Heron", "record", "Heron.json"), ("web/example.org", "html", "example.org.html"),
        ("web/example.org/", "html", None), ("a/..", "text", None),
        ("readme", "text", "readme.txt"), ("data.TSV", "csv", "data.TSV"), ("scan.png", "image", "scan.png"),
    ],
)  # fmt: skip
def test_the_name_to_save_a_file_as(source: str, kind: str, name: str | None) -> None:
    found = record(source, kind)
    assert file_name(found) == (name or found.id + {"html": ".html", "text": ".txt"}[kind])


def test_how_kinds_are_shown() -> None:
    kinds = {kind: shape(record("a", kind)) for kind in ("pdf", "csv", "xlsx", "html", "image", "docx")}
    assert kinds == {
        "pdf": "picture", "csv": "table", "xlsx": "table", "html": "text", "image": "text", "docx": "text",
    }  # fmt: skip
    assert media_type(record("a", "image")) == "application/octet-stream"


def test_tables_without_a_header_and_with_lines_above() -> None:
    bare = rows([(0, "Aurora; Bergen\n\nBorealis; Oslo")], None)
    assert (bare["columns"], [row["cells"] for row in bare["rows"]]) == (
        [],
        [["Aurora", "Bergen"], ["Borealis", "Oslo"]],
    )
    above = rows([(0, "Ships of the north\n\nName: Aurora; Port: Bergen\n\nName: Borealis; Built: 1912")], None)
    assert above["columns"] == ["Name", "Port", "Built"] or above["columns"] == ["Name"]
    assert above["rows"][0] == {"number": None, "cells": ["Ships of the north"], "marked": False}
    assert [row["number"] for row in above["rows"]] == [None, 1, 2]
    nameless = rows([(0, "1; Name: Aurora\n\n2; Name: Borealis\n\n3; Name: Cetus; note: a; b: c")], None)
    assert nameless["columns"] == ["", "Name"]
    assert nameless["rows"][2]["cells"] == ["3", "Cetus; note: a; b: c"]
    assert rows([], None) == {"before": False, "after": False, "columns": [], "rows": []}
