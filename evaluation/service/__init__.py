"""The whole program under load, as a process that is asked over HTTP: `python -m evaluation service`.

Knows nothing of how the program is made: what it sends and expects stands in `docs/api.md` and `docs/mcp.md`.
"""
