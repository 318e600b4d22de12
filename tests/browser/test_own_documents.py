"""A visitor's own documents in a browser: taken in, asked about, opened at the quote, removed, and nobody else's."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import LOCALES, ROOT, Open, ask, free_port, screenshot, served  # type: ignore[import-not-found]
from playwright.sync_api import Browser, FilePayload, Page, expect

from web.texts import texts

sys.path.insert(0, str(ROOT))

from tests.files import make_domain, make_pdf, prose  # noqa: E402

OWL = "The barn owl of the old mill raised seven owlets in spring. Its nest is behind the third beam."
ABOUT_OWL = "How many owlets did the barn owl of the old mill raise?"
HERON = "A grey heron stands at the lake at dawn and catches two fish an hour."
DROP = """
([kind, name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, { type: "text/plain" }));
  const target = document.querySelector("#talk");
  if (kind === "paste") {
    target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    return;
  }
  for (const type of ["dragenter", "dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
    if (type === "dragover") window.veiled = !document.querySelector(".own-drop").hidden;
  }
}
"""


@pytest.fixture(scope="module")
def birds(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The whole program over one small domain, with small limits."""
    folder, port = tmp_path_factory.mktemp("birds"), free_port()
    (make_domain(folder / "corpora") / "heron.txt").write_text(HERON, encoding="utf-8")
    environment = {
        "LACERTA_VAR": str(folder / "var"), "LACERTA_CORPORA": str(folder / "corpora"), "LACERTA_PORT": str(port),
        "LACERTA_VISIT_FILES": "3", "LACERTA_VISIT_FILE_BYTES": "200000",
    }  # fmt: skip
    with served(["app.py"], port, environment, folder / "log") as address:
        yield address


def payload(name: str, content: bytes | str) -> FilePayload:
    data = content.encode() if isinstance(content, str) else content
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


def add(page: Page, *files: FilePayload) -> None:
    """Chooses files, and waits until each is read or has failed."""
    page.locator(".own-add").wait_for()
    before = page.locator(".own-list li").count()
    page.set_input_files(".own-bar input[type=file]", list(files))
    expect(page.locator(".own-list li")).to_have_count(before + len(files))
    expect(page.locator(".own-list li.open")).to_have_count(0, timeout=60_000)


def kept(page: Page) -> dict[str, Any]:
    return dict(page.evaluate("JSON.parse(localStorage.getItem('lacerta-own') ?? '{}')"))


@pytest.mark.parametrize(
    ("language", "width", "scheme"), [("en", 1280, "light"), ("hu", 390, "dark"), ("ko", 1280, "dark")]
)
def test_a_document_is_asked_about_and_opened(
    birds: str, open_page: Open, language: str, width: int, scheme: str
) -> None:
    strings = texts(language)
    page = open_page(f"{birds}/{language}/", LOCALES[language], width, scheme)
    expect(page.locator(".own-add")).to_have_text(strings["own_add"])
    pages = [prose(["Nothing happens on this page."]), prose(OWL.split(". "))]
    add(page, payload("owls.pdf", make_pdf(pages, "Owls of the mill")), payload("note.txt", "The miller sleeps late."))
    expect(page.locator(".own-state").first).to_have_text(strings["own_ready"].replace("{count}", "2"))
    expect(page.locator(".own-note")).to_have_text(strings["own_kept"].replace("{count}", "24"))
    screenshot(page, f"own-{language}-{width}")
    ask(page, ABOUT_OWL)
    expect(page.locator(".answer .text").first).to_contain_text("seven owlets")
    citation = page.locator("a.citation").first
    assert str(citation.get_attribute("data-document")).startswith("own-")
    citation.click()
    expect(page.locator("dialog[open] img").first).to_be_visible(timeout=60_000)
    # Whoever is sent the address does not come to the document by it.
    (visit,) = set(kept(page).values())
    assert visit not in page.url
    page.keyboard.press("Escape")


def test_they_are_the_conversations_alone_and_come_back_with_it(birds: str, open_page: Open) -> None:
    page = open_page(f"{birds}/en/")
    add(page, payload("owl.txt", OWL))
    # Nothing was asked yet: after a reload they are there all the same.
    page.reload()
    expect(page.locator(".own-name")).to_have_text("owl.txt")
    ask(page, ABOUT_OWL)
    # It is kept a moment after it was shown.
    expect(page.locator("#announced")).to_contain_text("seven owlets")
    page.reload()
    expect(page.locator(".answer .text")).to_contain_text("seven owlets")
    expect(page.locator(".own-name")).to_have_text("owl.txt")
    expect(page.locator(".passage.cited")).to_contain_text("third beam")
    # Of what they say nothing is kept with a rating, and who gives one is told so.
    page.locator('.exchange [data-action="up"]').click()
    expect(page.locator("#feedback[open]")).to_contain_text(texts("en")["feedback_kept_facts"])
    page.keyboard.press("Escape")
    # The search is in the documents that all have, and says so to who has others.
    page.get_by_role("tab", name=texts("en")["chat_mode_search"]).click()
    expect(page.locator(".search-own")).to_have_text(texts("en")["search_own"])
    page.get_by_role("tab", name=texts("en")["chat_mode_chat"]).click()
    page.locator("#clear").click()
    expect(page.locator(".empty")).to_be_visible()
    expect(page.locator(".own-list li")).to_have_count(0)
    expect(page.locator(".search-own")).to_have_attribute("hidden", "")
    ask(page, ABOUT_OWL)
    expect(page.locator(".answer .text")).not_to_contain_text("seven")
    other = open_page(f"{birds}/en/")
    ask(other, ABOUT_OWL)
    expect(other.locator(".answer .text")).not_to_contain_text("seven")
    # With the conversation they are gone.
    ((conversation, visit),) = kept(page).items()
    with page.expect_response(lambda response: response.request.method == "DELETE") as deleted:
        page.evaluate(
            "id => document.dispatchEvent(new CustomEvent('lacerta-conversations-removed', {detail: {ids: [id]}}))",
            conversation,
        )
    assert deleted.value.url.endswith(visit) and deleted.value.status == 200
    assert kept(page) == {}


def test_a_document_is_removed_by_keyboard(birds: str, open_page: Open) -> None:
    page = open_page(f"{birds}/en/")
    add(page, payload("owl.txt", OWL), payload("note.txt", "The miller sleeps late."))
    first = page.get_by_role("button", name="Remove owl.txt")
    first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".own-list li")).to_have_count(1, timeout=30_000)
    expect(page.locator(".own-name")).to_have_text("note.txt")
    expect(page.get_by_role("button", name="Remove note.txt")).to_be_focused()
    ask(page, ABOUT_OWL)
    expect(page.locator(".answer .text")).not_to_contain_text("seven")
    page.get_by_role("button", name="Remove note.txt").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".own-list li")).to_have_count(0, timeout=30_000)
    expect(page.locator(".own-add")).to_be_focused()


@pytest.mark.parametrize("language", LOCALES)
def test_what_is_not_taken_in_is_told_in_words(birds: str, open_page: Open, language: str) -> None:
    strings = texts(language)
    page = open_page(f"{birds}/{language}/", LOCALES[language])
    add(
        page,
        payload("broken.docx", b"PK\x03\x04 nothing"),
        payload("empty.txt", b""),
        payload("large.csv", b"a" * 200_001),
    )
    states = page.locator(".own-list .failed .own-state")
    expect(states).to_have_count(3)
    shown = states.all_text_contents()
    assert shown[0] == strings["own_error_damaged"]
    assert strings["own_error_empty"] in shown
    assert any(text.startswith(strings["own_error_too_large"].split("{")[0]) and "200" in text for text in shown)
    add(page, payload("a.txt", "First."), payload("b.txt", "Second."))
    page.set_input_files(".own-bar input[type=file]", [payload("c.txt", "Third.")])
    expect(page.locator(".own-alert")).to_have_text(strings["own_error_too_many_files"].replace("{files}", "3"))
    screenshot(page, f"own-errors-{language}")


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_files_are_dropped_and_pasted(birds: str, open_page: Open, kind: str) -> None:
    page = open_page(f"{birds}/en/")
    page.locator(".own-add").wait_for()
    page.evaluate(DROP, [kind, "owl <b>.txt", OWL])
    expect(page.locator(".own-list .own-state")).to_have_text("Ready: 1 page", timeout=60_000)
    expect(page.locator(".own-name")).to_have_text("owl <b>.txt")
    if kind == "drop":
        assert page.evaluate("window.veiled") is True
    expect(page.locator(".own-drop")).to_be_hidden()


def test_documents_that_were_deleted_are_said_to_be(birds: str, browser: Browser) -> None:
    # Not by open_page: what is asked for and not there is told in the browser's console, too.
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    page.goto(f"{birds}/en/")
    add(page, payload("owl.txt", OWL))
    ask(page, ABOUT_OWL)
    (visit,) = kept(page).values()
    # As when they were not used for a day.
    assert page.request.delete(f"{birds}/documents/{visit}", headers={"origin": birds}).ok
    ask(page, f"{ABOUT_OWL} Tell me.", 2)
    expect(page.locator(".exchange").nth(1)).to_contain_text("not there any more")
    page.reload()
    expect(page.locator(".own-alert")).to_contain_text("were deleted", timeout=30_000)
    expect(page.locator(".own-list li")).to_have_count(0)
    context.close()
