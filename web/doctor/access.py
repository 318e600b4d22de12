"""Who may use which part of the program with these settings."""

from collections.abc import Iterator

from rag.errors import ConfigurationError
from rag.settings import PARTS, Settings, domain_names
from web.access.address import is_local
from web.access.keys import parse_key
from web.access.lines import Named
from web.access.policy import check, open_parts
from web.access.visitors import parse_login
from web.doctor.finding import BROKEN, FINE, NOTE, Finding


def access(settings: Settings) -> Iterator[Finding]:
    try:
        check(settings)
    except ConfigurationError as error:
        yield Finding("access", "start", BROKEN, str(error), "docs/access.md explains each way")
        return
    keys = Named("KEY", settings.keys, parse_key).current()
    logins = Named("LOGIN", settings.logins, parse_login).current()
    opened = open_parts(settings, bool(keys), bool(logins))
    where = f"{settings.host} port {settings.port}"
    for part in PARTS:
        entrances = _count(len(logins), "login") if part == "page" else _count(len(keys), "key")
        if part == "page" and settings.user_header:
            entrances = ", ".join(filter(None, ("visitors that a proxy names", entrances)))
        if part in opened and is_local(settings):
            yield Finding("access", part, FINE, "open to anyone on this machine")
        elif part in opened:
            mend = f"take {part} out of LACERTA_OPEN, if that is not meant"
            yield Finding("access", part, NOTE, f"open to anyone who reaches {where}", mend)
        elif entrances:
            yield Finding("access", part, FINE, f"for {entrances}")
        else:
            mend = f"python -m web {'login' if part == 'page' else 'key'} add NAME, or {part} in LACERTA_OPEN"
            yield Finding("access", part, NOTE, f"closed: there is no {'login' if part == 'page' else 'key'}", mend)
    known = set(domain_names(settings))
    for kind, lines in (("key", keys), ("login", logins)):
        for name, line in lines.items():
            if missing := sorted((line.domains or frozenset()) - known):
                mend = f"python -m web {kind} remove {name}, and add it with domains that are there"
                text = f"names domains that are not there: {', '.join(missing)}"
                yield Finding("access", f"{kind} {name}", NOTE, text, mend)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number > 1 else ''}" if number else ""
