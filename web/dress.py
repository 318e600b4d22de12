"""The page is dressed before anything is drawn: theme, style sheets and language stand in it as it is served.

Gradio adds what it is given as `head` only once its own script runs: letters and colours would jump.
"""

import gzip
import re
from collections.abc import Mapping

from rag.settings import LANGUAGES
from web.front import App, Message, Receive, Scope, Send
from web.theme import STATIC

NONCE = "lacerta.nonce"
"""The key of an ASGI scope under which stands what the page's own scripts may run by, empty where they need nothing."""
_OPENING = re.compile(rb"<html\s+lang=\"en\"")
_CHARSET = b'<meta charset="utf-8" />'
# What a network of others' would show of a page that links here: Gradio's own words and picture.
_FOREIGN = re.compile(rb"[ \t]*<meta\s+(?:property=\"og:|name=\"twitter:)[^>]*>\n?")
# The keyboard of a phone leaves in sight what is typed; what stood there was for browsers of ten years ago.
_VIEWPORT = (b"shrink-to-fit=no", b"interactive-widget=resizes-content")
_CONFIG, _END = b"<script>window.gradio_config", b"</head>"
# These must run before anything of Gradio's does, and must not be what did not come.
_BEFORE = b"".join((STATIC / "js" / name).read_bytes() for name in ("whole.js", "idle.js"))
# It holds up drawing for as long as it takes to choose between light and dark.
_FIRST = (
    b'<meta name="color-scheme" content="light dark"><script>\n'
    + _BEFORE
    + b'</script><script src="/static/js/theme.js"></script>'
)


# What is told of the page as it was sent last.
_OF_THE_PAGE = (b"content-length", b"etag", b"last-modified", b"cache-control", b"accept-ranges")
# It stands in ours, in a layer.
_SHEET = re.compile(rb'[ \t]*<link rel="stylesheet" crossorigin href="\./assets/[^"]+">\n?')


class Dress:
    """ASGI middleware: puts `heads[language]`, elements of a `<head>`, into the page of that language."""

    def __init__(self, app: App, heads: Mapping[str, str]) -> None:
        self.app = app
        self._heads = {language: head.encode() for language, head in heads.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        language, _, inside = scope["path"].removeprefix("/").partition("/")
        if language not in LANGUAGES or inside:
            await self.app(scope, receive, send)
            return
        zipped = any(b"gzip" in value for name, value in scope["headers"] if name == b"accept-encoding")
        # What comes compressed, in part or as a file's name could not be changed.
        kept_back = (b"accept-encoding", b"range", b"if-none-match", b"if-modified-since")
        scope = {**scope, "extensions": {}, "headers": [pair for pair in scope["headers"] if pair[0] not in kept_back]}
        start: Message = {}
        parts: list[bytes] = []

        async def send_dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body = b"".join(parts)
            kept = [(name, value) for name, value in start["headers"] if name.lower() not in _OF_THE_PAGE]
            if start["status"] == 200 and body:
                body = dressed(body, language, self._heads[language], scope.get(NONCE, ""))
                kept.append((b"cache-control", b"no-cache"))
                if zipped:
                    body = gzip.compress(body, 6)
                    kept += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
            await send({**start, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
            await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, send_dressed)


def dressed(page: bytes, language: str, head: bytes, nonce: str = "") -> bytes:
    """Gradio's page with its language told and `head` at the end of its head; what is not its page, as it is."""
    top, config, rest = page.partition(_CONFIG)
    if not config:
        return page
    top = _OPENING.sub(f'<html lang="{language}"'.encode(), _FOREIGN.sub(b"", top), count=1)
    top = top.replace(*_VIEWPORT)
    # The last: what the configuration holds may tell of one, too.
    before, _, after = rest.rpartition(_END)
    before = _SHEET.sub(b"", _FOREIGN.sub(b"", before))
    whole = top.replace(_CHARSET, _CHARSET + _FIRST, 1) + config + before + head + _END + after
    # In what the scripts hold, Gradio and head.py write the sign otherwise.
    return whole.replace(b"<script", f'<script nonce="{nonce}"'.encode()) if nonce else whole
