"""Who goes without eyes, pointer or much sight: axe-core in the states that test_looks.py does not pass through, the
keyboard alone, and what is said aloud.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import LOCALES, ROOT, ask, findings, free_port, screenshot, served  # type: ignore[import-not-found]
from playwright.sync_api import Browser, BrowserContext, FilePayload, Locator, Page, Route, expect

from web.access.passwords import password_hash
from web.texts import texts

sys.path.insert(0, str(ROOT))

from tests.files import make_domain, make_pdf, prose  # noqa: E402

PASSWORD = "four words of Lacerta"
KEEPER = ["The keeper of the lighthouse counts every ship that", "passes the cape.", "In winter nobody comes."]
QUESTION = "What does the keeper of the lighthouse count?"
TABLE = "Ship,Port,Sails at\n" + "".join(f"Ferry {number},Oslo,{number % 24} o'clock\n" for number in range(1, 41))
# Recognises speech, but not on the device.
LISTENING = "Object.defineProperty(window, 'SpeechRecognition', { value: class { start() {} abort() {} } })"
READY = {
    "index": "ready",
    "reading": False,
    "created": "2026-03-01T12:00:00+00:00",
    "model": "extractive",
    "opening": False,
}
COMMANDS = {"ingest": "python -m ingest harbour", "model": "make model"}
STANDING: dict[str, dict[str, Any]] = {
    "chat_state_first": {"index": "none", "reading": True},
    "chat_state_none": {"index": "none", "commands": COMMANDS},
    "chat_state_broken": {"index": "broken", "commands": COMMANDS},
    "chat_state_opening": {"index": "opening"},
    "chat_state_reading": {"reading": True},
    "chat_state_model": {"opening": True},
    "chat_state_extractive": {"commands": COMMANDS},
}


@pytest.fixture(scope="module")
def harbour(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The whole program over a small domain, open to anyone, with a login that maintains it."""
    folder, port = tmp_path_factory.mktemp("harbour"), free_port()
    sources = make_domain(folder / "corpora", "harbour")
    (sources / "log.pdf").write_bytes(make_pdf([prose(KEEPER)], "Lighthouse log", "A. Keeper"))
    (sources / "ships.csv").write_text(TABLE, encoding="utf-8")
    (sources / "siren.md").write_text("# Siren\n\nThe siren sounds at noon.\n", encoding="utf-8")
    environment = {
        "LACERTA_VAR": str(folder / "var"),
        "LACERTA_CORPORA": str(folder / "corpora"),
        "LACERTA_PORT": str(port),
        "LACERTA_EMBEDDER": "fast",
        "LACERTA_OPEN": "page",
        "LACERTA_LOGIN_ANN": f"scrypt:{password_hash(PASSWORD)}; maintainer=true",
        "LACERTA_LOGIN_BOB": f"scrypt:{password_hash(PASSWORD)}",
    }
    with served(["app.py"], port, environment, folder / "log") as address:
        yield address


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens an address in a browser that is set as somebody set it."""
    contexts: list[BrowserContext] = []

    def come(address: str, width: int = 1280, **settings: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 844 if width < 600 else 800}, **settings)
        contexts.append(context)
        context.add_init_script(LISTENING)
        page = context.new_page()
        page.goto(address)
        return page

    yield come
    for context in contexts:
        context.close()


def told(body: dict[str, Any], status: int = 200) -> Callable[[Route], None]:
    """A server that says the same whatever it is asked."""
    return lambda route: route.fulfill(status=status, json=body)


def arrive(page: Page) -> None:
    page.wait_for_selector("#question textarea")
    page.wait_for_selector("html[data-domain]")


def back(page: Page, opener: Locator) -> None:
    """Escape closes what is open, and the focus is where it was before."""
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()


class Tour:
    """Goes through the states of one page and keeps what axe-core finds in each."""

    def __init__(self, page: Page, language: str, name: str) -> None:
        self.page, self.strings, self.name = page, texts(language), name
        self.found: dict[str, list[str]] = {}

    def look(self, state: str, within: str | None = None) -> None:
        self.found[state] = findings(self.page, within)
        screenshot(self.page, f"access-{self.name}-{state}")

    def standing(self) -> None:
        page, bar = self.page, self.page.locator("#standing")
        again = "document.dispatchEvent(new Event('visibilitychange'))"
        for key, state in STANDING.items():
            page.unroute_all()
            page.route("**/state/**", told(READY | state))
            page.evaluate(again)
            expect(bar).to_contain_text(self.strings[key].partition("{")[0])
            self.look(key, "#standing")
        page.unroute_all()
        page.route("**/state/**", lambda route: route.abort())
        page.evaluate(again)
        expect(bar).to_contain_text(self.strings["chat_state_lost"])
        self.look("chat_state_lost")
        page.unroute_all()
        page.evaluate(again)
        expect(bar).to_contain_text(self.strings["chat_state_back"])

    def documents(self) -> None:
        page = self.page
        # A file that is on its way for as long as we look.
        page.route("**/documents/*", lambda route: None if route.request.method == "POST" else route.continue_())
        files: list[FilePayload] = [
            {"name": "owl.txt", "mimeType": "text/plain", "buffer": b"An owl."},
            {"name": "nothing-at-all-in-this-file-with-a-long-name.txt", "mimeType": "text/plain", "buffer": b""},
        ]
        page.set_input_files(".own-bar input[type=file]", files)
        expect(page.locator(".own-list .failed")).to_have_count(1)
        expect(page.locator(".own-list progress").first).to_be_visible()
        # What is on its way and what was refused is heard, too.
        said = page.locator(".own-bar [role=status]")
        for words in ("owl.txt", self.strings["own_error_empty"]):
            expect(said).to_contain_text(words)
        self.look("documents")
        for left in (1, 0):
            page.locator(".own-remove").last.click()
            expect(page.locator(".own-list li")).to_have_count(left)
        page.unroute_all()

    def answered(self) -> None:
        page = self.page
        ask(page, QUESTION)
        page.locator(".why summary").click()
        self.look("why")
        page.locator(".why summary").click()
        for action, place in (("export", ".export-menu"), ("down", "#feedback[open]")):
            button = page.locator(f'.exchange [data-action="{action}"]')
            button.click()
            page.locator(place).wait_for()
            self.look(action)
            back(page, button)

    def viewer(self) -> None:
        page, citation = self.page, self.page.locator("a.citation").first
        citation.click()
        page.wait_for_function("() => document.querySelector('.viewer-paper img')?.naturalWidth > 0")
        self.look("viewer-picture")
        page.get_by_role("button", name=self.strings["viewer_as_text"]).click()
        page.locator(".viewer-text").wait_for()
        self.look("viewer-text", "#viewer")
        back(page, citation)

    def seek(self, words: str) -> None:
        """Types words into the search and waits for what was found for all of them."""
        self.page.locator("#search-words").fill(words)
        self.page.locator(f'#search-results[data-words="{words}"]').wait_for()

    def search(self) -> None:
        page = self.page
        page.locator("#mode-search").click()
        self.look("search-empty")
        self.seek("Ferry Oslo")
        self.look("search")
        result = page.locator(".result-open").first
        result.click()
        page.locator(".viewer-marked").first.wait_for()
        self.look("viewer-table")
        back(page, result)
        page.route("**/sources/**", told({"error": {"code": "unknown_document"}}, 404))
        self.seek("siren noon")
        other = page.locator(".result-open").filter(has_text="Siren").first
        other.click()
        page.locator(".viewer-failure").wait_for()
        self.look("viewer-failure", "#viewer")
        back(page, other)
        page.unroute_all()
        page.route("**/search/**", lambda route: route.fulfill(body="no JSON"))
        page.locator("#search-words").fill("siren")
        page.locator(".search-error").wait_for()
        self.look("search-error")
        page.unroute_all()
        page.locator("#mode-chat").click()

    def filters(self) -> None:
        opener = self.page.locator(".filter-open")
        opener.click()
        self.page.locator(".filter-box").first.wait_for()
        self.look("filters")
        back(self.page, opener)

    def microphone(self) -> None:
        page, microphone = self.page, self.page.locator("#microphone")
        microphone.click()
        page.get_by_role("dialog").wait_for()
        self.look("microphone")
        back(page, microphone)

    def conversations(self) -> None:
        page, narrow = self.page, self.page.viewport_size["width"] < 1100  # type: ignore[index]
        toggle = page.locator("#conversations-toggle")
        if narrow:
            toggle.click()
        self.look("conversations")
        page.locator(".row .name").focus()
        page.keyboard.press("F2")
        page.locator("input.rename").wait_for()
        self.look("conversations-rename", ".conversations")
        back(page, page.locator(".row .name"))
        every = page.get_by_role("button", name=self.strings["conversations_delete_all"])
        every.click()
        page.get_by_role("alertdialog").wait_for()
        self.look("conversations-all")
        back(page, every)
        if narrow:
            back(page, toggle)

    def paper(self) -> None:
        page = self.page
        page.locator('.exchange [data-action="export"]').click()
        with page.expect_download() as download:
            page.locator('[data-format="html"]').click()
        sheet = page.context.new_page()
        sheet.set_content(download.value.path().read_text(encoding="utf-8"))
        self.found["paper"] = findings(sheet)
        screenshot(sheet, f"access-{self.name}-paper")
        sheet.close()


@pytest.mark.parametrize(("language", "width", "scheme"), [("hu", 390, "dark"), ("ko", 1280, "light")])
def test_axe_finds_nothing_in_what_can_be_opened(
    harbour: str, visit: Callable[..., Page], language: str, width: int, scheme: Any
) -> None:
    page = visit(
        f"{harbour}/{language}/", width, locale=LOCALES[language], color_scheme=scheme, reduced_motion="reduce"
    )
    arrive(page)
    tour = Tour(page, language, f"{language}-{width}-{scheme}")
    tour.look("empty")
    for part in (tour.standing, tour.documents, tour.filters, tour.microphone, tour.answered, tour.viewer):
        part()
    for part in (tour.search, tour.conversations, tour.paper):
        part()
    assert {state: lines for state, lines in tour.found.items() if lines} == {}


@pytest.mark.parametrize(("language", "width", "scheme"), [("hu", 1280, "light"), ("ko", 390, "dark")])
def test_axe_finds_nothing_at_the_door(
    harbour: str, visit: Callable[..., Page], language: str, width: int, scheme: Any
) -> None:
    page = visit(f"{harbour}/maintain", width, locale=LOCALES[language], color_scheme=scheme)
    found = {"login": findings(page)}
    page.fill("#name", "bob")
    for password, shown in (("wrong words", "#said"), (PASSWORD, "main .said")):
        page.fill("#password", password)
        page.keyboard.press("Enter")
        page.locator(shown).wait_for()
        found[shown] = findings(page)
    page.context.clear_cookies()
    page.goto(f"{harbour}/login?next=/maintain")
    page.fill("#name", "ann")
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    for view in ("overview", "questions", "feedback", "indexes"):
        page.get_by_role("link", name=texts(language)[f"maintain_{view}"], exact=True).click()
        page.locator("h1", has_text=texts(language)[f"maintain_{view}"]).wait_for()
        found[view] = findings(page)
    assert {state: lines for state, lines in found.items() if lines} == {}


HEAR = """() => {
  window.heard = [];
  const live = "[role=status], [role=alert], [aria-live]";
  new MutationObserver((records) => {
    const parts = records.map(({ target }) => target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement);
    const changed = new Set(parts.map((part) => part?.closest(live)));
    for (const region of changed) if (region?.textContent.trim()) window.heard.push(region.textContent.trim());
  }).observe(document.body, { childList: true, characterData: true, subtree: true });
}"""
# The parts that Tab has to reach, in the order of the page; of radio buttons the chosen one.
STOPS = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")]
  .filter((part) => part.tabIndex >= 0 && !part.disabled && part.checkVisibility({ visibilityProperty: true })
    && part.type !== "file" && (part.type !== "radio" || part.checked))
  .map((part, place) => (part.dataset.stop = place))"""
FOCUSED = """() => {
  const part = document.activeElement;
  if (!part || part === document.body) return null;
  const box = part.getBoundingClientRect(), shown = part.closest("#domain label") ?? part, style = getComputedStyle(shown);
  const over = document.elementFromPoint(
    (Math.max(box.left, 0) + Math.min(box.right, innerWidth)) / 2, (Math.max(box.top, 0) + Math.min(box.bottom, innerHeight)) / 2);
  return {
    stop: Number(part.dataset.stop ?? -1), what: part.outerHTML.slice(0, 150),
    ring: parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== "none"
      || part.matches("textarea, input") && style.boxShadow !== "none",
    free: Boolean(over && (shown.contains(over) || over.contains(shown))),
  };
}"""  # noqa: E501


@pytest.mark.parametrize("width", [390, 1280])
def test_an_answer_is_heard_once_and_tab_reaches_all_that_can_be_pressed(
    scripted: str, visit: Callable[..., Page], width: int
) -> None:
    page = visit(f"{scripted}/en/", width, locale="en-US", reduced_motion="reduce")
    arrive(page)
    strings = texts("en")
    page.evaluate(HEAR)
    ask(page, "busy question")
    page.wait_for_function("words => window.heard.includes(words)", arg=strings["finished"])
    page.wait_for_function("() => window.heard.some((words) => words.startsWith('The rule says so'))")
    ask(page, "fail question", number=2)
    failed = "The model did not answer <b>today</b>."
    page.wait_for_function("words => window.heard.includes(words)", arg=failed)
    page.fill("#question textarea", "slow question")
    page.keyboard.press("Enter")
    page.get_by_text("word12").wait_for()
    page.locator("#stop").click()
    page.wait_for_function("words => window.heard.includes(words)", arg=strings["stopped"])
    heard = page.evaluate("window.heard")
    assert [heard.count(words) for words in (strings["finished"], failed, strings["stopped"])] == [1, 1, 1], heard
    assert len([words for words in heard if "The rule says so" in words]) == 1, heard
    assert not any("word" in words for words in heard), heard
    page.locator("#question textarea").fill("")
    stops = page.evaluate(STOPS)
    page.evaluate("document.activeElement.blur()")
    page.evaluate("scrollTo(0, 0)")
    page.locator("#skip a").focus()
    seen = [page.evaluate(FOCUSED)]
    while len(seen) <= len(stops) + 1:
        page.keyboard.press("Tab")
        here = page.evaluate(FOCUSED)
        if here is None or here["stop"] == 0:
            break
        seen.append(here)
    assert [part["stop"] for part in seen] == stops, "\n".join(str(part) for part in seen)
    assert [part["what"] for part in seen if not part["ring"]] == []
    assert [part["what"] for part in seen if not part["free"]] == []
    # Of the collections one is a stop, the arrow keys lead to the others.
    page.locator("#domain input:checked").focus()
    page.keyboard.press("ArrowRight")
    page.locator('html[data-domain="second"]').wait_for()
    expect(page.locator("#domain label.selected")).to_have_text("Scripted en second")
    expect(page.locator("#domain input:checked")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.locator('html[data-domain="first"]').wait_for()
    expect(page.locator("#domain input:checked")).to_be_focused()
