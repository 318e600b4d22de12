"""Errors that a person can act on: each message names the value, the limit and what to do next."""


class LacertaError(Exception):
    """Base of every error that is shown to a person without a traceback."""


class ConfigurationError(LacertaError):
    """A setting, a domain file or an argument is wrong."""


class IndexUnavailable(LacertaError):
    """A domain has no index yet, or the index does not fit the settings."""


class ModelUnavailable(LacertaError):
    """A model or embedder can't be used: not installed, not reachable, not allowed."""
