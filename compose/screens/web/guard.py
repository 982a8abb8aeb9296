"""Who may ask: only the browser that was given the token, from our own page, under our own name.

Every request and every WebSocket passes here first. The page is on loopback, where other users' processes, other sites' pages
(DNS rebinding included) and containers' own pages on other ports of the same host can reach it, so each is asked for:

- ``Host`` is the address that was opened, or nothing is served (rebinding);
- ``Origin``, where there is one, is that address, and the browser's ``Sec-Fetch-Site`` says no other (other pages, forms);
- the cookie, strict same-site, was given in exchange for the token of the address; it is not the token.
"""

from __future__ import annotations

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Our own files and nothing else; no inline script or style, and no string ever becomes markup or script."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """ASGI middleware for the page at ``http://127.0.0.1:port``."""

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app = app
        self._token = token
        self._session = secrets.token_urlsafe(32)
        # Cookies are not kept apart by port: two pages of ours must not overwrite each other's.
        self._cookie = f"pycompose-ui-{port}"
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal:
            await self._refuse(scope, receive, send, refusal)
            return
        if scope["type"] == "http" and scope["path"] == "/" and b"token=" in scope["query_string"]:
            await self._exchange(scope, receive, send)
            return
        if not self._is_known(headers):
            await self._refuse(scope, receive, send, "open the address that `pycompose ui` printed: it holds the token")
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, with_headers)

    def _refusal(self, scope: Scope, headers: Headers) -> str:
        if headers.get("host") not in self._hosts:
            return "this page has another name"
        own = f"http://{headers['host']}"
        origin = headers.get("origin")
        if origin is not None and origin != own:
            return "another site's page asked"
        if origin is None and (scope["type"] == "websocket" or scope.get("method") not in ("GET", "HEAD")):
            return "no page of ours asked"
        site = headers.get("sec-fetch-site", "none")
        navigates = headers.get("sec-fetch-mode", "navigate") == "navigate" and scope["path"] == "/"
        if site == "same-origin" or (site == "none" and origin is None) or scope["type"] == "websocket":
            return ""
        return "" if navigates and scope.get("method") == "GET" else "another site's page asked"

    def _is_known(self, headers: Headers) -> bool:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return found is not None and hmac.compare_digest(found.value.encode(), self._session.encode())

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            await self._refuse(scope, receive, send, "this token is wrong or of an earlier `pycompose ui`")
            return
        response = RedirectResponse("/", 303, HEADERS)
        response.set_cookie(self._cookie, self._session, path="/", httponly=True, samesite="strict")
        await response(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, why: str) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": why})
            return
        await PlainTextResponse(f"403: {why}\n", 403, HEADERS)(scope, receive, send)
