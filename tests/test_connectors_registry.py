import os
import re
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from ingest.connectors.arxiv import Arxiv
from ingest.connectors.ntrs import Ntrs
from ingest.connectors.registry import connectors_of, fetch_all, fetch_from
from ingest.connectors.web import Web
from ingest.connectors.wikipedia import Wikipedia
from rag.errors import ConfigurationError, LacertaError
from rag.settings import Domain, Settings, load_domain
from tests.files import make_domain
from tests.servers import Server, page
from tests.test_connectors_literature import Archive, preprints


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def domain_with(tmp_path: Path, sources: str) -> tuple[Domain, Settings]:
    make_domain(tmp_path / "corpora")
    path = tmp_path / "corpora/birds/domain.toml"
    path.write_text(path.read_text(encoding="utf-8") + sources, encoding="utf-8")
    settings = Settings(var=tmp_path / "var", corpora=tmp_path / "corpora")
    return load_domain(settings, "birds"), settings


def fetch(settings: Settings, *connectors, offline: bool = False, private: bool = True):
    return fetch_from(connectors, "birds", settings, lambda done, known: None, offline, allow_private=private)


def web(server: Server, path: str = "/", **options) -> Web:
    return Web(start=(server.url(path),), **{"sitemap": False, "interval": 0.0, **options})


def serve(server: Server, path: str, text: str) -> None:
    server.put(path, page(f"<html><title>{text}</title><body><p>{text}</p></body></html>"))


def test_tables_become_connectors(tmp_path: Path) -> None:
    domain, _ = domain_with(
        tmp_path,
        """
        [[sources]]
        kind = "arxiv"
        categories = ["astro-ph.IM"]
        start = 2020-01-31
        full_text = true
        [[sources]]
        kind = "ntrs"
        query = "cold gas thruster"
        [[sources]]
        kind = "web"
        start = ["https://www.example.org/"]
        exclude = ["/calendar/*"]
        interval = 2
        [[sources]]
        kind = "wikipedia"
        titles = ["Napvitorla"]
        language = "hu"
        """,
    )
    assert connectors_of(domain) == [
        Arxiv(categories=("astro-ph.IM",), start=date(2020, 1, 31), full_text=True),
        Ntrs("cold gas thruster"),
        Web(("https://www.example.org/",), exclude=("/calendar/*",), interval=2),
        Wikipedia(("Napvitorla",), language="hu"),
    ]


def test_the_sources_in_the_documentation_are_valid(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "docs/ingest.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    fetched = [block for block in blocks if 'kind = "arxiv"' in block]
    domain, _ = domain_with(tmp_path, fetched[0])
    connectors = connectors_of(domain)
    assert [type(connector) for connector in connectors] == [Arxiv, Ntrs, Wikipedia, Web]
    # Beside what is an example, the documentation gives the defaults.
    assert connectors[3] == Web(
        ("https://www.example.org/department/",), 3, ("files.example.org",), ("/department/",), ("*/calendar/*",)
    )


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ('kind = "arxiv"\nquerry = "sail"', "querry.*categories, end, full_text, most, query, start"),
        ('kind = "arxiv"\nquery = "sail"\napi = "http://127.0.0.1/"', "api"),
        ('kind = "arxiv"\nquery = "sail"\ninterval = 0', "interval"),
        ('kind = "arxiv"\nquery = "sail"\nstart = "2020-01-01"', "arxiv start.*without quotes"),
        ('kind = "arxiv"\nquery = "sail"\nstart = 2020-01-01T00:00:00', "arxiv start"),
        ('kind = "arxiv"\nquery = "sail"\nmost = true', "arxiv most.*True"),
        ('kind = "arxiv"\nquery = "sail"\nmost = 0', "most is 0"),
        ('kind = "arxiv"', "needs a query or categories"),
        ('kind = "ntrs"', "'query'"),
        ('kind = "ntrs"\nquery = ["a"]', "ntrs query should be a string"),
        ('kind = "web"\nstart = "https://example.org/"', "web start should be a list"),
        ('kind = "web"\nstart = ["ftp://example.org/"]', "ftp"),
        ('kind = "wikipedia"\ntitles = [1]', "wikipedia titles"),
        ('kind = "wikipedia"\ncategory = "Sails"\nfull_text = 1', "full_text"),
    ],
)
def test_a_wrong_table_is_named_with_its_file(tmp_path: Path, table: str, named: str) -> None:
    domain, settings = domain_with(tmp_path, f"[[sources]]\n{table}\n")
    with pytest.raises(ConfigurationError, match=named) as caught:
        fetch_all(domain, settings, lambda done, known: None)
    assert "domain.toml" in str(caught.value)
    assert not settings.var.exists()


def test_all_sources_are_fetched_and_known_offline(tmp_path: Path, server: Server) -> None:
    archive = Archive(server, preprints(3))
    serve(server, "/reeds", "The heron waits in the reeds.")
    settings = Settings(var=tmp_path / "var", contact="birds@example.org")
    connectors = (archive.source(), web(server, "/reeds"))
    seen: list[tuple[int, int]] = []
    items, problems = fetch_from(connectors, "birds", settings, lambda *step: seen.append(step), allow_private=True)
    assert problems == []
    assert [item.source for item in items] == [
        *(f"arxiv/2401.{n:05d}v1" for n in range(3)),
        f"web/127.0.0.1:{server.port}/reeds",
    ]
    assert all(item.path.is_file() and item.metadata["url"] for item in items)
    assert seen[-1] == (4, 4)
    assert {request.headers["user-agent"] for request in server.requests} == {
        "Lacerta/1.0 (document collector; birds@example.org)"
    }
    count = len(server.requests)
    assert fetch(settings, *connectors, offline=True) == (items, [])
    assert len(server.requests) == count


def test_offline_before_anything_was_fetched_has_nothing_and_writes_nothing(tmp_path: Path) -> None:
    domain, settings = domain_with(tmp_path, '[[sources]]\nkind = "ntrs"\nquery = "sail"\n')
    assert fetch_all(domain, settings, lambda done, known: None, offline=True) == ([], [])
    assert not settings.var.exists()


def test_a_source_that_fails_keeps_what_it_had_and_stops_no_other(tmp_path: Path, server: Server) -> None:
    archive = Archive(server, preprints(1))
    settings = Settings(var=tmp_path / "var")
    before, _ = fetch(settings, archive.source())
    # The disk refuses the next version of the paper.
    archive.papers += preprints(2)[1:]
    other = Settings(var=tmp_path / "other")
    second = fetch(other, archive.source())[0][1].path.name
    (before[0].path.parent / f"{second}.{os.getpid()}.tmp").mkdir()
    serve(server, "/reeds", "The heron waits in the reeds.")
    items, problems = fetch(settings, archive.source(), web(server, "/reeds"))
    assert [item.source for item in items] == ["arxiv/2401.00000v1", f"web/127.0.0.1:{server.port}/reeds"]
    assert [problem.source for problem in problems] == ["arxiv sail"]
    assert "make room" in problems[0].reason and "kept" in problems[0].reason


def test_what_cannot_be_reached_any_more_is_kept_with_a_problem(tmp_path: Path, server: Server) -> None:
    archive = Archive(server, preprints(2))
    settings = Settings(var=tmp_path / "var")
    before, _ = fetch(settings, archive.source())
    items, problems = fetch(settings, archive.source(), private=False)
    assert items == before
    assert len(problems) == 1 and "127.0.0.1" in problems[0].reason


def test_documents_that_cannot_be_told_do_not_count_as_gone(tmp_path: Path, server: Server) -> None:
    archive = Archive(server, preprints(1))
    settings = Settings(var=tmp_path / "var")
    folder = fetch(settings, archive.source())[0][0].path.parent
    for path in folder.glob("state.sqlite3*"):
        path.unlink()
    (folder / "state.sqlite3").mkdir()
    for offline in (True, False):
        with pytest.raises(LacertaError, match="state.sqlite3"):
            fetch(settings, archive.source(), offline=offline)


def test_a_source_with_another_limit_goes_on_with_what_it_has(tmp_path: Path, server: Server) -> None:
    archive = Archive(server, preprints(4))
    settings = Settings(var=tmp_path / "var")
    fetch(settings, archive.source(most=3, full_text=True))
    assert len(archive.downloads()) == 3
    # Without a request, and without a change to the folder.
    assert len(fetch(settings, archive.source(most=5, full_text=True), offline=True)[0]) == 3
    items, _ = fetch(settings, archive.source(most=4, full_text=True))
    assert len(items) == 4
    assert len(archive.downloads()) == 4
    assert len(list((settings.var / "fetched/birds").iterdir())) == 1
    # Another query is another collection; it takes nothing over.
    fetch(settings, archive.source(most=4), archive.source(query="oar", most=2))
    assert len(list((settings.var / "fetched/birds").iterdir())) == 2


def test_a_document_of_two_sources_comes_once_in_full_text(tmp_path: Path, server: Server) -> None:
    archive = Archive(server, preprints(2))
    settings = Settings(var=tmp_path / "var")
    items, _ = fetch(settings, archive.source(), archive.source(query="oar", most=1, full_text=True))
    assert [(item.source, item.path.suffix) for item in items] == [
        ("arxiv/2401.00000v1", ".pdf"),
        ("arxiv/2401.00001v1", ".json"),
    ]


def test_a_folder_that_nothing_uses_goes_after_a_month(tmp_path: Path, server: Server) -> None:
    archive = Archive(server, preprints(1))
    settings = Settings(var=tmp_path / "var")
    folder = fetch(settings, archive.source())[0][0].path.parent
    (folder.parent / "notes").mkdir()
    fetch(settings)
    assert folder.exists()
    month = time.time() - 31 * 86_400
    for path in (folder, folder.parent / "notes"):
        os.utime(path, (month, month))
    fetch(settings, offline=True)
    assert folder.exists()
    fetch(settings)
    assert not folder.exists() and (folder.parent / "notes").exists()
