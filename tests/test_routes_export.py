import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.index import DocumentRecord
from rag.settings import Settings
from rag.types import Answer, Citation, Sentence
from tests.exported import HOSTILE
from tests.files import make_domain
from tests.web_server import served
from web.conversation import Exchange
from web.export.conversation import dump, load
from web.routes.export import FORMATS
from web.server import create
from web.texts import texts

NOTE = "The siren sounds at noon. Then all boats return to the harbour."
GONE = "e" * 32
TODAY = datetime.now(UTC).date()


@dataclass(frozen=True, slots=True)
class Ground:
    """A program that serves `harbour`, and a conversation about it: an answer that cites, a refusal, a failure."""

    client: httpx.Client
    text: str

    def export(self, form: str, domain: str = "harbour", text: str | None = None, **query: Any) -> httpx.Response:
        body = (self.text if text is None else text).encode()
        return self.client.post(f"/export/{domain}", params={"format": form, **query}, content=body)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("export")
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1)
    sources = make_domain(settings.corpora, "harbour")
    (sources / "note.txt").write_text(NOTE)
    bring_up_to_date(settings, "harbour")
    engine = Engine(settings)
    engine.warm_up()
    with engine.index("harbour") as index:
        (record,) = index.manifest.documents
        (chunk,) = index.table.of_document(record.id)
        version = index.manifest.version
    old = replace(chunk, id="f" * 32, document_id=GONE, title="An older paper", source="old.pdf")
    citations = (Citation(1, chunk, "The siren sounds at noon.", 1), Citation(2, old, "Then all boats return", 1))
    text = "At **noon** [1] [2]."
    sentence = Sentence(text, (1, 2))
    answer = Answer(text, (sentence,), citations, 0.9, "en", "extractive", ())
    refused = Answer("Nothing is known.", (), (), 0.1, "en", "", (), answerable=False)
    # It was in the index once, and its catalogue told more than its passage does.
    paper = DocumentRecord(
        GONE, "old.pdf", "An older paper", "en", "pdf", "0" * 64, 1, 3, 1, ("old.pdf",),
        {"authors": "Anna Kis", "published": "2019-05-01", "doi": "10.1000/182", "url": "https://example.org/old"},
    )  # fmt: skip
    conversation = (
        Exchange(
            1, "When does the siren sound?", answer=answer, text=text, filters={"kind": "text", "years": "<=2030"}
        ),
        Exchange(2, "Who plays it?", answer=refused, text=refused.text),
        Exchange(3, "And then?", failure="The model did not answer."),
    )
    kept = dump(conversation, {record.id: record, GONE: paper}, "harbour", version, "en", date(2026, 1, 2))
    with served(create(engine)) as client:
        yield Ground(client, kept)
    engine.close()


def code(response: httpx.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return response.status_code, error["code"]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_a_file_that_nobody_runs(ground: Ground, form: str) -> None:
    answer = ground.export(form)
    assert answer.status_code == 200, answer.text
    ending, media_type = FORMATS[form]
    assert answer.headers["content-type"] == media_type
    name = f"lacerta-harbour-{TODAY}{ending}"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["cache-control"] == "no-store"
    assert any("sandbox" in policy for policy in answer.headers.get_list("content-security-policy"))
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_conversation_with_its_references(ground: Ground) -> None:
    text = ground.export("markdown").text
    for part in ("siren sounds at noon", "An older paper", "10.1000/182", "Anna Kis", "The model did not answer"):
        assert part in text.replace("\\", ""), part
    assert "Only from: Text; until 2030" in text
    page = ground.export("html", language="hu").text
    assert '<html lang="hu">' in page and texts("hu")["export_references"] in page
    assert "Csak ebből: Szöveg; 2030-ig bezárólag" in page
    assert "Content-Security-Policy" in page and "<script" not in page


def test_what_left_the_index_is_cited_as_it_was_kept(ground: Ground) -> None:
    entries = ground.export("bibtex").text
    assert entries.count("\n@") + entries.startswith("@") == 2
    assert "doi = {10.1000/182}" in entries and "Anna Kis" in entries and "2019" in entries
    records = ground.export("ris").text
    assert "DO  - 10.1000/182\r\n" in records and "An older paper" in records


def test_one_answer_alone(ground: Ground) -> None:
    first = ground.export("markdown", number=1)
    assert "siren" in first.text and "plays" not in first.text
    assert first.headers["content-disposition"].endswith('-1.md"')
    assert "siren" not in ground.export("markdown", number=2).text.partition("---")[0]
    assert code(ground.export("bibtex", number=2)) == (422, "no_references")
    assert code(ground.export("ris", number=3)) == (422, "no_references")
    assert code(ground.export("json", number=4)) == (404, "unknown_exchange")


def test_json_is_read_again(ground: Ground) -> None:
    loaded = load(ground.export("json").text)
    assert [exchange.question for exchange in loaded.conversation] == [
        "When does the siren sound?", "Who plays it?", "And then?",
    ]  # fmt: skip
    assert loaded.domain == "harbour" and len(loaded.references) == 2
    assert loaded.conversation[0].filters == {"kind": "text", "years": "<=2030"}
    again = ground.export("json", text=ground.export("json").text).text
    assert load(again).conversation == loaded.conversation
    assert len(load(ground.export("json", number=1).text).conversation) == 1


@pytest.mark.parametrize(
    ("day", "named"), [(TODAY + timedelta(1), 1), (TODAY - timedelta(1), -1), (date(1999, 1, 1), 0)]
)
def test_the_day_is_the_visitors(ground: Ground, day: date, named: int) -> None:
    name = ground.export("ris", day=day.isoformat()).headers["content-disposition"]
    assert (TODAY + timedelta(named)).isoformat() in name


def test_what_is_wrong_is_said(ground: Ground) -> None:
    assert code(ground.export("docx")) == (400, "invalid_value")
    assert code(ground.client.post("/export/harbour", content=ground.text)) == (400, "invalid_value")
    assert code(ground.export("json", language="de")) == (400, "invalid_value")
    assert code(ground.export("json", number=0)) == (400, "invalid_value")
    assert code(ground.export("json", day="yesterday")) == (400, "invalid_value")
    assert code(ground.export("json", "nowhere")) == (404, "unknown_domain")
    for text in ("", "{}", "[]", "no json", "[" * 100_000, "\x00", '{"lacerta": "conversation", "version": 99}'):
        assert code(ground.export("json", text=text)) == (400, "invalid_conversation"), text[:40]
    other = json.dumps(json.loads(ground.text) | {"domain": "vault"})
    assert code(ground.export("json", text=other)) == (400, "other_domain")
    empty = json.dumps(json.loads(ground.text) | {"exchanges": [], "references": []})
    assert code(ground.export("json", text=empty)) == (404, "unknown_exchange")
    assert code(ground.client.get("/export/harbour")) == (405, "method_not_allowed")
    assert code(ground.client.post("/export/harbour/more")) == (404, "not_found")


def test_how_large_it_may_be(ground: Ground) -> None:
    kept = json.loads(ground.text)
    kept["exchanges"] = [{"question": "q" * 150_000, "text": "", "stopped": True}] * 20
    assert ground.export("json", text=json.dumps(kept)).status_code == 200
    assert code(ground.export("json", text=" " * (8 << 20) + ground.text)) == (413, "request_too_large")


def test_no_other_site_makes_files(ground: Ground) -> None:
    elsewhere = {"origin": "http://evil.example"}
    answer = ground.client.post("/export/harbour?format=html", content=ground.text, headers=elsewhere)
    assert answer.status_code == 403


@pytest.mark.parametrize("form", FORMATS)
def test_whatever_a_browser_kept_may_say_anything(ground: Ground, form: str) -> None:
    kept = json.loads(ground.text)
    for place, hostile in enumerate(HOSTILE):
        text = hostile.encode("utf-8", "replace").decode()
        kept["exchanges"][0]["question"] = text[:1000]
        kept["exchanges"][0]["filters"] = {"kind": text[:900], "document": text[:900]}
        kept["exchanges"][0]["answer"]["text"] = f"{text} [1]"
        kept["references"][1] |= {"title": text[:900], "journal": text[:900], "url": "javascript:alert(1)"}
        answer = ground.export(form, text=json.dumps(kept), number=1)
        assert answer.status_code == 200, (place, answer.text[:300])
        if form == "html":
            assert (
                "<script" not in answer.text
                and "<img" not in answer.text
                and "javascript:" not in [part[:11] for part in answer.text.split('href="')]
            )
