"""Build contexts that come in a request of their own, beside the build's: how clients before Docker 23 send a tar."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from ..errors import Conflict, InvalidParameter
from .sessions import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import BinaryIO


@dataclass(slots=True)
class _Upload:
    stream: BinaryIO
    taken: bool = False
    done: anyio.Event = field(default_factory=anyio.Event)


class Uploads:
    """Bodies by the id of the build they are for. Whoever comes first waits for the other, but not for long."""

    def __init__(self) -> None:
        self._uploads: dict[str, _Upload] = {}
        self._changed = anyio.Event()

    def _stir(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def offer(self, id: str, stream: BinaryIO) -> None:
        """Lend a body until the build is done with it."""
        if id in self._uploads:
            raise Conflict(f"there is a context for build {id} already")
        upload = self._uploads[id] = _Upload(stream)
        self._stir()
        try:
            with anyio.move_on_after(PATIENCE):
                while not upload.taken:
                    await self._changed.wait()
            if not upload.taken:
                raise InvalidParameter(f"no build {id} wants this context")
            await upload.done.wait()
        finally:
            del self._uploads[id]

    @asynccontextmanager
    async def use(self, id: str) -> AsyncIterator[BinaryIO]:
        """The body for a build."""
        with anyio.move_on_after(PATIENCE):
            while id not in self._uploads:
                await self._changed.wait()
        upload = self._uploads.get(id)
        if upload is None or upload.taken:
            raise InvalidParameter(f"the context for build {id} has not come")
        upload.taken = True
        self._stir()
        try:
            yield upload.stream
        finally:
            upload.done.set()
