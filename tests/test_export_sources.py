"""References from what connectors and loaders really put into the metadata of a document."""

import json

from ingest.connectors.arxiv import read_feed
from ingest.connectors.ntrs import read_results
from ingest.connectors.page import read_page
from ingest.connectors.store import Entry
from ingest.loaders.html import load_html
from ingest.loaders.records import load_feed, load_record
from rag.index import DocumentRecord
from web.export.bibtex import bibtex
from web.export.references import Author, Reference, reference_of

FEED = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom"
      xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">
  <title>ArXiv Query: x</title><opensearch:totalResults>1</opensearch:totalResults>
  <entry>
    <id>http://arxiv.org/abs/hep-th/9901001v2</id>
    <published>1999-01-04T10:00:00Z</published><updated>1999-05-01T10:00:00Z</updated>
    <title>Branes and\n  Strings</title>
    <summary>We study branes, at length and in depth.</summary>
    <author><name>Éva Kiss</name></author><author><name>Min-jun Kim</name></author>
    <arxiv:doi>10.1000/brane.1</arxiv:doi><arxiv:journal_ref>J. Branes 1 (1999) 1</arxiv:journal_ref>
    <category term="hep-th"/><category term="gr-qc"/>
    <link href="http://arxiv.org/abs/hep-th/9901001v2" rel="alternate"/>
  </entry>
</feed>""".encode()
REPORT = {
    "id": 20200001234,
    "title": "Cold Gas Thrusters",
    "abstract": "They are simple.",
    "stiTypeDetails": "Technical Memorandum (TM)",
    "distribution": "PUBLIC",
    "center": {"name": "Glenn Research Center"},
    "publications": [{"publicationDate": "2020-03-01T00:00:00+00:00", "doi": "10.2514/6.2020-1"}],
    "otherReportNumbers": ["NASA/TM-2020-220000"],
    "authorAffiliations": [
        {"meta": {"author": {"name": "Smith, John A."}}},
        {"meta": {"author": {"name": "Doe, Jane"}}},
    ],
}
PAGE = b"""<html lang="en"><head><title>A Guide</title><meta name="author" content="Jane Doe">
<meta property="article:published_time" content="2024-05-01T10:00:00Z"></head>
<body><main><h1>A Guide</h1><p>Everything about internships, explained at some length for everybody.</p></main></body>
</html>"""


def kept(entry: Entry) -> Reference:
    """As the index has it: the record file that the connector writes, and what it knows beside it."""
    loaded = load_record(entry.record(), "x.json")
    metadata = {**loaded.metadata, **entry.metadata, "url": entry.url}
    return reference_of(indexed(entry.source, loaded.title, loaded.kind, metadata), (1,), "2026-11-21T12:00:00")


def indexed(source: str, title: str, kind: str, metadata: dict[str, str]) -> DocumentRecord:
    return DocumentRecord("d" * 32, source, title, "en", kind, "0" * 64, 1, 1, 1, (source,), metadata)


def test_a_preprint() -> None:
    made = kept(read_feed(FEED, "https://files.example/pdf").entries[0])
    assert (made.title, made.arxiv, made.category) == ("Branes and Strings", "hep-th/9901001v2", "hep-th")
    assert made.authors == (Author("Éva Kiss", "Kiss", "Éva"), Author("Min-jun Kim", "Kim", "Min-jun"))
    assert (made.date, made.doi, made.journal) == ("1999-01-04", "10.1000/brane.1", "J. Branes 1 (1999) 1")
    assert (made.link, made.accessed) == ("https://arxiv.org/abs/hep-th/9901001v2", "2026-11-21")


def test_a_feed_that_was_saved_as_a_file() -> None:
    loaded = load_feed(FEED, "feed.xml")
    made = reference_of(indexed("feed.xml", loaded.title, loaded.kind, dict(loaded.metadata)))
    assert (made.arxiv, made.doi, made.category) == ("hep-th/9901001v2", "10.1000/brane.1", "hep-th")
    assert [author.family for author in made.authors] == ["Kiss", "Kim"]
    assert made.link == "http://arxiv.org/abs/hep-th/9901001v2"


def test_a_report() -> None:
    answer = json.dumps({"results": [REPORT], "stats": {"total": 1}}).encode()
    made = kept(read_results(answer, "https://ntrs.nasa.gov/api/citations/search").entries[0])
    assert made.authors == (Author("John A. Smith", "Smith", "John A."), Author("Jane Doe", "Doe", "Jane"))
    assert (made.date, made.doi, made.report) == ("2020-03-01", "10.2514/6.2020-1", "NASA/TM-2020-220000")
    assert made.publisher == "NASA Glenn Research Center"
    assert bibtex([made]).startswith("@techreport{smith2020cold,")


def test_one_author_of_a_report_is_one() -> None:
    one = {**REPORT, "authorAffiliations": REPORT["authorAffiliations"][:1]}  # type: ignore[index]
    answer = json.dumps({"results": [one], "stats": {"total": 1}}).encode()
    made = kept(read_results(answer, "https://ntrs.nasa.gov/api/citations/search").entries[0])
    assert [author.family for author in made.authors] == ["Smith"]


def test_a_page_of_the_web() -> None:
    page = read_page(PAGE, "https://www.example.org/guide", {})
    loaded = load_html(page.content, "guide.html")
    metadata = {**loaded.metadata, **page.metadata}
    made = reference_of(indexed("web/www.example.org/guide", loaded.title, loaded.kind, metadata))
    assert (made.title, made.authors, made.date) == ("A Guide", (Author("Jane Doe"),), "2024-05-01")
    assert made.link == "https://www.example.org/guide"
