"""A visit of the page as a browser makes it, over HTTP: Gradio's queue, its events, and what is drawn at the end."""

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

import httpx

from evaluation.service.outcome import Refused, Wrong

_REFUSED = (429, 503)


@dataclass(frozen=True, slots=True)
class Drawn:
    """The end of an answer: the last exchange as HTML, the conversation as JSON, seconds until passages were shown and
    until the answer was.
    """

    html: str
    conversation: dict[str, Any]
    passages_seconds: float
    seconds: float


class Session:
    """One opened page. Its cookies and its conversation are its own."""

    def __init__(self, client: httpx.AsyncClient, address: str, language: str) -> None:
        self._client = client
        self._base = f"{address}/{language}"
        self._name = uuid.uuid4().hex[:10]
        self._asking = 0
        self._places: dict[str, int] = {}

    async def open(self) -> None:
        """Loads the page and learns what to send. Raises Wrong."""
        opened = await self._client.get(f"{self._base}/")
        if opened.status_code != 200:
            raise Wrong(f"page: status {opened.status_code}")
        config = (await self._client.get(f"{self._base}/config")).json()
        names = {part["id"]: part["props"].get("elem_id") for part in config["components"]}
        asking = next(each for each in config["dependencies"] if len(each["inputs"]) == 3)
        self._asking = asking["id"]
        self._places = {names[part]: place for place, part in enumerate(asking["outputs"]) if names.get(part)}

    async def ask(self, text: str, domain: str) -> Drawn:
        """Raises Refused where the program is busy, Wrong where there is no answer."""
        begin = time.monotonic()
        session: dict[str, Any] = {"session_hash": self._name, "fn_index": self._asking}
        asked = {"data": [json.dumps({"text": text}), domain, None], **session}
        joined = await self._client.post(f"{self._base}/gradio_api/queue/join", json=asked)
        if joined.status_code in _REFUSED:
            raise Refused("page")
        if joined.status_code != 200:
            raise Wrong(f"page: {joined.status_code} {joined.text[:200]}")
        html, kept, found, ended = "", "", 0.0, 0.0
        async with self._client.stream("GET", f"{self._base}/gradio_api/queue/data", params=session) as events:
            async for line in events.aiter_lines():
                if not line.startswith("data: "):
                    continue
                event = json.loads(line.removeprefix("data: "))
                if event["msg"] not in ("process_generating", "process_completed"):
                    continue
                if not event["success"]:
                    raise Wrong(f"page: {str(event['output'])[:300]}")
                values = event["output"]["data"]
                html = _changed(html, values[self._places["current"]])
                kept = _changed(kept, values[self._places["kept"]])
                if not found and "<article" in _changed("", values[self._places["passages"]]):
                    found = time.monotonic() - begin
                if not ended and 'class="exchange ended' in html:
                    ended = time.monotonic() - begin
                if event["msg"] == "process_completed":
                    break
        if 'class="failure"' in html:
            raise Refused("page")
        if not ended or not kept:
            raise Wrong(f"page: the answer never came to an end: {html[-300:]!r}")
        return Drawn(html, json.loads(json.loads(kept)["json"]), found or ended, ended)


def _changed(before: str, value: Any) -> str:
    """What a part of the page shows after an event: a text, what is to be done with the last one, or nothing new."""
    if isinstance(value, str):
        return value
    for action, path, text in value if isinstance(value, list) else ():
        if path or not isinstance(text, str):
            continue
        before = before + text if action == "append" else text
    return before
