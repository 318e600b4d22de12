"""The server goes away while a visitor asks, and comes back: nothing that was asked, said or typed is lost."""

import urllib.request
from pathlib import Path

from conftest import Open, ask, free_port, screenshot, served  # type: ignore[import-not-found]
from playwright.sync_api import Browser, Page, expect

from web.texts import texts


def begin(page: Page, question: str, word: str = "word3") -> None:
    """Asks what is answered slowly, and waits until some of it is there."""
    page.fill("#question textarea", question)
    page.keyboard.press("Enter")
    expect(page.locator(".exchange.open .answer")).to_contain_text(word)


def end(address: str) -> None:
    request = urllib.request.Request(f"{address}/scripted/end", method="POST")
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except OSError:
        return


def test_a_server_that_ends_in_the_middle_of_an_answer_and_starts_again(browser: Browser, tmp_path: Path) -> None:
    port, strings = free_port(), texts("hu")
    command = ["tests/browser/scripted.py", str(port)]
    # Not by open_page: what can't be reached is told in the browser's console, too.
    context = browser.new_context(locale="hu-HU", viewport={"width": 390, "height": 844})
    page = context.new_page()
    with served(command, port, {}, tmp_path / "first") as address:
        page.goto(address)
        page.locator("html[data-domain]").wait_for(state="attached", timeout=60_000)
        ask(page, "plain one")
        begin(page, "slow question")
        end(address)
        expect(page.locator("#standing")).to_have_text(strings["chat_state_lost"])
        expect(page.locator("#standing")).to_be_in_viewport(ratio=1)
        page.fill("#question textarea", "typed meanwhile")
        screenshot(page, "lost-hu")
    with served(command, port, {}, tmp_path / "second"):
        expect(page.locator("#chat .exchange.ended")).to_have_count(2, timeout=60_000)
        expect(page.locator("#chat .question")).to_have_text(["plain one", "slow question"])
        expect(page.locator("#question textarea")).to_have_value("typed meanwhile")
        expect(page.locator("#standing")).to_be_empty()
        ask(page, "plain two", 3)
        expect(page.locator(".answer").nth(2)).to_contain_text("after 2 turns")
    context.close()


def test_what_a_short_break_left_going_on_goes_on(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    begin(page, "slow question")
    # The answer is still read; the browser says that it is offline.
    page.evaluate("dispatchEvent(new Event('offline'))")
    expect(page.locator("#standing")).to_have_text(texts("en")["chat_state_lost"])
    page.fill("#question textarea", "typed meanwhile")
    words = page.locator(".exchange.open .answer").inner_text().split()
    expect(page.locator(".exchange.open .answer")).to_contain_text(f"word{len(words) + 3}")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#standing")).to_have_text(texts("en")["chat_state_back"])
    expect(page.locator("#question textarea")).to_have_value("typed meanwhile")
    assert int(page.locator(".exchange.open .answer").inner_text().split()[-1].removeprefix("word")) > len(words)
    # An example, or words of the search, are asked beside it.
    page.locator("#stop").click()
    page.locator(".exchange.ended").wait_for()
    page.evaluate("window.lacerta.send('ask', {text: 'fail beside'})")
    expect(page.locator(".failure")).to_be_visible()
    expect(page.locator("#question textarea")).to_have_value("typed meanwhile")
