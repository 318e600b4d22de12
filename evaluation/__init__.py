"""Question sets and the figures made of them. Uses the program as its users do; the program knows nothing of it."""

import rag as rag  # Before numpy: it says how many threads that may use.
