"""The source viewer in a browser, over the bundled documents and over files that change, get lost and are hostile."""

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import LOCALES, Open, ask, findings, free_port, screenshot, served  # type: ignore[import-not-found]
from playwright.sync_api import Browser, Page, Route, expect

from tests.files import make_domain, make_pdf, prose
from web.sources.routes import _FAILURES
from web.texts import texts

QUESTIONS = {
    "en": ("space", "When did Voyager 1 enter interstellar space?"),
    "hu": ("internship", "Hány óra a szakmai gyakorlat?"),
    "ko": ("space", "누리호는 언제 발사되었나요?"),
}
VIEWER = "#viewer[open]"
BODY = "#viewer .viewer-body"
HOSTILE = (
    "<img src='http://evil.example/a.png' onerror='document.title=1'><script>document.title='owned'</script> "
    "![x](http://evil.example/b.png) javascript:alert(1) {{constructor}}"
)
CHANGED = "The tide table of the northern harbour is printed every spring."
LOST = "The pilot boat of the northern harbour leaves at dawn."
TABLE = "Ship,Port,Remark\n" + "".join(
    f"Ferry {number},Oslo,{HOSTILE if number == 30 else 'sails'}\n" for number in range(1, 61)
)


@dataclass(frozen=True, slots=True)
class Ground:
    """A program over a domain `harbour` whose files may be written to."""

    address: str
    sources: Path

    def place(self, query: str, source: str) -> str:
        return place(self.address, "harbour", query, source)


def found(address: str, domain: str, query: str) -> list[dict[str, Any]]:
    asked = urllib.parse.quote(query)
    with urllib.request.urlopen(f"{address}/search/{domain}?q={asked}&limit=20", timeout=60) as answer:
        results: list[dict[str, Any]] = json.load(answer)["results"]
    return results


def place(address: str, domain: str, query: str, kind: str) -> str:
    """The fragment that leads to the first passage found in a document of that kind, or with that title."""
    hit = next(hit for hit in found(address, domain, query) if kind in (hit["kind"], hit["title"]))
    quote = hit["quotes"].split(",")[0] or "0-20"
    parts = [domain, hit["document"], str(hit["page"]), hit["chunk"], quote]
    return "#source=" + "/".join(urllib.parse.quote(part, safe="") for part in parts)


@pytest.fixture(scope="module")
def ground(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder, port = tmp_path_factory.mktemp("harbour"), free_port()
    sources = make_domain(folder / "corpora", "harbour")
    with (folder / "corpora" / "harbour" / "domain.toml").open("a") as file:
        file.write("[publish]\nfiles = true\n")
    pages = [["The keeper of the lighthouse counts every ship that", "passes the cape."], ["In winter nobody comes."]]
    (sources / "log.pdf").write_bytes(make_pdf([prose(page) for page in pages], "Lighthouse log", "A. Keeper"))
    (sources / "changed.pdf").write_bytes(make_pdf([prose([CHANGED])], "Tide table"))
    (sources / "lost.pdf").write_bytes(make_pdf([prose([LOST])], "Pilot boat"))
    (sources / "ships.csv").write_text(TABLE, encoding="utf-8")
    (sources / "note.txt").write_text(f"{HOSTILE}\n\nThe siren sounds at noon. {HOSTILE}\n", encoding="utf-8")
    (sources / "page.html").write_text(
        "<html><head><title>Tides</title></head><body><h1>Tides</h1><p>High water is at six. 🌊 On Sunday at seven.</p>"
        "</body></html>",
        encoding="utf-8",
    )
    environment = {
        "LACERTA_CORPORA": str(folder / "corpora"),
        "LACERTA_VAR": str(folder / "var"),
        "LACERTA_PORT": str(port),
    }
    with served(["app.py"], port, environment, folder / "log") as address:
        yield Ground(address, sources)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """As `open_page`, where the server's own errors are expected; scripts may meet none, and no other host is asked."""
    contexts = []
    faults: list[str] = []

    def open_as_visitor(address: str, language: str = "en", width: int = 1280) -> Page:
        context = browser.new_context(locale=LOCALES[language], viewport={"width": width, "height": 800})
        contexts.append(context)
        page = context.new_page()
        origin = "/".join(address.split("/")[:3])
        page.on(
            "request",
            lambda request: None if request.url.startswith((origin, "data:", "blob:")) else faults.append(request.url),
        )
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(address)
        page.wait_for_selector("#question textarea")
        return page

    yield open_as_visitor
    for context in contexts:
        context.close()
    assert faults == []


def answered(application: str, open_page: Open, language: str, width: int = 1280, scheme: str = "light") -> Page:
    domain, question = QUESTIONS[language]
    page = open_page(f"{application}/{language}/?domain={domain}", LOCALES[language], width, scheme)
    page.wait_for_function("name => document.documentElement.dataset.domain === name", arg=domain)
    ask(page, question)
    page.locator("a.citation").first.wait_for()
    return page


def wait_for_picture(page: Page) -> None:
    page.wait_for_function("() => document.querySelector('.viewer-paper img')?.naturalWidth > 0")


def in_sight(page: Page, selector: str) -> bool:
    """Whether an element is within what is shown of the source."""
    seen: bool = page.evaluate(
        """selector => {
            const [inner, outer] = [selector, "#viewer .viewer-body"].map(
                (one) => document.querySelector(one).getBoundingClientRect());
            return inner.top >= outer.top && inner.bottom <= outer.bottom + 1
                && inner.left < outer.right && inner.right > outer.left;
        }""",
        selector,
    )
    return seen


@pytest.mark.parametrize(
    ("language", "width", "scheme"),
    [("en", 1280, "light"), ("hu", 390, "dark"), ("ko", 1280, "dark"), ("ko", 390, "light")],
)
def test_a_citation_opens_its_source_at_the_quote(
    application: str, open_page: Open, language: str, width: int, scheme: str
) -> None:
    page = answered(application, open_page, language, width, scheme)
    citation = page.locator("a.citation").first
    citation.click()
    expect(page.locator(VIEWER)).to_be_visible()
    wait_for_picture(page)
    assert in_sight(page, ".viewer-mark")
    expect(page.locator("#viewer h2")).not_to_have_text(texts(language)["viewer_source"])
    assert page.evaluate("document.querySelector('#viewer').contains(document.activeElement)")
    assert "#source=" in page.url
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # Beside the answer where there is room, else above it.
    assert page.evaluate("document.querySelector('#viewer').matches(':modal')") == (width < 1000)
    if width > 1000:
        talk, sheet = page.locator("#talk").bounding_box(), page.locator("#viewer").bounding_box()
        assert talk and sheet and talk["x"] + talk["width"] <= sheet["x"]
        # Two sentences may rest on one quote.
        expect(page.locator("a.citation").first).to_have_class("citation viewed")
    screenshot(page, f"viewer-{language}-{width}-{scheme}")
    assert findings(page, "#viewer") == []
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(citation).to_be_focused()
    assert "#source=" not in page.url


def test_what_is_cited_first_is_there_before_it_is_asked_for(application: str, open_page: Open) -> None:
    domain, question = QUESTIONS["en"]
    page = open_page(f"{application}/en/?domain={domain}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/sources/" in request.url else None)
    page.wait_for_function("name => document.documentElement.dataset.domain === name", arg=domain)
    with page.expect_event("requestfinished", lambda request: ".webp" in request.url):
        ask(page, question)
    before = list(asked)
    page.locator("a.citation").first.click()
    wait_for_picture(page)
    first = page.locator("a.citation").first.get_attribute("data-document")
    assert any(f"/{first}/pages/" in url for url in before)
    # Its page is not asked for again, nor is its picture.
    path = urllib.parse.urlsplit(page.evaluate("document.querySelector('.viewer-paper img').currentSrc")).path
    assert [url for url in asked[len(before) :] if urllib.parse.urlsplit(url).path == path] == []


def test_quotes_of_an_answer_one_after_the_other(application: str, open_page: Open) -> None:
    page = answered(application, open_page, "hu", 390)
    quotes = page.eval_on_selector_all(
        "#passages .passage.cited[id^='p-1-']", "all => all.flatMap((one) => one.dataset.quotes.split(','))"
    )
    assert len(quotes) > 1
    page.locator("a.citation").first.click()
    count = page.locator(".viewer-count")
    expect(count).to_have_text(texts("hu")["viewer_quote"].format(place=1, count=len(quotes)))
    for number in range(2, len(quotes) + 1):
        page.keyboard.press("Shift+ArrowRight")
        expect(count).to_have_text(texts("hu")["viewer_quote"].format(place=number, count=len(quotes)))
        page.locator("#viewer :is(.viewer-mark, mark, .viewer-marked)").first.wait_for()
    expect(page.get_by_role("button", name=texts("hu")["viewer_next_quote"])).to_be_disabled()
    page.get_by_role("button", name=texts("hu")["viewer_previous_quote"]).click()
    expect(count).to_have_text(texts("hu")["viewer_quote"].format(place=len(quotes) - 1, count=len(quotes)))


def test_each_citation_leads_to_the_words_before_it(application: str, open_page: Open) -> None:
    page = answered(application, open_page, "en")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    # The model without a model writes its quotes as they are.
    for citation in page.locator("a.citation").all():
        said = citation.evaluate("link => link.closest('p, li').textContent.replace(/\\[\\d+\\]/g, '').trim()")
        citation.click()
        page.locator(f"{VIEWER}:not([aria-busy])").wait_for()
        page.get_by_role("button", name=texts("en")["viewer_copy"]).click()
        expect(page.locator("#viewer").get_by_text(texts("en")["viewer_copied"]).first).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert said in copied or copied.split("”")[0].removeprefix("“") in said
        assert page.locator("#viewer h2").inner_text() in copied


@pytest.mark.parametrize(
    ("language", "domain", "query", "kind", "selector", "width"),
    [
        ("en", "space", "exoplanet mass radius orbital period", "csv", ".viewer-marked", 1280),
        ("hu", "internship", "gyakorlati hely cím kapcsolattartó", "csv", ".viewer-marked", 390),
        ("hu", "internship", "Erasmus biztosítás", "markdown", "#viewer mark", 1280),
        ("ko", "space", "나로호 발사", "text", "#viewer mark", 390),
    ],
)
def test_an_address_opens_tables_and_texts(
    application: str, open_page: Open, language: str, domain: str, query: str, kind: str, selector: str, width: int
) -> None:
    fragment = place(application, domain, query, kind)
    page = open_page(f"{application}/{language}/{fragment}", LOCALES[language], width)
    page.locator(selector).first.wait_for()
    assert in_sight(page, selector)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    screenshot(page, f"viewer-{kind}-{language}-{width}")
    if kind == "csv":
        # The names of the columns stay in sight, whichever row is marked.
        page.locator(BODY).evaluate("body => body.scrollTo(0, 200)")
        assert in_sight(page, "#viewer thead th")
    title = page.locator("#viewer h2").inner_text()
    page.reload()
    page.locator(selector).first.wait_for()
    expect(page.locator("#viewer h2")).to_have_text(title)
    page.go_back()
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#question textarea")).to_be_visible()
    assert "#source=" not in page.url
    page.go_forward()
    expect(page.locator(VIEWER)).to_be_visible()


def test_pages_and_sizes_by_keyboard(ground: Ground, open_page: Open) -> None:
    page = open_page(f"{ground.address}/en/{ground.place('lighthouse keeper counts ships', 'Lighthouse log')}")
    strings = texts("en")
    shown = page.locator("#viewer .viewer-page")
    expect(shown).to_have_text(strings["viewer_page"].format(page=1, pages=2))
    wait_for_picture(page)
    expect(page.get_by_role("button", name=strings["viewer_previous_page"])).to_be_disabled()
    expect(page.locator(BODY)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(shown).to_have_text(strings["viewer_page"].format(page=2, pages=2))
    expect(page.locator(".viewer-mark")).to_have_count(0)
    expect(page.get_by_role("button", name=strings["viewer_next_page"])).to_be_disabled()
    assert "/2/" in page.url
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(shown).to_have_text(strings["viewer_page"].format(page=1, pages=2))
    page.locator(".viewer-mark").first.wait_for()
    # A button that can't be pressed any more leaves the focus in the sheet.
    page.get_by_role("button", name=strings["viewer_next_page"]).click()
    expect(page.locator(BODY)).to_be_focused()
    width = page.locator(".viewer-paper").evaluate("paper => paper.clientWidth")
    for key, factor in (("+", 1.25), ("+", 1.5), ("-", 1.25), ("0", 1)):
        page.keyboard.press(key)
        now = page.locator(".viewer-paper").evaluate("paper => paper.clientWidth")
        assert abs(now - factor * width) < 3, key
    # The text of the page is there for whoever does not see its picture.
    expect(page.locator("#viewer .unseen").filter(has_text="In winter nobody comes.")).to_have_count(1)
    page.get_by_role("button", name=strings["viewer_as_text"]).click()
    expect(page.locator(".viewer-text")).to_contain_text("In winter nobody comes.")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".viewer-text mark")).to_be_visible()
    page.get_by_role("button", name=strings["viewer_as_picture"]).click()
    wait_for_picture(page)
    for _ in range(4):
        page.keyboard.press("+")
        assert in_sight(page, ".viewer-mark")
    file = page.get_by_role("link", name=strings["viewer_file"])
    assert page.request.get(f"{ground.address}{file.get_attribute('href')}").body().startswith(b"%PDF")
    assert (file.get_attribute("target"), file.get_attribute("rel")) == ("_blank", "noopener noreferrer")


def test_a_passage_opens_from_the_panel_and_the_focus_comes_back(application: str, open_page: Open) -> None:
    page = answered(application, open_page, "en")
    for passage in page.locator("#passages .passage").all():
        expect(passage.locator("[data-action=open]")).to_have_count(1)
    button = page.locator("#passages [data-action=open]").last
    button.focus()
    page.keyboard.press("Enter")
    page.locator("#viewer :is(.viewer-mark, mark, .viewer-marked)").first.wait_for()
    page.get_by_role("button", name=texts("en")["viewer_close"]).click()
    expect(page.locator("#viewer")).to_be_hidden()
    expect(button).to_be_focused()
    # The answer can be asked about while a source is open beside it.
    page.locator("a.citation").first.click()
    ask(page, QUESTIONS["en"][1], number=2)
    expect(page.locator(VIEWER)).to_be_visible()


def test_a_letter_of_two_halves_moves_no_mark(ground: Ground, open_page: Open) -> None:
    hit = next(hit for hit in found(ground.address, "harbour", "High water on Sunday") if hit["title"] == "Tides")
    # Offsets count the wave as one character.
    text = hit["text"]
    start = int(hit["quotes"].split("-")[0]) if "Sunday" not in text else text.index("On Sunday")
    fragment = f"#source=harbour/{hit['document']}/1/{hit['chunk']}/{start}-{start + 9}"
    page = open_page(f"{ground.address}/en/{fragment}")
    expect(page.locator("#viewer mark")).to_have_text("On Sunday")


def test_what_documents_say_is_text(ground: Ground, open_page: Open) -> None:
    page = open_page(f"{ground.address}/en/")
    name = page.title()
    for query, kind, selector, width in (
        ("siren noon", "text", "#viewer mark", 1280), ("Ferry 30", "csv", ".viewer-marked", 390),
        ("siren noon", "text", "#viewer mark", 390), ("Ferry 30", "csv", ".viewer-marked", 1280),
    ):  # fmt: skip
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(f"{ground.address}/en/{ground.place(query, kind)}")
        page.locator(selector).first.wait_for()
        expect(page.locator(BODY)).to_contain_text("<script>document.title='owned'</script>")
        assert page.locator(f"{BODY} :is(img, script, a, iframe, object, form, svg)").count() == 0
        assert page.title() == name
        links = page.eval_on_selector_all("#viewer a[href]", "all => all.map(link => new URL(link.href).pathname)")
        assert all(link.startswith("/sources/harbour/") for link in links)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        screenshot(page, f"viewer-hostile-{kind}-{width}")


def test_an_address_that_nobody_made_opens_nothing(ground: Ground, open_page: Open) -> None:
    page = open_page(f"{ground.address}/en/#source=harbour/../../etc/passwd")
    for fragment in (
        "harbour/<img src=x>/1", "%E0%A4%A", f"harbour/{'a' * 32}/0", f"harbour/{'a' * 32}/1/x/1-2",
        f"harbour/{'a' * 32}/1/{'b' * 32}/9-2", "/".join("x" * 2000), "",
    ):  # fmt: skip
        expect(page.locator(".empty")).to_be_visible()
        page.wait_for_timeout(100)
        expect(page.locator("#viewer")).to_have_count(0)
        page.goto(f"{ground.address}/en/#source={fragment}")
    # What is an address opens, so that the others were looked at.
    page.goto(f"{ground.address}/en/{ground.place('lighthouse keeper counts ships', 'Lighthouse log')}")
    expect(page.locator(VIEWER)).to_be_visible()


@pytest.mark.parametrize("language", LOCALES)
def test_a_file_that_changed_or_is_gone_is_shown_as_it_was_indexed(ground: Ground, visit: Open, language: str) -> None:
    strings = texts(language)
    places = [ground.place("tide table northern harbour", "Tide table"), ground.place("pilot boat dawn", "Pilot boat")]
    (ground.sources / "changed.pdf").write_bytes(make_pdf([prose(["Something else altogether stands here now."])]))
    (ground.sources / "lost.pdf").unlink(missing_ok=True)
    page = visit(f"{ground.address}/{language}/", language)
    for fragment, key, said in zip(places, ("source_changed", "source_gone"), (CHANGED, LOST), strict=True):
        page.goto(f"{ground.address}/{language}/{fragment}")
        expect(page.locator(".viewer-text mark")).to_be_visible()
        expect(page.locator(".viewer-text")).to_contain_text(said)
        expect(page.locator(".viewer-notice")).to_contain_text(strings[f"viewer_error_{key}"])
        expect(page.locator(".viewer-notice")).to_contain_text(strings["viewer_text_instead"])
        expect(page.get_by_role("link", name=strings["viewer_file"])).to_have_count(0)
        screenshot(page, f"viewer-{key}-{language}")


@pytest.mark.parametrize(("language", "width"), [("en", 390), ("hu", 1280), ("ko", 390)])
def test_errors_are_told_with_what_to_do(ground: Ground, visit: Open, language: str, width: int) -> None:
    known = found(ground.address, "harbour", "lighthouse")[0]["document"]
    page = visit(f"{ground.address}/{language}/", language, width)
    for fragment, key in (
        (f"harbour/{'0' * 32}/1", "unknown_document"),
        (f"nowhere/{known}/1", "unknown_domain"),
        (f"harbour/{known}/900", "unknown_page"),
    ):
        page.goto(f"{ground.address}/{language}/#source={fragment}")
        expect(page.locator(".viewer-failure p")).to_have_text(texts(language)[f"viewer_error_{key}"])
        screenshot(page, f"viewer-{key}-{language}-{width}")
    # A passage that is not there any more loses its mark alone.
    page.goto(f"{ground.address}/{language}/#source=harbour/{known}/1/{'0' * 32}/0-9")
    wait_for_picture(page)
    expect(page.locator(".viewer-notice")).to_have_text(texts(language)["viewer_error_unknown_chunk"])
    # Whatever code the routes have, it has words of its own.
    codes = [*_FAILURES, "unknown_domain", "unknown_document", "unknown_page", "unknown_chunk", "no_index", "bad_index"]
    codes += ["overloaded", "stopping", "timeout", "login_ended", "offline"]
    said = page.evaluate(
        "async codes => { const words = await import('/static/js/viewer-words.js');"
        " return [...codes, 'nobody knows'].map((code) => words.errorText(code)); }",
        codes,
    )
    assert len(set(said)) == len(codes) + 1
    assert said[-1] == texts(language)["viewer_error_internal"]


def test_a_lost_connection_comes_back(ground: Ground, visit: Open) -> None:
    page = visit(f"{ground.address}/en/{ground.place('lighthouse keeper counts ships', 'Lighthouse log')}")
    wait_for_picture(page)
    page.context.set_offline(True)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".viewer-failure p")).to_have_text(texts("en")["viewer_error_offline"])
    page.context.set_offline(False)
    expect(page.locator("#viewer .viewer-page")).to_have_text(texts("en")["viewer_page"].format(page=2, pages=2))
    wait_for_picture(page)


def test_who_waits_is_told_so_and_nothing_jumps(ground: Ground, visit: Open) -> None:
    page = visit(f"{ground.address}/en/{ground.place('lighthouse keeper counts ships', 'Lighthouse log')}")
    wait_for_picture(page)
    height = page.locator(".viewer-paper").evaluate("paper => paper.clientHeight")

    held: list[Route] = []
    page.route(re.compile(r"/pages/2\?"), lambda route: held.append(route))
    page.keyboard.press("ArrowRight")
    expect(page.locator(".viewer-wait")).to_be_visible()
    assert page.locator(".viewer-skeleton").evaluate("paper => paper.clientHeight") == height
    screenshot(page, "viewer-waiting")
    held[0].continue_()
    expect(page.locator(".viewer-wait")).to_be_hidden()
    assert page.locator(".viewer-paper").evaluate("paper => paper.clientHeight") == height
    wait_for_picture(page)


def test_marks_are_seen_in_forced_colours_and_sheets_turn_with_the_window(ground: Ground, open_page: Open) -> None:
    page = open_page(f"{ground.address}/en/{ground.place('lighthouse keeper counts ships', 'Lighthouse log')}")
    wait_for_picture(page)
    page.emulate_media(forced_colors="active")
    assert page.locator(".viewer-mark").first.evaluate("mark => getComputedStyle(mark).outlineStyle") == "solid"
    screenshot(page, "viewer-forced-colours")
    page.emulate_media(forced_colors="none")
    page.set_viewport_size({"width": 500, "height": 800})
    page.wait_for_function("document.querySelector('#viewer').matches(':modal')")
    assert in_sight(page, ".viewer-mark")
    page.set_viewport_size({"width": 1400, "height": 800})
    page.wait_for_function("!document.querySelector('#viewer').matches(':modal')")
    expect(page.locator(VIEWER)).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator("#viewer")).to_be_hidden()
