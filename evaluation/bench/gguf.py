"""What a model in a GGUF file costs in a process of its own, behind LangChain, against bare llama-cpp-python.

Both answer the same prompts in turn; figures are medians, because other programs slow the machine down at times.
"""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from tqdm import tqdm

from evaluation.made import chunk_of, passage_of
from evaluation.tables import table
from rag.errors import ConfigurationError
from rag.settings import Settings

_ANSWER_TOKENS = 128
_GENERATIONS = 50
_WARM_UP = 2


def measure(settings: Settings, path: Path, turns: int) -> dict[str, Any]:
    """Figures of a file: tokens a second, milliseconds to the first token, reuse, memory.

    `overhead` is the share by which a token, the first one and a whole answer take longer than with the bare library,
    by medians, and by the quickest quarter of the turns, which other programs disturbed least; `second_turn` the tokens
    of a follow-up's prompt and those of them that had to be evaluated; `resident_mb` the memory of both processes after
    some and after all of 50 generations. Raises ModelUnavailable.
    """
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    from rag.models.gguf import open_gguf

    chat = open_gguf(path, replace(settings, answer_tokens=_ANSWER_TOKENS))
    try:
        bare = _Bare(path, chat.context_tokens, chat.threads)
        words = _words(chat.context_tokens // 3, chat.count_tokens)
        own: list[dict[str, Any]] = []
        theirs: list[dict[str, Any]] = []
        for turn in tqdm(range(turns + _WARM_UP), desc=path.name, leave=False, disable=None):
            # Another beginning each time, so that nothing is reused.
            messages = [SystemMessage(f"{turn}: be brief."), HumanMessage(words)]
            pair = [(own, lambda messages=messages: _ours(chat, messages))]
            pair.append((theirs, lambda messages=messages: bare.answer(messages)))
            # Whoever comes second finds other caches.
            for found, answer in pair if turn % 2 else reversed(pair):
                measured = answer()
                if turn >= _WARM_UP:
                    found.append(measured)
        bare.close()
        reply = chat.invoke(messages, temperature=0.0)
        again = chat.invoke([*messages, AIMessage(reply.content), HumanMessage("And then?")])
        memory = {"before": _resident(chat.process_id)}
        for number in tqdm(range(1, _GENERATIONS + 1), desc="memory", leave=False, disable=None):
            chat.invoke([SystemMessage(f"{number}: be brief."), HumanMessage(words)])
            if number in (_GENERATIONS // 5, _GENERATIONS):
                memory[str(number)] = _resident(chat.process_id)
        usage = again.usage_metadata
        for found in (own, theirs):
            for each in found:
                each["token"] = each["after"] / (each["tokens"] - own[0]["prompt"] - 1)
                each["rate"] = 1 / each["token"]
        rates, first = (_pair(own, theirs, name) for name in ("rate", "first"))
        return {
            "file": path.name,
            "megabytes": round(path.stat().st_size / 1e6, 1),
            "context_tokens": chat.context_tokens,
            "prompt_tokens": own[0]["prompt"],
            "answer_tokens": own[0]["tokens"] - own[0]["prompt"],
            "tokens_per_second": {name: round(value, 1) for name, value in rates.items()},
            "first_token_ms": {name: round(1000 * value, 2) for name, value in first.items()},
            "overhead": _overhead(own, theirs, median),
            "overhead_undisturbed": _overhead(own, theirs, _quick),
            "same_answers": sum(a["text"] == b["text"] for a, b in zip(own, theirs, strict=True)),
            "second_turn": {
                "prompt_tokens": usage["input_tokens"] if usage else 0,
                "evaluated_tokens": again.response_metadata["evaluated_tokens"],
            },
            "resident_mb": memory,
        }
    finally:
        chat.close()


def gguf(settings: Settings, paths: Sequence[Path], turns: int) -> dict[str, Any]:
    """The figures of each file. Raises ConfigurationError if there is none."""
    if not paths:
        raise ConfigurationError("--only gguf needs a model: name one with --gguf PATH.")
    return {"turns": turns, "files": [measure(settings, path, turns) for path in paths]}


class _Bare:
    """llama-cpp-python as its manual shows it, with the same context, threads and kind of attention."""

    def __init__(self, path: Path, context: int, threads: int) -> None:
        from llama_cpp import Llama

        self._llama = Llama(
            str(path), n_ctx=context, n_threads=threads, n_threads_batch=threads, flash_attn=True, verbose=False
        )

    def answer(self, messages: Sequence[Any]) -> dict[str, Any]:
        roles = {"system": "system", "human": "user"}
        turns: Any = [{"role": roles[each.type], "content": each.content} for each in messages]
        started, first, text = time.perf_counter(), 0.0, ""
        for part in self._llama.create_chat_completion(turns, stream=True, temperature=0.0, max_tokens=_ANSWER_TOKENS):
            assert not isinstance(part, str)
            piece = part["choices"][0]["delta"].get("content") or ""
            if piece and not first:
                first = time.perf_counter()
            text += str(piece)
        ended = time.perf_counter()
        # All but the last token were evaluated.
        return _figures(started, first, ended, self._llama.n_tokens + 1, text)

    def close(self) -> None:
        self._llama.close()


def _ours(chat: Any, messages: Sequence[Any]) -> dict[str, Any]:
    started, first, text = time.perf_counter(), 0.0, ""
    last = None
    for chunk in chat.stream(messages, temperature=0.0):
        if chunk.text and not first:
            first = time.perf_counter()
        text += str(chunk.text)
        last = chunk
    ended = time.perf_counter()
    assert last is not None
    figures = _figures(started, first, ended, last.usage_metadata["total_tokens"], text)
    return figures | {"prompt": last.usage_metadata["input_tokens"]}


def _figures(started: float, first: float, ended: float, tokens: int, text: str) -> dict[str, Any]:
    return {"first": first - started, "all": ended - started, "after": ended - first, "tokens": tokens, "text": text}


def _pair(own: Sequence[Mapping[str, Any]], bare: Sequence[Mapping[str, Any]], name: str) -> dict[str, float]:
    return {"own": median(each[name] for each in own), "bare": median(each[name] for each in bare)}


def _overhead(
    own: Sequence[Mapping[str, Any]], bare: Sequence[Mapping[str, Any]], typical: Callable[[list[float]], float]
) -> dict[str, float]:
    return {
        name: round(typical([each[key] for each in own]) / typical([each[key] for each in bare]) - 1, 4)
        for name, key in (("token", "token"), ("first", "first"), ("answer", "all"))
    }


def _quick(values: list[float]) -> float:
    return median(sorted(values)[: max(1, len(values) // 4)])


def _words(tokens: int, count: Callable[[str], int]) -> str:
    """Made text of about so many tokens."""
    words: list[str] = []
    number = left = 0
    while left < tokens:
        words += passage_of(chunk_of(number)).split()
        left, number = count(" ".join(words)), number + 1
    return " ".join(words[: max(1, len(words) * tokens // left)])


def _resident(process: int) -> dict[str, float]:
    """Resident memory in MB of the process that computes and of this one."""
    return {"child": _megabytes(process), "parent": _megabytes(os.getpid())}


def _megabytes(process: int) -> float:
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=True)
    return round(int(told.stdout) / 1024, 1)


def sections(report: Mapping[str, Any]) -> dict[str, list[str]]:
    """One table, as Markdown lines by name."""
    titles = [
        "file",
        "MB",
        "prompt tokens",
        "tokens/s (bare)",
        "first token ms (bare)",
        "overhead a token",
        "first token",
    ]
    titles += ["whole answer", "second turn evaluated", "child MB after 10, 50", "parent MB after 10, 50"]
    rows = []
    for found in report["files"]:
        rates, first = found["tokens_per_second"], found["first_token_ms"]
        extra, quick = found["overhead"], found["overhead_undisturbed"]
        memory = [each for name, each in found["resident_mb"].items() if name != "before"]
        second = found["second_turn"]
        rows.append(
            [
                found["file"],
                found["megabytes"],
                found["prompt_tokens"],
                f"{rates['own']:,.1f} ({rates['bare']:,.1f})",
                f"{first['own']:.1f} ({first['bare']:.1f})",
                *(f"{100 * extra[name]:+.1f} % ({100 * quick[name]:+.1f} %)" for name in ("token", "first", "answer")),
                f"{second['evaluated_tokens']} of {second['prompt_tokens']}",
                *(", ".join(str(each[name]) for each in memory) for name in ("child", "parent")),
            ]
        )
    described = (
        f"A model in a process of its own against bare llama-cpp-python, medians of {report['turns']} turns each."
    )
    return {"gguf": [described, "", *table(titles, rows)]}
