"""Conversations are kept in the visitor's browser, and nowhere else: before a scripted engine."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Open, ask, screenshot  # type: ignore[import-not-found]
from playwright.sync_api import APIResponse, Browser, Locator, Page, Route, expect

from web.texts import texts

STRINGS = texts("en")
HOSTILE = "plain <img src=x onerror=\"document.title='owned'\"> \u202egnp.exe\u2066 <b>bold</b>"
SAVED = {
    "lacerta": "conversation",
    "version": 1,
    "domain": "first",
    "index_version": "",
    "language": "en",
    "exported": "2026-03-01",
    "exchanges": [{"question": "plain imported"}, {"question": "plain imported too", "stopped": True}],
    "references": [],
}
IDENTIFIER = "0123456789abcdef0123456789abcdef"

# What each test does to the database behind the page's back, before its scripts run.
PUT = """
async (records) => {
  const open = indexedDB.open("lacerta", 1);
  open.onupgradeneeded = () => ["conversations", "texts"].forEach(
    (name) => open.result.createObjectStore(name, {keyPath: "id"}));
  const database = await new Promise((resolve) => (open.onsuccess = () => resolve(open.result)));
  const transaction = database.transaction(["conversations", "texts"], "readwrite");
  for (const [name, record] of records) transaction.objectStore(name).put(record);
  await new Promise((resolve) => (transaction.oncomplete = resolve));
  database.close();
}
"""


def rows(page: Page) -> Locator:
    return page.locator(".conversations .row")


def names(page: Page) -> Locator:
    return page.locator(".conversations .words")


def begin(page: Page) -> None:
    page.locator(".conversations .begin").click()
    expect(page.locator(".empty")).to_be_visible()


def asked(page: Page) -> Locator:
    return page.locator("#chat .question")


def another_tab(page: Page, address: str) -> Page:
    tab = page.context.new_page()
    tab.goto(address)
    tab.wait_for_selector("#question textarea")
    return tab


def new_page(browser: Browser, script: str = "") -> Page:
    """A page of a new visitor that may complain."""
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800})
    context.add_init_script(script)
    return context.new_page()


def visit(page: Page, address: str) -> None:
    """Opens the page and waits until it knows whose it is: the first one of a process takes its time."""
    page.goto(address)
    page.locator("html[data-domain]").wait_for(state="attached", timeout=60_000)


def test_a_conversation_is_named_after_its_first_question_and_found_again(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    visit(page, scripted)
    expect(page.locator(".conversations .nothing")).to_have_text(STRINGS["conversations_none"])
    ask(page, "plain one")
    ask(page, "plain two", number=2)
    expect(names(page)).to_have_text(["plain one"])
    # An answer is there to be read a moment before it is kept.
    page.wait_for_function("window.lacerta.state().count === 2")
    page.reload()
    expect(asked(page)).to_have_text(["plain one", "plain two"])
    expect(page.locator(".conversations .row.current .words")).to_have_text("plain one")
    page.locator("a.citation").first.click()
    expect(page.locator("#p-1-1")).to_be_focused()
    # The model goes on from there.
    ask(page, "plain three", number=3)
    expect(page.locator(".answer").nth(2)).to_contain_text("after 4 turns")
    begin(page)
    ask(page, "plain other")
    expect(names(page)).to_have_text(["plain other", "plain one"])
    screenshot(page, "conversations")
    names(page).nth(1).click()
    expect(asked(page)).to_have_count(3)
    page.reload()
    expect(asked(page)).to_have_count(3)


def test_a_new_conversation_stays_new_after_a_reload(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "plain one")
    begin(page)
    page.reload()
    expect(names(page)).to_have_text(["plain one"])
    expect(page.locator(".empty")).to_be_visible()
    # A new tab goes on where the visitor was last.
    expect(asked(another_tab(page, scripted))).to_have_text(["plain one"])


def test_an_edited_question_begins_a_branch(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    for number, question in enumerate(("plain one", "plain two", "plain three"), 1):
        ask(page, question, number)
    send = "window.lacerta.send('ask', {text: 'plain other way', at: 2})"
    page.evaluate(send)
    expect(asked(page)).to_have_text(["plain one", "plain other way"])
    expect(names(page)).to_have_text(["plain one", "plain one"])
    expect(rows(page).nth(0).locator(".branch")).to_contain_text("plain other way")
    expect(page.locator(".answer").nth(1)).to_contain_text("after 2 turns")
    names(page).nth(1).click()
    expect(asked(page)).to_have_text(["plain one", "plain two", "plain three"])
    page.reload()
    expect(rows(page).locator(".branch")).to_have_count(1)


def test_conversations_of_other_domains_are_opened_there(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "plain one")
    page.locator("#domain label").nth(1).click()
    expect(page.locator(".empty")).to_be_visible()
    ask(page, "plain two")
    expect(page.locator(".conversations .about")).to_have_text(["Scripted en second", "Scripted en first"])
    names(page).nth(1).click()
    expect(asked(page)).to_have_text(["plain one"])
    expect(page.locator("#domain label.selected")).to_have_text("Scripted en first")
    page.goto(f"{scripted}/en/?domain=second")
    expect(asked(page)).to_have_text(["plain two"])
    # What is being written when the domain is changed is kept as far as it came.
    page.fill("#question textarea", "slow three")
    page.keyboard.press("Enter")
    page.get_by_text("word1").wait_for()
    page.locator("#domain label").nth(0).click()
    expect(asked(page)).to_have_text(["plain one"])
    page.goto(f"{scripted}/en/?domain=second")
    expect(asked(page)).to_have_text(["plain two", "slow three"])
    expect(page.locator(".answer").nth(1)).to_contain_text("word1")


def test_what_is_being_written_is_kept_when_another_is_opened_or_the_page_left(scripted: str, browser: Browser) -> None:
    page = new_page(browser)
    visit(page, scripted)
    ask(page, "plain one")
    begin(page)
    page.fill("#question textarea", "slow question")
    page.keyboard.press("Enter")
    page.get_by_text("word1").wait_for()
    expect(names(page)).to_have_text(["slow question", "plain one"])
    names(page).nth(1).click()
    expect(asked(page)).to_have_text(["plain one"])
    names(page).nth(0).click()
    expect(page.locator(".answer")).to_contain_text("word1")
    expect(page.locator(".answer")).to_contain_text(STRINGS["stopped"])
    page.fill("#question textarea", "slow again")
    page.keyboard.press("Enter")
    page.locator(".exchange.open").wait_for()
    page.wait_for_timeout(500)
    page.reload()
    expect(asked(page)).to_have_text(["slow question", "slow again"])
    page.context.close()


def test_what_is_stopped_late_is_kept_as_what_it_is(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "plain one")
    begin(page)
    page.fill("#question textarea", "slow question")
    page.keyboard.press("Enter")
    page.get_by_text("word1").wait_for()
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/gradio_api/run/**", lambda route: held.append((route, route.fetch())), times=1)
    names(page).nth(1).click()
    while not held:
        page.wait_for_timeout(50)
    # All else that the server says of it has arrived by then.
    page.wait_for_timeout(1000)
    for route, response in held:
        route.fulfill(response=response)
    expect(asked(page)).to_have_text(["plain one"])
    expect(page.locator(".answer")).to_contain_text("Answer to plain one")
    page.wait_for_timeout(500)
    expect(asked(page)).to_have_text(["plain one"])
    page.reload()
    expect(asked(page)).to_have_text(["plain one"])
    expect(names(page)).to_have_text(["slow question", "plain one"])
    names(page).nth(0).click()
    expect(page.locator(".answer")).to_contain_text("word1")


def test_an_answer_that_is_there_is_kept_however_soon_the_page_is_left(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "plain one")
    page.wait_for_function("window.lacerta.state().count === 1")
    # No database has begun to write by then.
    page.evaluate("window.lacerta.on('conversation', ({ why }) => why === 'asked' && location.reload())")
    page.fill("#question textarea", "plain two")
    page.keyboard.press("Enter")
    page.wait_for_function("() => performance.getEntriesByType('navigation')[0].type === 'reload'")
    expect(page.locator(".answer .text")).to_have_count(2)
    expect(page.locator(".answer .text").nth(1)).to_contain_text("Answer to plain two")
    expect(names(page)).to_have_text(["plain one"])
    page.reload()
    expect(page.locator(".answer .text")).to_have_count(2)
    assert page.evaluate("sessionStorage.getItem('lacerta-held')") == ""


def test_rename_in_place_by_keyboard(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    for question in ("plain one", "plain two", "plain three"):
        ask(page, question)
        begin(page)
    page.locator(".conversations input[type=search]").focus()
    page.keyboard.press("ArrowDown")
    expect(rows(page).nth(0).locator(".name")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("F2")
    expect(page.locator(".rename")).to_be_focused()
    page.keyboard.type("  Vizsga \u202e a félévben  ")
    page.keyboard.press("Enter")
    expect(names(page)).to_have_text(["plain three", "Vizsga a félévben", "plain one"])
    expect(rows(page).nth(1).locator(".name")).to_be_focused()
    page.keyboard.press("F2")
    page.keyboard.type("no")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(asked(page)).to_have_text(["plain two"])
    # Another answer does not take the name away.
    ask(page, "plain more", number=2)
    page.reload()
    expect(names(page)).to_have_text(["Vizsga a félévben", "plain three", "plain one"])
    page.locator(".conversations input[type=search]").fill("felev")
    expect(names(page)).to_have_text(["Vizsga a félévben"])
    page.locator(".conversations input[type=search]").fill("nothing")
    expect(page.locator(".conversations .nothing")).to_have_text(STRINGS["conversations_no_match"])


def test_delete_can_be_undone(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "plain one")
    begin(page)
    ask(page, "plain two")
    expect(names(page)).to_have_text(["plain two", "plain one"])
    rows(page).nth(0).locator(".name").focus()
    page.keyboard.press("Delete")
    expect(names(page)).to_have_text(["plain one"])
    expect(page.locator(".empty")).to_be_visible()
    expect(page.locator(".told [role=status]")).to_have_text(STRINGS["conversations_deleted"].format(name="plain two"))
    expect(rows(page).nth(0).locator(".name")).to_be_focused()
    screenshot(page, "conversations-undo")
    page.get_by_role("button", name=STRINGS["conversations_undo"]).click()
    expect(names(page)).to_have_text(["plain two", "plain one"])
    expect(asked(page)).to_have_text(["plain two"])
    page.keyboard.press("Delete")
    expect(names(page)).to_have_text(["plain one"])
    page.reload()
    expect(names(page)).to_have_text(["plain one"])


def test_delete_all_asks_first(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "plain one")
    every = page.get_by_role("button", name=STRINGS["conversations_delete_all"])
    every.click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog.get_by_role("button", name=STRINGS["conversations_cancel"])).to_be_focused()
    screenshot(page, "conversations-delete-all")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(names(page)).to_have_text(["plain one"])
    every.click()
    dialog.get_by_role("button", name=STRINGS["conversations_delete_all"]).click()
    expect(rows(page)).to_have_count(0)
    expect(page.locator(".empty")).to_be_visible()
    expect(every).to_be_disabled()
    page.reload()
    expect(page.locator(".conversations .nothing")).to_be_visible()


def test_tabs_overwrite_nothing_of_each_other(scripted: str, open_page: Open) -> None:
    one = open_page(scripted)
    ask(one, "plain one")
    two = another_tab(one, scripted)
    expect(asked(two)).to_have_text(["plain one"])
    # A tab follows what another one adds to the conversation that it shows.
    ask(two, "plain two", number=2)
    expect(asked(one)).to_have_text(["plain one", "plain two"])
    # While it writes by itself it does not, and both are kept.
    one.fill("#question textarea", "slow mine")
    one.keyboard.press("Enter")
    one.get_by_text("word1").wait_for()
    ask(two, "plain three", number=3)
    one.locator("#stop").click()
    expect(names(one)).to_have_text(["plain one", "plain one"])
    expect(names(two)).to_have_text(["plain one", "plain one"])
    expect(asked(one)).to_have_text(["plain one", "plain two", "slow mine"])
    expect(asked(two)).to_have_text(["plain one", "plain two", "plain three"])
    expect(two.locator(".told [role=status]")).to_have_text(STRINGS["conversations_conflict"])
    # What one deletes, none shows.
    two.locator(".conversations .row.current .name").focus()
    two.keyboard.press("Delete")
    expect(names(one)).to_have_text(["plain one"])
    expect(asked(one)).to_have_count(3)
    one.locator(".conversations .row.current .name").focus()
    one.keyboard.press("Delete")
    expect(rows(two)).to_have_count(0)


def test_of_a_conflict_there_is_one_copy_whatever_is_told_of_it(scripted: str, open_page: Open) -> None:
    one = open_page(scripted)
    ask(one, "plain one")
    one.fill("#question textarea", "slow mine")
    one.keyboard.press("Enter")
    one.get_by_text("word1").wait_for()
    one.locator("#stop").click()
    expect(one.locator(".answer").last).to_contain_text(STRINGS["stopped"])
    two = another_tab(one, scripted)
    expect(asked(two)).to_have_text(["plain one", "slow mine"])
    # Of an answer that is written anew nothing is kept before it has ended.
    one.locator('[data-action="again"]').last.click()
    one.locator(".exchange.open", has_text="word1").wait_for()
    ask(two, "plain three", number=3)
    expect(rows(two)).to_have_count(1)
    one.locator("#stop").click()
    expect(one.locator(".told [role=status]")).to_have_text(STRINGS["conversations_conflict"])
    one.wait_for_timeout(500)
    for tab in (one, two):
        expect(names(tab)).to_have_text(["plain one", "plain one"])
    expect(asked(one)).to_have_text(["plain one", "slow mine"])
    expect(asked(two)).to_have_text(["plain one", "slow mine", "plain three"])


def test_what_the_server_forgot_is_not_lost(scripted: str, open_page: Open) -> None:
    """As after its restart: the state of a visit is gone, the page is still open."""
    page = open_page(scripted)
    ask(page, "plain one")
    ask(page, "plain two", number=2)
    page.wait_for_function("window.lacerta.state().count === 2")
    shorter = """() => {
      const {state} = window.lacerta;
      const saved = {lacerta: "conversation", version: 1, domain: "first", index_version: "", language: "en",
        exported: "2026-01-01", exchanges: [{question: "plain three", stopped: true}], references: []};
      window.lacerta.kept(JSON.stringify({serial: 1, domain: "first", why: "asked", count: 1, id: state().id,
        json: JSON.stringify(saved)}));
    }"""
    page.evaluate(shorter)
    expect(names(page)).to_have_text(["plain three", "plain one"])
    names(page).nth(1).click()
    expect(asked(page)).to_have_text(["plain one", "plain two"])


def test_two_visitors_see_nothing_of_each_other(scripted: str, open_page: Open) -> None:
    one, two = open_page(scripted), open_page(scripted)
    ask(one, "plain mine")
    two.reload()
    expect(two.locator(".conversations .nothing")).to_be_visible()
    assert "plain mine" not in two.content()


def test_names_are_text_and_nothing_else(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    title = page.title()
    ask(page, HOSTILE)
    page.reload()
    expect(names(page)).to_have_text("plain <img src=x onerror=\"document.title='owned'\"> gnp.exe <b>bold</b>")
    assert page.locator(".conversations").locator("img, b, script").count() == 0
    rows(page).locator(".name").focus()
    page.keyboard.press("Delete")
    expect(page.locator(".told")).to_contain_text("<b>bold</b>")
    assert page.locator(".conversations").locator("img, b, script").count() == 0
    assert page.title() == title


def prepared(open_page: Open, address: str, records: list[Any]) -> Page:
    """The page of a visitor whose browser has these records."""
    page = open_page(address)
    page.evaluate(PUT, records)
    page.reload()
    page.wait_for_selector("#question textarea")
    return page


def test_records_of_earlier_versions_are_shown_and_kept_on(scripted: str, open_page: Open) -> None:
    facts = {"id": IDENTIFIER, "domain": "first", "name": "plain imported", "language": "en", "updated": 1772400000000}
    page = prepared(
        open_page, scripted, [("conversations", facts), ("texts", {"id": IDENTIFIER, "json": json.dumps(SAVED)})]
    )
    expect(asked(page)).to_have_text(["plain imported", "plain imported too"])
    ask(page, "plain on", number=3)
    page.reload()
    expect(asked(page)).to_have_count(3)
    expect(rows(page)).to_have_count(1)


def test_what_the_server_can_not_read_is_told_and_stays(scripted: str, open_page: Open) -> None:
    facts = {"id": IDENTIFIER, "domain": "first", "name": "later", "language": "en", "updated": 1772400000000}
    later = json.dumps({**SAVED, "version": 7})
    page = prepared(open_page, scripted, [("conversations", facts), ("texts", {"id": IDENTIFIER, "json": later})])
    expect(page.locator(".told [role=status]")).to_have_text(STRINGS["chat_not_restored"])
    expect(names(page)).to_have_text(["later"])
    expect(page.locator(".empty")).to_be_visible()
    ask(page, "plain one")
    expect(names(page)).to_have_text(["plain one", "later"])


def test_damaged_records_are_skipped_told_of_and_removed(scripted: str, open_page: Open) -> None:
    whole = {"id": IDENTIFIER, "domain": "gone", "name": "of another", "language": "en", "updated": 1772400000000}
    damaged = [
        ("conversations", {"id": "x' onmouseover=alert(1)", "domain": "first", "name": "a", "updated": 1}),
        ("conversations", {"id": "f" * 32, "domain": "first", "name": {"a": 1}, "updated": 1}),
        ("conversations", {"id": "e" * 32, "domain": "first", "name": "no time", "updated": "yesterday"}),
        ("conversations", {"id": "d" * 32, "owner": "another login", "domain": "first", "name": "b", "updated": 1}),
        ("conversations", whole),
    ]
    page = prepared(open_page, scripted, damaged)
    expect(names(page)).to_have_text(["of another"])
    expect(page.locator('[data-note="damaged"] p')).to_have_text(STRINGS["conversations_damaged"].format(count=3))
    names(page).click()
    expect(page.locator(".told [role=status]")).to_have_text(STRINGS["conversations_elsewhere"].format(domain="gone"))
    page.get_by_role("button", name=STRINGS["conversations_damaged_remove"]).click()
    expect(page.locator('[data-note="damaged"]')).to_have_count(0)
    page.reload()
    expect(names(page)).to_have_text(["of another"])
    expect(page.locator('[data-note="damaged"]')).to_have_count(0)


def test_a_database_of_a_later_version_is_read(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    ask(page, "plain one")
    expect(rows(page)).to_have_count(1)
    page.evaluate("""() => new Promise((resolve) => {
      const open = indexedDB.open("lacerta", 9);
      open.onsuccess = () => { open.result.close(); resolve(); };
    })""")
    ask(page, "plain two", number=2)
    page.reload()
    expect(asked(page)).to_have_text(["plain one", "plain two"])


@pytest.mark.parametrize(
    "blocked",
    [
        "indexedDB.open = () => { throw new DOMException('blocked', 'SecurityError'); }",
        "Object.defineProperty(window, 'indexedDB', {value: undefined});"
        "for (const name of ['localStorage', 'sessionStorage'])"
        " Object.defineProperty(window, name, {get() { throw new DOMException('no', 'SecurityError'); }})",
    ],
    ids=["refused", "absent"],
)
def test_where_nothing_is_kept_the_page_says_so_and_works(scripted: str, browser: Browser, blocked: str) -> None:
    faults: list[str] = []
    page = new_page(browser, blocked)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    visit(page, scripted)
    ask(page, "plain one")
    expect(page.locator('[data-note="store"] p')).to_have_text(STRINGS["conversations_not_kept"])
    # Whatever else the page does is done all the same.
    page.locator("a.citation").first.click()
    expect(page.locator("#p-1-1")).to_be_focused()
    page.get_by_role("tab").nth(1).click()
    expect(page.locator("#search")).to_be_visible()
    page.get_by_role("tab").nth(0).click()
    begin(page)
    ask(page, "plain two")
    expect(names(page)).to_have_text(["plain two", "plain one"])
    names(page).nth(1).click()
    expect(asked(page)).to_have_text(["plain one"])
    page.locator('[data-note="store"]').get_by_role("button").click()
    begin(page)
    expect(page.locator('[data-note="store"]')).to_have_count(0)
    page.reload()
    expect(page.locator(".conversations .nothing")).to_be_visible()
    assert faults == []
    page.context.close()


def test_a_full_storage_is_told_and_room_is_used(scripted: str, browser: Browser) -> None:
    page = new_page(browser)
    page.goto(f"{scripted}/healthz")
    devtools = page.context.new_cdp_session(page)
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": scripted, "quotaSize": 150_000})
    visit(page, scripted)
    ask(page, "plain one")
    begin(page)
    ask(page, "plain two " + "long " * 20_000)
    expect(page.locator('[data-note="trouble"] p')).to_have_text(STRINGS["conversations_full"])
    expect(rows(page).nth(0).locator(".unkept")).to_have_text(STRINGS["conversations_unkept"])
    expect(names(page).nth(1)).to_have_text("plain one")
    screenshot(page, "conversations-full")
    names(page).nth(1).click()
    expect(asked(page)).to_have_text(["plain one"])
    names(page).nth(0).click()
    expect(asked(page)).to_contain_text("plain two long long")
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": scripted})
    rows(page).nth(1).locator(".name").focus()
    page.keyboard.press("Delete")
    expect(page.locator(".unkept")).to_have_count(0)
    expect(page.locator('[data-note="trouble"]')).to_have_count(0)
    page.reload()
    expect(asked(page)).to_contain_text("plain two long long")
    page.context.close()


def test_export_of_all_and_import(scripted: str, open_page: Open, tmp_path: Path) -> None:
    page = open_page(scripted)
    for question in ("plain one", "plain two"):
        ask(page, question)
        begin(page)
    with page.expect_download() as started:
        page.get_by_role("button", name=STRINGS["conversations_export"]).click()
    file = tmp_path / "all.json"
    started.value.save_as(file)
    held = json.loads(file.read_text(encoding="utf-8"))["conversations"]
    assert [item["conversation"]["exchanges"][0]["question"] for item in held] == ["plain two", "plain one"]
    other = open_page(scripted)
    other.set_input_files(".conversations input[type=file]", file)
    expect(names(other)).to_have_text(["plain two", "plain one"])
    other.set_input_files(".conversations input[type=file]", file)
    said = other.locator(".told [role=status]")
    expect(said).to_contain_text(STRINGS["conversations_same"].format(count=2))
    expect(rows(other)).to_have_count(2)
    names(other).nth(1).click()
    expect(asked(other)).to_have_text(["plain one"])


def test_one_exported_conversation_is_imported_and_shown(scripted: str, open_page: Open, tmp_path: Path) -> None:
    page = open_page(scripted)
    good, bad, odd = tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "odd.json"
    good.write_text(json.dumps(SAVED), encoding="utf-8")
    bad.write_text("{", encoding="utf-8")
    odd.write_text(json.dumps({**SAVED, "exchanges": [{"question": {"toString": 1}}]}), encoding="utf-8")
    page.set_input_files(".conversations input[type=file]", [good, bad, odd])
    expect(asked(page)).to_have_text(["plain imported", "plain imported too"])
    said = page.locator(".told [role=status]")
    for name in ("bad.json", "odd.json"):
        expect(said).to_contain_text(STRINGS["conversations_bad_file"].format(name=name))
    expect(names(page)).to_have_text(["plain imported"])
    # It is as old as it is.
    assert page.locator(".conversations h3").inner_text() != "Today"


def test_groups_are_days_in_the_visitors_words(scripted: str, open_page: Open) -> None:
    page = open_page(scripted, locale="hu-HU")
    day = 24 * 3600 * 1000
    now = page.evaluate("new Date().setHours(12, 0, 0, 0)")
    records = [
        ("conversations", {"id": f"{ago:032x}", "domain": "first", "name": f"{ago}", "updated": now - ago * day})
        for ago in (0, 1, 3, 10, 200)
    ]
    page.evaluate(PUT, records)
    page.reload()
    headings = page.locator(".conversations h3")
    expect(headings).to_have_count(5)
    date = "(ago, parts) => new Intl.DateTimeFormat('hu-HU', parts).format(new Date().setHours(12) - ago * 864e5)"
    assert headings.all_inner_texts()[:2] == ["Ma", "Tegnap"]
    third: Callable[[str], str] = lambda parts: str(page.evaluate(f"({date})(3, {parts})"))  # noqa: E731
    assert headings.nth(2).inner_text().lower() == third("{weekday: 'long', month: 'long', day: 'numeric'}").lower()


@pytest.mark.parametrize(("locale", "scheme"), [("hu-HU", "light"), ("ko-KR", "dark"), ("en-US", "light")])
def test_the_drawer_of_a_narrow_page(scripted: str, open_page: Open, locale: str, scheme: str) -> None:
    page = open_page(scripted, locale=locale, width=390, scheme=scheme)
    strings = texts(locale[:2])
    question = {"hu": "plain megszentségteleníthetetlenségeskedéseitekért", "ko": "plain 학점은 몇 점까지 인정되나요?"}
    ask(page, question.get(locale[:2], "plain one"))
    toggle = page.locator("#conversations-toggle")
    expect(toggle).to_have_attribute("aria-expanded", "false")
    toggle.click()
    drawer = page.locator("#conversations-drawer")
    expect(drawer).to_be_visible()
    expect(rows(page)).to_have_count(1)
    screenshot(page, f"conversations-drawer-{locale[:2]}")
    # The focus stays inside: whatever lies behind can't be reached.
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(toggle).to_be_focused()
    toggle.click()
    begin(page)
    expect(drawer).to_be_hidden()
    toggle.click()
    names(page).click()
    expect(drawer).to_be_hidden()
    expect(asked(page)).to_have_count(1)
    toggle.click()
    page.mouse.click(380, 400)
    expect(drawer).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    toggle.click()
    page.get_by_role("button", name=strings["conversations_close"]).click()
    expect(drawer).to_be_hidden()


def test_the_panel_can_be_put_away(scripted: str, open_page: Open) -> None:
    page = open_page(scripted)
    toggle = page.locator("#conversations-toggle")
    expect(toggle).to_have_attribute("aria-expanded", "true")
    toggle.click()
    expect(page.locator("#side")).to_be_hidden()
    page.reload()
    expect(toggle).to_have_attribute("aria-expanded", "false")
    expect(page.locator("#side")).to_be_hidden()
    toggle.click()
    expect(page.locator(".conversations")).to_be_visible()
