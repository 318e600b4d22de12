"""`/state/{domain}`: how a domain stands, for the page: is there an index, is it being brought up to date, who answers?

Where visitors come from this machine alone, the command that helps stands with it.
"""

import os
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request
from fastapi.responses import JSONResponse
from starlette.routing import Mount

from rag.answer import Engine
from rag.index import current_version, domain_index_folder
from rag.models import EXTRACTIVE, model_names, public_name
from rag.settings import Settings
from web.access.address import is_local
from web.access.caller import caller_of
from web.api.errors import ApiError
from web.routes import application, mounted
from web.work import Pool

_LOCK = "LOCK"
MODEL_COMMAND = "make model"


def mount(engine: Engine) -> Mount:
    """The application at `/state` of another one."""
    return mounted("/state", create(engine))


def create(engine: Engine) -> FastAPI:
    """An application to be mounted."""
    app = application("How a domain stands")
    run = Pool(1, "state").run

    @app.get("/{domain}")
    async def state(request: Request, domain: Annotated[str, Path(max_length=100)]) -> JSONResponse:
        """What the page says above the conversation. Looking is no request of a budget."""
        if domain not in caller_of(request).visible(engine.domains):
            raise ApiError(404, "unknown_domain", f"There is no domain {domain[:100]!r}.")
        return JSONResponse(await run(state_of, engine, domain), headers={"cache-control": "no-store"})

    return app


def state_of(engine: Engine, domain: str) -> dict[str, Any]:
    """`index` is `ready`, `none`, `broken` or `opening`; `reading` tells that an ingest runs on this machine.

    `created` is when the version that is served was made, ISO 8601, empty where there is none. `model` is what answers
    first, `opening` tells that one is being opened. `commands` are for whoever sits at this machine.
    """
    settings = engine.settings
    lacking = engine.lacking()
    index = "opening" if "" in lacking else "ready" if domain not in lacking else "broken"
    if index != "opening" and current_version(settings, domain) is None:
        index = "none"
    created = ""
    if index == "ready":
        with engine.index(domain) as opened:
            created = opened.manifest.created
    first = model_names(settings)[0]
    found: dict[str, Any] = {
        "index": index,
        "reading": is_reading(settings, domain),
        "created": created if _is_date(created) else "",
        "model": public_name(first),
        "opening": bool(engine.opening()),
    }
    if is_local(settings):
        found["commands"] = {"ingest": f"make ingest DOMAIN={domain}"} | (
            {"model": MODEL_COMMAND} if first == EXTRACTIVE else {}
        )
    return found


def is_reading(settings: Settings, domain: str) -> bool:
    """Whether a process of this machine holds the lock of the domain's ingest.

    The lock itself is left alone: an ingest that begins meanwhile would find it taken.
    """
    try:
        holder = int((domain_index_folder(settings, domain) / _LOCK).read_text(encoding="utf-8"))
        if holder <= 0:
            return False
        os.kill(holder, 0)
    except PermissionError:
        return True
    # None was ever held, it was given back, or whoever held it has died.
    except (OSError, ValueError, OverflowError):
        return False
    return True


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
