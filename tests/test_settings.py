from pathlib import Path

import pytest

from rag.errors import ConfigurationError
from rag.settings import LANGUAGES, Settings, domain_names, load_domain

GOOD = """
languages = ["en"]
[title]
en = "Birds"
hu = "Madarak"
ko = "새"
[description]
en = "About birds."
hu = "Madarakról."
ko = "새에 관한 문서."
[examples]
en = ["How far do swifts fly?"]
hu = ["Milyen messze repül a sarlósfecske?"]
ko = ["칼새는 얼마나 멀리 납니까?"]
[[sources]]
kind = "files"
"""


def settings_with(tmp_path: Path, text: str) -> Settings:
    folder = tmp_path / "corpora" / "birds"
    folder.mkdir(parents=True)
    (folder / "domain.toml").write_text(text, encoding="utf-8")
    return Settings.from_environment({"LACERTA_CORPORA": str(tmp_path / "corpora")})


def test_values_come_from_the_environment(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {"LACERTA_PORT": "8001", "LACERTA_MODELS": "openai:m, extractive", "LACERTA_VAR": str(tmp_path), "PATH": "/x"}
    )
    assert (settings.port, settings.models, settings.var) == (8001, ("openai:m", "extractive"), tmp_path.resolve())


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("LACERTA_PROT", "1", "LACERTA_PORT"),
        ("LACERTA_PORT", "web", "web"),
        ("LACERTA_PORT", "70000", "70000"),
        ("LACERTA_MODEL_TIMEOUT", "soon", "soon"),
        ("LACERTA_FEEDBACK", "perhaps", "true or false"),
        ("LACERTA_CONTACT", "Jane\nHost: x", "LACERTA_CONTACT"),
        ("LACERTA_CONTACT", "a" * 201, "200"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Settings.from_environment({variable: value})


def test_what_is_on_or_off_is_read() -> None:
    assert Settings.from_environment({}).feedback
    assert not Settings.from_environment({"LACERTA_FEEDBACK": "False"}).feedback


def test_a_key_never_shows() -> None:
    settings = Settings.from_environment({"LACERTA_OPENAI_API_KEY": "sk-secret"})
    assert "sk-secret" not in repr(settings) + str(settings.openai_api_key)
    assert settings.openai_api_key.reveal() == "sk-secret"


def test_a_domain_is_read(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, GOOD)
    assert domain_names(settings) == ["birds"]
    domain = load_domain(settings, "birds")
    assert domain.title["hu"] == "Madarak"
    assert domain.retrieval.passages > 0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (GOOD + "\n[retrieval]\npasages = 3\n", "pasages"),
        (GOOD + "\n[retrieval]\npassages = 0\n", "passages"),
        (GOOD + "\n[retrieval]\npassages = 'many'\n", "many"),
        ("colour = 1\n" + GOOD, "colour"),
        (GOOD.replace('ko = "새"', ""), "ko"),
        (GOOD.replace('languages = ["en"]', ""), "languages"),
        (GOOD.replace('kind = "files"', 'kind = "gopher"'), "wikipedia, is now 'gopher'"),
        (GOOD + "query = 'sail'\n", "query"),
        (GOOD + "include = [1]\n", "include"),
        (GOOD + "\n[publish]\nmin_recall = 90\n", "min_recall.*90"),
        (GOOD + "\n[publish]\nmin_recall = nan\n", "min_recall"),
        (GOOD + "\n[publish]\nmin_recal = 0.9\n", "min_recal"),
        (GOOD + '\n[passwords]\n"*.pdf" = 7\n', "pdf"),
        (GOOD + '\n[passwords]\n"*.pdf" = "$NOT_SET_ANYWHERE"\n', "NOT_SET_ANYWHERE=.*[.]env"),
        (GOOD + '\n[passwords]\n"*.pdf" = "$LACERTA_PDF"\n', "LACERTA_PDF.*another name"),
        ("[title", "TOML"),
    ],
)
def test_a_wrong_key_is_named_with_its_file(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as caught:
        load_domain(settings_with(tmp_path, text), "birds")
    assert "domain.toml" in str(caught.value)


def test_sources_of_other_kinds_keep_their_keys_for_whoever_fetches(tmp_path: Path) -> None:
    text = GOOD + '[[sources]]\nkind = "web"\nstart = ["https://www.example.org/"]\nexclude = ["/old/*"]\ndepth = 2\n'
    files, web = load_domain(settings_with(tmp_path, text), "birds").sources
    assert (files.kind, files.include, dict(files.options)) == ("files", ("**/*",), {})
    assert (web.kind, web.include) == ("web", ())
    assert web.options == {"start": ["https://www.example.org/"], "exclude": ["/old/*"], "depth": 2}


def test_passwords_come_from_the_environment_and_never_show(tmp_path: Path) -> None:
    text = GOOD + '\n[passwords]\n"minutes/*.pdf" = "$MINUTES_PASSWORD"\n"old.docx" = "heron-77"\n'
    domain = load_domain(settings_with(tmp_path, text), "birds", {"MINUTES_PASSWORD": "stork-12"})
    assert {pattern: secret.reveal() for pattern, secret in domain.passwords.items()} == {
        "minutes/*.pdf": "stork-12",
        "old.docx": "heron-77",
    }
    assert "stork-12" not in repr(domain) and "heron-77" not in repr(domain)


def test_a_version_may_have_to_find_a_share_of_the_questions(tmp_path: Path) -> None:
    assert load_domain(settings_with(tmp_path / "a", GOOD), "birds").publish.min_recall == 0
    settings = settings_with(tmp_path / "b", GOOD + "\n[publish]\nmin_recall = 1\n")
    assert load_domain(settings, "birds").publish.min_recall == 1.0


def test_an_unknown_domain_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="birds"):
        load_domain(settings_with(tmp_path, GOOD), "../birds")


def test_keys_and_logins_are_read_by_name() -> None:
    settings = Settings.from_environment(
        {"LACERTA_KEY_ALICE": "a=1", "LACERTA_LOGIN_BOB_2": "b", "LACERTA_KEY_NONE": " "}
    )
    assert {name: value.reveal() for name, value in settings.keys.items()} == {"alice": "a=1"}
    assert list(settings.logins) == ["bob_2"]
    assert "a=1" not in repr(settings)


def test_the_bundled_domains_are_sound() -> None:
    settings = Settings.from_environment({})
    assert {"internship", "space"} <= set(domain_names(settings))
    for name in domain_names(settings):
        assert set(load_domain(settings, name).examples) == set(LANGUAGES)


@pytest.mark.parametrize(
    "variables",
    [
        {"LACERTA_MODEL_TIMEOUT": "0"},
        {"LACERTA_MODEL_TIMEOUT": "-1"},
        {"LACERTA_ANSWER_TOKENS": "0"},
        {"LACERTA_QUESTION_CHARACTERS": "0"},
        {"LACERTA_CONCURRENT_ANSWERS": "0"},
        {"LACERTA_REQUESTS_DAY": "-1"},
        {"LACERTA_PROCESSES": "0"},
        {"LACERTA_OPEN": "page,door"},
        {"LACERTA_TRUSTED_PROXIES": "10.0.0.0/33"},
        {"LACERTA_USER_HEADER": "x-user"},
        {"LACERTA_CHROMA": "127.0.0.1:8000"},
        {"LACERTA_CONTEXT_TOKENS": "512"},
        {"LACERTA_CONTEXT_TOKENS": "2000", "LACERTA_ANSWER_TOKENS": "2000"},
    ],
)
def test_limits_that_leave_no_room_are_refused(variables):
    with pytest.raises(ConfigurationError, match=list(variables)[0]):
        Settings.from_environment(variables)
