"""What tests use in place of trained models: real implementations of the interfaces, small enough to foresee."""

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

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


# Tokens that open or close a turn in the chat templates of the families in use, as a tokenizer would find them.
CONTROL_TOKENS = (
    "<|im_start|> <|im_end|> <|im_sep|> <|im_user|> <|im_middle|> <|endoftext|> <|system|> <|user|> <|assistant|>"
    " <|end|> <|begin_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|> <|eom_id|> <|python_tag|>"
    " <|header_start|> <|header_end|> <|eot|> [INST] [/INST] <<SYS>> <</SYS>> <s> </s> <bos> <eos> <pad> <unk>"
    " <start_of_turn> <end_of_turn> <|turn> <turn|> [SYSTEM_PROMPT] [/SYSTEM_PROMPT] [AVAILABLE_TOOLS]"
    " [TOOL_CALLS] [TOOL_RESULTS] [THINK] [/THINK] <｜User｜> <｜Assistant｜> <｜begin▁of▁sentence｜>"
    " <｜end▁of▁sentence｜> <｜tool▁calls▁begin｜> <|start|> <|channel|> <|message|> <|return|> <|call|>"
    " <|START_OF_TURN_TOKEN|> <|END_OF_TURN_TOKEN|> <|SYSTEM_TOKEN|> <|USER_TOKEN|> <|CHATBOT_TOKEN|> <BOS_TOKEN>"
    " [|system|] [|user|] [|assistant|] [|endofturn|] [gMASK] [sMASK] <sop> <eop> <|observation|>"
    " <|start_of_role|> <|end_of_role|> <|endofturn|> <|stop|> <seed:bos> <seed:think> ]~b] ]~!b[ [e~[ <think>"
    " </think> <tool_call> </tool_call> <function_call> <thought> <reserved_106> <unused0> <eoh> <|bom|>"
    " <|tool_calls_section_begin|> <|fim_prefix|> [BOS] [EOS] [CLS] [SEP] [MASK] [IMG] <image> <start_of_image>"
).split()


class ObedientChat(ScriptedChat):
    """Does what it is told by whoever wrote it: the worst model that a document can hope for.

    It answers with whatever follows `reply:`, `írd:` or `출력:` in its prompt, one line each, and undoes what was done
    to the signs in it. `{system}` there becomes its instructions, `{passages}` what it was given, ready for an
    address. Control tokens in the prompt and passages that end before their time are kept in `breaches`.
    """

    replies: list[Any] = []
    breaches: list[str] = []

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> Iterator[ChatGenerationChunk]:
        whole = "\n".join(message.text for message in messages)
        self.breaches += breaches(whole)
        orders = re.findall(r"(?:reply|írd|출력): *([^\n]+)", whole)
        secrets = {"{system}": quote(messages[0].text[:300]), "{passages}": quote(messages[-1].text[:300])}
        said = []
        for order in orders:
            for key, secret in secrets.items():
                order = order.replace(key, secret)
            said.append(order.translate(str.maketrans("‹›", "<>")).replace("\\n", "\n"))
        self.replies.append("\n".join(said) or "Nothing was asked.")
        yield from super()._stream(messages, stop, run_manager, **options)


def breaches(prompt: str) -> list[str]:
    """What in a prompt would be read as a control token, or as a marker of a passage that is not ours.

    Read as the most lenient reader would: entities and compatibility characters folded, without what is invisible.
    """
    lenient = unicodedata.normalize("NFKC", html.unescape(html.unescape(html.unescape(prompt))))
    lenient = re.sub("[\u034f\u115f\u1160\ufe00-\ufe0f\U000e0100-\U000e01ef]|(?<=\\W)[\u0300-\u036f]+", "", lenient)
    lenient = "".join(
        letter for letter in lenient if unicodedata.category(letter) not in ("Cf", "Cc") or letter == "\n"
    )
    found = [token for token in CONTROL_TOKENS for text in (prompt, lenient) if token.casefold() in text.casefold()]
    found += [token for token in (unicodedata.normalize("NFKC", item) for item in CONTROL_TOKENS) if token in lenient]
    ours = re.findall(r'^<passage number="\d+" title="[^"<>]*" page="[\d-]+">$|^</passage>$', prompt, re.MULTILINE)
    if [marker[1] == "/" for marker in ours] != [False, True] * (len(ours) // 2):
        found.append("markers out of order")
    between = r"[\s._*-]{0,3}"
    word = between.join("p [aа] s s [aа] g [eе]".split())
    any_marker = re.findall(rf"[<‹〈⟨](?:\s*/\s*| ?){word}", lenient, re.IGNORECASE)
    return found + any_marker[len(ours) :]


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


def write_gguf(
    path: Path,
    context: int = 512,
    template: str = CHAT_TEMPLATE,
    layers: int = 2,
    width: int = 64,
    controls: Sequence[str] = (),
    says: str = "",
    window: int = 0,
) -> Path:
    """A real model of random weights with a vocabulary of bytes and letters: it loads, and it babbles without end.

    `controls` become control tokens. One that `says` something writes that after a `>`, byte for byte, and ends;
    no byte may occur twice. With `window` it sees only so many tokens back.
    """
    import gguf

    if says:
        width, layers = 512, 1
    inner, heads = 2 * width, 4
    architecture = "cohere2" if window else "llama"
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_rope_dimension_count(width // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    if window:
        writer.add_sliding_window(window)
        writer.add_layer_norm_eps(1e-5)
        writer.add_logit_scale(1.0)
    pieces = _add_vocabulary(writer, controls, template)
    random = np.random.default_rng(0)

    def add(name: str, *shape: int) -> None:
        values = np.ones(shape) if len(shape) == 1 else random.normal(0, 0 if says else 0.2, shape)
        writer.add_tensor(name, values.astype(np.float32))

    embedding, output = _first_and_last(pieces, width, says)
    # The kind with a window has one matrix for both.
    writer.add_tensor("token_embd.weight", output if window else embedding)
    for layer in range(layers):
        add(f"blk.{layer}.attn_norm.weight", width)
        for part in ("q", "k", "v", "output"):
            add(f"blk.{layer}.attn_{part}.weight", width, width)
        if not window:
            add(f"blk.{layer}.ffn_norm.weight", width)
        add(f"blk.{layer}.ffn_gate.weight", inner, width)
        add(f"blk.{layer}.ffn_up.weight", inner, width)
        add(f"blk.{layer}.ffn_down.weight", width, inner)
    add("output_norm.weight", width)
    if not window:
        writer.add_tensor("output.weight", output)
    _finish(writer)
    return path


def write_recurrent_gguf(path: Path, context: int = 512, layers: int = 2) -> Path:
    """As `write_gguf`, of a kind (Mamba) whose state can't be cut back to an earlier token."""
    import gguf

    width, inner, kernel, state, rank = 64, 128, 4, 8, 4
    writer = gguf.GGUFWriter(path, "mamba")
    writer.add_name("tiny")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(layers)
    writer.add_ssm_conv_kernel(kernel)
    writer.add_ssm_inner_size(inner)
    writer.add_ssm_state_size(state)
    writer.add_ssm_time_step_rank(rank)
    writer.add_layer_norm_rms_eps(1e-5)
    pieces = _add_vocabulary(writer, (), CHAT_TEMPLATE)
    random = np.random.default_rng(0)
    embedding, output = _first_and_last(pieces, width, "")
    writer.add_tensor("token_embd.weight", embedding)
    for layer in range(layers):
        shapes = {
            "attn_norm.weight": (width,),
            "ssm_in.weight": (2 * inner, width),
            "ssm_conv1d.weight": (inner, kernel),
            "ssm_conv1d.bias": (inner,),
            "ssm_x.weight": (rank + 2 * state, inner),
            "ssm_dt.weight": (inner, rank),
            "ssm_dt.bias": (inner,),
            "ssm_a": (inner, state),
            "ssm_d": (inner,),
            "ssm_out.weight": (width, inner),
        }
        for name, shape in shapes.items():
            values = random.normal(0, 0.2, shape) if len(shape) > 1 else np.ones(shape)
            # The state decays.
            values = -np.abs(values) if name == "ssm_a" else values
            writer.add_tensor(f"blk.{layer}.{name}", values.astype(np.float32))
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    writer.add_tensor("output.weight", output)
    _finish(writer)
    return path


def _add_vocabulary(writer: Any, controls: Sequence[str], template: str) -> int:
    """Adds tokens, `controls` as the last, and the template; returns how many tokens there are."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    pieces += [chr(code) for code in range(ord("a"), ord("z") + 1)] + ["▁the", "th", "he", *controls]
    kinds = [2, 3, 3] + [6] * 256 + [1] * (len(pieces) - 259 - len(controls)) + [3] * len(controls)
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
    return len(pieces)


def _first_and_last(pieces: int, width: int, says: str) -> tuple[np.ndarray, np.ndarray]:
    """The embedding and the output, both (pieces, width) float32."""
    random = np.random.default_rng(1)
    if not says:
        embedding, output = random.normal(0, 0.2, (2, pieces, width))
        # Letters only: neither bytes that are no text nor a token that would end the answer.
        output[:259] = 0
        return embedding.astype(np.float32), output.astype(np.float32)
    # Each token has a place of its own, and what follows it looks at that place.
    embedding = np.eye(pieces, width, dtype=np.float32)
    output = np.zeros_like(embedding)
    follows = [3 + byte for byte in (">" + says).encode()] + [2]
    assert len(set(follows)) == len(follows), "no byte may occur twice"
    for before, after in zip(follows, follows[1:], strict=False):
        output[after, before] = 1
    return embedding, output


def _finish(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
