"""Why something could not be fetched. Knows no protocol beyond status codes."""

from rag.errors import LacertaError


class FetchError(LacertaError):
    """A URL that could not be had. `status` is the server's last answer, 0 without one."""

    def __init__(self, url: str, reason: str, status: int = 0) -> None:
        super().__init__(f"{url}: {reason}")
        self.url = url
        self.reason = reason
        self.status = status

    @property
    def gone(self) -> bool:
        """Whether the server says that there is no such document (any more)."""
        return self.status in (404, 410)


class RefusedURL(FetchError):
    """A URL, or one that it redirects to, that this run may not ask: another host, no http, no URL at all."""


class BudgetExhausted(FetchError):
    """The run has spent its budget: no further request is sent. What was fetched is kept; the next run goes on."""
