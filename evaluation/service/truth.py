"""Documents of which each states a fact of its own that changes with every revision, and what may be said of them when.

Lighthouses have a signal code that tells domain, document and revision, so that an answer shows by itself what it was
made of. Both domains name the same lighthouses, with other codes.
"""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from evaluation.made import chunk_of, language_of

DOMAINS = ("harbour", "islands")
"""Each has documents of its own under the same names."""
_FACTS = {
    "en": ("The signal code of the lighthouse {name} is {code}.", "What is the signal code of the lighthouse {name}?"),
    "hu": ("A {name} világítótorony jelzőkódja {code}.", "Mi a {name} világítótorony jelzőkódja?"),
    "ko": ("{name} 등대의 신호 코드는 {code}이다.", "{name} 등대의 신호 코드는 무엇인가?"),
}
_NAMES = {"en": "Keldora", "hu": "Szirtfok", "ko": "해오름"}
_FIRST_DIGIT = 4
_CODE = re.compile(r"(?<!\d)([45])(\d{3})(\d{3})(?!\d)")

State = Mapping[int, int]
"""The revision of each document that is there, by its number."""


def question_of(number: int) -> str:
    return _FACTS[language_of(number)][1].format(name=_name(number))


def source_of(number: int) -> str:
    return f"{number:03}.txt"


def text_of(domain: str, number: int, revision: int) -> str:
    """The text of a document, in its language."""
    code = f"{_FIRST_DIGIT + DOMAINS.index(domain)}{number:03}{revision:03}"
    fact = _FACTS[language_of(number)][0].format(name=_name(number), code=code)
    before, after = (chunk_of(place * 3 + number % 3).text for place in (2 * number, 2 * number + 1))
    return f"{_name(number)}\n\n{before}\n\n{fact}\n\n{after}\n"


def _name(number: int) -> str:
    return f"{_NAMES[language_of(number)]}-{100 + number}"


@dataclass(frozen=True, slots=True)
class Said:
    """What a response says: its `text`, and the `quotes` of documents in it as pairs of source and text.

    `whole` is False where it tells itself that something is missing or in doubt.
    """

    text: str = ""
    quotes: tuple[tuple[str, str], ...] = ()
    whole: bool = True


class Truth:
    """The documents of a domain below `sources`, and which states of them could be served when."""

    def __init__(self, domain: str, sources: Path, documents: int) -> None:
        self.domain = domain
        self._sources = sources
        self._next = documents
        self._changes = 0
        first = dict.fromkeys(range(documents), 0)
        # From when to when a state may serve.
        self._states: list[tuple[float, float, State]] = [(0.0, float("inf"), first)]
        for number in first:
            self._write(number, 0)

    @property
    def state(self) -> State:
        """Of the files now."""
        return self._states[-1][2]

    @property
    def removed(self) -> list[int]:
        """Numbers of documents that were there once; of all where none was removed."""
        return [number for number in range(self._next) if number not in self.state] or [*self.state]

    def change(self) -> str:
        """A document is added, changed or removed, in turn; the name of the count in the report of the ingest."""
        kinds = ("updated", "added", "removed")
        kind = kinds[self._changes % len(kinds)]
        state = dict(self.state)
        places = sorted(state)
        number = self._next if kind == "added" else places[self._changes * 7 % len(places)]
        now = time.monotonic()
        self._changes += 1
        if kind == "removed":
            del state[number]
            (self._sources / source_of(number)).unlink()
        else:
            state[number] = self._changes
            self._next = max(self._next, number + 1)
            self._write(number, self._changes)
        self._states.append((now, float("inf"), state))
        return kind

    def published(self, grace: float) -> None:
        """The last change serves everywhere in `grace` seconds at most."""
        until = time.monotonic() + grace
        self._states = [(since, min(end, until), state) for since, end, state in self._states[:-1]] + [self._states[-1]]

    def states(self, begin: float, end: float) -> list[State]:
        """Those that could serve at some time between."""
        return [state for since, until, state in self._states if since <= end and until >= begin]

    def wrong(self, number: int, said: Said, begin: float, end: float) -> str:
        """What is wrong about an answer to the question of a document, asked and given at these times; else empty.

        All of it must come from one and the same state. A document that was there must have been found.
        """
        reasons = [self._wrong(state, number, said) for state in self.states(begin, end)]
        return "" if "" in reasons else reasons[-1]

    def _wrong(self, state: State, number: int, said: Said) -> str:
        told = {(DOMAINS[int(first) - _FIRST_DIGIT], int(which), int(revision)) for first, which, revision in
                _CODE.findall(said.text)}  # fmt: skip
        for domain, which, revision in told:
            if domain != self.domain or state.get(which) != revision:
                return f"tells the code of {domain} {which}, revision {revision}, of which there is {state.get(which)}"
        if number in state and said.whole and (self.domain, number, state[number]) not in told:
            return f"does not tell the code of {self.domain} {number}: {said.text[:200]!r}"
        return self.foreign(state, said.quotes)

    def foreign(self, state: State, quotes: Iterable[tuple[str, str]]) -> str:
        """Which of the quotes does not stand in its document; else empty."""
        known = {source_of(number): number for number in state}
        for source, quote in quotes:
            if source not in known:
                return f"quotes {source}, which is not there"
            if _flat(quote) not in _flat(text_of(self.domain, known[source], state[known[source]])):
                return f"quotes what does not stand in {source}: {quote[:200]!r}"
        return ""

    def _write(self, number: int, revision: int) -> None:
        (self._sources / source_of(number)).write_text(text_of(self.domain, number, revision), encoding="utf-8")


def _flat(text: str) -> str:
    return " ".join(text.split())
