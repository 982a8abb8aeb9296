"""Blobs out: an upload that goes on where the registry has it, after its connection broke.

    POST uploads/ ─► 202 Location ─► PATCH Location (the bytes) ─► 202 Location ─► PUT Location?digest=… ─► 201
                                        │ broken
                                        └► GET Location ─► 204 Range: 0-N ─► PATCH from N+1
                                                       └─► anything else: POST again, from the beginning

OCI distribution specification, "Pushing a blob in chunks". Small blobs go by one PUT. docker-registry (distribution 2.8) gives up an
upload whose connection broke in the middle of a request, so there an upload begins again.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from ...errors import EngineError, Unavailable
from .client import Denied, failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from urllib3.response import BaseHTTPResponse

    from ..manifest import Descriptor
    from .client import Registry

_ATTEMPTS = 4
_ALL_ATTEMPTS = 100
_SMALL = 1 << 20  # bytes
_CHUNK = 1 << 18
_RANGE = re.compile(r"(?:bytes=)?0-(\d+)")
_DONE = (200, 201, 202, 204)


class Body:
    """The rest of a file from ``offset`` as a request body that tells how far it is."""

    def __init__(self, file: BinaryIO, offset: int, report: Callable[[int], None]) -> None:
        self._file, self._offset, self._report = file, offset, report
        self.rewind()

    def rewind(self) -> None:
        self._file.seek(self._offset)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(_CHUNK if size < 0 else max(size, _CHUNK))
        self._report(self._file.tell())
        return data


class Uploads:
    """Uploads into one repository (``path``) of a registry; ``scope`` is what a token is asked for."""

    def __init__(self, registry: Registry, path: str, scope: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._registry, self._path, self._scope = registry, path, scope
        self._sleep = sleep

    def exists(self, digest: str) -> bool:
        response = self._registry.request("HEAD", f"{self._path}/blobs/{digest}", scope=self._scope)
        _finish(response)
        return response.status == 200

    def mount(self, digest: str, source: str) -> bool:
        """Whether the registry took the blob from its repository ``source``."""
        response = self._registry.request(
            "POST",
            f"{self._path}/blobs/uploads/?{urlencode({'mount': digest, 'from': source})}",
            scope=f"{self._scope} repository:{source}:pull",
            headers={"Content-Length": "0"},
        )
        _finish(response)
        location = response.headers.get("Location", "")
        if response.status == 202 and location:
            # The registry began an upload instead; end it, or it stays open for days.
            _finish(self._registry.request("DELETE", self._url(location), scope=self._scope))
        return response.status == 201

    def send(self, blob: Descriptor, file: BinaryIO, report: Callable[[int], None] = lambda done: None) -> None:
        """Upload ``file``, which is the blob. ``report`` gets the bytes sent so far.

        Raises Denied and what else the registry says, Unavailable when the connection keeps breaking.
        """
        url, offset, farthest = "", 0, 0
        attempt = total = 0
        while True:
            total += 1
            try:
                if not url:
                    url, offset = self._begin(), 0
                if blob.size <= _SMALL:
                    self._put(url, blob, file, report)
                    return
                if offset < blob.size:
                    url = self._patch(url, offset, blob, file, report)
                    offset = blob.size
                self._put(url, blob, None, report)
                return
            except Denied:
                raise
            except (Unavailable, _Again) as error:
                url, offset = self._resumed(url, blob)
                attempt = attempt + 1 if offset <= farthest else 1
                farthest = max(farthest, offset)
                if attempt >= _ATTEMPTS or total >= _ALL_ATTEMPTS:
                    if isinstance(error, _Again):
                        raise error.cause from None
                    raise
                if not url and self.exists(blob.digest):
                    return  # only the answer was lost
                self._sleep(0.1 * 2**attempt)

    def _begin(self) -> str:
        response = self._registry.request(
            "POST", f"{self._path}/blobs/uploads/", scope=self._scope, headers={"Content-Length": "0"}
        )
        if response.status != 202:
            raise failure(response)
        _finish(response)
        return self._url(response.headers.get("Location", ""))

    def _patch(self, url: str, offset: int, blob: Descriptor, file: BinaryIO, report: Callable[[int], None]) -> str:
        """Send everything from ``offset`` on; where to go on."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size - offset)}
        if offset:
            headers["Content-Range"] = f"{offset}-{blob.size - 1}"
        response = self._request("PATCH", url, headers, Body(file, offset, report))
        return self._url(response.headers.get("Location", "") or url)

    def _put(self, url: str, blob: Descriptor, file: BinaryIO | None, report: Callable[[int], None]) -> None:
        url += f"{'&' if '?' in url else '?'}{urlencode({'digest': blob.digest})}"
        if file is None:
            self._request("PUT", url, {"Content-Length": "0"}, None)
            return
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
        self._request("PUT", url, headers, Body(file, 0, report))

    def _request(self, method: str, url: str, headers: dict[str, str], body: Body | None) -> BaseHTTPResponse:
        response = self._registry.request(method, url, scope=self._scope, headers=headers, body=body, retry=False)
        if response.status not in _DONE:
            error = failure(response)
            # 404 and 416: the registry no longer has the upload, or has it differently than it said.
            raise _Again(error) if response.status >= 500 or response.status in (404, 416, 429) else error
        _finish(response)
        return response

    def _resumed(self, url: str, blob: Descriptor) -> tuple[str, int]:
        """Where a broken upload goes on, and with which byte; ("", 0) when it cannot."""
        if not url or blob.size <= _SMALL:
            return "", 0
        try:
            response = self._registry.request("GET", url, scope=self._scope)
        except EngineError:
            return "", 0
        _finish(response)
        match = _RANGE.fullmatch(response.headers.get("Range", ""))
        if response.status != 204 or match is None:
            return "", 0
        last = int(match[1])
        offset = last + 1 if last else 0  # an empty upload is "0-0" as well
        if offset > blob.size:
            return "", 0
        return self._url(response.headers.get("Location", "") or url), offset

    def _url(self, location: str) -> str:
        url = self._registry.absolute(location)
        if not location or urlsplit(url).scheme not in ("http", "https"):
            raise EngineError("the registry named no place to upload to")
        return url


class _Again(Exception):
    """An answer that does not end the upload."""

    def __init__(self, cause: EngineError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _finish(response: BaseHTTPResponse) -> None:
    response.drain_conn()
    response.release_conn()
