"""How long each fault of a server keeps a visitor: `python -m tests.measure_fallback [model_timeout]` prints a table.

Two models in the chain, the first at a server with that fault. `first` is a visitor who meets it, `next` one right
behind.
"""

import logging
import sys
import time

from langchain_core.messages import HumanMessage

from rag.models import EXTRACTIVE, ModelCache
from rag.models.chain import Chain, Generation
from tests.chat_server import FAULTS, ChatServer, Fault


def visit(chain: Chain) -> tuple[float, Generation]:
    generation = Generation()
    started = time.perf_counter()
    for _ in chain.stream(generation, lambda model: [HumanMessage("How long?")], lambda: False):
        pass
    return time.perf_counter() - started, generation


def measure(fault: Fault, seconds: float, closed: bool = False) -> str:
    with ChatServer(*fault.replies) as server:
        if closed:
            server.close()
        models = ModelCache(server.settings(model_timeout=seconds, answer_tokens=1))
        for name in ("openai:m", "openai:other"):
            models.open(name)
        chain = Chain(("openai:m", "openai:other"), models)
        first, generation = visit(chain)
        again, _ = visit(chain)
    if generation.model == EXTRACTIVE:
        outcome = f"no model answers: {', '.join(reason for _, reason in generation.failures)}"
    elif generation.interrupted:
        outcome = f"what was said is kept, interrupted: {generation.interrupted}"
    elif generation.failures:
        outcome = f"the second model answers, the first: {generation.failures[0][1]}"
    else:
        outcome = "the first model answers"
    return f"| {fault} | {first:.2f} | {again:.2f} | {outcome} |"


def main() -> None:
    logging.disable()
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    print(f"model_timeout {seconds:g} s\n\n| a server that | first | next | outcome |\n|---|---|---|---|")
    print(measure(Fault("is not there (both models)", (), ""), seconds, closed=True), flush=True)
    for fault in FAULTS:
        print(measure(fault, seconds), flush=True)


if __name__ == "__main__":
    main()
