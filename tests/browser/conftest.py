"""A real browser and the served page. Without a Chromium the tests are skipped and say so."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

ROOT = Path(__file__).parent.parent.parent
# What the browser's own frame would load for each window, which costs as much as our page; and what Playwright leaves
# out, as only the last list counts.
UNUSED = (
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,"
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,"
    "LensOverlay,MediaRouter,PaintHolding,ThirdPartyStoragePartitioning,OptimizationHints,PreconnectToSearch"
)
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    f" --disable-component-update --disable-sync --disable-features={UNUSED}"
).split()
SCREENSHOTS = os.environ.get("SCREENSHOTS", "")
START_SECONDS = 240
LOCALES = {"en": "en-US", "hu": "hu-HU", "ko": "ko-KR"}
# Everything that axe-core knows, also what it takes for a matter of taste; sizes of targets it leaves out by itself.
AXE_RULES = {"rules": {"target-size": {"enabled": True}}}

# A browser that shares its machine with much else is slow, and not wrong.
expect.set_options(timeout=20_000)

Open = Callable[..., Page]


def chromium() -> str | None:
    """The browser named by `CHROMIUM`, or the first one on PATH."""
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    return next((path for name in names if name and (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("no Chromium: install one (apt-get install chromium) or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(command: list[str], port: int, environment: dict[str, str], log: Path) -> Iterator[str]:
    """The address of a server started as a process, once it answers; its output goes to `log`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LACERTA_")}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**kept, "PYTHONPATH": str(ROOT), "GRADIO_ANALYTICS_ENABLED": "False", **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                try:
                    urllib.request.urlopen(f"{address}/healthz", timeout=2)
                    break
                except (urllib.error.URLError, OSError):
                    if process.poll() is not None or time.monotonic() > deadline:
                        pytest.fail(f"The server did not start:\n{log.read_text()}")
                    time.sleep(0.2)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def scripted(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page with the scripted engine of scripted.py."""
    port = free_port()
    log = tmp_path_factory.mktemp("scripted") / "log"
    with served(["tests/browser/scripted.py", str(port)], port, {}, log) as address:
        yield address


@pytest.fixture(scope="session")
def application(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The whole program over the bundled domains, indexed in a folder of its own."""
    folder, port = tmp_path_factory.mktemp("application"), free_port()
    environment = {"LACERTA_VAR": str(folder / "var"), "LACERTA_PORT": str(port)}
    with served(["app.py"], port, environment, folder / "log") as address:
        yield address


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens an address as a new visitor; at the end, no page may have met an error or asked another host."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []
    broken: list[str] = []

    def open_as_visitor(
        address: str, locale: str = "en-US", width: int = 1280, scheme: str = "light", script: str = ""
    ) -> Page:
        origin = "/".join(address.split("/")[:3])
        context = browser.new_context(
            locale=locale,
            viewport={"width": width, "height": 844 if width < 600 else 800},
            color_scheme="dark" if scheme == "dark" else "light",
            # The lizard waves; many of her take a processor. With motion the page is tested in test_looks.py.
            reduced_motion="reduce",
        )
        contexts.append(context)
        if script:
            context.add_init_script(script)
        page = context.new_page()

        def requested(url: str) -> None:
            if not url.startswith((origin, "data:", "blob:")):
                faults.append(f"request to {url}")

        def complained(message: ConsoleMessage) -> None:
            # What Gradio says of the stream of answers that it ends itself as the page is left or loaded anew.
            if message.text.startswith("AbortError: signal is aborted") and "/assets/" in message.location["url"]:
                return
            # So it says of one that the browser ends as it goes on to another page, and of a lost connection.
            ended = message.text.startswith("Unexpected error Connection errored out")
            (broken if ended else faults).append(f"{message.text} {message.location['url']}")

        page.on("request", lambda request: requested(request.url))
        page.on("pageerror", lambda error: faults.append(f"error {error}"))
        page.on("framenavigated", lambda _: broken.clear())
        page.on("dialog", lambda dialog: faults.append(f"dialog {dialog.message}"))
        page.on("console", lambda message: complained(message) if message.type == "error" else None)
        page.goto(address)
        page.wait_for_selector("#question textarea")
        # Its domains and what is kept of them come a moment later.
        page.wait_for_selector("html[data-domain]")
        return page

    yield open_as_visitor
    for context in contexts:
        context.close()
    assert faults + broken == []


def ask(page: Page, text: str, number: int = 1) -> None:
    """Types a question, sends it and waits for the end of its answer, and until the page's scripts were told of it."""
    page.fill("#question textarea", text)
    page.keyboard.press("Enter")
    page.locator(f".exchange.ended >> nth={number - 1}").wait_for()
    page.wait_for_function("!window.lacerta?.state().asking")


def findings(page: Page, within: str | None = None) -> list[str]:
    """What axe-core finds, one line each."""
    # A colour that is changing has not the contrast that it is changing to.
    page.emulate_media(reduced_motion="reduce")
    found: list[dict[str, Any]] = Axe().run(page, context=within, options=AXE_RULES).response["violations"]
    return [
        f"{entry['impact']} {entry['id']}: {node['target']} {node['html'][:200]} {node['failureSummary']}"
        for entry in found
        for node in entry["nodes"]
    ]


def screenshot(page: Page, name: str) -> None:
    if SCREENSHOTS:
        Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(400)
        page.screenshot(path=f"{SCREENSHOTS}/{name}.png")
