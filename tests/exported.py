"""What the tests of exports share: documents as the index knows them, answers that cite them, and hostile texts."""

from collections.abc import Mapping
from datetime import date

from rag.index import DocumentRecord
from rag.types import Answer, Chunk, Citation, Sentence
from web.conversation import Exchange
from web.export.wording import About

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=https://evil.example/x.png onerror=alert(1)>",
    "![picture](https://evil.example/x.png)",
    "[link](https://evil.example/?q=1) and [other][1]",
    "[1]: https://evil.example/definition",
    "[^1]: note\n\n[^1] https://evil.example www.evil.example",
    "&lt;b&gt; &#60;script&#62; &amp;lt;",
    r"\input{/etc/passwd} \write18{rm -rf /} ^^5cinput $x_1$ 100% #1 {unbalanced",
    "closing } } brace, @comment{x, and a \\",
    "TY  - JOUR\r\nER  - \r\nTY  - BOOK",
    "},\n  url = {javascript:alert(1)},\n  note = {",
    "# heading\n---\n===\n> quote\n- item\n1. item\n    code\n```\nfence\n~~~",
    "| a | b |\n|---|---|\n| c | d |",
    "*a* _b_ __c__ ~~d~~ `e` $f$ <g> {#h} @i :smile: a^b^",
    "right\u202eto left\u202c zero\u200bwidth \u2066isolated\u2069 \x00\x1b[31m\ud800",
    "=HYPERLINK(1) +1 -1 @SUM",
    "javascript:alert(1) data:text/html,x https://evil.example/a.b ftp://evil.example",
    "line one\nline two\u2028line three\x0bline four\fpage two",
    "한국어 제목과 árvíztűrő tükörfúrógép ŐŰ",
    "very long " * 3000,
    '"quoted" \'single\' ` " onmouseover="x',
    "!",
    "%",
)


def record(title: str = "A Title", source: str = "a.pdf", kind: str = "pdf", **more: str) -> DocumentRecord:
    """A document; `more` is its metadata, but for `id` and `language`."""
    identifier, language = more.pop("id", "d" * 32), more.pop("language", "en")
    return DocumentRecord(identifier, source, title, language, kind, "0" * 64, 1, 9, 1, (source,), more)


ARXIV = record(
    "Observation of Gravitational Waves from a Binary Black Hole Merger",
    "arxiv/1602.03837v1",
    id="1" * 32,
    identifier="arXiv:1602.03837v1",
    authors="B. P. Abbott, Péter Pázmány, Ludwig van der Berg, Martin King Jr., The LIGO Scientific Collaboration",
    published="2016-02-11T16:10:57Z",
    categories="gr-qc astro-ph.HE",
    doi="10.1103/PhysRevLett.116.061102",
    journal="Phys. Rev. Lett. 116, 061102 (2016)",
    url="https://arxiv.org/abs/1602.03837v1",
    publisher="arXiv",
)
NTRS = record(
    "Cold Gas Thrusters for Small Satellites & CubeSats",
    "ntrs/20200001234",
    id="2" * 32,
    identifier="NTRS 20200001234",
    authors="Smith, John A.; O'Neill, Mary; Space and Missile Center; Brown, Bob, Jr.",
    published="2020-03-01",
    report="NASA/TM-2020-220000; E-19800",
    type="Technical Memorandum (TM)",
    url="https://ntrs.nasa.gov/citations/20200001234",
    publisher="NASA Glenn Research Center",
)
WIKIPEDIA = record(
    "Napvitorlás",
    "wikipedia/hu/Napvitorlás",
    "record",
    id="3" * 32,
    language="hu",
    identifier="hu.wikipedia 4711",
    authors="Wikipedia contributors",
    updated="2025-11-30T08:00:00Z",
    permalink="https://hu.wikipedia.org/w/index.php?oldid=27000001",
    url="https://hu.wikipedia.org/wiki/Napvitorl%C3%A1s",
    publisher="Wikipedia",
)
WEB = record(
    "현장실습 안내",
    "web/www.example.ac.kr/guide",
    "html",
    id="4" * 32,
    language="ko",
    author="홍길동; 김영희",
    published="2024-05-01",
    url="https://www.example.ac.kr/guide?id=3&lang=ko_KR#top",
    site="예제대학교",
)
FILE = record(
    "Gyakorlati szabályzat (mintaadat)",
    "gyakorlati-szabalyzat.pdf",
    id="5" * 32,
    language="hu",
    author="Budapesti Műszaki és Gazdaságtudományi Egyetem",
)
ALL = (ARXIV, NTRS, WIKIPEDIA, WEB, FILE)
DOCUMENTS = {item.id: item for item in ALL}
EXPORTED = date(2026, 11, 21)


def about(language: str = "en", domain: str = "Space") -> About:
    return About(domain, "20261121T120000000000Z", EXPORTED, language)


def chunk(document: DocumentRecord, text: str = "A sentence. Another one.", name: str = "c", page: int = 4) -> Chunk:
    identifier = f"{name}-{document.id}"
    return Chunk(
        identifier, document.id, document.title, document.source, document.language, page, page, 0, len(text), (), text
    )


def answered(
    text: str,
    cited: tuple[tuple[int, Chunk, str, int], ...] = (),
    question: str = "How does it work?",
    number: int = 1,
    **more: object,
) -> Exchange:
    """An exchange whose answer has the citations `(number, chunk, quote, page)`."""
    citations = tuple(Citation(*item) for item in cited)
    values: dict[str, object] = {
        "text": text,
        "sentences": (Sentence(text, tuple(sorted({item.number for item in citations}))),),
        "citations": citations,
        "confidence": 0.8,
        "language": "en",
        "model": "extractive",
        "hits": (),
        "timings": {"search": 0.01},
    }
    answer = Answer(**{**values, **more})  # type: ignore[arg-type]
    return Exchange(number, question, text, (), answer)


def documents(*records: DocumentRecord) -> Mapping[str, DocumentRecord]:
    return {item.id: item for item in records}
