"""Keys, their lines among the settings, which parts are open, and the door in front of a small application."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from dotenv import dotenv_values
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from rag.errors import ConfigurationError, LacertaError
from rag.settings import ROOT, Secret, Settings
from tests.web_server import served
from web.access.address import Proxies
from web.access.caller import Caller, Limits, caller_of
from web.access.door import Door, part_of
from web.access.key_command import run
from web.access.keys import Keys, check_of, new_key, parse_key
from web.access.lines import Line, assignment, format, parse, read_lines, remove_line, write_line
from web.access.policy import check, open_parts
from web.access.visitors import Visitors

KEY = new_key()
CHECK = check_of(KEY)


@pytest.mark.parametrize(
    "line",
    [
        Line(CHECK),
        Line(CHECK, frozenset({"space", "my domain"}), minute=60, day=0),
        Line(CHECK, frozenset(), tokens=100_000),
        Line(Secret("scrypt:32768:8:1:c2FsdA:aGFzaA"), day=5),
    ],
)
def test_a_line_is_read_as_it_was_written(line: Line, tmp_path: Path) -> None:
    found = parse("LACERTA_KEY_A", format(line))
    assert (found.check.reveal(), found.domains) == (line.check.reveal(), line.domains)
    assert (found.minute, found.day, found.tokens) == (line.minute, line.day, line.tokens)
    # As shells, python-dotenv and those who leave the quotes in read it.
    file = tmp_path / ".env"
    file.write_text(assignment("LACERTA_KEY_A", line), encoding="utf-8")
    shell = subprocess.run(["sh", "-c", f'. {file}; printf %s "$LACERTA_KEY_A"'], capture_output=True, text=True)
    assert shell.stdout == dotenv_values(file)["LACERTA_KEY_A"] == format(line)
    assert format(parse("LACERTA_KEY_A", file.read_text("utf-8").partition("=")[2])) == format(line)


KEY_HASH = CHECK.reveal().removeprefix("sha256:")


@pytest.mark.parametrize(
    "text",
    [
        "my-plain-secret", "sha256:12ab", f"{CHECK.reveal()}; domain=space", f"{CHECK.reveal()}; minute=-1",
        f"{CHECK.reveal()}; minute=", f"{CHECK.reveal()}; minute=²", f"{CHECK.reveal()}; day={'9' * 5000}",
        f"{CHECK.reveal().upper()}", "; domains=space",
        f"md5:{CHECK.reveal().removeprefix('sha256:')}",
    ],
    # Without what is random in them.
    ids=lambda text: text.replace(KEY_HASH, "HASH").replace(KEY_HASH.upper(), "HASH")[:40],
)  # fmt: skip
def test_a_line_that_is_wrong_is_named_and_never_shown(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="LACERTA_KEY_EVE") as raised:
        Keys(Settings(keys={"eve": Secret(text)}), tmp_path / ".env")
    assert all(len(part) < 8 or part not in str(raised.value) for part in text.split("; "))


def test_keys_are_random_and_kept_as_a_hash_alone() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100 and all(key.startswith("lac_") and len(key) == 47 for key in keys)
    assert KEY.removeprefix("lac_") not in CHECK.reveal() and CHECK.reveal() == check_of(KEY).reveal()
    assert "sha256" not in repr(parse_key("LACERTA_KEY_A", CHECK.reveal()))


def test_a_caller_has_the_limits_of_its_line_or_of_the_settings(tmp_path: Path) -> None:
    other = new_key()
    lines = {
        "alice": Secret(f"{CHECK.reveal()}; domains=space,vault; minute=0; tokens=7"),
        "bob": check_of(other),
    }
    keys = Keys(Settings(keys=lines, requests_minute=10, requests_day=20, tokens_day=30), tmp_path / ".env")
    domains = frozenset({"space", "vault"})
    assert keys.caller(KEY, "192.0.2.1") == Caller("key", "alice", "192.0.2.1", domains, Limits(0, 20, 7))
    assert keys.caller(other, "x") == Caller("key", "bob", "x", None, Limits(10, 20, 30))
    for wrong in ("", KEY[:-1], KEY + "a", KEY.upper(), CHECK.reveal(), "lac_", "\udcff", "é"):
        assert keys.caller(wrong, "x") is None


def test_a_file_keeps_all_else_and_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "kept" / "settings"
    target.parent.mkdir()
    before = (
        "# a comment with é and \u2028\nLACERTA_PORT=7000\n\nexport LACERTA_KEY_BOB=x\n"
        "LACERTA_KEY_BOB_TWO=y\n#LACERTA_KEY_BOB=\n"
    )
    target.write_text(before, encoding="utf-8")
    target.chmod(0o640)
    file = tmp_path / ".env"
    file.symlink_to(target)
    write_line("LACERTA_KEY_BOB", Line(CHECK), file)
    assert file.is_symlink() and stat.S_IMODE(target.stat().st_mode) == 0o640
    rest = before.replace("export LACERTA_KEY_BOB=x\n", "")
    assert target.read_text("utf-8") == f"{rest}LACERTA_KEY_BOB='{CHECK.reveal()}'\n"
    assert remove_line("LACERTA_KEY_BOB", file) and not remove_line("LACERTA_KEY_BOB", file)
    assert target.read_text("utf-8") == rest
    assert sorted(os.listdir(tmp_path)) == [".env", "kept"] and os.listdir(target.parent) == ["settings"]
    fresh = tmp_path / "new"
    write_line("LACERTA_KEY_BOB", Line(CHECK), fresh)
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o600
    with pytest.raises(LacertaError, match="--print"):
        write_line("LACERTA_KEY_BOB", Line(CHECK), tmp_path / "nowhere" / ".env")


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("LACERTA_KEY_A=file\nLACERTA_KEY_B=file\nLACERTA_KEY_C=file\nLACERTA_LOGIN_A=x\n")
    environment = {"LACERTA_KEY_A": "own", "LACERTA_KEY_B": " ", "LACERTA_KEY_D": "own", "OTHER": "x"}
    assert read_lines("KEY", file, environment) == {"a": "own", "c": "file", "d": "own"}


def test_the_command_adds_lists_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / ".env"
    assert (
        run(["add", "Alice", "--domain", "space", "--domain", "internship", "--minute", "60", "--day", "9"], file) == 0
    )
    key = capsys.readouterr().out.split()[-1]
    line = f"{check_of(key).reveal()}; domains=internship,space; minute=60; day=9"
    assert file.read_text() == f"LACERTA_KEY_ALICE='{line}'\n"
    for arguments, said in (
        (["add", "alice"], "remove alice"),
        (["add", "eve", "--domain", "nowhere"], "nowhere"),
        (["add", "eve", "--minute", "-1"], "--minute"),
        (["add", "e=ve"], "e=ve"),
        (["remove", "eve"], "it is not in"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            run(arguments, file)
    assert file.read_text() == f"LACERTA_KEY_ALICE='{line}'\n"
    assert run(["add", "bob", "--print"], file) == 0
    printed = capsys.readouterr()
    key = printed.err.split()[-1]
    # What is sent to a file holds the line and nothing that opens the door.
    assert printed.out == f"LACERTA_KEY_BOB='{check_of(key).reveal()}'\n" and "BOB" not in file.read_text()
    assert run(["list"], file) == 0
    listed = capsys.readouterr().out
    assert "alice" in listed and "internship, space" in listed and "60 requests a minute" in listed
    assert "sha256" not in listed
    assert run(["remove", "ALICE"], file) == 0
    assert file.read_text() == ""


LOCAL = Settings()
PROXIED = Settings(trusted_proxies=("127.0.0.1",))
PUBLIC = Settings(host="0.0.0.0")
ALL = {"page", "api", "metrics"}


@pytest.mark.parametrize(
    ("settings", "key", "login", "expected"),
    [
        (LOCAL, False, False, ALL),
        (replace(LOCAL, host="::1"), False, False, ALL),
        (replace(LOCAL, host="localhost"), False, False, ALL),
        (LOCAL, True, False, {"page"}),
        (LOCAL, False, True, {"api", "metrics"}),
        (LOCAL, True, True, set()),
        (replace(LOCAL, open=("metrics",)), True, True, {"metrics"}),
        (PROXIED, False, False, set()),
        (replace(PROXIED, user_header="x-user", open=("api",)), False, False, {"api"}),
        (PUBLIC, False, False, set()),
        (PUBLIC, True, False, set()),
        (replace(PUBLIC, host="192.0.2.1", open=("page",)), True, True, {"page"}),
    ],
)
def test_which_parts_are_open(settings: Settings, key: bool, login: bool, expected: set[str]) -> None:
    assert open_parts(settings, key, login) == expected


@pytest.mark.parametrize("settings", [PUBLIC, PROXIED, replace(LOCAL, host="::"), replace(LOCAL, host="192.0.2.1")])
def test_a_program_that_nobody_guards_is_not_served(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="LACERTA_OPEN=page,api"):
        check(settings)
    check(replace(settings, keys={"a": CHECK}))
    check(replace(settings, open=("page",)))
    check(replace(settings, trusted_proxies=("192.0.2.0/24",), user_header="x-user"))
    with pytest.raises(ConfigurationError, match="LACERTA_LOGIN_BOB"):
        check(replace(LOCAL, logins={"bob": Secret("password")}))


def test_the_program_says_why_it_does_not_start(tmp_path: Path) -> None:
    environment = {**os.environ, "LACERTA_HOST": "0.0.0.0", "LACERTA_OPEN": "", "LACERTA_VAR": str(tmp_path / "var")}
    ended = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2 and "python -m web key add NAME" in ended.stderr
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/", ""), ("/healthz", ""), ("/static/x.css", ""), ("/v1/docs", ""), ("/login", ""),
        ("/v1", "api"), ("/v1/models", "api"), ("/v1/docs/x", "api"), ("/mcp", "api"), ("/mcp/x", "api"),
        ("/mcp\n", "api"), ("/metrics", "metrics"), ("/metrics\n", "metrics"), ("/metrics/x", "metrics"),
        ("/en/", "page"), ("/en/v1/models", "page"), ("/healthz/x", "page"), ("/new", "page"), ("", "page"),
        ("//v1", "page"), ("/v1x", "page"), ("/login/x", "page"),
    ],
)  # fmt: skip
def test_what_is_not_known_to_be_a_programs_is_the_pages(path: str, part: str) -> None:
    assert part_of(path) == part


def who(request: Request) -> PlainTextResponse:
    return PlainTextResponse(caller_of(request).account)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[tuple[httpx.Client, Path]]:
    """A server on this machine alone, and the file of its keys."""
    file = tmp_path / ".env"
    settings = Settings(var=tmp_path)
    proxies = Proxies(settings)
    guarded = Middleware(
        Door, settings=settings, keys=Keys(settings, file), visitors=Visitors(settings, proxies), proxies=proxies
    )
    with served(Starlette(routes=[Route("/v1/who", who)], middleware=[guarded])) as client:
        yield client, file


def soon(client: httpx.Client, status: int, key: str = "") -> httpx.Response:
    """The response once it has this status: a change counts within a second."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    until = time.monotonic() + 5
    while True:
        response = client.get("/v1/who", headers=headers)
        if response.status_code == status or time.monotonic() > until:
            assert response.status_code == status
            return response
        time.sleep(0.05)


def test_keys_come_and_go_while_it_serves(
    door: tuple[httpx.Client, Path], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    client, file = door
    assert soon(client, 200).text == "anonymous:127.0.0.1"
    keys = {}
    for name in ("alice", "bob"):
        run(["add", name], file)
        keys[name] = capsys.readouterr().out.split()[-1]
        assert soon(client, 401, "other").json()["error"]["code"] == "invalid_api_key"
        assert soon(client, 200, keys[name]).text == f"key:{name}"
    soon(client, 401)
    run(["remove", "alice"], file)
    soon(client, 401, keys["alice"])
    assert soon(client, 200, keys["bob"]).text == "key:bob"
    # A file that somebody broke changes nothing.
    with file.open("a") as written:
        written.write("LACERTA_KEY_EVE=my-own-secret\n")
    until = time.monotonic() + 5
    while "LACERTA_KEY_EVE" not in caplog.text and time.monotonic() < until:
        client.get("/v1/who")
        time.sleep(0.05)
    assert "LACERTA_KEY_EVE" in caplog.text and "my-own-secret" not in caplog.text
    assert soon(client, 200, keys["bob"]).text == "key:bob"
    soon(client, 401, "my-own-secret")
