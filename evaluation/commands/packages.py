"""What the evaluation needs beside the program. Not a command itself."""

from importlib.util import find_spec

from rag.errors import ConfigurationError


def require(*modules: str) -> None:
    """Raises ConfigurationError, before anybody waits for figures, where one of the packages is not installed."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} of requirements/evaluation.txt {'is' if len(missing) == 1 else 'are'} not"
            " installed: run make eval, which installs what is missing."
        )
