"""Retrieval and answering: from a question to a cited answer. Knows nothing of files being ingested, nor of a page."""

import os

# Matrices here are small: a second BLAS thread costs more than it gives. Read when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
