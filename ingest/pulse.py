"""Signs of life of a parser, by which slow work, such as reading pictures of pages, is told from a hang."""

from collections.abc import Callable

_listeners: list[Callable[[], None]] = []


def beat() -> None:
    """Says that a part of a file, such as a page, is done: its `FILE_SECONDS` begin anew."""
    for listener in _listeners:
        listener()


def listen(listener: Callable[[], None]) -> None:
    """Has `listener` called at each beat; the process that parses files calls this once."""
    _listeners.append(listener)
