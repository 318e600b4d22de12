"""What visitors and programs do, one function a kind of visit: each sends a request and says what it found wrong."""

import asyncio
import json
import random
import re
import ssl
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import httpx

from evaluation.service.outcome import Refused, Wrong
from evaluation.service.session import Drawn, Session
from evaluation.service.truth import Said, Truth, question_of, source_of, text_of

_TAG = re.compile(r"<[^>]*>")
_REFUSED = (429, 503)
# A model and those behind it may be asked one after the other.
MODELS = ("openai:first", "openai:second", "openai:third")


@dataclass(slots=True)
class Visitor:
    """Where to ask, what is true there, and the schemas of responses as the program publishes them."""

    address: str
    client: httpx.AsyncClient
    truths: Mapping[str, Truth]
    schemas: Mapping[str, Any]
    chance: random.Random
    secure: ssl.SSLContext
    completions: list[str] = field(default_factory=list)
    vectors: dict[str, list[float]] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)

    def choose(self) -> tuple[Truth, int]:
        """A domain and a document of it that is, or was, there."""
        truth = self.truths[self.chance.choice([*self.truths])]
        return truth, self.chance.choice([*truth.state] if self.chance.random() < 0.95 else [*truth.removed])

    async def post(self, path: str, body: Any, schema: str, **headers: str) -> Any:
        """The response's JSON, checked against one of the published schemas. Raises Refused, Wrong."""
        response = await self.client.post(f"{self.address}/v1{path}", json=body, headers=headers)
        return self.checked(response, schema)

    async def get(self, path: str, schema: str) -> Any:
        return self.checked(await self.client.get(f"{self.address}/v1{path}"), schema)

    def checked(self, response: httpx.Response, schema: str, status: int = 200) -> Any:
        body = self._json(response.text)
        if response.status_code != 200:
            self.fits(body, "ErrorBody")
        if response.status_code in _REFUSED and status not in _REFUSED:
            seconds = response.headers.get("retry-after", "")
            if not seconds.isdigit():
                raise Wrong(f"status {response.status_code} without Retry-After: {response.text[:200]}")
            raise Refused(body["error"]["code"])
        if response.status_code != status:
            raise Wrong(f"status {response.status_code} in place of {status}: {response.text[:300]}")
        if status == 200:
            self.fits(body, schema)
        return body

    def fits(self, body: Any, schema: str) -> None:
        """Raises Wrong where the value is not of a schema of the program's OpenAPI description."""
        from jsonschema import Draft202012Validator

        whole = {"$ref": f"#/components/schemas/{schema}", "components": {"schemas": self.schemas}}
        for error in Draft202012Validator(whole).iter_errors(body):
            raise Wrong(f"{schema}: {error.json_path} {error.message[:200]}")

    def count(self, outcome: str) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    @staticmethod
    def _json(text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise Wrong(f"not JSON: {text[:200]!r}") from error


def judge(visitor: Visitor, truth: Truth, number: int, details: Mapping[str, Any], text: str, begin: float) -> None:
    """Raises Wrong where an answer does not hold; `details` are what stands beside its text."""
    marked = details["failures"] or details["notices"]
    said = Said(
        text,
        tuple((citation["source"], citation["quote"]) for citation in details["citations"]),
        whole=details["answerable"] and not marked,
    )
    wrong = truth.wrong(number, said, begin, time.monotonic())
    if wrong:
        raise Wrong(
            f"{question_of(number)} to {truth.domain}: {wrong}; {json.dumps(details, ensure_ascii=False)[:400]}"
        )
    kind = "refused by the documents" if not details["answerable"] else details["model"].partition(":")[0]
    visitor.count(f"{kind}{', with a notice' if marked else ''}{', cached' if details.get('cached') else ''}")


def _body(visitor: Visitor, truth: Truth, number: int, model: str) -> dict[str, Any]:
    name = f"{truth.domain}@{model}" if model else truth.domain
    asked: list[dict[str, str]] = [{"role": "user", "content": question_of(number)}]
    if visitor.chance.random() < 0.2:
        earlier = visitor.chance.choice([*truth.state])
        asked = [
            {"role": "user", "content": question_of(earlier)},
            {"role": "assistant", "content": "[1]"},
            *asked,
        ]
    return {"model": name, "messages": asked}


def _model(visitor: Visitor) -> str:
    return visitor.chance.choice(("", *MODELS))


async def whole_extract(visitor: Visitor) -> None:
    await _whole(visitor, "extractive")


async def whole_model(visitor: Visitor) -> None:
    await _whole(visitor, _model(visitor))


async def _whole(visitor: Visitor, model: str) -> None:
    truth, number = visitor.choose()
    begin = time.monotonic()
    answer = await visitor.post("/chat/completions", _body(visitor, truth, number, model), "ChatCompletion")
    judge(visitor, truth, number, answer["lacerta"], answer["choices"][0]["message"]["content"], begin)
    visitor.completions.append(answer["id"])


async def stream_extract(visitor: Visitor) -> None:
    await _stream(visitor, "extractive")


async def stream_model(visitor: Visitor) -> None:
    await _stream(visitor, _model(visitor))


async def leave(visitor: Visitor) -> None:
    """Goes away after some events of an answer."""
    await _stream(visitor, _model(visitor), events=visitor.chance.randrange(6))


async def _stream(visitor: Visitor, model: str, events: int | None = None) -> None:
    truth, number = visitor.choose()
    body = _body(visitor, truth, number, model) | {"stream": True, "stream_options": {"include_usage": True}}
    begin = time.monotonic()
    seen: list[dict[str, Any]] = []
    async with visitor.client.stream("POST", f"{visitor.address}/v1/chat/completions", json=body) as response:
        if response.status_code != 200:
            await response.aread()
            visitor.checked(response, "ErrorBody")
        done = False
        async for line in response.aiter_lines():
            if events is not None and len(seen) >= events:
                return
            if done and line:
                raise Wrong(f"goes on after [DONE]: {line[:200]}")
            if not line or line.startswith(":"):
                continue
            if not line.startswith("data: "):
                raise Wrong(f"is no event: {line[:200]}")
            done = line == "data: [DONE]"
            if not done:
                seen.append(json.loads(line.removeprefix("data: ")))
    if events is not None:
        return
    if not done:
        raise Wrong("ends without [DONE]")
    _check_stream(visitor, seen)
    last = next(event for event in seen if "lacerta" in event)
    visitor.fits(last["lacerta"], "Details")
    judge(visitor, truth, number, last["lacerta"], last["lacerta"]["text"], begin)
    visitor.completions.append(last["id"])


def _check_stream(visitor: Visitor, events: list[dict[str, Any]]) -> None:
    for event in events:
        if "error" in event:
            visitor.fits(event, "ErrorBody")
            raise Wrong(f"the stream fails: {event['error']}")
        if event.get("object") != "chat.completion.chunk" or len({each["id"] for each in events}) != 1:
            raise Wrong(f"is no chunk of one completion: {str(event)[:200]}")
    finishes = [choice["finish_reason"] for event in events for choice in event["choices"]]
    if finishes[-1] not in ("stop", "length") or any(finishes[:-1]) or not events[-1]["usage"]:
        raise Wrong(f"ends otherwise than a stream should: {str(events[-2:])[:300]}")
    if not any(choice["delta"].get("content") for event in events for choice in event["choices"]):
        raise Wrong("streams no text")


async def search(visitor: Visitor) -> None:
    truth, number = visitor.choose()
    begin = time.monotonic()
    body = {"domain": truth.domain, "query": question_of(number), "k": visitor.chance.randint(1, 20)}
    found = await visitor.post("/search", body, "SearchResult")
    quotes = tuple((hit["document"], hit["text"]) for hit in found["hits"])
    wrong = truth.wrong(number, Said(quotes=quotes, whole=False), begin, time.monotonic())
    if wrong:
        raise Wrong(wrong)
    there = all(number in state for state in truth.states(begin, time.monotonic()))
    if there and quotes[0][0] != source_of(number):
        raise Wrong(f"{question_of(number)} finds {quotes[0][0]} first")


async def embeddings(visitor: Visitor) -> None:
    texts = [question_of(visitor.chance.randrange(50)) for _ in range(visitor.chance.randint(1, 4))]
    found = await visitor.post("/embeddings", {"model": "balanced", "input": texts}, "EmbeddingList")
    for text, row in zip(texts, found["data"], strict=True):
        known = visitor.vectors.setdefault(text, row["embedding"])
        if sum(a * b for a, b in zip(known, row["embedding"], strict=True)) < 0.999:
            raise Wrong(f"another vector of {text!r} than before")


async def feedback(visitor: Visitor) -> None:
    identity = visitor.chance.choice(visitor.completions or [f"chatcmpl-{0:032x}"])
    body = {"id": identity, "rating": visitor.chance.choice(("up", "down")), "comment": "as it should be"}
    kept = await visitor.post("/feedback", body, "FeedbackKept")
    if kept["id"] != identity:
        raise Wrong(f"feedback on {kept['id']} in place of {identity}")


async def models(visitor: Visitor) -> None:
    listed = await visitor.get("/models", "ModelList")
    names = {model["id"] for model in listed["data"]}
    missing = {f"{domain}@{model}" for domain in visitor.truths for model in MODELS} - names
    if missing:
        raise Wrong(f"models lacks {missing}")


async def ingest_status(visitor: Visitor) -> None:
    truth, _ = visitor.choose()
    begin = time.monotonic()
    told = await visitor.get(f"/ingest/{truth.domain}", "IngestStatus")
    if told["documents"] not in {len(state) for state in truth.states(begin, time.monotonic())}:
        raise Wrong(f"{told['documents']} documents in {truth.domain}, files {len(truth.state)}")


async def mcp(visitor: Visitor) -> None:
    """One of the tools, by one request of the streamable HTTP transport."""
    truth, number = visitor.choose()
    question = {"domain": truth.domain}
    name, arguments = visitor.chance.choice(
        (
            ("search", question | {"query": question_of(number)}),
            ("ask", question | {"question": question_of(number)}),
            ("open_page", question | {"source": source_of(number)}),
        )
    )
    begin = time.monotonic()
    result = await _call(visitor, name, arguments)
    states = truth.states(begin, time.monotonic())
    if result["isError"]:
        told = result["content"][0]["text"]
        if name == "open_page" and any(number not in state for state in states):
            return
        if "Ask again" in told:
            raise Refused("mcp")
        raise Wrong(f"{name}: {told[:300]}")
    value = result["structuredContent"]
    if value["domain"] != truth.domain:
        raise Wrong(f"{name}: of the domain {value['domain']} in place of {truth.domain}")
    if name == "ask":
        judge(visitor, truth, number, value | {"failures": []}, value["text"], begin)
        return
    quotes = [(hit["source"], hit["text"]) for hit in value.get("passages", [value])]
    reasons = [truth.foreign(state, quotes) for state in states]
    if "" not in reasons:
        raise Wrong(f"{name}: {reasons[-1]}")
    if name == "open_page" and len(value["text"]) < len(text_of(truth.domain, number, 0)) / 2:
        raise Wrong(f"opens a part of {source_of(number)}: {value['text'][:100]!r}")


async def _call(visitor: Visitor, name: str, arguments: Mapping[str, Any]) -> Any:
    identity = uuid.uuid4().hex
    call = {"jsonrpc": "2.0", "id": identity, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
    response = await visitor.client.post(f"{visitor.address}/mcp", json=call, headers=headers)
    if response.status_code in _REFUSED and response.headers.get("retry-after", "").isdigit():
        raise Refused("mcp")
    if response.status_code != 200:
        raise Wrong(f"mcp: status {response.status_code}: {response.text[:300]}")
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
    told = [json.loads(line) for line in lines or [response.text]]
    answer = next((each for each in told if each.get("id") == identity), None)
    if answer is None or "result" not in answer:
        raise Wrong(f"mcp: no result of {name}: {response.text[:300]}")
    return answer["result"]


async def page(visitor: Visitor) -> None:
    """A person's visit: the page, a question, and what is drawn at the end of the answer."""
    truth, number = visitor.choose()
    language = visitor.chance.choice(("en", "hu", "ko"))
    # Somebody else each time, with cookies of their own.
    async with httpx.AsyncClient(trust_env=False, timeout=visitor.client.timeout, verify=visitor.secure) as client:
        session = Session(client, visitor.address, language)
        await session.open()
        begin = time.monotonic()
        drawn = await session.ask(question_of(number), truth.domain)
    wrong = wrong_of(truth, [number], drawn, begin)
    if wrong:
        raise Wrong(f"page: {wrong}")
    visitor.count("page")


def wrong_of(truth: Truth, numbers: Sequence[int], drawn: Drawn, begin: float) -> str:
    """What is wrong about the end of an answer to the last of the questions of these documents; else empty.

    What is drawn and what the browser is given to keep must both answer this visitor's own questions.
    """
    conversation, now = drawn.conversation, time.monotonic()
    questions = [question_of(number) for number in numbers]
    if conversation["domain"] != truth.domain:
        return f"is a conversation about {conversation['domain']} in place of {truth.domain}"
    if [exchange["question"] for exchange in conversation["exchanges"]] != questions:
        return f"holds other questions than {questions[-3:]}: {str(conversation['exchanges'])[:300]}"
    if questions[-1] not in unescape(drawn.html):
        return f"draws another question than {questions[-1]}: {drawn.html[:300]}"
    text = unescape(_TAG.sub("", drawn.html.partition('class="text"')[2]))
    answer = conversation["exchanges"][-1]["answer"]
    if not text or not answer:
        return f"draws no answer: {drawn.html[-300:]}"
    whole = answer["answerable"] and not answer["notices"]
    sources = {reference["document"]: reference["source"] for reference in conversation["references"]}
    quotes = tuple((sources[each["document"]], each["quote"]) for each in answer["citations"])
    said = (Said(text, whole=whole), Said(answer["text"], quotes, whole))
    return next((wrong for each in said if (wrong := truth.wrong(numbers[-1], each, begin, now))), "")


async def mistake(visitor: Visitor) -> None:
    """A request that can't be answered."""
    asked = [{"role": "user", "content": "?"}]
    path, body, status, code = visitor.chance.choice(
        (
            ("/chat/completions", {"model": "nowhere", "messages": asked}, 404, "model_not_found"),
            ("/chat/completions", {"model": "harbour"}, 400, "invalid_value"),
            ("/chat/completions", {"model": "harbour", "messages": asked, "n": 2}, 400, "invalid_value"),
            ("/chat/completions", {"model": "harbour", "messages": asked, "temperature": "hot"}, 400, "invalid_value"),
            ("/search", {"domain": "harbour", "query": " "}, 400, "empty_question"),
            ("/search", {"domain": "nowhere", "query": "x"}, 404, "unknown_domain"),
            ("/search", {"domain": "harbour", "query": "x", "filters": {"colour": "red"}}, 400, "filter"),
            ("/embeddings", {"model": "balanced", "input": []}, 400, "invalid_value"),
            ("/feedback", {"id": "x", "rating": "up"}, 400, "invalid_value"),
            ("/nothing", {}, 404, "not_found"),
        )
    )
    response = await visitor.client.post(f"{visitor.address}/v1{path}", json=body)
    told = visitor.checked(response, "ErrorBody", status)
    if told["error"]["code"] != code:
        raise Wrong(f"{path}: the code {told['error']['code']} in place of {code}")


async def operations(visitor: Visitor) -> None:
    """What watches the program asks."""
    path = visitor.chance.choice(("/healthz", "/readyz", "/metrics"))
    response = await visitor.client.get(f"{visitor.address}{path}")
    allowed = (200, 503) if path == "/readyz" else (200,)
    if response.status_code not in allowed:
        raise Wrong(f"{path}: status {response.status_code}")


Visit = Callable[[Visitor], Awaitable[None]]
VISITS: Mapping[Visit, int] = {
    whole_extract: 3, whole_model: 3, stream_extract: 3, stream_model: 5, leave: 2, search: 6, embeddings: 2,
    feedback: 2, models: 1, ingest_status: 1, mcp: 4, page: 4, mistake: 3, operations: 1,
}  # fmt: skip
"""How often each comes, as shares of the whole."""


async def pause(chance: random.Random, seconds: float) -> None:
    """About so long, as people and programs do between two requests."""
    await asyncio.sleep(chance.expovariate(1 / seconds))
