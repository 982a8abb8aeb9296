"""A registry that can only be pulled from: GET and HEAD of /v2/ on TCP addresses that a client of the unix socket has asked for.

    POST /pycompose/pulls {"address": "192.0.2.7:5000", "images": ["192.0.2.7:5000/shop/web"]}  ->  {"192.0.2.7:5000/shop/web": "sha256:…"}

Only images that were named so are served, to whoever reaches the address: there is neither TLS nor a login, so it is for labs and
development. It ends with the engine, which does not end for being idle meanwhile.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from ...grammar.numerals import natural
from ..errors import ClientGone, EngineError, InvalidParameter, NotFound
from ..images import reference
from . import transfer
from .http import Response
from .server import MOST_UNTRUSTED, Server

if TYPE_CHECKING:
    from typing import BinaryIO

    from anyio.abc import TaskGroup

    from ..images.registry.served import Served
    from .daemon import Daemon
    from .http import Request

_BACKLOG = 128
_CHUNK = 1 << 20
_PATH = re.compile(r"/v2/(?P<name>[^?]+)/(?P<kind>manifests|blobs)/(?P<version>[^/]+)")
_CODES = {"manifests": "MANIFEST_UNKNOWN", "blobs": "BLOB_UNKNOWN"}
MOST_IMAGES = 1000
"""Images that are served at one address; what is asked for again counts once."""


class ReadOnly(EngineError):
    """Something is written to a registry that can only be read."""

    status = 405


class Pulls:
    """The addresses and what is served at each: tags and digests of a repository, and the blobs behind them."""

    def __init__(self, daemon: Daemon, group: TaskGroup) -> None:
        self._daemon = daemon
        self._group = group
        self._served: dict[str, dict[str, Served]] = {}

    @property
    def is_serving(self) -> bool:
        return bool(self._served)

    async def offer(self, address: str, refs: list[str]) -> dict[str, str]:
        """Serve ``refs`` at ``address``, which their names begin with; the digest of each. Raises EngineError."""
        host, port = split(address)
        for ref in refs:
            if not ref.startswith(f"{address}/"):
                raise InvalidParameter(f"{ref} is no image of {address}")
        known = self._served.get(address, {})
        if len(known) + 2 * len(refs) > MOST_IMAGES:
            raise InvalidParameter(f"more than {MOST_IMAGES // 2} images are not served at one address")
        digests: dict[str, str] = {}
        found: dict[str, Served] = {}
        for ref in refs:
            one = await transfer.in_thread(self._daemon, self._daemon.images.serve, ref)
            parsed = reference.parse(ref).with_default_tag
            found[f"{parsed.path}:{parsed.tag}"] = found[f"{parsed.path}@{one.digest}"] = one
            digests[ref] = one.digest
        if address not in self._served:
            self._listen(address, host, port)
        self._served[address] = {**self._served[address], **found}
        return digests

    def _listen(self, address: str, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise InvalidParameter(f"listen tcp {address}: {(error.strerror or str(error)).lower()}") from None
        self._served[address] = {}

        async def application(request: Request) -> Response | None:
            return await self._answer(address, request)

        server = Server(application, [("Docker-Distribution-Api-Version", "registry/2.0")], most=MOST_UNTRUSTED)
        self._group.start_soon(server.serve, listener)

    async def _answer(self, address: str, request: Request) -> Response | None:
        try:
            if request.method not in ("GET", "HEAD"):
                raise ReadOnly("this registry can only be pulled from")
            if request.path in ("/v2", "/v2/"):
                return Response.json({})
            match = _PATH.fullmatch(request.path)
            if match is None:
                raise NotFound("page not found")
            if match["kind"] == "manifests":
                return self._manifest(address, match["name"], match["version"])
            return await self._blob(address, match["name"], match["version"], request)
        except ClientGone:
            raise
        except EngineError as error:
            if request.answered:
                raise ClientGone("failed within a streamed answer") from None
            match = _PATH.fullmatch(request.path)
            known = match is not None and error.status == NotFound.status
            code = _CODES[match["kind"]] if match is not None and known else "UNSUPPORTED"
            return Response.json({"errors": [{"code": code, "message": str(error)}]}, error.status)

    def _manifest(self, address: str, name: str, version: str) -> Response:
        one = self._served[address].get(f"{name}{'@' if ':' in version else ':'}{version}")
        if one is None:
            raise NotFound("manifest unknown")
        headers = [("Content-Type", one.media_type), ("Docker-Content-Digest", one.digest)]
        return Response(200, one.manifest, headers)

    async def _blob(self, address: str, name: str, digest: str, request: Request) -> Response | None:
        """Only what an image of that name is made of."""
        images = self._served[address]
        if not any(digest in one.blobs for key, one in images.items() if key.startswith((f"{name}:", f"{name}@"))):
            raise NotFound("blob unknown")
        if request.method == "HEAD":
            return Response(200, b"", [("Docker-Content-Digest", digest)])

        def produce(out: BinaryIO) -> None:
            with self._daemon.images.open_blob(digest) as file:
                while data := file.read(_CHUNK):
                    out.write(data)

        await transfer.send_file(self._daemon, request, produce, content_type="application/octet-stream")
        return None


def split(address: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[host]:port``. Raises InvalidParameter."""
    host, _, port = address.rpartition(":")
    number = natural(port)
    if not host or not number or number > 65535:
        raise InvalidParameter(f"{address!r} is no HOST:PORT")
    return host.strip("[]"), number
