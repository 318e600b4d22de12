"""What showing one page may take."""

WIDTHS = (480, 800, 1200, 1600, 2400)
"""Pixels that a picture may be wide: few, so that a picture is made once."""
PIXELS = 12_000_000
LONGEST = 12_000
"""Pixels of a side of a picture; WebP knows no more than 16,383."""
QUALITY = 82

PAGE_SECONDS = 10.0
WAIT_SECONDS = 15.0
"""That a page waits behind others before its reader is told to come back."""
WAITING = 16
"""Pages that may be asked for at once."""
MEMORY_BYTES = 1_200_000_000
"""Address space of the process that opens files."""
TIRED_BYTES = 500_000_000
"""Memory after which that process ends and another one begins."""
OPEN_FILES = 4
OPEN_BYTES = 100_000_000
"""Of the files that stay open, but for the last one."""
PICTURE_BYTES = 30_000_000
CACHE_BYTES = 64_000_000

QUOTES = 20
TEXT_CHARACTERS = 40_000
"""Of the text of a page, or of a table's rows, in one answer."""
CONTEXT_CHARACTERS = 3_000
CONTEXT_ROWS = 12
"""Shown before and behind what is quoted."""
