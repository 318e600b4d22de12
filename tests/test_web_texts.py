"""The table of strings is complete in every language, and the browser's wish is understood."""

import re
import string

import pytest

from rag.settings import LANGUAGES
from web.texts import TRANSLATIONS, preferred_language, texts


def test_a_table_for_each_language_and_no_other() -> None:
    assert {path.stem for path in TRANSLATIONS.glob("*.toml")} == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_tables_have_the_same_keys_and_placeholders(language: str) -> None:
    table, english = texts(language), texts("en")
    assert table.keys() == english.keys()
    for key, text in table.items():
        assert text.strip() == text != ""
        placeholders = {name for _, name, _, _ in string.Formatter().parse(text) if name}
        assert placeholders == {name for _, name, _, _ in string.Formatter().parse(english[key]) if name}, key


@pytest.mark.parametrize("language", ["hu", "ko"])
def test_nothing_is_left_in_english(language: str) -> None:
    same = [key for key, text in texts(language).items() if text == texts("en")[key]]
    assert same == []


def test_every_key_that_the_page_asks_for_is_in_the_table() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in TRANSLATIONS.parent.glob("*.py"))
    asked = set(re.findall(r"""(?:texts|strings)\[["']([a-z_]+)["']\]""", code))
    assert len(asked) > 20
    assert asked <= texts("en").keys()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("hu-HU,hu;q=0.9,en-US;q=0.8,en;q=0.7", "hu"),
        ("ko", "ko"),
        ("de-DE,de;q=0.9,ko;q=0.5,en;q=0.3", "ko"),
        ("en;q=0.2,hu;q=0.9", "hu"),
        ("hu;q=0,ko;q=0.1", "ko"),
        ("fr,de", "en"),
        ("", "en"),
        ("*", "en"),
        ("hu;q=broken,ko", "ko"),
    ],
)
def test_preferred_language(header: str, expected: str) -> None:
    assert preferred_language(header) == expected
