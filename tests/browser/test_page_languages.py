"""The page in each language: its own words alone, whatever is opened; the switch keeps domain and conversation."""

import re

import pytest
from conftest import LOCALES, Open, ask, screenshot  # type: ignore[import-not-found]
from playwright.sync_api import Page, expect

from rag.settings import LANGUAGES
from web.texts import texts

# All that is read or heard of the page, with the language that it is said to be in.
WORDS = """() => {
  const found = [];
  const note = (element, text) => {
    if (text?.trim()) found.push([element.closest("[lang]")?.lang ?? "", text.trim().replace(/\\s+/g, " ")]);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!element.closest("script, style, noscript") && element.checkVisibility()) note(element, node.data);
  }
  for (const element of document.querySelectorAll("[aria-label], [title], [placeholder], [alt]")) {
    if (!element.checkVisibility()) continue;
    for (const name of ["aria-label", "title", "placeholder", "alt"]) note(element, element.getAttribute(name));
  }
  return found;
}"""
# Names, and what the scripted engine says.
ALLOWED = set(
    "Lacerta English Magyar PDF CSV HTML JSON Markdown BibTeX RIS Handbook Rules Scripted scripted first second plain"
    " hostile example Answer to question one after turns in The rule says Another passage sentence follows ko"
    " handbook pdf Esc Ctrl Del MB GB UTC crash".split()
)


def words(page: Page, language: str) -> list[str]:
    """What is said in the page's own language."""
    return [text for said, text in page.evaluate(WORDS) if said in ("", language)]


def check(page: Page, language: str) -> None:
    """Nothing of another language's table is there, and no Latin words in Korean but names."""
    own = {*texts(language).values()}
    others = {text for code in LANGUAGES if code != language for text in texts(code).values()} - own
    said = words(page, language)
    assert len(said) > 10
    assert [text for text in said if text in others] == []
    if language == "ko":
        latin = {word for text in said for word in re.findall(r"[A-Za-z]{2,}", text)}
        assert latin - ALLOWED == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_is_of_the_language_of_the_page(scripted: str, open_page: Open, language: str) -> None:
    page = open_page(scripted, locale=LOCALES[language])
    expect(page.locator("html")).to_have_attribute("lang", language)
    assert page.title() == texts(language)["page_title"]
    check(page, language)
    for code in LANGUAGES:
        link = page.locator(f'#header a[lang="{code}"]')
        expect(link).to_have_text(texts(code)["language"])
        expect(link).to_have_attribute("hreflang", code)
    ask(page, "plain one")
    # The scripted engine answers in English, from a document in English.
    expect(page.locator(".answer .text")).to_have_attribute("lang", "en")
    expect(page.locator(".passage blockquote").first).to_have_attribute("lang", "en")
    page.locator(".answer details summary").last.click()
    check(page, language)
    screenshot(page, f"language-{language}-answer")
    ask(page, "crash", number=2)
    expect(page.locator(".failure")).to_contain_text(texts(language)["unexpected"])
    check(page, language)
    page.locator("#mode-search").click()
    page.wait_for_timeout(300)
    check(page, language)
    screenshot(page, f"language-{language}-search")


def test_the_switch_keeps_domain_and_conversation(scripted: str, open_page: Open) -> None:
    page = open_page(scripted, locale="hu-HU")
    page.locator("#domain label").nth(1).click()
    page.wait_for_selector('html[data-domain="second"]')
    expect(page.locator("#domain label.selected")).to_contain_text("second")
    ask(page, "plain one")
    page.locator('#header a[lang="ko"][href*="second"]').click()
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    expect(page.locator("#domain label.selected")).to_contain_text("second")
    expect(page.locator(".question")).to_have_text("plain one")
    check(page, "ko")
