"""How the page looks to whom: axe-core in every state, any width, on paper, enlarged, in forced colours."""

from collections.abc import Iterator
from typing import Any

import pypdfium2
import pytest
from conftest import LOCALES, Open, ask, findings, screenshot  # type: ignore[import-not-found]
from playwright.sync_api import Browser, BrowserContext, Page, expect

from web.texts import texts

LANGUAGES = ("hu", "ko", "en")
WIDTHS = (320, 390, 768, 861, 1280, 1920, 2560)
LONG = f"plain {'Megszentségteleníthetetlenségeskedéseitekért' * 5} https://example.org/{'a' * 300}?b={'c' * 200}"
PARTICULARS = "plain 현장실습기간은얼마이며신청은언제까지해야하는지알려주세요 and how long is it?"


def overflowing(page: Page) -> list[str]:
    """What reaches beyond the window at its sides and is in nothing that scrolls."""
    return page.evaluate(
        """() => {
          const wide = document.documentElement.clientWidth, out = [];
          if (document.documentElement.scrollWidth > wide) out.push(`page ${document.documentElement.scrollWidth}`);
          for (const part of document.querySelectorAll("#bar *, #about *, #notice *, #columns *")) {
            const box = part.getBoundingClientRect(), style = getComputedStyle(part);
            if (!box.width || !box.height || style.position === "fixed" || part.closest(".unseen, svg")) continue;
            let scrolls = false;
            for (let up = part.parentElement; up && up !== document.body; up = up.parentElement) {
              scrolls ||= ["auto", "scroll", "hidden"].includes(getComputedStyle(up).overflowX);
            }
            const inside = part.scrollWidth > part.clientWidth + 1 && style.overflowX === "visible"
              && style.display !== "inline" && part.clientWidth;
            const beyond = !scrolls && (box.right > wide + 1 || box.left < -1);
            const over = inside && part.matches("p, h1, h2, h3, h4, div") && !part.querySelector(".unseen");
            if (beyond || over) out.push(`${part.tagName}#${part.id}.${part.className} ${box.right}`);
          }
          return out;
        }"""
    )


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Any]:
    """Opens a page with what a browser can be set to."""
    contexts: list[BrowserContext] = []

    def come(address: str, width: int = 1280, height: int = 800, **settings: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#question textarea")
        page.wait_for_selector("html[data-domain]")
        return page

    yield come
    for context in contexts:
        context.close()


@pytest.mark.parametrize(
    ("language", "width", "scheme"),
    [("en", 390, "light"), ("hu", 1280, "dark"), ("ko", 390, "dark")],
)
def test_axe_finds_nothing_serious_in_any_state(
    scripted: str, open_page: Open, language: str, width: int, scheme: str
) -> None:
    page = open_page(f"{scripted}/{language}/", locale=LOCALES[language], width=width, scheme=scheme)
    page.locator(".empty .mascot").wait_for()
    assert page.evaluate("document.documentElement.lang") == language
    found = {"empty": findings(page)}
    ask(page, "plain question")
    found["answered"] = findings(page)
    page.fill("#question textarea", "busy question")
    page.keyboard.press("Enter")
    page.locator(".exchange.open .waiting").wait_for()
    found["waiting"] = findings(page)
    page.locator(".exchange.ended >> nth=1").wait_for()
    found["doubted"] = findings(page)
    ask(page, "fail question", number=3)
    found["failed"] = findings(page)
    ask(page, "hostile question", number=4)
    found["hostile"] = findings(page)
    screenshot(page, f"looks-{language}-{width}-{scheme}")
    assert {state: lines for state, lines in found.items() if lines} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_reaches_beyond_the_window_at_any_width(scripted: str, open_page: Open, language: str) -> None:
    page = open_page(f"{scripted}/{language}/", locale=LOCALES[language], width=320)
    found = {}
    for number, text in enumerate(["", LONG, PARTICULARS]):
        if text:
            ask(page, text, number=number)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            found[number, width] = overflowing(page)
    assert {key: lines for key, lines in found.items() if lines} == {}


def test_twice_the_letters_still_fit(scripted: str, visitor: Any) -> None:
    page = visitor(f"{scripted}/hu/", locale="hu-HU")
    ask(page, LONG)
    page.add_style_tag(content="html { font-size: 200%; }")
    assert overflowing(page) == []
    page.locator("#question textarea").scroll_into_view_if_needed()
    expect(page.locator("#question textarea")).to_be_in_viewport()


def test_the_look_is_chosen_and_kept(scripted: str, open_page: Open) -> None:
    page = open_page(scripted, scheme="dark")
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "dark")
    for choice, theme in (("light", "light"), ("dark", "dark"), ("system", "dark"), ("light", "light")):
        page.locator("#theme").click()
        expect(root).to_have_attribute("data-theme", theme)
        expect(page.locator("#theme")).to_have_accessible_name(texts("en")[f"theme_{choice}"])
    page.reload()
    page.wait_for_selector("#question textarea")
    expect(root).to_have_attribute("data-theme", "light")
    expect(page.locator("body")).not_to_have_class("dark")
    page.emulate_media(color_scheme="light")
    page.locator("#theme").click()
    page.locator("#theme").click()
    expect(root).to_have_attribute("data-choice", "system")
    page.emulate_media(color_scheme="dark")
    expect(root).to_have_attribute("data-theme", "dark")


def test_the_page_is_dark_before_any_part_of_it_runs(scripted: str, browser: Browser) -> None:
    context = browser.new_context(color_scheme="light")
    context.add_init_script("localStorage.setItem('lacerta-theme', 'dark')")
    page = context.new_page()
    page.route("**/assets/*.js", lambda route: route.abort())
    page.goto(f"{scripted}/ko/")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 20, 18)"
    assert page.evaluate("document.documentElement.lang") == "ko"
    context.close()


@pytest.mark.parametrize(("touch", "least"), [(False, 24), (True, 44)])
def test_what_is_pressed_is_large_enough(scripted: str, visitor: Any, touch: bool, least: int) -> None:
    page = visitor(f"{scripted}/hu/", 390, 844, locale="hu-HU", has_touch=touch, is_mobile=touch)
    small = """least => [...document.querySelectorAll("button, select, summary, [role=tab], label, #header a")].map((part) => {
      const box = part.getBoundingClientRect();
      return box.width && box.height && !part.closest(".unseen, [hidden]") && getComputedStyle(part).visibility !== "hidden"
        && (box.height < least - .5 || box.width < least - .5) ? `${part.outerHTML.slice(0, 120)} ${box.width}x${box.height}` : "";
    }).filter(Boolean)"""  # noqa: E501
    assert page.evaluate(small, least) == []
    ask(page, "plain question")
    assert page.evaluate(small, least) == []


def test_paper_holds_the_answer_and_its_sources_alone(scripted: str, visitor: Any) -> None:
    page = visitor(f"{scripted}/en/", color_scheme="dark")
    ask(page, "plain question")
    document = pypdfium2.PdfDocument(page.pdf())
    assert len(document) == 1
    printed = "".join(sheet.get_textpage().get_text_range() for sheet in document)
    for wanted in ("plain question", "Answer to plain question", "Handbook", "The rule says question"):
        assert wanted in printed
    strings = texts("en")
    for unwanted in ("send", "clear", "chat_copy", "chat_mode_search", "finished", "chat_why", "chat_skip"):
        assert strings[unwanted] not in printed, unwanted
    assert "Magyar" not in printed
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 29, 26)"


def test_nothing_moves_where_motion_is_not_wanted(scripted: str, visitor: Any) -> None:
    page = visitor(f"{scripted}/en/", reduced_motion="reduce")
    page.fill("#question textarea", "busy question")
    page.keyboard.press("Enter")
    page.locator(".exchange.open .waiting").wait_for()
    running = "document.getAnimations().filter(a => a.effect.getComputedTiming().activeDuration > 1).length"
    assert page.evaluate(running) == 0


def test_forced_colours_leave_states_and_focus_to_be_seen(scripted: str, visitor: Any) -> None:
    page = visitor(f"{scripted}/en/", forced_colors="active")
    chosen, other = page.locator("#domain label.selected"), page.locator("#domain label:not(.selected)")
    ground = "element => getComputedStyle(element).backgroundColor"
    assert chosen.first.evaluate(ground) != other.first.evaluate(ground)
    ask(page, "plain question")
    page.keyboard.press("Shift+Tab")
    style = page.evaluate(
        "(({ outlineStyle, outlineWidth }) => [outlineStyle, parseFloat(outlineWidth)])"
        "(getComputedStyle(document.activeElement))"
    )
    assert style[0] == "solid" and style[1] >= 2
    assert findings(page) == []


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_jumps_while_an_answer_is_written(scripted: str, visitor: Any, width: int) -> None:
    page = visitor(f"{scripted}/en/", width=width, has_touch=width < 400, is_mobile=width < 400)
    ask(page, "plain question")
    page.evaluate(
        """() => { window.jumps = []; new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.jumps.push(entry.value);
        }).observe({ type: "layout-shift" }); }"""
    )
    page.fill("#question textarea", "slow question")
    page.locator("#send").click()
    page.get_by_text("word12").wait_for()
    # From here on only the answer grows.
    page.evaluate("window.jumps.length = 0")
    page.get_by_text("word40").wait_for()
    assert page.evaluate("window.jumps.reduce((sum, jump) => sum + jump, 0)") < 0.01
    page.locator("#stop").click()


@pytest.mark.parametrize(("language", "least", "most"), [("en", 60, 75), ("hu", 60, 75), ("ko", 30, 45)])
def test_lines_are_as_long_as_they_are_read_well(
    scripted: str, open_page: Open, language: str, least: int, most: int
) -> None:
    sample = {
        "en": "The student hands in the report within two weeks of the end of the internship, with the certificate.",
        "hu": "A hallgató a gyakorlat végétől számított két héten belül adja be a beszámolóját, az igazolással együtt.",
        "ko": "학생은 현장실습이 끝난 날부터 두 주 안에 서명된 확인서와 함께 보고서를 제출해야 합니다.",
    }[language]
    page = open_page(f"{scripted}/{language}/", locale=LOCALES[language], width=2560)
    ask(page, "plain question")
    letters = page.locator(".answer .text p").first.evaluate(
        """(part, [sample, language]) => {
          part.closest("[lang]").lang = language;
          const brush = document.createElement("canvas").getContext("2d"), style = getComputedStyle(part);
          brush.font = `${style.fontSize} ${style.fontFamily}`;
          return part.clientWidth / (brush.measureText(sample).width / sample.length);
        }""",
        [sample, language],
    )
    assert least <= letters <= most


def test_words_break_as_their_language_does(scripted: str, open_page: Open) -> None:
    korean = open_page(f"{scripted}/ko/", locale="ko-KR")
    assert korean.locator("#description").evaluate("part => getComputedStyle(part).wordBreak") == "keep-all"
    hungarian = open_page(f"{scripted}/hu/", locale="en-US")
    ask(hungarian, "plain question")
    assert hungarian.locator(".answer .text").evaluate("part => getComputedStyle(part).hyphens") == "auto"


def test_the_lizard_is_there_in_every_pose(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    drawn = "image => image.complete && image.naturalWidth > 0"
    assert page.locator(".empty .mascot.hello").evaluate(drawn)
    page.fill("#question textarea", "busy question")
    page.keyboard.press("Enter")
    page.locator(".exchange.open .mascot.found").wait_for()
    page.locator(".exchange.ended").wait_for()
    ask(page, "fail question", number=2)
    page.locator(".exchange.ended .mascot.sorry").wait_for()
    assert page.locator(".mascot").evaluate_all("images => images.every((image) => image.alt === '')")
    icon = page.request.get(f"{scripted}/favicon.ico")
    assert icon.ok and icon.headers["content-type"].startswith("image/svg")


def test_on_a_phone_the_keyboard_goes_and_the_question_stays(scripted: str, visitor: Any) -> None:
    page = visitor(f"{scripted}/hu/", width=390, height=700, has_touch=True, is_mobile=True)
    page.locator("html[data-domain]").wait_for(state="attached")
    page.locator("#question textarea").tap()
    ask(page, "plain question")
    expect(page.locator("#question textarea")).not_to_be_focused()
    page.locator("a.citation").nth(0).tap()
    expect(page.locator("#p-1-1")).to_be_in_viewport(ratio=1)
    expect(page.locator("#entry")).to_be_in_viewport(ratio=1)
    # The domains stand in one row, which begins with the chosen one.
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto(f"{scripted}/hu/?domain=second")
    expect(page.locator("#domain label.selected")).to_have_text("Scripted hu second")
    expect(page.locator("#domain label.selected")).to_be_in_viewport(ratio=1)
    page.add_style_tag(content="#domain label { letter-spacing: .5px }")
    expect(page.locator("#domain label.selected")).to_be_in_viewport(ratio=1)
