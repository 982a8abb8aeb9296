"""Blobs in: downloads that resume where they stopped, checked by digest and size while they stream."""

from __future__ import annotations

import errno
import re
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from ...errors import Unavailable
from ..blobs import DigestMismatch, Ingest
from .client import failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..blobs import Blobs
    from ..manifest import Descriptor
    from .client import Registry

_ATTEMPTS = 6
_ALL_ATTEMPTS = 100
_CHUNK = 1 << 18
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class Downloads:
    """Downloads into a blob store; the same blob is fetched once at a time, whoever wants it."""

    def __init__(self, blobs: Blobs, sleep: Callable[[float], None] = time.sleep) -> None:
        self._blobs = blobs
        self._sleep = sleep
        self._changed = threading.Condition()
        self._busy: set[str] = set()

    def wake(self) -> None:
        """Have those who wait for a blob look whether they are cancelled."""
        with self._changed:
            self._changed.notify_all()

    @contextmanager
    def _only(self, digest: str, cancelled: Callable[[], bool]) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: digest not in self._busy or cancelled())
            if cancelled():
                raise Unavailable("cancelled")
            self._busy.add(digest)
        try:
            yield
        finally:
            with self._changed:
                self._busy.remove(digest)
                self._changed.notify_all()

    def fetch(
        self,
        registry: Registry,
        repository: str,
        blob: Descriptor,
        report: Callable[[int], None],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """Bring a blob into the store. ``report`` gets the bytes there are so far.

        Raises DigestMismatch when the content is not what was promised, Unavailable when the connection keeps breaking.
        """
        with self._only(blob.digest, cancelled):
            if self._blobs.has(blob.digest):
                report(blob.size)
                return
            with Ingest(self._blobs, key=blob.digest) as ingest:
                if ingest.offset > blob.size:
                    ingest.restart()
                resumed = ingest.offset > 0
                self._fill(registry, repository, blob, ingest, report, cancelled)
                try:
                    ingest.commit(blob.digest, blob.size)
                    return
                except DigestMismatch:
                    if not resumed:
                        raise
            # What an earlier attempt left was damaged; once more from the beginning.
            with Ingest(self._blobs, key=blob.digest) as ingest:
                ingest.restart()
                self._fill(registry, repository, blob, ingest, report, cancelled)
                ingest.commit(blob.digest, blob.size)

    def _fill(
        self,
        registry: Registry,
        repository: str,
        blob: Descriptor,
        ingest: Ingest,
        report: Callable[[int], None],
        cancelled: Callable[[], bool],
    ) -> None:
        attempt = total = 0
        ingest.expect(blob.size - ingest.offset)
        while ingest.offset < blob.size:
            before = ingest.offset
            total += 1
            try:
                self._some(registry, repository, blob, ingest, report, cancelled)
                if ingest.offset < blob.size:
                    raise Unavailable(f"content {blob.digest}: the registry sent {ingest.offset} of {blob.size} bytes")
            except (HTTPError, OSError, Unavailable) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                if cancelled():
                    raise Unavailable("cancelled") from None
                attempt = 1 if ingest.offset > before else attempt + 1
                if attempt >= _ATTEMPTS or total >= _ALL_ATTEMPTS:
                    if isinstance(error, Unavailable):
                        raise
                    raise Unavailable(f"content {blob.digest}: the connection broke: {error}") from error
                self._sleep(min(0.1 * 2**attempt, 2.0))

    def _some(
        self,
        registry: Registry,
        repository: str,
        blob: Descriptor,
        ingest: Ingest,
        report: Callable[[int], None],
        cancelled: Callable[[], bool],
    ) -> None:
        headers = {"Range": f"bytes={ingest.offset}-"} if ingest.offset else {}
        response = registry.request(
            "GET", f"{repository}/blobs/{blob.digest}", scope=f"repository:{repository}:pull", headers=headers
        )
        try:
            if response.status == 206:
                match = _RANGE.match(response.headers.get("Content-Range", ""))
                if match is None or int(match[1]) != ingest.offset:
                    ingest.restart()
                    raise Unavailable(f"content {blob.digest}: the registry sent another range than asked for")
            elif response.status == 200:
                if ingest.offset:
                    ingest.restart()
            elif response.status == 416:
                ingest.restart()
                raise Unavailable(f"content {blob.digest}: the registry cannot continue")
            else:
                raise failure(response)
            for data in response.stream(_CHUNK):
                if ingest.offset + len(data) > blob.size:
                    ingest.restart()
                    response.close()
                    raise DigestMismatch(f"content {blob.digest}: the registry sends more than {blob.size} bytes")
                ingest.write(data)
                report(ingest.offset)
                if cancelled():
                    response.close()
                    raise Unavailable("cancelled")
        finally:
            response.release_conn()
