"""Rerankers by name: a real ONNX model, of five operations, that weighs the words of the passage."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from rag.errors import ConfigurationError, ModelUnavailable
from rag.rerank import OnnxReranker, Reranker, load_reranker
from rag.settings import Settings

# The weight of the padding would spoil every sum that does not leave it out.
WORDS = {"[PAD]": 9.0, "[UNK]": 0.0, "[CLS]": 9.0, "[SEP]": 0.0, "good": 1.5, "bad": -2.0, "은하": 0.5}
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def number(value: int) -> bytes:
    """A varint of the protocol buffers encoding (protobuf.dev/programming-guides/encoding)."""
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def message(*fields: tuple[int, int | str | bytes]) -> bytes:
    """Fields by their numbers: integers, or texts, bytes and messages with their lengths."""
    encoded = b""
    for key, value in fields:
        if isinstance(value, int):
            encoded += number(key << 3) + number(value)
        else:
            content = value.encode() if isinstance(value, str) else value
            encoded += number(key << 3 | 2) + number(len(content)) + content
    return encoded


def node(operation: str, inputs: Sequence[str], output: str, *attributes: tuple[str, int, int]) -> tuple[int, bytes]:
    """A node of a graph; attributes are `(name, field, value)`, of which field 3 is an integer and 8 a list of them."""
    added = [(5, message((1, name), (field, value), (20, 2 if field == 3 else 7))) for name, field, value in attributes]
    return 1, message(*((1, name) for name in inputs), (2, output), (4, operation), *added)


def tensor(name: str, kind: int, *sizes: str | int) -> bytes:
    shape = message(*((1, message((1 if isinstance(size, int) else 2, size))) for size in sizes))
    return message((1, name), (2, message((1, message((1, kind), (2, shape))))))


def write_reranker(folder: Path, inputs: Sequence[str] = INPUTS, columns: int = 1, length: int = 0) -> Path:
    """Its logit is the sum of the weights of the passage's words, or of all tokens where it takes the ids alone."""
    weights = np.array([*WORDS.values()], np.float32)[:, np.newaxis] * (
        [1.0] if columns == 1 else [-1.0, 1.0, 0.0][:columns]
    )
    nodes = [node("Gather", ["weights", inputs[0]], "weighed0")]  # (B, T, columns)
    for place, name in enumerate(inputs[1:]):
        nodes += [
            node("Cast", [name], f"{name} as float", ("to", 3, 1)),
            node("Unsqueeze", [f"{name} as float"], f"{name} factor", ("axes", 8, 2)),
            node("Mul", [f"weighed{place}", f"{name} factor"], f"weighed{place + 1}"),
        ]
    last = f"weighed{len(inputs) - 1}"
    nodes.append(node("ReduceSum", [last], "logits", ("axes", 8, 1), ("keepdims", 3, 0)))
    initial = message((1, weights.shape[0]), (1, columns), (2, 1), (8, "weights"), (9, weights.astype("<f4").tobytes()))
    graph = message(
        *nodes,
        (2, "weigher"),
        (5, initial),
        *((11, tensor(name, 7, "batch", "length")) for name in inputs),
        (12, tensor("logits", 1, "batch", columns)),
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(message((1, 7), (7, graph), (8, message((1, ""), (2, 11)))))
    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    if length:
        tokenizer.enable_truncation(length)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def sigmoid(*logits: float) -> np.ndarray:
    return 1 / (1 + np.exp(-np.array(logits)))


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Reranker:
    found = load_reranker(f"onnx:{write_reranker(tmp_path_factory.mktemp('reranker'))}", Settings(threads=1))
    assert found is not None
    return found


def test_passages_are_read_with_the_query_and_keep_their_order(reranker: Reranker) -> None:
    found = reranker.scores("good good good", ["bad", "good", "good 은하 은하", "other words", ""])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, sigmoid(-2, 1.5, 2.5, 0, 0), atol=1e-6)


def test_a_score_does_not_depend_on_the_other_passages(reranker: Reranker) -> None:
    passages = [f"{'word ' * (count * 7 % 40)}{'good ' * (count % 3)}bad" for count in range(30)]
    together = reranker.scores("query", passages)
    alone = [reranker.scores("query", [passage])[0] for passage in passages]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(reranker.scores("query", passages[::-1]), together[::-1], atol=1e-6)


def test_large_logits_stay_between_0_and_1(reranker: Reranker) -> None:
    assert reranker.scores("query", ["good " * 400, "bad " * 400]).tolist() == [1.0, 0.0]


def test_no_passages_have_no_scores(reranker: Reranker) -> None:
    assert reranker.scores("query", []).shape == (0,)


@pytest.mark.parametrize("text", ["\ud800 good", "\x00\u202e good", "👩🏽‍🚀 good", "good " + "한글" * 100_000])
def test_strange_text_has_a_score(reranker: Reranker, text: str) -> None:
    np.testing.assert_allclose(reranker.scores(text, [text]), sigmoid(1.5), atol=1e-6)


def test_threads_share_one_reranker(reranker: Reranker) -> None:
    passages = ["good " * count for count in range(5)]
    expected = reranker.scores("query", passages)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: reranker.scores("query", passages), range(20)):
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_is_too_long_for_the_model_is_cut(tmp_path: Path) -> None:
    reranker = OnnxReranker(write_reranker(tmp_path, length=13))
    # Three tokens mark the ends; of the ten that are left the query has one.
    np.testing.assert_allclose(reranker.scores("why", ["bad " + "good " * 5 + "word " * 3 + "bad " * 99]), sigmoid(5.5))


def test_models_of_fewer_inputs_and_of_two_logits_work(tmp_path: Path) -> None:
    two = OnnxReranker(write_reranker(tmp_path / "two", columns=2))
    np.testing.assert_allclose(two.scores("query", ["good", "bad"]), sigmoid(3, -4), atol=1e-6)
    bare = OnnxReranker(write_reranker(tmp_path / "bare", inputs=INPUTS[:1]))
    np.testing.assert_allclose(bare.scores("bad", ["bad bad 은하"]), sigmoid(9 - 6 + 0.5), atol=1e-6)


def test_a_model_of_another_kind_is_told(tmp_path: Path) -> None:
    three = OnnxReranker(write_reranker(tmp_path / "three", columns=3))
    with pytest.raises(ModelUnavailable, match=r"gives \(2, 3\)"):
        three.scores("query", ["good", "bad"])
    write_reranker(tmp_path / "odd", inputs=("input_ids", "positions"))
    with pytest.raises(ModelUnavailable, match="takes input_ids, positions"):
        OnnxReranker(tmp_path / "odd")


@pytest.mark.parametrize("broken", ["model.onnx", "tokenizer.json"])
def test_a_folder_that_holds_none_says_what_to_do(tmp_path: Path, broken: str) -> None:
    with pytest.raises(ModelUnavailable, match="Put model.onnx and tokenizer.json"):
        OnnxReranker(tmp_path / "nowhere")
    (write_reranker(tmp_path) / broken).write_text("<html>")
    with pytest.raises(ModelUnavailable, match="LACERTA_RERANKER"):
        OnnxReranker(tmp_path)


def test_no_name_is_no_reranker() -> None:
    assert load_reranker("", Settings()) is None


@pytest.mark.parametrize("name", ["minilm", "onnx:", "sentence-transformers", "gguf:x"])
def test_an_unknown_name_lists_the_choices(name: str) -> None:
    with pytest.raises(ConfigurationError, match="sentence-transformers:NAME or onnx:FOLDER"):
        load_reranker(name, Settings())


def test_a_missing_extra_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ModelUnavailable, match="make extra EXTRA=models"):
        load_reranker("sentence-transformers:BAAI/bge-reranker-v2-m3", Settings())
