"""References from what the index knows: nothing invented, identifiers by strict patterns, keys that stay."""

import pytest

from tests import exported
from tests.exported import ARXIV, DOCUMENTS, FILE, HOSTILE, NTRS, WEB, WIKIPEDIA, answered, chunk, record
from web.export.identifiers import find_arxiv, find_doi, web_address
from web.export.keys import keys
from web.export.references import Author, cited, iso_date, reference_of, reference_of_chunk, references


def test_a_preprint_keeps_identifiers_category_and_names() -> None:
    made = reference_of(ARXIV, (7, 4, 7), "2026-11-21T12:00:00+00:00")
    assert (made.arxiv, made.category, made.doi) == ("1602.03837v1", "gr-qc", "10.1103/PhysRevLett.116.061102")
    assert (made.date, made.year, made.pages, made.accessed) == ("2016-02-11", "2016", (4, 7), "2026-11-21")
    assert made.link == "https://arxiv.org/abs/1602.03837v1"
    assert made.authors == (
        Author("B. P. Abbott", "Abbott", "B. P."),
        Author("Péter Pázmány", "Pázmány", "Péter"),
        Author("Ludwig van der Berg", "van der Berg", "Ludwig"),
        Author("Martin King Jr.", "King", "Martin", "Jr."),
        Author("The LIGO Scientific Collaboration"),
    )


def test_a_report_names_persons_by_family_and_organisations_whole() -> None:
    assert reference_of(NTRS).authors == (
        Author("John A. Smith", "Smith", "John A."),
        Author("Mary O'Neill", "O'Neill", "Mary"),
        Author("Space and Missile Center"),
        Author("Bob Brown Jr.", "Brown", "Bob", "Jr."),
    )


def test_a_page_that_changes_is_cited_by_its_revision() -> None:
    made = reference_of(WIKIPEDIA, (1,))
    assert made.link == "https://hu.wikipedia.org/w/index.php?oldid=27000001"
    assert made.date == "2025-11-30"
    assert made.pages == ()


def test_names_of_a_file_are_not_taken_apart() -> None:
    assert reference_of(FILE).authors == (Author("Budapesti Műszaki és Gazdaságtudományi Egyetem"),)
    assert reference_of(WEB).authors == (Author("홍길동"), Author("김영희"))
    assert reference_of(record(author="Smith, John and Doe, Jane")).authors == (Author("Smith, John and Doe, Jane"),)


def test_the_address_of_a_sender_is_not_told() -> None:
    assert reference_of(record(kind="eml", author='"Kiss Éva" <eva@example.hu>')).authors == (Author("Kiss Éva"),)


def test_what_is_not_known_stays_empty() -> None:
    made = reference_of(record("T", "a.txt", "text"), (1,), "2026-11-21")
    assert (made.authors, made.date, made.url, made.link, made.doi, made.arxiv) == ((), "", "", "", "", "")
    assert (made.accessed, made.pages, made.publisher) == ("", (), "")
    assert reference_of(record(modified="2024-01-01", updated="2024-01-01")).date == ""


def test_all_of_a_collaboration_is_named() -> None:
    names = ", ".join(f"Anna Nagy{chr(97 + number % 26)}" for number in range(1000))
    made = reference_of(record(identifier="arXiv:2401.01234v1", authors=names))
    assert len(made.authors) == 1000 and made.authors[-1].family == "Nagyl"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024", "2024"),
        ("2024-03", "2024-03"),
        ("2024-02-29", "2024-02-29"),
        ("2024-03-01T10:00:00Z", "2024-03-01"),
        ("2023-02-29", ""),
        ("2024-13", ""),
        ("0001-01-01", ""),
        ("20240301", ""),
        ("2024-3-1", ""),
        ("March 2024", ""),
        ("２０２４", ""),
        ("", ""),
    ],
)
def test_dates(text: str, expected: str) -> None:
    assert iso_date(text) == expected


@pytest.mark.parametrize(
    ("stated", "address", "source", "expected"),
    [
        ("arXiv:2401.01234v2", "", "", "2401.01234v2"),
        ("arXiv:1602.03837v1 [gr-qc]", "", "", "1602.03837v1"),
        ("arXiv:hep-th/9901001v3", "", "", "hep-th/9901001v3"),
        ("math.GT/0309136", "", "", "math.GT/0309136"),
        ("", "https://arxiv.org/abs/0704.0001", "", "0704.0001"),
        ("", "https://export.arxiv.org/pdf/2401.01234v2.pdf", "", "2401.01234v2"),
        ("", "https://arxiv.org/abs/astro-ph/0601001v1", "", "astro-ph/0601001v1"),
        ("", "", "arxiv/2401.01234v2", "2401.01234v2"),
        ("", "", "arxiv/hep-th/9901001v1", "hep-th/9901001v1"),
        ("", "", "papers/arXiv_2401.01234.pdf", "2401.01234"),
        ("", "", "papers/2401.01234v1.pdf", "2401.01234v1"),
        ("", "", "web/arxiv.org/abs/2401.01234v2", "2401.01234v2"),
        ("", "", "hep-th_9901001v2.pdf", "hep-th/9901001v2"),
        # No such month, no such archive, too many digits for the year, another host, another number.
        ("arXiv:2413.01234", "", "", ""),
        ("arXiv:1201.12345", "", "", ""),
        ("arXiv:2401.0123", "", "", ""),
        ("arXiv:0703.0001", "", "", ""),
        ("hep-th/0901001", "", "", ""),
        ("cooking/9901001", "", "", ""),
        ("arXiv:2401.01234v0", "", "", ""),
        ("", "https://arxiv.org.evil.example/abs/2401.01234", "", ""),
        ("", "https://example.org/abs/2401.01234", "", ""),
        ("", "https://arxiv.org/list/2401.01234", "", ""),
        ("", "", "tables/1203.4567.pdf", ""),
        ("", "", "report-2401.01234-final.pdf", ""),
        ("NTRS 20200001234", "", "", ""),
        ("arXiv:２４０１.01234", "", "", ""),
    ],
)
def test_arxiv_identifiers(stated: str, address: str, source: str, expected: str) -> None:
    assert find_arxiv(stated, address, "", (source,)) == expected


def test_an_arxiv_doi_holds_the_identifier() -> None:
    assert find_arxiv("", "", "10.48550/arXiv.2401.01234", ()) == "2401.01234"


@pytest.mark.parametrize(
    ("stated", "address", "source", "expected"),
    [
        ("10.1103/PhysRevLett.116.061102", "", "", "10.1103/PhysRevLett.116.061102"),
        ("https://doi.org/10.1000/xyz123", "", "", "10.1000/xyz123"),
        ("doi:10.1000/xyz123.", "", "", "10.1000/xyz123"),
        ("10.1000/first 10.1000/second", "", "", "10.1000/first"),
        ("", "https://doi.org/10.1000/xyz123", "", "10.1000/xyz123"),
        ("", "https://dl.acm.org/doi/10.1145/1.2", "", "10.1145/1.2"),
        ("", "https://onlinelibrary.wiley.com/doi/full/10.1002/a.b", "", "10.1002/a.b"),
        ("", "https://link.springer.com/article/10.1007/s00339-020-1", "", "10.1007/s00339-020-1"),
        ("", "", "web/doi.org/10.1000/xyz123", "10.1000/xyz123"),
        (
            "10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S",
            "",
            "",
            "10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S",
        ),
        ("10.1000/a}b", "", "", ""),
        ("11.1000/xyz", "", "", ""),
        ("see 10.1000", "", "", ""),
        ("", "https://example.org/10.1000/xyz123", "", ""),
        ("", "", "10.1000_xyz123.pdf", ""),
    ],
)
def test_dois(stated: str, address: str, source: str, expected: str) -> None:
    assert find_doi(stated, address, (source,)) == expected


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Icarus, 300 (2018) 1-10. doi:10.1016/j.icarus.2017.08.030", "10.1016/j.icarus.2017.08.030"),
        ("Phys. Rev. Lett. DOI 10.1103/PhysRevLett.116.061102.", "10.1103/PhysRevLett.116.061102"),
        ("see https://doi.org/10.1000/xyz123 and more", "10.1000/xyz123"),
        ("10.1000/xyz123", ""),
        ("Nature", ""),
    ],
)
def test_a_doi_in_the_subject_of_a_file(subject: str, expected: str) -> None:
    assert reference_of(record(subject=subject)).doi == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://한국.kr/한 글?q=ő#x", "https://xn--3e0b707e.kr/%ED%95%9C%20%EA%B8%80?q=%C5%91"),
        ("http://a.example/{x}", "http://a.example/%7Bx%7D"),
        ("https://[::1]:8080/x", "https://[::1]:8080/x"),
        ("https://user:secret@a.example/", ""),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("ftp://a.example/", ""),
        ("//a.example/", ""),
        ("/etc/passwd", ""),
        ("https://", ""),
        ("https://a.example/\nx", ""),
        ("https://a.example/\u202ex", ""),
        ("https://a.example/" + "x" * 2000, ""),
    ],
)
def test_addresses(text: str, expected: str) -> None:
    assert web_address(text) == expected


@pytest.mark.parametrize("text", HOSTILE)
def test_addresses_and_identifiers_hold_nothing_that_a_format_could_read(text: str) -> None:
    made = reference_of(
        record(text, text, url=f"https://a.example/{text}", doi=f"10.1000/{text}", identifier=f"arXiv:{text}")
    )
    assert made.title.isprintable() and made.source.isprintable() and len(made.title) <= 1000
    for value in (made.link, made.doi, made.arxiv):
        assert value.isascii() and not set(value) & set('\\{}" \n`')


def test_numbers_of_an_answer_and_their_quotes() -> None:
    first, second = chunk(ARXIV, name="a"), chunk(FILE, name="b")
    gone = chunk(record("Gone", "old/1.pdf", id="9" * 32))
    exchange = answered(
        "x [1] y [2] z [3]",
        ((2, second, "B", 2), (1, first, "A\nb", 5), (1, first, "C", 4), (3, gone, "G", 4)),
    )
    assert exchange.answer
    made = cited(exchange.answer, DOCUMENTS)
    assert [(item.number, item.reference.pages, item.quotes) for item in made] == [
        (1, (4, 5), ("A b", "C")),
        (2, (2,), ("B",)),
        (3, (4,), ("G",)),
    ]
    assert made[2].reference == reference_of_chunk(gone, (4,))
    assert made[2].reference.title == "Gone"


def test_a_document_stands_once_with_all_pages() -> None:
    one, two = chunk(ARXIV, name="a"), chunk(ARXIV, name="b")
    conversation = (
        answered("x [1] [2]", ((1, one, "A", 9), (2, two, "B", 2))),
        answered("y [1] [2]", ((1, chunk(FILE), "A", 1), (2, one, "A", 4)), number=2),
    )
    made = references(conversation, DOCUMENTS)
    assert [(item.document, item.pages) for item in made] == [(ARXIV.id, (2, 4, 9)), (FILE.id, (1,))]


def test_keys_tell_author_year_and_word() -> None:
    assert keys([reference_of(item) for item in exported.ALL]) == [
        "abbott2016observation",
        "smith2020cold",
        "wikipedia2025napvitorlas",
        "honggildong2024hyeonjangsilseub",
        "budapestigyakorlati",
    ]


def test_keys_are_unique_and_do_not_depend_on_the_order() -> None:
    items = [reference_of(record("Same Title", id=letter * 32)) for letter in "abc"]
    made = dict(zip("abc", keys(items), strict=True))
    assert len({*made.values()}) == 3
    assert dict(zip("cba", keys(items[::-1]), strict=True)) == made


@pytest.mark.parametrize("text", HOSTILE)
def test_keys_are_plain_ascii(text: str) -> None:
    made = keys([reference_of(record(text, authors=text)), reference_of(record(text, author=text, id="e" * 32))])
    assert len({*made}) == 2
    assert all(key and key.replace("-", "").isalnum() and key.isascii() for key in made)
