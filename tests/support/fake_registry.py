"""A registry in a few lines for tests: OCI distribution 1.1 pull and push on loopback, with faults to order.

``faults`` maps "METHOD path-substring" to a function that gets the request handler and returns True when it answered.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Registry:
    def __init__(self) -> None:
        self.blobs: dict[str, dict[str, bytes]] = {}
        self.manifests: dict[str, dict[str, tuple[bytes, str]]] = {}
        self.faults: list[tuple[str, str, Callable[[Handler], bool]]] = []
        self.uploads: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.user: tuple[str, str] | None = None
        self.token: str | None = None
        self.address = ""
        self.tokens_given = 0

    def fault(self, method: str, part: str, answer: Callable[[Handler], bool]) -> None:
        self.faults.append((method, part, answer))

    def add_blob(self, repository: str, data: bytes) -> str:
        self.blobs.setdefault(repository, {})[digest_of(data)] = data
        return digest_of(data)

    def add_manifest(self, repository: str, tag: str, value: Any, media_type: str) -> str:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        known = self.manifests.setdefault(repository, {})
        known[digest_of(data)] = known[tag] = (data, media_type)
        return digest_of(data)

    def count(self, text: str) -> int:
        return sum(text in request for request in self.requests)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: Registry

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def reply(self, status: int, body: bytes = b"", **headers: str) -> bool:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return True

    def error(self, status: int, code: str, message: str, **headers: str) -> bool:
        return self.reply(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode(), **headers)

    def _allowed(self) -> bool:
        registry = self.registry
        header = self.headers.get("Authorization", "")
        if registry.token is not None:
            if header == f"Bearer {registry.token}":
                return True
            realm = f'Bearer realm="http://{registry.address}/token",service="test",scope="repository:x:pull"'
            self.error(401, "UNAUTHORIZED", "authentication required", WWW_Authenticate=realm)
            return False
        if registry.user is not None:
            if header == "Basic " + base64.b64encode(":".join(registry.user).encode()).decode():
                return True
            self.error(401, "UNAUTHORIZED", "authentication required", WWW_Authenticate='Basic realm="test"')
            return False
        return True

    def _handle(self) -> None:
        registry = self.registry
        length = int(self.headers.get("Content-Length") or 0)
        registry.requests.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
        for method, part, answer in list(registry.faults):
            if method == self.command and part in self.path and answer(self):
                return
        body = self.rfile.read(length) if length else b""
        parts = urlsplit(self.path)
        if parts.path == "/token":
            self._token(parse_qs(parts.query))
            return
        if not self._allowed():
            return
        if parts.path == "/v2/":
            self.reply(200)
        elif match := re.fullmatch(r"/v2/(.+)/manifests/([^/]+)", parts.path):
            self._manifest(match[1], match[2], body)
        elif match := re.fullmatch(r"/v2/(.+)/blobs/uploads/(.*)", parts.path):
            self._upload(match[1], parse_qs(parts.query), body)
        elif match := re.fullmatch(r"/v2/(.+)/blobs/([^/]+)", parts.path):
            self._blob(match[1], match[2])
        elif match := re.fullmatch(r"/v2/(.+)/tags/list", parts.path):
            tags = sorted(tag for tag in registry.manifests.get(match[1], {}) if ":" not in tag)
            self.reply(200, json.dumps({"name": match[1], "tags": tags}).encode())
        else:
            self.error(404, "NAME_UNKNOWN", "not known")

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _handle

    def _token(self, query: dict[str, list[str]]) -> None:
        registry = self.registry
        if registry.user is not None:
            wanted = "Basic " + base64.b64encode(":".join(registry.user).encode()).decode()
            if self.headers.get("Authorization") != wanted:
                self.error(401, "UNAUTHORIZED", "incorrect username or password")
                return
        registry.tokens_given += 1
        self.reply(200, json.dumps({"token": registry.token, "expires_in": 300}).encode())

    def _manifest(self, repository: str, version: str, body: bytes) -> None:
        known = self.registry.manifests.setdefault(repository, {})
        if self.command == "PUT":
            digest = self.registry.add_manifest(repository, version, body, self.headers["Content-Type"])
            self.reply(201, Docker_Content_Digest=digest)
        elif version in known:
            data, media_type = known[version]
            self.reply(200, data, Content_Type=media_type, Docker_Content_Digest=digest_of(data))
        else:
            self.error(404, "MANIFEST_UNKNOWN", "manifest unknown")

    def _upload(self, repository: str, query: dict[str, list[str]], body: bytes) -> None:
        if self.command == "POST":
            mounted = query.get("mount", [""])[0]
            source = query.get("from", [""])[0]
            if mounted and mounted in self.registry.blobs.get(source, {}):
                self.registry.add_blob(repository, self.registry.blobs[source][mounted])
                self.reply(201)
                return
            upload = str(len(self.registry.uploads) + 1)
            self.registry.uploads[upload] = b""
            self.reply(202, Location=f"/v2/{repository}/blobs/uploads/{upload}?state=x", Range="0-0")
            return
        upload = urlsplit(self.path).path.rpartition("/")[2]
        had = self.registry.uploads.get(upload, b"")
        state = {
            "Location": f"/v2/{repository}/blobs/uploads/{upload}?state={len(had) + len(body)}",
            "Range": f"0-{max(0, len(had) + len(body) - 1)}",
        }
        if self.command == "PATCH":
            if had and self.headers.get("Content-Range", "").partition("-")[0] != str(len(had)):
                self.error(416, "RANGE_INVALID", "not where the upload is")
                return
            self.registry.uploads[upload] = had + body
            self.reply(202, **state)
        elif self.command == "GET":
            self.reply(204, **state)
        elif self.command == "PUT":
            body = had + body
            if digest_of(body) != query["digest"][0]:
                self.error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
                return
            self.registry.add_blob(repository, body)
            self.reply(201)
        else:
            self.reply(204)

    def _blob(self, repository: str, digest: str) -> None:
        data = self.registry.blobs.get(repository, {}).get(digest)
        if data is None:
            self.error(404, "BLOB_UNKNOWN", "blob unknown to registry")
            return
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if match and int(match[1]) < len(data):
            start = int(match[1])
            span = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.reply(206, data[start:], Content_Range=span)
        elif match:
            self.reply(416)
        else:
            self.reply(200, data)


def cut_after(size: int, times: int = 1) -> Callable[[Handler], bool]:
    """Send ``size`` bytes of the blob and break the connection, ``times`` times."""
    left = [times]

    def answer(handler: Handler) -> bool:
        digest = handler.path.rpartition("/")[2]
        data = next((b[digest] for b in handler.registry.blobs.values() if digest in b), b"")
        match = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        if not left[0]:
            return False
        left[0] -= 1
        status = 206 if match else 200
        extra = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if match else {}
        handler.close_connection = True
        handler.reply(status, data[start : start + size], Content_Length=str(len(data) - start), **extra)
        return True

    return answer


def receive_only(size: int, times: int) -> Callable[[Handler], bool]:
    """Take ``size`` bytes of an upload, keep them and break the connection, ``times`` times."""
    left = [times]

    def answer(handler: Handler) -> bool:
        left[0] -= 1
        if left[0] < 0:
            return False
        upload = urlsplit(handler.path).path.rpartition("/")[2]
        handler.registry.uploads[upload] += handler.rfile.read(size)
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)
        return True

    return answer


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Connections that a test breaks are no news."""


@contextmanager
def fake_registry(secured: ssl.SSLContext | None = None) -> Iterator[Registry]:
    """A running registry; ``address`` is host:port. With TLS when ``secured``."""
    made = Registry()
    handler = type("BoundHandler", (Handler,), {"registry": made})
    with _Server(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        if secured is not None:
            server.socket = secured.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        made.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
