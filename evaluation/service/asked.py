"""What somebody at a browser waits for: passages and answer after a question, results after a key in the search."""

from collections.abc import Sequence
from typing import Any

from evaluation.service.browser import READY, browsers

# Seen is what was drawn, not what stands in the document.
_PAINTED = """
const painted = (done) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => done(performance.now());
  channel.port2.postMessage(0);
});
"""
_QUESTION = f"""(number) => {{
  {_PAINTED}
  const waited = window.waited = {{}};
  addEventListener("keydown", (event) => {{ if (event.key === "Enter") waited.asked ??= event.timeStamp; }}, true);
  const seen = (name) => painted((now) => waited[name] ??= now);
  new MutationObserver(() => {{
    if (document.querySelector(`[id^="p-${{number}}-"]`)) seen("passages");
    if (document.querySelectorAll(".exchange.ended").length >= number) seen("answer");
  }}).observe(document.body, {{ childList: true, subtree: true, attributeFilter: ["class"] }});
}}"""
_KEYS = f"""() => {{
  {_PAINTED}
  window.keys = [];
  window.results = [];
  const [input, list] = ["search-words", "search-results"].map((id) => document.getElementById(id));
  input.addEventListener("input", (event) => keys.push([input.value.trim(), event.timeStamp]), true);
  new MutationObserver(() => {{
    const words = list.dataset.words;
    painted((now) => results.push([words, now]));
  }}).observe(list, {{ childList: true, attributeFilter: ["data-words"] }});
}}"""
_QUESTIONS_OF_A_VISIT = 5
_BETWEEN_KEYS_MILLISECONDS = 150
_SETTLED_MILLISECONDS = 1500


def questions(address: str, chromium: str, domain: str, asked: Sequence[str]) -> dict[str, list[float]]:
    """Seconds from Enter until the `passages` and the whole `answer` were drawn, for each question but the first.

    They are asked one after the other, some in each conversation. Raises ConfigurationError without Playwright.
    """
    seconds: dict[str, list[float]] = {"passages": [], "answer": []}
    with browsers(chromium) as launch:
        browser = launch()
        for start in range(0, len(asked), _QUESTIONS_OF_A_VISIT):
            page = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800}).new_page()
            page.goto(f"{address}/en/?domain={domain}")
            page.wait_for_function(READY)
            for number, text in enumerate(asked[start : start + _QUESTIONS_OF_A_VISIT], 1):
                page.evaluate(_QUESTION, number)
                page.fill("#question textarea", text)
                page.keyboard.press("Enter")
                waited = page.wait_for_function("() => waited.answer && waited.passages && waited").json_value()
                for name, values in seconds.items():
                    values.append((waited[name] - waited["asked"]) / 1000)
            page.context.close()
        browser.close()
    # What is opened only then belongs to the first.
    return {name: values[1:] for name, values in seconds.items()}


def keys(address: str, chromium: str, domain: str, typed: Sequence[str]) -> list[float]:
    """Seconds from a key in the search until its results were drawn, for each key whose results were.

    Who types on meanwhile gets those of a later key. Raises ConfigurationError without Playwright.
    """
    seconds: list[float] = []
    with browsers(chromium) as launch:
        browser = launch()
        for text in typed:
            page = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800}).new_page()
            page.goto(f"{address}/en/?domain={domain}&q=")
            page.wait_for_function(READY)
            box = page.locator("#search-words")
            box.press_sequentially("warm", delay=_BETWEEN_KEYS_MILLISECONDS)
            page.wait_for_selector("#search-results[data-words=warm]", state="attached")
            box.fill("")
            page.wait_for_timeout(_SETTLED_MILLISECONDS)
            page.evaluate(_KEYS)
            box.press_sequentially(text, delay=_BETWEEN_KEYS_MILLISECONDS)
            page.wait_for_timeout(_SETTLED_MILLISECONDS)
            pressed, drawn = page.evaluate("[keys, results]")
            for words, at in pressed:
                later: list[Any] = [seen - at for shown, seen in drawn if shown == words and seen >= at]
                seconds += [later[0] / 1000] if later else []
            page.context.close()
        browser.close()
    return seconds
