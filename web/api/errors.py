"""Errors in the shape of OpenAI's interface, with its status codes, for everything that can go wrong under `/v1`."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from web.entrance import Refused

_STATUS = {
    "empty_question": 400,
    "too_long": 400,
    "language": 400,
    "filter": 400,
    "unknown_domain": 404,
    "no_index": 503,
    "bad_index": 503,
}
_CODES = {404: "not_found", 405: "method_not_allowed"}
_LONGEST = 300


class ApiError(Exception):
    """A response with an error: `code` for programs, `message` for people, `parameter` the field that is wrong."""

    def __init__(self, status: int, code: str, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.parameter = parameter

    def body(self) -> dict[str, Any]:
        """https://platform.openai.com/docs/guides/error-codes"""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        if self.status == 429:
            kind = "rate_limit_error"
        return {"error": {"message": self.message, "type": kind, "param": self.parameter, "code": self.code}}


def failed(code: str, message: str, parameter: str | None = None) -> ApiError:
    """A question that failed, by the code of its event."""
    return ApiError(_STATUS.get(code, 500), code, message, parameter if code == "filter" else None)


def add_handlers(app: FastAPI) -> None:
    """Every error of the application takes this shape."""

    @app.exception_handler(ApiError)
    async def known(request: Request, error: ApiError) -> JSONResponse:
        return JSONResponse(error.body(), error.status)

    @app.exception_handler(Refused)
    async def busy(request: Request, error: Refused) -> JSONResponse:
        return JSONResponse(ApiError(429, error.code, str(error)).body(), 429, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        # Of the alternatives that a value could have been, the one it came nearest to.
        detail = max(error.errors(), key=lambda detail: len(detail["loc"]))
        parameter = _path(detail["loc"])
        if detail["type"] == "json_invalid":
            parameter = ""
        said = detail["msg"].removeprefix("Value error, ")
        message = f"{parameter}: {said}" if parameter else f"The body is not as it should be: {said}"
        return await known(request, ApiError(400, "invalid_value", message[:_LONGEST], parameter or None))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "invalid_request" if error.status_code < 500 else "internal")
        body = ApiError(error.status_code, code, str(error.detail)).body()
        return JSONResponse(body, error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        return await known(request, ApiError(500, "internal", "Something went wrong here. It has been logged."))


def _path(places: Sequence[int | str]) -> str:
    """`("body", "messages", 0, "content", "list[TextPart]", 1)` as `messages[0].content[1]`."""
    path = ""
    for place in places[1:]:
        if isinstance(place, int):
            path += f"[{place}]"
        elif place.isidentifier() and place not in ("str", "list", "bool", "int", "float"):
            path += f".{place}" if path else place
    return path[:100]
