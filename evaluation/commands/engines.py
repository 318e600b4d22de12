"""The engine that a command asks. Not a command itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rag.errors import ConfigurationError
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.answer import Engine


@contextmanager
def engine_of(settings: Settings, *domains: str) -> "Iterator[Engine]":
    """An engine that has these domains, closed in the end. Raises ConfigurationError for one that there is not."""
    from rag.answer import Engine

    engine = Engine(settings)
    try:
        for name in domains:
            if name not in engine.domains:
                known = ", ".join(engine.domains)
                raise ConfigurationError(f"There is no domain {name!r}. Domains: {known}.")
        yield engine
    finally:
        engine.close()
