import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.__main__ import main
from evaluation.needle import report as needle_report
from evaluation.needle.haystack import LAYOUTS, Hidden, facts, paragraphs, with_needles, write
from evaluation.needle.measure import Asked, Found, Options, measure, planned
from evaluation.overlap import holds
from ingest.loaders import load
from rag.errors import ConfigurationError
from rag.languages import detect
from rag.settings import LANGUAGES, Settings
from rag.text import flatten


def words(text: str) -> int:
    return len(text.split())


@pytest.fixture(scope="module")
def text() -> list[str]:
    return paragraphs("hu", 3000)


def test_every_fact_is_said_and_asked_in_every_language() -> None:
    assert len(facts()) == 30
    assert {kind for needles in facts().values() for kind in {needle.kind for needle in needles.values()}} == {
        "number",
        "name",
        "date",
        "place",
    }
    questions = [needle.question for needles in facts().values() for needle in needles.values()]
    assert len(set(questions)) == 90
    for needles in facts().values():
        assert set(needles) == set(LANGUAGES)
        for needle in needles.values():
            assert holds(needle.text, [needle.answer], needle.language), needle
            assert not holds(needle.question, [needle.answer], needle.language), needle
            assert detect(needle.text) == needle.language == detect(needle.question), needle


def test_no_fact_answers_the_question_of_another() -> None:
    for name, needles in facts().items():
        for other in facts().values():
            for language, needle in needles.items():
                assert name == other["en"].fact or not holds(other[language].text, [needle.answer], language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_made_text_has_the_words_that_were_asked_for(language: str) -> None:
    made = paragraphs(language, 1234)
    assert sum(map(words, made)) == 1234
    assert detect(" ".join(made)) == language


def test_text_of_documents(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    english = "The heron stands in the water of the lake and waits for a fish."
    (tmp_path / "a.md").write_text(f"# Birds\n\n{english}\n\nA gólya a kéményen fészkel, és Afrikába repül.\n", "utf-8")
    (tmp_path / "deep" / "b.txt").write_text(f"{english}\n", encoding="utf-8")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    assert paragraphs("en", 20, tmp_path) == [english, "The heron stands in the water"]
    assert paragraphs("hu", 4, tmp_path) == ["A gólya a kéményen"]
    with pytest.raises(ConfigurationError, match="has 28 words in the language 'en', 100 are asked for"):
        paragraphs("en", 100, tmp_path)


def test_needles_stand_at_their_depths(text: list[str]) -> None:
    names = [*facts()][:10]
    depths = [0, 25, 50, 75, 100] * 2
    hidden = [Hidden(facts()[name]["hu"], depth) for name, depth in zip(names, depths, strict=True)]
    whole = " ".join(with_needles(text, hidden))
    assert whole.startswith(hidden[0].needle.text)
    assert whole.endswith(hidden[9].needle.text)
    for item in hidden:
        before, _ = whole.split(item.needle.text)
        # Needles of one depth share a tenth of the words; a needle stands between sentences, of at most 20 words.
        assert abs(words(before) / words(whole) - item.depth / 100) <= 0.11
    without = whole
    for item in hidden:
        without = without.replace(item.needle.text, "")
    assert without.split() == " ".join(text).split()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_needles_are_where_they_are_said_to_be(layout: str, language: str, text: list[str], tmp_path: Path) -> None:
    hidden = [Hidden(facts()[name][language], depth) for name, depth in zip(facts(), (0, 50, 100), strict=False)]
    places = write(tmp_path / "sources", text, hidden, layout)
    assert {path.name for path in (tmp_path / "sources").iterdir()} >= {place.source for place in places.values()}
    pages = {
        path.name: [" ".join(block.text for block in page) for page in load(path.read_bytes(), path.name).pages]
        for path in (tmp_path / "sources").iterdir()
    }
    for item in hidden:
        place = places[item.needle.fact]
        read = "".join(pages[place.source][number - 1] for number in place.pages)
        assert re.sub(r"\W", "", item.needle.text) in re.sub(r"\W", "", flatten(read))
    assert len(pages) == (2 if layout == "files" else 1)


def test_an_unknown_layout(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="book, text, files, is now 'scroll'"):
        write(tmp_path, ["One."], [], "scroll")


def test_every_cell_has_six_different_facts() -> None:
    for size in (1_000, 100_000):
        stacks = [*planned(size, Options())]
        assert len({stack.name for stack in stacks}) == len(stacks) == (9 if size == 1_000 else 3)
        cells: dict[tuple[str, int], list[str]] = {}
        for stack in stacks:
            names = [item.needle.fact for item in stack.hidden]
            assert len(set(names)) == len(names) <= size // 100
            for item in stack.hidden:
                cells.setdefault((item.needle.language, item.depth), []).append(item.needle.fact)
        assert len(cells) == 15
        assert {len(set(names)) for names in cells.values()} == {len(names) for names in cells.values()} == {6}


def test_rounds_bring_every_fact_in_every_language_to_every_haystack() -> None:
    stacks = [*planned(100_000, Options(rounds=3))]
    for language in LANGUAGES:
        hidden = [item for stack in stacks if stack.language == language for item in stack.hidden]
        assert len({item.needle.text for item in hidden}) == len(hidden) == 90
    # Each fact comes to all depths.
    assert len({(item.needle.fact, item.depth) for stack in stacks for item in stack.hidden}) == 150


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    settings = replace(Settings(), var=tmp_path_factory.mktemp("needle"), threads=1)
    options = Options(words=(800,), depths=(0, 100), languages=("en", "hu"), needles=2, rounds=2)
    return measure(settings, options)


def test_needles_are_asked_through_the_whole_pipeline(found: Found) -> None:
    # Two languages of haystacks, of needles and of questions, two facts.
    assert len(found.asked) == 16
    assert Counter((item.haystack, item.needle, item.question) for item in found.asked).most_common(1)[0][1] == 2
    same = [item for item in found.asked if item.question == item.needle]
    assert all(item.right and item.given and 1 <= item.rank <= 2 for item in same)
    assert found.ingested[0].ingests == 4
    assert found.ingested[0].chunks >= 4 * 5
    assert found.left_out == ()
    outcome = found.runs[0].outcomes[0]
    assert outcome.question.sources[0].document == "haystack.pdf"
    assert outcome.said and outcome.said.citations[0].document == "haystack.pdf"


def test_facts_that_the_text_states_are_left_out(tmp_path: Path) -> None:
    needle = facts()["cat"]["en"]
    (tmp_path / "text.txt").write_text(f"{needle.text} The heron waits in the water of the lake.\n", encoding="utf-8")
    settings = replace(Settings(), var=tmp_path / "var", threads=1)
    options = Options(words=(12,), depths=(50,), languages=("en",), needles=1, text=tmp_path, layout="text")
    found = measure(settings, options)
    assert found.left_out == ("cat",)
    assert [item.fact for item in found.asked] == ["bakery"]


def test_a_short_number_elsewhere_is_not_right() -> None:
    item = Asked(1000, "en", "en", "en", 0, "bakery", "number", 0, False, True, False, True)
    assert not item.right
    assert replace(item, cited=True).right


def test_the_report(found: Found) -> None:
    content = json.loads(json.dumps(needle_report.report(found)))
    assert sum(1 for _ in content["shares"]) == 8
    row = next(row for row in content["shares"] if (row["question"], row["needle"], row["haystack"]) == ("en",) * 3)
    assert (row["words"], row["right"], row["refused"]) == (800, 1, 0)
    missed = replace(found, asked=tuple(replace(item, inside=False, answered=False) for item in found.asked))
    parts = needle_report.sections(missed)
    assert all(len(line) == len(part.titles) for part in parts for line in part.rows)
    assert parts[0].figure and b"<svg" in parts[0].figure and "\ud55c" not in parts[0].figure.decode()
    assert any("missed" in part.title and part.rows[0][-1] == "refused" for part in parts)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACERTA_VAR", str(tmp_path))
    arguments = ["needle", "--words", "300", "--depths", "50", "--languages", "en", "--needles", "1"]
    assert main([*arguments, "--layout", "text", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [item["fact"] for item in content["asked"]] == ["bakery"]
    page = Path(content["report"])
    assert "Needle in a haystack" in page.read_text(encoding="utf-8")
    assert json.loads((page.parent / "needle.json").read_text(encoding="utf-8")) == content
    assert main(["needle", "--depths", "101"]) == 2
    assert "from 0 to 100" in capsys.readouterr().err
