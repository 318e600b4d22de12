"""The report of the evaluation in a browser, as a file: it asks no host for anything, and all of it can be reached."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import screenshot  # type: ignore[import-not-found]
from playwright.sync_api import Browser, BrowserContext, Page, expect

from evaluation.report import write
from tests import reported

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    many = reported.many()
    more = reported.run(*(reported.outcome(f"more-{number:02}") for number in range(40)), name="more")
    return write(tmp_path_factory.mktemp("report"), [many, more])


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Open]:
    """Opens the report; at the end it may have asked for nothing but itself, and met no error."""
    contexts: list[BrowserContext] = []
    asked: list[str] = []
    faults: list[str] = []

    def open_report(width: int = 1280, scheme: str = "light", part: str = "", script: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 844},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=script,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url.partition("#")[0]))
        page.on("pageerror", lambda error: faults.append(f"error {error}"))
        page.on("dialog", lambda dialog: faults.append(f"dialog {dialog.message}"))
        page.on("console", lambda message: faults.append(message.text))
        page.goto(report.as_uri() + part)
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert {url for url in asked if not url.startswith("data:")} <= {report.as_uri()}
    assert faults == []


def listed(page: Page) -> list[str]:
    return [str(one.get_attribute("data-id")) for one in page.locator(".question:visible").all()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_as_wide_as_the_window(opened: Open, width: int, scheme: str) -> None:
    page = opened(width, scheme)
    assert page.title() == "Evaluation: birds"
    expect(page.locator("#verdict .verdict")).to_be_visible()
    screenshot(page, f"report-{width}-{scheme}")
    for details in page.locator("details:visible > summary").all():
        details.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("document.title") == "Evaluation: birds"
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    letters = page.locator("figure svg text").first.evaluate("one => getComputedStyle(one).fill")
    assert (sum(map(int, letters[4:-1].split(","))) > 3 * 128) == dark


def test_a_document_or_a_page_is_found(opened: Open) -> None:
    page = opened()
    expect(page.locator(".level.page")).to_be_visible()
    expect(page.locator(".level.document")).to_be_hidden()
    page.get_by_label("the labelled document").check()
    expect(page.locator(".level.page")).to_be_hidden()
    expect(page.locator(".level.document table").first).to_be_visible()


def test_questions_are_filtered_and_ordered(opened: Open) -> None:
    page = opened()
    count = page.locator(".count")
    expect(count).to_have_text("10 of 10 shown, 52 questions in all")
    page.locator("[name=language]").select_option("ko")
    assert listed(page) == ["birds/korean"]
    page.locator("[name=language]").select_option("")
    page.locator("[name=fault]").select_option("wrong page")
    assert listed(page) == ["birds/wrong page"]
    page.locator("[name=fault]").select_option("")
    page.locator("[name=text]").fill("MORE-0")
    expect(count).to_have_text("10 of 10 shown, 52 questions in all")
    page.locator("[name=text]").fill("")
    page.locator("[name=order]").select_option("id")
    assert listed(page)[:2] == ["birds/failed", "birds/good"]
    page.locator("[name=order]").select_option("worst")
    assert listed(page)[0] == "birds/failed"
    expect(count).to_have_text("25 of 52 shown, 52 questions in all")
    page.get_by_role("button", name="Show 25 more").click()
    expect(count).to_have_text("50 of 52 shown, 52 questions in all")
    expect(page.locator(".question >> nth=25").locator("summary")).to_be_focused()
    page.get_by_role("button", name="Show 2 more").click()
    expect(page.get_by_role("button")).to_be_hidden()


def test_a_question_opens_by_keyboard_and_by_its_address(opened: Open) -> None:
    page = opened(390)
    page.locator(".question summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".question").first.get_by_text("Expected")).to_be_visible()
    last = opened(part="#question-52").locator("#question-52")
    expect(last.get_by_text("Expected")).to_be_visible()
    expect(last).to_be_in_viewport()


def test_without_scripts_all_is_there(opened: Open) -> None:
    page = opened(script=False)
    expect(page.locator(".filters")).to_be_hidden()
    assert len(listed(page)) == 52


def test_printed_it_is_dark_on_white(opened: Open) -> None:
    page = opened(scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(23, 33, 28)"
    expect(page.locator(".filters")).to_be_hidden()
    expect(page.locator(".level.document")).to_be_visible()
