"""Answers read aloud and questions spoken, in a real browser whose voices and recognition follow a script."""

import json
from typing import Any

import pytest
from conftest import Open, ask, screenshot  # type: ignore[import-not-found]
from playwright.sync_api import Page, expect

from web.texts import texts

ENGLISH = texts("en")

# What the two interfaces of the browser do here: they note what they are asked, and go on when a test says so.
SCRIPTED = """
const chosen = CHOSEN;
window.spoken = [];
let reading = null;
class Utterance { constructor(text) { this.text = text; } }
const voices = chosen.voices.map(([name, lang, localService]) => ({ name, lang, localService, default: false }));
const synthesis = {
  getVoices: () => voices, addEventListener() {}, resume() {}, pending: false,
  get speaking() { return reading !== null; },
  speak(utterance) {
    reading = utterance;
    spoken.push([utterance.text, utterance.voice.name, utterance.lang]);
  },
  cancel() {
    const cut = reading;
    reading = null;
    if (cut) setTimeout(() => cut.onerror({ error: "canceled" }));
  },
};
window.endSentence = () => { const ended = reading; reading = null; ended.onend(); };
window.failVoice = (error) => { const ended = reading; reading = null; ended.onerror({ error }); };
window.marked = () => [...(CSS.highlights.get("spoken") ?? [])].map(String).join();

window.asked = [];
class Recognition {
  get processLocally() { return this.local ?? false; }
  set processLocally(value) { this.local = value; }
  start() {
    asked.push(["start", this.lang, this.processLocally]);
    window.recognition = this;
    setTimeout(() => this.onstart());
  }
  stop() { asked.push(["stop"]); }
  abort() { asked.push(["abort"]); setTimeout(() => { this.onerror({ error: "aborted" }); this.onend(); }); }
  hear(...parts) { this.onresult({ results: parts.map((transcript) => [{ transcript }]) }); }
  fail(error) { this.onerror({ error }); this.onend(); }
}
if (chosen.onDevice) {
  Recognition.available = async ({ langs, processLocally }) => {
    asked.push(["available", ...langs, processLocally]);
    return chosen.onDevice;
  };
  Recognition.install = async ({ langs }) => { asked.push(["install", ...langs]); return chosen.installs; };
}
const none = { value: undefined };
Object.defineProperty(window, "speechSynthesis", voices.length || chosen.silent ? { value: synthesis } : none);
Object.defineProperty(window, "SpeechSynthesisUtterance", { value: Utterance });
Object.defineProperty(window, "SpeechRecognition", chosen.recognises ? { value: Recognition } : none);
Object.defineProperty(window, "webkitSpeechRecognition", none);
"""
LOCAL = [["Far", "en-GB", False], ["Near", "en-US", True]]


def start(open_page: Open, address: str, locale: str = "en-US", width: int = 1280, scheme: str = "light",
          **chosen: Any) -> Page:  # fmt: skip
    """The page in a browser with `voices` (name, language, whether local); it `recognises` speech or not."""
    script = SCRIPTED.replace("CHOSEN", json.dumps({"voices": LOCAL, "recognises": True} | chosen))
    page: Page = open_page(address, locale=locale, width=width, scheme=scheme, script=script)
    return page


def press(page: Page, key: str) -> None:
    page.get_by_role("button", name=ENGLISH[key], exact=True).click()


def heard(page: Page) -> list[str]:
    return [text for text, _, _ in page.evaluate("spoken")]


def asked(page: Page) -> list[list[object]]:
    return list(page.evaluate("asked"))


def speaking(page: Page, number: int) -> None:
    """Waits until so many sentences were begun."""
    page.wait_for_function(f"spoken.length === {number}")


def test_an_answer_is_read_by_sentences_without_its_marks(scripted: str, open_page: Open) -> None:
    page = start(open_page, scripted)
    ask(page, "busy question")
    speak = page.locator("[data-action=speak]")
    speak.click()
    speaking(page, 1)
    assert page.evaluate("spoken") == [["The rule says so.", "Near", "en-US"]]
    assert page.evaluate("marked()").startswith("The rule says so")
    expect(speak).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#speech-said")).to_have_text(ENGLISH["speech_reading"])
    screenshot(page, "speech-reading")
    page.evaluate("endSentence()")
    speaking(page, 2)
    assert heard(page)[1] == "Cars are free."
    assert page.evaluate("marked()").startswith("Cars are free")
    page.evaluate("endSentence()")
    expect(page.locator("#speech")).to_be_hidden()
    expect(page.locator("#speech-said")).to_have_text(ENGLISH["speech_read"])
    expect(speak).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("marked()") == ""
    # It pauses, and goes on with the same sentence.
    speak.click()
    speaking(page, 3)
    page.evaluate("endSentence()")
    speaking(page, 4)
    press(page, "speech_pause")
    expect(page.get_by_role("button", name=ENGLISH["speech_resume"])).to_be_focused()
    assert page.evaluate("speechSynthesis.speaking") is False
    press(page, "speech_resume")
    speaking(page, 5)
    assert heard(page)[3:] == ["Cars are free."] * 2
    page.keyboard.press("Escape")
    expect(page.locator("#speech")).to_be_hidden()
    assert page.evaluate("speechSynthesis.speaking") is False


def test_reading_stops_where_another_question_is_asked(scripted: str, open_page: Open) -> None:
    page = start(open_page, scripted)
    ask(page, "plain one")
    page.locator("[data-action=speak]").click()
    speaking(page, 1)
    ask(page, "plain two", number=2)
    expect(page.locator("#speech")).to_be_hidden()
    assert page.evaluate("speechSynthesis.speaking") is False
    page.locator("[data-action=speak]").first.click()
    speaking(page, 2)
    page.locator("[data-action=speak]").last.click()
    speaking(page, 3)
    assert "plain two" in heard(page)[2]
    page.locator("[data-action=speak]").last.click()
    assert page.evaluate("speechSynthesis.speaking") is False


def test_a_voice_over_the_internet_is_asked_for_first(scripted: str, open_page: Open) -> None:
    page = start(open_page, scripted, voices=[["Far", "en-GB", False], ["Elsewhere", "hu-HU", True]])
    ask(page, "plain one")
    page.locator("[data-action=speak]").click()
    expect(page.get_by_role("dialog")).to_contain_text(ENGLISH["speech_voice_away"].format(voice="Far"))
    press(page, "speech_cancel")
    assert heard(page) == []
    page.locator("[data-action=speak]").click()
    press(page, "speech_voice_agree")
    speaking(page, 1)
    press(page, "speech_stop")
    page.locator("[data-action=speak]").click()
    speaking(page, 2)
    press(page, "speech_withdraw")
    page.locator("[data-action=speak]").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    assert len(heard(page)) == 2


def test_another_voice_can_be_chosen(scripted: str, open_page: Open) -> None:
    page = start(open_page, scripted, voices=[*LOCAL, ["Other", "en-US", True]])
    ask(page, "plain one")
    page.locator("[data-action=speak]").click()
    speaking(page, 1)
    page.locator("#speech select").select_option("Other")
    speaking(page, 2)
    assert [name for _, name, _ in page.evaluate("spoken")] == ["Near", "Other"]


def test_what_a_voice_can_not_do_is_said(scripted: str, open_page: Open) -> None:
    page = start(open_page, scripted)
    ask(page, "plain one")
    page.locator("[data-action=speak]").click()
    speaking(page, 1)
    page.evaluate("failVoice('synthesis-failed')")
    expect(page.locator("#speech")).to_contain_text(ENGLISH["speech_error_reading"])
    page = start(open_page, scripted, voices=[["Elsewhere", "hu-HU", True]])
    ask(page, "plain one")
    page.locator("[data-action=speak]").click()
    expect(page.locator("#speech")).to_contain_text(ENGLISH["speech_no_voice"].format(language=ENGLISH["en"]))


@pytest.mark.parametrize("silent", [True, False])
def test_where_the_browser_has_neither_nothing_is_shown(scripted: str, open_page: Open, silent: bool) -> None:
    page = start(open_page, scripted, voices=[], recognises=False, silent=silent)
    ask(page, "plain one")
    expect(page.locator("[data-action=copy]")).to_be_visible()
    expect(page.locator("[data-action=speak]")).to_be_hidden()
    expect(page.locator("#microphone")).to_have_count(0)


def test_a_question_is_spoken_on_the_device(scripted: str, open_page: Open) -> None:
    page = start(open_page, scripted, onDevice="available")
    page.fill("#question textarea", "plain")
    press(page, "speech_microphone")
    expect(page.locator("#speech-said")).to_contain_text(ENGLISH["speech_on_device"])
    assert asked(page) == [["available", "en-US", True], ["start", "en-US", True]]
    page.evaluate("recognition.hear('what the')")
    box = page.locator("#question textarea")
    expect(box).to_have_value("plain what the")
    screenshot(page, "speech-listening")
    page.locator("#speech").get_by_role("button", name=ENGLISH["speech_microphone_stop"]).click()
    page.evaluate("recognition.hear('what the', ' rule says'); recognition.onend()")
    expect(box).to_have_value("plain what the rule says")
    expect(box).to_be_focused()
    expect(page.locator("#speech-said")).to_have_text(ENGLISH["speech_heard"])
    page.keyboard.press("Enter")
    expect(page.locator(".question")).to_have_text("plain what the rule says")


def test_nothing_is_sent_away_before_the_visitor_agreed(scripted: str, open_page: Open) -> None:
    page = start(open_page, scripted)
    press(page, "speech_microphone")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(ENGLISH["speech_away"].format(language=ENGLISH["en"]))
    press(page, "speech_cancel")
    expect(dialog).to_have_count(0)
    assert asked(page) == []
    press(page, "speech_microphone")
    press(page, "speech_agree")
    expect(page.locator("#speech-said")).to_contain_text(ENGLISH["speech_by_vendor"])
    assert asked(page) == [["start", "en-US", False]]
    # It is remembered, and can be taken back.
    page.reload()
    page.wait_for_selector("#microphone")
    press(page, "speech_microphone")
    expect(page.locator("#speech-said")).to_contain_text(ENGLISH["speech_by_vendor"])
    press(page, "speech_withdraw")
    expect(page.locator("#speech")).to_contain_text(ENGLISH["speech_withdrawn"])
    press(page, "speech_microphone")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    assert [name for name, *_ in asked(page)] == ["start", "abort"]


@pytest.mark.parametrize("installs", [True, False])
def test_the_device_learns_a_language_where_the_visitor_wants_it(
    scripted: str, open_page: Open, installs: bool
) -> None:
    page = start(open_page, scripted, onDevice="downloadable", installs=installs)
    press(page, "speech_microphone")
    assert asked(page) == [["available", "en-US", True]]
    screenshot(page, "speech-download")
    press(page, "speech_download_agree")
    if installs:
        expect(page.locator("#speech-said")).to_contain_text(ENGLISH["speech_on_device"])
        assert asked(page)[1:] == [["install", "en-US"], ["start", "en-US", True]]
    else:
        expect(page.locator("#speech")).to_contain_text(ENGLISH["speech_error_language"].format(language="English"))
        assert asked(page)[1:] == [["install", "en-US"]]


def test_another_language_can_be_spoken(scripted: str, open_page: Open) -> None:
    page = start(open_page, scripted, onDevice="available")
    press(page, "speech_microphone")
    page.locator("#speech select").select_option("hu")
    page.wait_for_function("asked.some(([name, language]) => name === 'start' && language === 'hu-HU')")
    assert ["abort"] in asked(page)
    expect(page.locator("#speech select")).to_have_value("hu")


def test_what_goes_wrong_is_said(scripted: str, open_page: Open) -> None:
    page = start(open_page, scripted, onDevice="available")
    for error, key in (
        ("not-allowed", "speech_error_not_allowed"),
        ("audio-capture", "speech_error_no_microphone"),
        ("network", "speech_error_network"),
        ("no-speech", "speech_error_no_speech"),
        ("something-new", "speech_error_listening"),
    ):
        page.evaluate("delete window.recognition")
        press(page, "speech_microphone")
        page.wait_for_function("window.recognition")
        page.evaluate(f"recognition.fail({error!r})")
        expect(page.locator("#speech")).to_contain_text(ENGLISH[key])
        expect(page.locator("#microphone")).to_have_attribute("aria-pressed", "false")
        press(page, "speech_close")
        expect(page.locator("#speech")).to_be_hidden()


def test_what_comes_late_does_not_come_into_the_box(scripted: str, open_page: Open) -> None:
    page = start(open_page, scripted, onDevice="available")
    box = page.locator("#question textarea")
    press(page, "speech_microphone")
    page.wait_for_function("window.recognition")
    page.evaluate("recognition.hear('plain one')")
    expect(box).to_have_value("plain one")
    box.press("Enter")
    page.evaluate("recognition.hear('plain one, too late')")
    page.locator(".exchange.ended").wait_for()
    expect(page.locator(".question")).to_have_text("plain one")
    expect(box).to_have_value("")
    press(page, "speech_microphone")
    page.wait_for_function("asked.filter(([name]) => name === 'start').length === 2")
    box.press_sequentially("typed")
    page.evaluate("recognition.hear('spoken')")
    expect(box).to_have_value("typed")


@pytest.mark.parametrize(
    ("language", "locale", "width", "scheme"), [("hu", "hu-HU", 390, "dark"), ("ko", "ko-KR", 1280, "light")]
)
def test_it_speaks_the_language_of_the_page(
    scripted: str, open_page: Open, language: str, locale: str, width: int, scheme: str
) -> None:
    page = start(open_page, scripted, locale=locale, width=width, scheme=scheme)
    page.locator("#microphone").click()
    expect(page.get_by_role("dialog")).to_contain_text(texts(language)[language])
    screenshot(page, f"speech-asked-{language}-{width}")
    page.get_by_role("button", name=texts(language)["speech_agree"]).click()
    page.wait_for_function("asked.length === 1")
    assert asked(page) == [["start", locale, False]]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    screenshot(page, f"speech-listening-{language}-{width}")
