"""The page before a scripted engine: what a visitor sees when the model is slow, fails or is hostile."""

import json
import time
import urllib.error
import urllib.request

import pytest
from conftest import Open, ask, screenshot  # type: ignore[import-not-found]
from playwright.sync_api import expect

from web.texts import texts


def test_an_answer_links_to_its_passage(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "plain question")
    expect(page.locator(".question")).to_have_text("plain question")
    expect(page.locator(".answer .text")).to_contain_text("Answer to plain question after 0 turns in first [1].")
    page.locator("a.citation").click()
    expect(page.locator("#passage-1-1")).to_be_focused()
    expect(page.locator("#passage-1-1 mark")).to_have_text("The rule says question")
    expect(page.locator("#question textarea")).to_have_value("")


def test_the_history_grows_and_earlier_sources_stay_reachable(scripted: str, open_page: Open) -> None:
    page = open_page(scripted, width=390)
    ask(page, "plain one")
    ask(page, "plain two", number=2)
    expect(page.locator(".answer").nth(1)).to_contain_text("after 2 turns")
    page.locator(".answer").nth(0).locator("a.citation").click()
    expect(page.locator("#passage-1-1")).to_be_focused()
    expect(page.locator("#passage-1-1")).to_be_in_viewport()


def test_passages_come_before_the_answer_and_stop_stops_the_engine(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    page.fill("#question textarea", "slow question")
    page.locator("#send").click()
    page.locator(".passage").first.wait_for()
    assert "word" not in page.locator(".answer").inner_text()
    page.get_by_text("word3").wait_for()
    page.locator("#stop").click()
    expect(page.locator(".answer")).to_contain_text(texts("en")["stopped"])
    expect(page.locator(".answer")).to_contain_text("word3")
    expect(page.locator("#stop")).to_be_hidden()
    wait_until_idle(scripted)
    ask(page, "plain after", number=2)
    expect(page.locator(".answer").nth(1)).to_contain_text("after 0 turns")


def test_the_visitor_sees_the_queue_the_question_searched_for_and_what_is_not_borne_out(
    scripted: str, open_page: Open
) -> None:
    page = open_page(scripted)
    page.fill("#question textarea", "busy question")
    page.keyboard.press("Enter")
    for position in (2, 1):
        expect(page.locator(".answer .waiting")).to_contain_text(texts("en")["queued"].format(position=position))
    page.locator(".exchange.ended").wait_for()
    expect(page.locator(".searched")).to_have_text(f"{texts('en')['searched']} busy <b>made whole</b>")
    expect(page.locator("abbr.unsupported")).to_have_attribute("title", texts("en")["unsupported"])
    expect(page.locator(".notice")).to_have_text("other-model did not answer (it cannot be reached).")
    screenshot(page, "busy")


def test_a_closed_page_stops_its_answer(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    page.fill("#question textarea", "slow question")
    page.keyboard.press("Enter")
    page.get_by_text("word1").wait_for()
    page.close()
    wait_until_idle(scripted)


def test_clear_begins_anew_also_while_an_answer_is_written(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    page.fill("#question textarea", "slow question")
    page.keyboard.press("Enter")
    page.get_by_text("word1").wait_for()
    page.locator("#clear").click()
    expect(page.locator(".empty")).to_be_visible()
    expect(page.locator("#examples")).to_be_visible()
    wait_until_idle(scripted)
    ask(page, "plain again")
    expect(page.locator(".answer")).to_contain_text("after 0 turns")


def test_each_domain_keeps_its_own_conversation(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "plain one")
    page.locator("#domain label").nth(1).click()
    expect(page.locator(".empty")).to_be_visible()
    ask(page, "plain two")
    expect(page.locator(".answer")).to_contain_text("in second")
    page.locator("#domain label").nth(0).click()
    expect(page.locator(".question")).to_have_text("plain one")


def test_the_language_switch_keeps_the_domain(scripted: str, open_page: Open) -> None:
    page = open_page(scripted, locale="hu-HU")
    page.locator("#domain label").nth(1).click()
    page.locator('#header a[lang="ko"][href*="second"]').click()
    expect(page.locator("#send")).to_have_text(texts("ko")["send"])
    expect(page.locator("#domain label.selected")).to_contain_text("ko second")
    page.goto(scripted)
    expect(page.locator("#send")).to_have_text(texts("ko")["send"])


@pytest.mark.parametrize(
    ("question", "sentence"), [("fail x", "not answer <b>today</b>."), ("crash x", texts("en")["unexpected"])]
)
def test_a_failure_is_a_sentence_and_the_question_comes_back(
    scripted: str, open_page: Open, question: str, sentence: str
) -> None:
    page = open_page(scripted)
    ask(page, question)
    expect(page.locator(".failure")).to_contain_text(sentence)
    expect(page.locator("#question textarea")).to_have_value(question)
    ask(page, "plain on", number=2)


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_hostile_is_loaded_or_rendered(scripted: str, open_page: Open, width: int) -> None:
    page = open_page(scripted, width=width)
    title = page.title()
    ask(page, "hostile ![x](http://evil.example/q.png) <img src=http://evil.example/q>")
    page.wait_for_timeout(500)
    assert page.title() == title
    talk = page.locator("#chat, #passages")
    assert talk.locator("img, script, iframe, object, form, input").count() == 0
    links = page.eval_on_selector_all("#chat a, #passages a", "all => all.map(link => link.getAttribute('href'))")
    assert set(links) == {"#passage-1-1"}
    expect(page.locator(".answer .text")).to_contain_text("[7]")
    expect(page.locator(".answer .text")).to_contain_text("![x](http://evil.example/b.png)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    screenshot(page, f"hostile-{width}")


def test_two_visitors_do_not_see_each_other(scripted: str, open_page: Open) -> None:
    one, two = open_page(scripted), open_page(scripted, locale="ko-KR")
    ask(one, "plain mine")
    expect(two.locator(".empty")).to_be_visible()
    ask(two, "plain yours")
    expect(two.locator(".answer")).to_contain_text("after 0 turns")
    expect(one.locator(".question")).to_have_text("plain mine")
    one.reload()
    expect(one.locator(".empty")).to_be_visible()


def test_a_second_question_waits_for_the_first(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    page.fill("#question textarea", "slow question")
    page.keyboard.press("Enter")
    page.get_by_text("word1").wait_for()
    page.fill("#question textarea", "plain early")
    page.keyboard.press("Enter")
    page.get_by_text("word6").wait_for()
    expect(page.locator(".question")).to_have_count(1)
    expect(page.locator("#question textarea")).to_have_value("plain early")
    page.locator("#stop").click()
    wait_until_idle(scripted)


def test_headers_hold_every_response(scripted: str) -> None:
    for path in ("/healthz", "/hu/", "/static/lizard.svg"):
        with urllib.request.urlopen(scripted + path) as response:
            assert "default-src 'self'" in response.headers["content-security-policy"]
            assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["upload", "file=README.md", "proxy=http://evil.example/", "info/../upload", "monitoring"]
)
def test_routes_that_the_page_does_not_need_are_closed(scripted: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{scripted}/en/gradio_api/{path}", data=b"" if path == "upload" else None)
    assert refused.value.code in (404, 405)


def engine_state(address: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{address}/scripted") as response:
        return dict(json.load(response))


def wait_until_idle(address: str) -> None:
    """Returns once no answer is being written; a test that waits for ever fails by its time limit."""
    while engine_state(address)["active"]:
        time.sleep(0.1)
