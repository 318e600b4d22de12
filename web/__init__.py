"""The page and its server: thin converters over the typed events of `rag`. Knows nothing of files being ingested."""

from web.stubs import leave_out

leave_out()
