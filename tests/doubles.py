"""What tests use in place of trained models: real implementations of the interfaces, small enough to foresee."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from rag.analysis import content_terms


class ScriptedChat(BaseChatModel):
    """Gives the replies of a queue, word by word, and keeps every prompt in `calls`.

    A reply that is an exception is raised; in a reply that is a sequence, what stands before one is streamed first.
    """

    replies: list[Any]
    calls: list[list[BaseMessage]] = []
    finish_reason: str = "stop"

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> Iterator[ChatGenerationChunk]:
        self.calls.append(messages)
        reply = self.replies.pop(0)
        for part in reply if isinstance(reply, list) else [reply]:
            if isinstance(part, BaseException):
                raise part
            for word in part.split(" "):
                yield ChatGenerationChunk(message=AIMessageChunk(content=word if word is part else f"{word} "))
        metadata = {"finish_reason": self.finish_reason}
        yield ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata=metadata))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **options))


class WordEmbedder:
    """Counts words: each search term adds one to one of 64 places, and the row is scaled to unit length.

    So the cosine of two texts is that of their word counts, which can be worked out by hand (but for two words that
    share a place). It knows English only unless told otherwise.
    """

    name = "words-64"
    dimension = 64

    def __init__(self, languages: Sequence[str] = ("en",)) -> None:
        self.languages = tuple(languages)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self.embed_query(text) for text in texts]) if texts else np.zeros((0, 64), np.float32)

    def embed_query(self, text: str) -> np.ndarray:
        row = np.zeros(self.dimension, np.float32)
        for term in content_terms(text, "en"):
            row[hashlib.sha256(term.encode()).digest()[0] % self.dimension] += 1
        if not row.any():
            row[0] = 1
        return row / np.linalg.norm(row)


CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<{{ message.role }}>{{ message.content }}</{{ message.role }}>"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def write_gguf(path: Path, context: int = 512, template: str = CHAT_TEMPLATE, layers: int = 2) -> Path:
    """A real llama model of random weights with a vocabulary of bytes and letters: it loads, and it babbles."""
    import gguf

    width, inner, heads = 64, 128, 4
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    pieces += [chr(code) for code in range(ord("a"), ord("z") + 1)] + ["▁the", "th", "he"]
    kinds = [2, 3, 3] + [6] * 256 + [1] * (len(pieces) - 259)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_rope_dimension_count(width // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(pieces))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces)
    writer.add_token_scores([-float(number) for number in range(len(pieces))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    if template:
        writer.add_chat_template(template)
    random = np.random.default_rng(0)

    def add(name: str, *shape: int) -> None:
        values = np.ones(shape) if len(shape) == 1 else random.normal(0, 0.2, shape)
        writer.add_tensor(name, values.astype(np.float32))

    add("token_embd.weight", len(pieces), width)
    for layer in range(layers):
        add(f"blk.{layer}.attn_norm.weight", width)
        for part in ("q", "k", "v", "output"):
            add(f"blk.{layer}.attn_{part}.weight", width, width)
        add(f"blk.{layer}.ffn_norm.weight", width)
        add(f"blk.{layer}.ffn_gate.weight", inner, width)
        add(f"blk.{layer}.ffn_up.weight", inner, width)
        add(f"blk.{layer}.ffn_down.weight", width, inner)
    add("output_norm.weight", width)
    add("output.weight", len(pieces), width)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
