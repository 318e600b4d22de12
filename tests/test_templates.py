import re
from pathlib import Path

import pytest

from rag.errors import ConfigurationError
from rag.prompt.templates import StrictTemplate, load_prompts
from rag.settings import LANGUAGES, ROOT

PROMPTS = load_prompts(ROOT / "prompts")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_messages(language):
    assert PROMPTS[language].messages.keys() == PROMPTS["en"].messages.keys()


def test_prompts_speak_their_language():
    assert re.search("[가-힣]{3}", PROMPTS["ko"].message("empty_question"))
    assert "kérdés" in PROMPTS["hu"].message("empty_question").lower()


def test_templates_are_strict():
    with pytest.raises(ConfigurationError, match=r"x lacks \$b"):
        StrictTemplate.parse("$a", frozenset({"a", "b"}), "x")
    with pytest.raises(ConfigurationError, match=r"x has the unknown \$c"):
        StrictTemplate.parse("$a $c", frozenset({"a"}), "x")
    with pytest.raises(ConfigurationError, match=r"\$\$"):
        StrictTemplate.parse("5 $ and $a", frozenset({"a"}), "x")
    assert StrictTemplate.parse("$$5 $a", frozenset({"a"}), "x").render(a="b") == "$5 b"


def copy_prompts(folder: Path) -> Path:
    for path in (ROOT / "prompts").glob("*/*"):
        target = folder / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def test_a_wrong_prompt_file_is_named(tmp_path):
    folder = copy_prompts(tmp_path)
    messages = folder / "hu" / "messages.toml"
    text = messages.read_text(encoding="utf-8")
    for wrong, fault in [
        (text.replace("$limit", "$most"), r"too_long lacks \$limit"),
        (text.replace("\nhedge =", "\nhegde ="), "unknown key 'hegde'"),
        (re.sub(r"(?m)^hedge.*$", "", text), "lacks hedge"),
        (text.replace('hedge = "', "hedge = "), "not valid TOML"),
    ]:
        messages.write_text(wrong, encoding="utf-8")
        with pytest.raises(ConfigurationError, match=fault) as caught:
            load_prompts(folder)
        assert str(messages) in str(caught.value)
    messages.write_text(text, encoding="utf-8")
    (folder / "ko" / "answer.md").write_text("no separator", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="---"):
        load_prompts(folder)
    (folder / "ko" / "answer.md").unlink()
    with pytest.raises(ConfigurationError, match="missing"):
        load_prompts(folder)


def test_a_domain_overrides_what_differs(tmp_path):
    folder = copy_prompts(tmp_path)
    place = folder / "space" / "en"
    place.mkdir(parents=True)
    (place / "messages.toml").write_text('hedge = "Perhaps:"', encoding="utf-8")
    assert load_prompts(folder, "space")["en"].message("hedge") == "Perhaps:"
    assert load_prompts(folder, "space")["hu"].message("hedge") == PROMPTS["hu"].message("hedge")
    assert load_prompts(folder, "other")["en"].message("hedge") == PROMPTS["en"].message("hedge")


def test_a_domain_may_speak_otherwise(tmp_path):
    folder = copy_prompts(tmp_path)
    place = folder / "club" / "hu"
    place.mkdir(parents=True)
    # The example that the description of the prompts gives.
    described = (ROOT / "prompts" / "README.md").read_text(encoding="utf-8")
    answer, messages = re.findall(r"^`prompts/club/hu/\S+`\n```\w*\n(.*?)^```", described, re.M | re.S)
    (place / "answer.md").write_text(answer, encoding="utf-8")
    (place / "messages.toml").write_text(messages, encoding="utf-8")
    club = load_prompts(folder, "club")
    assert club["hu"].system.render(domain="klub", no_answer="X").startswith("Kérdésekre válaszolsz")
    assert club["hu"].message("thanks").startswith("Szívesen! Kérdezz")
    assert "tegezve" in club["hu"].system.render(domain="klub", no_answer="X")
    assert club["hu"].condense.render(question="q") == PROMPTS["hu"].condense.render(question="q")
    assert club["hu"].message("farewell") == PROMPTS["hu"].message("farewell")
    for prompts, usual in ((club["ko"], PROMPTS["ko"]), (load_prompts(folder)["hu"], PROMPTS["hu"])):
        system = usual.system.render(domain="klub", no_answer="X")
        assert prompts.system.render(domain="klub", no_answer="X") == system


def test_a_prompt_of_a_domain_is_as_strict(tmp_path):
    folder = copy_prompts(tmp_path)
    place = folder / "club" / "en"
    place.mkdir(parents=True)
    (place / "condense.md").write_text("Say $quesion again.", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"lacks \$question") as caught:
        load_prompts(folder, "club")
    assert str(place / "condense.md") in str(caught.value)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_model_is_told_the_language_first_and_last(language):
    prompts = PROMPTS[language]
    name = prompts.message(f"language_{language}")
    stem = {"en": "English", "hu": "agyar", "ko": "한국어"}[language]
    assert stem in name.capitalize() or stem in name
    assert stem in prompts.system.render(domain="d", no_answer="n")
    assert stem in prompts.question.render(passages="p", terminology="t", question="q").splitlines()[-1]
    assert stem in prompts.condense.render(question="q").splitlines()[-1]
    assert stem in prompts.message("language_firm")


@pytest.mark.parametrize("language", LANGUAGES)
def test_prompts_are_short(language):
    # Every token of them is read at every question; a small machine reads some fifty a second.
    prompts = PROMPTS[language]
    size = len(prompts.system.render(domain="", no_answer="").encode())
    assert size < 1500
    assert len(prompts.condense.render(question="").encode()) < 700


def test_the_formal_address_is_kept():
    for key, template in PROMPTS["hu"].messages.items():
        assert not re.search(r"\b(?:te|neked|téged|kérdezz|írd|próbáld)\b", template.template.template.lower()), key
    for key, template in PROMPTS["ko"].messages.items():
        assert not re.search(r"(?:해요|세요|이에요|예요|한다|된다)[.!]?$", template.template.template), key
