"""What a site allows a program to fetch: its robots.txt, as RFC 9309 reads it."""

import math
from collections.abc import Collection
from dataclasses import dataclass

from protego import Protego

from ingest.connectors.http import BudgetExhausted, Fetcher, FetchError
from ingest.connectors.store import Store

_AGENT = "Lacerta"
# RFC 9309, 2.5: at least 500 kibibytes are to be read.
_READ_BYTES = 512_000
_LARGEST = 5_000_000


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules of one origin. `unreachable` says why they could not be read: then nothing there may be fetched."""

    rules: Protego
    unreachable: str = ""

    def allows(self, url: str) -> bool:
        return not self.unreachable and self.rules.can_fetch(url, _AGENT)

    def delay(self) -> float:
        """Seconds that the site wants between two requests."""
        rate = self.rules.request_rate(_AGENT)
        delays = (
            self.rules.crawl_delay(_AGENT) or 0.0,
            rate.seconds / rate.requests if rate and rate.requests else 0.0,
        )
        return max((float(delay) for delay in delays if math.isfinite(delay) and delay > 0), default=0.0)

    def sitemaps(self) -> list[str]:
        return list(self.rules.sitemaps)


def read_robots(
    origin: str, store: Store, fetcher: Fetcher, hosts: Collection[str], since: float | None = None
) -> Robots:
    """The rules of an origin. Raises BudgetExhausted.

    None where the server says that it has none (4xx); where it cannot be reached or fails (5xx), the rules read last,
    which `store` keeps; without those everything is forbidden (RFC 9309, 2.3.1).
    """
    name = f"robots {origin}"
    try:
        answer = fetcher.get(
            f"{origin}/robots.txt", accept="text/plain, */*", largest=_LARGEST, hosts=hosts, since=since
        )
        text = answer.content[:_READ_BYTES].decode("utf-8-sig", "replace")
    except BudgetExhausted:
        raise
    except FetchError as error:
        if not 400 <= error.status < 500 or error.status in (408, 425, 429):
            before = store.load(name).get("text")
            return Robots(Protego.parse(before)) if isinstance(before, str) else Robots(Protego(), error.reason)
        text = ""
    store.save(name, {"text": text})
    return Robots(Protego.parse(text))
