import gzip
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.connectors.address import is_public
from ingest.connectors.http import Budget, BudgetExhausted, Fetcher, FetchError
from rag.errors import ConfigurationError
from tests.servers import Reply, Request, Server, gzip_bomb, redirect


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def fetcher(folder: Path, **options: Any) -> Fetcher:
    return Fetcher(folder / "cache", **{"allow_private": {"127.0.0.1"}, "back_off": 0.01, **options})


def cached_files(folder: Path) -> list[Path]:
    return [path for path in (folder / "cache").rglob("*") if path.is_file()]


# Requests


def test_a_document_comes_with_its_headers(tmp_path: Path, server: Server) -> None:
    server.put("/heron", Reply("gém".encode(), headers={"Content-Type": "text/plain"}))
    with fetcher(tmp_path) as http:
        answer = http.get(server.url("/heron"))
    assert (answer.status, answer.content, answer.from_cache) == (200, "gém".encode(), False)
    assert answer.headers["content-type"] == "text/plain"
    assert answer.url == server.url("/heron")


def test_the_user_agent_names_the_program_and_its_contact(tmp_path: Path, server: Server) -> None:
    server.put("/", b"x")
    with fetcher(tmp_path, contact="library@example.org") as http:
        http.get(server.url("/"), accept="application/atom+xml")
    assert server.requests[0].headers["user-agent"] == "Lacerta/1.0 (document collector; library@example.org)"
    assert server.requests[0].headers["accept"] == "application/atom+xml"


@pytest.mark.parametrize("contact", ["a\r\nX-Evil: 1", "cím", "x" * 201])
def test_a_contact_that_is_no_header_text_is_refused(tmp_path: Path, contact: str) -> None:
    with pytest.raises(ConfigurationError, match="contact"):
        fetcher(tmp_path, contact=contact)


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_says_so_and_leaves_the_cache(tmp_path: Path, server: Server, status: int) -> None:
    server.put("/old", b"x", Reply(status=status))
    with fetcher(tmp_path) as http:
        http.get(server.url("/old"))
        assert len(cached_files(tmp_path)) == 1
        with pytest.raises(FetchError, match=str(status)) as caught:
            http.get(server.url("/old"))
    assert caught.value.gone and caught.value.status == status
    assert cached_files(tmp_path) == []


def test_forbidden_is_not_gone_and_not_repeated(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(status=403))
    with fetcher(tmp_path) as http, pytest.raises(FetchError) as caught:
        http.get(server.url("/"))
    assert not caught.value.gone
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "//x", "http://", "http://a/\n", "x",
            "http://user:secret@127.0.0.1/", "http://127.0.0.1:99999/", "http://127.0.0.1:0/"]
)  # fmt: skip
def test_other_than_plain_http_urls_are_refused(tmp_path: Path, url: str) -> None:
    with fetcher(tmp_path) as http, pytest.raises(FetchError):
        http.get(url)
    assert http.requests == 0


# Retries


def test_an_unavailable_server_is_asked_again_until_it_answers(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(status=503), Reply(status=500), Reply(b"here"))
    with fetcher(tmp_path) as http:
        assert http.get(server.url("/")).content == b"here"
    assert len(server.requests) == 3


def test_back_off_doubles(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(status=503), Reply(status=503), Reply(status=503), Reply(b"here"))
    with fetcher(tmp_path, back_off=0.08) as http:
        http.get(server.url("/"))
    times = [request.at for request in server.requests]
    assert [
        later - earlier >= least for earlier, later, least in zip(times, times[1:], (0.06, 0.12, 0.24), strict=False)
    ] == [True] * 3


def test_tries_end(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(status=503))
    with fetcher(tmp_path, tries=3) as http, pytest.raises(FetchError, match=r"503 \(3 tries\)") as caught:
        http.get(server.url("/"))
    assert caught.value.status == 503
    assert len(server.requests) == 3


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_kept_to(tmp_path: Path, server: Server, as_date: bool) -> None:
    # A date has whole seconds: two seconds ahead is at least one second from now.
    value = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True) if as_date else "1"
    server.put("/", Reply(status=429, headers={"Retry-After": value}), Reply(b"here"))
    with fetcher(tmp_path) as http:
        assert http.get(server.url("/")).content == b"here"
    assert server.requests[1].at - server.requests[0].at >= 0.9


def test_a_host_that_wants_a_long_wait_is_left_alone_for_the_run(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(status=429, headers={"Retry-After": "86400"}))
    server.put("/other", b"x")
    with fetcher(tmp_path, longest_wait=5) as http:
        for path in ("/", "/other"):
            with pytest.raises(FetchError, match="run again later"):
                http.get(server.url(path))
    assert server.targets() == ["/"]


def test_a_nonsense_retry_after_is_an_ordinary_wait(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(status=429, headers={"Retry-After": "soon"}), Reply(b"here"))
    with fetcher(tmp_path) as http:
        assert http.get(server.url("/")).content == b"here"


def test_a_cut_document_is_fetched_again_whole(tmp_path: Path, server: Server) -> None:
    body = bytes(range(256)) * 40
    server.put("/", Reply(body, cut_at=3000), Reply(body))
    with fetcher(tmp_path) as http:
        assert http.get(server.url("/")).content == body
    assert "range" not in server.requests[1].headers


@pytest.mark.parametrize("packed", [False, True])
def test_a_cut_document_with_a_strong_tag_goes_on_where_it_was_cut(
    tmp_path: Path, server: Server, packed: bool
) -> None:
    content = os.urandom(50_000)
    body, headers = (gzip.compress(content), {"Content-Encoding": "gzip"}) if packed else (content, {})
    reply = Reply(body, headers={"ETag": '"a"', **headers}, ranges=True)
    server.put("/", Reply(body, headers=reply.headers, ranges=True, cut_at=30_000), reply)
    with fetcher(tmp_path) as http:
        answer = http.get(server.url("/"))
    assert (answer.status, answer.content) == (200, content)
    start = int(server.requests[1].headers["range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= 30_000
    assert http.received == len(body)


def test_a_document_that_changed_after_the_cut_is_fetched_whole(tmp_path: Path, server: Server) -> None:
    old, new = b"a" * 9000, b"b" * 12_000
    server.put(
        "/",
        Reply(old, headers={"ETag": '"old"'}, ranges=True, cut_at=4000),
        Reply(new, headers={"ETag": '"new"'}, ranges=True),
    )
    with fetcher(tmp_path) as http:
        assert http.get(server.url("/")).content == new


@pytest.mark.parametrize(("start", "tag"), [(10, '"a"'), (5000, '"b"'), (None, '"a"')])
def test_a_wrong_part_is_not_joined(tmp_path: Path, server: Server, start: int | None, tag: str) -> None:
    body = b"abcdefghij" * 900
    whole = Reply(body, headers={"ETag": '"a"'}, ranges=True)

    def answer(request: Request) -> Reply:
        if len(server.requests) == 1:
            return Reply(body, headers=whole.headers, ranges=True, cut_at=5000)
        if len(server.requests) > 2:
            return whole
        asked = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
        first = asked if start == 5000 else start
        place = {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"} if first is not None else {}
        return Reply(b"X" * 4000, status=206, headers={"ETag": tag, **place})

    server.script("/", answer)
    with fetcher(tmp_path) as http:
        assert http.get(server.url("/")).content == body
    assert len(server.requests) == 3


def test_a_connection_always_cut_is_an_error(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(b"x" * 1000, cut_at=10))
    with fetcher(tmp_path, tries=2) as http, pytest.raises(FetchError, match="connection failed"):
        http.get(server.url("/"))
    assert cached_files(tmp_path) == []


def test_a_host_that_keeps_failing_is_not_asked_for_ever(tmp_path: Path, server: Server) -> None:
    server.otherwise(lambda request: Reply(status=502))
    with fetcher(tmp_path, tries=1) as http:
        for number in range(14):
            with pytest.raises(FetchError):
                http.get(server.url(f"/{number}"))
    assert len(server.requests) == 10


def test_a_slow_drip_ends(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(b"x" * 10_000, drip=0.05))
    with fetcher(tmp_path, tries=1, patience=0.3) as http, pytest.raises(FetchError, match="too long|timed out"):
        http.get(server.url("/"))


def test_a_silent_server_ends(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(b"x", silent=30))
    with fetcher(tmp_path, tries=1, patience=0.3) as http, pytest.raises(FetchError):
        http.get(server.url("/"))


# Politeness


def test_the_interval_between_requests_to_a_host_is_kept(tmp_path: Path, server: Server) -> None:
    server.put("/a", Reply(status=503), Reply(b"x"))
    server.put("/b", redirect("/c"))
    server.put("/c", b"x")
    with fetcher(tmp_path, back_off=0.0) as http:
        for path in ("/a", "/b"):
            http.get(server.url(path), interval=0.15)
    assert server.targets() == ["/a", "/a", "/b", "/c"]
    times = [request.at for request in server.requests]
    # The server notes a request when it has read it, so one may seem a little late and the next one not.
    assert all(later - earlier >= 0.1 for earlier, later in zip(times, times[1:], strict=False))


def test_the_pause_of_the_fetcher_is_a_least_interval(tmp_path: Path, server: Server) -> None:
    server.put("/", b"x")
    with fetcher(tmp_path, pause=0.15) as http:
        for _ in range(3):
            http.get(server.url("/"))
    times = [request.at for request in server.requests]
    assert times[2] - times[0] >= 0.25


# Budget


def test_a_budget_of_requests_ends_the_run_and_keeps_what_came(tmp_path: Path, server: Server) -> None:
    for number in range(3):
        server.put(f"/{number}", b"x")
    with fetcher(tmp_path, budget=Budget(requests=2)) as http:
        http.get(server.url("/0"))
        http.get(server.url("/1"))
        with pytest.raises(BudgetExhausted, match="2 requests.*kept"):
            http.get(server.url("/2"))
    assert len(server.requests) == 2
    assert len(cached_files(tmp_path)) == 2


def test_retries_count_in_the_budget(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(status=503))
    with fetcher(tmp_path, budget=Budget(requests=2), tries=9) as http, pytest.raises(BudgetExhausted):
        http.get(server.url("/"))
    assert len(server.requests) == 2


def test_a_budget_of_bytes_ends_an_endless_document(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(b"x" * 10_000, endless=True))
    with fetcher(tmp_path, budget=Budget(bytes=100_000)) as http:
        with pytest.raises(BudgetExhausted, match="100000 bytes"):
            http.get(server.url("/"))
        with pytest.raises(BudgetExhausted):
            http.get(server.url("/again"))
    assert http.received < 300_000
    assert server.targets() == ["/"]


def test_a_budget_of_seconds_ends_the_run_before_a_wait_beyond_it(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(status=429, headers={"Retry-After": "60"}))
    with fetcher(tmp_path, budget=Budget(seconds=20)) as http, pytest.raises(BudgetExhausted, match="20 seconds"):
        http.get(server.url("/"))


def test_a_budget_of_seconds_ends_a_document_in_flight(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(b"x" * 10_000, drip=0.05))
    with fetcher(tmp_path, budget=Budget(seconds=0.5)) as http, pytest.raises(BudgetExhausted, match="seconds"):
        http.get(server.url("/"))


# Sizes


def test_an_endless_document_ends_at_its_limit(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(b"x" * 10_000, endless=True))
    with fetcher(tmp_path) as http, pytest.raises(FetchError, match="more than 50000 bytes"):
        http.get(server.url("/"), largest=50_000)
    assert http.received < 300_000
    assert len(server.requests) == 1


def test_a_declared_size_above_the_limit_is_not_read(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(b"x" * 5_000_000))
    with fetcher(tmp_path) as http, pytest.raises(FetchError, match="more than 1000 bytes"):
        http.get(server.url("/"), largest=1000)
    assert http.received == 0


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path, server: Server) -> None:
    server.put("/", gzip_bomb(64))
    with fetcher(tmp_path) as http, pytest.raises(FetchError, match="more than 1000000 bytes"):
        http.get(server.url("/"), largest=1_000_000)
    assert cached_files(tmp_path) == []


def test_packed_content_is_unpacked_all_its_members(tmp_path: Path, server: Server) -> None:
    body = gzip.compress(b"grey ") + gzip.compress(b"heron") + b"\0\0"
    server.put("/", Reply(body, headers={"Content-Encoding": "gzip"}))
    with fetcher(tmp_path) as http:
        assert http.get(server.url("/")).content == b"grey heron"
        assert http.received == len(body)


@pytest.mark.parametrize(
    "body",
    [b"not gzip", gzip.compress(b"heron" * 100)[:-12], gzip.compress(b"x")[:-8] + bytes(8)],
    ids=["never packed", "cut off", "wrong checksum"],
)
def test_damaged_packing_is_an_error(tmp_path: Path, server: Server, body: bytes) -> None:
    server.put("/", Reply(body, headers={"Content-Encoding": "gzip"}))
    with fetcher(tmp_path) as http, pytest.raises(FetchError, match="gzip"):
        http.get(server.url("/"))


def test_packing_of_endless_small_members_ends(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(gzip.compress(b"") * 200_000, headers={"Content-Encoding": "gzip"}))
    with fetcher(tmp_path) as http, pytest.raises(FetchError, match="more than 100 members"):
        http.get(server.url("/"))


def test_a_packing_not_asked_for_is_an_error(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(b"x", headers={"Content-Encoding": "br"}))
    with fetcher(tmp_path) as http, pytest.raises(FetchError, match="packed as br"):
        http.get(server.url("/"))


# Cache


@pytest.mark.parametrize(
    "header", [{"ETag": '"1"'}, {"ETag": 'W/"1"'}, {"Last-Modified": "Tue, 04 Aug 2026 10:00:00 GMT"}]
)
def test_an_unchanged_document_is_not_sent_again(tmp_path: Path, server: Server, header: dict[str, str]) -> None:
    server.put("/", Reply(b"heron", headers={**header, "Content-Type": "text/plain"}))
    for expected in (False, True, True):
        with fetcher(tmp_path) as http:
            answer = http.get(server.url("/"))
        assert (answer.content, answer.status, answer.from_cache) == (b"heron", 200, expected)
        assert answer.headers["content-type"] == "text/plain"
        assert http.received == (0 if expected else 5)


def test_a_changed_document_takes_the_place_of_the_kept_one(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(b"old", headers={"ETag": '"1"'}), Reply(b"new", headers={"ETag": '"2"'}))
    for expected, from_cache in ((b"old", False), (b"new", False), (b"new", True)):
        with fetcher(tmp_path) as http:
            answer = http.get(server.url("/"))
        assert (answer.content, answer.from_cache) == (expected, from_cache)
    assert server.requests[2].headers["if-none-match"] == '"2"'


def test_a_stopped_run_goes_on_without_asking_again(tmp_path: Path, server: Server) -> None:
    server.put("/", b"x")
    started = time.time() - 1
    for expected in (False, True):
        with fetcher(tmp_path) as http:
            assert http.get(server.url("/"), since=started).from_cache is expected
    with fetcher(tmp_path) as http:
        assert not http.get(server.url("/"), since=time.time() + 60).from_cache
    assert len(server.requests) == 2


def test_documents_asked_for_in_another_form_are_kept_apart(tmp_path: Path, server: Server) -> None:
    server.script("/", lambda request: Reply(request.headers["accept"].encode(), headers={"ETag": '"1"'}))
    with fetcher(tmp_path) as http:
        for accept in ("text/html", "application/pdf", "text/html"):
            assert http.get(server.url("/"), accept=accept).content == accept.encode()


def test_nothing_is_kept_where_the_caller_keeps_it(tmp_path: Path, server: Server) -> None:
    server.put("/", b"x")
    with fetcher(tmp_path) as http:
        http.get(server.url("/"), store=False)
    assert cached_files(tmp_path) == []


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "garbage", "header"])
def test_a_damaged_cache_costs_a_request_and_no_more(tmp_path: Path, server: Server, damage: str) -> None:
    server.put("/", Reply(b"grey heron " * 10, headers={"ETag": '"1"'}))
    with fetcher(tmp_path) as http:
        http.get(server.url("/"))
    (path,) = cached_files(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[:-5],
            "flipped": whole[:-5] + b"HERON",
            "garbage": b"\xff\0[",
            "header": whole.replace(b'"status": 200', b'"status": 206'),
        }[damage]
    )
    with fetcher(tmp_path) as http:
        answer = http.get(server.url("/"))
    assert (answer.content, answer.from_cache) == (b"grey heron " * 10, False)
    with fetcher(tmp_path) as http:
        assert http.get(server.url("/")).from_cache


def test_a_304_that_was_not_asked_for_is_an_error(tmp_path: Path, server: Server) -> None:
    server.put("/", Reply(status=304))
    with fetcher(tmp_path) as http, pytest.raises(FetchError, match="unchanged"):
        http.get(server.url("/"))


def test_what_no_run_uses_leaves_the_cache(tmp_path: Path, server: Server) -> None:
    for path in ("/old", "/new"):
        server.put(path, path.encode())
    with fetcher(tmp_path) as http:
        http.get(server.url("/old"))
        (old,) = cached_files(tmp_path)
        http.get(server.url("/new"))
        long_ago = time.time() - 100 * 86_400
        os.utime(old, (long_ago, long_ago))
    (kept,) = cached_files(tmp_path)
    assert kept != old


# Where requests may go


def test_redirects_are_followed_to_their_end(tmp_path: Path, server: Server) -> None:
    server.put("/a", redirect("b?x=1", 301))
    server.put("/b", redirect(server.url("/c#part"), 308))
    server.put("/c", b"heron")
    with fetcher(tmp_path) as http:
        answer = http.get(server.url("/a"))
    assert (answer.url, answer.content) == (server.url("/c"), b"heron")
    assert http.requests == 3


def test_redirects_in_a_loop_end(tmp_path: Path, server: Server) -> None:
    server.put("/a", redirect("/b"))
    server.put("/b", redirect("/a"))
    with fetcher(tmp_path) as http, pytest.raises(FetchError, match="loop"):
        http.get(server.url("/a"))
    assert len(server.requests) == 2


def test_redirects_without_end_end(tmp_path: Path, server: Server) -> None:
    server.otherwise(lambda request: redirect(request.target + "x"))
    with fetcher(tmp_path) as http, pytest.raises(FetchError, match="more than 5 times"):
        http.get(server.url("/"))
    assert len(server.requests) == 6


@pytest.mark.parametrize("headers", [{}, {"Location": "http://a:b/"}])
def test_a_redirect_to_nowhere_is_an_error(tmp_path: Path, server: Server, headers: dict[str, str]) -> None:
    server.put("/", Reply(status=302, headers=headers))
    with fetcher(tmp_path) as http, pytest.raises(FetchError, match="no readable URL"):
        http.get(server.url("/"))


@pytest.mark.parametrize(
    "host",
    ["localhost", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0.0.0.0"],
)
def test_a_redirect_to_a_private_address_is_refused(tmp_path: Path, server: Server, host: str) -> None:
    server.put("/", redirect(server.url("/secret", host)))
    server.put("/secret", b"secret")
    with fetcher(tmp_path) as http, pytest.raises(FetchError, match="public internet"):
        http.get(server.url("/"))
    assert server.targets() == ["/"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.org/", "javascript:alert(1)", "data:,x"])
def test_a_redirect_to_another_scheme_is_refused(tmp_path: Path, server: Server, target: str) -> None:
    server.put("/", redirect(target))
    with fetcher(tmp_path) as http, pytest.raises(FetchError, match="not an http or https URL"):
        http.get(server.url("/"))


def test_a_redirect_to_a_host_not_allowed_is_refused(tmp_path: Path, server: Server) -> None:
    server.put("/", redirect("http://elsewhere.example/"))
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with fetcher(tmp_path, hosts={"127.0.0.1"}, resolve=resolve) as http:
        with pytest.raises(FetchError, match=r"host elsewhere\.example, not among those allowed"):
            http.get(server.url("/"))
    assert asked == ["127.0.0.1"]


def test_a_request_can_narrow_the_hosts(tmp_path: Path, server: Server) -> None:
    with fetcher(tmp_path) as http, pytest.raises(FetchError, match="not among those allowed"):
        http.get(server.url("/"), hosts={"example.org"})
    assert server.requests == []


def test_loopback_is_refused_without_leave(tmp_path: Path, server: Server) -> None:
    with fetcher(tmp_path, allow_private=False) as http, pytest.raises(FetchError, match="public internet"):
        http.get(server.url("/"))
    assert server.requests == []


def test_one_private_address_in_an_answer_is_enough_to_refuse(tmp_path: Path, server: Server) -> None:
    with fetcher(tmp_path, resolve=lambda host, port: ["93.184.215.14", "127.0.0.1"]) as http:
        with pytest.raises(FetchError, match="public internet"):
            http.get(server.url("/", "www.example.org"))
    assert server.requests == []


def test_a_name_is_resolved_once_and_the_checked_address_connected_to(tmp_path: Path, server: Server) -> None:
    # The second answer would lead elsewhere: a name that rebinds between the check and the connection.
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    server.put("/", b"heron")
    with fetcher(
        tmp_path, allow_private={"www.example.org"}, tries=1, resolve=lambda host, port: answers.pop(0)
    ) as http:
        assert http.get(server.url("/", "www.example.org")).content == b"heron"
    assert answers == [["10.0.0.1"]]
    assert server.requests[0].headers["host"] == f"www.example.org:{server.port}"


def test_a_later_connection_is_checked_again(tmp_path: Path, server: Server) -> None:
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    server.put("/", Reply(b"x" * 100, cut_at=5))
    allowed = {"www.example.org"}

    def resolve(host: str, port: int) -> list[str]:
        if len(answers) == 1:
            allowed.clear()
        return answers.pop(0)

    with fetcher(tmp_path, allow_private=allowed, resolve=resolve) as http:
        with pytest.raises(FetchError, match=r"10\.0\.0\.1.*public internet"):
            http.get(server.url("/", "www.example.org"))


def test_a_name_without_an_address_is_an_error(tmp_path: Path) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    with fetcher(tmp_path, resolve=resolve, tries=2) as http, pytest.raises(FetchError, match="has no address"):
        http.get("http://nowhere.example/")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("64:ff9b::5db8:d70e", True),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("127.0.0.2", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("239.255.255.250", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("192.0.2.1", False),
        ("::", False),
        ("::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
    ],
)
def test_public_addresses(address: str, expected: bool) -> None:
    assert is_public(address) is expected
