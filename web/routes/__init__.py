"""The page's own small routes: what its scripts ask for beside the chat. They may change with the page.

Each is an application of its own, mounted at a path; errors have the shape of the interface for programs.
"""

import re

from fastapi import FastAPI
from starlette.routing import Mount

from web.api.errors import add_handlers


def application(title: str) -> FastAPI:
    """An application whose every error has the usual shape."""
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None)
    add_handlers(app)
    return app


def mounted(path: str, app: FastAPI) -> Mount:
    """The application at a path of another one; `web.front` must know that path, too."""
    found = Mount(path, app)
    # A path with an encoded line break is ours too, and gets an error in the same shape.
    found.path_regex = re.compile(found.path_regex.pattern, re.DOTALL)
    return found
