import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import pytest

from ingest.connectors import Connector, Fetched
from ingest.connectors.arxiv import Arxiv, read_feed
from ingest.connectors.extract import read_sections
from ingest.connectors.http import Budget, Fetcher
from ingest.connectors.listing import BadAnswer, Refused
from ingest.connectors.ntrs import Ntrs, read_results
from ingest.connectors.store import Section
from ingest.connectors.wikipedia import Wikipedia
from ingest.loaders import load
from ingest.report import Problem
from rag.errors import ConfigurationError
from tests.servers import Reply, Request, Server, redirect

PDF = b"%PDF-1.4\n%made\n"
ATOM = {"Content-Type": "application/atom+xml; charset=utf-8"}
FAULTS = (
    Reply(b"slow down", status=429, headers={"Retry-After": "0"}),
    Reply(b"busy", status=503),
    Reply(b"<?xml version='1.0'?><feed>" + b" " * 2000, cut_at=700),
)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def run(
    connector: Connector, folder: Path, budget: Budget | None = None, allow_private: bool | Sequence[str] = True
) -> tuple[list[Fetched], list[Problem]]:
    cache = folder.parent / "cache"
    with Fetcher(cache, budget=budget, allow_private=allow_private, back_off=0.001, longest_wait=1.0) as fetcher:
        return connector.fetch(folder, fetcher, lambda done, known: None)


def record(item: Fetched) -> dict:
    values = json.loads(item.path.read_text(encoding="utf-8"))
    assert values["lacerta"] == "record"
    return values


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"state.sqlite3"}


def asked(server: Server, path: str, name: str) -> list[str]:
    """The values of one parameter in the requests for a path, in their order."""
    targets = [urlsplit(target) for target in server.targets()]
    return [parse_qs(target.query).get(name, [""])[0] for target in targets if target.path == path]


# arXiv


@dataclass(frozen=True)
class Preprint:
    number: str
    version: int = 1
    title: str = "Attitude of a solar sail"
    summary: str = "We steer a sail\n  with two vanes & no fuel."
    comment: str = "12 pages, 4 figures"

    @property
    def identifier(self) -> str:
        return f"{self.number}v{self.version}"


def preprints(count: int) -> list[Preprint]:
    return [Preprint(f"2401.{place:05d}", title=f"Paper {place}") for place in range(count)]


def feed(entries: Sequence[Preprint], total: int, start: int) -> bytes:
    parts = "".join(
        f"""  <entry>
    <id>http://arxiv.org/abs/{entry.identifier}</id>
    <updated>2024-02-03T10:00:00Z</updated>
    <published>2024-01-02T03:04:05Z</published>
    <title>{escape(entry.title)}</title>
    <summary>  {escape(entry.summary)}
</summary>
    <author>
      <name>Ágnes Őri</name>
      <arxiv:affiliation xmlns:arxiv="http://arxiv.org/schemas/atom">Szeged</arxiv:affiliation>
    </author>
    <author>
      <name>Min-jun Kim</name>
    </author>
    <arxiv:doi xmlns:arxiv="http://arxiv.org/schemas/atom">10.1000/{entry.number}</arxiv:doi>
    <link title="doi" href="http://dx.doi.org/10.1000/{entry.number}" rel="related"/>
    <arxiv:comment xmlns:arxiv="http://arxiv.org/schemas/atom">{escape(entry.comment)}</arxiv:comment>
    <arxiv:journal_ref xmlns:arxiv="http://arxiv.org/schemas/atom">J. Sails 3 (2024) 14</arxiv:journal_ref>
    <link href="http://arxiv.org/abs/{entry.identifier}" rel="alternate" type="text/html"/>
    <link title="pdf" href="http://arxiv.org/pdf/{entry.identifier}" rel="related" type="application/pdf"/>
    <arxiv:primary_category xmlns:arxiv="http://arxiv.org/schemas/atom" term="astro-ph.IM"/>
    <category term="astro-ph.IM" scheme="http://arxiv.org/schemas/atom"/>
    <category term="physics.space-ph" scheme="http://arxiv.org/schemas/atom"/>
  </entry>
"""
        for entry in entries
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <link href="http://arxiv.org/api/query?search_query=all:sail" rel="self" type="application/atom+xml"/>
  <title type="html">ArXiv Query: search_query=all:sail</title>
  <id>http://arxiv.org/api/made</id>
  <updated>2024-03-01T00:00:00-05:00</updated>
  <opensearch:totalResults xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">{total}</opensearch:totalResults>
  <opensearch:startIndex xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">{start}</opensearch:startIndex>
  <opensearch:itemsPerPage xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">100</opensearch:itemsPerPage>
{parts}</feed>
""".encode()


@dataclass
class Archive:
    """Serves a list of preprints as arXiv does. `faults` are given first; `bad` replaces the page at a place."""

    server: Server
    papers: list[Preprint]
    faults: list[Reply] = field(default_factory=list)
    bad: dict[int, list[Reply]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server.script("/api/query", self.page)
        self.server.otherwise(self.download)

    def page(self, request: Request) -> Reply:
        values = parse_qs(urlsplit(request.target).query)
        start, count = int(values["start"][0]), int(values["max_results"][0])
        if self.faults:
            return self.faults.pop(0)
        if self.bad.get(start):
            return self.bad[start].pop(0)
        return Reply(feed(self.papers[start : start + count], len(self.papers), start), headers=ATOM)

    def download(self, request: Request) -> Reply:
        if not request.target.startswith("/pdf/"):
            return Reply(status=404)
        return Reply(PDF + request.target.encode(), headers={"Content-Type": "application/pdf"})

    def source(self, **options) -> Arxiv:
        api, pdfs = self.server.url("/api/query"), self.server.url("/pdf")
        return Arxiv(**{"query": "sail", "most": 1000, "api": api, "files": pdfs, "interval": 0.0, **options})

    def downloads(self) -> list[str]:
        return [target for target in self.server.targets() if target.startswith("/pdf/")]


def test_arxiv_query_is_encoded_as_data() -> None:
    source = Arxiv(
        'ti:"solar sail" AND abs:a&start=9#x', ("astro-ph.IM", "cs.RO"), date(2023, 1, 2), date(2024, 3, 4), most=120
    )
    parts = urlsplit(source.url(100))
    values = parse_qs(parts.query)
    assert (parts.hostname, parts.path, parts.fragment) == ("export.arxiv.org", "/api/query", "")
    assert values["search_query"] == [
        '(ti:"solar sail" AND abs:a&start=9#x) AND (cat:astro-ph.IM OR cat:cs.RO)'
        " AND submittedDate:[202301020000 TO 202403042359]"
    ]
    assert (values["start"], values["max_results"]) == (["100"], ["20"])
    assert (values["sortBy"], values["sortOrder"]) == (["submittedDate"], ["descending"])


@pytest.mark.parametrize(
    ("query", "search"),
    [
        ("solar  sail", "(all:solar AND all:sail)"),
        ('"solar sail" attitude', '(all:"solar sail" AND all:attitude)'),
        ("solar OR lunar", "(solar OR lunar)"),
        ("au:Kim", "(au:Kim)"),
    ],
)
def test_arxiv_plain_words_must_all_be_found(query: str, search: str) -> None:
    assert parse_qs(urlsplit(Arxiv(query).url(0)).query)["search_query"] == [search]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "query or categories"),
        ({"query": "x" * 1001}, "1001 characters"),
        ({"categories": ("cs.RO OR all:x",)}, "cs.RO OR all:x"),
        ({"query": "x", "start": date(2024, 1, 2), "end": date(2024, 1, 1)}, "2024-01-02 is after end 2024-01-01"),
        ({"query": "x", "most": 30_001}, "30001, must be 1 to 30000"),
        ({"query": "x", "interval": 1.0}, "a request in 3.0 s"),
    ],
)
def test_arxiv_options_are_checked(options: dict, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Arxiv(**options)
    assert Arxiv("x").interval == 3.0


def test_arxiv_feed_is_read() -> None:
    page = read_feed(feed([Preprint("2401.00001", 2)], 450, 0), "https://files.example/pdf")
    assert (page.received, page.total, page.gone, page.problems) == (1, 450, (), ())
    (entry,) = page.entries
    assert (entry.identifier, entry.version, entry.source) == ("2401.00001", "v2", "arxiv/2401.00001v2")
    assert entry.title == "Attitude of a solar sail"
    assert entry.sections == (Section("Abstract", "We steer a sail with two vanes & no fuel."),)
    assert entry.url == "https://arxiv.org/abs/2401.00001v2"
    assert entry.download == "https://files.example/pdf/2401.00001v2"
    assert entry.metadata == {
        "identifier": "arXiv:2401.00001v2",
        "authors": "Ágnes Őri, Min-jun Kim",
        "published": "2024-01-02T03:04:05Z",
        "updated": "2024-02-03T10:00:00Z",
        "categories": "astro-ph.IM physics.space-ph",
        "doi": "10.1000/2401.00001",
        "journal": "J. Sails 3 (2024) 14",
        "comment": "12 pages, 4 figures",
        "license": "abstract CC0 1.0; full text see https://arxiv.org/abs/2401.00001v2",
        "publisher": "arXiv",
    }


def test_arxiv_old_identifiers_and_strange_ones() -> None:
    papers = [Preprint("hep-th/9901001"), Preprint("../../etc/passwd"), Preprint("math.GT/0309136", 3)]
    page = read_feed(feed(papers, 3, 0), "https://files.example/pdf")
    assert [entry.identifier for entry in page.entries] == ["hep-th/9901001", "math.GT/0309136"]
    assert page.entries[0].download == "https://files.example/pdf/hep-th/9901001v1"
    assert [problem.reason for problem in page.problems] == [
        "an entry has no arXiv identifier but 'http://arxiv.org/abs/../../etc/passwdv1': it is left out"
    ]


@pytest.mark.parametrize(
    ("comment", "summary", "gone"),
    [
        ("This paper has been withdrawn by the authors due to an error", "We steer.", True),
        ("Withdrawn", "We steer.", True),
        ("paper withdrawn", "We steer.", True),
        ("", "This article has been withdrawn.", True),
        ("Extends the withdrawn first draft", "We steer.", False),
        ("", "This paper describes how troops were withdrawn. It is long.", False),
        ("", "Withdrawn probes are steered.", False),
    ],
)
def test_arxiv_withdrawn_papers_are_known(comment: str, summary: str, gone: bool) -> None:
    page = read_feed(feed([Preprint("2401.00001", comment=comment, summary=summary)], 1, 0), "")
    assert page.gone == (("2401.00001",) if gone else ())
    assert len(page.entries) == (0 if gone else 1)


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + level, b"&%c;" % (97 + level) * 10) for level in range(12))
    + b']><feed xmlns="http://www.w3.org/2005/Atom"><title>&m;</title></feed>'
)
FOREIGN = b'<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a SYSTEM "file:///etc/passwd">]><feed>&a;</feed>'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>busy</body></html>",
        feed(preprints(2), 2, 0)[:-200],
        BOMB,
        BOMB.decode().replace("?>", ' encoding="UTF-16"?>', 1).encode("utf-16"),
        FOREIGN,
        b"\xff\xfe\x00",
        b"<?xml version='1.0' encoding='no-such'?><feed/>",
    ],
    ids=["empty", "page", "cut", "bomb", "wide bomb", "foreign entity", "binary", "encoding"],
)
def test_arxiv_refuses_what_is_no_feed(content: bytes) -> None:
    with pytest.raises(BadAnswer, match="the server gave no"):
        read_feed(content, "")


def test_arxiv_feed_that_declares_entities_is_refused_however_small() -> None:
    content = feed(preprints(1), 1, 0).replace(b"<feed ", b'<!DOCTYPE feed [<!ENTITY a "x">]><feed ', 1)
    with pytest.raises(BadAnswer, match="declares a document type"):
        read_feed(content, "")


def test_arxiv_abstracts_over_several_pages(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(250))
    steps: list[tuple[int, int]] = []
    with Fetcher(tmp_path / "cache", allow_private=True) as fetcher:
        fetched, problems = archive.source().fetch(
            tmp_path / "arxiv", fetcher, lambda done, known: steps.append((done, known))
        )
    assert problems == []
    assert [item.source for item in fetched] == [f"arxiv/{paper.identifier}" for paper in archive.papers]
    assert asked(server, "/api/query", "start") == ["0", "100", "200"]
    assert steps[-1] == (250, 250)
    assert fetched[7].title == "Paper 7"
    assert fetched[7].metadata["url"] == "https://arxiv.org/abs/2401.00007v1"
    values = record(fetched[7])
    assert (values["title"], values["url"]) == ("Paper 7", "https://arxiv.org/abs/2401.00007v1")
    assert values["sections"] == [
        {"heading": "Abstract", "text": "We steer a sail with two vanes & no fuel.", "level": 2}
    ]
    assert values["metadata"]["doi"] == "10.1000/2401.00007"
    assert files(tmp_path / "arxiv") == {item.path.name for item in fetched}
    assert not any("2401" in name for name in files(tmp_path / "arxiv"))


def test_arxiv_keeps_no_more_than_asked_for(server: Server, tmp_path: Path) -> None:
    fetched, problems = run(Archive(server, preprints(250)).source(most=130), tmp_path / "arxiv")
    assert (len(fetched), problems) == (130, [])
    assert asked(server, "/api/query", "max_results") == ["100", "30"]


def test_arxiv_faults_are_outlasted(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(250), faults=list(FAULTS))
    archive.bad = {
        100: [Reply(feed([], 250, 100)), Reply(feed([], 0, 100)), Reply(BOMB)],
        200: [Reply(b"<html>busy</html>"), Reply(feed(archive.papers[200:], 250, 200)[:-99]), FAULTS[1]],
    }
    fetched, problems = run(archive.source(), tmp_path / "arxiv")
    assert ([item.title for item in fetched], problems) == ([paper.title for paper in archive.papers], [])


def test_arxiv_page_that_stays_empty_hides_nothing_and_removes_nothing(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(250))
    run(archive.source(), tmp_path / "arxiv")
    archive.papers = preprints(249)
    archive.bad = {100: [Reply(feed([], 249, 100))] * 4}
    fetched, problems = run(archive.source(), tmp_path / "arxiv")
    assert len(fetched) == 250
    assert [problem.reason for problem in problems] == [
        "the server gave an empty page, 4 times from document 100; run make ingest again later"
    ]
    fetched, problems = run(archive.source(), tmp_path / "arxiv")
    assert (len(fetched), problems) == (249, [])


def test_arxiv_list_that_is_suddenly_empty_removes_nothing(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(30))
    run(archive.source(), tmp_path / "arxiv")
    archive.papers = []
    fetched, problems = run(archive.source(), tmp_path / "arxiv")
    assert len(fetched) == 30
    assert [problem.reason for problem in problems] == ["nothing is listed: check the query"]
    archive.papers = preprints(3)
    fetched, problems = run(archive.source(), tmp_path / "arxiv")
    assert (len(fetched), problems) == (3, [])


def test_arxiv_unreachable_keeps_what_was_fetched(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(5))
    before, _ = run(archive.source(), tmp_path / "arxiv")
    archive.faults = [Reply(status=503)] * 50
    fetched, problems = run(archive.source(), tmp_path / "arxiv")
    assert fetched == before
    assert len(problems) == 1 and "503" in problems[0].reason and "kept" in problems[0].reason


def test_arxiv_refusal_is_not_asked_again(server: Server, tmp_path: Path) -> None:
    error = feed([Preprint("2401.00001", summary="incorrect id format")], 1, 0).replace(
        b"http://arxiv.org/abs/2401.00001v1", b"http://arxiv.org/api/errors#incorrect_id_format"
    )
    with pytest.raises(Refused):
        read_feed(error, "")
    archive = Archive(server, [], faults=[Reply(error, headers=ATOM)])
    fetched, problems = run(archive.source(), tmp_path / "arxiv")
    assert (fetched, len(server.requests)) == ([], 1)
    assert "incorrect id format" in problems[0].reason


def test_arxiv_known_papers_are_not_fetched_again_and_changed_ones_are(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(5))
    folder = tmp_path / "arxiv"
    first, problems = run(archive.source(full_text=True), folder)
    assert problems == []
    assert [item.path.read_bytes() for item in first] == [PDF + f"/pdf/{p.identifier}".encode() for p in archive.papers]
    assert first[0].title == "Paper 0" and first[0].metadata["authors"] == "Ágnes Őri, Min-jun Kim"
    assert len(archive.downloads()) == 5

    second, _ = run(archive.source(full_text=True), folder)
    assert second == first and len(archive.downloads()) == 5

    archive.papers[1] = replace(archive.papers[1], version=2)
    archive.papers[2] = replace(archive.papers[2], version=2, comment="This paper has been withdrawn by arXiv")
    archive.papers[3] = replace(archive.papers[3], title="A new name of the same file")
    del archive.papers[4]
    third, problems = run(archive.source(full_text=True), folder)
    assert problems == []
    assert [item.source for item in third] == ["arxiv/2401.00000v1", "arxiv/2401.00001v2", "arxiv/2401.00003v1"]
    assert third[1].path.read_bytes() == PDF + b"/pdf/2401.00001v2"
    assert third[2].title == "A new name of the same file" and third[2].path == first[3].path
    assert archive.downloads()[5:] == ["/pdf/2401.00001v2"]
    assert files(folder) == {item.path.name for item in third}


def test_arxiv_changed_abstract_replaces_the_old_one(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(2))
    first, _ = run(archive.source(), tmp_path / "arxiv")
    archive.papers[1] = replace(archive.papers[1], summary="Now with fuel.")
    second, _ = run(archive.source(), tmp_path / "arxiv")
    assert second[0] == first[0]
    assert record(second[1])["sections"][0]["text"] == "Now with fuel."
    assert not first[1].path.exists()


def test_arxiv_paper_without_pdf_is_its_abstract_and_not_asked_again(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(2))
    server.put("/pdf/2401.00001v1", Reply(status=404))
    fetched, problems = run(archive.source(full_text=True), tmp_path / "arxiv")
    assert ([item.path.suffix for item in fetched], problems) == ([".pdf", ".json"], [])
    again, problems = run(archive.source(full_text=True), tmp_path / "arxiv")
    assert (again, problems, len(archive.downloads())) == (fetched, [], 2)
    archive.papers[1] = replace(archive.papers[1], version=2)
    again, _ = run(archive.source(full_text=True), tmp_path / "arxiv")
    assert [item.path.suffix for item in again] == [".pdf", ".pdf"]


def test_arxiv_page_in_place_of_a_pdf_is_not_believed(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(1))
    server.put("/pdf/2401.00000v1", Reply(b"<html>are you a robot?</html>"), Reply(PDF))
    fetched, problems = run(archive.source(full_text=True), tmp_path / "arxiv")
    assert [item.path.suffix for item in fetched] == [".json"]
    assert "gives no PDF file" in problems[0].reason
    fetched, problems = run(archive.source(full_text=True), tmp_path / "arxiv")
    assert ([item.path.suffix for item in fetched], problems) == ([".pdf"], [])


def test_arxiv_download_that_fails_is_tried_at_the_next_run(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(2))
    server.put("/pdf/2401.00001v1", *[Reply(PDF * 99, cut_at=20)] * 4, Reply(PDF))
    fetched, problems = run(archive.source(full_text=True), tmp_path / "arxiv")
    assert [item.path.suffix for item in fetched] == [".pdf", ".json"]
    assert [problem.source for problem in problems] == ["arxiv/2401.00001v1"]
    fetched, problems = run(archive.source(full_text=True), tmp_path / "arxiv")
    assert ([item.path.read_bytes()[:8] for item in fetched], problems) == ([b"%PDF-1.4"] * 2, [])


def test_arxiv_many_failures_are_counted_and_hide_nothing_behind_them(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(15))
    for paper in archive.papers[:12]:
        server.put(f"/pdf/{paper.identifier}", Reply(status=403))
    fetched, problems = run(archive.source(full_text=True), tmp_path / "arxiv")
    assert [item.path.suffix for item in fetched] == [".json"] * 12 + [".pdf"] * 3
    assert len(problems) == 9
    assert problems[-1].reason == "4 more full texts could not be fetched; run make ingest again later"


@pytest.mark.parametrize("total", [0, 3])
def test_arxiv_total_that_is_too_small_is_not_believed(server: Server, tmp_path: Path, total: int) -> None:
    archive = Archive(server, preprints(20))
    archive.bad = {0: [Reply(feed(archive.papers, total, 0))]}
    fetched, problems = run(archive.source(), tmp_path / "arxiv")
    assert (len(fetched), problems) == (20, [])


def test_arxiv_newer_version_out_of_reach_leaves_the_older(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(1))
    first, _ = run(archive.source(full_text=True), tmp_path / "arxiv")
    archive.papers = [Preprint("2401.00000", 2)]
    server.put("/pdf/2401.00000v2", Reply(status=503))
    fetched, problems = run(archive.source(full_text=True), tmp_path / "arxiv")
    assert fetched == first
    assert [problem.source for problem in problems] == ["arxiv/2401.00000v2"]


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data", "http://localhost:{port}/pdf/x"])
def test_arxiv_redirect_to_a_private_address_is_refused(server: Server, tmp_path: Path, target: str) -> None:
    archive = Archive(server, preprints(2))
    server.put("/pdf/2401.00001v1", redirect(target.format(port=server.port)))
    fetched, problems = run(archive.source(full_text=True), tmp_path / "arxiv", allow_private=["127.0.0.1"])
    assert [item.path.suffix for item in fetched] == [".pdf", ".json"]
    assert [problem.source for problem in problems] == ["arxiv/2401.00001v1"]
    assert "/pdf/x" not in server.targets()


def test_arxiv_run_that_ends_early_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(350))
    fetched, problems = run(archive.source(), tmp_path / "arxiv", Budget(requests=2))
    assert len(fetched) == 200
    assert len(problems) == 1 and "2 requests" in problems[0].reason
    fetched, problems = run(archive.source(), tmp_path / "arxiv")
    assert (len(fetched), problems) == (350, [])
    assert asked(server, "/api/query", "start") == ["0", "100", "200", "300"]


def test_arxiv_downloads_that_end_early_go_on_where_they_stopped(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(12))
    for _ in range(3):
        fetched, problems = run(archive.source(full_text=True), tmp_path / "arxiv", Budget(requests=6))
    assert ([item.path.suffix for item in fetched], problems) == ([".pdf"] * 12, [])
    assert len(archive.downloads()) == 12


def test_arxiv_list_stopped_at_its_very_end_is_finished(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(3))

    class Stop(Exception):
        pass

    def stop(done: int, known: int) -> None:
        if done == known:
            raise Stop

    with Fetcher(tmp_path / "cache", allow_private=True) as fetcher, pytest.raises(Stop):
        archive.source().fetch(tmp_path / "arxiv", fetcher, stop)
    fetched, problems = run(archive.source(), tmp_path / "arxiv")
    assert (len(fetched), problems) == (3, [])


def test_arxiv_another_query_begins_another_list(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(20))
    run(archive.source(), tmp_path / "arxiv")
    archive.papers = [Preprint("2402.00001")]
    fetched, problems = run(archive.source(query="moon"), tmp_path / "arxiv")
    assert ([item.source for item in fetched], problems) == (["arxiv/2402.00001v1"], [])
    archive.papers = []
    fetched, problems = run(archive.source(query="nothing"), tmp_path / "arxiv")
    assert (fetched, len(problems), files(tmp_path / "arxiv")) == ([], 1, set())


@pytest.mark.parametrize("damage", ["file", "database", "stray"])
def test_arxiv_damaged_folder_is_mended(server: Server, tmp_path: Path, damage: str) -> None:
    archive = Archive(server, preprints(4))
    folder = tmp_path / "arxiv"
    before, _ = run(archive.source(full_text=True), folder)
    (tmp_path / "foreign.pdf").write_bytes(PDF)
    if damage == "file":
        before[2].path.unlink()
    elif damage == "database":
        (folder / "state.sqlite3").write_bytes(b"not a database at all" * 400)
    else:
        (folder / ("0" * 40 + ".pdf")).write_bytes(PDF)
        (folder / ("1" * 40 + ".json.123.tmp")).write_bytes(b"{")
        (tmp_path / "foreign.pdf").rename(folder / "foreign.pdf")
    after, problems = run(archive.source(full_text=True), folder)
    assert (after, problems) == (before, [])
    assert len(archive.downloads()) == {"file": 5, "database": 8, "stray": 4}[damage]
    # What is not its own the connector leaves alone.
    assert files(folder) - {"foreign.pdf"} == {item.path.name for item in after}
    assert (folder / "foreign.pdf").exists() == (damage == "stray")


CHILD = """
import sys
from pathlib import Path
from ingest.connectors.arxiv import Arxiv
from ingest.connectors.extract import read_sections
from ingest.connectors.http import Fetcher
url, folder = sys.argv[1], Path(sys.argv[2])
source = Arxiv("sail", most=1000, full_text=True, api=url + "/api/query", files=url + "/pdf", interval=0.0)
with Fetcher(folder.parent / "cache", allow_private=True) as fetcher:
    source.fetch(folder, fetcher, lambda done, known: print(done, flush=True))
"""


def test_arxiv_killed_at_any_moment_loses_at_most_one_document(server: Server, tmp_path: Path) -> None:
    archive = Archive(server, preprints(60))
    chance = random.Random(4)
    for _ in range(3):
        command = [sys.executable, "-c", CHILD, server.url(""), str(tmp_path / "arxiv")]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as child:
            assert child.stdout is not None
            for _ in range(chance.randrange(3, 20)):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
    fetched, problems = run(archive.source(full_text=True), tmp_path / "arxiv")
    assert problems == []
    assert [item.path.read_bytes() for item in fetched] == [
        PDF + f"/pdf/{paper.identifier}".encode() for paper in archive.papers
    ]
    assert files(tmp_path / "arxiv") == {item.path.name for item in fetched}
    assert len(archive.downloads()) <= 60 + 3


# NTRS


def report(number: int, **values) -> dict:
    made = {
        "_meta": {"score": 1.5},
        "copyright": {
            "licenseType": "NO",
            "determinationType": "GOV_PUBLIC_USE_PERMITTED",
            "thirdPartyContentCondition": "NOT_SET",
        },
        "subjectCategories": ["Spacecraft Propulsion And Power"],
        "keywords": ["cold gas", "thruster"],
        "exportControl": {"isExportControl": "NO", "ear": "NO", "itar": "NO"},
        "created": "2013-08-09T02:56:00.0000000+00:00",
        "distributionDate": "2019-06-20T00:00:00.0000000+00:00",
        "otherReportNumbers": ["NASA-TM-0000", "E-1"],
        "center": {"code": "GRC", "name": "Glenn Research Center", "id": "ab"},
        "onlyAbstract": False,
        "sensitiveInformation": 2,
        "abstract": "Thrust was measured\nin a vacuum chamber.",
        "title": f"Thruster report {number}",
        "stiType": "TECHNICAL_MEMORANDUM",
        "stiTypeDetails": "Technical Memorandum (TM)",
        "distribution": "PUBLIC",
        "submittedDate": "2013-08-09T02:56:00.0000000+00:00",
        "authorAffiliations": [
            {
                "sequence": 0,
                "submissionId": number,
                "meta": {"author": {"name": "Doe, Jane"}, "organization": {"name": "NASA Glenn Research Center"}},
                "id": "cd",
            },
            {"sequence": 1, "submissionId": number, "meta": {"author": {}, "organization": {}}, "id": "ef"},
        ],
        "disseminated": "DOCUMENT_AND_METADATA",
        "modified": "2015-12-09T00:00:00.0000000+00:00",
        "id": number,
        "publications": [
            {
                "submissionId": number,
                "doi": "10.1000/tm",
                "id": "01",
                "publicationDate": "1972-02-29T00:00:00.0000000+00:00",
            }
        ],
        "status": "CURATED",
        "related": [],
        "downloads": [
            {
                "draft": False,
                "mimetype": "application/pdf",
                "name": f"{number}.pdf",
                "type": "STI",
                "links": {
                    "original": f"/api/citations/{number}/downloads/{number}.pdf",
                    "pdf": f"/api/citations/{number}/downloads/{number}.pdf",
                    "fulltext": f"/api/citations/{number}/downloads/{number}.txt",
                },
            }
        ],
        "downloadsAvailable": True,
    }
    return {**made, **values}


def results(items: Sequence[object], total: int) -> bytes:
    stats = {"took": 9, "total": total, "estimate": False, "maxScore": 1.5}
    return json.dumps({"stats": stats, "results": list(items), "aggregations": {}}).encode()


@dataclass
class Reports:
    """Serves a list of reports as NTRS does, never more than `size` a page."""

    server: Server
    items: list
    size: int = 10
    moves: bool = True
    faults: list[Reply] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server.script("/api/citations/search", self.page)
        self.server.otherwise(self.download)

    def page(self, request: Request) -> Reply:
        values = parse_qs(urlsplit(request.target).query)
        start = int(values["page[from]"][0]) if self.moves else 0
        if self.faults:
            return self.faults.pop(0)
        count = min(self.size, int(values["page[size]"][0]))
        return Reply(results(self.items[start : start + count], len(self.items)))

    def download(self, request: Request) -> Reply:
        return Reply(PDF) if request.target.endswith(".pdf") else Reply(status=404)

    def source(self, **options) -> Ntrs:
        api = self.server.url("/api/citations/search")
        return Ntrs(**{"query": "cold gas thruster", "most": 500, "api": api, "interval": 0.0, **options})


API = "https://ntrs.nasa.gov/api/citations/search"


def test_ntrs_query_is_encoded_as_data() -> None:
    parts = urlsplit(Ntrs('"cold gas" & x=1#y\n', most=130).url(100))
    assert parse_qs(parts.query) == {"q": ['"cold gas" & x=1#y'], "page[size]": ["30"], "page[from]": ["100"]}
    assert parts.fragment == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": "  "}, "needs a query"),
        ({"query": "x" * 1001}, "1001 characters"),
        ({"query": "x", "most": 0}, "0, must be 1 to 10000"),
    ],
)
def test_ntrs_options_are_checked(options: dict, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Ntrs(**options)


def test_ntrs_results_are_read() -> None:
    page = read_results(results([report(19770084252)], 3910), API)
    assert (page.received, page.total, page.gone, page.problems) == (1, 3910, (), ())
    (entry,) = page.entries
    assert (entry.identifier, entry.source) == ("19770084252", "ntrs/19770084252")
    assert entry.url == "https://ntrs.nasa.gov/citations/19770084252"
    assert entry.download == "https://ntrs.nasa.gov/api/citations/19770084252/downloads/19770084252.pdf"
    assert entry.sections == (Section("Abstract", "Thrust was measured in a vacuum chamber."),)
    assert entry.metadata == {
        "identifier": "NTRS 19770084252",
        "authors": "Doe, Jane",
        "published": "1972-02-29",
        "updated": "2015-12-09",
        "categories": "Spacecraft Propulsion And Power",
        "keywords": "cold gas; thruster",
        "doi": "10.1000/tm",
        "report": "NASA-TM-0000; E-1",
        "type": "Technical Memorandum (TM)",
        "license": "gov public use permitted",
        "publisher": "NASA Glenn Research Center",
    }


@pytest.mark.parametrize(
    "values",
    [
        {"distribution": "NASA_ONLY"},
        {"status": "WITHDRAWN"},
        {"exportControl": {"isExportControl": "YES", "ear": "NO", "itar": "NO"}},
        {"exportControl": {"isExportControl": "NO", "ear": "NO", "itar": "Yes"}},
    ],
)
def test_ntrs_keeps_only_what_is_public(values: dict) -> None:
    page = read_results(results([report(1, **values)], 1), API)
    assert (page.entries, page.gone) == ((), ("1",))


@pytest.mark.parametrize(
    ("downloads", "address"),
    [
        (None, ""),
        ([{"links": {"pdf": "/api/a b%20é.pdf"}}], "https://ntrs.nasa.gov/api/a%20b%20%C3%A9.pdf"),
        ([{"links": {"pdf": "https://evil.example/api/a.pdf"}}], ""),
        ([{"links": {"pdf": "//evil.example/api/a.pdf"}}], ""),
        ([{"links": {"pdf": "file:///etc/passwd"}}], "https://ntrs.nasa.gov/etc/passwd"),
        ([{"links": {"pdf": "http://[bad"}}], ""),
        ([{"links": {"original": "/a.docx"}, "mimetype": "application/msword"}], ""),
        ([{"links": {"original": "/a.pdf"}, "mimetype": "application/pdf"}], "https://ntrs.nasa.gov/a.pdf"),
        ([{"draft": True, "links": {"pdf": "/a.pdf"}}, {"links": {"pdf": "/b.pdf"}}], "https://ntrs.nasa.gov/b.pdf"),
        (["x", {"links": ["y"]}, {"links": {"pdf": 3}}], ""),
    ],
)
def test_ntrs_downloads_lie_on_its_own_host(downloads: object, address: str) -> None:
    (entry,) = read_results(results([report(1, downloads=downloads)], 1), API).entries
    assert entry.download == address


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>busy</html>",
        b"[]",
        b'{"results": {}, "stats": {"total": 1}}',
        b'{"results": [], "stats": {"total": "many"}}',
        results([report(1)], 1)[:-30],
        b"[" * 200_000,
        b"\xff\xfe\xfd",
    ],
)
def test_ntrs_refuses_what_is_no_list(content: bytes) -> None:
    with pytest.raises(BadAnswer, match="no readable list"):
        read_results(content, API)


def test_ntrs_strange_values_leave_the_rest() -> None:
    strange = {key: {"x": [1]} for key in report(1) if key not in ("id", "distribution")}
    items = [
        "text",
        {"id": "../x"},
        {"id": None},
        {"id": 7, **strange},
        {"id": 8, "title": "\ud800 lone", "abstract": 3},
    ]
    page = read_results(results(items, 5), API)
    assert page.received == 5 and len(page.problems) == 3
    assert [entry.identifier for entry in page.entries] == ["7", "8"]
    assert [entry.title for entry in page.entries] == ["NTRS 7", "lone"]
    assert all(entry.record() for entry in page.entries)


def test_ntrs_small_pages_are_walked_to_the_end(server: Server, tmp_path: Path) -> None:
    reports = Reports(server, [report(100 + place) for place in range(34)], faults=[*FAULTS, Reply(b"{")])
    fetched, problems = run(reports.source(), tmp_path / "ntrs")
    assert (len(fetched), problems) == (34, [])
    assert asked(server, "/api/citations/search", "page[from]")[-4:] == ["0", "10", "20", "30"]
    assert record(fetched[0])["title"] == "Thruster report 100"


def test_ntrs_server_that_repeats_its_first_page_is_noticed(server: Server, tmp_path: Path) -> None:
    reports = Reports(server, [report(100 + place) for place in range(34)], moves=False)
    fetched, problems = run(reports.source(), tmp_path / "ntrs")
    assert len(fetched) == 10 and len(server.requests) == 2
    assert [problem.reason for problem in problems] == [
        "the server repeats the page before document 10; run make ingest again later"
    ]


def test_ntrs_full_texts_and_updates(server: Server, tmp_path: Path) -> None:
    reports = Reports(server, [report(1), report(2, downloads=[]), report(3)])
    first, problems = run(reports.source(full_text=True), tmp_path / "ntrs")
    assert ([item.path.suffix for item in first], problems) == ([".pdf", ".json", ".pdf"], [])
    reports.items = [report(1, modified="2020-01-01T00:00:00Z"), report(2, status="WITHDRAWN"), report(3)]
    second, problems = run(reports.source(full_text=True), tmp_path / "ntrs")
    assert ([item.source for item in second], problems) == (["ntrs/1", "ntrs/3"], [])
    downloads = [target for target in server.targets() if target.endswith(".pdf")]
    assert [target.rsplit("/", 1)[1] for target in downloads] == ["1.pdf", "3.pdf", "1.pdf"]
    assert second[0].metadata["updated"] == "2020-01-01"


# Wikipedia


@dataclass
class Wiki:
    """Serves articles as MediaWiki does: `{title: (number, revision, text)}`."""

    server: Server
    articles: dict[str, tuple[int, int, str]]
    redirects: dict[str, str] = field(default_factory=dict)
    categories: dict[str, list[str]] = field(default_factory=dict)
    disambiguations: frozenset[str] = frozenset()
    faults: list[Reply] = field(default_factory=list)
    page_size: int = 2

    def __post_init__(self) -> None:
        self.server.script("/w/api.php", self.answer)

    def answer(self, request: Request) -> Reply:
        values = {name: value[0] for name, value in parse_qs(urlsplit(request.target).query).items()}
        assert (values["action"], values["format"], values["formatversion"]) == ("query", "json", "2")
        assert values["maxlag"] == "5"
        return self.faults.pop(0) if self.faults else Reply(json.dumps(self.query(values)).encode())

    def query(self, values: dict[str, str]) -> dict:
        if values.get("meta") == "siteinfo":
            rights = {"url": "https://creativecommons.org/licenses/by-sa/4.0/deed.hu", "text": "CC BY-SA 4.0"}
            return {"batchcomplete": True, "query": {"rightsinfo": rights}}
        if "pageids" in values:
            return {"batchcomplete": True, "query": {"pages": [self.extract(int(values["pageids"]))]}}
        if "titles" in values:
            names = values["titles"].split("|")
            followed = [{"from": name, "to": self.redirects[name]} for name in names if name in self.redirects]
            pages = [self.page(self.redirects.get(name, name)) for name in names]
            return {"batchcomplete": True, "query": {"redirects": followed, "pages": pages}}
        category = values.get("gcmtitle") or values["cmtitle"]
        members = self.categories.get(category, [])
        start = int(values.get("gcmcontinue", values.get("cmcontinue", "0")))
        if values.get("list") == "categorymembers":
            names = [name for name in members if name.startswith("Category:")]
            return {"query": {"categorymembers": [{"pageid": 9, "ns": 14, "title": name} for name in names]}}
        names = [name for name in members if not name.startswith("Category:")]
        shown = names[start : start + self.page_size]
        answer: dict = {"query": {"pages": [self.page(name) for name in shown]}} if shown else {"batchcomplete": True}
        if start + self.page_size < len(names):
            answer["continue"] = {"gcmcontinue": str(start + self.page_size), "continue": "gcmcontinue||"}
        return answer

    def page(self, title: str) -> dict:
        if title not in self.articles:
            return {"ns": 0, "title": title, "missing": True}
        number, revision, text = self.articles[title]
        page = {"pageid": number, "ns": 0, "title": title, "lastrevid": revision, "length": len(text)}
        page |= {"contentmodel": "wikitext", "pagelanguage": "hu", "touched": "2024-05-06T07:08:09Z"}
        return page | ({"pageprops": {"disambiguation": ""}} if title in self.disambiguations else {})

    def extract(self, number: int) -> dict:
        (title,) = (name for name, article in self.articles.items() if article[0] == number)
        _, revision, text = self.articles[title]
        return {
            **self.page(title),
            "canonicalurl": f"https://hu.wikipedia.org/wiki/{number}",
            "revisions": [{"revid": revision, "parentid": 1, "timestamp": "2024-05-06T07:08:09Z"}],
            "extract": text,
        }

    def source(self, **options) -> Wikipedia:
        return Wikipedia(**{"language": "hu", "api": self.server.url("/w/api.php"), "interval": 0.0, **options})


TEXT = """A napvitorla űreszköz.
Fénnyel halad.


== Történet ==


=== Kezdetek ===
1924-ben javasolták.


== Jegyzetek ==
Ez lista.


=== Alcím ===
Ez is.


== Üres ==


== Irányítás ==
Két lapáttal.
"""


def test_wikipedia_queries_are_encoded_as_data() -> None:
    source = Wikipedia(titles=("Űrhajó & társai",), language="hu")
    parts = urlsplit(source.url(titles="Űrhajó & társai|태양 돛", redirects=1))
    assert parts.hostname == "hu.wikipedia.org" and parts.path == "/w/api.php"
    assert parse_qs(parts.query)["titles"] == ["Űrhajó & társai|태양 돛"]
    assert parse_qs(parts.query)["maxlag"] == ["5"]
    assert source.hosts == {"hu.wikipedia.org"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "titles or a category"),
        ({"titles": ("A",), "language": "hu.evil.example/"}, "hu.evil.example/"),
        ({"titles": ("A|B",)}, "A|B"),
        ({"titles": ("A", " ")}, "empty one"),
        ({"titles": ("é" * 128,)}, "at most 255 bytes"),
        ({"category": "A", "most": 10_001}, "10001, must be 1 to 10000"),
        ({"category": "A", "depth": 4}, "4, must be 0 to 3"),
    ],
)
def test_wikipedia_options_are_checked(options: dict, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Wikipedia(**options)
    assert message in str(caught.value)


def test_wikipedia_sections_have_their_headings() -> None:
    assert read_sections(TEXT) == (
        Section("", "A napvitorla űreszköz.\n\nFénnyel halad."),
        Section("Történet", ""),
        Section("Kezdetek", "1924-ben javasolták.", 3),
        Section("Irányítás", "Két lapáttal."),
    )
    assert read_sections("== Jegyzetek ==\nEz lista.\n") == ()


@pytest.mark.parametrize("line", ["==" + " " * 200_000 + "x", "=" * 200_000 + "x", "{\\displaystyle " * 20_000])
def test_wikipedia_long_lines_are_no_headings(line: str) -> None:
    assert [section.heading for section in read_sections(f"Before.\n{line}\nAfter.")] == [""]


def test_wikipedia_formulas_come_once() -> None:
    signs = "\n\n  \n    \n      \n        F\n        =\n        m\n        a\n      \n    \n    "
    text = (
        "The force is"
        + signs
        + "{\\displaystyle F=m\\,{a}}\n  \n, with mass"
        + signs
        + "{\\displaystyle m}\n  \n\nNext."
    )
    assert read_sections(text) == (Section("", "The force is F=m\\,{a} , with mass m\n\nNext."),)
    assert read_sections("open {\\displaystyle F={a")[0].text.startswith("open F")


def test_wikipedia_articles_by_title(server: Server, tmp_path: Path) -> None:
    articles = {
        "Napvitorla": (11, 900, TEXT),
        "Rakéta": (12, 901, "A rakéta hajt."),
        "Mars": (13, 902, "Több Mars van."),
    }
    wiki = Wiki(server, articles, {"Fényvitorla": "Napvitorla"}, disambiguations=frozenset({"Mars"}))
    titles = ("Napvitorla", "Fényvitorla", "Rakéta", "Mars", "Nincsilyen")
    fetched, problems = run(wiki.source(titles=titles), tmp_path / "wikipedia")
    assert [item.source for item in fetched] == ["wikipedia/hu/Napvitorla", "wikipedia/hu/Rakéta"]
    assert sorted(problem.source for problem in problems) == ["wikipedia/hu/Mars", "wikipedia/hu/Nincsilyen"]
    values = record(fetched[0])
    assert (values["title"], values["language"]) == ("Napvitorla", "hu")
    assert values["url"] == "https://hu.wikipedia.org/wiki/11"
    assert [section["heading"] for section in values["sections"]] == ["", "Történet", "Kezdetek", "Irányítás"]
    assert values["metadata"] == {
        "identifier": "hu.wikipedia 11",
        "authors": "Wikipedia contributors",
        "updated": "2024-05-06T07:08:09Z",
        "revision": "900",
        "permalink": server.url("/w/index.php?oldid=900"),
        "license": "CC BY-SA 4.0 https://creativecommons.org/licenses/by-sa/4.0/deed.hu",
        "publisher": "Wikipedia",
    }
    assert fetched[0].metadata["language"] == "hu"


def test_wikipedia_only_new_revisions_are_fetched(server: Server, tmp_path: Path) -> None:
    wiki = Wiki(server, {"A": (1, 10, "Alma."), "B": (2, 20, "Béka."), "C": (3, 30, "Cica.")})
    source = wiki.source(titles=("A", "B", "C"))
    run(source, tmp_path / "wikipedia")
    server.requests.clear()
    wiki.articles["B"] = (2, 21, "Béka, új.")
    del wiki.articles["C"]
    fetched, problems = run(source, tmp_path / "wikipedia")
    assert [item.source for item in fetched] == ["wikipedia/hu/A", "wikipedia/hu/B"]
    assert record(fetched[1])["sections"] == [{"heading": "", "text": "Béka, új.", "level": 2}]
    assert [number for number in asked(server, "/w/api.php", "pageids") if number] == ["2"]
    assert [problem.source for problem in problems] == ["wikipedia/hu/C"]
    assert files(tmp_path / "wikipedia") == {item.path.name for item in fetched}


def test_wikipedia_category_and_its_subcategories(server: Server, tmp_path: Path) -> None:
    articles = {name: (place, place, f"{name} szövege.") for place, name in enumerate("ABCDEFG", 1)}
    categories = {
        "Category:Űr": ["A", "B", "C", "D", "E", "Category:Mély"],
        "Category:Mély": ["A", "F", "Category:Űr", "Category:Még mélyebb"],
        "Category:Még mélyebb": ["G"],
    }
    wiki = Wiki(server, articles, categories=categories)
    fetched, problems = run(wiki.source(category="Kategória:Űr"), tmp_path / "flat")
    assert ([item.title for item in fetched], problems) == (list("ABCDE"), [])
    fetched, _ = run(wiki.source(category="Űr", depth=1), tmp_path / "deep")
    assert [item.title for item in fetched] == list("ABCDEF")
    server.requests.clear()
    fetched, _ = run(wiki.source(category="Űr", depth=3), tmp_path / "deeper")
    assert [item.title for item in fetched] == list("ABCDEFG")
    listed = [name for name in asked(server, "/w/api.php", "gcmtitle") if name]
    assert listed == ["Category:Űr"] * 3 + ["Category:Mély"] + ["Category:Még mélyebb"]
    fetched, _ = run(wiki.source(category="Űr", depth=3, most=3), tmp_path / "few")
    assert [item.title for item in fetched] == list("ABC")


def lag() -> Reply:
    error = {"code": "maxlag", "info": "Waiting for db1: 6.2 seconds lagged.", "host": "db1", "lag": 6.2, "type": "db"}
    return Reply(json.dumps({"error": error}).encode(), headers={"Retry-After": "5", "X-Database-Lag": "6"})


def test_wikipedia_faults_are_outlasted(server: Server, tmp_path: Path) -> None:
    wiki = Wiki(server, {"A": (1, 10, "Alma.")}, faults=[lag(), *FAULTS, Reply(b"<html>"), Reply(b'["x"]')])
    fetched, problems = run(wiki.source(titles=("A",)), tmp_path / "wikipedia")
    assert ([item.title for item in fetched], problems) == (["A"], [])


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lag(), "the server answers maxlag: Waiting for db1"),
        (Reply(b"[" * 100_000), "no readable answer"),
        (
            Reply(json.dumps({"error": {"code": "badvalue", "info": "No."}}).encode()),
            "the server answers badvalue: No.",
        ),
        (Reply(status=503), "503"),
        (redirect("http://169.254.169.254/"), "169.254.169.254"),
    ],
)
def test_wikipedia_out_of_reach_keeps_what_was_fetched(
    server: Server, tmp_path: Path, fault: Reply, reason: str
) -> None:
    wiki = Wiki(server, {"A": (1, 10, "Alma.")})
    before, _ = run(wiki.source(titles=("A",)), tmp_path / "wikipedia")
    wiki.faults = [fault] * 20
    fetched, problems = run(wiki.source(titles=("A",)), tmp_path / "wikipedia", allow_private=["127.0.0.1"])
    assert fetched == before
    assert len(problems) == 1 and reason in problems[0].reason


def test_wikipedia_run_that_ends_early_goes_on(server: Server, tmp_path: Path) -> None:
    wiki = Wiki(server, {name: (place, place, f"{name}.") for place, name in enumerate("ABCDEFGH", 1)})
    source = wiki.source(titles=tuple("ABCDEFGH"))
    fetched, problems = run(source, tmp_path / "wikipedia", Budget(requests=6))
    assert (len(fetched), len(problems)) == (4, 1)
    fetched, problems = run(source, tmp_path / "wikipedia")
    assert (len(fetched), problems) == (8, [])
    assert sorted(number for number in asked(server, "/w/api.php", "pageids") if number) == list("12345678")


def test_wikipedia_article_out_of_reach_leaves_the_others(server: Server, tmp_path: Path) -> None:
    wiki = Wiki(server, {name: (place, place, f"{name}.") for place, name in enumerate("ABCDEFGHIJKL", 1)})
    answer = wiki.answer

    def refusing(request: Request) -> Reply:
        refused = any(f"pageids={number}&" in request.target + "&" for number in range(1, 11))
        return Reply(status=403) if refused else answer(request)

    server.script("/w/api.php", refusing)
    fetched, problems = run(wiki.source(titles=tuple("ABCDEFGHIJKL")), tmp_path / "wikipedia")
    assert [item.title for item in fetched] == ["K", "L"]
    assert len(problems) == 9 and problems[-1].reason.startswith("2 more articles")


def test_wikipedia_strange_answers_do_no_harm(server: Server, tmp_path: Path) -> None:
    pages = [{"pageid": 1, "title": "\ud800A", "lastrevid": 1}, {"title": ["x"]}, "text", {"pageid": "7"}]
    onward = {"gcmcontinue": "\ud800", "continue": "-||"}
    body = json.dumps({"continue": onward, "query": {"pages": pages, "rightsinfo": []}}).encode()
    server.put("/w/api.php", body)
    source = Wikipedia(category="A", api=server.url("/w/api.php"), interval=0.0)
    fetched, problems = run(source, tmp_path / "wikipedia")
    assert fetched == []
    assert ("wikipedia/en/A", "it could not be fetched: the server gave no text of the page") in [
        (problem.source, problem.reason) for problem in problems
    ]


def test_wikipedia_empty_category_removes_nothing(server: Server, tmp_path: Path) -> None:
    wiki = Wiki(server, {"A": (1, 10, "Alma.")}, categories={"Category:Űr": ["A"]})
    before, _ = run(wiki.source(category="Űr"), tmp_path / "wikipedia")
    wiki.categories = {}
    fetched, problems = run(wiki.source(category="Űr"), tmp_path / "wikipedia")
    assert fetched == before and "check the category" in problems[0].reason


@pytest.mark.parametrize("make", [0, 1, 2], ids=["arxiv", "ntrs", "wikipedia"])
def test_records_are_documents_for_the_loaders(make: int, server: Server, tmp_path: Path) -> None:
    (item,), _ = run(SOURCES[make](server), tmp_path / "folder")
    loaded = load(item.path.read_bytes(), item.path.name)
    blocks = [block for page in loaded.pages for block in page]
    assert (loaded.kind, loaded.title, loaded.metadata["url"]) == ("record", item.title, item.metadata["url"])
    (section,) = record(item)["sections"]
    assert section["text"] in [block.text for block in blocks]
    assert section["heading"] in ["", *(block.text for block in blocks if block.level == 2)]


SOURCES: list[Callable[[Server], Connector]] = [
    lambda server: Archive(server, preprints(1)).source(),
    lambda server: Reports(server, [report(1)]).source(),
    lambda server: Wiki(server, {"A": (1, 10, "Alma.")}).source(titles=("A",)),
]


@pytest.mark.parametrize("make", SOURCES, ids=["arxiv", "ntrs", "wikipedia"])
def test_hosts_are_those_that_are_asked(make: Callable[[Server], Connector], server: Server, tmp_path: Path) -> None:
    source = make(server)
    with Fetcher(tmp_path / "cache", hosts=source.hosts, allow_private=True) as fetcher:  # type: ignore[attr-defined]
        fetched, problems = source.fetch(tmp_path / "folder", fetcher, lambda done, known: None)
    assert (len(fetched), problems) == (1, [])
