"""Polite HTTP: cached, retried, bounded, and only to hosts that may be asked. Knows nothing of documents.

Connections are direct: a proxy would resolve names itself, and the check of addresses would be worth nothing.
"""

import random
import ssl
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType

import httpcore
import httpx

from ingest.connectors.address import GuardedBackend, RefusedAddress, Resolve
from ingest.connectors.body import Partial, too_large, unpacked
from ingest.connectors.cache import Cache, Entry
from ingest.connectors.errors import BudgetExhausted, FetchError, RefusedURL
from rag.errors import ConfigurationError, LacertaError

__all__ = ["Budget", "BudgetExhausted", "FetchError", "Fetcher", "RefusedURL", "Response"]

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_WAIT_AND_RETRY = (408, 425, 429, 500, 502, 503, 504)
_UNREACHABLE = 10
"""Failed requests in a row after which a host is not asked again in this run."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one run may spend: requests sent, bytes received (as sent, compressed) and seconds since its start."""

    requests: int = 2000
    bytes: int = 500_000_000
    seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Response:
    """A successful answer (2xx). `url` is where the redirects led; header names are in lower case.

    `content` is unpacked; `from_cache` says that the server confirmed what was kept, or was not asked.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    from_cache: bool = False


class _Retry(Exception):
    """An attempt that may be repeated."""

    def __init__(self, reason: str, status: int = 0, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.wait = wait


class Fetcher:
    """Fetches documents in one run, one request at a time; used by one thread, as a context manager.

    `hosts` are the only hosts asked, None for any public one. `contact` (an address or URL of the maintainer) goes
    into the User-Agent. `pause` and the `interval` of a request are the least seconds between two requests to a host.
    A request is tried `tries` times; the wait before the next try doubles from `back_off` seconds; a server's
    Retry-After is kept to, and above `longest_wait` seconds the host is left alone for this run.
    One answer may take `patience` seconds. Addresses off the public internet are refused unless `allow_private` is
    True or names the host.
    """

    def __init__(
        self,
        cache: Path,
        *,
        hosts: Collection[str] | None = None,
        budget: Budget | None = None,
        allow_private: bool | Collection[str] = False,
        pause: float = 0.0,
        contact: str = "",
        tries: int = 4,
        back_off: float = 1.0,
        longest_wait: float = 120.0,
        patience: float = 300.0,
        resolve: Resolve | None = None,
    ) -> None:
        if not contact.isascii() or not contact.isprintable() or len(contact) > 200:
            raise ConfigurationError(
                f"contact is {contact!r}, must be a mail address or URL in at most 200 ASCII characters: correct it."
            )
        self.user_agent = f"Lacerta/1.0 (document collector; {contact})" if contact else "Lacerta/1.0"
        self.budget = budget or Budget()
        self.requests = 0
        self.received = 0
        self._cache = Cache(cache)
        self._hosts = None if hosts is None else {host.lower() for host in hosts}
        self._pause = pause
        self._tries = max(1, tries)
        self._back_off = back_off
        self._longest_wait = longest_wait
        self._patience = patience
        self._backend = GuardedBackend(allow_private, resolve)
        self._pool = httpcore.ConnectionPool(network_backend=self._backend, max_connections=4, keepalive_expiry=30)
        self._started = time.monotonic()
        self._asked: dict[str, float] = {}
        self._waits_until: dict[str, float] = {}
        self._failures: dict[str, int] = {}

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()
        self._cache.prune()

    def get(
        self,
        url: str,
        *,
        accept: str = "*/*",
        interval: float = 0.0,
        largest: int = 50_000_000,
        hosts: Collection[str] | None = None,
        since: float | None = None,
        store: bool = True,
    ) -> Response:
        """The document at a URL after redirects. Raises FetchError, or BudgetExhausted when the run must end.

        `largest` bounds its bytes, packed and unpacked. `hosts` narrows the fetcher's own list. An answer that was
        fetched or confirmed at or after `since` (Unix time) is given from the cache without a request, which is how
        a run that was stopped goes on. `store=False` keeps nothing in the cache.
        """
        seen = {url}
        current = url
        while True:
            target = self._checked(url, current, hosts)
            answer = self._get_one(str(target), target, accept, interval, largest, since, store)
            if answer.status not in _REDIRECTS:
                return answer
            try:
                current = str(target.join(answer.headers["location"]).copy_with(fragment=None))
            except (KeyError, httpx.InvalidURL) as error:
                raise FetchError(url, f"redirects to no readable URL ({error}): correct the URL.") from error
            if current in seen:
                raise FetchError(url, f"redirects in a loop, again to {current}: correct the URL.")
            seen.add(current)
            if len(seen) > _MOST_REDIRECTS + 1:
                raise FetchError(url, f"redirects more than {_MOST_REDIRECTS} times: give the final URL.")

    def _checked(self, first: str, url: str, hosts: Collection[str] | None) -> httpx.URL:
        where = "" if url == first else f"redirects to {url}, which "
        try:
            target = httpx.URL(url)
            host = target.raw_host.decode("ascii").lower()
        except (httpx.InvalidURL, UnicodeError) as error:
            raise RefusedURL(first, f"{where}is no URL ({error}): correct it.") from error
        if target.scheme not in ("http", "https") or not host:
            raise RefusedURL(first, f"{where}is not an http or https URL: give one.")
        if target.port is not None and not 1 <= target.port <= 65535:
            raise RefusedURL(first, f"{where}has the port {target.port}, must be 1 to 65535: correct it.")
        if target.userinfo:
            raise RefusedURL(first, f"{where}has a user name in it: give the URL without one.")
        for allowed in (self._hosts, hosts):
            if allowed is not None and host not in allowed:
                names = ", ".join(sorted(allowed)[:5]) or "none"
                raise RefusedURL(first, f"{where}is on the host {host}, not among those allowed ({names}): add it.")
        return target

    def _get_one(
        self, url: str, target: httpx.URL, accept: str, interval: float, largest: int, since: float | None, store: bool
    ) -> Response:
        entry = self._cache.find(url, accept)
        if entry and len(entry.content) > largest:
            entry = None
        if entry and since is not None and entry.confirmed >= since:
            return Response(url, entry.status, entry.headers, entry.content, from_cache=True)
        host = target.netloc.decode("ascii")
        if self._failures.get(host, 0) >= _UNREACHABLE:
            raise FetchError(
                url, f"{host} failed {_UNREACHABLE} times in a row and is not asked again now: run again later."
            )
        partial = Partial()
        for attempt in range(1, self._tries + 1):
            self._wait_for_turn(url, host, interval)
            try:
                answer = self._attempt(url, target, accept, largest, entry, partial)
            except _Retry as error:
                if attempt == self._tries:
                    self._failures[host] = self._failures.get(host, 0) + 1
                    raise FetchError(
                        url, f"{error.reason} ({attempt} tries): look at it, or run again later.", error.status
                    ) from error
                jittered = self._back_off * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
                self._waits_until[host] = time.monotonic() + max(error.wait, jittered)
                continue
            self._failures.pop(host, None)
            if answer.status == 304 and entry:
                self._cache.confirm(entry)
                return Response(url, entry.status, entry.headers, entry.content, from_cache=True)
            if answer.status == 304:
                raise FetchError(url, "the server says it is unchanged but was not asked that.", answer.status)
            if answer.status >= 400:
                self._cache.forget(url, accept)
                raise FetchError(url, f"the server answers {answer.status}: check the URL.", answer.status)
            if answer.status == 200 and store:
                self._keep(Entry(url, accept, answer.status, answer.headers, answer.content))
            return answer
        raise AssertionError("every attempt returns or raises")

    def _keep(self, entry: Entry) -> None:
        try:
            self._cache.keep(entry)
        except OSError as error:
            raise LacertaError(
                f"The answer of {entry.url} could not be written to the cache ({error}): make room on the disk."
            ) from error

    def _wait_for_turn(self, url: str, host: str, interval: float) -> None:
        asked = self._asked.get(host)
        turn = 0.0 if asked is None else asked + max(interval, self._pause)
        wait = max(turn, self._waits_until.get(host, 0.0)) - time.monotonic()
        if wait > max(self._longest_wait, interval, self._pause):
            raise FetchError(
                url, f"{host} asks to wait {wait:.0f} s, more than {self._longest_wait:.0f} s: run again later.", 429
            )
        left = self._started + self.budget.seconds - time.monotonic()
        if self.requests >= self.budget.requests:
            raise BudgetExhausted(url, _spent(f"{self.budget.requests} requests"))
        if self.received >= self.budget.bytes:
            raise BudgetExhausted(url, _spent(f"{self.budget.bytes} bytes"))
        if wait >= left or left <= 0:
            raise BudgetExhausted(url, _spent(f"{self.budget.seconds:g} seconds"))
        if wait > 0:
            time.sleep(wait)
        self._asked[host] = time.monotonic()
        self.requests += 1

    def _attempt(
        self, url: str, target: httpx.URL, accept: str, largest: int, entry: Entry | None, partial: "Partial"
    ) -> Response:
        headers = {
            "Host": target.netloc.decode("ascii"),
            "User-Agent": self.user_agent,
            "Accept": accept,
            "Accept-Encoding": "gzip",
        }
        headers |= partial.range_headers() or (entry.conditions() if entry else {})
        now = time.monotonic()
        ends = self._started + self.budget.seconds
        self._backend.deadline = min(now + self._patience, ends)
        timeouts = {"connect": 15.0, "read": 60.0, "write": 15.0, "pool": 15.0}
        try:
            with self._pool.stream(
                "GET",
                httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path),
                headers=list(headers.items()),
                extensions={"timeout": timeouts},
            ) as answer:
                return self._read(url, answer, largest, partial)
        except RefusedAddress as error:
            raise FetchError(url, f"{error}: such addresses are never asked.") from error
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise FetchError(url, f"its certificate is not valid: {error}.") from error
            raise _Retry(f"cannot be reached: {error}") from error
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            if time.monotonic() >= ends:
                raise BudgetExhausted(url, _spent(f"{self.budget.seconds:g} seconds")) from error
            raise _Retry(f"the connection failed: {str(error) or type(error).__name__}") from error

    def _read(self, url: str, answer: httpcore.Response, largest: int, partial: "Partial") -> Response:
        headers: dict[str, str] = {}
        for raw_name, raw_value in answer.headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        status = answer.status
        if status in _WAIT_AND_RETRY:
            raise _Retry(f"the server answers {status}", status, _retry_after(headers.get("retry-after", "")))
        if status == 416 and partial.content:
            partial.begin({})
            raise _Retry("the server refuses to go on with a cut document", status)
        if status == 304:
            # Read to its end, so that the connection can be used again.
            answer.read()
        if status == 304 or status >= 400 or status in _REDIRECTS:
            return Response(url, status, headers, b"")
        if status == 206:
            if not partial.goes_on(headers):
                partial.begin({})
                raise _Retry("the server sends another part than asked for", status)
        elif 200 <= status < 300:
            partial.begin(headers)
        else:
            raise FetchError(url, f"the server answers {status}, which is not understood.", status)
        self._read_body(url, answer, headers, largest, partial)
        content = unpacked(url, bytes(partial.content), partial.encoding, largest)
        return Response(url, 200 if status == 206 else status, headers, content)

    def _read_body(
        self, url: str, answer: httpcore.Response, headers: Mapping[str, str], largest: int, partial: "Partial"
    ) -> None:
        declared = headers.get("content-length", "")
        if (
            declared.isascii()
            and declared.isdigit()
            and len(declared) < 20
            and len(partial.content) + int(declared) > largest
        ):
            raise too_large(url, largest)
        for part in answer.iter_stream():
            self.received += len(part)
            partial.content += part
            if len(partial.content) > largest:
                raise too_large(url, largest)
            if self.received > self.budget.bytes:
                raise BudgetExhausted(url, _spent(f"{self.budget.bytes} bytes"))


def _retry_after(value: str) -> float:
    """Seconds of a Retry-After header, which is a number or a date (RFC 9110, 10.2.3); 0 for anything else."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _spent(what: str) -> str:
    return f"not asked, this run has used its {what}: what was fetched is kept; run again, or raise the budget."
