"""The whole program in a browser, over the bundled documents, in three languages, wide and narrow, light and dark."""

import re
from pathlib import Path

import pytest
from conftest import LOCALES, Open, ask, free_port, screenshot, served  # type: ignore[import-not-found]
from playwright.sync_api import expect

from rag.settings import LANGUAGES, Settings, load_domain
from web.texts import texts

LONG = "szakmai gyakorlat " * 1200


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["internship", "space"])
def test_an_example_is_answered_with_citations(application: str, open_page: Open, name: str, language: str) -> None:
    domain = load_domain(Settings(), name)
    page = open_page(f"{application}/?domain={name}", locale=LOCALES[language])
    expect(page.locator("#domain label.selected")).to_contain_text(domain.title[language])
    expect(page.locator("#description")).to_contain_text(domain.description[language])
    expect(page.locator("#examples .example")).to_have_count(len(domain.examples[language]))
    screenshot(page, f"{name}-{language}-empty")
    page.locator("#examples .example").first.click()
    expect(page.locator(".question")).to_have_text(domain.examples[language][0])
    page.locator(".passage").first.wait_for()
    page.locator(".exchange.ended").wait_for()
    screenshot(page, f"{name}-{language}-answer")
    if language not in domain.languages:
        # Another language's documents may be found or not; the answer or the refusal is in the visitor's own.
        expect(page.locator(".answer .text")).to_have_attribute("lang", language)
        return
    citation = page.locator("a.citation").first
    target = citation.get_attribute("href")
    citation.click()
    expect(page.locator("#viewer")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator(str(target))).to_be_in_viewport()
    assert page.locator(f"{target} mark").count() >= 1
    screenshot(page, f"{name}-{language}-citation")


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("hu", "dark"), ("ko", "light")])
def test_a_narrow_screen_has_no_horizontal_scroll(
    application: str, open_page: Open, language: str, scheme: str
) -> None:
    page = open_page(application, locale=LOCALES[language], width=390, scheme=scheme)
    strings = texts(language)
    assert page.title() == strings["page_title"]
    assert page.evaluate("document.documentElement.lang") == language
    for selector, key in (
        ("#send", "send"), (".empty", "empty"), ("#sources h2", "sources"), ("#examples-title", "examples"),
    ):  # fmt: skip
        expect(page.locator(selector)).to_contain_text(strings[key])
    assert page.locator("#question textarea").get_attribute("placeholder") == strings["question_hint"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # What may be asked is in sight at once.
    expect(page.locator(".example").nth(2)).to_be_in_viewport(ratio=1)
    screenshot(page, f"narrow-{language}-{scheme}-empty")
    ask(page, load_domain(Settings(), "internship").examples[language][0])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    chat, sources = page.locator("#chat").bounding_box(), page.locator("#sources").bounding_box()
    assert chat and sources and sources["y"] >= chat["y"] + chat["height"]
    # Sources begin in sight, and where the next question is typed stays there to their end.
    expect(page.locator("#sources h2")).to_be_in_viewport(ratio=1)
    page.locator(".passage").last.scroll_into_view_if_needed()
    expect(page.locator("#entry")).to_be_in_viewport(ratio=1)
    screenshot(page, f"narrow-{language}-{scheme}-answer")


def test_bad_questions_are_answered_with_a_sentence(application: str, open_page: Open) -> None:
    page = open_page(application, locale="hu-HU")
    page.fill("#question textarea", "   ")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text(texts("hu")["question_missing"])
    expect(page.locator(".empty")).to_be_visible()
    ask(page, LONG)
    expect(page.locator(".failure")).to_contain_text(re.compile(r"2[ .  ]?000"))
    expect(page.locator("#question textarea")).to_have_value(LONG)
    french = "Quand dois-je remettre le rapport de stage au département, et à qui faut-il l'envoyer ?"
    ask(page, french, number=2)
    expect(page.locator(".failure").nth(1)).to_be_visible()
    expect(page.locator("#question textarea")).to_have_value(french)


def test_a_hostile_document_stays_text(open_page: Open, tmp_path: Path, browser: object) -> None:
    folder = tmp_path / "corpora" / "trap"
    (folder / "sources").mkdir(parents=True)
    three = "\n".join(f'{language} = "Trap"' for language in LANGUAGES)
    examples = "\n".join(f'{language} = ["?"]' for language in LANGUAGES)
    (folder / "domain.toml").write_text(
        f'languages = ["en"]\n[title]\n{three}\n[description]\n{three}\n[examples]\n{examples}\n'
        '[[sources]]\nkind = "files"\n',
        encoding="utf-8",
    )
    (folder / "sources" / "a.txt").write_text(
        "Lighthouse <img src=http://evil.example/t.png>\n\n"
        "The lighthouse keeper is paid forty crowns a week ![x](http://evil.example/x.png) "
        '<img src="http://evil.example/y.png" onerror="document.title=1"> by the harbour office.\n',
        encoding="utf-8",
    )
    port = free_port()
    environment = {"LACERTA_CORPORA": str(folder.parent), "LACERTA_VAR": str(tmp_path / "var")}
    with served(["app.py"], port, {**environment, "LACERTA_PORT": str(port)}, tmp_path / "log") as address:
        page = open_page(address)
        title = page.title()
        ask(page, "How much is the lighthouse keeper paid a week?")
        expect(page.locator("#passages")).to_contain_text("evil.example/y.png")
        assert page.locator("#chat img, #passages img").count() == 0
        assert page.title() == title
        screenshot(page, "hostile-document")
        # Else it would hear of the server's end.
        page.close()
