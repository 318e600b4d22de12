"""Thumbs with a reason and a correction, and the maintainer's page that shows them, before the whole program."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import LOCALES, Open, ask, findings, free_port, screenshot, served  # type: ignore[import-not-found]
from playwright.sync_api import Browser, Page, Route, expect

from rag.feedback import Feedback, Store
from web.access.passwords import password_hash
from web.texts import texts

PASSWORD = "four words of Lacerta"
DOMAIN = """
languages = ["en"]
title = { en = "Garden in English", hu = "Kert magyarul", ko = "정원 한국어" }
description = { en = "About it", hu = "Leírása", ko = "설명" }
examples = { en = ["How long?"], hu = ["Meddig?"], ko = ["기간은?"] }
[[sources]]
kind = "files"
"""
HOSTILE = "<img src=x onerror=\"document.title='owned'\"> =1+1 여덟 주"
QUESTION = "How long does the garden season last?"


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rated") / "var"


@pytest.fixture(scope="module")
def rated(browser: Browser, var: Path) -> Iterator[str]:
    """The program, open to anyone, with a login that maintains it and keeps what found no answer."""
    folder, port = var.parent, free_port()
    sources = folder / "corpora" / "garden" / "sources"
    sources.mkdir(parents=True)
    (sources / "rules.md").write_text("# Season\n\nThe garden season lasts six weeks.", encoding="utf-8")
    (sources.parent / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    environment = {
        "LACERTA_VAR": str(var),
        "LACERTA_CORPORA": str(folder / "corpora"),
        "LACERTA_PORT": str(port),
        "LACERTA_EMBEDDER": "fast",
        "LACERTA_OPEN": "page",
        "LACERTA_KEEP_QUESTIONS": "true",
        "LACERTA_LOGIN_ANN": f"scrypt:{password_hash(PASSWORD)}; maintainer=true",
    }
    with served(["app.py"], port, environment, folder / "log") as address:
        yield address


def kept(var: Path) -> list[Feedback]:
    """What is kept, oldest first."""
    return [*Store(var / "feedback.sqlite").read()]


def thumb(page: Page, name: str, number: int = 1) -> Any:
    return page.locator(f'.exchange >> nth={number - 1} >> [data-action="{name}"]')


def panel(page: Page) -> Any:
    return page.locator("#feedback[open]")


@pytest.mark.parametrize(
    ("language", "width", "scheme"), [("hu", 390, "light"), ("ko", 1280, "dark"), ("en", 1280, "light")]
)
def test_a_thumb_down_with_reason_and_correction_by_keyboard_alone(
    rated: str, var: Path, open_page: Open, language: str, width: int, scheme: str
) -> None:
    strings, before = texts(language), len(kept(var))
    page = open_page(f"{rated}/{language}/", locale=LOCALES[language], width=width, scheme=scheme)
    ask(page, QUESTION)
    thumb(page, "down").focus()
    page.keyboard.press("Enter")
    expect(panel(page)).to_contain_text(strings["feedback_kept_texts"])
    expect(page.locator("#feedback input").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    expect(page.locator("#feedback textarea")).to_be_focused()
    page.keyboard.type(HOSTILE)
    screenshot(page, f"feedback-down-{language}-{width}-{scheme}")
    assert findings(page) == []
    # Closed and opened again, what was typed is still there, and nothing was sent.
    page.keyboard.press("Escape")
    expect(panel(page)).to_have_count(0)
    expect(thumb(page, "down")).to_be_focused()
    assert len(kept(var)) == before
    page.keyboard.press("Enter")
    expect(page.locator("#feedback textarea")).to_have_value(HOSTILE)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#feedback .main")).to_be_focused()
    page.keyboard.press("Enter")
    expect(panel(page).get_by_role("status")).to_have_text(strings["feedback_thanks"])
    expect(thumb(page, "down")).to_have_attribute("aria-pressed", "true")
    screenshot(page, f"feedback-thanks-{language}-{width}-{scheme}")
    assert findings(page) == []
    said = kept(var)[-1]
    assert (said.rating, said.reason, said.correction) == ("down", "source", HOSTILE)
    assert said.given and said.given.texts and said.given.texts.question == QUESTION
    assert "six weeks" in said.given.texts.answer and said.given.texts.passages[0].document == "rules.md"
    # It is found again with the conversation, and can be taken back.
    page.reload()
    page.locator(".exchange.ended").wait_for()
    expect(thumb(page, "down")).to_have_attribute("aria-pressed", "true")
    thumb(page, "down").click()
    expect(page.locator("#feedback textarea")).to_have_value(HOSTILE)
    panel(page).get_by_role("button", name=strings["feedback_undo"]).click()
    expect(panel(page).get_by_role("status")).to_have_text(strings["feedback_undone"])
    expect(thumb(page, "down")).to_have_attribute("aria-pressed", "false")
    assert len(kept(var)) == before
    assert page.title() != "owned"


def test_the_first_thumb_up_says_what_is_kept_and_the_next_is_sent_at_once(
    rated: str, var: Path, open_page: Open
) -> None:
    strings, before = texts("en"), len(kept(var))
    page = open_page(f"{rated}/en/")
    ask(page, QUESTION)
    thumb(page, "up").click()
    expect(panel(page)).to_contain_text(strings["feedback_kept_texts"])
    assert len(kept(var)) == before
    panel(page).get_by_role("button", name=strings["feedback_send"]).click()
    expect(panel(page).get_by_role("button", name=strings["feedback_undo"])).to_be_focused()
    ask(page, f"{QUESTION} Please.", number=2)
    thumb(page, "up", 2).click()
    expect(thumb(page, "up", 2)).to_have_attribute("aria-pressed", "true")
    expect(thumb(page, "up", 1)).to_have_attribute("aria-pressed", "true")
    assert [item.rating for item in kept(var)[before:]] == ["up", "up"]
    # What only thanks is gone with the next click elsewhere.
    page.locator("#chat .question").first.click()
    expect(panel(page)).to_have_count(0)
    # Pressed again it is the way back.
    thumb(page, "up", 2).click()
    panel(page).get_by_role("button", name=strings["feedback_undo"]).click()
    expect(thumb(page, "up", 2)).to_have_attribute("aria-pressed", "false")
    assert len(kept(var)) == before + 1


def test_what_could_not_be_sent_is_still_there(rated: str, browser: Browser) -> None:
    strings, context = texts("en"), browser.new_context(locale="en-US")
    page = context.new_page()
    page.goto(f"{rated}/en/")
    page.wait_for_selector("#question textarea")
    answers: list[Any] = [
        lambda route: route.abort(),
        lambda route: route.fulfill(status=429, json={"error": {"code": "overloaded"}}),
        lambda route: route.fulfill(status=401, json={"detail": "x"}),
        lambda route: route.continue_(),
    ]

    def answered(route: Route) -> None:
        if route.request.method == "POST":
            answers.pop(0)(route)
        else:
            route.fulfill(json={"feedback": True, "texts": False, "reasons": [], "correction_characters": 10})

    page.route("**/feedback/**", answered)
    ask(page, QUESTION)
    thumb(page, "down").click()
    # Where texts are not kept, the visitor is told so.
    expect(panel(page)).to_contain_text(strings["feedback_kept_facts"])
    page.locator("#feedback textarea").fill("Eight weeks")
    expect(page.locator("#feedback textarea")).to_have_value("Eight week")
    for words in ("feedback_failed", "feedback_busy", "login_ended"):
        page.locator("#feedback .main").click()
        expect(panel(page).get_by_role("status")).to_have_text(strings[words])
        expect(page.locator("#feedback textarea")).to_have_value("Eight week")
        expect(page.locator("#feedback .main")).to_have_text(strings["feedback_again"])
    screenshot(page, "feedback-failed")
    page.locator("#feedback .main").click()
    expect(panel(page).get_by_role("status")).to_have_text(strings["feedback_thanks"])
    context.close()


@pytest.mark.parametrize(
    ("language", "width", "scheme"), [("hu", 390, "light"), ("ko", 1280, "dark"), ("en", 390, "dark")]
)
def test_a_maintainer_sees_what_was_asked_and_said(
    rated: str, browser: Browser, language: str, width: int, scheme: str
) -> None:
    faults: list[str] = []
    context = browser.new_context(
        locale=LOCALES[language], viewport={"width": width, "height": 844},
        color_scheme="dark" if scheme == "dark" else "light",
    )  # fmt: skip
    page = context.new_page()
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{rated}/{language}/")
    page.wait_for_selector("#question textarea")
    ask(page, f"Who won the cup in 1954? {HOSTILE}")
    thumb(page, "down").click()
    page.locator("#feedback textarea").fill(HOSTILE)
    page.locator("#feedback .main").click()
    expect(thumb(page, "down")).to_have_attribute("aria-pressed", "true")
    page.goto(f"{rated}/maintain")
    page.locator("#name").fill("ann")
    page.locator("#password").fill(PASSWORD)
    page.keyboard.press("Enter")
    strings = texts(language)
    for name in ("overview", "questions", "feedback", "indexes"):
        link = page.locator(".views").get_by_role("link", name=strings[f"maintain_{name}"])
        link.click()
        expect(page.locator("h1")).to_have_text(strings[f"maintain_{name}"])
        expect(page.locator(".views [aria-current]")).to_have_text(strings[f"maintain_{name}"])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        if name in ("questions", "feedback"):
            expect(page.locator(".items").first).to_contain_text(HOSTILE)
        screenshot(page, f"maintain-{name}-{language}-{width}-{scheme}")
        assert findings(page) == []
    page.locator(".tools > a").click()
    page.locator(".visitor").get_by_role("link", name=strings["maintain_title"]).click()
    expect(page.locator("h1")).to_have_text(strings["maintain_overview"])
    assert page.title() != "owned" and faults == []
    context.close()
