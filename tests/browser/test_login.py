"""The login page and what a visitor then sees, in a browser and before the whole program."""

from collections.abc import Iterator, Mapping

import pytest
from conftest import ask, free_port, screenshot, served  # type: ignore[import-not-found]
from playwright.sync_api import Browser, Page, expect

from web.access.passwords import password_hash
from web.texts import texts

PASSWORD = "four words of Lacerta"
DOMAIN = """
languages = ["en"]
title = {{ en = "{name} in English", hu = "{name} magyarul", ko = "{name} 한국어" }}
description = {{ en = "About {name}", hu = "{name} leírása", ko = "{name} 설명" }}
examples = {{ en = ["How long does {name} last?"], hu = ["Meddig tart {name}?"], ko = ["{name} 기간은?"] }}
[[sources]]
kind = "files"
"""
TEXT = "# {name}\n\n{name} lasts six weeks. It may be split in two parts of three weeks each."
DARK = "dark"


@pytest.fixture(scope="module")
def guarded(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The program with two logins: bob sees the private domain, ann the other one."""
    folder, port = tmp_path_factory.mktemp("guarded"), free_port()
    for name, first in (("Garden", ""), ("Secret", "private = true")):
        sources = folder / "corpora" / name.lower() / "sources"
        sources.mkdir(parents=True)
        (sources / "rules.md").write_text(TEXT.format(name=name), encoding="utf-8")
        (sources.parent / "domain.toml").write_text(first + DOMAIN.format(name=name), encoding="utf-8")
    kept = f"scrypt:{password_hash(PASSWORD)}"
    environment = {
        "LACERTA_VAR": str(folder / "var"),
        "LACERTA_CORPORA": str(folder / "corpora"),
        "LACERTA_PORT": str(port),
        "LACERTA_EMBEDDER": "fast",
        "LACERTA_LOGIN_BOB": f"{kept}; domains=secret",
        "LACERTA_LOGIN_ANN": kept,
    }
    with served(["app.py"], port, environment, folder / "log") as address:
        yield address


@pytest.fixture
def faults() -> list[str]:
    return []


@pytest.fixture(
    params=[("hu-HU", 1280, "light"), ("ko-KR", 390, DARK), ("en-US", 390, "light")], ids=lambda item: item[0]
)
def visitor(request: pytest.FixtureRequest, browser: Browser, faults: list[str]) -> Iterator[Page]:
    locale, width, scheme = request.param
    context = browser.new_context(
        locale=locale, viewport={"width": width, "height": 844 if width < 600 else 800}, color_scheme=scheme
    )
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(f"error {error}"))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    yield page
    context.close()


def enter(page: Page, name: str, password: str) -> None:
    """By the keyboard alone, from the field that has the focus once the page is drawn."""
    expect(page.locator(":focus")).to_have_count(1)
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(password)
    page.keyboard.press("Enter")


def log_out(page: Page, strings: Mapping[str, str], choice: str) -> None:
    """Logs out, with an answer to what becomes of the conversations."""
    page.locator(".visitor").get_by_role("button").click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog).to_contain_text(strings["conversations_log_out"].format(count=1))
    expect(dialog.get_by_role("button", name=strings["conversations_cancel"])).to_be_focused()
    screenshot(page, f"login-out-{page.locator('html').get_attribute('lang')}")
    dialog.get_by_role("button", name=strings[choice]).click()
    expect(page.locator("#password")).to_be_visible()


def test_a_visitor_logs_in_sees_his_domains_and_logs_out(guarded: str, visitor: Page, faults: list[str]) -> None:
    visitor.goto(f"{guarded}/")
    language = visitor.locator("html").get_attribute("lang") or ""
    strings = texts(language)
    expect(visitor.locator("#name")).to_be_focused()
    assert visitor.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    screenshot(visitor, f"login-{language}")
    enter(visitor, "bob", "wrong words")
    expect(visitor.get_by_role("alert")).to_have_text(strings["login_wrong"])
    expect(visitor.locator("#name")).to_have_value("bob")
    expect(visitor.locator("#password")).to_be_focused()
    expect(visitor.locator("#password")).to_have_value("")
    screenshot(visitor, f"login-wrong-{language}")
    # That the wrong password was refused is the only thing that a browser may complain of.
    assert len(faults) == 1 and "403" in faults.pop()
    visitor.keyboard.type(PASSWORD)
    visitor.keyboard.press("Enter")
    visitor.locator("#domain label").wait_for(timeout=60_000)
    expect(visitor.locator("#domain label")).to_have_count(1)
    expect(visitor.locator("#domain label")).to_contain_text("Secret")
    expect(visitor.locator("#description")).to_contain_text("Secret")
    expect(visitor.locator("#examples .example")).to_contain_text("Secret")
    assert "Garden" not in visitor.content() + str(visitor.evaluate("JSON.stringify(window.gradio_config)"))
    assert visitor.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    screenshot(visitor, f"logged-in-{language}")
    visitor.locator("#examples .example").click()
    visitor.locator(".exchange.ended").wait_for(timeout=60_000)
    ask(visitor, "How long does Secret last?", number=2)
    expect(visitor.locator(".answer").nth(1)).to_contain_text("six weeks")
    expect(visitor.locator(".visitor")).to_contain_text("bob")
    log_out(visitor, strings, "conversations_log_out_keep")
    visitor.goto(f"{guarded}/{language}/")
    expect(visitor.locator("#password")).to_be_visible()
    assert faults == []


def test_the_language_of_the_login_can_be_chosen_and_stays(guarded: str, browser: Browser) -> None:
    page = browser.new_context(locale="en-US").new_page()
    page.goto(f"{guarded}/en/?domain=garden")
    page.get_by_role("link", name=texts("ko")["language"]).click()
    expect(page.locator("h1 + p")).to_have_text(texts("ko")["tagline"])
    page.locator("#name").focus()
    enter(page, "ann", PASSWORD)
    page.locator("#domain label").wait_for(timeout=60_000)
    expect(page.locator("#domain label")).to_have_text("Garden 한국어")
    assert page.url == f"{guarded}/ko/?domain=garden"
    page.context.close()


def test_a_page_whose_login_has_ended_answers_nothing(guarded: str, browser: Browser) -> None:
    page = browser.new_context(locale="en-US").new_page()
    page.goto(f"{guarded}/en/")
    enter(page, "ann", PASSWORD)
    page.locator("#domain label").wait_for(timeout=60_000)
    page.context.clear_cookies()
    page.fill("#question textarea", "How long does Garden last?")
    page.keyboard.press("Enter")
    page.get_by_text(texts("en")["login_ended"]).first.wait_for()
    assert "six weeks" not in page.locator("body").inner_text()
    screenshot(page, "login-ended")
    page.reload()
    expect(page.locator("#password")).to_be_visible()
    page.context.close()


def test_conversations_in_a_shared_browser_belong_to_the_login(guarded: str, browser: Browser) -> None:
    """Of ann's conversations bob sees nothing, neither in her tab that is still open; they are there for her again."""
    page = browser.new_context(locale="en-US").new_page()
    names = page.locator(".conversations .words")
    page.goto(f"{guarded}/en/")
    enter(page, "ann", PASSWORD)
    page.locator("#domain label").wait_for(timeout=60_000)
    ask(page, "How long does Garden last?")
    expect(names).to_have_text(["How long does Garden last?"])
    left = page.context.new_page()
    left.goto(f"{guarded}/en/")
    expect(left.locator("#chat .question")).to_have_text("How long does Garden last?")
    log_out(page, texts("en"), "conversations_log_out_keep")
    expect(left.locator("#password")).to_be_visible(timeout=60_000)
    enter(page, "bob", PASSWORD)
    page.locator("#domain label").wait_for(timeout=60_000)
    expect(page.locator(".conversations .nothing")).to_be_visible()
    assert "How long does Garden last?" not in page.locator(".conversations, #chat .exchange").all_inner_texts()
    page.locator(".visitor").get_by_role("button").click()
    expect(page.locator("#password")).to_be_visible()
    enter(page, "ann", PASSWORD)
    page.locator("#domain label").wait_for(timeout=60_000)
    expect(page.locator("#chat .question")).to_have_text("How long does Garden last?")
    log_out(page, texts("en"), "conversations_log_out_remove")
    enter(page, "ann", PASSWORD)
    page.locator("#domain label").wait_for(timeout=60_000)
    expect(page.locator(".conversations .nothing")).to_be_visible()
    kept = "async () => (await indexedDB.databases()).map(({name}) => name)"
    assert page.evaluate(kept) == ["lacerta"]
    page.context.close()
