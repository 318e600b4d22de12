from dataclasses import replace
from typing import Any

import pytest

from rag.settings import Settings
from web.access.address import Proxies, is_local


def scope(client: str | None, *headers: tuple[str, str], scheme: str = "http") -> dict[str, Any]:
    return {
        "type": "http",
        "scheme": scheme,
        "client": (client, 50000) if client else None,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }


def behind(*proxies: str, header: str = "") -> Proxies:
    return Proxies(replace(Settings(), trusted_proxies=proxies, user_header=header))


FORWARDED = "X-Forwarded-For"


@pytest.mark.parametrize(
    ("client", "forwarded", "address"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        # What stands before the last one that is not trusted was written by whoever wished to be another.
        ("10.0.0.1", ["127.0.0.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["6.6.6.6, garbage"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8:1:2:3:4:5:6]:4711"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", [], "2001:db8:1:2::/64"),
        (None, ["198.51.100.1"], ""),
    ],
)
def test_the_address_is_the_last_one_that_no_trusted_proxy_has(client, forwarded, address) -> None:
    asked = scope(client, *((FORWARDED, value) for value in forwarded))
    assert behind("10.0.0.0/8").address(asked) == address


def test_without_trusted_proxies_no_header_counts() -> None:
    said = (
        (FORWARDED, "1.1.1.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "a.example"),
        ("X-User", "eve"),
    )
    asked = scope("127.0.0.1", *said, ("Host", "b.example"))
    proxies = Proxies(Settings())
    assert (proxies.address(asked), proxies.secure(asked), proxies.host(asked)) == ("127.0.0.1", False, "b.example")
    assert proxies.user(asked) is None


def test_only_a_trusted_proxy_names_the_visitor() -> None:
    proxies = behind("10.0.0.1", header="X-Forwarded-User")
    named = ("X-Forwarded-User", "Anna Kovács")
    assert proxies.user(scope("10.0.0.1", named)) == "Anna Kovács"
    assert proxies.user(scope("10.0.0.2", named)) is None
    # The visitor's own address is another than the sender's.
    assert proxies.user(scope("10.0.0.2", named, (FORWARDED, "10.0.0.1"))) is None
    assert proxies.user(scope("10.0.0.1")) is None


@pytest.mark.parametrize("names", [["eve", "bob"], [""], ["x" * 201], ["a\x07b"]])
def test_a_name_that_may_not_be_the_proxys_is_nobody(names: list[str]) -> None:
    proxies = behind("10.0.0.1", header="x-user")
    assert proxies.user(scope("10.0.0.1", *(("X-User", name) for name in names))) is None


def test_the_scheme_and_the_host_are_the_visitors() -> None:
    proxies = behind("10.0.0.1")
    asked = scope("10.0.0.1", ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "Chat.Example"), ("Host", "inner"))
    assert proxies.secure(asked) and proxies.host(asked) == "chat.example"
    assert proxies.secure(scope("203.0.113.9", scheme="https"))
    assert not proxies.secure(scope("10.0.0.1", ("X-Forwarded-Proto", "http")))


def test_headers_that_no_trusted_proxy_sent_are_taken_away() -> None:
    proxies = behind("10.0.0.1", header="x-user")
    sent = ((FORWARDED, "1.1.1.1"), ("X-Forwarded-Host", "evil"), ("X-User", "eve"), ("X-Gradio-Server", "http://evil"))
    asked = scope("203.0.113.9", *sent, ("Accept", "text/html"))
    proxies.clean(asked)
    assert asked["headers"] == [(b"accept", b"text/html")]
    believed = scope("10.0.0.1", *sent)
    proxies.clean(believed)
    assert len(believed["headers"]) == len(sent)


@pytest.mark.parametrize(
    ("host", "trusted", "local"),
    [
        ("127.0.0.1", (), True),
        ("127.0.0.5", (), True),
        ("localhost", (), True),
        ("::1", (), True),
        ("0.0.0.0", (), False),
        ("192.168.1.4", (), False),
        ("127.0.0.1", ("127.0.0.1",), False),
    ],
)
def test_a_program_is_local_where_nobody_else_reaches_it(host, trusted, local) -> None:
    assert is_local(replace(Settings(), host=host, trusted_proxies=trusted)) is local
