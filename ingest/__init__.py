"""From source files to an index version: sources, loaders, clean, split, pipeline. Knows nothing of questions."""

import rag as rag  # Before numpy: it says how many threads that may use.
