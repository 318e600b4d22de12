"""How tokens are chosen and where an answer ends. Part of the child process of `rag.models.gguf`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llama_cpp import llama_cpp as api


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an answer is chosen. `seed` None differs each time; a temperature of 0 takes the likeliest token."""

    max_tokens: int
    temperature: float
    top_p: float = 0.95
    top_k: int = 40
    min_p: float = 0.05
    seed: int | None = None
    stop: tuple[str, ...] = ()


class Held:
    """Holds back the end of a text that may be the beginning of a stop string."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._text = ""
        self.stopped = False

    def add(self, text: str) -> str:
        """What can be shown of the text so far and was not; nothing of a stop string, which sets `stopped`."""
        if not self._stops:
            return text
        self._text += text
        ends = [at for stop in self._stops if (at := self._text.find(stop)) >= 0]
        self.stopped = bool(ends)
        ready = min(ends) if ends else len(self._text) - self._overlap()
        given, self._text = self._text[:ready], "" if ends else self._text[ready:]
        return given

    def rest(self) -> str:
        """What was held back and turned out to be text, once nothing more comes."""
        return self._text

    def _overlap(self) -> int:
        longest = min(len(self._text), max(map(len, self._stops)) - 1)
        tails = range(longest, 0, -1)
        return next((n for n in tails if any(stop.startswith(self._text[-n:]) for stop in self._stops)), 0)


def sampler_of(sampling: Sampling) -> Any:
    """A chain of llama.cpp's samplers, to be freed by the caller."""
    chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
    if sampling.temperature <= 0:
        steps = [api.llama_sampler_init_greedy()]
    else:
        seed = api.LLAMA_DEFAULT_SEED if sampling.seed is None else sampling.seed % api.LLAMA_DEFAULT_SEED
        steps = [
            api.llama_sampler_init_top_k(sampling.top_k),
            api.llama_sampler_init_top_p(sampling.top_p, 1),
            api.llama_sampler_init_min_p(sampling.min_p, 1),
            api.llama_sampler_init_temp(sampling.temperature),
            api.llama_sampler_init_dist(seed),
        ]
    for step in steps:
        api.llama_sampler_chain_add(chain, step)
    return chain
