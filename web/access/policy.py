"""Which parts of the program anyone may use, and whether it may be served at all as it is set."""

from rag.errors import ConfigurationError
from rag.settings import Settings
from web.access.address import Proxies, is_local
from web.access.keys import Keys
from web.access.visitors import Visitors


def open_parts(settings: Settings, any_key: bool, any_login: bool) -> frozenset[str]:
    """The parts that need neither key nor login: of LACERTA_OPEN, and on this machine alone the unguarded."""
    found = set(settings.open)
    if is_local(settings):
        if not any_key:
            found |= {"api", "metrics"}
        if not any_login and not settings.user_header:
            found.add("page")
    return frozenset(found)


def check(settings: Settings) -> None:
    """Raises ConfigurationError where nobody could use the program, or a key's or a login's line is wrong."""
    keys = Keys(settings)
    visitors = Visitors(settings, Proxies(settings))
    if not (keys.any or visitors.needed) and not open_parts(settings, False, False):
        where = f"listens on {settings.host}" + (" behind a proxy" if settings.trusted_proxies else "")
        raise ConfigurationError(
            f"The program {where}, where others reach it, and there is no key and no login. Make one (python -m web key"
            " add NAME, python -m web login add NAME), let a proxy log visitors in (LACERTA_USER_HEADER), or open it to"
            " anyone: LACERTA_OPEN=page,api."
        )
