import base64
import hashlib
import inspect
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiktoken.load import load_tiktoken_bpe

from rag.models import tokens
from rag.models.tokens import NoRanks, estimate_tokens, load_counter, rank_folder, token_counter
from rag.settings import Settings

ADDRESS = "https://ranks.invalid/encodings/tiny.tiktoken"
# All bytes, then what is merged, in order: "th", "the", " the", "여", "여름".
MERGED = [b"th", b"the", b" t", "여".encode()[:2], "여".encode()]
RANKS = b"".join(
    base64.b64encode(token) + f" {rank}\n".encode()
    for rank, token in enumerate([bytes([byte]) for byte in range(256)] + MERGED)
)


def tiny() -> dict[str, Any]:
    """A constructor as tiktoken has them."""
    ranks = load_tiktoken_bpe(ADDRESS, expected_hash=hashlib.sha256(RANKS).hexdigest())
    return {
        "name": "tiny",
        "pat_str": r"\w+|\s+|[^\s\w]+",
        "mergeable_ranks": ranks,
        "special_tokens": {"<|endoftext|>": 1000},
    }


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("nothing is fetched")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    monkeypatch.setattr(socket.socket, "connect", never)
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / hashlib.sha1(ADDRESS.encode()).hexdigest()).write_bytes(RANKS)
    return tmp_path


def test_tokens_are_counted_with_ranks_from_disk(folder):
    count = load_counter(tiny, folder)
    assert count("") == 0
    assert count("the") == 1
    assert count("the the") == 3
    assert count("then") == 2
    assert count("여") == 1
    assert count("름") == 3


def test_text_that_looks_like_a_special_token_is_text(folder):
    assert load_counter(tiny, folder)("<|endoftext|>") > 5


def test_text_that_is_not_whole_is_counted(folder):
    assert load_counter(tiny, folder)("a\ud800b") > 2


def test_a_long_word_is_counted_soon(folder):
    assert load_counter(tiny, folder)("th" * 20_000) == 20_000


def test_ranks_that_are_not_there_or_not_right(folder):
    path = next(folder.iterdir())
    for content, fault in [(RANKS[:-9], "damaged"), (None, "cannot be read")]:
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        with pytest.raises(NoRanks, match=fault):
            load_counter(tiny, folder)


def test_ranks_that_cannot_be_read_as_such(folder):
    path = next(folder.iterdir())

    def unchecked() -> dict[str, Any]:
        return {"name": "x", "pat_str": ".", "mergeable_ranks": load_tiktoken_bpe(ADDRESS), "special_tokens": {}}

    for content in (b"<html>\n", b"IQ== one\n", b"!!! 1\n", b"\xff\n"):
        path.write_bytes(content)
        with pytest.raises(NoRanks, match="not a list of ranks"):
            load_counter(unchecked, folder)


def test_ranks_are_looked_for_where_they_are_fetched_to(tmp_path, monkeypatch):
    settings = Settings(var=tmp_path)
    assert rank_folder(settings) == tmp_path / "models" / "tiktoken"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert rank_folder(settings) == tmp_path / "elsewhere"


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4", "gpt-oss-20b", "o3", "qwen3:8b", "davinci-002", "gpt2", ""])
def test_without_ranks_tokens_are_estimated(model, tmp_path):
    assert token_counter(model, Settings(var=tmp_path)) is estimate_tokens


@pytest.mark.parametrize(
    ("model", "encoding"),
    [("gpt-4o", "o200k_base"), ("gpt-5-mini", "o200k_base"), ("gpt-oss-20b", "o200k_base"), ("gpt-4", "cl100k_base")],
)
def test_the_ranks_of_a_model_are_those_that_make_model_fetches(model, encoding, tmp_path, monkeypatch):
    asked: list[tuple[str, Path]] = []

    def load(constructor: Callable[[], dict[str, Any]], folder: Path) -> Callable[[str], int]:
        asked.append((constructor.__name__, folder))
        return len

    monkeypatch.setattr(tokens, "load_counter", load)
    assert token_counter(model, Settings(var=tmp_path)) is len
    assert asked == [(encoding, tmp_path / "models" / "tiktoken")]


def test_tiktokens_constructors_load_their_ranks_as_expected():
    from tiktoken_ext import openai_public

    for name in ("cl100k_base", "o200k_base"):
        source = inspect.getsource(openai_public.ENCODING_CONSTRUCTORS[name])
        address = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
        assert "load_tiktoken_bpe(" in source and address in source


def test_the_estimate_of_tokens_is_by_kinds_of_characters():
    assert estimate_tokens("a" * 250) == 101
    assert estimate_tokens("가" * 250) == 376
    assert estimate_tokens("ő" * 250) == 376
    assert estimate_tokens("1" * 250) == 251
    assert estimate_tokens("") == 1
    assert estimate_tokens("\ud800") > 0
