from dataclasses import replace
from pathlib import Path

from ingest.passwords import passwords_of
from rag.settings import Secret, Settings, load_domain
from tests.files import make_domain


def test_all_passwords_whose_pattern_fits_are_given_in_their_order(tmp_path: Path) -> None:
    make_domain(tmp_path)
    domain = replace(
        load_domain(Settings(corpora=tmp_path), "birds"),
        passwords={"minutes/*.pdf": Secret("stork"), "**/*.pdf": Secret("heron"), "*.pdf": Secret("owl")},
    )
    assert passwords_of(domain, "minutes/2024.pdf") == ("stork", "heron")
    assert passwords_of(domain, "2024.pdf") == ("heron", "owl")
    assert passwords_of(domain, "minutes/2024.docx") == ()
