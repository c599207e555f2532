"""Who is let in: only those who have the token, and only by the address that was printed.

A page of someone else's in the same browser can send requests here. The exact Host check stops
names that were made to point here (DNS rebinding), the cookie is never sent from other sites, and
no answer may be read, framed or run elsewhere.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from msgspec import json
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_OUTSIDE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>decisionlog</title>
<h1>This viewer lets in only those with its token</h1>
<p>Open the whole address that <code>decisionlog view</code> printed, with <code>?token=</code> and
what follows.</p></html>"""


def new_token() -> str:
    """256 bits that nobody can guess."""
    return secrets.token_urlsafe(32)


def refusal(status: int, kind: str, message: str) -> Response:
    """An error as the API tells it."""
    body = json.encode({"error": {"type": kind, "message": message}})
    return Response(body, status, media_type="application/json")


class Guard:
    """Stands before the application; what it lets through is for someone who has the token."""

    def __init__(self, app: ASGIApp, *, token: str, hosts: frozenset[str], port: int) -> None:
        self._app = app
        self._token = token
        self._hosts = hosts
        self._origins = frozenset(f"http://{host}" for host in hosts)
        self._cookie = f"decisionlog-{port}"  # two viewers on one host do not fight over it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, let in, or pass on; every answer bears the same headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = self._answer(scope) or self._app
        await answer(scope, receive, send_with_headers)

    def _answer(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if headers.getlist("host") not in [[host] for host in self._hosts]:
            return refusal(403, "WrongHost", "this viewer answers only at the address it printed")
        if any(origin not in self._origins for origin in headers.getlist("origin")):
            return refusal(403, "WrongOrigin", "this viewer answers no other site")
        if scope["method"] not in ("GET", "HEAD"):
            return refusal(405, "WrongMethod", "this viewer only reads: GET and HEAD")
        if scope["path"] == "/" and (given := _token_in(scope["query_string"])) is not None:
            if not self._is_right(given):
                return HTMLResponse(_OUTSIDE, 401)
            entered = RedirectResponse("/", 303)
            entered.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
            return entered
        if self._is_known(headers):
            return None
        if scope["path"].startswith("/api/"):
            what = "open the address that `decisionlog view` printed, or send its token"
            return refusal(401, "NotAllowed", f"{what} as `Authorization: Bearer TOKEN`")
        return HTMLResponse(_OUTSIDE, 401)

    def _is_known(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._is_right(given.strip())
        # SimpleCookie reads none at all when another program's is odd: they share the host.
        cookies = cookie_parser(headers.get("cookie", ""))
        return self._is_right(cookies.get(self._cookie, ""))

    def _is_right(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._token.encode())


def _token_in(query: bytes) -> str | None:
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("token")
    return given[-1] if given else None
