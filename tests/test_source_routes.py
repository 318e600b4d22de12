import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.index import DocumentRecord
from rag.select import span
from rag.settings import Settings
from rag.types import PAGE_BREAK, Chunk
from tests.files import make_domain, make_pdf, prose
from tests.web_server import served
from web.server import create

FIRST = [
    "The keeper of the lighthouse counts every ship that",
    "passes the cape. A ferry is not counted. On foggy",
    "mornings the horn is sounded twice a minute, and the",
    "count is taken from the radio.",
]
SECOND = ["In winter the keeper lives alone, and the boat comes", "once a month with mail and flour."]
TABLE = "Ship,Port,Built\nAurora,Bergen,1901\nBorealis,Tromso; north quay,1912\n" + "".join(
    f"Ferry {number},Oslo,{1920 + number}\n" for number in range(60)
)
NOTE = "# Harbour\n\n## Rules\n\nNobody sails in a storm.\n\nThe siren sounds at noon: then all boats return.\n"
UNKNOWN = "0" * 32


@dataclass(frozen=True, slots=True)
class Ground:
    """A program that serves two domains, `harbour` with its files and `closed` without."""

    client: httpx.Client
    engine: Engine
    sources: Path

    def record(self, name: str, domain: str = "harbour") -> DocumentRecord:
        with self.engine.index(domain) as index:
            return next(record for record in index.manifest.documents if name in record.names)

    def chunks(self, name: str) -> list[Chunk]:
        with self.engine.index("harbour") as index:
            return index.table.of_document(self.record(name).id)

    def page(self, name: str, number: int = 1, **query: Any) -> httpx.Response:
        return self.client.get(f"/sources/harbour/{self.record(name).id}/pages/{number}", params=query)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("sources")
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1)
    sources = make_domain(settings.corpora, "harbour")
    with (settings.corpora / "harbour" / "domain.toml").open("a") as file:
        file.write("[publish]\nfiles = true\n")
    (sources / "log.pdf").write_bytes(make_pdf([prose(FIRST), prose(SECOND)], "Lighthouse log", "A. Keeper"))
    (sources / "ships.csv").write_text(TABLE, encoding="utf-8")
    (sources / "szabályok.md").write_text(NOTE, encoding="utf-8")
    (sources / "page.html").write_text(
        "<html><head><title>Tides</title></head><body><h1>Tides</h1><p>High water is at six.</p></body></html>"
    )
    (sources / "lost.pdf").write_bytes(make_pdf([prose(["This file will be lost before anyone opens it here."])]))
    (sources / "other.pdf").write_bytes(make_pdf([prose(["This file will be another one before it is opened."])]))
    (sources / "linked.pdf").write_bytes(make_pdf([prose(["This file will be a link that leads out of its folder."])]))
    for name in ("harbour", "closed"):
        if name == "closed":
            (make_domain(settings.corpora, name) / "note.txt").write_text("A note that is not given out.")
        bring_up_to_date(settings, name)
    engine = Engine(settings)
    engine.warm_up()
    with served(create(engine)) as client:
        yield Ground(client, engine, sources)
    engine.close()


def code(response: httpx.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return response.status_code, error["code"]


def test_what_is_known_of_a_document(ground: Ground) -> None:
    record = ground.record("log.pdf")
    answer = ground.client.get(f"/sources/harbour/{record.id}")
    assert answer.json() == {
        "document": record.id, "domain": "harbour", "title": "Lighthouse log", "source": "log.pdf", "kind": "pdf",
        "language": "en", "date": None, "authors": "A. Keeper", "url": None, "pages": 2, "bytes": record.size,
        "file": f"/sources/harbour/{record.id}/file",
    }  # fmt: skip
    assert answer.headers["cache-control"].startswith("private")
    closed = ground.record("note.txt", "closed")
    assert ground.client.get(f"/sources/closed/{closed.id}").json()["file"] is None


@pytest.mark.parametrize("inside", ["", "/pages/1", "/pages/1.webp", "/file"])
def test_what_is_not_there(ground: Ground, inside: str) -> None:
    known = ground.record("log.pdf").id
    assert code(ground.client.get(f"/sources/nowhere/{known}{inside}")) == (404, "unknown_domain")
    assert code(ground.client.get(f"/sources/harbour/{UNKNOWN}{inside}")) == (404, "unknown_document")
    # A document of another domain is not there either.
    assert code(ground.client.get(f"/sources/closed/{known}{inside}")) == (404, "unknown_document")
    for wrong in ("log.pdf", "..%2f..%2fetc%2fpasswd", known.upper() + "G", known[:-1], "%00"):
        assert code(ground.client.get(f"/sources/harbour/{wrong}{inside}"))[0] in (400, 404), wrong


def test_a_page_of_a_pdf_with_its_quote_marked(ground: Ground) -> None:
    (chunk,) = [chunk for chunk in ground.chunks("log.pdf") if "horn" in chunk.text]
    start = chunk.text.index("On foggy")
    end = chunk.text.index("radio.") + 6
    answer = ground.page("log.pdf", 1, chunk=chunk.id, start=start, end=end).json()
    assert (answer["kind"], answer["page"], answer["pages"], answer["language"]) == ("picture", 1, 2, "en")
    assert (answer["width"], answer["height"]) == (595, 842)
    assert "counts every ship" in answer["text"] and "winter" not in answer["text"]
    assert len(answer["marks"]) == 3
    left, top, width, height = answer["marks"][0]
    # "On foggy" ends the second line, whose baseline is 727 points above the lower edge.
    assert left * 595 > 200 and (left + width) * 595 < 400 and top < 1 - 727 / 842 < top + height
    assert ground.page("log.pdf", 1, chunk=chunk.id, quote=f"{start}-{end}").json() == answer
    two = [f"{start}-{start + 8}", f"{end - 6}-{end}"]
    assert len(ground.page("log.pdf", 1, chunk=chunk.id, quote=two).json()["marks"]) == 2
    # The whole passage where nothing of it is named, nothing on a page that it is not on, or without a passage.
    assert len(ground.page("log.pdf", 1, chunk=chunk.id).json()["marks"]) == 4
    assert ground.page("log.pdf", 1).json()["marks"] == []
    if chunk.last_page == 1:
        assert ground.page("log.pdf", 2, chunk=chunk.id).json()["marks"] == []
    else:
        assert len(ground.page("log.pdf", 2, chunk=chunk.id).json()["marks"]) == 2
    picture = ground.client.get(answer["picture"])
    assert picture.headers["content-type"] == "image/webp"
    assert Image.open(BytesIO(picture.content)).size == (1200, 1699)


def test_a_page_of_a_pdf_as_text_needs_no_file(ground: Ground) -> None:
    (chunk,) = [chunk for chunk in ground.chunks("log.pdf") if "horn" in chunk.text]
    start = chunk.text.index("On foggy")
    path = ground.sources / "log.pdf"
    kept = path.read_bytes()
    path.unlink()
    try:
        answer = ground.page("log.pdf", 1, chunk=chunk.id, start=start, end=start + 8, view="text").json()
    finally:
        path.write_bytes(kept)
    assert (answer["kind"], answer["pages"], "marks" in answer) == ("text", 2, False)
    marked = [item["text"][first:last] for item in answer["paragraphs"] for first, last in item["marks"]]
    assert marked == ["On foggy"]
    assert code(ground.page("log.pdf", 1, view="picture")) == (400, "invalid_value")


def test_quotes_are_told_with_their_pages(ground: Ground) -> None:
    first, *others = ground.chunks("log.pdf")
    chunk = first if PAGE_BREAK in first.text else others[-1]
    start = chunk.text.index("In winter")
    # Asked for at the page that the passage begins on.
    answer = ground.page("log.pdf", chunk.first_page, chunk=chunk.id, quote=f"{start}-{start + 9}").json()
    assert answer["quotes"] == [{"start": start, "end": start + 9, "page": 2, "text": "In winter"}]
    assert ground.page("log.pdf", 1).json()["quotes"] == []


def test_pictures_have_few_widths_and_are_kept(ground: Ground) -> None:
    path = f"/sources/harbour/{ground.record('log.pdf').id}/pages/2.webp"
    first = ground.client.get(path, params={"width": 480})
    assert first.status_code == 200 and Image.open(BytesIO(first.content)).width == 480
    assert first.headers["cache-control"].startswith("private, max-age=")
    assert ground.client.get(path, params={"width": 480}).content == first.content
    again = ground.client.get(path, params={"width": 480}, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = ground.client.get(path, params={"width": 800}, headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200
    for width in ("481", "0", "-480", "99999999", "x"):
        assert code(ground.client.get(path, params={"width": width})) == (400, "invalid_value")
    assert code(ground.client.get(path.replace("2.webp", "3.webp"))) == (404, "unknown_page")
    assert code(ground.client.get(path.replace("2.webp", "0.webp"))) == (400, "invalid_value")
    table = f"/sources/harbour/{ground.record('ships.csv').id}/pages/1.webp"
    assert code(ground.client.get(table)) == (404, "no_picture")


def test_a_row_among_its_neighbours(ground: Ground) -> None:
    (chunk,) = [chunk for chunk in ground.chunks("ships.csv") if "Ferry 30;" in chunk.text]
    start = chunk.text.index("Ship: Ferry 30;")
    answer = ground.page("ships.csv", 1, chunk=chunk.id, start=start + 6, end=start + 20).json()
    assert (answer["kind"], answer["columns"], answer["before"], answer["after"]) == (
        "table", ["Ship", "Port", "Built"], True, True,
    )  # fmt: skip
    (marked,) = [row for row in answer["rows"] if row["marked"]]
    assert marked == {"number": 33, "cells": ["Ferry 30", "Oslo", "1950"], "marked": True}
    assert [row["number"] for row in answer["rows"]] == list(range(21, 46))
    first = ground.page("ships.csv", 1).json()
    assert first["rows"][:2] == [
        {"number": 1, "cells": ["Aurora", "Bergen", "1901"], "marked": False},
        {"number": 2, "cells": ["Borealis", "Tromso; north quay", "1912"], "marked": False},
    ]
    assert not first["before"] and first["after"]


def test_a_paragraph_in_its_context(ground: Ground) -> None:
    (chunk,) = ground.chunks("szabályok.md")
    start = chunk.text.index("The siren")
    answer = ground.page("szabályok.md", 1, chunk=chunk.id, start=start, end=start + 25).json()
    assert (answer["kind"], answer["before"], answer["after"]) == ("text", False, False)
    assert answer["paragraphs"][-2:] == [
        {"text": "Nobody sails in a storm.", "marks": []},
        {"text": "The siren sounds at noon: then all boats return.", "marks": [[0, 25]]},
    ]
    assert all(paragraph["marks"] == [] for paragraph in ground.page("szabályok.md").json()["paragraphs"])


def test_passages_that_were_joined_have_both_ids(ground: Ground) -> None:
    first, second = ground.chunks("ships.csv")[:2]
    joined = span(first, second, 100_000)
    assert joined and "+" in joined.id
    start = joined.text.index(second.text)
    answer = ground.page("ships.csv", 1, chunk=joined.id, start=start, end=start + 10).json()
    (marked,) = [row["cells"][0] for row in answer["rows"] if row["marked"]]
    assert second.text.startswith(f"Ship: {marked};")
    # A plus sign that was not encoded arrives as a space.
    assert ground.page("ships.csv", 1, chunk=joined.id.replace("+", " "), start=start, end=start + 10).json() == answer
    apart = f"{second.id}+{first.id}"
    assert code(ground.page("ships.csv", 1, chunk=apart)) == (404, "unknown_chunk")


@pytest.mark.parametrize(
    "query",
    [
        {"start": 5, "end": 5}, {"start": 9, "end": 5}, {"start": -1}, {"end": 99_999}, {"start": 99_999}, {"end": 0},
        {"quote": "5"}, {"quote": "5-4"}, {"quote": "-1-4"}, {"quote": "0-99999999"}, {"quote": "a-b"},
        {"quote": ["0-5"] * 21}, {"start": "x"}, {"quote": "1-2\n"}, {"quote": "٣-٤"},
    ],
)  # fmt: skip
def test_quotes_are_checked(ground: Ground, query: dict[str, Any]) -> None:
    for name in ("log.pdf", "szabályok.md", "ships.csv"):
        chunk = ground.chunks(name)[0]
        assert code(ground.page(name, 1, chunk=chunk.id, **query)) == (400, "invalid_value")


def test_chunks_are_checked(ground: Ground) -> None:
    other = ground.chunks("ships.csv")[0].id
    for name in ("log.pdf", "szabályok.md"):
        for chunk in (UNKNOWN, other, f"{ground.chunks(name)[0].id}+{other}"):
            assert code(ground.page(name, 1, chunk=chunk)) == (404, "unknown_chunk")
        for chunk in ("x", "../..", "a" * 5000, f"{other}+", f"{other}\n"):
            assert code(ground.page(name, 1, chunk=chunk)) == (400, "invalid_value")


def test_files_are_given_out_where_the_domain_says_so(ground: Ground) -> None:
    for name, kind, shown in (
        ("log.pdf", "application/pdf", 'inline; filename="log.pdf"'),
        ("ships.csv", "text/csv; charset=utf-8", 'attachment; filename="ships.csv"'),
        ("page.html", "text/html; charset=utf-8", 'attachment; filename="page.html"'),
        ("szabályok.md", "text/markdown; charset=utf-8", "attachment; filename*=utf-8''szab%C3%A1lyok.md"),
    ):
        path = f"/sources/harbour/{ground.record(name).id}/file"
        answer = ground.client.get(path)
        assert answer.content == (ground.sources / name).read_bytes()
        assert answer.headers["content-type"] == kind and answer.headers["content-disposition"] == shown
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert any(policy.startswith("sandbox;") for policy in answer.headers.get_list("content-security-policy"))
        part = ground.client.get(path, headers={"range": "bytes=5-9"})
        assert (part.status_code, part.content) == (206, answer.content[5:10])
        assert ground.client.get(path, headers={"range": "bytes=99999999-"}).status_code == 416
    closed = ground.record("note.txt", "closed")
    assert code(ground.client.get(f"/sources/closed/{closed.id}/file")) == (403, "files_closed")
    assert ground.client.get(f"/sources/closed/{closed.id}/pages/1").status_code == 200


def test_a_file_that_is_not_what_was_indexed_is_not_shown(ground: Ground, tmp_path: Path) -> None:
    paths = [f"/sources/harbour/{ground.record(name).id}" for name in ("lost.pdf", "other.pdf", "linked.pdf")]
    kept = [(ground.sources / name).read_bytes() for name in ("lost.pdf", "other.pdf", "linked.pdf")]
    before = [ground.client.get(f"{path}/pages/1.webp").status_code for path in paths]
    (ground.sources / "lost.pdf").unlink()
    (ground.sources / "other.pdf").write_bytes(make_pdf([prose(["Something else altogether stands here now."])]))
    (ground.sources / "linked.pdf").unlink()
    (tmp_path / "linked.pdf").write_bytes(kept[2])
    (ground.sources / "linked.pdf").symlink_to(tmp_path / "linked.pdf")
    expected = [(404, "source_gone"), (409, "source_changed"), (404, "source_gone")]
    for path, wanted in zip(paths, expected, strict=True):
        for inside in ("/pages/1", "/pages/1.webp", "/file"):
            assert code(ground.client.get(path + inside)) == wanted, inside
        # What is known of it stays known.
        assert ground.client.get(path).status_code == 200
    assert before == [200, 200, 200]
    # Under another of its names it is the same file, and a link inside of the folder is one of these.
    os.replace(ground.sources / "linked.pdf", tmp_path / "away")
    (ground.sources / "real.pdf").write_bytes(kept[2])
    (ground.sources / "linked.pdf").symlink_to("real.pdf")
    assert ground.client.get(f"{paths[2]}/file").content == kept[2]


def test_a_pipe_in_place_of_a_file_is_not_waited_for(ground: Ground) -> None:
    path = ground.sources / "ships.csv"
    kept = path.read_bytes()
    record = ground.record("ships.csv")
    path.unlink()
    os.mkfifo(path)
    try:
        assert code(ground.client.get(f"/sources/harbour/{record.id}/file")) == (404, "source_gone")
    finally:
        path.unlink()
        path.write_bytes(kept)
    assert ground.client.get(f"/sources/harbour/{record.id}/file").content == kept
