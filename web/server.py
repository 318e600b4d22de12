"""The HTTP server: the page in each language, its files, `/metrics`, and the headers that hold every response."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from gradio import mount_gradio_app
from starlette.routing import Route

from ingest.visits import Visits
from rag.answer import Engine
from rag.settings import LANGUAGES, ROOT, Settings
from web import api, health
from web.access.address import Proxies
from web.access.caller import Caller
from web.access.door import Door
from web.access.keys import Keys
from web.access.login import routes as login_routes
from web.access.origin import Origin
from web.access.visitors import Visitors
from web.api.given import given_answers
from web.api.ratings import Ratings
from web.dress import NONCE, Dress
from web.entrance import Entrance
from web.files import Files
from web.front import App, Front, Message, Receive, Scope, Send
from web.head import head_html
from web.joined import made
from web.limit import Limit
from web.maintain.journal import Journal
from web.mcp import Endpoint
from web.metrics import Metrics
from web.observe import observe
from web.page import Answering, build
from web.routes import documents, export, feedback, maintain, search, state
from web.sources import routes as sources
from web.sources.pictures import Pictures
from web.stopping import Flow
from web.texts import LANGUAGE_COOKIE, preferred_language
from web.theme import STATIC, theme

_POLICY = (
    "default-src 'self'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# Gradio builds its components' templates with Function.
_PAGE_SCRIPTS = " 'nonce-{nonce}' 'unsafe-eval'"
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With no-referrer browsers would hide their origin from this one, too, where a form is sent.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(self), payment=(), usb=()",
}
# What the page asks of Gradio. Uploads, the file cache, its proxy and the rest of its routes are closed.
GRADIO_PATHS = (
    "assets/", "static/", "theme.css", "config", "gradio_api/queue/", "gradio_api/heartbeat/", "gradio_api/run/",
    "gradio_api/cancel", "gradio_api/reset", "gradio_api/startup-events", "gradio_api/info",
    # Asked for again and again where the connection was lost, until the page can be loaded anew.
    "gradio_api/app_id",
)  # fmt: skip


class Guard:
    """ASGI middleware: closes the routes that the page does not need and adds the security headers.

    Scripts that stand in the page itself run by a nonce, a new one each time, which `Dress` gives them.
    `refuse` gives the answer to a request that may not pass, None to the others.
    """

    def __init__(self, app: App, refuse: Callable[[Scope], Response | None]) -> None:
        self.app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        language, _, inside = scope["path"].removeprefix("/").partition("/")
        nonce = secrets.token_urlsafe(16) if language in LANGUAGES and not inside else ""
        scripts = _PAGE_SCRIPTS.format(nonce=nonce) if nonce else ""
        # In the very scope that the route is written into for the log and the counts.
        scope[NONCE] = nonce

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = {"content-security-policy": _POLICY.format(scripts=scripts), **SECURITY_HEADERS}
                ours = [(name.encode(), value.encode()) for name, value in headers.items()]
                message["headers"] = [*message.get("headers", []), *ours]
            await send(message)

        if language in LANGUAGES and inside and not inside.startswith(GRADIO_PATHS):
            await PlainTextResponse("Not found", status_code=404)(scope, receive, send_guarded)
        else:
            await (self._refuse(scope) or self.app)(scope, receive, send_guarded)


def create(engine: Answering) -> FastAPI:
    """The application; each language's page is mounted at `/<language>/`.

    Its `state.flow` tells how many answers are being written, and ends them.
    """
    settings = engine.settings if isinstance(engine, Engine) else Settings()
    flow, metrics = Flow(settings.stop_seconds), Metrics(settings, engine.domains)
    entrance = Entrance(settings, metrics)
    journal = Journal(settings, engine.domains)
    whole = observe(engine, metrics, flow, settings.log_questions, journal) if isinstance(engine, Engine) else None
    ratings = Ratings(whole, given_answers(settings)) if whole else None
    engine = whole or observe(engine, metrics, flow, settings.log_questions)
    assistants = Endpoint(whole, entrance) if whole else None
    pictures = Pictures()
    own = Visits(whole) if whole else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(pictures.close)
            if own:
                own.start()
                stack.callback(own.close)
            if assistants:
                await stack.enter_async_context(assistants.run())
            yield

    app = FastAPI(title="Lacerta", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.flow = flow
    if assistants:
        app.router.routes.append(Route("/mcp", assistants, methods=["POST"]))
    if whole:
        app.router.routes.append(api.mount(whole, entrance))
        app.router.routes.append(sources.mount(whole, entrance, pictures))
        app.router.routes.append(state.mount(whole))
        app.router.routes.append(search.mount(whole, entrance))
        app.router.routes.append(export.mount(whole, entrance))
    if own:
        app.router.routes.append(documents.mount(own, entrance))
    if ratings:
        app.router.routes.append(feedback.mount(settings, ratings, entrance))
    proxies = Proxies(settings)
    visitors = Visitors(settings, proxies)
    # The last is the outermost.
    app.add_middleware(Files, made=made())
    app.add_middleware(Dress, heads={language: head_html(language) for language in LANGUAGES})
    app.add_middleware(Limit, seconds=settings.request_seconds, document_bytes=settings.visit_file_bytes)
    app.add_middleware(Door, settings=settings, keys=Keys(settings), visitors=visitors, proxies=proxies)
    app.add_middleware(Origin, settings=settings, proxies=proxies)
    app.add_middleware(Guard, refuse=flow.refusal)
    app.add_middleware(Front, metrics=metrics)
    app.include_router(health.router(whole, flow))
    app.include_router(login_routes(visitors, proxies))
    if whole:
        app.include_router(maintain.routes(whole, entrance, visitors, journal))

    @app.get("/metrics")
    def measured(request: Request) -> Response:
        content, media_type = metrics.render(request.headers.get("accept", ""))
        return Response(content, headers={"content-type": media_type})

    @app.get("/")
    async def home(request: Request) -> Response:
        """To the page in the language asked for, that chosen before, or that of the browser."""
        chosen = request.query_params.get("language", "")
        language = chosen or request.cookies.get(LANGUAGE_COOKIE, "")
        if language not in LANGUAGES:
            chosen, language = "", preferred_language(request.headers.get("accept-language", ""))
        target = request.url.include_query_params().remove_query_params("language")
        response = RedirectResponse(f"/{language}/{'?' + target.query if target.query else ''}", status_code=303)
        response.headers["vary"] = "Accept-Language, Cookie"
        if chosen:
            response.set_cookie(LANGUAGE_COOKIE, language, max_age=365 * 24 * 3600, httponly=True, samesite="lax")
        return response

    @app.get("/favicon.ico")
    async def favicon() -> Response:
        return _static("lizard.svg", "image/svg+xml")

    @app.get("/manifest.json")
    async def manifest() -> Response:
        # Gradio's page asks for one at the root whether or not it may be installed.
        return JSONResponse({"name": "Lacerta", "icons": [{"src": "/static/lizard.svg", "sizes": "any"}]})

    app.mount("/static", StaticFiles(directory=STATIC))
    # Where visitors differ, none reads of another's domains in what is the same for all.
    shown = {} if visitors.needed else Caller().visible(engine.domains)
    remember = ratings.remember if ratings and settings.feedback else None
    for language in LANGUAGES:
        page = build(engine, language, entrance, shown, whole, remember)
        mount_gradio_app(
            app, page, f"/{language}", footer_links=[], run_history=False,
            allowed_paths=[], blocked_paths=[str(ROOT), str(Path.home())], show_error=False, max_file_size=1,
            ssr_mode=False, enable_monitoring=False, pwa=False, mcp_server=False, theme=theme(),
        )  # fmt: skip
    return app


def _static(name: str, media_type: str) -> Response:
    return Response((STATIC / name).read_bytes(), media_type=media_type)
