import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.questions import GoldSource, from_beir, from_domain
from rag.errors import ConfigurationError
from rag.index import DocumentRecord, Manifest

RECORDS: list[dict[str, Any]] = [
    {
        "id": "en-1",
        "question": "How long does it last?",
        "language": "en",
        "answerable": True,
        "answer": "six weeks",
        "sources": [
            {"source": "copy.pdf", "page": 2},
            {"source": "guide.pdf", "page": 2},
            {"source": "b.md", "page": 1},
        ],
    },
    {"id": "hu-1", "question": "Mikor?", "language": "hu", "answerable": False, "answer": "", "sources": []},
]


def manifest() -> Manifest:
    documents = (
        DocumentRecord("1", "guide.pdf", "", "en", "pdf", "", 0, 3, 1, names=("guide.pdf", "copy.pdf")),
        DocumentRecord("2", "b.md", "", "hu", "md", "", 0, 1, 1, names=("b.md",)),
    )
    return Manifest("space", "7", "", "", 4, "", documents, 2, "")


def written(folder: Path, *records: dict[str, Any]) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("\n".join(json.dumps(record, ensure_ascii=False) for record in records), encoding="utf-8")
    return path


def test_a_domain_s_questions(tmp_path: Path) -> None:
    first, second = from_domain(written(tmp_path, *RECORDS), manifest())
    assert (first.id, first.text, first.language, first.set) == ("en-1", "How long does it last?", "en", "space")
    assert first.answers == ("six weeks",)
    # The copy is the same document, so it is the same source.
    assert first.sources == (GoldSource("guide.pdf", 2), GoldSource("b.md", 1))
    assert (first.document_languages, first.pair, first.answerable) == (("en", "hu"), "en-en", True)
    assert (second.answers, second.sources, second.pair, second.answerable) == ((), (), "hu-none", False)
    assert from_domain(written(tmp_path, *RECORDS), manifest(), "feedback")[0].set == "feedback"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"language": "de"}, "language should be one of en, hu, ko, is now 'de'"),
        ({"language": ""}, "is now ''"),
        ({"question": " "}, "question should be a text, is now ' '"),
        ({"question": 5}, "question should be a text, is now 5"),
        ({"answer": ""}, "an answerable question needs an answer"),
        ({"sources": [{"source": "none.pdf", "page": 1}]}, "there is no document 'none.pdf'"),
        ({"sources": [{"source": "guide.pdf", "page": 4}]}, "'guide.pdf' has pages 1 to 3, there is no 4"),
        ({"sources": [{"source": "guide.pdf", "page": 0}]}, "there is no 0"),
        ({"id": "hu-1"}, "several questions have this id"),
        ({"question": " MIKOR? "}, "en-1 asks the same"),
    ],
)
def test_what_is_labelled_wrongly_is_named(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    path = written(tmp_path, RECORDS[0] | change, RECORDS[1])
    with pytest.raises(ConfigurationError) as error:
        from_domain(path, manifest())
    assert fault in str(error.value)
    assert "make ingest DOMAIN=space" in str(error.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, RECORDS[0] | {"language": "de", "answer": ""}, RECORDS[1] | {"language": "fr"})
    with pytest.raises(ConfigurationError) as error:
        from_domain(path, manifest())
    assert len(str(error.value).splitlines()) == 1 + 3
    with pytest.raises(ConfigurationError, match="there is no question"):
        from_domain(written(tmp_path), manifest())


def beir(folder: Path) -> Path:
    documents = [
        {"_id": "d1", "title": "", "text": "The mirror of the telescope is wide."},
        {"_id": "d2", "title": "", "text": "A szakmai gyakorlat hat hétig tart."},
    ]
    questions = [
        {"_id": "q1", "text": "How wide is the mirror?", "lang": "en", "answers": ["wide"]},
        {"_id": "q2", "text": "How long is the internship?", "set": "other", "doc_lang": "hu"},
        {"_id": "q3", "text": "Without a label"},
    ]
    unanswerable = [{"_id": f"u{number}", "text": "Mikor lesz vége?", "lang": "hu"} for number in range(3)]
    for name, records in (("corpus", documents), ("queries", questions), ("unanswerable", unanswerable)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("q\td\ts\nq1\td1\t3\nq1\td2\t1\nq2\td2\t1\n", encoding="utf-8")
    return folder


def test_a_folder_in_beir_layout(tmp_path: Path) -> None:
    first, second, *others = from_beir(beir(tmp_path))
    assert (first.set, first.language, first.answers) == (tmp_path.name, "en", ("wide",))
    assert first.sources == (GoldSource("d1", None, 3), GoldSource("d2", None, 1))
    assert first.document_languages == ("en", "hu")
    assert (second.set, second.language, second.pair) == ("other", "en", "en-hu")
    assert [item.id for item in others] == ["u0", "u1", "u2"]
    assert not any(item.answerable or item.sources for item in others)
    assert [item.id for item in from_beir(tmp_path, limit=1)] == ["q1", "u0"]


def test_a_folder_with_an_id_twice(tmp_path: Path) -> None:
    path = beir(tmp_path) / "unanswerable.jsonl"
    path.write_text(json.dumps({"_id": "q1", "text": "Mikor?"}), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="same _id: 'q1'"):
        from_beir(tmp_path)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="unanswerable.jsonl should hold a question"):
        from_beir(tmp_path)
