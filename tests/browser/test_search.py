"""Search as one types, filters and exports, in a real browser over the bundled documents."""

from pathlib import Path
from typing import Any

import pytest
from conftest import LOCALES, Open, ask, findings, screenshot  # type: ignore[import-not-found]
from playwright.sync_api import Page, Route, expect

from web.export.conversation import load
from web.texts import texts

QUERIES = {"en": "black hole merger", "hu": "fekete lyuk", "ko": "블랙홀"}
WORDS = "#search-words"


def search(page: Page, text: str) -> None:
    """Types words into the search and waits for the passages that were found for all of them."""
    if page.locator("html").get_attribute("data-mode") != "search":
        page.locator("#mode-search").click()
    page.locator(WORDS).fill("")
    page.locator(WORDS).press_sequentially(text, delay=20)
    settled(page, text)


def settled(page: Page, text: str) -> None:
    page.wait_for_function("words => document.getElementById('search-results')?.dataset.words === words", arg=text)


def space(application: str, language: str = "en", more: str = "") -> str:
    return f"{application}/{language}/?domain=space{more}"


def opened(open_page: Open, address: str, **wishes: Any) -> Page:
    """The page, once the server has said which domain it shows."""
    page: Page = open_page(address, **wishes)
    page.locator('html[data-domain="space"]').wait_for()
    return page


def choose(page: Page, *labels: str) -> None:
    page.locator(".filter-open").click()
    for label in labels:
        page.locator(f'.filter-box:has-text("{label}")').first.locator("input").check()
    page.locator(".filter-done").click()
    expect(page.locator(".filter-sheet")).to_be_hidden()


@pytest.mark.parametrize(
    ("language", "width", "scheme"), [("en", 1280, "light"), ("hu", 390, "dark"), ("ko", 390, "light")]
)
def test_passages_are_there_as_one_types(
    application: str, open_page: Open, language: str, width: int, scheme: str
) -> None:
    page = opened(open_page, space(application, language), locale=LOCALES[language], width=width, scheme=scheme)
    search(page, QUERIES[language])
    expect(page.locator(".result")).to_have_count(20)
    expect(page.locator(".search-said")).to_contain_text(texts(language)["search_best"].format(count=20))
    assert page.locator(".result mark").count() > 5
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert findings(page) == []
    screenshot(page, f"search-{language}-{width}-{scheme}")
    # What only ears notice is said once the typing ends.
    expect(page.locator("#search [role=status]")).to_have_text(page.locator(".search-said").inner_text())


def test_the_keyboard_leads_to_the_source_and_back(application: str, open_page: Open) -> None:
    page = opened(open_page, space(application))
    search(page, "black hole")
    page.keyboard.press("ArrowDown")
    first = page.locator(".result-open").nth(0)
    expect(first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".result-open").nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator(".result-open").last).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    expect(page.locator(WORDS)).to_be_focused()
    page.keyboard.press("Enter")
    expect(first).to_be_focused()
    title = first.inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_contain_text(title)
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(first).to_be_focused()
    # Whoever goes on typing changes the words.
    page.keyboard.type("s")
    expect(page.locator(WORDS)).to_have_value("black holes")
    page.keyboard.press("Escape")
    expect(page.locator(WORDS)).to_have_value("")
    expect(page.locator(".search-empty")).to_have_text(texts("en")["search_empty"])


def test_a_search_has_an_address(application: str, open_page: Open) -> None:
    page = opened(open_page, space(application))
    page.goto(space(application, more="&q=Cassini"))
    expect(page.locator(WORDS)).to_have_value("Cassini")
    expect(page.locator(".result").first).to_contain_text("Cassini")
    search(page, "Gaia")
    page.wait_for_url("**q=Gaia**")
    page.locator('#header .languages a[lang="hu"]').click()
    page.wait_for_url("**/hu/**q=Gaia**")
    expect(page.locator(".result").first).to_contain_text("Gaia")
    page.locator("#mode-chat").click()
    page.wait_for_function("!location.search.includes('q=')")


def test_only_the_last_words_count(application: str, open_page: Open) -> None:
    """However the answers come in."""
    page = opened(open_page, space(application))

    def slow_at_first(route: Route) -> None:
        if "q=Ga&" in route.request.url:
            page.wait_for_timeout(600)
        route.continue_()

    page.route("**/search/space?*", slow_at_first)
    search(page, "Gaia")
    page.wait_for_timeout(900)
    assert page.locator("#search-results").get_attribute("data-words") == "Gaia"
    expect(page.locator(".result").first).to_contain_text("Gaia")


def test_what_goes_wrong_is_said_and_mended(application: str, open_page: Open) -> None:
    page = opened(open_page, space(application))
    search(page, "Gaia")
    page.locator(WORDS).fill("Euclid")
    settled(page, "Euclid")
    page.route("**/search/space?*", lambda route: route.fulfill(json={"results": [], "weak": True}))
    search(page, "Hubble")
    expect(page.locator(".search-empty")).to_have_text(texts("en")["search_none"])
    page.unroute("**/search/space?*")
    page.route("**/search/space?*", lambda route: route.fulfill(body="no JSON"))
    page.locator(WORDS).fill("Webb")
    expect(page.locator(".search-error")).to_have_text(texts("en")["search_error_offline"])
    page.unroute("**/search/space?*")
    # By itself, once the server answers again.
    settled(page, "Webb")
    expect(page.locator(".search-error")).to_have_count(0)
    assert page.locator(".result").count() > 0


def test_words_become_a_question(application: str, open_page: Open) -> None:
    page = opened(open_page, space(application))
    search(page, "When was Gaia launched?")
    page.locator(".search-ask").click()
    page.locator(".exchange.ended").wait_for()
    expect(page.locator(".question")).to_have_text("When was Gaia launched?")
    expect(page.locator("#mode-chat")).to_have_attribute("aria-selected", "true")


def test_filters_hold_for_searches_and_questions(application: str, open_page: Open) -> None:
    page = opened(open_page, space(application))
    search(page, "black hole")
    choose(page, "Markdown")
    expect(page.locator(".filters .chip")).to_have_text(["Markdown"])
    page.wait_for_function(
        "[...document.querySelectorAll('.result-facts')].every(facts => facts.textContent.includes('Markdown'))"
    )
    page.locator("#mode-chat").click()
    expect(page.locator("#before-entry .chip")).to_have_text(["Markdown"])
    ask(page, "What is a black hole?")
    expect(page.locator(".used-filters")).to_have_text(f"{texts('en')['filter_used']} Markdown")
    # They are kept in this tab, for this domain alone.
    page.reload()
    expect(page.locator(".filters .chip")).to_have_text(["Markdown"])
    page.locator("#domain label").first.click()
    expect(page.locator(".filters .chip")).to_have_count(0)
    page.locator("#domain label").nth(1).click()
    page.locator(".filters .chip").click()
    expect(page.locator(".filters .chip")).to_have_count(0)
    expect(page.locator(".filter-open")).to_be_focused()


@pytest.mark.parametrize("language", ["hu", "ko"])
def test_documents_are_found_by_their_title(application: str, open_page: Open, language: str) -> None:
    page = opened(open_page, space(application, language), locale=LOCALES[language], width=390)
    page.locator(".filter-open").click()
    page.locator(".filter-documents input[type=search]").fill("gaia euclid")
    box = page.locator(".filter-list .filter-box")
    expect(box).to_have_count(1)
    box.locator("input").check()
    assert findings(page) == []
    screenshot(page, f"filters-{language}-390")
    page.keyboard.press("Escape")
    expect(page.locator(".filter-open")).to_be_focused()
    expect(page.locator(".filters .chip")).to_contain_text("Gaia")
    search(page, "Gaia")
    titles = {title for title in page.locator(".result-open").all_inner_texts()}
    assert len(titles) == 1


def test_filters_that_let_nothing_pass_can_be_cleared(application: str, open_page: Open) -> None:
    page = opened(open_page, space(application))
    choose(page, "Surveying the sky", "Korean")
    search(page, "black hole")
    expect(page.locator(".search-empty")).to_have_text(texts("en")["search_none_filtered"])
    page.locator(".search-note button").click()
    expect(page.locator(".filters .chip")).to_have_count(0)
    assert page.locator(".result").first.inner_text()


def test_an_answer_as_a_file(application: str, open_page: Open) -> None:
    page = opened(open_page, space(application))
    ask(page, "When was Gaia launched?")
    for form, ending, part in (
        ("markdown", ".md", "## References"), ("bibtex", ".bib", "@misc{"), ("ris", ".ris", "TY  - "),
        ("html", ".html", "<!DOCTYPE html>"),
    ):  # fmt: skip
        page.locator('[data-action="export"]').click()
        with page.expect_download() as download:
            page.locator(f'[data-format="{form}"]').click()
        assert download.value.suggested_filename.startswith("lacerta-space-")
        assert download.value.suggested_filename.endswith(f"-1{ending}")
        assert part in Path(download.value.path()).read_text(encoding="utf-8")


def test_a_conversation_that_was_found_again_is_exported(application: str, open_page: Open) -> None:
    page = opened(open_page, space(application))
    ask(page, "When was Gaia launched?")
    ask(page, "What is Euclid?", number=2)
    page.wait_for_timeout(1000)
    page.reload()
    page.locator(".exchange.ended >> nth=1").wait_for()
    page.locator('.exchange >> nth=1 >> [data-action="export"]').click()
    expect(page.locator(".export-menu [data-format]").first).to_be_focused()
    assert findings(page) == []
    screenshot(page, "export-menu")
    page.keyboard.press("ArrowUp")
    expect(page.locator('[role="menuitemradio"]').last).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("End")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    loaded = load(Path(download.value.path()).read_text(encoding="utf-8"))
    assert [item.question for item in loaded.conversation] == ["When was Gaia launched?", "What is Euclid?"]
    expect(page.locator(".export-menu")).to_have_count(0)
    expect(page.locator('.exchange >> nth=1 >> [data-action="export"]')).to_be_focused()


# A browser without a window waits for ever for somebody to choose a printer.
NO_PRINTER = """Object.defineProperty(HTMLIFrameElement.prototype, "contentWindow", {
  get() { return { focus() {}, addEventListener() {}, print: () => { window.printed = document.title; } }; },
})"""


def test_an_answer_on_paper(application: str, open_page: Open) -> None:
    page = opened(open_page, space(application, "hu"), locale="hu-HU")
    page.evaluate(NO_PRINTER)
    ask(page, "Mikor indult a Gaia?")
    page.locator('[data-action="export"]').click()
    page.locator('[data-format="print"]').click()
    frame = page.frame_locator("iframe.export-page")
    expect(frame.locator("h2").first).to_have_text("Mikor indult a Gaia?")
    expect(frame.locator("h3").last).to_have_text(texts("hu")["export_references"])
    expect(page.locator("iframe.export-page")).to_have_attribute("sandbox", "allow-same-origin allow-modals")
    # The name that is proposed for the file.
    page.wait_for_function("window.printed === 'Mikor indult a Gaia?'")


def test_the_menu_closes_without_a_choice(application: str, open_page: Open) -> None:
    page = opened(open_page, space(application), width=390)
    ask(page, "When was Gaia launched?")
    button = page.locator('[data-action="export"]')
    button.click()
    box = page.locator(".export-menu").bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    button.click()
    page.mouse.click(200, 5)
    expect(page.locator(".export-menu")).to_have_count(0)
