"""BuildKit's side of the engine: the one door to engine/buildkit. Made when the first client asks for it, since it brings an
HTTP/2 and a protobuf library with it that an engine without BuildKit clients does not need.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio

from .control import Control
from .gateway import Gateway
from .grpc import serve
from .history import History
from .http2 import Connection
from .sessions import Sessions
from .solver import Solver
from .uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..build.service import Builder
    from ..containers.life.workers import Workers
    from ..images.service import Images
    from ..layout import Layout
    from .http2 import Pipe


class BuildKit:
    """``threads`` bounds how many builds run at a time; ``gateway`` gives the address of ``host-gateway``, "" for none."""

    def __init__(
        self,
        builder: Builder,
        images: Images,
        layout: Layout,
        threads: Workers,
        gateway: Callable[[], str],
    ) -> None:
        self.sessions = Sessions()
        self.uploads = Uploads()
        history = History(layout.build_cache / "history")
        self.solver = Solver(builder, images, layout, self.sessions, threads, history)
        self._scopes: dict[str, anyio.CancelScope] = {}
        instance = layout.instance
        self._methods = {
            **Control(self.solver, self.sessions, history, builder, instance, gateway).methods(),
            **Gateway(self.solver, images, instance).methods(),
        }

    @contextmanager
    def cancellable(self, id: str) -> Iterator[anyio.CancelScope]:
        """A scope that ``cancel`` cancels by the client's own id of the build."""
        with anyio.CancelScope() as scope:
            self._scopes[id] = scope
            try:
                yield scope
            finally:
                self._scopes.pop(id, None)

    def cancel(self, id: str) -> None:
        if id in self._scopes:
            self._scopes[id].cancel()

    async def serve(self, pipe: Pipe) -> None:
        """Serve gRPC on a connection until the client leaves."""
        await Connection(pipe, partial(serve, self._methods)).run()
