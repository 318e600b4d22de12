"""What tests of several modules share: a Chroma server, and both places that vectors can be in."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.chroma_server import ChromaServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser's tests come last: Playwright leaves an event loop running in the thread of all tests. Of
    them the files with most tests come first, so that no worker is left with a long one at the end.
    """
    browser = Counter(item.path for item in items if "browser" in item.path.parts)
    items.sort(key=lambda item: (item.path in browser, -browser[item.path]))


@pytest.fixture(scope="session")
def chroma_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    """One that all tests share, and that always runs."""
    server = ChromaServer(tmp_path_factory.mktemp("chroma"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session", params=["files", "server"])
def chroma(request: pytest.FixtureRequest) -> str:
    """What LACERTA_CHROMA is: nothing, and the address of a server."""
    if request.param == "files":
        return ""
    server: ChromaServer = request.getfixturevalue("chroma_server")
    return server.address
