"""Connections that only go to addresses we may reach. Knows sockets and addresses, nothing of HTTP."""

import ipaddress
import socket
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from ssl import SSLContext
from typing import Any

import httpcore

from rag.errors import LacertaError

Resolve = Callable[[str, int], Sequence[str]]
"""From a host name and a port to its addresses, best first. Raises OSError where there is none."""

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


class RefusedAddress(LacertaError):
    """The host has an address that is not on the public internet."""


class GuardedBackend(httpcore.NetworkBackend):
    """Resolves a host once, checks every address of the answer and connects to one that was checked.

    Checking before and resolving again when connecting would let a name change its address in between (rebinding).
    `allow_private` is True, or the names of the hosts that may have private addresses. `deadline`, in the time of
    `time.monotonic`, bounds every wait: a server that sends a byte now and then does not hold the program.
    """

    def __init__(self, allow_private: bool | Collection[str] = False, resolve: Resolve | None = None) -> None:
        self._allow_private = allow_private
        self._resolve = resolve or resolve_host
        self._backend = httpcore.SyncBackend()
        self.deadline = float("inf")

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} has no address: {error}") from error
        allowed = self._allow_private
        if not (allowed if isinstance(allowed, bool) else host in allowed):
            for address in addresses:
                if not is_public(address):
                    raise RefusedAddress(f"{host} is at {address}, which is not on the public internet")
        failure: Exception = httpcore.ConnectError(f"the name {host} has no address")
        for address in addresses[:4]:
            try:
                stream = self._backend.connect_tcp(address, port, self._within(timeout), local_address, socket_options)
                return _Stream(stream, self._within)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _within(self, timeout: float | None) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the answer took too long")
        return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, within: Callable[[float | None], float]) -> None:
        self._stream = stream
        self._within = within

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._within(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, self._within(timeout)), self._within)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def resolve_host(host: str, port: int) -> list[str]:
    """The addresses of a host as the system's resolver gives them."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def is_public(address: str) -> bool:
    """Whether an address is on the public internet, also where it is an IPv4 address written inside an IPv6 one."""
    number = ipaddress.ip_address(address.split("%")[0])
    if isinstance(number, ipaddress.IPv6Address):
        inner = number.ipv4_mapped or number.sixtofour
        if number in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return number.is_global and not (number.is_multicast or number.is_reserved or number.is_unspecified)
