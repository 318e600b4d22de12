"""The login page: `/login` and `/logout`. Its only script chooses between light and dark: nothing but the
server sees a password.
"""

import logging
import math
from html import escape
from urllib.parse import urlencode, urlsplit

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from rag.settings import LANGUAGES
from web.access.address import Proxies
from web.access.attempts import Attempts
from web.access.visitors import COOKIE, COOKIE_SECONDS, Visitors
from web.mascot import mascot_html
from web.texts import preferred_language, texts

_LOG = logging.getLogger(__name__)
_ATTEMPTS_SECONDS = 15 * 60
# Whoever guesses has many addresses; whoever mistypes has one name.
_BY_ADDRESS, _BY_NAME = 20, 60
# Each takes 32 MiB and a core.
_CHECKS, _WAITING = 2, 20
_PATH_CHARACTERS = 2000


def routes(visitors: Visitors, proxies: Proxies) -> APIRouter:
    """The routes of the login page."""
    router = APIRouter(include_in_schema=False)
    by_address, by_name = Attempts(_BY_ADDRESS, _ATTEMPTS_SECONDS), Attempts(_BY_NAME, _ATTEMPTS_SECONDS)
    checks = anyio.CapacityLimiter(_CHECKS)

    @router.get("/login")
    async def show(request: Request) -> Response:
        target = local_path(request.query_params.get("next", ""))
        if not visitors.has_logins:
            return _page(request, target, "login_elsewhere", 403)
        if visitors.caller(request.scope):
            return RedirectResponse(target, status_code=303)
        return _page(request, target)

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=10) as form:
            sent = {key: value for key, value in form.items() if isinstance(value, str)}
        target = local_path(sent.get("next", ""))
        name, address = sent.get("name", "").strip().lower(), proxies.address(request.scope)
        # Names that no login can have need not be told apart.
        counted = name if len(name) <= 40 else ""
        wait = max(by_address.wait(address), by_name.wait(counted))
        if wait or checks.statistics().tasks_waiting >= _WAITING:
            answer = _page(request, target, "login_wait", 429, name)
            answer.headers["retry-after"] = str(math.ceil(wait) or 1)
            return answer
        # Counted before it is known to be wrong: of many at once each counts.
        by_address.add(address)
        by_name.add(counted)
        if not await anyio.to_thread.run_sync(visitors.check, name, sent.get("password", ""), limiter=checks):
            _LOG.warning("A login failed.")
            return _page(request, target, "login_wrong", 403, name)
        by_address.take_back(address)
        by_name.take_back(counted)
        response = RedirectResponse(target, status_code=303)
        response.set_cookie(
            COOKIE, visitors.cookie(name), max_age=COOKIE_SECONDS, httponly=True, samesite="lax",
            secure=proxies.secure(request.scope),
        )  # fmt: skip
        return response

    @router.post("/logout")
    async def log_out(request: Request) -> Response:
        target = local_path(request.query_params.get("next", ""))
        response = RedirectResponse(f"/login?{urlencode({'next': target})}", status_code=303)
        response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=proxies.secure(request.scope))
        return response

    return router


def local_path(target: str) -> str:
    """The path to go to, `/` in place of one that leads elsewhere or could be read so."""
    plain = target.isprintable() and not any(sign.isspace() or sign == "\\" for sign in target)
    if not plain or not target.startswith("/") or target.startswith("//") or len(target) > _PATH_CHARACTERS:
        return "/"
    return "/" if urlsplit(target).path.rstrip("/") in ("/login", "/logout") else target


def _page(request: Request, target: str, message: str = "", status: int = 200, name: str = "") -> Response:
    first = target.split("/")[1].partition("?")[0]
    language = first if first in LANGUAGES else preferred_language(request.headers.get("accept-language", ""))
    rest = target.removeprefix(f"/{first}") if first in LANGUAGES else "/"
    strings = {key: escape(text) for key, text in texts(language).items()}
    links = "".join(
        f'<a href="/login?{escape(urlencode({"next": f"/{code}{rest}"}))}" lang="{code}" hreflang="{code}"'
        f"{' aria-current=true' if code == language else ''}>{escape(texts(code)['language'])}</a>"
        for code in LANGUAGES
    )
    said = f'<p class="failure" id="said" role="alert">{strings[message]}</p>' if message else ""
    describes = ' aria-describedby="said"' if message else ""
    # After a wrong password it is that which is typed again.
    focus = ("", " autofocus") if name else (" autofocus", "")
    form = (
        f'<form method="post" action="/login"><input type="hidden" name="next" value="{escape(target)}">'
        f'<label for="name">{strings["login_name"]}</label>'
        f'<input id="name" name="name" value="{escape(name[:100])}" autocomplete="username" autocapitalize="none"'
        f' spellcheck="false" maxlength="100" required{describes}{focus[0]}>'
        f'<label for="password">{strings["login_password"]}</label>'
        f'<input id="password" name="password" type="password" autocomplete="current-password" maxlength="1000"'
        f" required{describes}{focus[1]}>"
        f'<button type="submit">{strings["log_in"]}</button></form>'
    )
    content = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="robots" content="noindex"><title>{strings["log_in"]} · Lacerta</title>'
        '<link rel="icon" type="image/svg+xml" href="/static/lizard.svg">'
        '<script src="/static/js/theme.js"></script><link rel="stylesheet" href="/static/css/tokens.css">'
        '<link rel="stylesheet" href="/static/css/login.css"></head><body><main>'
        f"{mascot_html('sorry' if message else 'hello')}"
        f"<h1>Lacerta</h1><p>{strings['tagline']}</p>{said}{'' if message == 'login_elsewhere' else form}"
        f'<nav aria-label="{strings["interface_language"]}">{links}</nav></main></body></html>'
    )
    return HTMLResponse(content, status, {"cache-control": "no-store"})
