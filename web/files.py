"""Files that a browser keeps, out of memory: what was joined of the page's own, and what Gradio's page consists of."""

import gzip
from collections.abc import Mapping
from functools import lru_cache

from rag.settings import LANGUAGES
from web.chunks import FRONTEND
from web.front import App, Receive, Scope, Send
from web.joined import layered

# Its address changes with what is in it.
_FOREVER = b"public, max-age=31536000, immutable"
# So does Gradio's name of a style sheet, but not with what the layer leaves out of it.
_A_DAY = b"public, max-age=86400"
_KEPT = 128
_KINDS = {"js": b"text/javascript; charset=utf-8", "css": b"text/css; charset=utf-8"}


class Files:
    """ASGI middleware: answers for `made`, contents by their paths, and for `/<language>/assets/`."""

    def __init__(self, app: App, made: Mapping[str, bytes]) -> None:
        self.app = app
        self._made = made
        self._names = frozenset(path.name for path in (FRONTEND / "assets").iterdir() if path.suffix[1:] in _KINDS)
        self._content = lru_cache(_KEPT)(self._load)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") else ""
        if path not in self._made:
            language, _, inside = path.removeprefix("/").partition("/")
            folder, _, name = inside.partition("/")
            if language not in LANGUAGES or folder != "assets" or name not in self._names:
                await self.app(scope, receive, send)
                return
            path = name
        zipped = any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])
        body = self._content(path, zipped)
        kept = _FOREVER if path in self._made or path.endswith(".js") else _A_DAY
        headers = [
            (b"content-type", _KINDS[path.rpartition(".")[2]]),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", kept),
            (b"vary", b"Accept-Encoding"),
        ]
        if zipped:
            headers.append((b"content-encoding", b"gzip"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _load(self, path: str, zipped: bool) -> bytes:
        content = self._made.get(path)
        if content is None:
            content = (FRONTEND / "assets" / path).read_bytes()
            if path.endswith(".css"):
                content = layered(content)
        return gzip.compress(content, 6, mtime=0) if zipped else content
