import hashlib
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from rag.errors import ConfigurationError, ModelUnavailable
from rag.models import ChatModel, ModelCache, catalogue, estimate_tokens, model_names, open_model, public_name
from rag.models.chain import Chain, Generation
from rag.settings import Secret, Settings
from tests.chat_server import KEY, ChatServer, says
from tests.doubles import ScriptedChat


def names(*models: str) -> tuple[str, ...]:
    return model_names(replace(Settings(), models=models))


def test_names_are_checked_and_extractive_comes_last():
    assert names("openai:a", "gguf:/b.gguf", "openai:a") == ("openai:a", "gguf:/b.gguf", "extractive")
    assert names("extractive", "openai:a") == ("extractive",)
    assert names() == ("extractive",)
    for wrong in ("gpt", "openai:", "ollama:llama", "langchain:openai", ":x"):
        with pytest.raises(ConfigurationError, match="LACERTA_MODELS"):
            names(wrong)


def test_a_name_of_the_catalogue_is_checked_at_once():
    known = [entry.name for entry in catalogue.load() if entry.purpose == "chat"]
    assert names(f"gguf:{known[0]}") == (f"gguf:{known[0]}", "extractive")
    with pytest.raises(ConfigurationError, match=f"LACERTA_MODELS: .*{known[0]}"):
        names("gguf:no-such-model")


def test_a_visitor_sees_no_folders():
    assert public_name("gguf:/home/someone/models/tiny.gguf") == "gguf:tiny.gguf"
    assert public_name("openai:org/model") == "openai:org/model"


def test_a_model_of_the_catalogue_that_was_not_fetched_names_the_command(tmp_path):
    name = next(entry.name for entry in catalogue.load() if entry.purpose == "chat")
    with pytest.raises(ModelUnavailable, match=f"make model NAME={name}"):
        open_model(f"gguf:{name}", replace(Settings(), var=tmp_path))


def test_a_model_of_the_catalogue_is_its_file(tmp_path, monkeypatch):
    page = "<html>"
    entry = replace(next(entry for entry in catalogue.load() if entry.purpose == "chat"), size=len(page))
    monkeypatch.setattr(catalogue, "load", lambda: (entry,))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / entry.file).write_text(page)
    with pytest.raises(ModelUnavailable, match=f"{entry.file} is not a GGUF file"):
        open_model(f"gguf:{entry.name}", replace(Settings(), var=tmp_path))


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("langchain:anthropic:claude", "langchain-anthropic"),
        ("langchain:ollama:llama3:8b", "langchain-ollama"),
        ("langchain:google_genai:gemini", "langchain-google-genai"),
    ],
)
def test_a_provider_that_is_not_installed_names_the_command_and_installs_nothing(name, extra, monkeypatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("nothing is run and nothing is fetched")

    monkeypatch.setattr(subprocess, "Popen", never)
    monkeypatch.setattr(socket.socket, "connect", never)
    # Where it is installed, it is as if it were not.
    monkeypatch.setitem(sys.modules, extra.replace("-", "_"), None)
    with pytest.raises(ModelUnavailable, match=f"^{name} .*make extra EXTRA={extra}"):
        open_model(name, Settings())


def test_a_provider_that_is_not_known_is_named():
    with pytest.raises(ModelUnavailable, match="langchain:nonsense:x.*nonsense"):
        open_model("langchain:nonsense:x", Settings())


def test_a_provider_without_its_key_says_so(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelUnavailable, match="langchain:openai:m cannot be opened.*OPENAI_API_KEY"):
        open_model("langchain:openai:m", Settings())


def test_a_provider_is_opened_by_name(monkeypatch):
    with ChatServer(says("Six.")) as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server.address)
        chain = Chain(("langchain:openai:m",), ModelCache(server.settings(openai_base_url="", answer_tokens=7)))
        assert list(chain.stream(Generation(), lambda model: [HumanMessage("How long?")], lambda: False)) == ["Six."]
        assert server.requests[0]["max_completion_tokens"] == 7


@pytest.mark.parametrize(
    ("provider", "options"),
    [
        ("ollama", {"temperature": 0.2, "num_predict": 7, "num_ctx": 4096}),
        ("groq", {"temperature": 0.2, "timeout": 60.0, "max_tokens": 7, "max_retries": 0}),
        ("anthropic", {"timeout": 60.0, "max_tokens": 7, "max_retries": 0}),
    ],
)
def test_providers_are_told_the_limits_under_the_names_they_know(provider, options, monkeypatch):
    given: list[dict[str, object]] = []
    monkeypatch.setattr("rag.models.providers.init_chat_model", lambda model, **known: given.append({model: known}))
    open_model(f"langchain:{provider}:m", replace(Settings(), answer_tokens=7))
    assert given == [{"m": {"model_provider": provider, **options}}]


def test_a_provider_may_have_colons_in_its_names(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert open_model("langchain:openai:ft:gpt-4o:x", Settings()).chat.model_name == "ft:gpt-4o:x"  # type: ignore[attr-defined]


def opened_by(monkeypatch, open_model) -> ModelCache:
    monkeypatch.setattr("rag.models.open_model", open_model)
    return ModelCache(Settings())


def test_a_model_is_opened_once_for_all_who_wait(monkeypatch):
    release = threading.Event()
    opened: list[str] = []

    def open_slowly(name: str, settings: Settings) -> ChatModel:
        opened.append(name)
        assert release.wait(20)
        return ChatModel(name, ScriptedChat(replies=[]), 1, estimate_tokens)

    cache = opened_by(monkeypatch, open_slowly)
    futures = [cache.opening("openai:m") for _ in range(20)]
    # One that is slow to open holds up no other.
    other = cache.opening("openai:n")
    release.set()
    assert len({id(future.result(20)) for future in futures}) == 1
    assert other.result(20).name == "openai:n"
    assert cache.open("openai:m") is futures[0].result()
    assert sorted(opened) == ["openai:m", "openai:n"]


def test_a_failure_to_open_is_forgotten(monkeypatch):
    results: list[Exception | ChatModel] = [ModelUnavailable("no"), KeyError("x")]
    results.append(ChatModel("openai:m", ScriptedChat(replies=[]), 1, estimate_tokens))

    def open_next(name: str, settings: Settings) -> ChatModel:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    cache = opened_by(monkeypatch, open_next)
    for error in (ModelUnavailable, KeyError):
        with pytest.raises(error):
            cache.open("openai:m")
    assert cache.open("openai:m").name == "openai:m"


def test_closing_closes_open_models_and_those_that_are_being_opened(monkeypatch):
    closed: list[str] = []
    release = threading.Event()

    class Closing(ScriptedChat):
        name_of: str

        def close(self) -> None:
            closed.append(self.name_of)

    def open_slowly(name: str, settings: Settings) -> ChatModel:
        assert name == "openai:fast" or release.wait(20)
        return ChatModel(name, Closing(replies=[], name_of=name), 1, estimate_tokens)

    cache = opened_by(monkeypatch, open_slowly)
    cache.open("openai:fast")
    future = cache.opening("openai:slow")
    cache.close()
    assert closed == ["openai:fast"]
    release.set()
    with pytest.raises(ModelUnavailable, match="ending"):
        future.result(20)
    assert closed == ["openai:fast", "openai:slow"]


def test_models_on_servers_leave_room_for_the_answer(tmp_path):
    settings = replace(Settings(), openai_api_key=Secret(KEY), var=tmp_path, answer_tokens=500)
    assert open_model("openai:gpt-4o", settings).budget == 4096 - 500
    assert open_model("openai:gpt-4o", replace(settings, context_tokens=8000)).budget == 7500


def test_opening_a_model_fetches_no_ranks(tmp_path, monkeypatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("nothing is fetched")

    monkeypatch.setattr(socket.socket, "connect", never)
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    settings = replace(Settings(), openai_api_key=Secret(KEY), var=tmp_path)
    model = open_model("openai:gpt-4o", settings)
    assert model.count_tokens("How long?") == estimate_tokens("How long?")
    # A file that is not what it should be is neither used nor removed.
    address = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
    ranks = tmp_path / "models" / "tiktoken" / hashlib.sha1(address.encode()).hexdigest()
    ranks.parent.mkdir(parents=True)
    ranks.write_bytes(b"IQ== 0\n")
    assert open_model("openai:gpt-4o", settings).count_tokens("How long?") == estimate_tokens("How long?")
    assert ranks.read_bytes() == b"IQ== 0\n"


def test_importing_the_package_loads_no_framework():
    frameworks = {"langchain_core", "openai", "tiktoken", "llama_cpp"}
    code = f"import sys, rag.models.chain; print(sorted({frameworks} & set(sys.modules)))"
    root = Path(__file__).parent.parent
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert result.stdout.strip() == "[]"
