"""`POST /v1/embeddings`: texts as the vectors that the indexes are made of."""

import base64
import json
import logging
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from rag.errors import LacertaError
from rag.models import estimate_tokens, public_name
from web.api.errors import ApiError, failed
from web.api.schemas import EmbeddingList, EmbeddingRequest
from web.api.service import Service
from web.entrance import SEARCH, Place

_LOG = logging.getLogger(__name__)
_MOST_CHARACTERS = 500_000


def routes(service: Service) -> APIRouter:
    """The route of embeddings."""
    router = APIRouter(tags=["embeddings"])

    @router.post("/embeddings", response_model=EmbeddingList)
    async def create_embeddings(body: EmbeddingRequest, place: Annotated[Place, service.place(SEARCH)]) -> Any:
        """Unit vectors of float32; base64 holds them in little-endian order."""
        texts = [body.input] if isinstance(body.input, str) else body.input
        name = public_name(service.settings.embedder)
        if body.model != name:
            raise ApiError(
                404, "model_not_found", f"The model {body.model[:100]!r} does not exist: it is {name}.", "model"
            )
        characters = sum(map(len, texts))
        if characters > _MOST_CHARACTERS:
            message = f"The texts may have {_MOST_CHARACTERS} characters together, they have {characters}: send fewer."
            raise ApiError(400, "input_too_long", message, "input")
        written = await place.run(_written, service, texts, body)
        return Response(written, headers=place.headers, media_type="application/json")

    return router


def _written(service: Service, texts: list[str], body: EmbeddingRequest) -> str:
    """The response, written row by row: in one piece, megabytes of numbers would hold up everyone else's answers."""
    vectors = _embed(service, texts, body)
    rows = (
        json.dumps({"object": "embedding", "index": index, "embedding": vector}) for index, vector in enumerate(vectors)
    )
    tokens = sum(map(estimate_tokens, texts))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    rest = json.dumps({"object": "list", "model": body.model, "usage": usage})
    return f'{rest[:-1]}, "data": [{", ".join(rows)}]}}'


def _embed(service: Service, texts: list[str], body: EmbeddingRequest) -> list[Any]:
    import numpy as np

    try:
        embedder = service.engine.embedder
        if body.dimensions not in (None, embedder.dimension):
            message = f"dimensions can only be {embedder.dimension}, is now {body.dimensions}."
            raise ApiError(400, "invalid_value", message, "dimensions")
        if body.input_type == "query":
            rows = np.stack([embedder.embed_query(text) for text in texts])
        else:
            rows = embedder.embed_passages(texts)
    except LacertaError as error:
        _LOG.error("%s", error)
        raise failed("configuration", "The embedder can't be used.") from error
    if body.encoding_format == "base64":
        return [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in rows]
    return [row.tolist() for row in rows]
