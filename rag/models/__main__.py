"""The command line of local models: `python -m rag.models [--embed] [NAME]` lists the curated ones or fetches one.

`tiktoken:o200k_base` and `tiktoken:cl100k_base` are names too: with these files tokens of OpenAI's models are counted
instead of estimated. Exits with 0 when it is here, 1 for a failure, 2 for wrong usage or settings, 130 after Ctrl-C.
"""

import argparse
import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import fill
from types import FunctionType
from typing import Any, NoReturn

from rag.errors import ConfigurationError, LacertaError
from rag.models.catalogue import (
    HUGGING_FACE,
    Entry,
    entry_named,
    find,
    fits,
    load,
    machine_memory,
    models_folder,
    recommended,
)
from rag.models.download import download
from rag.models.tokens import rank_folder
from rag.settings import Settings

ENCODINGS = ("o200k_base", "cl100k_base")
_TIKTOKEN = "tiktoken:"
_RANK_BYTES = 20_000_000
"""More than any file of ranks has."""
_SWITCHES = {"chat": "LACERTA_MODELS=gguf:{name},extractive", "embed": "LACERTA_EMBEDDER=gguf:{name}"}
_COMMANDS = {"chat": "make model NAME={name}", "embed": "make model-embed NAME={name}"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Lists or fetches; the exit status."""
    options = _parser().parse_args(arguments)
    purpose = "embed" if options.embed else "chat"
    try:
        settings = Settings.from_environment()
        if not options.name:
            print(_listing(purpose, settings))
        elif options.name.startswith(_TIKTOKEN):
            _fetch_ranks(options.name.removeprefix(_TIKTOKEN), settings, options.dry_run)
        else:
            _fetch_model(entry_named(options.name, purpose), settings, options.dry_run)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except LacertaError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What came so far is kept: give the same command again to continue.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rag.models", description="Local models that can be fetched.")
    parser.add_argument("name", nargs="?", default="", help="which to fetch; without it they are listed")
    parser.add_argument("--embed", action="store_true", help="embedders instead of chat models")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be fetched from where")
    return parser


def _listing(purpose: str, settings: Settings) -> str:
    entries = tuple(entry for entry in load() if entry.purpose == purpose)
    memory = machine_memory()
    best = recommended(entries, memory)
    what = "Chat models" if purpose == "chat" else "Embedders"
    lines = [f"{what}; this machine has {memory / 1e9:.1f} GB of memory.", ""]
    for entry in entries:
        remarks = [
            "here" if find(entry.name, settings) else "",
            "recommended for this machine" if entry is best else "",
            "" if fits(entry, memory) else "too large for this machine",
        ]
        facts = [
            f"from {entry.memory} GB of memory",
            f"{entry.size / 1e9:.1f} GB",
            entry.licence,
            *filter(None, remarks),
        ]
        about = (", ".join(facts), f"Languages: {entry.languages}.", f"Why: {entry.why}.")
        lines += [entry.name, *(fill(line, 100, initial_indent="    ", subsequent_indent="    ") for line in about)]
    command = _COMMANDS[purpose].format(name=(best or entries[0]).name)
    return "\n".join([*lines, "", f"Fetch one into {models_folder(settings)}: {command}"])


def _fetch_model(entry: Entry, settings: Settings, dry_run: bool) -> None:
    url = entry.url(os.environ.get("HF_ENDPOINT") or HUGGING_FACE)
    target = models_folder(settings) / entry.file
    print(f"{entry.name}: {entry.size / 1e9:.1f} GB, {entry.licence} ({entry.terms})\n{url} -> {target}", flush=True)
    if not fits(entry, machine_memory()):
        print(f"It is meant for {entry.memory} GB of memory, this machine has {machine_memory() / 1e9:.1f} GB.")
    if dry_run:
        return
    download(url, target, sha256=entry.sha256, size=entry.size)
    print(
        f"It is here and its SHA-256 is right. This line, in .env or before a command, turns it on:\n{_switch(entry)}"
    )


def _switch(entry: Entry) -> str:
    return _SWITCHES[entry.purpose].format(name=entry.name)


def _fetch_ranks(name: str, settings: Settings, dry_run: bool) -> None:
    from tiktoken_ext import openai_public

    if name not in ENCODINGS:
        known = ", ".join(_TIKTOKEN + encoding for encoding in ENCODINGS)
        raise ConfigurationError(f"{_TIKTOKEN}{name} cannot be fetched: {known} can.")
    url, sha256 = rank_file(openai_public.ENCODING_CONSTRUCTORS[name])
    target = rank_target(url, settings)
    print(f"{_TIKTOKEN}{name}: {url} -> {target}", flush=True)
    if not dry_run:
        download(url, target, sha256=sha256, largest=_RANK_BYTES)
        print("It is here and its SHA-256 is right: tokens of OpenAI's models that use it are counted from now on.")


def rank_target(url: str, settings: Settings) -> Path:
    """Where tiktoken's own cache keeps the file of an address: under the SHA-1 of it."""
    return rank_folder(settings) / hashlib.sha1(url.encode()).hexdigest()


def rank_file(constructor: Callable[[], dict[str, Any]]) -> tuple[str, str]:
    """Address and SHA-256 of the ranks that one of tiktoken's constructors loads, without loading them."""

    class Told(Exception):
        pass

    def tell(address: str, expected_hash: str) -> NoReturn:
        raise Told(address, expected_hash)

    # tiktoken states them nowhere else than in the constructor's call of its loader.
    assert isinstance(constructor, FunctionType)
    try:
        FunctionType(constructor.__code__, {**constructor.__globals__, "load_tiktoken_bpe": tell})()
    except Told as told:
        address, sha256 = told.args
        return address, sha256
    raise ConfigurationError("This tiktoken does not say where its ranks are: bring the program up to date.")


if __name__ == "__main__":
    sys.exit(main())
