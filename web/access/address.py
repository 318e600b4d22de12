"""Where a request really comes from: from its sender, or from what a trusted proxy says of it."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from rag.settings import Settings
from web.front import Scope

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# What counts only from a proxy that is trusted; from anyone else nobody behind may read it.
_FORWARDED = (b"forwarded", b"x-real-ip", b"x-gradio-server")
_PASSED_ON = (b"forwarded", b"x-forwarded-for", b"x-real-ip")
_NAME_CHARACTERS = 200
# Whoever has an IPv6 address has all of its last 64 bits (RFC 6177).
_IPV6_BITS = 64

Address = IPv4Address | IPv6Address


def is_local(settings: Settings) -> bool:
    """Whether only this machine can reach the program."""
    return not settings.trusted_proxies and (settings.host in LOOPBACK or settings.host.startswith("127."))


class Proxies:
    """Reads the headers of the trusted proxies."""

    def __init__(self, settings: Settings) -> None:
        self._networks = [ip_network(proxy) for proxy in settings.trusted_proxies]
        self._header = settings.user_header.lower().encode("latin-1")

    def address(self, scope: Scope) -> str:
        """The sender, as far as trusted proxies tell it: the last one on the way that is none of them.

        An IPv6 address is given as its network, since it is for counting.
        """
        known, hops = _sender(scope), _values(scope, b"x-forwarded-for")
        while hops and self._trusts(known):
            before = hops.pop()
            if _parsed(before) is None:
                break
            known = before
        address = _parsed(known)
        if isinstance(address, IPv6Address):
            return str(ip_network((address, _IPV6_BITS), strict=False))
        return str(address) if address else known

    def trusted(self, scope: Scope) -> bool:
        """Whether a trusted proxy sent it."""
        return self._trusts(_sender(scope))

    def user(self, scope: Scope) -> str | None:
        """Whom a trusted proxy says that it has logged in."""
        if not self._header or not self.trusted(scope):
            return None
        # Two of them can't both be the proxy's.
        names = [value.decode("utf-8", "replace").strip() for name, value in scope["headers"] if name == self._header]
        if len(names) != 1 or not names[0].isprintable() or len(names[0]) > _NAME_CHARACTERS:
            return None
        return names[0] or None

    def secure(self, scope: Scope) -> bool:
        """Whether the visitor's browser speaks https."""
        if scope.get("scheme") == "https":
            return True
        return self.trusted(scope) and _values(scope, b"x-forwarded-proto")[:1] == ["https"]

    def host(self, scope: Scope) -> str:
        """Host and port that the visitor asked for, in lower case."""
        forwarded = _values(scope, b"x-forwarded-host") if self.trusted(scope) else []
        return (forwarded or _values(scope, b"host") or [""])[0].lower()

    def passed_on(self, scope: Scope) -> bool:
        """Whether some proxy says that it passed the request on for somebody else, trusted or not."""
        return any(name in _PASSED_ON for name, _ in scope["headers"])

    def clean(self, scope: Scope) -> None:
        """Takes away the headers of proxies that no trusted one sent, so that nobody behind believes them."""
        if not self.trusted(scope):
            scope["headers"] = [item for item in scope["headers"] if not self._claims(item[0])]

    def _claims(self, name: bytes) -> bool:
        return name in _FORWARDED or name.startswith(b"x-forwarded-") or bool(self._header) and name == self._header

    def _trusts(self, hop: str) -> bool:
        address = _parsed(hop)
        return address is not None and any(address in network for network in self._networks)


def _sender(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _values(scope: Scope, wanted: bytes) -> list[str]:
    joined = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == wanted)
    return [value.strip() for value in joined.split(",") if value.strip()]


def _parsed(hop: str) -> Address | None:
    """`192.0.2.1`, `192.0.2.1:443`, `2001:db8::1` or `[2001:db8::1]:443`; None for anything else."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        address = ip_address(hop)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
