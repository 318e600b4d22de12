"""BibTeX that a real parser reads back, in which nothing of a document is a command."""

import re
from pathlib import Path

import pybtex.errors  # type: ignore[import-untyped]
import pytest
from pybtex.database import BibliographyData, Entry, parse_string  # type: ignore[import-untyped]
from pybtex.plugin import find_plugin  # type: ignore[import-untyped]

from tests.exported import ALL, ARXIV, FILE, HOSTILE, NTRS, WEB, WIKIPEDIA, record
from web.export.bibtex import bibtex, escape
from web.export.references import Reference, line, reference_of

COMMANDS = {
    r"\textbackslash{}": "\\",
    r"\textbraceleft{}": "{",
    r"\textbraceright{}": "}",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
}


def parsed(*references: Reference) -> BibliographyData:
    with pybtex.errors.capture() as problems:
        found = parse_string(bibtex(references), "bibtex")
    assert problems == []
    return found


def entry(reference: Reference) -> Entry:
    (found,) = parsed(reference).entries.values()
    return found


def shown(value: str) -> str:
    """What TeX would set: protecting braces away, commands as their signs. Fails on any other command."""
    assert set(re.findall(r"\\(?:[A-Za-z]+\{\}|.)", value)) <= {*COMMANDS, *(f"\\{sign}" for sign in "$&#%_")}
    value = re.sub(r"\{\}|[{}]", lambda match: match[0] if match[0] == "{}" else "", value)
    pattern = re.compile("|".join(map(re.escape, COMMANDS)) + r"|\\([$&#%_])")
    return pattern.sub(lambda match: match[1] or COMMANDS[match[0]], value)


def test_nothing_is_an_empty_file() -> None:
    assert bibtex([]) == ""


def test_a_preprint_that_was_published() -> None:
    made = entry(reference_of(ARXIV, (4, 7), "2026-11-21"))
    assert made.type == "article"
    assert dict(made.fields) == {
        "title": "Observation of {Gravitational} {Waves} from a {Binary} {Black} {Hole} {Merger}",
        "year": "2016",
        "month": "February",
        "journal": "Phys. Rev. Lett. 116, 061102 (2016)",
        "eprint": "1602.03837v1",
        "archivePrefix": "arXiv",
        "primaryClass": "gr-qc",
        "doi": "10.1103/PhysRevLett.116.061102",
        "url": "https://arxiv.org/abs/1602.03837v1",
        "urldate": "2026-11-21",
        "langid": "english",
        "annote": "Cited: p. 4, 7",
    }
    persons = made.persons["author"]
    assert [(" ".join(p.prelast_names), " ".join(p.last_names), " ".join(p.lineage_names)) for p in persons] == [
        ("", "Abbott", ""),
        ("", "Pázmány", ""),
        ("van der", "Berg", ""),
        ("", "King", "Jr."),
        ("", "{The LIGO Scientific Collaboration}", ""),
    ]
    assert persons[0].first_names + persons[0].middle_names == ["B.", "P."]


def test_a_report_has_number_and_institution() -> None:
    made = entry(reference_of(NTRS))
    assert made.type == "techreport"
    assert made.fields["number"] == "NASA/TM-2020-220000; E-19800"
    assert made.fields["institution"] == "NASA Glenn Research Center"
    assert made.fields["title"] == r"Cold {Gas} {Thrusters} for {Small} {Satellites} \& {CubeSats}"
    names = ["Smith", "O'Neill", "{Space and Missile Center}", "Brown"]
    assert [" ".join(person.last_names) for person in made.persons["author"]] == names


def test_pages_of_the_web_and_files() -> None:
    web, wiki, file = (entry(reference_of(item, (1,), "2026-11-21")) for item in (WEB, WIKIPEDIA, FILE))
    assert (web.type, wiki.type, file.type) == ("online", "online", "misc")
    assert web.fields["title"] == "현장실습 안내" and web.fields["langid"] == "korean"
    assert web.fields["url"] == "https://www.example.ac.kr/guide?id=3&lang=ko_KR"
    assert [person.last_names for person in web.persons["author"]] == [["{홍길동}"], ["{김영희}"]]
    assert wiki.fields["month"] == "November"
    assert file.fields["title"] == "Gyakorlati szabályzat (mintaadat)"
    assert file.fields["howpublished"] == "gyakorlati-szabalyzat.pdf" and "howpublished" not in web.fields
    assert not {"year", "url", "urldate", "doi", "eprint"} & {*file.fields}


def test_all_of_them_in_one_file() -> None:
    found = parsed(*map(reference_of, ALL))
    assert len(found.entries) == len(ALL)
    assert parse_string(found.to_string("bibtex"), "bibtex").entries.keys() == found.entries.keys()


@pytest.mark.parametrize("style", ["plain", "unsrt", "alpha"])
def test_a_style_sets_all_of_them(style: str, tmp_path: Path) -> None:
    entries = parsed(*map(reference_of, ALL)).entries.values()
    formatted = find_plugin("pybtex.style.formatting", style)().format_entries(entries)
    backend = find_plugin("pybtex.backends", "plaintext")()
    texts = [item.text.render(backend) for item in formatted]
    assert len(texts) == len(ALL)
    assert any("Observation of Gravitational Waves" in text for text in texts)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_descriptions_are_text_and_nothing_else(text: str) -> None:
    hostile = record(
        text,
        text,
        id="e" * 32,
        author=text,
        publisher=text,
        report=text,
        type=f"report {text}",
        journal=text,
        categories=text,
        url=f"https://a.example/{text}",
    )
    found = parsed(reference_of(hostile, (1,)), reference_of(FILE))
    assert len(found.entries) == 2
    made = next(iter(found.entries.values()))
    allowed = {"title", "journal", "url", "urldate", "langid", "annote"}
    assert {*made.fields} <= allowed
    assert shown(made.fields["title"]) == line(text)
    assert shown(made.fields["journal"]) == line(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_publishers_of_reports(text: str) -> None:
    made = entry(reference_of(record("T", publisher=f"P {text}", report=text, type=f"Report {text}")))
    assert made.type == "techreport"
    assert shown(made.fields["institution"]) == line(f"P {text}")
    assert shown(made.fields["type"]) == line(f"Report {text}")


@pytest.mark.parametrize("text", HOSTILE)
def test_names_stay_one_name_each(text: str) -> None:
    if line(text).strip("%!=- \"'"):
        made = entry(reference_of(record("T", author=f"{text.replace(';', ' ')} and others, Jr")))
        assert len(made.persons["author"]) == 1


def test_commands_and_comments_are_words() -> None:
    assert escape(r"\input{x} 50% ^^5c") == (
        r"\textbackslash{}input\textbraceleft{}x\textbraceright{} 50\% \textasciicircum{}\textasciicircum{}5c"
    )


def test_words_with_commands_keep_their_capitals() -> None:
    assert entry(reference_of(record("The $X_1$ {A}"))).fields["title"] == (
        r"The {{\$X\_1\$}} {{\textbraceleft{}A\textbraceright{}}}"
    )
