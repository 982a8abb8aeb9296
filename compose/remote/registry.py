"""The little of the OCI distribution specification that Compose files need: manifests and small blobs, read and written.

HTTPS with the system's certificates; plain HTTP only on the loopback interface. Every content is compared with its digest.
Credentials are those of the docker CLI's configuration. They belong to the registry's origin (scheme, host and port): nobody that a
redirection leads to gets them, nor is a challenge from there answered.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

from ...grammar import references
from ..credentials.lookup import registry_auth
from ..errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPResponse

    from ...grammar.jsontree import Object
    from ...grammar.references import Reference

_ACCEPTED = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_LARGEST = 8 << 20
_TIMEOUT = 60.0
_HUB = "registry-1.docker.io"


class Manifest(NamedTuple):
    digest: str
    media_type: str
    tree: Object


def parse_reference(text: str) -> Reference:
    """A reference in Docker's familiar form, with its default tag. Raises `OperationError`."""
    try:
        return references.parse(text).with_default_tag
    except ValueError as error:
        raise OperationError(f"{text!r}: {error}") from None


class Registry:
    """One repository of one registry."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._authorization = ""
        self._base = ""
        self._opener = urllib.request.build_opener()

    def manifest(self, version: str) -> Manifest:
        """The manifest under a tag or digest; its digest is that of its bytes."""
        with self._open("GET", f"manifests/{version}", {"Accept": ", ".join(_ACCEPTED)}) as response:
            content = self._read(response)
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        digest = _digest(content)
        if version.startswith("sha256:") and digest != version:
            raise OperationError(f"{self._reference}: the registry gave another manifest than {version}")
        try:
            tree = json.loads(content)
        except (ValueError, RecursionError):
            tree = None
        if not isinstance(tree, dict):
            raise OperationError(f"{self._reference}: the manifest is no JSON object")
        return Manifest(digest, str(tree.get("mediaType") or media_type), tree)

    def blob(self, digest: str) -> bytes:
        if not references.is_digest(digest):
            raise OperationError(f"{self._reference}: {digest!r} is no digest")
        with self._open("GET", f"blobs/{digest}") as response:
            content = self._read(response)
        if _digest(content) != digest:
            raise OperationError(f"{self._reference}: the registry gave other content than {digest}")
        return content

    def put_blob(self, content: bytes) -> str:
        """Store ``content``; its digest."""
        digest = _digest(content)
        with self._open("POST", "blobs/uploads/", data=b"") as response:
            where = urljoin(response.url, response.headers.get("Location", ""))
        if _origin(where) != _origin(self._base):
            raise OperationError(f"{self._reference}: the registry wants the upload elsewhere, at {where}")
        joint = "&" if urlsplit(where).query else "?"
        target = f"{where}{joint}{urlencode({'digest': digest})}"
        self._open("PUT", target, {"Content-Type": "application/octet-stream"}, content).close()
        return digest

    def put_manifest(self, content: bytes, media_type: str) -> str:
        self._open("PUT", f"manifests/{self._reference.version}", {"Content-Type": media_type}, content).close()
        return _digest(content)

    def _open(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, data: bytes | None = None
    ) -> HTTPResponse:
        scope = "pull" if method == "GET" else "pull,push"
        for attempt in range(2):
            try:
                return self._send(method, path, headers or {}, data)
            except urllib.error.HTTPError as error:
                challenge = error.headers.get("WWW-Authenticate", "")
                error.close()
                own = _origin(error.url) == _origin(self._base)
                if error.code == 401 and challenge and own and attempt == 0:
                    self._authorization = self._answer(challenge, scope)
                    continue
                words = {401: "authentication required", 403: "access denied", 404: "not found"}
                reason = words.get(error.code, f"HTTP {error.code}")
                raise OperationError(f"{self._reference}: {reason}") from None
        raise AssertionError("unreachable")

    def _send(self, method: str, path: str, headers: Mapping[str, str], data: bytes | None) -> HTTPResponse:
        bases = [self._base] if self._base else self._candidates()
        for index, base in enumerate(bases):
            url = path if "://" in path else f"{base}/v2/{self._reference.path}/{path}"
            request = urllib.request.Request(url, data=data, headers=dict(headers), method=method)
            if self._authorization:
                # Not carried along by redirections.
                request.add_unredirected_header("Authorization", self._authorization)
            try:
                response: HTTPResponse = self._opener.open(request, timeout=_TIMEOUT)
            except urllib.error.HTTPError:
                self._base = base
                raise
            except (urllib.error.URLError, OSError) as error:
                reason = getattr(error, "reason", error)
                if index + 1 < len(bases) and isinstance(reason, ssl.SSLError):
                    continue
                raise OperationError(f"{self._reference}: cannot reach {base}: {reason}") from error
            self._base = base
            return response
        raise AssertionError("unreachable")

    def _candidates(self) -> list[str]:
        host = self._reference.domain
        if host == references.DEFAULT_DOMAIN:
            return [f"https://{_HUB}"]
        name = host.rpartition(":")[0] or host
        secure = f"https://{host}"
        return (
            [secure, f"http://{host}"]
            if name == "localhost" or name.startswith("127.") or name == "[::1]"
            else [secure]
        )

    def _answer(self, challenge: str, scope: str) -> str:
        """The Authorization header that a challenge asks for."""
        kind, _, rest = challenge.partition(" ")
        credentials = self._credentials()
        name, password = credentials.get("username", ""), credentials.get("password", "")
        basic = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode() if name else ""
        if kind.lower() == "basic":
            return basic
        fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = urlsplit(fields.get("realm", ""))
        local = (realm.hostname or "") in ("localhost", "127.0.0.1", "::1") and self._base.startswith("http:")
        if kind.lower() != "bearer" or realm.scheme not in ("https", "http"):
            raise OperationError(f"{self._reference}: the registry asks for a kind of login that is not known here")
        if realm.scheme == "http" and not local:
            raise OperationError(
                f"{self._reference}: the registry asks to send credentials to {realm.netloc} without TLS: refused"
            )
        query = {"service": fields.get("service", ""), "scope": f"repository:{self._reference.path}:{scope}"}
        request = urllib.request.Request(f"{fields['realm']}?{urlencode(query)}")
        if basic:
            request.add_unredirected_header("Authorization", basic)
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as response:
                answer = json.loads(self._read(response))
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise OperationError(f"{self._reference}: no token from {realm.netloc}: {error}") from None
        token = answer.get("token") or answer.get("access_token") if isinstance(answer, dict) else None
        return f"Bearer {token}" if token else ""

    def _credentials(self) -> dict[str, str]:
        encoded = registry_auth(f"{self._reference.domain}/{self._reference.path}")
        found = json.loads(base64.urlsafe_b64decode(encoded)) if encoded else {}
        return found if isinstance(found, dict) else {}

    def _read(self, response: HTTPResponse) -> bytes:
        content = response.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise OperationError(f"{self._reference}: more than {_LARGEST >> 20} MB, too large for a Compose project")
        return content


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
