"""Who a request comes from, as everything behind the door sees it."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from rag.settings import Domain

KINDS = ("anonymous", "key", "login")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a caller may use up: requests a minute and a day, models' tokens a day. 0 is no limit."""

    minute: int = 0
    day: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Caller:
    """A key, a login or neither. `domains` are those it names, None for every one that is not private.

    `account` is what its requests are counted under; a `maintainer` may see what others asked and said.
    """

    kind: str = "anonymous"
    name: str = ""
    address: str = ""
    domains: frozenset[str] | None = None
    limits: Limits = Limits()
    maintainer: bool = False

    @property
    def account(self) -> str:
        return f"{self.kind}:{self.name or self.address}"

    def sees(self, domain: Domain) -> bool:
        """Whether the domain is there for this caller."""
        return not domain.private if self.domains is None else domain.name in self.domains

    def visible(self, domains: Mapping[str, Domain]) -> dict[str, Domain]:
        """Those of the domains that are there for this caller, in their order."""
        return {name: domain for name, domain in domains.items() if self.sees(domain)}


def caller_of(connection: HTTPConnection) -> Caller:
    """Whoever sent a request; nobody known, who sees what is not private, where it passed no door."""
    found = connection.scope.get("state", {}).get("caller")
    return found if isinstance(found, Caller) else Caller()
