"""The bundled domains: settings, glossary, questions and documents hold what the program and the evaluation expect."""

import csv
import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

CORPORA = Path(__file__).resolve().parent.parent / "corpora"
DOMAINS = sorted(path.parent.name for path in CORPORA.glob("*/domain.toml"))
LANGUAGES = ("en", "hu", "ko")
SUFFIXES = {".pdf", ".csv", ".md", ".txt"}
LEAST_TERMS = {"space": 300, "internship": 120}
HEADER = ["en", "ko", "hu", "definition"]
QUESTION_KEYS = {"id", "question", "language", "answerable", "answer", "sources"}

every_domain = pytest.mark.parametrize("domain", DOMAINS)


@cache
def settings_of(domain: str) -> dict[str, Any]:
    return tomllib.loads((CORPORA / domain / "domain.toml").read_text(encoding="utf-8"))


@cache
def glossary_of(domain: str) -> list[list[str]]:
    with (CORPORA / domain / "glossary.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@cache
def questions_of(domain: str) -> list[dict[str, Any]]:
    lines = (CORPORA / domain / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@cache
def pages_of(path: Path) -> tuple[str, ...]:
    """The text of each page; a file that is not a PDF is one page."""
    if path.suffix != ".pdf":
        return (path.read_text(encoding="utf-8-sig"),)
    document = pypdfium2.PdfDocument(path)
    try:
        return tuple(page.get_textpage().get_text_bounded() for page in document)
    finally:
        document.close()


def sources_of(domain: str) -> list[Path]:
    return sorted(path for path in (CORPORA / domain / "sources").rglob("*") if path.is_file())


def is_korean(text: str) -> bool:
    letters = [character for character in text if character.isalpha()]
    hangul = sum("가" <= character <= "힣" for character in letters)
    return hangul > 0.3 * len(letters)


def is_cross_language(domain: str, question: dict[str, Any]) -> bool:
    """Whether no document that answers the question is in its language."""
    if question["language"] not in settings_of(domain)["languages"]:
        return bool(question["sources"])
    asked_in_korean = question["language"] == "ko"
    folder = CORPORA / domain / "sources"
    korean = [is_korean("".join(pages_of(folder / source["source"]))) for source in question["sources"]]
    return bool(korean) and asked_in_korean not in korean


def test_both_bundled_domains_are_there() -> None:
    assert {"internship", "space"} <= set(DOMAINS)


@every_domain
def test_settings_speak_three_languages(domain: str) -> None:
    settings = settings_of(domain)
    assert set(settings["languages"]) <= set(LANGUAGES)
    for key in ("title", "description"):
        assert all(settings[key][language].strip() for language in LANGUAGES), key
    for language in LANGUAGES:
        assert 3 <= len(settings["examples"][language]) <= 4, language
        assert all(example.strip() for example in settings["examples"][language])


@every_domain
def test_titles_name_sources_that_exist(domain: str) -> None:
    folder = CORPORA / domain / "sources"
    for source in settings_of(domain).get("titles", {}):
        assert (folder / source).is_file(), source


@every_domain
def test_glossary_rows_are_complete_and_unique(domain: str) -> None:
    header, *rows = glossary_of(domain)
    assert header == HEADER
    for row in rows:
        assert len(row) == len(HEADER), row
        for cell in row[:3]:
            assert all(form and form == form.strip() for form in cell.split("|")), row
    preferred = [row[0].split("|")[0].casefold() for row in rows]
    assert sorted(set(preferred)) == sorted(preferred)
    assert len(rows) >= LEAST_TERMS.get(domain, 0)


@every_domain
def test_questions_have_the_expected_fields(domain: str) -> None:
    questions = questions_of(domain)
    identifiers = [question["id"] for question in questions]
    assert sorted(set(identifiers)) == sorted(identifiers)
    for question in questions:
        assert set(question) == QUESTION_KEYS, question["id"]
        assert question["language"] in LANGUAGES, question["id"]
        assert question["question"].strip(), question["id"]
        assert isinstance(question["answerable"], bool), question["id"]
        assert bool(question["answer"].strip()) is question["answerable"], question["id"]
        assert bool(question["sources"]) is question["answerable"], question["id"]


@every_domain
def test_questions_point_at_pages_that_exist(domain: str) -> None:
    folder = CORPORA / domain / "sources"
    for question in questions_of(domain):
        for source in question["sources"]:
            path = folder / source["source"]
            assert path.is_file(), (question["id"], source)
            assert 1 <= source["page"] <= len(pages_of(path)), (question["id"], source)
            assert pages_of(path)[source["page"] - 1].strip(), (question["id"], source)


@every_domain
def test_questions_are_many_and_of_every_kind(domain: str) -> None:
    questions = questions_of(domain)
    assert len(questions) >= 60
    assert sum(not question["answerable"] for question in questions) >= 12
    for answerable in (True, False):
        assert {q["language"] for q in questions if q["answerable"] is answerable} == set(LANGUAGES)
    assert sum(is_cross_language(domain, question) for question in questions) >= 8


@every_domain
def test_documents_are_readable(domain: str) -> None:
    paths = sources_of(domain)
    assert {path.suffix for path in paths} == SUFFIXES
    for path in paths:
        pages = pages_of(path)
        assert pages and all(page.strip() for page in pages), path.name
        assert "\ufffd" not in "".join(pages), path.name


@every_domain
def test_every_manuscript_has_its_pdf(domain: str) -> None:
    folder = CORPORA / domain
    manuscripts = {path.stem for path in (folder / "manuscripts").glob("*.md")}
    assert manuscripts
    assert manuscripts <= {path.stem for path in (folder / "sources").rglob("*.pdf")}


def test_internship_documents_say_that_they_are_samples() -> None:
    for path in sources_of("internship"):
        assert "mintaadat" in pages_of(path)[0].casefold(), path.name
    places = pages_of(CORPORA / "internship/sources/gyakorlati-helyek.csv")[0].splitlines()
    for row in csv.DictReader(places, delimiter=";"):
        assert "(mintaadat" in row["Gyakorlati hely"], row["Kód"]


def test_hungarian_letters_survive_typesetting() -> None:
    text = " ".join("".join(pages_of(CORPORA / "internship/sources/gyakorlati-rendtartas.pdf")).split())
    for phrase in ("munka- és tűzvédelmi oktatást", "jelentkezési határidőig", "Külföldi gyakorlat és Erasmus+"):
        assert phrase in text, phrase
