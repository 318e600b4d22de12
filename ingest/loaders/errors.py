"""Why a file gives no document."""


class LoadError(Exception):
    """A file that can't be read; the message says why and what to do, in words that follow the file's name."""
