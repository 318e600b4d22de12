import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.build import page_text as text_of_blocks
from ingest.loaders import load
from ingest.pipeline import bring_up_to_date
from rag.answer import Engine, QuestionFailed
from rag.pages import PageNotFound
from rag.settings import Settings
from tests.files import make_domain, make_pdf, prose

SENTENCES = [f"The keeper of lighthouse number {number} counts {number * 7} ships a night." for number in range(300)]
PAGES = [prose([sentence for sentence in SENTENCES[start : start + 50]]) for start in range(0, 300, 50)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("pages")
    sources = make_domain(folder / "corpora", "harbour")
    (sources / "ships.pdf").write_bytes(make_pdf(PAGES, "Ships"))
    (sources / "révész.md").write_text("# Révész\n\nElső bekezdés.\n\n## Bér\n\nHúsz korona.\n", encoding="utf-8")
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1)
    bring_up_to_date(settings, "harbour")
    return Engine(settings)


def test_every_page_is_what_was_loaded(engine: Engine) -> None:
    for path in (engine.domains["harbour"].folder / "sources").iterdir():
        loaded = load(path.read_bytes(), path.name)
        for number, blocks in enumerate(loaded.pages, start=1):
            opened = engine.open_page("harbour", path.name, number)
            assert opened.text == text_of_blocks(blocks).strip() and opened.text
            assert (opened.page, opened.pages, opened.source) == (number, len(loaded.pages), path.name)


def test_pages_end_where_the_file_s_do(engine: Engine) -> None:
    opened = engine.open_page("harbour", "ships.pdf", 3)
    assert [f"number {number} " in opened.text for number in (99, 100, 149, 150)] == [False, True, True, False]
    assert (opened.title, opened.language, opened.pages) == ("Ships", "en", 6)


def test_a_path_is_known_in_either_form(engine: Engine) -> None:
    for form in ("NFC", "NFD"):
        assert "Húsz korona." in engine.open_page("harbour", unicodedata.normalize(form, "révész.md"), 1).text


def test_what_is_not_there_is_named(engine: Engine) -> None:
    for page in (0, 7, -1):
        with pytest.raises(PageNotFound, match=f"ships.pdf has pages 1 to 6; page {page} "):
            engine.open_page("harbour", "ships.pdf", page)
    with pytest.raises(PageNotFound, match="Near it: ships.pdf"):
        engine.open_page("harbour", "ship.pdf", 1)
    with pytest.raises(PageNotFound, match="A search tells") as caught:
        engine.open_page("harbour", "/etc/" + "x" * 5000, 1)
    assert len(str(caught.value)) < 400
    with pytest.raises(QuestionFailed, match="nowhere"):
        engine.open_page("nowhere", "ships.pdf", 1)


def test_a_page_of_a_later_version_is_the_later_one(engine: Engine, tmp_path: Path) -> None:
    sources = make_domain(tmp_path / "corpora", "harbour")
    settings = replace(engine.settings, corpora=tmp_path / "corpora", var=tmp_path / "var")
    later = Engine(settings)
    for text in ("The ferry sails at nine.", "The ferry sails at ten."):
        (sources / "ferry.txt").write_text(text, encoding="utf-8")
        bring_up_to_date(settings, "harbour")
        assert later.open_page("harbour", "ferry.txt", 1).text == text
    later.close()
