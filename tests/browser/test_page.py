"""The page before a scripted engine: what a visitor sees when the model is slow, fails or is hostile."""

import json
import re
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from conftest import LOCALES, Open, ask, screenshot  # type: ignore[import-not-found]
from playwright.sync_api import Browser, Page, Route, expect

from web.chunks import chunks
from web.joined import made
from web.texts import texts


def test_an_answer_links_to_its_passage(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "plain question")
    expect(page.locator(".question")).to_have_text("plain question")
    expect(page.locator(".answer .text")).to_contain_text("Answer to plain question after 0 turns in first [1].")
    page.locator("a.citation").click()
    expect(page.locator("#p-1-1")).to_be_focused()
    expect(page.locator("#p-1-1 mark")).to_have_text("The rule says question")
    expect(page.locator("#question textarea")).to_have_value("")


def test_the_history_grows_and_earlier_sources_stay_reachable(scripted: str, open_page: Open) -> None:
    page = open_page(scripted, width=390)
    ask(page, "plain one")
    ask(page, "plain two", number=2)
    expect(page.locator(".answer").nth(1)).to_contain_text("after 2 turns")
    page.locator(".answer").nth(0).locator("a.citation").click()
    expect(page.locator("#p-1-1")).to_be_focused()
    expect(page.locator("#p-1-1")).to_be_in_viewport()


def test_passages_come_before_the_answer_and_stop_stops_the_engine(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    page.fill("#question textarea", "late question")
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
    expect(page.get_by_text(texts("en")["unsupported"])).to_be_visible()
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


def test_a_failure_is_a_sentence_and_the_question_comes_back(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "fail x")
    expect(page.locator(".failure")).to_contain_text("not answer <b>today</b>.")
    expect(page.locator("#question textarea")).to_have_value("fail x")
    ask(page, "crash x", number=2)
    expect(page.locator(".failure").nth(1)).to_contain_text(texts("en")["unexpected"])
    expect(page.locator("#question textarea")).to_have_value("crash x")
    ask(page, "plain on", number=3)


def test_nothing_hostile_is_loaded_or_rendered(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    title = page.title()
    ask(page, "hostile ![x](http://evil.example/q.png) <img src=http://evil.example/q>")
    page.wait_for_timeout(500)
    assert page.title() == title
    talk = page.locator("#chat, #passages")
    assert talk.locator("img, script, iframe, object, form, input").count() == 0
    links = page.eval_on_selector_all("#chat a, #passages a", "all => all.map(link => link.getAttribute('href'))")
    assert set(links) == {"#p-1-1"}
    expect(page.locator(".answer .text")).to_contain_text("[7]")
    expect(page.locator(".answer .text")).to_contain_text("![x](http://evil.example/b.png)")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        screenshot(page, f"hostile-{width}")


def test_two_visitors_do_not_see_each_other(scripted: str, open_page: Open) -> None:
    one, two = open_page(scripted), open_page(scripted, locale="ko-KR")
    ask(one, "plain mine")
    expect(two.locator(".empty")).to_be_visible()
    ask(two, "plain yours")
    expect(two.locator(".answer")).to_contain_text("after 0 turns")
    expect(one.locator(".question")).to_have_text("plain mine")
    # What a browser kept comes back to it alone.
    one.reload()
    expect(one.locator(".question")).to_have_text("plain mine")
    two.reload()
    expect(two.locator(".question")).to_have_text("plain yours")


def test_a_question_of_before_the_page_has_arrived_is_asked_when_it_has(scripted: str, browser: Browser) -> None:
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    held: list[Route] = []
    page.route("**/gradio_api/run/**", lambda route: held.append(route), times=1)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "queue/join" in request.url else None)
    page.goto(scripted)
    page.locator("#question textarea").fill("plain early")
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert len(held) == 1 and not asked
    expect(page.locator("#question textarea")).to_have_value("plain early")
    held[0].continue_()
    expect(page.locator(".answer")).to_contain_text("Answer to plain early after 0 turns")
    expect(page.locator("#question textarea")).to_have_value("")
    ask(page, "plain late", number=2)
    page.reload()
    expect(page.locator(".question")).to_have_text(["plain early", "plain late"])
    assert len(asked) == 2
    context.close()


@pytest.mark.parametrize("chosen", [[1], [1, 0], [1, 0, 1]], ids=str)
def test_a_question_waits_for_the_domain_that_was_chosen_last(
    scripted: str, open_page: Open, chosen: list[int]
) -> None:
    page = open_page(scripted)
    ask(page, "plain one")
    held: list[Route] = []
    holding = [True]
    page.route("**/gradio_api/run/**", lambda route: held.append(route) if holding else route.continue_())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "queue/join" in request.url else None)
    for choice in chosen:
        page.locator("#domain label").nth(choice).click()
    page.fill("#question textarea", "plain there")
    page.keyboard.press("Enter")
    while not held:
        page.wait_for_timeout(50)
    page.wait_for_timeout(300)
    assert not asked
    holding.clear()
    for route in held:
        route.continue_()
    there = chosen[-1]
    turns = 0 if there else 2
    page.locator(f"html[data-domain={'second' if there else 'first'}]").wait_for(state="attached")
    expect(page.locator(".answer").last).to_contain_text(f"Answer to plain there after {turns} turns")
    expect(page.locator(".question")).to_have_text(["plain one", "plain there"][there:])
    expect(page.locator("#question textarea")).to_have_value("")
    expect(page.locator("#domain label.selected")).to_contain_text("second" if there else "Scripted en")
    assert len(asked) == 1


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


def test_an_answer_is_written_anew_in_its_place(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "plain one")
    ask(page, "plain two", number=2)
    page.locator(".exchange").nth(1).locator('[data-action="again"]').click()
    expect(page.locator(".answer .text").nth(1)).to_contain_text("Answer to plain two anew after 2 turns")
    expect(page.locator(".question")).to_have_text(["plain one", "plain two"])


def test_an_edited_question_begins_another_conversation_from_there(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "plain one")
    ask(page, "plain two", number=2)
    ask(page, "plain three", number=3)
    before = state(page)
    page.locator(".exchange").nth(1).locator('[data-action="edit"]').click()
    expect(page.locator("form.edit textarea")).to_be_focused()
    expect(page.locator("form.edit textarea")).to_have_value("plain two")
    screenshot(page, "edit")
    page.keyboard.press("Escape")
    expect(page.locator("form.edit")).to_have_count(0)
    expect(page.locator(".exchange").nth(1).locator('[data-action="edit"]')).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("form.edit textarea").fill("plain other")
    page.keyboard.press("Enter")
    expect(page.locator(".answer .text").nth(1)).to_contain_text("Answer to plain other after 2 turns")
    expect(page.locator(".question")).to_have_text(["plain one", "plain other"])
    expect(page.locator("html")).to_have_attribute("data-domain", "first")
    page.wait_for_function("window.lacerta.state().count === 2")
    assert state(page)["id"] != before["id"]


def test_an_answer_is_copied_with_its_references(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, "plain one")
    page.wait_for_function("window.lacerta.state().count === 1")
    page.locator('[data-action="copy"]').click()
    expect(page.locator('[data-action="copy"]')).to_have_text(texts("en")["chat_copied"])
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("Answer to plain one after 0 turns in first [1].\n\n[1] Handbook, ")


def test_why_stays_unfolded_while_the_next_answer_is_written(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "plain one")
    page.locator(".why summary").click()
    expect(page.locator(".why table").first).to_be_visible()
    expect(page.locator(".why .table tbody tr")).to_have_count(2)
    page.fill("#question textarea", "slow two")
    page.keyboard.press("Enter")
    page.get_by_text("word2").wait_for()
    expect(page.locator("#earlier .why table").first).to_be_visible()
    # The newest question is in sight, however long what stands above it.
    expect(page.locator(".question").nth(1)).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.getElementById('chat').scrollTop") > 0
    page.locator("#stop").click()
    wait_until_idle(scripted)
    # It is known again when the conversation is found again.
    told = page.locator(".why").first.inner_html()
    page.reload()
    expect(page.locator(".question")).to_have_count(2)
    expect(page.locator(".why .table tbody tr")).to_have_count(2)
    assert page.locator(".why").first.inner_html() == told


def test_what_is_typed_survives_a_reload(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    page.locator("#question textarea").press_sequentially("half a ques")
    page.reload()
    expect(page.locator("#question textarea")).to_have_value("half a ques")
    ask(page, "plain whole")
    page.reload()
    expect(page.locator(".question")).to_have_text("plain whole")
    expect(page.locator("#question textarea")).to_have_value("")


def test_a_question_whose_answer_never_came_is_typed_again(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    page.locator("html[data-domain]").wait_for()
    page.fill("#question textarea", "slow question")
    page.keyboard.press("Enter")
    page.get_by_text("word1").wait_for()
    asked = page.evaluate("sessionStorage.getItem('lacerta-asked')")
    page.locator("#stop").click()
    wait_until_idle(scripted)
    expect(page.locator(".exchange.ended")).to_have_count(1)
    page.wait_for_function("sessionStorage.getItem('lacerta-asked') === null")
    # As where the connection was lost in the middle.
    page.evaluate("asked => sessionStorage.setItem('lacerta-asked', asked)", asked)
    page.reload()
    expect(page.locator("#question textarea")).to_have_value("slow question")


def test_only_a_conversation_of_the_domain_is_taken_back(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    page.evaluate(
        """() => {
          window.told = [];
          window.lacerta.on("conversation", (said) => window.told.push(said));
        }"""
    )
    ask(page, "plain one")
    page.wait_for_function("window.told.length === 1")
    refused = texts("en")["chat_not_restored"]
    for change in ("'{}'", "told[0].json.replace('\"first\"', '\"second\"')"):
        count = page.evaluate("window.told.length")
        send(page, "restore", f"{{json: {change}}}")
        page.wait_for_function(f"window.told.length === {count + 1}")
        assert page.evaluate("window.told.at(-1).why + window.told.at(-1).count") == "refused1"
        expect(page.locator("#said")).not_to_have_text(texts("en")["finished"])
    expect(page.locator("#said")).not_to_be_empty()
    send(page, "restore", "{json: '{}'}")
    expect(page.locator("#said")).to_have_text(refused)
    send(page, "clear", "{}")
    expect(page.locator(".empty")).to_be_visible()
    send(page, "restore", "{json: told[0].json, id: told[0].id}")
    expect(page.locator(".answer .text")).to_contain_text("Answer to plain one after 0 turns")
    expect(page.locator("#p-1-1 mark")).to_have_text("The rule says one")
    ask(page, "plain two", number=2)
    expect(page.locator(".answer .text").nth(1)).to_contain_text("after 2 turns")


STANDING: dict[str, dict[str, Any]] = {
    "chat_state_none": {"index": "none", "commands": {"ingest": "make ingest DOMAIN=first"}},
    "chat_state_first": {"index": "none", "reading": True},
    "chat_state_broken": {"index": "broken"},
    "chat_state_opening": {"index": "opening"},
    "chat_state_reading": {"reading": True, "created": "2026-11-21T16:49:52+00:00"},
    "chat_state_model": {"opening": True},
    "chat_state_extractive": {"commands": {"model": "make model"}},
}


@pytest.mark.parametrize("language", LOCALES)
def test_how_the_domain_stands_is_said_above(scripted: str, open_page: Open, language: str) -> None:
    ready = {"index": "ready", "reading": False, "created": "", "model": "scripted", "opening": False}
    page = open_page(scripted, locale=LOCALES[language])
    expect(page.locator("#standing")).to_be_empty()
    try:
        for number, (key, standing) in enumerate(STANDING.items(), 1):
            become(scripted, ready | standing)
            page.locator("#domain label").nth(number % 2).click()
            expect(page.locator("#standing")).to_contain_text(texts(language)[key].partition("{")[0])
            for command in standing.get("commands", {}).values():
                expect(page.locator("#standing code")).to_have_text(command)
            screenshot(page, f"standing-{key}-{language}")
    finally:
        become(scripted, ready)
    page.reload()
    page.locator("#question textarea").wait_for()
    expect(page.locator("#standing")).to_be_empty()


def test_answers_are_read_out_and_the_first_link_leads_to_the_question(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "plain one")
    expect(page.locator("#announced")).to_have_text("Answer to plain one after 0 turns in first [1].")
    expect(page.locator("#announced")).to_have_attribute("lang", "en")
    first = "document.querySelector('a[href], button, input, select, textarea, [tabindex=\"0\"]').className"
    assert page.evaluate(first) == "skip"
    page.locator("a.skip").focus()
    expect(page.locator("a.skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#question textarea")).to_be_focused()


def test_a_first_visit_asks_for_what_it_needs_and_a_second_for_next_to_nothing(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    paths = """() => performance.getEntriesByType("resource").filter((entry) => entry.transferSize)
      .map((entry) => new URL(entry.name).pathname)"""
    asked = page.evaluate(paths)
    # A Gradio that loads other parts than it tells of would have a browser learn of each from the one before.
    scripts = {f"/en/assets/{name}" for name in chunks() if name.endswith(".js")}
    assert {path for path in asked if "/assets/" in path} == scripts
    assert {*made()} <= {*asked} and len(asked) <= 55
    page.reload()
    page.wait_for_selector("html[data-domain]")
    assert not {*page.evaluate(paths)} & (scripts | {*made()})


@pytest.mark.parametrize("part", ["index-*.js", "dist-*.js", "page-*.js", "page-*.css", "theme.js"])
def test_a_part_that_does_not_come_is_fetched_by_loading_the_page_anew(
    scripted: str, browser: Browser, part: str
) -> None:
    page = browser.new_page()
    lost: list[Route] = []

    def once(route: Route) -> None:
        if not lost:
            lost.append(route)
            return route.abort("connectionreset")
        return route.continue_()

    page.route(f"**/{part}", once)
    page.goto(f"{scripted}/hu/")
    page.wait_for_selector("html[data-domain]")
    expect(page.locator("#header h1")).to_be_visible()
    assert lost and page.evaluate("sessionStorage.getItem('lacerta-tried')") is None
    assert page.evaluate("document.documentElement.dataset.theme + document.styleSheets.length") >= "light1"
    page.context.close()


def test_a_part_that_never_comes_is_told_of_and_what_was_typed_comes_back(scripted: str, browser: Browser) -> None:
    page = browser.new_page()
    loaded: list[str] = []
    page.on("framenavigated", lambda frame: loaded.append(frame.url))
    late: list[Route] = []
    page.route("**/page-*.js", lambda route: late.append(route))
    page.goto(f"{scripted}/ko/", wait_until="commit")
    page.fill("#question textarea", "plain early")
    late.pop().abort("connectionreset")
    page.wait_for_function("() => performance.getEntriesByType('navigation')[0].type === 'reload'")
    page.wait_for_selector("#question textarea")
    late.pop().abort("connectionreset")
    expect(page.get_by_role("alert")).to_contain_text(texts("ko")["chat_missing"])
    assert len(loaded) == 2
    page.unroute("**/page-*.js")
    page.get_by_role("button", name=texts("ko")["chat_missing_reload"]).click()
    page.wait_for_selector("html[data-domain]")
    expect(page.locator("#question textarea")).to_have_value("plain early")
    page.context.close()


def test_an_open_page_that_nobody_touches_does_nothing(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    page.emulate_media(reduced_motion="no-preference")
    measured = page.context.new_cdp_session(page)
    measured.send("Performance.enable")

    def busy() -> float:
        metrics = measured.send("Performance.getMetrics")["metrics"]
        return sum(entry["value"] for entry in metrics if entry["name"] == "TaskDuration")

    def rests() -> bool:
        before = busy()
        page.wait_for_timeout(1000)
        return busy() - before < 0.02

    # Until she has waved.
    assert any(rests() for _ in range(20))
    ask(page, "plain one")
    assert any(rests() for _ in range(20))


def test_headers_hold_every_response(scripted: str) -> None:
    for path in ("/healthz", "/hu/", "/static/lizard.svg"):
        with urllib.request.urlopen(scripted + path) as response:
            assert "default-src 'self'" in response.headers["content-security-policy"]
            assert response.headers["x-content-type-options"] == "nosniff"


def test_scripts_that_stand_in_the_page_run_by_its_nonce_alone(scripted: str, browser: Browser) -> None:
    nonces = set()
    for _ in range(2):
        with urllib.request.urlopen(f"{scripted}/hu/") as response:
            policy, text = response.headers["content-security-policy"], response.read().decode()
        (nonce,) = re.findall(r"script-src 'self' 'nonce-([\w-]{20,})' 'unsafe-eval';", policy)
        assert text.count("<script") == text.count(f'<script nonce="{nonce}"') > 5
        nonces.add(nonce)
    assert len(nonces) == 2
    with urllib.request.urlopen(f"{scripted}/static/lizard.svg") as response:
        assert "script-src 'self';" in response.headers["content-security-policy"]
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    page.goto(scripted)
    page.locator("html[data-domain]").wait_for(state="attached")
    title = page.title()
    page.evaluate(
        """() => {
          window.refused = [];
          addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
          const script = document.createElement("script"), part = document.createElement("div");
          script.textContent = "document.title = 'owned'";
          part.innerHTML = `<img src="data:," onerror="document.title = 'owned'">
            <a href="javascript:document.title = 'owned'">`;
          document.body.append(script, part);
          part.querySelector("a").click();
        }"""
    )
    page.wait_for_function("refused.length === 3")
    assert set(page.evaluate("refused")) == {"script-src-elem", "script-src-attr"}
    assert page.title() == title
    context.close()


@pytest.mark.parametrize(
    "path", ["upload", "file=README.md", "proxy=http://evil.example/", "info/../upload", "monitoring"]
)
def test_routes_that_the_page_does_not_need_are_closed(scripted: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{scripted}/en/gradio_api/{path}", data=b"" if path == "upload" else None)
    assert refused.value.code in (404, 405)


def state(page: Page) -> dict[str, object]:
    return dict(page.evaluate("window.lacerta.state()"))


def send(page: Page, name: str, payload: str) -> None:
    page.evaluate(f"window.lacerta.send('{name}', {payload})")


def become(address: str, standing: dict[str, object]) -> None:
    body = json.dumps(standing).encode()
    request = urllib.request.Request(f"{address}/scripted", body, {"content-type": "application/json"})
    urllib.request.urlopen(request).close()


def engine_state(address: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{address}/scripted") as response:
        return dict(json.load(response))


def wait_until_idle(address: str) -> None:
    """Returns once no answer is being written; a test that waits for ever fails by its time limit."""
    while engine_state(address)["active"]:
        time.sleep(0.1)
