import pytest

from rag.errors import ConfigurationError
from rag.filters import allowed_documents
from rag.index import DocumentRecord, Manifest

RECORDS: tuple[tuple[str, str, str, str, str, dict[str, str], tuple[str, ...]], ...] = (
    ("webb", "space/webb.pdf", "James Webb Space Telescope", "en", "pdf", {"date": "2021-12-25"}, ()),
    ("nuri", "space/누리호.html", "누리호 발사", "ko", "html", {"published": "2022-06-21T07:00:00Z"}, ()),
    ("utmutato", "guide/Útmutató.pdf", "Szakmai gyakorlat útmutató", "hu", "pdf", {"date": "2024"}, ("old/u.pdf",)),
    ("notes", "notes.txt", "Notes", "other", "txt", {}, ()),
)


def manifest() -> Manifest:
    documents = tuple(
        DocumentRecord(name, source, title, language, kind, "", 1, 1, 1, (source, *more), metadata)
        for name, source, title, language, kind, metadata, more in RECORDS
    )
    return Manifest("d", "1", "", "e", 8, "s", documents, 4, "")


def allowed(**filters: str) -> set[str] | None:
    found = allowed_documents(filters, manifest())
    return None if found is None else set(found)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("language", "ko", {"nuri"}),
        ("language", "HU, ko", {"utmutato", "nuri"}),
        ("kind", "pdf", {"webb", "utmutato"}),
        ("kind", "txt,html", {"notes", "nuri"}),
        ("source", "space/", {"webb", "nuri"}),
        ("source", "*.PDF", {"webb", "utmutato"}),
        ("source", "guide/utmutato.pdf", {"utmutato"}),
        ("source", "old/?.pdf", {"utmutato"}),
        ("source", "space/누리*", {"nuri"}),
        ("source", "../*", set()),
        ("source", "[", set()),
        ("date", "2021", {"webb"}),
        ("date", "2021-2022", {"webb", "nuri"}),
        ("date", "2022 – 2030", {"nuri", "utmutato"}),
        ("date", ">=2022", {"nuri", "utmutato"}),
        ("years", "> 2022", {"utmutato"}),
        ("years", "<=2021", {"webb"}),
        ("years", "<2021", set()),
        ("document", "webb", {"webb"}),
        ("document", "GYAKORLAT UTMUTATO", {"utmutato"}),
        ("document", "발사", {"nuri"}),
        ("document", "nothing", set()),
    ],
)
def test_a_filter_lets_pass_what_fits(key: str, value: str, expected: set[str]) -> None:
    assert allowed(**{key: value}) == expected


def test_all_filters_must_fit() -> None:
    assert allowed(kind="pdf", date=">=2022") == {"utmutato"}
    assert allowed(kind="pdf", language="ko") == set()


def test_no_filter_or_one_that_everything_passes_is_none() -> None:
    assert allowed() is None
    assert allowed(source="*") is None
    assert allowed(language="en,hu,ko,other") is None


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("colour", "red", "Filters: language, source, kind, date, years, document"),
        ("k" * 9999, "red", "Filters: "),
        ("language", "klingon", "en, hu, ko, other"),
        ("language", "hu,", "en, hu, ko, other"),
        ("kind", "docx", "html, pdf, txt"),
        ("date", "last year", "2020-2024"),
        ("date", "20", "2020-2024"),
        ("date", "2024-2020", "2020-2024"),
        ("date", "2023-05", "2020-2024"),
        ("source", "  ", "1 to 200 characters"),
        ("document", "x" * 201, "1 to 200 characters"),
    ],
)
def test_what_is_wrong_is_answered_with_what_is_possible(key: str, value: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as raised:
        allowed(**{key: value})
    assert len(str(raised.value)) < 500


def test_a_pattern_of_stars_is_answered_at_once() -> None:
    # A matcher that tries every way through the stars would not come back from this one.
    assert allowed(source="*a" * 99 + "b") == set()
