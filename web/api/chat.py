"""`POST /v1/chat/completions`: a question to a domain in OpenAI's shape, whole or as it is written."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Send

from rag.models import estimate_tokens
from rag.report import answer_fields
from rag.types import Answer, Event, Failed, Finished, Question, Sampling, Token, Turn, Waiting
from web.access.caller import Caller
from web.api.errors import ApiError, failed
from web.api.schemas import ChatCompletion, ChatRequest, Details
from web.api.service import CallerOf, Service
from web.entrance import ANSWER, Place

_MOST_TURNS = 100
_MOST_CHARACTERS = 200_000
_FILTERS = "lacerta.filters"
# What some readers of event streams take for the end of a line; JSON may hold it as it is.
_LINE_ENDS = {ord(sign): f"\\u{ord(sign):04x}" for sign in "\x85\u2028\u2029"}
_STREAMED = {
    "description": "With `stream`, chunks as server-sent events, the last one `[DONE]`.",
    "content": {"text/event-stream": {}},
}

Result = TypeVar("Result")


class Left(Exception):
    """Whoever asked has closed the connection."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way; `identity` and `created` are those of its completion."""

    question: Question
    model: str
    identity: str
    created: int
    prompt: str
    include_usage: bool

    def head(self, kind: str) -> dict[str, Any]:
        return {"id": self.identity, "object": kind, "created": self.created, "model": self.model}


class EventStream(StreamingResponse):
    """Server-sent events; what makes them ends when the connection does."""

    def __init__(self, content: AsyncGenerator[str, None], headers: Mapping[str, str]) -> None:
        # Proxies must neither keep nor gather them.
        headers = {"cache-control": "no-store", "x-accel-buffering": "no", **headers}
        super().__init__(content, headers=headers, media_type="text/event-stream")
        self._content = content

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._content):
            await super().stream_response(send)


def routes(service: Service) -> APIRouter:
    """The route of chat completions."""
    router = APIRouter(tags=["chat"])

    @router.post("/chat/completions", response_model=ChatCompletion, responses={200: _STREAMED})
    async def create_chat_completion(
        body: ChatRequest, request: Request, caller: CallerOf, place: Annotated[Place, service.place(ANSWER)]
    ) -> Response:
        """Asks a domain. The answer is written from its documents alone, and checked against them."""
        asked = read(service, body, caller)
        events = place.answer(service.engine, asked.question, service.keep_alive)
        try:
            if not body.stream:
                answer = await unless_left(request, last(events))
                if place.late and not answer.text:
                    raise ApiError(504, "timeout", "No word of an answer was there in time. Ask again later.")
                return JSONResponse(completion(service, asked, answer), headers=place.headers)
            # What can't be asked is refused with a status, as nothing was sent yet.
            first = await unless_left(request, after_silence(events))
            if isinstance(first, Failed):
                await events.aclose()
                raise failed(first.code, first.message, _FILTERS)
        except Left:
            # nginx's status for this; nobody reads it.
            return Response(status_code=499)
        return EventStream(chunks(service, asked, first, events), place.headers)

    return router


def read(service: Service, body: ChatRequest, caller: Caller) -> Asked:
    """The question that a request holds. Raises ApiError."""
    domain, model = service.named(body.model, caller)
    spoken = [message for message in body.messages if message.role in ("user", "assistant")]
    if not spoken or spoken[-1].role != "user":
        raise ApiError(400, "invalid_value", "The last message should be the user's: it is the question.", "messages")
    history = tuple(Turn(message.role, message.text) for message in spoken[:-1] if message.text.strip())
    if len(history) > _MOST_TURNS:
        raise ApiError(
            400,
            "conversation_too_long",
            f"At most {_MOST_TURNS} messages may stand before the question, there are {len(history)}: leave out the"
            " oldest.",
            "messages",
        )
    characters = sum(len(turn.text) for turn in history)
    if characters > _MOST_CHARACTERS:
        raise ApiError(
            400,
            "conversation_too_long",
            f"The messages before the question may have {_MOST_CHARACTERS} characters, they have {characters}: leave"
            " out the oldest.",
            "messages",
        )
    options = body.lacerta
    language = (options and options.language) or ""
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    question = Question(
        spoken[-1].text,
        domain,
        language=language,
        interface_language=language or "en",
        history=history,
        filters=options.filters if options else {},
        sampling=Sampling(body.temperature, body.max_completion_tokens or body.max_tokens, stop, body.seed),
        model=model,
        fresh=options is not None and options.fresh,
    )
    return Asked(
        question,
        body.model,
        f"chatcmpl-{uuid.uuid4().hex}",
        int(time.time()),
        "\n".join(turn.text for turn in (*history, Turn("user", question.text))),
        body.stream_options is not None and body.stream_options.include_usage,
    )


async def unless_left(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """What the work returns. Raises Left, and ends it, when the connection closes before."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Left
        return working.result()
    finally:
        leaving.cancel()
        working.cancel()


async def last(events: AsyncGenerator[Event | None, None]) -> Answer:
    """The finished answer. Raises ApiError where there is none."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Finished):
                return event.answer
            if isinstance(event, Failed):
                raise failed(event.code, event.message, _FILTERS)
    raise ApiError(500, "internal", "The answer ended without a result.")


async def after_silence(events: AsyncGenerator[Event | None, None]) -> Event | None:
    """The first event, however long it takes."""
    async for event in events:
        if event is not None:
            return event
    return None


async def chunks(
    service: Service, asked: Asked, event: Event | None, events: AsyncGenerator[Event | None, None]
) -> AsyncGenerator[str, None]:
    """The events of a completion that has begun with `event`, as OpenAI's servers send them."""
    shown = False
    async with aclosing(events):
        yield chunk(asked, {"role": "assistant", "content": ""})
        while not isinstance(event, Finished | Failed):
            if isinstance(event, Token):
                shown = True
                yield chunk(asked, {"content": event.text})
            elif isinstance(event, Waiting):
                # Comments, which clients leave out.
                yield f": {event.position} before this one\n\n"
            elif event is None:
                yield ": waiting\n\n"
            event = await anext(events, Failed("internal", "The answer ended without a result."))
    if isinstance(event, Failed):
        yield data(failed(event.code, event.message).body())
    else:
        answer = event.answer
        if not shown and answer.text:
            yield chunk(asked, {"content": answer.text})
        whole = completion(service, asked, answer)
        evidence = whole["lacerta"] | {"text": answer.text}
        yield chunk(asked, {}, whole["choices"][0]["finish_reason"], lacerta=evidence)
        if asked.include_usage:
            yield data(asked.head("chat.completion.chunk") | {"choices": [], "usage": whole["usage"]})
    yield "data: [DONE]\n\n"


def chunk(asked: Asked, delta: Mapping[str, str], finish: str | None = None, **more: Any) -> str:
    """One event of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    usage = {"usage": None} if asked.include_usage else {}
    return data(asked.head("chat.completion.chunk") | {"choices": [choice]} | usage | more)


def data(value: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False).translate(_LINE_ENDS)}\n\n"


def completion(service: Service, asked: Asked, answer: Answer) -> dict[str, Any]:
    """The answer in OpenAI's shape; feedback on it is taken from here on."""
    service.remember(asked.identity, asked.question, answer)
    used, estimated = usage(asked, answer)
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    finish = "length" if answer.shortened else "stop"
    return asked.head("chat.completion") | {
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": used,
        "lacerta": details(answer, estimated),
    }


def details(answer: Answer, estimated: bool) -> dict[str, Any]:
    """The extra field of a completion, without the text."""
    fields = answer_fields(answer) | {"usage_estimated": estimated}
    return {name: fields[name] for name in Details.model_fields if name != "text"}


def usage(asked: Asked, answer: Answer) -> tuple[dict[str, Any], bool]:
    """Counts of tokens, and whether some are estimated: of the conversation, and of the answer as it was given."""
    known = answer.usage
    prompt, completed = known.prompt_tokens, known.completion_tokens
    estimated = prompt is None or completed is None
    prompt = estimate_tokens(asked.prompt) if prompt is None else prompt
    completed = estimate_tokens(answer.text) if completed is None else completed
    reused = prompt - known.evaluated_tokens if known.prompt_tokens and known.evaluated_tokens is not None else 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completed,
        "total_tokens": prompt + completed,
        "prompt_tokens_details": {"cached_tokens": max(reused, 0)},
    }, estimated
