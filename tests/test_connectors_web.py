import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.connectors import Fetched
from ingest.connectors.http import Budget, Fetcher
from ingest.connectors.page import content_type, read_page
from ingest.connectors.sitemap import parse_sitemap
from ingest.connectors.urls import normal_url, pattern_of, readable, repeats
from ingest.connectors.web import Web
from ingest.loaders.html import html_text
from ingest.report import Problem
from rag.errors import ConfigurationError
from tests.files import make_pdf
from tests.servers import Reply, Request, Server, page, redirect

ROOT = Path(__file__).parent.parent


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def links(*targets: str, head: str = "", body: str = "") -> str:
    items = "".join(f'<li><a href="{target}">{target}</a></li>' for target in targets)
    return f"<html><head><title>Tanszék</title>{head}</head><body><ul>{items}</ul><p>{body}</p></body></html>"


def crawl(
    server: Server, folder: Path, budget: Budget | None = None, start: tuple[str, ...] = ("/",), **options: Any
) -> tuple[dict[str, Fetched], list[Problem]]:
    """What is kept, by path and query, and the problems."""
    web = Web(start=tuple(server.url(path) for path in start), **{"interval": 0.0, "sitemap": False, **options})
    with Fetcher(
        folder / "cache", allow_private={"127.0.0.1"}, back_off=0.01, tries=2, budget=budget or Budget()
    ) as http:
        documents, problems = web.fetch(folder / "web", http, lambda done, known: None)
    return {item.metadata["url"].removeprefix(server.url("")): item for item in documents}, problems


def asked(server: Server) -> list[str]:
    """The requests, without those for robots.txt."""
    return [target for target in server.targets() if target != "/robots.txt"]


# A small site


def test_a_department_site_is_kept_as_received(tmp_path: Path, server: Server) -> None:
    front = page(
        '<html lang="hu-HU"><head><title>Madártani  Tanszék</title></head><body>'
        '<a href="/oktat%c3%a1s">Oktatás</a> <a href="kutatás.html#cél">Kutatás</a> <a href="/tanterv.pdf">Tanterv</a>'
        '<a href="mailto:x@example.org">levél</a> <a href="https://elsewhere.example/">máshol</a>'
        '<a href="/kep.jpg"><img src="/kep.jpg"></a> <a href="javascript:void(0)">menü</a></body></html>',
        Last_Modified="Tue, 04 Aug 2026 10:00:00 GMT",
    )
    teaching = page(
        '<html><head><meta name="date" content="2025-09-01T08:00:00"><title>Oktatás</title></head>'
        "<body><p>A gémek élőhelye, Škoda šľachta.</p></body></html>",
        encoding="iso-8859-2",
        Content_Type="text/html; charset=iso-8859-2",
        Content_Language="hu",
    )
    pdf = make_pdf([[(50, 700, 12, "Curriculum of ornithology")]])
    server.put("/", front)
    server.put("/oktat%C3%A1s", teaching)
    server.put("/kutat%C3%A1s.html", page(links(body="Kutatás")))
    server.put("/tanterv.pdf", Reply(pdf, headers={"Content-Type": "application/pdf"}))
    kept, problems = crawl(server, tmp_path)
    assert problems == []
    assert sorted(kept) == ["/", "/kutat%C3%A1s.html", "/oktat%C3%A1s", "/tanterv.pdf"]
    assert kept["/"].path.read_bytes() == front.body
    assert kept["/tanterv.pdf"].path.read_bytes() == pdf
    assert kept["/"].title == "Madártani Tanszék"
    assert kept["/"].source == f"web/127.0.0.1:{server.port}"
    assert kept["/oktat%C3%A1s"].source == f"web/127.0.0.1:{server.port}/oktatás"
    assert kept["/"].metadata == {"url": server.url("/"), "language": "hu", "modified": "2026-08-04"}
    assert kept["/oktat%C3%A1s"].metadata["published"] == "2025-09-01"
    assert kept["/oktat%C3%A1s"].metadata["language"] == "hu"
    # Only the header said the encoding, which the file alone does not have.
    assert "A gémek élőhelye, Škoda šľachta." in html_text(kept["/oktat%C3%A1s"].path.read_bytes())
    assert {item.path.suffix for item in kept.values()} == {".html", ".pdf"}
    assert all(item.path.parent == tmp_path / "web" and len(item.path.stem) == 40 for item in kept.values())


def test_korean_pages_in_an_old_encoding(tmp_path: Path, server: Server) -> None:
    html = (
        '<html lang="ko"><head><meta http-equiv="Content-Type" content="text/html; charset=euc-kr">'
        '<title>조류학과</title></head><body><a href="/왜가리?쪽=1">왜가리</a></body></html>'
    )
    server.put("/", page(html, encoding="euc-kr"))
    stated = page("<html><title>왜가리</title><p>왜가리는 물가에 산다.</p></html>", encoding="cp949")
    server.put(
        "/%EC%99%9C%EA%B0%80%EB%A6%AC", Reply(stated.body, headers={"Content-Type": 'text/html; Charset="EUC-KR"'})
    )
    kept, problems = crawl(server, tmp_path)
    assert problems == []
    assert {item.title for item in kept.values()} == {"조류학과", "왜가리"}
    assert kept["/"].path.read_bytes() == html.encode("euc-kr")
    assert kept["/"].metadata["language"] == "ko"
    heron = next(item for item in kept.values() if item.title == "왜가리")
    assert heron.source.endswith("/왜가리?쪽=1")
    assert "물가에 산다" in html_text(heron.path.read_bytes())


def test_depth_counts_links_from_the_start_page(tmp_path: Path, server: Server) -> None:
    for number in range(5):
        server.put(f"/{'abcde'[number]}", page(links(f"/{'abcdef'[number + 1]}")))
    for depth in (0, 1, 3):
        kept, _ = crawl(server, tmp_path / str(depth), start=("/a",), depth=depth)
        assert sorted(kept) == [f"/{letter}" for letter in "abcde"[: depth + 1]]


def test_every_kind_of_link_is_found_and_each_page_asked_for_once(tmp_path: Path, server: Server) -> None:
    head = (
        '<base href="/hu/"><link rel="alternate" hreflang="en" href="/en/"><link rel="stylesheet" href="/style">'
        '<meta http-equiv="refresh" content="5; URL=\'next\'">'
    )
    body = '<map><area href="area"></map><iframe src="frame"></iframe><a rel="nofollow" href="no">n</a>'
    targets = ("a", "a#x", "a?utm_source=x", "./b/../a", " a\n", "//127.0.0.1:{port}/hu/a", "?x=2&y=1", "?y=1&x=2")
    server.put("/", page(links(*(target.format(port=server.port) for target in targets), head=head, body=body)))
    server.otherwise(lambda request: page(links()))
    crawl(server, tmp_path)
    assert sorted(asked(server)) == sorted(["/", "/en/", "/hu/a", "/hu/area", "/hu/frame", "/hu/next", "/hu/?x=2&y=1"])


def test_only_the_paths_asked_for_and_none_excluded(tmp_path: Path, server: Server) -> None:
    server.put("/", page(links("/dep/a", "/dep/login?x", "/other", "/dep/a/print")))
    server.otherwise(lambda request: page(links()))
    kept, _ = crawl(server, tmp_path, paths=("/dep/",), exclude=("*login*", "*/print"))
    assert sorted(kept) == ["/", "/dep/a"]


def test_documents_by_type_and_by_name(tmp_path: Path, server: Server) -> None:
    kinds = {
        "/a": ("application/pdf; x=1", ".pdf"),
        "/b.docx": ("application/octet-stream", ".docx"),
        "/c": ("text/csv; charset=utf-8", ".csv"),
        "/d.xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx"),
        "/e.PDF": ("binary/octet-stream", ".pdf"),
    }
    not_read = {"/v": "video/mp4", "/x": "application/x-msdownload", "/o.bin": "application/octet-stream"}
    server.put("/", page(links(*kinds, *not_read)))
    for path, (media, _) in kinds.items():
        server.put(path, Reply(b"content " + path.encode(), headers={"Content-Type": media}))
    for path, media in not_read.items():
        server.put(path, Reply(b"x", headers={"Content-Type": media}))
    kept, problems = crawl(server, tmp_path)
    assert problems == []
    assert {path: item.path.suffix for path, item in kept.items() if path != "/"} == {
        path: suffix for path, (_, suffix) in kinds.items()
    }


def test_redirects_inside_the_site_lead_to_one_document(tmp_path: Path, server: Server) -> None:
    server.put("/", page(links("/old", "/new", "/out")))
    server.put("/old", redirect("/new"))
    server.put("/new", page(links(body="here")))
    server.put("/out", redirect("http://10.0.0.1/secret"))
    kept, problems = crawl(server, tmp_path)
    assert sorted(kept) == ["/", "/new"]
    assert problems == []


def test_pages_that_name_another_as_their_own_are_not_kept_twice(tmp_path: Path, server: Server) -> None:
    def named(path: str) -> str:
        return f'<link rel="canonical" href="{path}">'

    server.put("/", page(links("/a?print", "/b", "/c", "/d")))
    server.put("/a", page(links(head=named("/a"), body="a")))
    server.put("/a?print", page(links("/behind", head=named("/a"), body="a")))
    server.put("/b", page(links(head=named("/gone"), body="b")))
    server.put("/c", page(links(head=named("/"), body="c")))
    server.put("/d", page(links(head=named("https://elsewhere.example/d"), body="d")))
    server.put("/behind", page(links()))
    kept, _ = crawl(server, tmp_path)
    # The page that /b names is not there; /c names the front page, as a careless template does.
    assert sorted(kept) == ["/", "/a", "/b", "/behind", "/c", "/d"]


# The site's rules


def test_robots_txt_is_kept_to(tmp_path: Path, server: Server) -> None:
    server.put(
        "/robots.txt",
        b"User-agent: *\nDisallow: /\n\nUser-agent: Lacerta\nDisallow: /private/\nAllow: /private/open\n"
        b"Crawl-delay: 0.12\n",
    )
    server.put("/", page(links("/private/a", "/private/open", "/b", "/moved")))
    server.put("/moved", redirect("/private/c"))
    server.otherwise(lambda request: page(links()))
    kept, problems = crawl(server, tmp_path)
    assert sorted(kept) == ["/", "/b", "/private/open"]
    assert "/private/a" not in server.targets()
    assert problems == []
    times = [request.at for request in server.requests if request.target != "/robots.txt"]
    assert all(later - earlier >= 0.08 for earlier, later in zip(times, times[1:], strict=False))


def test_a_forbidden_start_page_is_a_problem(tmp_path: Path, server: Server) -> None:
    server.put("/robots.txt", b"User-agent: *\nDisallow: /\n")
    kept, problems = crawl(server, tmp_path)
    assert kept == {} and asked(server) == []
    assert "robots.txt" in problems[0].reason


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_site_that_has_no_rules_may_be_read(tmp_path: Path, server: Server, status: int) -> None:
    server.put("/robots.txt", Reply(b"User-agent: *\nDisallow: /\n", status=status))
    server.put("/", page(links()))
    assert list(crawl(server, tmp_path)[0]) == ["/"]


@pytest.mark.parametrize("fault", [Reply(status=503), Reply(status=429), Reply(b"x" * 99, cut_at=1)])
def test_a_site_whose_rules_cannot_be_had_is_not_read(tmp_path: Path, server: Server, fault: Reply) -> None:
    server.put("/robots.txt", fault)
    server.put("/", page(links()))
    kept, problems = crawl(server, tmp_path)
    assert kept == {} and asked(server) == []
    assert "robots.txt" in problems[0].reason


def test_rules_read_before_hold_while_they_cannot_be_had(tmp_path: Path, server: Server) -> None:
    server.put("/robots.txt", Reply(b"User-agent: *\nDisallow: /x\n"), Reply(status=500))
    server.put("/", page(links("/x", "/y")))
    server.otherwise(lambda request: page(links()))
    for _ in range(2):
        assert sorted(crawl(server, tmp_path)[0]) == ["/", "/y"]
    assert "/x" not in server.targets()


def test_pages_that_ask_not_to_be_kept_or_followed(tmp_path: Path, server: Server) -> None:
    server.put("/", page(links("/a", "/b", "/c", "/d", "/e.pdf", "/f")))
    server.put("/a", page(links("/behind-a", head='<meta name="ROBOTS" content="NoIndex">')))
    server.put("/b", page(links("/behind-b", head='<meta name="robots" content="index, nofollow">')))
    server.put("/c", page(links("/behind-c", head='<meta name="lacerta" content="none">')))
    server.put("/d", page(links("/behind-d"), X_Robots_Tag="googlebot: noindex, nofollow"))
    server.put("/e.pdf", Reply(b"%PDF-", headers={"Content-Type": "application/pdf", "X-Robots-Tag": "noindex"}))
    server.put("/f", page(links("/behind-f"), X_Robots_Tag="unavailable_after: 25 Jun 2030 15:00:00 PST, noindex"))
    server.otherwise(lambda request: page(links()))
    kept, _ = crawl(server, tmp_path)
    assert sorted(kept) == ["/", "/b", "/behind-a", "/behind-d", "/behind-f", "/d"]


def test_sitemaps_and_their_index_are_read(tmp_path: Path, server: Server) -> None:
    def urlset(*paths: str) -> bytes:
        places = "".join(f"<url><loc> {server.url(path)} </loc></url>" for path in paths)
        return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</urlset>'.encode()

    index = "".join(
        f"<sitemap><loc>{server.url(path)}</loc></sitemap>" for path in ("/one.xml", "/two.xml.gz", "/gone", "/bad")
    )
    server.put("/robots.txt", f"Sitemap: {server.url('/index.xml')}\nSitemap: /more.txt\n".encode())
    server.put("/index.xml", f"<sitemapindex>{index}</sitemapindex>".encode())
    server.put("/one.xml", urlset("/a", "/b"))
    server.put("/two.xml.gz", gzip.compress(urlset("/c")))
    server.put("/bad", b"<html>no</html>")
    server.put("/more.txt", f"{server.url('/d')}\nhttps://elsewhere.example/\n".encode())
    for path in ("/", "/a", "/b", "/c", "/d"):
        server.put(path, page(links()))
    kept, problems = crawl(server, tmp_path, sitemap=True)
    assert sorted(kept) == ["/", "/a", "/b", "/c", "/d"]
    assert [(problem.source.rsplit("/", 1)[1], "no sitemap" in problem.reason) for problem in problems] == [
        ("bad", True)
    ]


def test_a_sitemap_can_open_no_file_and_grow_no_text() -> None:
    entity = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname"><!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    assert parse_sitemap(entity + b"<urlset><url><loc>&e;&b;</loc></url></urlset>") == ([], [])


@pytest.mark.parametrize("content", [b"", b"not a list", b"<html/>", b"\x1f\x8bx", b"<?xml version='1.0'?>"])
def test_what_is_no_sitemap(content: bytes) -> None:
    with pytest.raises(ValueError):
        parse_sitemap(content)


# Bounds


def calendar(request: Request) -> Reply:
    if "/naptar" not in request.target:
        return Reply(status=404)
    month = int(request.target.rsplit("=", 1)[1])
    others = [f"/naptar?ev=2026&ho={month + step}" for step in range(1, 40)]
    return page(links(*others))


def test_an_endless_calendar_does_not_hide_the_site(tmp_path: Path, server: Server) -> None:
    server.put("/", page(links("/naptar?ev=2026&ho=1", "/b")))
    server.put("/b", page(links("/c")))
    server.put("/c", page(links()))
    server.otherwise(calendar)
    kept, problems = crawl(server, tmp_path, per_pattern=5, depth=9)
    assert [path for path in sorted(kept) if "naptar" not in path] == ["/", "/b", "/c"]
    assert len([path for path in kept if "naptar" in path]) == 5
    assert any("per_pattern" in problem.reason and "naptar?ev&ho" in problem.source for problem in problems)


def test_paths_that_repeat_themselves_are_not_followed(tmp_path: Path, server: Server) -> None:
    server.otherwise(lambda request: page(links("lap/", "../x/lap/")))
    kept, _ = crawl(server, tmp_path, depth=20, pages=400)
    assert 1 < len(kept) < 100
    assert all(path.count("lap/") <= 2 for path in kept)


def test_pages_and_bytes_have_a_limit(tmp_path: Path, server: Server) -> None:
    server.put("/", page(links(*(f"/{letter}" for letter in "abcdefgh"))))
    server.otherwise(
        lambda request: page(links(body="x" * 10_000)) if request.target != "/robots.txt" else Reply(status=404)
    )
    kept, problems = crawl(server, tmp_path / "pages", pages=4)
    assert len(kept) == 4 and len(asked(server)) == 4
    assert "raise pages" in problems[0].reason
    kept, problems = crawl(server, tmp_path / "bytes", bytes=25_000)
    assert len(kept) == 3
    assert "raise bytes" in problems[0].reason


def test_a_document_too_large_is_a_problem_and_no_more(tmp_path: Path, server: Server) -> None:
    server.put("/", page(links("/big.pdf", "/b")))
    server.put("/big.pdf", Reply(b"x" * 1000, headers={"Content-Type": "application/pdf"}, endless=True))
    server.put("/b", page(links()))
    kept, problems = crawl(server, tmp_path, largest=20_000)
    assert sorted(kept) == ["/", "/b"]
    assert "more than 20000 bytes" in problems[0].reason and "big.pdf" in problems[0].source


# From run to run


def test_an_unchanged_site_is_confirmed_and_keeps_its_files(tmp_path: Path, server: Server) -> None:
    server.put("/", page(links("/a"), ETag='"1"'))
    server.put("/a", page(links(), ETag='"2"'))
    first, _ = crawl(server, tmp_path)
    times = {item.path: item.path.stat().st_mtime_ns for item in first.values()}
    second, problems = crawl(server, tmp_path)
    assert second == first and problems == []
    assert {item.path: item.path.stat().st_mtime_ns for item in second.values()} == times
    assert [request.headers.get("if-none-match") for request in server.requests if request.target in ("/", "/a")] == [
        None, None, '"1"', '"2"',
    ]  # fmt: skip


def test_changed_new_and_gone_pages(tmp_path: Path, server: Server) -> None:
    server.put("/", page(links("/a", "/b", "/c")))
    for path in ("/a", "/b", "/c"):
        server.put(path, page(links(body=f"old {path}")))
    first, _ = crawl(server, tmp_path)
    server.put("/", page(links("/a", "/b", "/d")))
    server.put("/a", page(links(body="new a")))
    server.put("/b", Reply(status=410))
    server.put("/d", page(links()))
    # Nothing links to it any more, but it is still there.
    second, problems = crawl(server, tmp_path)
    assert sorted(second) == ["/", "/a", "/c", "/d"] and problems == []
    assert b"new a" in second["/a"].path.read_bytes()
    assert not first["/b"].path.exists() and not first["/a"].path.exists()
    server.remove("/c")
    third, _ = crawl(server, tmp_path)
    assert sorted(third) == ["/", "/a", "/d"]
    assert {path.name for path in (tmp_path / "web").glob("*.html")} == {item.path.name for item in third.values()}


def test_what_cannot_be_reached_is_kept_with_a_problem(tmp_path: Path, server: Server) -> None:
    server.put("/", page(links("/a", "/b")))
    server.put("/a", page(links("/behind")))
    for path in ("/b", "/behind"):
        server.put(path, page(links(body=path)))
    first, _ = crawl(server, tmp_path)
    server.put("/a", Reply(status=500))
    second, problems = crawl(server, tmp_path)
    assert second == first
    assert [problem.source for problem in problems] == [first["/a"].source]
    assert "500" in problems[0].reason and "kept" in problems[0].reason


def test_a_site_that_is_down_loses_nothing(tmp_path: Path, server: Server) -> None:
    server.put("/", page(links("/a", "/b")))
    for path in ("/a", "/b"):
        server.put(path, page(links(body=path)))
    first, _ = crawl(server, tmp_path)
    server.put("/robots.txt", Reply(status=503))
    server.otherwise(lambda request: Reply(status=503))
    for path in ("/", "/a", "/b"):
        server.put(path, Reply(status=503))
    second, problems = crawl(server, tmp_path)
    assert second == first and len(problems) == 3
    # A page in place of the site, as for repairs: the others are asked for themselves.
    server.put("/robots.txt", Reply(status=404))
    server.put("/", page("<html><body>Karbantartás</body></html>"))
    third, problems = crawl(server, tmp_path)
    assert sorted(third) == ["/", "/a", "/b"] and len(problems) == 2


def test_pages_outside_new_options_go(tmp_path: Path, server: Server) -> None:
    server.put("/", page(links("/a", "/b")))
    server.otherwise(lambda request: page(links()))
    crawl(server, tmp_path)
    kept, _ = crawl(server, tmp_path, exclude=("/a",))
    assert sorted(kept) == ["/", "/b"]


def test_a_run_out_of_budget_goes_on_where_it_stopped(tmp_path: Path, server: Server) -> None:
    names = [f"/{letter}" for letter in "abcdefgh"]
    server.put("/", page(links(*names)))
    for name in names:
        server.put(name, page(links(body=name)))
    kept, problems = crawl(server, tmp_path, budget=Budget(requests=5))
    assert len(kept) == 4
    assert "5 requests" in problems[0].reason
    kept, problems = crawl(server, tmp_path, budget=Budget(requests=6))
    assert sorted(kept) == ["/", *names] and problems == []
    assert sorted(asked(server)) == ["/", *names]
    crawl(server, tmp_path)
    assert len(asked(server)) == 18


def test_a_budget_that_ends_a_later_run_drops_nothing(tmp_path: Path, server: Server) -> None:
    server.put("/", page(links("/a", "/b")))
    for path in ("/a", "/b"):
        server.put(path, page(links(body=path)))
    first, _ = crawl(server, tmp_path)
    server.put("/b", Reply(status=404))
    second, problems = crawl(server, tmp_path, budget=Budget(requests=2))
    assert second == first and len(problems) == 1
    assert sorted(crawl(server, tmp_path)[0]) == ["/", "/a"]


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, server: Server) -> None:
    names = [f"/{letter}" for letter in "abcdefgh"]
    server.put("/", page(links(*names)))
    for name in names:
        server.put(name, page(links(body=name)))
    program = (
        "import sys; from pathlib import Path; from ingest.connectors.http import Fetcher;"
        "from ingest.connectors.web import Web; folder = Path(sys.argv[2]);"
        "web = Web(start=(sys.argv[1],), interval=0.0, sitemap=False);"
        "web.fetch(folder / 'web', Fetcher(folder / 'cache', allow_private=True), lambda done, known: None)"
    )
    process: list[subprocess.Popen[bytes]] = []

    def kill(request: Request) -> Reply:
        os.kill(process[0].pid, signal.SIGKILL)
        return Reply(b"too late")

    server.script("/e", kill)
    process.append(subprocess.Popen([sys.executable, "-c", program, server.url("/"), str(tmp_path)], cwd=ROOT))
    assert process[0].wait(60) == -signal.SIGKILL
    before = asked(server)
    assert before[-1] == "/e" and len(before) == 6
    server.put("/e", page(links(body="/e")))
    kept, problems = crawl(server, tmp_path)
    assert sorted(kept) == ["/", *names] and problems == []
    assert asked(server)[6:] == ["/e", "/f", "/g", "/h"]


def test_a_damaged_state_costs_only_requests(tmp_path: Path, server: Server) -> None:
    server.put("/", page(links("/a"), ETag='"1"'))
    server.put("/a", page(links()))
    first, _ = crawl(server, tmp_path)
    for path in (tmp_path / "web").glob("state*"):
        path.write_bytes(b"broken" * 1000)
    second, problems = crawl(server, tmp_path)
    assert sorted(second) == ["/", "/a"] and problems == []
    assert all(item.path.is_file() for item in second.values())


# Options


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"start": ()}, "start"),
        ({"start": ("www.example.org",)}, "start"),
        ({"start": ("ftp://example.org/",)}, "start"),
        ({"hosts": ("https://example.org",)}, "hosts"),
        ({"hosts": ("Example.org",)}, "hosts"),
        ({"paths": ("x",)}, "paths"),
        ({"depth": 21}, "depth is 21, must be 0 to 20"),
        ({"pages": 0}, "pages is 0"),
        ({"bytes": 0}, "bytes"),
        ({"interval": -1.0}, "interval"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"web.*{named}"):
        Web(**{"start": ("https://www.example.org/",), **options})


def test_the_hosts_of_start_pages_with_and_without_www() -> None:
    web = Web(start=("https://www.example.org/", "http://192.0.2.1:8080/x"), hosts=("cdn.example.org",))
    assert web.allowed_hosts() == {"www.example.org", "example.org", "cdn.example.org", "192.0.2.1"}
    assert web.covers("http://example.org/a") and web.covers("http://192.0.2.1:8080/")
    assert not web.covers("http://192.0.2.1/") and not web.covers("https://example.org:8443/")


# URLs and pages


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://WWW.Example.org:80/a/../b/./c?b=2&a=1#x", "http://www.example.org/b/c?a=1&b=2"),
        ("https://example.org:443", "https://example.org/"),
        ("https://example.org:8443/", "https://example.org:8443/"),
        ("https://példa.hu/ő?q=é", "https://xn--plda-bpa.hu/%C5%91?q=%C3%A9"),
        ("https://example.org/%c5%91", "https://example.org/%C5%91"),
        ("https://example.org/a;jsessionid=AB12?utm_source=x&fbclid=1&gallery=2", "https://example.org/a?gallery=2"),
        ("https://example.org/a/..;jsessionid=1/b", "https://example.org/b"),
        ("https://example.org/?a=2&a=1&", "https://example.org/?a=2&a=1"),
        ("https://example.org\\a b", "https://example.org/a%20b"),
        ("mailto:a@example.org", None),
        ("https://user:secret@example.org/", None),
        ("https://example.org:x/", None),
        ("https://example.org/" + "a" * 1000, None),
        ("https://exa mple.org/", None),
        ("https://.example.org/", None),
        ("", None),
    ],
)
def test_normal_urls(url: str, expected: str | None) -> None:
    assert normal_url(url) == expected


def test_normal_urls_stay_as_they_are() -> None:
    for url in ("http://example.org/b/c?a=1&b=2", "https://xn--plda-bpa.hu/%C5%91", "http://[2001:db8::1]:81/x"):
        assert normal_url(url) == url


def test_patterns_and_repeats() -> None:
    assert pattern_of("https://a.hu/cal/2026/05?x=1&y=2") == pattern_of("https://a.hu/cal/2027/11?x=3&y=9")
    assert pattern_of("https://a.hu/herons") != pattern_of("https://a.hu/egrets")
    assert repeats("https://a.hu/x/y/x/y/x/") and not repeats("https://a.hu/x/y/x/")
    assert readable("https://a.hu/%C5%91%0A%E2%80%AEx/") == "a.hu/ő x"


def test_a_content_type_header_is_read_tolerantly() -> None:
    assert content_type({"content-type": "Text/HTML; Charset=ISO-8859-2"}) == ("text/html", "iso-8859-2")
    assert content_type({}) == ("", "")
    assert content_type({"content-type": "nonsense"})[1] == ""
    assert content_type({"content-type": 'text/html; charset="x\0y"'}) == ("text/html", "")


def test_a_date_beyond_all_calendars_is_none(tmp_path: Path, server: Server) -> None:
    date = "Aug +999999999999992026  10:00:00 Aug -12026"
    server.put("/", Reply(status=503, headers={"Retry-After": date}), page(links(), Last_Modified=date))
    kept, problems = crawl(server, tmp_path)
    assert problems == [] and "modified" not in kept["/"].metadata


def test_a_page_of_thousands_of_links_gives_the_first_of_them() -> None:
    html = "<html><body>" + "".join(f"<a href='/{number}'>" for number in range(20_000))
    flat = "<html><body>" + "".join(f"<a href='/{number}'>x</a>" for number in range(20_000))
    assert len(read_page(flat.encode(), "https://example.org/", {}).links) == 5_000
    # Nested as deep as no parser goes: what could be read is.
    assert read_page(html.encode(), "https://example.org/", {}).links[0] == "https://example.org/0"
