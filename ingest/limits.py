"""What one file may take. Whatever goes beyond is reported with the limit, and the other files go on."""

FILE_BYTES = 300_000_000
FILE_SECONDS = 120.0
MEMORY_BYTES = 2_000_000_000
"""Address space of the process that parses, so that two of them and the ingest fit into 8 GB with room to spare."""

PAGES = 5_000
TEXT_BYTES = 100_000_000
"""Of a file that is text itself."""

TEXT_CHARACTERS = 30_000_000
"""Of the text that a file gives, some 15,000 dense pages."""

ANSWER_BYTES = 250_000_000
"""Of that text as it comes from the process that parses."""

BEATS = 1_000
"""How often the seconds of a file begin anew because a part of it is done (see `pulse`)."""
