import threading
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from rag.errors import ModelUnavailable
from rag.models import ChatModel, ModelCache, open_model
from rag.models.chain import Chain, Generation
from rag.settings import Settings
from tests.doubles import write_gguf

MESSAGES = [SystemMessage("Be brief."), HumanMessage("How long?")]


def run(chain: Chain) -> tuple[str, Generation]:
    generation = Generation()
    pieces = chain.stream(generation, lambda model: MESSAGES, lambda: False)
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    return text, generation


def test_a_path_that_is_no_model(tmp_path: Path):
    for path, fault in [
        (tmp_path / "none.gguf", "cannot be read"),
        (tmp_path, "cannot be read"),
        (tmp_path / "page.gguf", "not a GGUF file"),
        (tmp_path / "empty.gguf", "not a GGUF file"),
    ]:
        if path.name.startswith(("page", "empty")):
            path.write_text("<html>" if path.name.startswith("page") else "")
        with pytest.raises(ModelUnavailable, match=fault) as caught:
            open_model(f"gguf:{path}", Settings())
        assert "LACERTA_MODELS" in str(caught.value)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: make extra EXTRA=gguf")
    pytest.importorskip("gguf", reason="gguf, which writes the test's model, is not installed: make extra EXTRA=gguf")
    return write_gguf(tmp_path / "tiny.gguf")


def open_tiny(path: Path, **changes) -> ChatModel:
    return open_model(f"gguf:{path}", replace(Settings(), threads=1, answer_tokens=24, **changes))


def test_without_llama_cpp_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "llama_cpp", None)
    (tmp_path / "x.gguf").write_bytes(b"GGUF....")
    with pytest.raises(ModelUnavailable, match="make extra EXTRA=gguf"):
        open_model(f"gguf:{tmp_path / 'x.gguf'}", Settings())


def test_a_gguf_model_streams(tiny, capfd):
    model = open_tiny(tiny)
    chunks = list(model.chat.stream(MESSAGES))
    assert any(chunk.text for chunk in chunks)
    assert [chunk.response_metadata.get("finish_reason") for chunk in chunks].count("length") == 1
    again = model.chat.invoke(MESSAGES)
    assert again.response_metadata["finish_reason"] in ("length", "stop")
    out, err = capfd.readouterr()
    assert out == "" and err == ""


def test_a_gguf_model_counts_with_its_own_tokenizer_and_knows_its_window(tiny, tmp_path):
    model = open_tiny(tiny, context_tokens=4096)
    assert model.count_tokens("the") == 3  # a space, "th", "e"
    assert model.count_tokens("한") == 4  # a space and three bytes
    assert model.budget == 512 - 24
    assert open_tiny(tiny, context_tokens=256).budget == 256 - 24


def test_a_damaged_gguf_file_is_an_error(tiny, tmp_path):
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(tiny.read_bytes()[:5000])
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        open_tiny(damaged)


def test_a_template_without_system_role_gets_the_rules_with_the_question(tmp_path, tiny):
    template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}{{ m.content }}{% endfor %}"
    )
    path = write_gguf(tmp_path / "gemma.gguf", template=template)
    assert open_tiny(path).chat.invoke(MESSAGES).response_metadata["finish_reason"]


def test_leaving_a_gguf_answer_frees_the_model(tiny):
    cache = ModelCache(replace(Settings(), threads=1, answer_tokens=400))
    chain = Chain((f"gguf:{tiny}",), cache)
    seen: list[str] = []
    for piece in chain.stream(Generation(), lambda model: MESSAGES, lambda: len(seen) >= 2):
        if isinstance(piece, str):
            seen.append(piece)
    assert len(seen) == 2
    abandoned = chain.stream(Generation(), lambda model: MESSAGES, lambda: False)
    assert isinstance(abandoned, Generator)
    next(abandoned)
    abandoned.close()
    # The model is free again, and what comes next is a whole answer.
    assert run(chain)[1].model == f"gguf:{tiny}"
    cache.close()


def test_gguf_generations_take_turns(tiny):
    model = open_tiny(tiny)
    results: list[int] = []

    def generate() -> None:
        results.append(sum(1 for chunk in model.chat.stream(MESSAGES)))

    threads = [threading.Thread(target=generate) for _ in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    for thread in threads:
        thread.join(deadline - time.monotonic())
    assert len(results) == 4 and min(results) > 1
