"""RIS that a real parser reads back, in which no line of a document becomes a tag."""

import pytest
import rispy  # type: ignore[import-untyped]

from tests.exported import ALL, ARXIV, FILE, HOSTILE, NTRS, WEB, WIKIPEDIA, record
from web.export.references import Reference, line, reference_of
from web.export.ris import ris


def parsed(*references: Reference) -> list[dict[str, object]]:
    found = rispy.loads(ris(references))
    assert isinstance(found, list)
    return found


def test_nothing_is_an_empty_file() -> None:
    assert ris([]) == ""


def test_lines_end_as_the_format_asks() -> None:
    text = ris([reference_of(item, (1,)) for item in ALL])
    assert text.count("\n") == text.count("\r\n") == text.count("\r")
    lines = text.split("\r\n")
    assert all(not item or item[2:6] == "  - " for item in lines)
    assert lines[0] == "TY  - JOUR" and lines.count("ER  - ") == len(ALL)


def test_a_preprint_that_was_published() -> None:
    (made,) = parsed(reference_of(ARXIV, (4, 7), "2026-11-21"))
    assert made == {
        "type_of_reference": "JOUR",
        "id": "abbott2016observation",
        "authors": [
            "Abbott, B. P.",
            "Pázmány, Péter",
            "van der Berg, Ludwig",
            "King, Martin, Jr.",
            "The LIGO Scientific Collaboration",
        ],
        "title": "Observation of Gravitational Waves from a Binary Black Hole Merger",
        "secondary_title": "Phys. Rev. Lett. 116, 061102 (2016)",
        "year": "2016",
        "date": "2016/02/11/",
        "doi": "10.1103/PhysRevLett.116.061102",
        "accession_number": "arXiv:1602.03837v1",
        "urls": ["https://arxiv.org/abs/1602.03837v1"],
        "access_date": "2026/11/21",
        "publisher": "arXiv",
        "language": "en",
        "notes": ["Cited: p. 4, 7"],
    }


def test_kinds_and_cited_pages() -> None:
    made = parsed(*(reference_of(item, (2, 9)) for item in (NTRS, WIKIPEDIA, WEB, FILE)))
    assert [item["type_of_reference"] for item in made] == ["RPRT", "ELEC", "ELEC", "GEN"]
    assert (made[0]["start_page"], made[0]["end_page"]) == ("2", "9")
    assert made[0]["type_of_work"] == "Technical Memorandum (TM)"
    assert made[0]["authors"] == ["Smith, John A.", "O'Neill, Mary", "Space and Missile Center", "Brown, Bob, Jr."]
    assert "start_page" not in made[1] and "notes" not in made[1]
    assert (made[2]["title"], made[2]["authors"]) == ("현장실습 안내", ["홍길동", "김영희"])
    assert "year" not in made[3] and "urls" not in made[3]
    assert "File: gyakorlati-szabalyzat.pdf" in str(made[3]["notes"]) and "notes" not in made[2]


def test_a_preprint_alone_and_dates_that_are_not_exact() -> None:
    one = record(identifier="arXiv:2401.01234v2", published="2024")
    two = record("B", id="e" * 32, published="2024-03")
    made = parsed(reference_of(one), reference_of(two))
    assert made[0]["type_of_reference"] == "UNPB"
    assert made[0]["urls"] == ["https://arxiv.org/abs/2401.01234v2"]
    assert [item["date"] for item in made] == ["2024///", "2024/03//"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_descriptions_are_values_and_nothing_else(text: str) -> None:
    hostile = record(
        text, text, author=f"N {text}", publisher=text, report=text, type=text, url=f"https://a.example/{text}"
    )
    made = parsed(reference_of(hostile, (1,)), reference_of(FILE))
    assert len(made) == 2
    assert made[0]["title"] == line(text)
    assert made[0]["publisher"] == line(text)
    assert {*made[0]} <= {
        "type_of_reference",
        "id",
        "authors",
        "title",
        "urls",
        "type_of_work",
        "note",
        "publisher",
        "language",
        "start_page",
        "end_page",
        "notes",
    }
