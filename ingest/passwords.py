"""Which passwords of a domain may open a file."""

from ingest.sources import matches
from rag.settings import Domain


def passwords_of(domain: Domain, source: str) -> tuple[str, ...]:
    """The passwords in the order of `[passwords]` whose pattern fits the source name of a file."""
    return tuple(secret.reveal() for pattern, secret in domain.passwords.items() if matches(source, (pattern,)))
