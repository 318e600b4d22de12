from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from rag.settings import Settings
from web.access.address import Proxies
from web.access.origin import Origin

LAN = {"host": "192.168.1.4"}
SHOP = "https://shop.example"


def client(**settings: Any) -> TestClient:
    def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{request.url.scheme} {sorted(request.headers.keys())}")

    routes = [Route(path, echo, methods=["GET", "POST"]) for path in ("/hu/", "/login", "/v1/search", "/mcp")]
    configured = replace(Settings(), **settings)
    middleware = Middleware(Origin, settings=configured, proxies=Proxies(configured))
    app = Starlette(routes=routes, middleware=[middleware])
    return TestClient(app, base_url="http://127.0.0.1:7860", client=("127.0.0.1", 50000), raise_server_exceptions=False)


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1", "[::1]:7860", "LOCALHOST.", "172.17.0.2:7860"])
def test_a_local_program_answers_to_its_own_names(host: str) -> None:
    assert client().get("/hu/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "localhost.evil.example", "127.0.0.1.evil.example"]
)
@pytest.mark.parametrize("path", ["/hu/", "/v1/search", "/mcp"])
def test_a_local_program_does_not_answer_to_a_name_that_was_made_to_point_here(host: str, path: str) -> None:
    response = client().get(path, headers={"host": host})
    assert response.status_code == 421
    if path != "/hu/":
        assert response.json()["error"]["code"] == "wrong_host"


def test_named_hosts_are_the_only_names() -> None:
    named = client(allowed_hosts=("chat.example",), **LAN)
    answers = {host: named.get("/hu/", headers={"host": host}).status_code for host in ("chat.example:80", "a.example")}
    assert answers == {"chat.example:80": 200, "a.example": 421}
    assert client(**LAN).get("/hu/", headers={"host": "a.example"}).status_code == 200


def status(
    asked: TestClient, origin: str, path: str = "/login", method: str = "POST", host: str = "127.0.0.1:7860"
) -> int:
    return asked.request(method, path, headers={"origin": origin, "host": host}).status_code


@pytest.mark.parametrize("path", ["/hu/", "/login", "/v1/search", "/mcp"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "app://x", "http://[", "http://"]
)
def test_only_own_pages_may_send_something(path: str, origin: str) -> None:
    assert status(client(), origin, path) == 403
    assert status(client(), origin, path, "GET") == 200
    assert status(client(), "http://127.0.0.1:7860", path) == 200


def test_programs_that_are_no_pages_name_no_origin() -> None:
    assert client().post("/v1/search").status_code == 200


def test_the_port_that_browsers_leave_out_makes_no_difference() -> None:
    assert status(client(**LAN), "http://chat.example", host="chat.example:80") == 200
    assert status(client(**LAN), "https://chat.example", host="chat.example:8443") == 403


def test_behind_a_proxy_the_own_page_has_the_name_that_the_visitor_asked_for() -> None:
    proxied = client(trusted_proxies=("127.0.0.1",))
    headers = {"origin": "https://chat.example", "x-forwarded-host": "chat.example", "x-forwarded-proto": "https"}
    answer = proxied.post("/login", headers=headers)
    assert answer.status_code == 200 and answer.text.startswith("https ") and "x-forwarded-host" in answer.text
    # The proxy is not named to this one, but the name that it serves is.
    assert client(**LAN).post("/login", headers=headers).status_code == 403
    assert client(allowed_hosts=("chat.example",)).post("/login", headers=headers).status_code == 200


def test_what_no_proxy_said_does_not_come_through() -> None:
    answer = client().get("/hu/", headers={"x-forwarded-host": "evil.example", "x-forwarded-proto": "https"})
    assert answer.text.startswith("http ") and "x-forwarded" not in answer.text


@pytest.mark.parametrize(
    "header", ["x-forwarded-for: 203.0.113.7", "forwarded: for=203.0.113.7", "x-real-ip: 203.0.113.7"]
)
def test_nobody_is_taken_for_this_machine_behind_a_proxy_that_is_not_named(header: str) -> None:
    headers = dict([header.split(": ")])
    refused = client().get("/v1/search", headers=headers)
    assert refused.status_code == 403 and refused.json()["error"]["code"] == "unknown_proxy"
    assert "LACERTA_TRUSTED_PROXIES" in client().get("/hu/", headers=headers).text
    # Where others are let in only as the settings say, such a header changes nothing.
    assert client(**LAN).get("/hu/", headers=headers).status_code == 200
    assert client(trusted_proxies=("127.0.0.1",)).get("/hu/", headers=headers).status_code == 200


def preflight(asked: TestClient, path: str = "/v1/search", origin: str = SHOP) -> Any:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-os",
    }
    return asked.options(path, headers=headers)


def test_other_web_sites_are_closed_out_until_they_are_named() -> None:
    assert "access-control-allow-origin" not in preflight(client()).headers
    assert "access-control-allow-origin" not in client().get("/v1/search", headers={"origin": SHOP}).headers


def test_a_named_web_site_may_call_the_programs_interface_and_nothing_else() -> None:
    shared = client(cors_origins=(SHOP,))
    allowed = preflight(shared)
    assert allowed.status_code == 200 and allowed.headers["access-control-allow-origin"] == SHOP
    assert "x-stainless-os" in allowed.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in allowed.headers
    answer = shared.post("/v1/search", headers={"origin": SHOP})
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == SHOP
    assert "retry-after" in answer.headers["access-control-expose-headers"]
    assert answer.headers["vary"] == "Origin"
    for path in ("/hu/", "/login", "/mcp"):
        assert status(shared, SHOP, path) == 403
        assert "access-control-allow-origin" not in preflight(shared, path).headers
    assert status(shared, "https://other.example", "/v1/search") == 403
    assert "access-control-allow-origin" not in preflight(shared, origin="https://other.example").headers


def test_every_web_site_can_be_named() -> None:
    assert preflight(client(cors_origins=("*",))).headers["access-control-allow-origin"] == "*"
    assert status(client(cors_origins=("*",)), SHOP, "/v1/search") == 200
    assert status(client(cors_origins=("*",)), SHOP, "/login") == 403
