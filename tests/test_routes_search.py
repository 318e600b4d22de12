import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.settings import Settings
from rag.types import Chunk
from tests.files import make_domain, make_pdf, prose
from tests.web_server import served
from web.entrance import SEARCH
from web.routes.newest import Newest, Superseded
from web.routes.search import MOST
from web.routes.snippet import LENGTH, Words, snippet
from web.server import create

HERON = "The grey heron stands in the shallow water and waits for fish. It nests in tall trees."
GEM = "A szürke gém a sekély vízben áll és halra vár. Magas fákra rakja a fészkét."
WAEGARI = "왜가리는 얕은 물에 서서 물고기를 기다린다. 둥지는 높은 나무에 짓는다."
HOSTILE = '<img src=x onerror="alert(1)"> The heron of the script eats frogs.'
LONG = "Ducks swim. " * 100 + "The bittern booms at night in the reeds. " + "Geese fly. " * 100


@dataclass(frozen=True, slots=True)
class Ground:
    """A program that serves the domain `birds`."""

    client: httpx.Client
    engine: Engine

    def search(self, text: str, domain: str = "birds", **query: Any) -> httpx.Response:
        return self.client.get(f"/search/{domain}", params={"q": text, **query})

    def results(self, text: str, **query: Any) -> list[dict[str, Any]]:
        answer = self.search(text, **query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["results"])


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("search")
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1)
    sources = make_domain(settings.corpora)
    make_domain(settings.corpora, "unread")
    (sources / "heron.pdf").write_bytes(make_pdf([prose([HERON[:62], HERON[62:]]), prose(["Frogs are eaten, too."])]))
    (sources / "gém.md").write_text(f"# Gémek\n\n## A szürke gém\n\n{GEM}\n", encoding="utf-8")
    (sources / "왜가리.txt").write_text(WAEGARI, encoding="utf-8")
    (sources / "hostile.txt").write_text(HOSTILE, encoding="utf-8")
    (sources / "long.txt").write_text(LONG, encoding="utf-8")
    (sources / "letter.eml").write_text(
        "From: A <a@example.org>\nTo: b@example.org\nSubject: Storks of the village\n"
        "Date: Mon, 5 May 2025 10:00:00 +0000\n\nThe storks came back to the village in April.\n"
    )
    bring_up_to_date(settings, "birds")
    engine = Engine(settings)
    engine.warm_up()
    with served(create(engine)) as client:
        yield Ground(client, engine)
    engine.close()


def code(response: httpx.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return response.status_code, error["code"]


def marked(result: dict[str, Any]) -> list[str]:
    return [result["text"][start:end] for start, end in result["marks"]]


def test_a_passage_with_what_matched(ground: Ground) -> None:
    first = ground.results("grey herons")[0]
    assert first["title"] and first["kind"] == "pdf" and first["language"] == "en" and first["paged"]
    assert (first["page"], first["cut"]) == (1, {"before": False, "after": False})
    assert marked(first) == ["grey heron"]
    with ground.engine.index("birds") as index:
        (chunk,) = index.chunks([first["chunk"]])
    assert chunk.document_id == first["document"]
    start, end = map(int, first["quotes"].split("-"))
    assert chunk.text[start:end].startswith("The grey heron stands") and chunk.text[start:end].endswith("fish.")


def test_passages_open_where_they_were_quoted(ground: Ground) -> None:
    first = ground.results("grey heron")[0]
    page = ground.client.get(
        f"/sources/birds/{first['document']}/pages/{first['page']}",
        params={"chunk": first["chunk"], "quote": first["quotes"]},
    ).json()
    assert page["kind"] == "picture" and len(page["marks"]) >= 1


@pytest.mark.parametrize(
    ("text", "language", "marks"),
    [
        ("szürke gémek", "hu", "szürke gém"),
        ("SZURKE GEM", "hu", "szürke gém"),
        ("왜가리가", "ko", "왜가리"),
        ("높은 나무", "ko", "높은 나무"),
        ("bitterns", "en", "bittern"),
        # The last word is still being typed.
        ("the bitt", "en", "bittern"),
    ],
)
def test_words_are_marked_in_each_language(ground: Ground, text: str, language: str, marks: str) -> None:
    found = [result for result in ground.results(text) if result["language"] == language]
    assert marks in [mark for result in found for mark in marked(result)]


def test_a_long_passage_is_cut_around_what_matched(ground: Ground) -> None:
    found = next(result for result in ground.results("bittern booms") if "bittern" in result["text"])
    assert found["cut"] == {"before": True, "after": True}
    assert len(found["text"]) <= LENGTH + 40 and marked(found) == ["bittern booms"]


def test_what_documents_hold_is_only_text(ground: Ground) -> None:
    answer = ground.search("script frogs")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert any(HOSTILE[:20] in result["text"] for result in answer.json()["results"])


def test_a_heading_stands_above_a_passage_and_not_in_it(ground: Ground) -> None:
    found = next(result for result in ground.results("fészkét") if result["language"] == "hu")
    assert found["headings"][-1] == "A szürke gém" and not found["text"].startswith("A szürke gém\n")


@pytest.mark.parametrize(
    ("filters", "kinds"),
    [
        ({"kind": "pdf"}, {"pdf"}),
        ({"kind": "pdf,markdown"}, {"pdf", "markdown"}),
        ({"language": "ko"}, {"text"}),
        ({"years": "2024-2026"}, {"eml"}),
        ({"years": "<=2020"}, set()),
    ],
)
def test_filters_leave_only_what_passes_them(ground: Ground, filters: dict[str, str], kinds: set[str]) -> None:
    assert {result["kind"] for result in ground.results("heron", **filters)} == kinds


def test_a_filter_of_several_documents(ground: Ground) -> None:
    facets = ground.client.get("/search/birds/filters").json()
    by_kind = {item["kind"]: item["document"] for item in facets["titled"]["documents"]}
    wanted = {by_kind["pdf"], by_kind["eml"]}
    found = ground.results("heron stork", document=",".join(sorted(wanted)))
    assert {result["document"] for result in found} == wanted


def test_what_can_be_filtered_by(ground: Ground) -> None:
    facets = ground.client.get("/search/birds/filters").json()
    assert facets["documents"] == 6 and facets["undated"] == 5
    assert facets["kinds"][0] == {"value": "text", "count": 3}
    assert {item["value"] for item in facets["languages"]} == {"en", "hu", "ko"}
    assert facets["years"] == [{"value": 2025, "count": 1}]
    assert facets["titled"]["count"] == 6
    for part in ("VILLAGE stork", "letter"):
        titled = ground.client.get("/search/birds/filters", params={"title": part}).json()["titled"]
        assert [item["kind"] for item in titled["documents"]] == ["eml"], part
    nothing = ground.client.get("/search/birds/filters", params={"title": "zzz"}).json()["titled"]
    assert nothing == {"count": 0, "documents": []}


def test_a_new_version_has_new_facets(tmp_path: Path) -> None:
    settings = replace(Settings(), corpora=tmp_path / "corpora", var=tmp_path / "var", threads=1)
    sources = make_domain(settings.corpora)
    (sources / "one.txt").write_text(HERON)
    bring_up_to_date(settings, "birds")
    engine = Engine(settings)
    engine.warm_up()
    with served(create(engine)) as client:
        assert client.get("/search/birds/filters").json()["documents"] == 1
        (sources / "two.txt").write_text(LONG)
        bring_up_to_date(settings, "birds")
        while client.get("/search/birds/filters").json()["documents"] == 1:
            time.sleep(0.05)
        assert client.get("/search/birds", params={"q": "bittern"}).json()["results"][0]["marks"]
    engine.close()


def test_what_is_wrong_is_said(ground: Ground) -> None:
    assert code(ground.search("heron", "nowhere")) == (404, "unknown_domain")
    assert code(ground.client.get("/search/nowhere/filters")) == (404, "unknown_domain")
    assert code(ground.search("heron", "unread")) == (503, "no_index")
    assert code(ground.client.get("/search/unread/filters")) == (503, "no_index")
    assert code(ground.search(" ")) == (400, "empty_question")
    assert code(ground.search("x" * 3000)) == (400, "too_long")
    assert code(ground.search("x" * 20_000)) == (400, "invalid_value")
    assert code(ground.search("heron", kind="docx")) == (400, "filter")
    assert code(ground.search("heron", years="soon")) == (400, "filter")
    assert code(ground.search("heron", limit=MOST + 1)) == (400, "invalid_value")
    assert code(ground.search("heron", visit="../x")) == (400, "invalid_value")
    assert code(ground.client.post("/search/birds")) == (405, "method_not_allowed")
    assert code(ground.client.get("/search/birds/%0a")) == (404, "not_found")


def test_nothing_of_a_searchs_budget_is_used(ground: Ground) -> None:
    """One types more often than one asks."""
    assert "x-ratelimit-limit-requests" not in ground.search("heron").headers


def test_only_the_newest_search_of_a_visit_is_worked_on(ground: Ground) -> None:
    """The engine is held up, as by many others: what was typed before gives its turn up."""
    release, begun = threading.Event(), threading.Event()
    asked: list[str] = []
    search = ground.engine.search

    def slow(question: Any, limit: int = 10) -> Any:
        asked.append(question.text)
        begun.set()
        release.wait(30)
        return search(question, limit)

    async def type_on() -> list[int]:
        async with httpx.AsyncClient(base_url=ground.client.base_url, trust_env=False, timeout=60) as client:

            def get(text: str, visit: str) -> asyncio.Task[httpx.Response]:
                return asyncio.create_task(client.get("/search/birds", params={"q": text, "visit": visit}))

            # As many visitors as there are threads.
            others = [get(f"heron {visit}", visit) for visit in "abcd"]
            while len(asked) < 4:
                await asyncio.sleep(0.01)
            mine = []
            for text in ("he", "her", "hero", "heron"):
                mine.append(get(text, "e"))
                await asyncio.sleep(0.05)
            done, _ = await asyncio.wait(mine[:-1], timeout=20)
            assert len(done) == 3 and not mine[-1].done()
            release.set()
            return [(await task).status_code for task in (*mine, *others)]

    ground.engine.search = slow  # type: ignore[method-assign]
    try:
        statuses = asyncio.run(type_on())
    finally:
        release.set()
        ground.engine.search = search  # type: ignore[method-assign]
    assert begun.is_set()
    assert statuses == [409, 409, 409, 200, 200, 200, 200, 200]
    # What nobody waits for any more was never begun.
    assert "heron" in asked and not {"he", "her", "hero"} & {*asked}


def test_places_are_free_again(ground: Ground) -> None:
    for text in ("h", "he", "her", "heron"):
        ground.search(text, visit="f")
    metrics = ground.client.get("/metrics").text
    assert f'lacerta_places_in_use{{kind="{SEARCH}"}} 0.0' in metrics.splitlines()


def test_newest_forgets_who_waits_no_longer() -> None:
    async def run() -> None:
        newest, gate = Newest(), asyncio.Event()

        async def work(value: int) -> int:
            await gate.wait()
            return value

        first = asyncio.create_task(newest.run("one", work(1)))
        other = asyncio.create_task(newest.run("two", work(2)))
        await asyncio.sleep(0)
        second = asyncio.create_task(newest.run("one", work(3)))
        with pytest.raises(Superseded):
            await first
        assert newest.count == 2
        # Whoever is cancelled from outside is not told that something newer came.
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        gate.set()
        assert await other == 2
        assert newest.count == 0

    asyncio.run(run())


def chunk(text: str, language: str = "en", headings: tuple[str, ...] = (), first: int = 1) -> Chunk:
    last = first + text.count("\f")
    return Chunk("c", "d", "T", "t.pdf", language, first, last, 0, len(text), headings, text)


def test_the_page_is_that_of_the_sentence() -> None:
    text = "Nothing is said here of them. " * 4 + "\f" + "The stork is white. The crane is grey."
    found = snippet(chunk(text, first=7), Words({"en": ["crane"]}))
    assert (found.page, text[slice(*found.quote or ())]) == (8, "The crane is grey.")
    assert "\f" not in found.text and len(found.text) == len(text)


def test_without_a_word_the_passage_is_shown_from_its_beginning() -> None:
    found = snippet(chunk(LONG), Words({"en": []}))
    assert (found.start, found.marks, found.quote, found.whole) == (0, (), None, (True, False))


def test_the_most_different_words_win() -> None:
    text = "Stork stork stork. " + "And so on. " * 60 + "The stork met a crane. " + "And so on. " * 60
    found = snippet(chunk(text), Words({"en": ["stork", "crane"]}))
    assert "met a crane" in found.text
    assert text[slice(*found.quote or ())] == "The stork met a crane."
    for first, last in found.marks:
        assert text[found.start + first : found.start + last] == found.text[first:last]


@pytest.mark.parametrize("text", ["", "   ", "\f", "x" * 5000, "왜" * 3000, "a\fb\fc", "stork " * 500])
def test_any_passage_has_a_snippet(text: str) -> None:
    found = snippet(chunk(text, "ko" if "왜" in text else "en"), Words({"en": ["stork", "x"], "ko": ["왜왜"]}, "stork"))
    assert len(found.text) <= LENGTH + 200
    assert all(0 <= first < last <= len(found.text) for first, last in found.marks)
    assert list(found.marks) == sorted(found.marks)
