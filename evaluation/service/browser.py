"""The first visit of a browser that has nothing of the page yet: what it loads, and how long until it can be used."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any

from rag.errors import ConfigurationError

READY = """() => document.querySelector("#question textarea") && window.lacerta
  && document.documentElement.dataset.domain && performance.now()"""
"""A module of the page has taken over, the server has told what is shown, and what is typed is taken."""
_PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_LARGEST = """() => new Promise((resolve) => {
  new PerformanceObserver((list) => resolve(list.getEntries().at(-1).startTime))
    .observe({ type: "largest-contentful-paint", buffered: true });
  setTimeout(() => resolve(0), 1000);
})"""
# Whoever presses a key while a long task runs waits for its end.
_BLOCKED = """(ready) => new Promise((resolve) => {
  let end = ready;
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) {
      if (startTime <= end) end = Math.max(end, startTime + duration);
    }
  }).observe({ type: "longtask", buffered: true });
  setTimeout(() => resolve(end), 1000);
})"""
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
_LIMIT_MILLISECONDS = 60_000
_AFTERWARDS_MILLISECONDS = 2000


@contextmanager
def browsers(chromium: str) -> Iterator[Callable[[], Any]]:
    """What starts the Chromium at that path. Raises ConfigurationError where there is no Playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise ConfigurationError(
            "A browser is measured with Playwright: pip install -r requirements/dev.txt"
        ) from error
    with sync_playwright() as playwright:
        yield lambda: playwright.chromium.launch(executable_path=chromium, args=[*_ARGUMENTS])


def first_visits(address: str, chromium: str, visits: int) -> dict[str, Any]:
    """Medians of so many visits with an empty cache each. Raises ConfigurationError where there is no Playwright.

    `seconds` are since the address was opened: until something was drawn, the largest part was, and a question could
    be typed and asked, with no task of the page's in the way; the last also for a second visit. Bytes are as they came,
    compressed or not.
    """
    found: list[dict[str, Any]] = []
    with browsers(chromium) as launch:
        for _ in range(visits):
            # A process of its own, so that no code compiled before is there.
            browser = launch()
            found.append(_visit(browser, address))
            browser.close()
    last = found[-1]
    return {
        "visits": visits,
        "requests": median(each["requests"] for each in found),
        "kilobytes": round(median(each["bytes"] for each in found) / 1000),
        "foreign": sorted({url for each in found for url in each["foreign"]}),
        "seconds": {
            name: [round(median(values), 2), round(max(values), 2)]
            for name in last["seconds"]
            if (values := [each["seconds"][name] for each in found])
        },
        "kinds": {name: [count, round(size / 1000)] for name, (count, size) in sorted(last["kinds"].items())},
    }


def _visit(browser: Any, address: str) -> dict[str, Any]:
    page = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800}).new_page()
    session = page.context.new_cdp_session(page)
    kinds: dict[str, str] = {}
    sizes: dict[str, float] = {}
    foreign: list[str] = []

    def requested(event: Mapping[str, Any]) -> None:
        kinds[event["requestId"]] = event.get("type", "Other").lower()
        url = event["request"]["url"]
        if not url.startswith((address, "data:", "blob:")):
            foreign.append(url)

    session.on("Network.requestWillBeSent", requested)
    session.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    session.send("Network.enable")
    page.goto(f"{address}/en/", wait_until="commit")
    ready = float(page.wait_for_function(READY, timeout=_LIMIT_MILLISECONDS).json_value())
    usable = float(page.evaluate(_BLOCKED, ready))
    seconds = {
        "something is drawn": page.evaluate(_PAINTED) / 1000,
        "the largest part is drawn": page.evaluate(_LARGEST) / 1000,
        "a question can be asked": usable / 1000,
    }
    # What is asked for afterwards, such as pictures, belongs to the page's weight, too.
    page.wait_for_timeout(_AFTERWARDS_MILLISECONDS)
    by_kind: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for request, kind in kinds.items():
        count, size = by_kind[kind]
        by_kind[kind] = (count + 1, size + sizes.get(request, 0.0))
    found = {
        "requests": len(kinds),
        "bytes": sum(sizes.values()),
        "foreign": foreign,
        "seconds": seconds,
        "kinds": dict(by_kind),
    }
    page.goto("about:blank")
    page.goto(f"{address}/en/", wait_until="commit")
    ready = float(page.wait_for_function(READY, timeout=_LIMIT_MILLISECONDS).json_value())
    seconds["a question can be asked, on a second visit"] = float(page.evaluate(_BLOCKED, ready)) / 1000
    return found
