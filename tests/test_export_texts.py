"""Every string that exports ask for is in the tables; dates are written by them."""

import re
from pathlib import Path

import pytest

from rag.settings import LANGUAGES
from web.export import wording
from web.export.wording import date_words
from web.texts import texts


def test_the_tables_hold_what_is_asked_for() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in Path(wording.__file__).parent.glob("*.py"))
    asked = set(re.findall(r"""texts\[["']([a-z_]+)["']\]""", code))
    assert len(asked) > 20
    assert asked <= texts("en").keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_year_has_twelve_months(language: str) -> None:
    assert len({*texts(language)["export_months"].split()}) == 12


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("2024", "March 2024", "1 March 2024")),
        ("hu", ("2024", "2024. március", "2024. március 1.")),
        ("ko", ("2024", "2024년 3월", "2024년 3월 1일")),
    ],
)
def test_dates_by_language(language: str, words: tuple[str, ...]) -> None:
    assert tuple(date_words(iso, texts(language)) for iso in ("2024", "2024-03", "2024-03-01")) == words
