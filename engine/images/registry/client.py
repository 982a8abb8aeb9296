"""One registry as HTTP: finds the scheme that works, climbs the authentication ladder, follows blob redirects.

    no credentials ─401 Bearer─► token (anonymous, password or identity token) ─► request
                   ─401 Basic──► user name and password ─────────────────────────► request

Credentials belong to the registry's origin (scheme, host and port): a challenge counts only when it comes from there, and whoever
else a redirection or a Location leads to gets none (CVE-2020-15157). The token server may be another host, since the registry
itself names it, but is spoken to no less safely than the registry.

Status codes become the engine's errors here, in Docker's words; what a body means is for pull and push.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import urlencode, urlsplit

from ...errors import EngineError, NotFound, Unauthorized, Unavailable
from ..transport import joined, origin
from .endpoints import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from urllib3.response import BaseHTTPResponse

    from ..transport import Body, Origin, Transport
    from ..types import Auth
    from .endpoints import Endpoint

_PARAMETER = re.compile(r'([a-zA-Z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_LARGEST_ANSWER = 1 << 20
_MAXIMUM_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class RegistryError(EngineError):
    """A registry answered with an error that has no better kind. ``code`` is its first error code, upper case."""

    status = 500

    def __init__(self, message: str, http_status: int, code: str = "") -> None:
        super().__init__(message)
        self.http_status = http_status
        self.code = code


class Denied(Unauthorized):
    """401 or 403 after all credentials were tried."""


@runtime_checkable
class Repeatable(Protocol):
    """A request body that can be sent once more."""

    def rewind(self) -> None: ...


class Registry:
    """A registry endpoint for one set of credentials. Thread-safe."""

    def __init__(self, transport: Transport, endpoint: Endpoint, auth: Auth | None) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._auth = auth if auth and not endpoint.mirror else None
        self._lock = threading.Lock()
        self._base: tuple[str, bool] | None = None
        self._tokens: dict[str, tuple[str, float]] = {}
        self._challenge: tuple[str, dict[str, str]] | None = None

    @property
    def is_mirror(self) -> bool:
        return self._endpoint.mirror

    def request(
        self,
        method: str,
        path: str,
        *,
        scope: str = "",
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        retry: bool = True,
    ) -> BaseHTTPResponse:
        """One exchange, authenticated as far as the registry asks. ``path`` is below /v2/, or an absolute URL.

        ``scope`` is what a token is asked for (``repository:library/debian:pull``). Raises Denied, Unavailable; any other
        status is the caller's. The response is streamed; release it.
        """
        base, insecure = self._reach()
        url = path if "://" in path else f"{base}/v2/{path}"
        own = origin(base)
        for attempt in range(3):
            if attempt and isinstance(body, Repeatable):
                body.rewind()
            all_headers = dict(headers or {})
            if origin(url) == own and (value := self._authorization(scope, base, insecure)):
                all_headers["Authorization"] = value
            response, answered_by = self._follow(method, url, all_headers, body, insecure, retry)
            if response.status != 401 or answered_by != own:
                return response
            challenge = parse_challenge(response.headers.get_all("WWW-Authenticate") or ())
            message = error_text(response)
            if challenge is None or attempt == 2 or (attempt == 1 and challenge == self._challenge):
                raise Denied(message)
            with self._lock:
                self._challenge = challenge
                self._tokens.pop(scope, None)
        raise AssertionError("unreachable")

    def _follow(
        self, method: str, url: str, headers: dict[str, str], body: Body, insecure: bool, retry: bool
    ) -> tuple[BaseHTTPResponse, Origin]:
        """The answer, and whose it is."""
        first = origin(url)
        for _ in range(_MAXIMUM_REDIRECTS):
            response = self._transport.request(method, url, headers=headers, body=body, insecure=insecure, retry=retry)
            location = response.headers.get("Location", "")
            if method not in ("GET", "HEAD") or response.status not in _REDIRECTS or not location:
                return response, origin(url)
            response.drain_conn()
            response.release_conn()
            target = joined(url, location)
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https" and not insecure:
                raise Unavailable(f"{urlsplit(url).netloc} redirects from https to {urlsplit(target).scheme}: refused")
            if origin(target) != first:
                # Storage elsewhere has its own signature in the URL, and must not see our credentials.
                headers = {key: value for key, value in headers.items() if key != "Authorization"}
            url = target
        raise Unavailable(f"{urlsplit(url).netloc}: too many redirects")

    def absolute(self, location: str) -> str:
        """A Location header's value as an absolute URL."""
        return joined(f"{self._reach()[0]}/v2/", location)

    # reaching ------------------------------------------------------------------------------------------------------
    def _reach(self) -> tuple[str, bool]:
        """The first base URL that answers."""
        with self._lock:
            if self._base is not None:
                return self._base
            if len(self._endpoint.urls) == 1:
                self._base = self._endpoint.urls[0]
                return self._base
            failure: Unavailable | None = None
            for url, insecure in self._endpoint.urls:
                try:
                    response = self._transport.request("GET", f"{url}/v2/", insecure=insecure, retry=False)
                except Unavailable as error:
                    # The last message wins unless nothing listens at all, where all say the same.
                    failure = error
                    continue
                response.drain_conn()
                response.release_conn()
                if response.status == 400 and url.startswith("http://"):
                    continue
                self._base = (url, insecure)
                return self._base
            raise failure or Unavailable(f"registry {self._endpoint.domain} does not answer")

    # authentication ------------------------------------------------------------------------------------------------
    def _authorization(self, scope: str, base: str, insecure: bool) -> str:
        auth = self._auth
        if auth is not None and auth.registry_token:
            return f"Bearer {auth.registry_token}"
        with self._lock:
            challenge = self._challenge
            token = self._tokens.get(scope)
        if challenge is None:
            return ""
        scheme, parameters = challenge
        if scheme == "basic":
            return _basic(auth) if auth is not None and auth.username else ""
        if token is not None and token[1] > time.monotonic():
            return f"Bearer {token[0]}"
        text, lifetime = self._token(parameters, scope, base, insecure)
        with self._lock:
            self._tokens[scope] = (text, time.monotonic() + lifetime)
        return f"Bearer {text}"

    def _token(self, parameters: Mapping[str, str], scope: str, base: str, insecure: bool) -> tuple[str, float]:
        """Distribution's token specification: GET with basic authentication, or OAuth2 POST with an identity token."""
        realm = joined(f"{base}/v2/", parameters.get("realm", ""))
        insecure = self._checked_realm(base, realm, insecure)
        service = parameters.get("service", "")
        scopes = scope or parameters.get("scope", "")
        auth = self._auth
        if auth is not None and auth.identity_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": auth.identity_token,
                "service": service,
                "client_id": "pycompose",
                "scope": scopes,
            }
            response = self._transport.request(
                "POST",
                realm,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                body=urlencode(form),
                insecure=insecure,
            )
        else:
            query = [("service", service)] if service else []
            query += [("scope", item) for item in scopes.split(" ") if item]
            if auth is not None and auth.username:
                query.append(("account", auth.username))
            url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}" if query else realm
            headers = {"Authorization": _basic(auth)} if auth is not None and auth.username else {}
            response = self._transport.request("GET", url, headers=headers, insecure=insecure)
        if response.status in (401, 403):
            raise Denied(error_text(response))
        if response.status != 200:
            raise Unavailable(f"{urlsplit(realm).netloc}: no token: {error_text(response)}")
        value = _object(read(response))
        token = value.get("token") or value.get("access_token")
        if not isinstance(token, str) or not token.isprintable():
            raise Unavailable(f"{urlsplit(realm).netloc}: its answer has no token")
        lifetime = value.get("expires_in")
        return token, max(30.0, min(lifetime, 86400) - 10.0 if isinstance(lifetime, int) else 50.0)

    def _checked_realm(self, base: str, realm: str, insecure: bool) -> bool:
        """Whether the token server's certificate needs no check. Raises Unavailable when tokens from there would be asked for
        less safely than the registry itself is spoken to."""
        own, asked = urlsplit(base), urlsplit(realm)
        name = asked.hostname or ""
        relaxed = asked.netloc in self._endpoint.relaxed or name in self._endpoint.relaxed or is_loopback(name)
        if asked.hostname == own.hostname and (asked.scheme == "https" or own.scheme == "http" or insecure):
            return insecure
        if asked.scheme == "https":
            return relaxed
        if (own.scheme == "https" and not insecure) or not relaxed:
            raise Unavailable(f"{own.netloc} asks to send credentials to {asked.netloc} without TLS: refused")
        return False


def _basic(auth: Auth) -> str:
    return "Basic " + base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode()


def parse_challenge(values: Iterable[str]) -> tuple[str, dict[str, str]] | None:
    """The strongest challenge of the WWW-Authenticate headers: bearer before basic; None when there is neither."""
    found = {}
    for value in values:
        scheme, _, rest = value.strip().partition(" ")
        parameters = {match[1].lower(): match[2] or match[3] or "" for match in _PARAMETER.finditer(rest)}
        found[scheme.lower()] = parameters
    for scheme in ("bearer", "basic"):
        if scheme in found and (scheme == "basic" or found[scheme].get("realm")):
            return scheme, found[scheme]
    return None


def read(response: BaseHTTPResponse, largest: int = _LARGEST_ANSWER) -> bytes:
    """A small body as a whole; raises Unavailable when it is larger than ``largest`` bytes."""
    try:
        data = bytearray()
        for piece in response.stream(1 << 16):
            data += piece
            if len(data) > largest:
                response.close()
                raise Unavailable("a registry's answer is absurdly large")
        return bytes(data)
    finally:
        response.release_conn()


def _object(data: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def errors(response: BaseHTTPResponse) -> list[tuple[str, str]]:
    """(code, message) pairs of an error body, made safe to print. Reads and releases the response."""
    value = _object(read(response))
    listed = value.get("errors")
    items = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    found = [(_safe(item.get("code")), _safe(item.get("message"))) for item in items]
    if not found and isinstance(value.get("details"), str):
        found.append(("", _safe(value["details"])))
    return found


def _safe(value: object) -> str:
    return "".join(c for c in str(value or "") if c.isprintable())[:300]


def error_text(response: BaseHTTPResponse) -> str:
    """Docker's form ``code: message`` in lower case, else the status."""
    found = errors(response)
    if not found and response.status == 401:
        return "unauthorized: authentication required"
    if not found and response.status == 403:
        return "denied: requested access to the resource is denied"
    if not found:
        return f"unexpected status {response.status} {response.reason or ''}".rstrip()
    code, message = found[0]
    word = code.lower().replace("_", " ")
    return f"{word}: {message}" if word and message else word or message


def failure(response: BaseHTTPResponse) -> EngineError:
    """The error for an unexpected answer, by status."""
    status = response.status
    found = errors(response)
    code, message = found[0] if found else ("", "")
    word = code.lower().replace("_", " ")
    text = f"{word}: {message}" if word and message else word or message or f"unexpected status {status}"
    if status == 404:
        return NotFound(text)
    if status in (401, 403):
        return Denied(text)
    if status == 429:
        return Unavailable(text if found else "toomanyrequests: the registry limits the rate of requests")
    if status >= 500:
        return Unavailable(f"the registry answers {status}: {text}")
    return RegistryError(text, status, code)
