"""A GGUF model computed by llama.cpp: tokens counted, prompts evaluated, answers sampled. Part of the child process.

It goes past `llama_cpp.Llama` to the library's own functions, for what that class has no way to do: stop within a
prompt, report what was evaluated, hear of progress while a file is loaded, keep a template within limits.
"""

import codecs
import ctypes
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp as api

from rag.models.gguf_machine import available_cores, available_memory
from rag.models.gguf_sampling import Held, Sampling, sampler_of
from rag.models.gguf_template import ChatTemplate, Messages

MOST_CONTEXT = 8192
"""Tokens of context where nothing is set: more costs memory, and time that nobody wants to wait."""
LEAST_CONTEXT = 512
"""Fewer leave no room for passages and an answer."""
# Tokens evaluated in one step.
_BATCH = 512
# What llama.cpp takes for its results, and what other programs may come to need.
_SPARE_BYTES = 300_000_000
_CELL_BYTES = 2  # f16
_NO_MEMORY = -2  # GGML_STATUS_ALLOC_FAILED
_CONTROL = api.LLAMA_TOKEN_ATTR_CONTROL | api.LLAMA_TOKEN_ATTR_UNKNOWN
_ALL_LAYERS = 999
_NO_CHAT = "it is not a model that answers in a conversation: name another one in LACERTA_MODELS."
# How a template that makes its model reason ends.
_REASONING = "<think>"
_PART = re.compile(r"-00001-of-(\d{5})\.gguf$")


class Refused(Exception):
    """The file can't be used: damaged, unknown, too large. The text says why and what to do."""


class PromptTooLong(Exception):
    """The prompt leaves no room for an answer."""


class Cancelled(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Settings of a model; 0 stands for what fits the file and the machine, -1 of `gpu_layers` for all."""

    context_tokens: int = 0
    threads: int = 0
    gpu_layers: int = -1


@dataclass(frozen=True, slots=True)
class Outcome:
    """`finish` is `stop` or `length`; `evaluated` are the prompt's tokens that were not reused from the last one."""

    finish: str
    prompt: int
    evaluated: int
    completion: int


class Model:
    """One model and one context. `count` may be called by any thread at any time, `cancel` too, all else by one."""

    def __init__(self, path: Path, wishes: Wishes, progress: Callable[[float], None]) -> None:
        """Loads the file, calling `progress` with shares in [0, 1]. Raises Refused or TemplateError."""
        offload = bool(api.llama_supports_gpu_offload()) and wishes.gpu_layers != 0
        size, memory = _size(path), available_memory()
        # What goes to a graphics card, or how much fits there, only llama.cpp knows.
        if not offload and size > memory:
            raise Refused(
                f"it takes {_gigabytes(size)} of memory, and only {_gigabytes(memory)} are free: name a smaller file in"
                " LACERTA_MODELS, or end other programs."
            )
        self.threads = wishes.threads or available_cores()
        self._keep: list[Any] = []
        self._model = self._loaded(path, wishes.gpu_layers if offload else 0, progress)
        self._vocabulary = api.llama_model_get_vocab(self._model)
        free = memory - size - _SPARE_BYTES if not offload else None
        self.context_tokens, self.reason = self._plan(wishes.context_tokens, free)
        self._context = self._opened()
        self._memory = api.llama_get_memory(self._context)
        if not self._memory:
            raise Refused(_NO_CHAT)
        self._cuts = not (api.llama_model_is_recurrent(self._model) or api.llama_model_is_hybrid(self._model))
        self._batch = (api.llama_token * _BATCH)()
        self._evaluated: list[int] = []
        self._text_so_far = ""
        self.computed = 0
        self._pieces: dict[int, bytes] = {}
        bos, eos = api.llama_vocab_bos(self._vocabulary), api.llama_vocab_eos(self._vocabulary)
        self._bos = bos if api.llama_vocab_get_add_bos(self._vocabulary) else -1
        source = self._metadata("tokenizer.chat_template")
        self.template = ChatTemplate(source, self._text(bos), self._text(eos), self._controls())
        # What the template writes around the messages, by itself: instructions of its own, a date.
        alone = self.template.render([{"role": "user", "content": "x"}])
        self.preamble_tokens = len(self._tokens(alone, special=True))

    def count(self, text: str) -> int:
        """The tokens of a text as it would stand in a message."""
        return len(self._tokens(self.template.harmless(text), special=False))

    def cancel(self) -> None:
        """Ends what is computed, in the midst of a batch."""
        self._stop[0] = b"\x01"

    def resume(self) -> None:
        """Takes `cancel` back."""
        self._stop[0] = b"\x00"

    def generate(self, messages: Messages, sampling: Sampling, emit: Callable[[str], None]) -> Outcome:
        """Answers messages piece by piece, reusing what was evaluated of the last prompt and answer.

        Raises PromptTooLong, Cancelled, TemplateError, MemoryError, or RuntimeError with what llama.cpp returned.
        """
        prompt = self.template.render(messages)
        tokens = self._continued(prompt)
        if self._bos >= 0 and tokens[:1] != [self._bos]:
            tokens.insert(0, self._bos)
        room = self.context_tokens - len(tokens)
        if room < 1 or not tokens:
            raise PromptTooLong(f"the prompt takes {len(tokens)} tokens, the context holds {self.context_tokens}")
        self._text_so_far = ""
        evaluated = self._evaluate(tokens)
        if prompt.rstrip().endswith(_REASONING):
            # The reader has to know that what follows is no answer yet.
            emit(_REASONING)
        most = max(1, min(sampling.max_tokens, room))
        finish, completion = self._answer(prompt, most, sampling, emit)
        return Outcome(finish, len(tokens), evaluated, completion)

    def _continued(self, prompt: str) -> list[int]:
        """The tokens of a prompt; where it goes on from the last answer, that answer's as the model chose them.

        A model may spell a word by other tokens than the tokenizer would, which would have to be evaluated again.
        """
        rest = prompt.removeprefix(self._text_so_far)
        # Text behind the answer might have become one token with its end.
        if len(rest) < len(prompt) and self.template.begins_with_control(rest):
            return [*self._evaluated, *self._tokens(rest, special=True)]
        return self._tokens(prompt, special=True)

    def _evaluate(self, tokens: Sequence[int]) -> int:
        """Brings the context to hold `tokens`; returns how many of them had to be evaluated."""
        # The last token is evaluated in any case: what follows it is asked for.
        most = min(len(self._evaluated), len(tokens) - 1)
        self._forget(next((at for at in range(most) if self._evaluated[at] != tokens[at]), most))
        start = len(self._evaluated)
        for at in range(start, len(tokens), _BATCH):
            self._decode(tokens[at : at + _BATCH])
        return len(tokens) - start

    def _forget(self, kept: int) -> None:
        """Drops what was evaluated behind the first `kept` tokens, or all where the model can't go back."""
        if kept < len(self._evaluated):
            removed = kept > 0 and api.llama_memory_seq_rm(self._memory, 0, kept, -1)
            # A sliding window may have lost what stands before, although the rest could be removed.
            window = api.llama_model_n_swa(self._model)
            lost = window > 0 and api.llama_memory_seq_pos_min(self._memory, 0) > max(0, kept - window)
            if not removed or lost:
                api.llama_memory_clear(self._memory, True)
                kept = 0
            del self._evaluated[kept:]

    def _decode(self, tokens: Sequence[int]) -> None:
        self._batch[: len(tokens)] = list(tokens)
        result = api.llama_decode(self._context, api.llama_batch_get_one(self._batch, len(tokens)))
        if result == 0:
            self._evaluated += tokens
            self.computed += len(tokens)
        # Of a batch that ended early llama.cpp drops what it can, which is nothing where a state can't go back.
        elif not self._cuts or not api.llama_memory_seq_rm(self._memory, 0, len(self._evaluated), -1):
            api.llama_memory_clear(self._memory, True)
            self._evaluated.clear()
        if self._stop[0] != b"\x00":
            raise Cancelled
        if result == _NO_MEMORY:
            raise MemoryError("llama.cpp found no memory for its results")
        if result != 0:
            raise RuntimeError(f"llama_decode returned {result}")

    def _answer(self, prompt: str, most: int, sampling: Sampling, emit: Callable[[str], None]) -> tuple[str, int]:
        # A syllable may be spread over tokens; bytes that are no text at all are dropped.
        decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        held = Held((*sampling.stop, *self.template.stop))
        sampler = sampler_of(sampling)
        finish, completion, text = "length", 0, prompt
        try:
            while True:
                token = api.llama_sampler_sample(sampler, self._context, -1)
                if api.llama_vocab_is_eog(self._vocabulary, token):
                    finish, self._text_so_far = "stop", text
                    break
                completion += 1
                piece = decoder.decode(self._piece(token))
                text += piece
                if ready := held.add(piece):
                    emit(ready)
                if held.stopped:
                    finish = "stop"
                    break
                if completion == most:
                    break
                self._decode((token,))
        finally:
            api.llama_sampler_free(sampler)
        if rest := held.rest():
            emit(rest)
        return finish, completion

    def _piece(self, token: int) -> bytes:
        if token not in self._pieces:
            buffer = ctypes.create_string_buffer(512)
            length = api.llama_token_to_piece(self._vocabulary, token, buffer, len(buffer), 0, False)
            self._pieces[token] = buffer.raw[: max(0, length)]
        return self._pieces[token]

    def _tokens(self, text: str, special: bool) -> list[int]:
        raw = text.encode("utf-8", errors="replace")
        # No token is shorter than a byte; one more for a space that some vocabularies put before the text.
        most = len(raw) + 2
        tokens = (api.llama_token * most)()
        count = api.llama_tokenize(self._vocabulary, raw, len(raw), tokens, most, False, special)
        if count < 0:
            most = -count
            tokens = (api.llama_token * most)()
            count = api.llama_tokenize(self._vocabulary, raw, len(raw), tokens, most, False, special)
        return list(tokens[:count])

    def _controls(self) -> list[str]:
        """Texts that are read as something else than text: control tokens, and those that a file marks like them."""
        found = []
        for token in range(api.llama_vocab_n_tokens(self._vocabulary)):
            attributes = api.llama_vocab_get_attr(self._vocabulary, token)
            if attributes & (_CONTROL | api.LLAMA_TOKEN_ATTR_USER_DEFINED):
                text = self._text(token)
                # Added words, and runs of spaces and lines, are text.
                word = text.replace(" ", "").isalnum() or not text.strip(" \t\r\n▁")
                if attributes & _CONTROL or not word and len(text) > 2:
                    found.append(text)
        return found

    def _text(self, token: int) -> str:
        if token < 0:
            return ""
        return str(api.llama_vocab_get_text(self._vocabulary, token).decode("utf-8", errors="replace"))

    def _metadata(self, key: str) -> str:
        length = api.llama_model_meta_val_str(self._model, key.encode(), None, 0)
        if length < 0:
            return ""
        buffer = ctypes.create_string_buffer(length + 1)
        api.llama_model_meta_val_str(self._model, key.encode(), buffer, length + 1)
        return buffer.value.decode("utf-8", errors="replace")

    def _loaded(self, path: Path, layers: int, progress: Callable[[float], None]) -> Any:
        @api.llama_progress_callback
        def report(share: float, _: Any) -> bool:
            progress(share)
            return True

        parameters = api.llama_model_default_params()
        parameters.n_gpu_layers = _ALL_LAYERS if layers < 0 else layers
        parameters.progress_callback = report
        self._keep.append(report)
        model = api.llama_model_load_from_file(os.fsencode(path), parameters)
        if not model:
            raise Refused(
                "the file may be damaged, of a kind that this llama-cpp-python does not know, or too large for the"
                " memory: download it again, or name another one in LACERTA_MODELS."
            )
        if not api.llama_model_has_decoder(model) or api.llama_model_has_encoder(model):
            raise Refused(_NO_CHAT)
        return model

    def _opened(self) -> Any:
        parameters = api.llama_context_default_params()
        parameters.n_ctx = self.context_tokens
        parameters.n_batch = parameters.n_ubatch = min(_BATCH, self.context_tokens)
        parameters.n_threads = parameters.n_threads_batch = self.threads
        # With the whole window kept, a prompt can be cut back to any prefix.
        parameters.swa_full = True
        # llama.cpp asks before each step of a batch whether to go on, by a function of C with one pointer: the length
        # of this string, 0 or 1, says it without waiting for Python.
        self._stop = ctypes.create_string_buffer(2)
        callback = ctypes.cast(ctypes.CDLL(None).strlen, api.ggml_abort_callback)
        parameters.abort_callback = callback
        parameters.abort_callback_data = ctypes.addressof(self._stop)
        self._keep.append(callback)
        context = api.llama_init_from_model(self._model, parameters)
        if not context:
            raise MemoryError(f"there is not enough memory for a context of {self.context_tokens} tokens")
        return context

    def _plan(self, wanted: int, free: int | None) -> tuple[int, str]:
        """Tokens of context and why so many; `free` are the bytes left for it, None where that can't be known."""
        trained = int(api.llama_model_n_ctx_train(self._model)) or MOST_CONTEXT
        each = self._bytes_per_token()
        if wanted:
            reason = "as set" if wanted <= trained else "what the model was trained on"
            if free is not None and free < min(wanted, trained) * each:
                reason += (
                    f", although that takes {_gigabytes(min(wanted, trained) * each)} and {_gigabytes(free)} are free"
                )
            return min(wanted, trained), reason
        most = min(trained, MOST_CONTEXT)
        reason = "what the model was trained on" if trained <= MOST_CONTEXT else "the default"
        if free is None or most * each <= free:
            return most, reason
        fits = max(0, free) // each // 256 * 256
        if fits < min(most, LEAST_CONTEXT):
            least = min(most, LEAST_CONTEXT)
            raise Refused(
                f"beside the model {_gigabytes(max(0, free))} of memory are free, and a context of {least} tokens takes"
                f" {_gigabytes(least * each)}: name a smaller file in LACERTA_MODELS, or end other programs."
            )
        return fits, f"what fits into {_gigabytes(free)} of memory at {each / 1000:.0f} KB a token"

    def _bytes_per_token(self) -> int:
        """What a token takes: keys and values of each layer, and its column of a batch's attention scores."""
        layers = int(api.llama_model_n_layer(self._model))
        heads = max(1, int(api.llama_model_n_head(self._model)))
        width = int(api.llama_model_n_embd(self._model)) // heads
        attention = f"{self._metadata('general.architecture')}.attention"
        key = int(self._metadata(f"{attention}.key_length") or width)
        value = int(self._metadata(f"{attention}.value_length") or width)
        # A number for all layers, or a list with one for each.
        stated = [int(number) for number in re.findall(r"\d+", self._metadata(f"{attention}.head_count_kv"))]
        pairs = sum(stated) if len(stated) > 1 else layers * int(api.llama_model_n_head_kv(self._model))
        return max(1, pairs * (key + value) * _CELL_BYTES + _BATCH * heads * 4)


def _size(path: Path) -> int:
    """Bytes of a file, or of all parts of one that was split."""
    parts = _PART.search(path.name)
    if not parts:
        return path.stat().st_size
    names = [path.name[: parts.start()] + f"-{n:05d}-of-{parts[1]}.gguf" for n in range(1, int(parts[1]) + 1)]
    return sum(part.stat().st_size for name in names if (part := path.parent / name).exists())


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
