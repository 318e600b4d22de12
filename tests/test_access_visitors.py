import io
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.answer import Engine
from rag.errors import ConfigurationError, LacertaError
from rag.settings import LANGUAGES, Secret, Settings
from tests.test_answer import TEXTS, ground  # noqa: F401  (a fixture)
from tests.web_server import served
from web import server
from web.access import login_command
from web.access.address import Proxies
from web.access.attempts import Attempts
from web.access.lines import read_lines
from web.access.login import local_path
from web.access.passwords import NOBODY, is_password, password_hash
from web.access.visitors import COOKIE, COOKIE_SECONDS, Visitors, parse_login
from web.texts import texts

PASSWORD = "árvíztűrő tükörfúrógép"
KEPT = password_hash(PASSWORD)
BOB = {"bob": Secret(f"scrypt:{KEPT}; domains=guide; minute=7")}
ANN = {"ann": Secret(f"scrypt:{KEPT}")}
THEME = '<script src="/static/js/theme.js"></script>'
"""It chooses between light and dark, and is the only script beside what a password is typed into."""


def test_a_password_is_known_by_what_is_kept_of_it() -> None:
    assert is_password(PASSWORD, KEPT)
    # As a keyboard of another system writes the same letters.
    assert is_password("a\u0301rvi\u0301ztu\u030bro\u030b tu\u0308ko\u0308rfu\u0301ro\u0301ge\u0301p", KEPT)
    assert password_hash(PASSWORD) != KEPT
    assert PASSWORD not in KEPT


@pytest.mark.parametrize("password", ["", "arvizturo tukorfurogep", PASSWORD + " ", "\ud800", "x" * 5000])
def test_another_password_is_not(password: str) -> None:
    assert not is_password(password, KEPT)


@pytest.mark.parametrize(
    "kept", ["", "a:b:c:d:e", "32768:8:1:é:é", "999999999:8:1:AAAA:AAAA", "-1:8:1:AAAA:AAAA", "1:2"]
)
def test_what_is_kept_wrongly_fits_no_password(kept: str) -> None:
    assert not is_password(PASSWORD, kept)


def test_a_name_that_is_not_there_costs_as_much_as_one_that_is() -> None:
    assert NOBODY.split(":")[:3] == KEPT.split(":")[:3]
    assert not is_password(PASSWORD, NOBODY)


@pytest.mark.parametrize(
    "text",
    ["sha256:" + "0" * 64, KEPT, "scrypt:abc", "scrypt:" + KEPT + "; colour=green"],
    ids=["another kind", "no kind", "cut off", "an unknown wish"],
)
def test_a_login_that_is_wrong_says_so_and_not_what_it_holds(text: str) -> None:
    with pytest.raises(ConfigurationError, match="LACERTA_LOGIN_BOB") as wrong:
        parse_login("LACERTA_LOGIN_BOB", text)
    assert KEPT not in str(wrong.value)


def configured(folder: Path, **settings: Any) -> Settings:
    return replace(Settings(), **{"var": folder, "logins": {**BOB, **ANN}, **settings})


def of(settings: Settings) -> Visitors:
    return Visitors(settings, Proxies(settings))


def scope(cookie: str = "", *headers: tuple[str, str]) -> dict[str, Any]:
    sent = [("cookie", f"theme=a b; {COOKIE}={cookie}; odd={{1:2}}"), *headers]
    named = [(name.encode(), value.encode()) for name, value in sent]
    return {"type": "http", "scheme": "http", "client": ("127.0.0.1", 1), "headers": named}


def test_a_cookie_names_its_visitor_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    visitors = of(configured(tmp_path, requests_minute=3, requests_day=9))
    cookie = visitors.cookie("bob")
    caller = visitors.caller(scope(cookie))
    assert caller is not None and (caller.kind, caller.name, caller.domains) == ("login", "bob", frozenset({"guide"}))
    assert (caller.limits.minute, caller.limits.day, caller.account) == (7, 9, "login:bob")
    ann = visitors.caller(scope(visitors.cookie("ann")))
    assert ann is not None and ann.domains is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + COOKIE_SECONDS - 60)
    assert visitors.caller(scope(cookie)) is not None
    monkeypatch.setattr(time, "time", lambda: now + COOKIE_SECONDS + 60)
    assert visitors.caller(scope(cookie)) is None


def test_a_cookie_that_was_made_up_names_nobody(tmp_path: Path) -> None:
    visitors = of(configured(tmp_path))
    name, expires, signature = visitors.cookie("bob").split(".")
    other = visitors.cookie("ann").split(".")[2]
    made_up = [
        "",
        "bob",
        f"bob.{expires}",
        f"bob.{expires}.",
        f"bob.{expires}.{other}",
        f"ann.{expires}.{signature}",
        f"bob.{int(expires) + 1}.{signature}",
        f"bob.{expires}0.{signature}",
        f"bob.٣.{signature}",
        f"bob.{expires}.é",
        f"eve.{expires}.{signature}",
    ]
    assert [cookie for cookie in made_up if visitors.caller(scope(cookie))] == []
    assert visitors.caller(scope(f"{name}.{expires}.{signature}")) is not None


def test_a_cookie_ends_when_the_line_of_its_login_changes(tmp_path: Path) -> None:
    cookie = of(configured(tmp_path)).cookie("bob")
    assert of(configured(tmp_path)).caller(scope(cookie)) is not None
    changed = (f"scrypt:{password_hash(PASSWORD)}; domains=guide; minute=7", f"scrypt:{KEPT}; minute=7")
    for line in changed:
        assert of(configured(tmp_path, logins={"bob": Secret(line)})).caller(scope(cookie)) is None
    assert of(configured(tmp_path, logins=ANN)).caller(scope(cookie)) is None


def test_a_login_that_is_changed_in_the_file_counts_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    for password in (PASSWORD, "another password"):
        monkeypatch.setattr("sys.stdin", io.StringIO(password))
        if password == PASSWORD:
            assert login_command.run(["add", "Bob"], file) == 0
            settings = configured(tmp_path, logins={"bob": Secret(read_lines("LOGIN", file, {})["bob"])})
            visitors = Visitors(settings, Proxies(settings), file)
            cookie = visitors.cookie("bob")
            assert visitors.check("bob", PASSWORD)
        else:
            assert login_command.run(["password", "bob"], file) == 0
    until(lambda: visitors.caller(scope(cookie)) is None)
    assert visitors.check("bob", "another password") and not visitors.check("bob", PASSWORD)
    login_command.run(["remove", "bob"], file)
    until(lambda: not visitors.needed)


def until(reached: Callable[[], bool]) -> None:
    """Returns once it is so; a test that waits for ever fails."""
    deadline = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_secret_of_the_cookies_is_the_owners_alone_and_that_of_all_processes(tmp_path: Path) -> None:
    processes = [of(configured(tmp_path / "var")) for _ in range(8)]
    cookies: list[str] = []
    threads = [threading.Thread(target=lambda one=one: cookies.append(one.cookie("bob"))) for one in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    key = tmp_path / "var" / "session.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and len(key.read_bytes()) == 32
    assert os.listdir(tmp_path / "var") == ["session.key"]
    assert len(cookies) == 8
    assert all(one.caller(scope(cookie)) for one in processes for cookie in cookies)
    key.unlink()
    assert of(configured(tmp_path / "var")).caller(scope(cookies[0])) is None


def test_a_secret_that_is_too_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / "session.key").write_bytes(b"short")
    with pytest.raises(LacertaError, match="delete it"):
        of(configured(tmp_path)).cookie("bob")


def test_a_trusted_proxy_logs_visitors_in(tmp_path: Path) -> None:
    visitors = of(configured(tmp_path, user_header="x-user", trusted_proxies=("127.0.0.1",), requests_day=5))
    caller = visitors.caller(scope("", ("x-user", "carla@example.org")))
    assert caller is not None and (caller.kind, caller.name, caller.domains) == ("login", "carla@example.org", None)
    assert caller.limits.day == 5
    # A login of that name says what the visitor may see.
    known = visitors.caller(scope("", ("x-user", "Bob")))
    assert known is not None and known.domains == frozenset({"guide"})
    assert visitors.caller(scope()) is None
    other = of(configured(tmp_path, user_header="x-user", trusted_proxies=("10.0.0.1",), logins={}))
    assert other.needed and other.caller(scope("", ("x-user", "carla"))) is None


def test_attempts_are_counted_by_key_and_forgotten() -> None:
    now = [0.0]
    attempts = Attempts(2, 60, lambda: now[0])
    for _ in range(2):
        assert attempts.wait("a") == 0
        attempts.add("a")
        now[0] += 10
    assert attempts.wait("a") == 40 and attempts.wait("b") == 0
    now[0] = 60
    assert attempts.wait("a") == 0
    attempts.add("a")
    assert attempts.wait("a") == 10
    attempts.take_back("a")
    assert attempts.wait("a") == 0


@pytest.mark.parametrize(
    "target",
    [
        "", "hu/", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "/ /evil.example",
        "/hu/\r\nSet-Cookie: a=b", "javascript:alert(1)", "/login", "/login?next=/login", "/logout/", "/" + "x" * 3000,
    ],
)  # fmt: skip
def test_after_the_login_nobody_is_sent_elsewhere(target: str) -> None:
    assert local_path(target) == "/"


@pytest.mark.parametrize("target", ["/", "/hu/", "/ko/?domain=guide", "/v1/docs", "/hu/?domain=%EB%B2%95"])
def test_after_the_login_the_visitor_is_where_he_wished_to_be(target: str) -> None:
    assert local_path(target) == target


@contextmanager
def opened(ground: Settings, folder: Path) -> Iterator[httpx.Client]:  # noqa: F811
    """The whole program; the domain `guide` is private, and `plain` is not."""
    told = (ground.corpora / "guide" / "domain.toml").read_text(encoding="utf-8")
    for name, first in (("guide", "private = true\n"), ("plain", "")):
        (folder / name).mkdir(parents=True)
        named = told.replace("Internship guide", f"Title of {name}")
        (folder / name / "domain.toml").write_text(first + named, encoding="utf-8")
    engine = Engine(replace(ground, corpora=folder, logins={**BOB, **ANN}))
    try:
        with served(server.create(engine)) as client:
            yield client
    finally:
        engine.close()


@pytest.fixture(scope="module")
def program(ground: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:  # noqa: F811
    with opened(ground, tmp_path_factory.mktemp("visitors")) as client:
        yield client


@pytest.fixture
def site(program: httpx.Client) -> httpx.Client:
    """The program as a new visitor has it."""
    program.cookies.clear()
    return program


def log_in(site: httpx.Client, name: str = "bob", password: str = PASSWORD, target: str = "/en/") -> httpx.Response:
    return site.post("/login", data={"name": name, "password": password, "next": target})


HTML = {"accept": "text/html"}


def test_a_visitor_logs_in_and_out(site: httpx.Client) -> None:
    sent = site.get("/hu/?domain=guide", headers=HTML)
    assert sent.status_code == 303
    asked = site.get(sent.headers["location"], headers=HTML)
    assert (
        asked.status_code == 200
        and texts("hu")["log_in"] in asked.text
        and "<script" not in asked.text.replace(THEME, "")
    )
    assert 'value="/hu/?domain=guide"' in asked.text and asked.headers["cache-control"] == "no-store"
    wrong = log_in(site, password="wrong", target="/ko/")
    assert wrong.status_code == 403 and texts("ko")["login_wrong"] in wrong.text and "set-cookie" not in wrong.headers
    right = log_in(site, "BOB ", target="/hu/?domain=guide")
    assert (right.status_code, right.headers["location"]) == (303, "/hu/?domain=guide")
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
    assert site.get("/hu/", headers=HTML).status_code == 200
    assert site.get("/login?next=/ko/").headers["location"] == "/ko/"
    # The page's cookie opens nothing for programs.
    assert (
        site.get("/v1/models", headers={"accept": "application/json"}).status_code
        == site.get("/v1/models", headers={"cookie": ""}).status_code
    )
    assert site.post("/logout?next=/hu/").headers["location"] == "/login?next=%2Fhu%2F"
    assert site.get("/hu/", headers=HTML).status_code == 303
    assert site.get("/hu/config").status_code == 401


def test_a_request_without_a_path_is_refused_as_any_other(site: httpx.Client) -> None:
    with socket.create_connection((site.base_url.host, site.base_url.port or 80)) as raw:
        raw.sendall(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert raw.makefile("rb").readline().startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_visitor_wrote_is_text(site: httpx.Client, language: str) -> None:
    answer = log_in(site, '"><script>alert(1)</script>', "x", f'/{language}/?a="><script>alert(2)</script>')
    assert answer.status_code == 403 and "<script" not in answer.text.replace(THEME, "")
    assert f'<html lang="{language}">' in answer.text


def test_a_form_that_is_none_is_a_wrong_login(site: httpx.Client) -> None:
    assert site.post("/login").status_code == 403
    assert site.post("/login", json={"name": "bob"}).status_code == 403
    assert site.post("/login", files={"name": ("a", b"x")}).status_code == 400
    assert site.post("/login", data={f"field{number}": "x" for number in range(20)}).status_code == 400


def test_whoever_guesses_has_to_wait(ground: Settings, tmp_path: Path) -> None:  # noqa: F811
    with opened(ground, tmp_path) as site:
        for number in range(20):
            assert log_in(site, f"guess{number}", "wrong").status_code == 403
        late = log_in(site)
    assert late.status_code == 429 and texts("en")["login_wait"] in late.text
    assert 0 < int(late.headers["retry-after"]) <= 900


def test_right_logins_do_not_count_as_guesses(site: httpx.Client) -> None:
    for _ in range(25):
        assert log_in(site).status_code == 303
        site.cookies.clear()


def handler(site: httpx.Client, event: str) -> int:
    """The number of Gradio's handler of an event."""
    dependencies = site.get("/en/config").json()["dependencies"]
    return next(item["id"] for item in dependencies if any(name == event for _, name in item["targets"]))


def arrive(site: httpx.Client) -> str:
    """What the page is told as it loads."""
    asked = {"fn_index": handler(site, "load"), "data": ["plain", None]}
    return site.post("/en/gradio_api/run/predict", json=asked).text


def ask(site: httpx.Client, domain: str, text: str) -> str:
    """What a question is answered with, whoever asks."""
    joined = {
        "fn_index": handler(site, "submit"),
        "data": [text, domain, None],
        "session_hash": f"{domain}{time.monotonic_ns()}",
    }
    assert site.post("/en/gradio_api/queue/join", json=joined).status_code == 200
    said = ""
    with site.stream(
        "GET", "/en/gradio_api/queue/data", params={"session_hash": str(joined["session_hash"])}
    ) as events:
        for line in events.iter_lines():
            said += line
            if line.startswith("data:") and json.loads(line[5:])["msg"] == "process_completed":
                break
    return said


def test_the_page_shows_a_visitor_only_what_is_there_for_him(site: httpx.Client) -> None:
    log_in(site, "ann")
    assert "Title of" not in site.get("/en/config").text and "Title of" not in site.get("/en/").text
    assert "Title of plain" in arrive(site) and "Title of guide" not in arrive(site)
    denied = ask(site, "guide", "How long does the internship last?")
    assert "six weeks" not in denied and texts("en")["no_domains_visible"] in denied
    site.cookies.clear()
    log_in(site, "bob")
    assert "Title of guide" in arrive(site) and "Title of plain" not in arrive(site)
    assert "six weeks" in ask(site, "guide", "How long does the internship last?")
    assert texts("en")["no_domains_visible"] in ask(site, "plain", "How long does the internship last?")


def test_without_logins_the_page_is_there_at_once(ground: Settings) -> None:  # noqa: F811
    engine = Engine(ground)
    try:
        with served(server.create(engine)) as site:
            assert engine.domains["guide"].title["en"] in site.get("/en/config").text
            nobody = site.get("/login")
            assert nobody.status_code == 403 and "ask whoever runs this page" in nobody.text
            assert log_in(site).status_code == 403
    finally:
        engine.close()


def test_the_command_makes_changes_lists_and_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".env"
    file.write_text("# kept\nLACERTA_PORT=1234\n", encoding="utf-8")

    def run(*arguments: str, password: str = PASSWORD) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        assert login_command.run(arguments, file) == 0
        return capsys.readouterr().out

    run("add", "Bob", "--domain", "space", "--minute", "5")
    assert "LACERTA_LOGIN_DORA='scrypt:" in run("add", "dora", "--print")
    content = file.read_text(encoding="utf-8")
    assert content.startswith("# kept\nLACERTA_PORT=1234\n") and PASSWORD not in content and "DORA" not in content
    line = parse_login("LACERTA_LOGIN_BOB", read_lines("LOGIN", file, {})["bob"])
    assert line.domains == frozenset({"space"}) and line.minute == 5
    run("password", "bob", password="another password")
    changed = parse_login("LACERTA_LOGIN_BOB", read_lines("LOGIN", file, {})["bob"])
    assert replace(changed, check=line.check) == line
    assert is_password("another password", changed.check.reveal().removeprefix("scrypt:"))
    listed = run("list")
    assert "bob" in listed and "space" in listed and "scrypt" not in listed
    run("remove", "BOB")
    assert file.read_text(encoding="utf-8") == "# kept\nLACERTA_PORT=1234\n"


@pytest.mark.parametrize(
    ("arguments", "password", "said"),
    [
        (["add", "bob"], "short", "10 to 1000"),
        (["add", "bob"], "with\x00control characters", "printable"),
        (["add", "bob", "--domain", "nowhere"], PASSWORD, "nowhere"),
        (["add", "b-o-b"], PASSWORD, "letters"),
        (["add", "bob", "--day", "-1"], PASSWORD, "--day"),
        (["password", "bob"], PASSWORD, "no login"),
        (["remove", "bob"], PASSWORD, "can't be removed"),
    ],
)
def test_the_command_refuses_what_makes_no_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], password: str, said: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(password))
    with pytest.raises(ConfigurationError, match=said):
        login_command.run(arguments, tmp_path / ".env")
    assert not (tmp_path / ".env").exists()
