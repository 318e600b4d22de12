"""`GET /v1/models` and `GET /v1/ingest/{domain}`: what can be asked, and what its index was made of."""

from typing import Annotated, Any

from fastapi import APIRouter

from ingest.report import load_report
from rag.errors import IndexUnavailable
from rag.index import Manifest, current_version, domain_index_folder
from web.access.caller import Caller
from web.api.errors import failed
from web.api.schemas import IngestStatus, ModelList
from web.api.schemas import Model as ModelSchema
from web.api.service import CallerOf, Service
from web.entrance import SEARCH, Place

_COUNTS = ("added", "updated", "unchanged", "removed", "renamed", "failed", "embedded")


def routes(service: Service) -> APIRouter:
    """The routes of domains."""
    router = APIRouter()
    # Looking something up is a moment's work, and no request of anyone's budget.
    Looking = Annotated[Place, service.place(SEARCH, counted=False)]

    @router.get("/models", response_model=ModelList, tags=["models"])
    async def list_models(caller: CallerOf, place: Looking) -> Any:
        """Every domain, and every domain with each of the models that can answer it."""
        return {"object": "list", "data": await place.run(_models, service, caller)}

    @router.get("/models/{model:path}", response_model=ModelSchema, tags=["models"])
    async def retrieve_model(model: str, caller: CallerOf, place: Looking) -> Any:
        """One of them."""
        domain, _ = service.named(model, caller)
        return await place.run(_model, service, model, domain)

    @router.get("/ingest/{domain}", response_model=IngestStatus, tags=["domains"])
    async def ingest_status(domain: str, caller: CallerOf, place: Looking) -> Any:
        """What the last ingest did that made the version which serves now. Names no document."""
        return await place.run(_status, service, service.domain(domain, caller, None))

    return router


def _models(service: Service, caller: Caller) -> list[dict[str, Any]]:
    domains = service.domains(caller)
    names = [(domain, domain) for domain in domains]
    # In the order in which they are tried.
    models = list(reversed(service.models))
    names += [(f"{domain}@{model}", domain) for domain in domains for model in models]
    return [_model(service, name, domain) for name, domain in names]


def _model(service: Service, name: str, domain: str) -> dict[str, Any]:
    described = service.engine.domains[domain]
    pointer = domain_index_folder(service.settings, domain) / "CURRENT"
    ready = current_version(service.settings, domain) is not None
    return {
        "id": name,
        "object": "model",
        "created": int(pointer.stat().st_mtime) if ready else 0,
        "owned_by": "lacerta",
        "lacerta": {
            "title": dict(described.title),
            "description": dict(described.description),
            "languages": list(described.languages),
            "ready": ready,
        },
    }


def _status(service: Service, domain: str) -> dict[str, Any]:
    version = current_version(service.settings, domain)
    if version is None:
        raise failed("no_index", f"The domain {domain} has no index yet.")
    folder = domain_index_folder(service.settings, domain) / version
    try:
        manifest = Manifest.load(folder)
    except IndexUnavailable as error:
        raise failed("bad_index", f"The index of the domain {domain} can't be read.") from error
    report = load_report(folder)
    counts = {name: report[name] for name in _COUNTS if isinstance(report.get(name), int)}
    if isinstance(report.get("warnings"), list):
        counts["warnings"] = len(report["warnings"])
    return counts | {
        "domain": domain,
        "version": version,
        "created": manifest.created,
        "documents": len(manifest.documents),
        "chunks": manifest.chunks,
    }
