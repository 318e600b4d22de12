"""The page as it is served: its language, head and layer, before any script runs."""

import gzip
import re
from pathlib import Path

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.testclient import TestClient

from rag.settings import LANGUAGES
from web.chunks import chunks
from web.dress import Dress
from web.files import Files
from web.head import head_html
from web.joined import layered, made
from web.theme import STATIC, theme

ASSETS = Path(gr.__file__).parent / "templates" / "frontend" / "assets"


@pytest.fixture(scope="module")
def client() -> TestClient:
    """A page of Gradio's in each language, dressed."""
    app = FastAPI()
    app.add_middleware(Files, made=made())
    app.add_middleware(Dress, heads={language: head_html(language) for language in LANGUAGES})
    app.mount("/static", StaticFiles(directory=STATIC))
    for language in LANGUAGES:
        with gr.Blocks(title="</head> of a page") as page:
            gr.HTML("<p>A text with </head> in it.</p>")
        gr.mount_gradio_app(app, page, f"/{language}", theme=theme(), ssr_mode=False)
    return TestClient(app)


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_and_head_stand_in_the_page(client: TestClient, language: str) -> None:
    page = client.get(f"/{language}/").text
    assert re.match(rf'<!doctype html>\s*<html lang="{language}"', page)
    assert page.count(head_html(language)) == 1
    assert page.index(head_html(language)) > page.index("window.gradio_config")
    # The look is chosen before anything else is fetched.
    assert page.index("/static/js/theme.js") < page.index('<link rel="stylesheet"')
    assert "og:" not in page and "@Gradio" not in page and "githubusercontent" not in page
    # The keyboard of a phone leaves in sight what is typed.
    assert "interactive-widget=resizes-content" in page


def test_what_is_sent_is_as_long_as_it_says_and_compressed_for_whom_it_may_be(client: TestClient) -> None:
    plain = client.get("/en/", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers and int(plain.headers["content-length"]) == len(plain.content)
    with client.stream("GET", "/en/", headers={"accept-encoding": "gzip, br"}) as small:
        raw = b"".join(small.iter_raw())
        assert small.headers["content-encoding"] == "gzip" and int(small.headers["content-length"]) == len(raw)
        assert small.headers["vary"] == "Accept-Encoding"
    assert b"window.gradio_config" in gzip.decompress(raw)


def test_gradios_sheets_are_in_a_layer_and_its_scripts_as_they_are(client: TestClient) -> None:
    page = client.get("/en/").text
    # The one that it names itself stands in ours, and is told to be there.
    sheets = re.findall(r'<link rel="stylesheet"[^>]*href="\./assets/([^"]+\.css)"([^>]*)>', page)
    script = re.search(r'<script[^>]* src="\./assets/(index-[^"]+\.js)"', page)
    assert script and len({*sheets}) == len(sheets) > 10 and all(rest == " disabled" for _, rest in sheets)
    joined = client.get(next(address for address in made() if address.endswith(".css")))
    for name, _ in sheets:
        alone = client.get(f"/en/assets/{name}", headers={"if-none-match": "*", "range": "bytes=0-9"})
        assert alone.status_code == 200 and alone.content == layered((ASSETS / name).read_bytes())
        assert alone.content in joined.content
    assert client.get(f"/en/assets/{script[1]}").content == (ASSETS / script[1]).read_bytes()
    assert client.get("/en/assets/nothing.css").status_code == 404
    assert client.get("/en/assets/../index.html").status_code == 404


def test_what_a_browser_keeps_has_an_address_of_its_own_and_comes_compressed(client: TestClient) -> None:
    for address, content in made().items():
        assert address in client.get("/hu/").text
        for accepted in ("gzip, br", "identity"):
            answered = client.get(address, headers={"accept-encoding": accepted})
            assert answered.content == content and "immutable" in answered.headers["cache-control"]
            assert (answered.headers.get("content-encoding") == "gzip") == ("gzip" in accepted)
            told = client.head(address, headers={"accept-encoding": accepted})
            assert told.content == b"" and told.headers == answered.headers
    kinds = [client.get(address).headers["content-type"].split(";")[0] for address in made()]
    assert kinds == ["text/javascript", "text/css"]


def test_nothing_of_our_html_is_important_to_gradio() -> None:
    sheet = b".a .prose p{color:red;margin:0!important}.b{color:blue!important}"
    assert layered(sheet) == b"@layer gradio{.a .prose p{color:red;margin:0}.b{color:blue!important}}"


def test_no_sheet_of_gradios_begins_with_what_a_layer_may_not_hold() -> None:
    for path in ASSETS.glob("*.css"):
        text = path.read_bytes()
        # Joined, what stands beside a sheet is elsewhere.
        assert not re.search(rb"url\((?![\"']?data:)", text) or path.name not in chunks(), path.name
        assert b"@import" not in text and b"@charset" not in text and text.count(b"{") == text.count(b"}"), path.name


def test_what_the_head_names_is_there(client: TestClient) -> None:
    named = re.findall(r'(?:href|src)="(\.?/[^"]+)"', head_html("hu"))
    assert len(named) > 30
    for address in named:
        assert client.get(f"/hu/{address}" if address.startswith(".") else address).status_code == 200, address
    for path in (STATIC / "css").glob("*.css"):
        if path.stem not in ("login", "maintain"):
            assert path.read_bytes() in [*made().values()][1], path.name
