"""Retrieval and answering: from a question to a cited answer. Knows nothing of files being ingested, nor of a page."""
