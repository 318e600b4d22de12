"""How an answer is to be written reaches each kind of model in the words that it has for it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from rag.models import ChatModel, ModelCache, estimate_tokens
from rag.models.chain import Chain, Generation
from rag.models.sampling import generate, most_tokens, temperate
from rag.settings import Settings
from rag.types import Sampling
from tests.chat_server import KEY, ChatServer, says
from tests.doubles import ScriptedChat
from tests.test_gguf import tiny  # noqa: F401  (a fixture)

ALL = Sampling(temperature=0.9, max_tokens=40, stop=("END",), seed=5)
MESSAGES: list[Any] = [HumanMessage("How long?")]


class Named(ScriptedChat):
    """A provider's model with names of its own; tells what it was asked with."""

    temperature: float | None = 0.2
    num_predict: int = 512
    random_seed: int | None = None
    asked: list[Any] = []

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> Any:
        self.asked.append((self.temperature, self.num_predict, self.random_seed, stop, options))
        yield from super()._stream(messages, stop, run_manager, **options)


def ask(name: str, sampling: Sampling, settings: Settings | None = None) -> Any:
    chat = Named(replies=["Six."], calls=[], asked=[])
    list(generate(ChatModel(name, chat, 1000, estimate_tokens), MESSAGES, sampling, settings or Settings()))
    # The copy that was asked writes into the same list; the model itself stays as it was.
    assert (chat.temperature, chat.num_predict, chat.random_seed) == (0.2, 512, None)
    return chat.asked[0]


@pytest.mark.parametrize("name", ["gguf:x.gguf", "openai:gpt-4o", "langchain:ollama:m"])
def test_nothing_is_passed_on_unless_asked_for(name: str) -> None:
    assert ask(name, Sampling()) == (0.2, 512, None, None, {})


def test_a_local_model_is_asked_by_options() -> None:
    options = {"temperature": 0.9, "seed": 5, "max_tokens": 40}
    assert ask("gguf:x.gguf", ALL) == (0.2, 512, None, ["END"], options)


def test_a_provider_is_asked_by_its_own_fields() -> None:
    assert ask("langchain:ollama:m", ALL) == (0.9, 40, 5, ["END"], {})
    # There is no telling which of its models would refuse the whole question for a temperature.
    assert ask("langchain:anthropic:m", ALL) == (0.2, 40, 5, ["END"], {})


def test_a_server_is_asked_by_the_names_it_knows() -> None:
    own = replace(Settings(), openai_base_url="http://127.0.0.1:1/v1")
    assert ask("openai:m", ALL, own)[3:] == (["END"], {"temperature": 0.9, "seed": 5, "extra_body": {"max_tokens": 40}})
    assert ask("openai:gpt-4o", ALL)[3:] == (["END"], {"temperature": 0.9, "seed": 5, "max_tokens": 40})
    # Models that reason take neither a temperature nor a text to stop at.
    assert ask("openai:o3", ALL)[3:] == (None, {"seed": 5, "max_tokens": 40})


def test_which_models_take_a_temperature() -> None:
    assert temperate("gpt-4o", "") and temperate("o3", "http://127.0.0.1:1/v1")
    assert not temperate("o3", "") and not temperate("gpt-5", "https://api.openai.com/v1/")


@pytest.mark.parametrize(("wished", "most"), [(None, 512), (40, 40), (9999, 512)])
def test_an_answer_never_has_more_tokens_than_the_settings_allow(wished: int | None, most: int) -> None:
    assert most_tokens(Sampling(max_tokens=wished), Settings()) == most
    assert ask("gguf:x.gguf", Sampling(max_tokens=wished, seed=1))[4].get("max_tokens", 512) == most


def test_the_chain_passes_it_on_to_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    with ChatServer(says("Six.")) as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server.address)
        chain = Chain(("langchain:openai:m",), ModelCache(server.settings(openai_base_url="")))
        pieces = chain.stream(Generation(), lambda model: MESSAGES, lambda: False, sampling=ALL)
        assert list(pieces) == ["Six."]
        asked = server.requests[0]
        assert (asked["max_completion_tokens"], asked["stop"], asked["seed"]) == (40, ["END"], 5)
        assert "temperature" not in asked


def test_the_chain_asks_the_one_model_that_is_named() -> None:
    cache = ModelCache(Settings())
    for name in ("openai:a", "openai:b"):
        cache._models[name] = ChatModel(name, ScriptedChat(replies=[name] * 2, calls=[]), 1000, estimate_tokens)
    chain = Chain(("openai:a", "openai:b"), cache)

    def said(only: str) -> list[Any]:
        return list(chain.stream(Generation(), lambda model: MESSAGES, lambda: False, only))

    assert said("") == ["openai:a"] and said("openai:b") == ["openai:b"]
    assert said("extractive") == said("gguf:/etc/passwd") == []
    assert chain.complete(lambda model: MESSAGES, lambda: False, 5, 100, "openai:b") == "openai:b"
    assert chain.complete(lambda model: MESSAGES, lambda: False, 5, 100, "extractive") == ""


def test_a_real_local_model_does_as_asked(tiny: Path) -> None:  # noqa: F811
    settings = replace(Settings(), threads=1, answer_tokens=24)
    cache = ModelCache(settings)
    chain = Chain((f"gguf:{tiny}",), cache)

    def said(**wishes: Any) -> tuple[str, Generation]:
        generation = Generation()
        pieces = chain.stream(generation, lambda model: MESSAGES, lambda: False, sampling=Sampling(**wishes))
        return "".join(piece for piece in pieces if isinstance(piece, str)), generation

    first, generation = said(temperature=2.0, seed=1)
    assert generation.usage.completion_tokens == 24 and generation.shortened
    assert said(temperature=2.0, seed=1)[0] == first != said(temperature=2.0, seed=2)[0]
    assert said(max_tokens=5)[1].usage.completion_tokens == 5
    text, generation = said(temperature=2.0, seed=1, stop=(first[4:6],))
    assert text == first[: first.index(first[4:6])] and not generation.shortened
    cache.close()
