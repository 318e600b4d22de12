"""Every route of the program by every kind of caller, over a real server. A route that stands in no table fails."""

import hashlib
import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.settings import LANGUAGES, Secret, Settings
from tests.files import make_domain
from tests.web_server import served
from web.access.address import Proxies
from web.access.keys import check_of, new_key
from web.access.passwords import password_hash
from web.access.visitors import COOKIE, KIND, Visitors
from web.server import create

PUBLIC, PRIVATE = "harbour", "vault"
TEXTS = {PUBLIC: "The ferry sails at nine in the morning.", PRIVATE: "The safe is opened on Tuesday at noon."}
QUESTIONS = {PUBLIC: "When does the ferry sail?", PRIVATE: "When is the safe opened?"}
KEYS = {name: new_key() for name in ("all", "harbour", "vault", "both", "wrong")}
SEEN = {"": {PUBLIC}, "all": {PUBLIC}, "harbour": {PUBLIC}, "vault": {PRIVATE}, "both": {PUBLIC, PRIVATE}}
"""The domains that are there for each key, and without one where the interface is open."""
LINES = {
    "all": check_of(KEYS["all"]),
    **{
        name: Secret(f"{check_of(KEYS[name]).reveal()}; domains={','.join(sorted(SEEN[name]))}")
        for name in ("harbour", "vault", "both")
    },
}
LOGINS = {
    "bob": Secret(f"{KIND}{password_hash('a long password')}"),
    "eve": Secret(f"{KIND}{password_hash('another password')}; domains={PRIVATE}"),
    "max": Secret(f"{KIND}{password_hash('the third password')}; domains={PRIVATE}; maintainer=true"),
}
TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"accept": "application/json, text/event-stream"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is right in itself; `%s` stands for a domain where it is about one."""

    part: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None

    def about(self, domain: str, identity: str = "") -> tuple[str, str, Any]:
        text = json.dumps(self.body).replace("%s", domain).replace("%q", QUESTIONS[domain]).replace("%i", identity)
        return self.method, self.path.replace("%s", domain), None if self.body is None else json.loads(text)

    @property
    def by_domain(self) -> bool:
        return "%s" in self.path or any(sign in json.dumps(self.body) for sign in ("%s", "%i"))


ROUTES = {
    "POST /v1/chat/completions": Asked(
        "api", "POST", "/v1/chat/completions", {"model": "%s", "messages": [{"role": "user", "content": "%q"}]}
    ),
    "POST /v1/search": Asked("api", "POST", "/v1/search", {"domain": "%s", "query": "%q"}),
    "POST /v1/embeddings": Asked("api", "POST", "/v1/embeddings", {"model": "balanced", "input": "a"}),
    "POST /v1/feedback": Asked("api", "POST", "/v1/feedback", {"id": "%i", "rating": "up"}),
    "GET /v1/models": Asked("api", "GET", "/v1/models"),
    "GET /v1/models/{model:path}": Asked("api", "GET", "/v1/models/%s@extractive"),
    "GET /v1/ingest/{domain}": Asked("api", "GET", "/v1/ingest/%s"),
    "POST /mcp": Asked("api", "POST", "/mcp", TOOLS),
    "GET /metrics": Asked("metrics", "GET", "/metrics"),
    **{
        f"GET {path}": Asked("", "GET", path)
        for path in (
            "/", "/healthz", "/readyz", "/favicon.ico", "/manifest.json", "/login", "/v1/docs", "/v1/openapi.json",
        )
    },
    "POST /login": Asked("", "POST", "/login"),
    "POST /logout": Asked("", "POST", "/logout"),
}  # fmt: skip
VIEWER = {
    "GET /sources/{domain}/{document}": "/sources/%s/%d",
    "GET /sources/{domain}/{document}/pages/{number}": "/sources/%s/%d/pages/1",
    "GET /sources/{domain}/{document}/pages/{number}.webp": "/sources/%s/%d/pages/1.webp",
    "GET /sources/{domain}/{document}/file": "/sources/%s/%d/file",
    "GET /state/{domain}": "/state/%s",
    "GET /search/{domain}": "/search/%s?q=ferry+safe",
    "GET /search/{domain}/filters": "/search/%s/filters",
}
"""What the page's source viewer and its search ask for; `%d` stands for a document of the domain."""
EXPORT = {"POST /export/{domain}": "/export/%s?format=markdown"}
"""What the page makes files of: a conversation that a visitor's browser keeps."""
OWN = {
    "GET /documents/": "/documents/",
    "POST /documents/": "/documents/",
    "GET /documents/{visit}": "/documents/%v",
    "POST /documents/{visit}": "/documents/%v",
    "DELETE /documents/{visit}": "/documents/%v",
    "DELETE /documents/{visit}/{file}": "/documents/%v/%f",
}
"""What the page does with documents of a visitor's own; `%v` stands for the name of a visit, `%f` for a file of it."""
FEEDBACK = {
    "GET /feedback/": "/feedback/", "POST /feedback/": "/feedback/", "DELETE /feedback/{identity}": "/feedback/%i",
}  # fmt: skip
"""How the page rates an answer; `%i` stands for what it calls the answer by."""
MAINTAIN = {
    f"GET {path}": path
    for path in (
        "/maintain", "/maintain/questions", "/maintain/feedback", "/maintain/indexes", "/maintain/counts.csv",
        "/maintain/questions.csv", "/maintain/feedback.csv",
    )
}  # fmt: skip
"""What only logins with the right to it see."""
MOUNTS = {"/static": "", **{f"/{language}": "page" for language in LANGUAGES}}
PROGRAMS = [name for name, asked in ROUTES.items() if asked.part in ("api", "metrics")]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("matrix")
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1)
    for name, text in TEXTS.items():
        sources = make_domain(settings.corpora, name, "private = true\n" if name == PRIVATE else "")
        (sources / "note.txt").write_text(text, encoding="utf-8")
        bring_up_to_date(settings, name)
    return settings


class Program:
    """A program that serves, and a client without a key."""

    def __init__(self, client: httpx.Client, app: FastAPI, settings: Settings) -> None:
        self.client = client
        self.app = app
        self.settings = settings

    def ask(self, asked: Asked, key: str = "", domain: str = PUBLIC, identity: str = "") -> httpx.Response:
        method, path, body = asked.about(domain, identity)
        return self.client.request(method, path, json=body, headers=ACCEPT | bearer(key))

    def page(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {KEYS[key]}"} if key else {}


def program(settings: Settings) -> Iterator[Program]:
    engine = Engine(settings)
    engine.warm_up()
    app = create(engine)
    try:
        with served(app) as client:
            yield Program(client, app, settings)
    finally:
        engine.close()


@pytest.fixture(scope="module")
def closed(ground: Settings) -> Iterator[Program]:
    yield from program(replace(ground, keys=LINES, logins=LOGINS))


@pytest.fixture(scope="module")
def opened(ground: Settings) -> Iterator[Program]:
    yield from program(replace(ground, keys=LINES, logins=LOGINS, open=("page", "api", "metrics")))


@pytest.fixture(scope="module")
def page_only(ground: Settings) -> Iterator[Program]:
    yield from program(replace(ground, keys=LINES, open=("page",)))


@pytest.fixture(scope="module")
def alone(ground: Settings) -> Iterator[Program]:
    yield from program(ground)


def found_routes(routes: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of every route, also of what is mounted."""
    for route in iter_route_contexts(routes):
        inner = route.original_route
        path = before + str(route.path or getattr(inner, "path", ""))
        if isinstance(inner, Mount):
            yield from found_routes(inner.routes, path) if inner.routes else [("ANY", path)]
            continue
        methods = route.methods or getattr(inner, "methods", None)
        assert methods, f"a route without a method: {inner!r}"
        for method in sorted(set(methods) - ({"HEAD"} if "GET" in methods else set())):
            yield method, path


def test_every_route_stands_in_a_table(closed: Program) -> None:
    found = {f"{method} {path}" for method, path in found_routes(closed.app.routes)}
    inside = {name for name in found if any(name.split(" ")[1].startswith(mount) for mount in MOUNTS)}
    of_page = VIEWER.keys() | EXPORT.keys() | OWN.keys() | FEEDBACK.keys() | MAINTAIN.keys()
    assert found - inside == ROUTES.keys() | of_page
    assert len(inside) > 20


@pytest.mark.parametrize("name", ROUTES)
def test_without_a_key(closed: Program, opened: Program, name: str) -> None:
    asked = ROUTES[name]
    response = closed.ask(asked)
    if not asked.part:
        # Nobody logs in without a password.
        assert response.status_code in ((403,) if name == "POST /login" else (200, 303))
        return
    assert_unknown(response)
    assert opened.ask(asked, identity=f"chatcmpl-{'0' * 32}").status_code == 200


@pytest.mark.parametrize("name", PROGRAMS)
def test_with_a_wrong_key(closed: Program, opened: Program, page_only: Program, alone: Program, name: str) -> None:
    for running in (closed, opened, page_only):
        assert_unknown(running.ask(ROUTES[name], "wrong"))
    # Where there is no key none can be wrong.
    assert alone.ask(ROUTES[name], "wrong", identity=f"chatcmpl-{'0' * 32}").status_code == 200


@pytest.mark.parametrize("key", ["all", "harbour", "vault", "both"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_with_a_key(closed: Program, opened: Program, name: str, key: str) -> None:
    asked = ROUTES[name]
    for running in (closed, opened):
        for domain in (PUBLIC, PRIVATE):
            response = running.ask(asked, key, domain, given(running, domain) if "%i" in str(asked.body) else "")
            if asked.part == "metrics" and key != "all":
                assert (response.status_code, error(response)["code"]) == (403, "permission_denied")
            elif asked.by_domain and domain not in SEEN[key]:
                assert response.status_code == 404, response.text
                assert TEXTS[domain] not in response.text
                assert not (SEEN["both"] - SEEN[key]) & set(error(response)["message"].replace(".", "").split()[5:])
            else:
                assert response.status_code == 200, response.text


def test_what_is_private_is_not_there_for_anyone(opened: Program, alone: Program) -> None:
    for running in (opened, alone):
        for name in PROGRAMS:
            asked = ROUTES[name]
            if asked.by_domain:
                identity = given(opened, PRIVATE) if running is opened else f"chatcmpl-{'1' * 32}"
                expected = 200 if running is alone and "%i" in str(asked.body) else 404
                assert running.ask(asked, domain=PRIVATE, identity=identity).status_code == expected, name


@pytest.mark.parametrize("key", ["", "all", "harbour", "vault", "both"])
def test_models_are_those_that_are_seen(opened: Program, key: str) -> None:
    listed = opened.ask(ROUTES["GET /v1/models"], key).json()["data"]
    assert {model["id"].partition("@")[0] for model in listed} == SEEN[key]


@pytest.mark.parametrize("key", ["", "all", "harbour", "vault", "both"])
def test_assistants_see_what_their_key_sees(opened: Program, key: str) -> None:
    def call(name: str, **arguments: Any) -> dict[str, Any]:
        return result(opened, key, "tools/call", {"name": name, "arguments": arguments})

    listed = call("list_domains")["structuredContent"]["domains"]
    assert {domain["name"] for domain in listed} == SEEN[key]
    for domain in (PUBLIC, PRIVATE):
        about = {
            "search": {"query": QUESTIONS[domain]},
            "ask": {"question": QUESTIONS[domain]},
            "open_page": {"source": "note.txt"},
        }
        for tool, arguments in about.items():
            answered = call(tool, domain=domain, **arguments)
            text = json.dumps(answered)
            assert answered.get("isError", False) == (domain not in SEEN[key]), text
            assert (TEXTS[domain].rstrip(".") in text) == (domain in SEEN[key])
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    told = result(opened, key, "initialize", hello)["instructions"]
    assert {domain for domain in (PUBLIC, PRIVATE) if f"{domain} (" in told} == SEEN[key]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_needs_a_login(closed: Program, opened: Program, page_only: Program, language: str) -> None:
    inside = [path for _, path in found_routes(closed.app.routes) if path.startswith(f"/{language}")]
    for path in {*inside, f"/{language}", f"/{language}/", f"/{language}/?domain={PUBLIC}"}:
        wanted = path.replace("{path:path}", "x").replace("{", "").replace("}", "")
        for headers in ({}, {"cookie": f"{COOKIE}=bob.99999999999.{'0' * 64}"}, bearer("both")):
            assert closed.page(wanted, **headers).status_code in (401, 404), wanted
    shown = closed.page(f"/{language}/?domain={PUBLIC}", accept="text/html")
    assert shown.status_code == 303
    assert shown.headers["location"] == f"/login?next=/{language}/%3Fdomain%3D{PUBLIC}"
    cookie = {"cookie": f"{COOKIE}={Visitors(closed.settings, Proxies(closed.settings)).cookie('bob')}"}
    for running, headers in ((closed, cookie), (opened, {}), (page_only, {})):
        assert running.page(f"/{language}/", **headers).status_code == 200
    # Who has logged in is no program.
    for name in PROGRAMS:
        method, path, body = ROUTES[name].about(PUBLIC)
        assert_unknown(closed.client.request(method, path, json=body, headers=ACCEPT | cookie))


@pytest.mark.parametrize("name", VIEWER)
def test_the_source_viewer_shows_what_the_page_does(
    closed: Program, opened: Program, page_only: Program, alone: Program, name: str
) -> None:
    def ask(running: Program, domain: str, document: str = "", **headers: str) -> httpx.Response:
        known = hashlib.sha256(TEXTS[domain].encode()).hexdigest()[:32]
        return running.page(VIEWER[name].replace("%s", domain).replace("%d", document or known), **headers)

    for headers in ({}, {"cookie": f"{COOKIE}=bob.99999999999.{'0' * 64}"}, bearer("both")):
        assert ask(closed, PUBLIC, **headers).status_code == 401
    visitors = Visitors(closed.settings, Proxies(closed.settings))
    bob, eve = ({"cookie": f"{COOKIE}={visitors.cookie(visitor)}"} for visitor in ("bob", "eve"))
    # A text file has no picture, and the domains do not give their files out.
    expected = {"webp": (404, "no_picture"), "file": (403, "files_closed")}.get(name.rpartition("}")[2].strip("./"))
    seeing = [
        (closed, bob, {PUBLIC}),
        (closed, eve, {PRIVATE}),
        *((p, {}, {PUBLIC}) for p in (opened, page_only, alone)),
    ]
    for running, headers, seen in seeing:
        for domain in (PUBLIC, PRIVATE):
            answer = ask(running, domain, **headers)
            if domain in seen:
                assert (
                    (answer.status_code, error(answer)["code"]) == expected if expected else answer.status_code == 200
                )
                continue
            assert (answer.status_code, error(answer)["code"]) == (404, "unknown_domain")
            assert TEXTS[domain] not in answer.text
            nowhere = running.page(VIEWER[name].replace("%s", "nowhere").replace("%d", "0" * 32), **headers)
            assert nowhere.text == answer.text.replace(domain, "nowhere")
            if "%d" not in VIEWER[name]:
                continue
            # Nor does the way through a domain that is seen lead to it.
            (other,) = seen
            crossed = hashlib.sha256(TEXTS[domain].encode()).hexdigest()[:32]
            assert error(ask(running, other, crossed, **headers))["code"] == "unknown_document"


def test_exports_are_of_the_domains_that_are_seen(
    closed: Program, opened: Program, page_only: Program, alone: Program
) -> None:
    (path,) = EXPORT.values()

    def ask(running: Program, domain: str, about: str = "", **headers: str) -> httpx.Response:
        exchange = {"question": "When?", "text": "At nine.", "stopped": True}
        kept = {
            "lacerta": "conversation", "version": 1, "domain": about or domain, "index_version": "", "language": "en",
            "exported": "2026-03-01", "exchanges": [exchange], "references": [],
        }  # fmt: skip
        return running.client.post(path.replace("%s", domain), json=kept, headers=headers)

    for headers in ({}, {"cookie": f"{COOKIE}=bob.99999999999.{'0' * 64}"}, bearer("both")):
        assert ask(closed, PUBLIC, **headers).status_code == 401
    visitors = Visitors(closed.settings, Proxies(closed.settings))
    bob, eve = ({"cookie": f"{COOKIE}={visitors.cookie(visitor)}"} for visitor in ("bob", "eve"))
    assert ask(closed, PUBLIC, **bob).status_code == ask(closed, PRIVATE, **eve).status_code == 200
    for running, headers in ((closed, bob), (opened, {}), (page_only, {}), (alone, {})):
        assert ask(running, PUBLIC, **headers).status_code == 200
        answer = ask(running, PRIVATE, **headers)
        assert (answer.status_code, error(answer)["code"]) == (404, "unknown_domain")
        assert ask(running, "nowhere", **headers).text == answer.text.replace(PRIVATE, "nowhere")
        # Nor does a conversation about it come through a domain that is seen.
        assert error(ask(running, PUBLIC, PRIVATE, **headers))["code"] == "other_domain"


@pytest.mark.parametrize("name", FEEDBACK)
def test_whoever_may_use_the_page_may_rate_its_answers(
    closed: Program, opened: Program, page_only: Program, alone: Program, name: str
) -> None:
    identity = f"page-{'0' * 32}"
    method, path = name.split(" ")[0], FEEDBACK[name].replace("%i", identity)
    body = {"id": identity, "rating": "up"} if method == "POST" else None

    def ask(running: Program, **headers: str) -> httpx.Response:
        return running.client.request(method, path, json=body, headers=headers)

    for headers in ({}, {"cookie": f"{COOKIE}=bob.99999999999.{'0' * 64}"}, bearer("both")):
        assert ask(closed, **headers).status_code == 401
    bob = {"cookie": f"{COOKIE}={Visitors(closed.settings, Proxies(closed.settings)).cookie('bob')}"}
    for running, headers in ((closed, bob), (opened, {}), (page_only, {}), (alone, {})):
        assert ask(running, **headers).status_code == 200
        other = ask(running, **headers, origin="http://elsewhere.example")
        assert other.status_code == (200 if method == "GET" else 403)


@pytest.mark.parametrize("path", MAINTAIN.values())
def test_only_a_maintainer_sees_what_others_asked(
    closed: Program, opened: Program, page_only: Program, alone: Program, path: str
) -> None:
    visitors = Visitors(closed.settings, Proxies(closed.settings))
    bob, eve, maintainer = ({"cookie": f"{COOKIE}={visitors.cookie(name)}"} for name in ("bob", "eve", "max"))
    unknown = {"cookie": f"{COOKIE}=max.99999999999.{'0' * 64}"}
    for headers in ({}, unknown, bearer("both")):
        # Also where the page is open to anyone.
        assert closed.page(path, **headers).status_code == 401
        assert opened.page(path, **headers).status_code == 303
    nobody: dict[str, str] = {}
    without = [(closed, bob), (closed, eve), (opened, bob), (page_only, nobody), (alone, nobody), (alone, maintainer)]
    for running, headers in without:
        assert running.page(path, **headers).status_code == 403
    for running in (closed, opened):
        shown = running.page(path, **maintainer)
        assert shown.status_code == 200 and PUBLIC not in shown.text


def test_documents_of_ones_own_are_ones_own(closed: Program, opened: Program, alone: Program) -> None:
    visitors = Visitors(closed.settings, Proxies(closed.settings))
    bob, eve = ({"cookie": f"{COOKIE}={visitors.cookie(visitor)}"} for visitor in ("bob", "eve"))
    made = closed.client.post("/documents/", content=b"The cellar is dry.", headers=bob | {"x-name": "cellar.txt"})
    assert made.status_code == 201
    visit, file = made.json()["id"], made.json()["file"]["file"]
    views = {
        f"GET {path}": path.replace("%s", f"own:{visit}") for path in VIEWER.values() if path.startswith("/sources")
    }
    document = f"own-{hashlib.sha256(b'The cellar is dry.').hexdigest()[:32]}"
    for name, path in (OWN | views).items():
        path = path.replace("%v", visit).replace("%f", file).replace("%d", document)
        for headers in ({}, {"cookie": f"{COOKIE}=bob.99999999999.{'0' * 64}"}, bearer("both")):
            assert closed.client.request(name.split(" ")[0], path, headers=headers).status_code == 401, name
        if path == "/documents/":
            continue
        # To others it is not there: another login, nobody, a program without logins.
        for running, headers in ((closed, eve), (opened, {}), (opened, eve), (alone, {})):
            response = running.client.request(name.split(" ")[0], path, headers=headers)
            assert (response.status_code, error(response)["code"]) in (
                (404, "unknown_visit"), (404, "unknown_domain"),
            ), name  # fmt: skip
    assert [entry["file"] for entry in closed.page(f"/documents/{visit}", **bob).json()["files"]] == [file]


@pytest.mark.parametrize(
    "path",
    [
        "/metrics%0a", "/metrics/", "//metrics", "/./metrics", "/healthz/../metrics", "/static/../metrics",
        "/static/..%2fmetrics", "/metrics%20", "/METRICS", "/metrics;x", "/metrics%00", "/%6detrics", "/en/../metrics",
        "/v1/models%0a", "//v1/models", "/v1//models", "/v1/docs/../models", "/v1%2fmodels", "/%761/models",
        "/V1/models", "/v1%0a/models", "/static/..%2fv1/models", "/en/../v1/models", "/v1/models/",
        "http://127.0.0.1/v1/models", "/login/../v1/models",
    ],
)  # fmt: skip
def test_no_way_of_writing_a_path_leads_around_the_door(closed: Program, page_only: Program, path: str) -> None:
    for running in (closed, page_only):
        connection = http.client.HTTPConnection(running.client.base_url.host, running.client.base_url.port, timeout=30)
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.status in (307, 400, 401, 404, 405), text
        assert "lacerta_" not in text and PUBLIC not in text


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("", 401), ("Bearer", 401), ("Basic {key}", 401), ("bearer {key}", 200), ("{key}", 401),
        ("Bearer  {key}", 200), ("Bearer {key}x", 401), ("Bearer {key}, Bearer {key}", 401), ("Bearer \xe9", 401),
        ("Bearer null", 401), ("Bearer sha256:", 401),
    ],
)  # fmt: skip
def test_how_a_key_may_be_sent(closed: Program, header: str, status: int) -> None:
    headers = {b"authorization": header.format(key=KEYS["all"]).encode("latin-1")}
    response = closed.client.get("/v1/models", headers=headers)
    assert response.status_code == status
    twice = [("authorization", f"Bearer {KEYS['all']}"), ("authorization", f"Bearer {KEYS['wrong']}")]
    assert_unknown(closed.client.get("/v1/models", headers=twice))


def assert_unknown(response: httpx.Response) -> None:
    assert (response.status_code, error(response)["code"]) == (401, "invalid_api_key"), response.text
    assert response.headers["www-authenticate"].startswith("Bearer")


def error(response: httpx.Response) -> dict[str, Any]:
    found = response.json()["error"]
    assert found.keys() == {"message", "type", "param", "code"}
    assert all(key not in response.text for key in KEYS.values())
    return dict(found)


def given(running: Program, domain: str) -> str:
    """The identity of an answer from a domain."""
    return str(running.ask(ROUTES["POST /v1/chat/completions"], "both", domain).json()["id"])


def result(running: Program, key: str, method: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What an assistant is answered."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
    response = running.client.post("/mcp", json=body, headers=ACCEPT | bearer(key))
    assert response.status_code == 200, response.text
    lines = [line for line in response.text.splitlines() if line.startswith("data: {")]
    return dict(json.loads((lines or [f"data: {response.text}"])[-1].removeprefix("data: "))["result"])
