"""`/healthz`: the process answers. `/readyz`: it can answer questions, or why it can't."""

import logging
import os
import shutil
from collections.abc import Mapping
from typing import Protocol

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from rag.settings import Domain, Settings
from web.doctor.machine import LEAST_DISK_BYTES
from web.stopping import Flow

_LOG = logging.getLogger(__name__)


class Examined(Protocol):
    """What is asked of an engine."""

    settings: Settings

    @property
    def domains(self) -> Mapping[str, Domain]: ...

    def lacking(self) -> Mapping[str, str]: ...


def router(engine: Examined | None, flow: Flow) -> APIRouter:
    """Both routes; without an engine to ask, the process alone is ready or not."""
    routes = APIRouter()

    @routes.get("/healthz", include_in_schema=False)
    async def alive() -> Response:
        return JSONResponse({"status": "ok"})

    @routes.get("/readyz", include_in_schema=False)
    def ready() -> Response:
        reasons = unready(engine, flow)
        if reasons:
            return JSONResponse({"status": "unready", "reasons": reasons}, status_code=503)
        return JSONResponse({"status": "ready"})

    return routes


def unready(engine: Examined | None, flow: Flow) -> list[dict[str, str]]:
    """Why questions can't be answered, each as `check`, `reason` and for a domain `domain`; empty where they can.

    Anyone may read it, so it names no file and no private domain: `make doctor` does.
    """
    reasons = []
    if flow.stopping.is_set():
        reasons.append({"check": "process", "reason": "it is being stopped"})
    if engine is None:
        return reasons
    for domain, reason in engine.lacking().items():
        named = {"domain": domain} if domain and not engine.domains[domain].private else {}
        reasons.append({"check": "index" if domain else "embedder", **named, "reason": reason})
    var = engine.settings.var
    try:
        free = shutil.disk_usage(var).free
    except OSError as error:
        _LOG.warning("The folder %s can't be used: %s", var, error.strerror)
        return [*reasons, {"check": "var", "reason": "its folder can't be used"}]
    if not os.access(var, os.W_OK | os.X_OK):
        reasons.append({"check": "var", "reason": "its folder can't be written"})
    if free < LEAST_DISK_BYTES:
        reasons.append({"check": "disk", "reason": f"{free} bytes are free, {LEAST_DISK_BYTES} are needed"})
    return reasons
