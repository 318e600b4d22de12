"""Counting a text's tokens for models on servers: exactly where their ranks are on this disk, else an estimate.

Nothing is ever downloaded here: tiktoken would do so at its first use, so it is given a file or not used at all.
"""

import base64
import binascii
import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

from rag.settings import Settings

_LOG = logging.getLogger(__name__)
# The encodings of chat models. That of the open ones adds special tokens to another one's ranks; texts of ours hold
# none.
_ENCODINGS = {"cl100k_base": "cl100k_base", "o200k_base": "o200k_base", "o200k_harmony": "o200k_base"}


class NoRanks(Exception):
    """The ranks of an encoding are not on this disk, or not what they should be."""


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has where the model's tokenizer isn't at hand: one for 2.5 ASCII characters, one for
    every digit, 1.5 for every other character.

    On the high side on purpose, as a prompt that is too long fails or is cut unasked. Against cl100k, o200k, Claude 2's
    and DeepSeek's tokenizers it is at least as much for all but a few passages in English, Hungarian and Korean; twice
    as much for English.
    """
    digits = sum(map(str.isdigit, text))
    others = sum(character > "\x7f" for character in text)
    return int((len(text) - digits - others) / 2.5 + digits + 1.5 * others) + 1


def rank_folder(settings: Settings) -> Path:
    """Where the ranks of tiktoken's encodings are looked for: TIKTOKEN_CACHE_DIR, which tiktoken itself knows, or the
    folder into which `make model NAME=tiktoken:...` fetches them."""
    return Path(os.environ.get("TIKTOKEN_CACHE_DIR") or settings.var / "models" / "tiktoken")


def token_counter(model: str, settings: Settings) -> Callable[[str], int]:
    """What counts a text's tokens for the model of this name on an OpenAI-compatible server.

    That of tiktoken if it knows the model and its ranks are in `rank_folder`, else `estimate_tokens`.
    """
    from tiktoken.model import encoding_name_for_model

    try:
        name = _ENCODINGS[encoding_name_for_model(model)]
    except KeyError:
        # A model of someone else, whose server keeps its tokenizer, or one that does not chat.
        return estimate_tokens
    from tiktoken_ext import openai_public

    try:
        return load_counter(openai_public.ENCODING_CONSTRUCTORS[name], rank_folder(settings))
    except NoRanks as error:
        _LOG.info(
            "Tokens of openai:%s are estimated (%s). To count them: make model NAME=tiktoken:%s", model, error, name
        )
        return estimate_tokens


def load_counter(constructor: Callable[[], dict[str, Any]], folder: Path) -> Callable[[str], int]:
    """What counts tokens in the encoding that one of tiktoken's constructors describes, its ranks read from `folder`.

    Files are named as in tiktoken's own cache, by the SHA-1 of their address. Raises NoRanks.
    """
    from tiktoken import Encoding

    def ranks_on_disk(address: str, expected_hash: str | None = None) -> dict[bytes, int]:
        return _ranks(folder / hashlib.sha1(address.encode()).hexdigest(), expected_hash)

    # The constructors know the pattern and special tokens but fetch what they don't find, and delete what they don't
    # recognise. So theirs runs with a loader that does neither.
    assert isinstance(constructor, FunctionType)
    local = FunctionType(constructor.__code__, {**constructor.__globals__, "load_tiktoken_bpe": ranks_on_disk})
    encoding = Encoding(**local())
    return lambda text: len(encoding.encode_ordinary(text))


def _ranks(path: Path, expected_hash: str | None) -> dict[bytes, int]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NoRanks(f"{path} cannot be read: {error.strerror}") from error
    if expected_hash and hashlib.sha256(content).hexdigest() != expected_hash:
        raise NoRanks(f"{path} is damaged: its SHA-256 is not {expected_hash}")
    try:
        pairs = (line.split() for line in content.splitlines() if line)
        return {base64.b64decode(token, validate=True): int(rank) for token, rank in pairs}
    except (ValueError, binascii.Error) as error:
        raise NoRanks(f"{path} is not a list of ranks: {error}") from error
