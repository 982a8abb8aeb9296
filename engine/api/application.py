"""The application: a request finds its route, and whatever goes wrong becomes one JSON error body.

The one place where an unexpected failure of a request ends: it is logged with its traceback, the client gets words.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING

from .. import journal, refusals
from ..errors import ClientGone, EngineError, NotModified
from ..runtime.connection import ShimLost
from .http import Response
from .leased import under_header
from .router import Router
from .routes import ROUTES

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .daemon import Daemon
    from .http import Request
    from .router import Route

log = logging.getLogger(__name__)

_INTERNAL = "internal error; the engine's log has the details"
_KILLED = "a process that the engine needs for this was killed while it was at work; ask again"


class Application:
    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._router = Router(ROUTES)

    async def __call__(self, request: Request) -> Response | None:
        try:
            route = self._router.match(request)
            with self._about(request, route):
                async with under_header(self._daemon, request):
                    response = await route.handler(self._daemon, request)
                    if self._daemon.store.ahead:  # the answer is a promise, also should we be killed with it
                        await self._daemon.containers.blocking(self._daemon.store.flush)
                    return response
        except NotModified:
            return Response(304)
        except EngineError as error:
            failure = Response.error(error.status, str(error))
        except ClientGone:
            raise
        except ShimLost:  # of the keeper (then the engine ends as well), a shim or a guard
            failure = Response.error(503, _KILLED)
        except Exception as error:
            if isinstance(error, ExceptionGroup) and error.split(ClientGone)[1] is None:
                # It left while tasks served it: the group says no more than that.
                raise ClientGone("the client closed the connection") from None
            failure = Response.error(500, self._last_words(request, error))
        if request.answered:
            # The answer has begun; all that is left is to break it off so that the client notices.
            raise ClientGone("failed within a streamed answer")
        return failure

    def _about(self, request: Request, route: Route) -> AbstractContextManager[None]:
        """Lines of a request on one container say which, and of which project."""
        if not route.pattern.startswith("/containers/{id}"):
            return nullcontext()
        try:
            record = self._daemon.containers.get(request["id"]).record
        except EngineError:
            return nullcontext()  # the handler says so
        request.about = journal.of_container(record.id, record.labels)
        return journal.about(**request.about)

    def _last_words(self, request: Request, error: Exception) -> str:
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]  # tasks served the request, and one of them failed
        if isinstance(error, OSError | MemoryError) and refusals.is_refusal(error):
            return refusals.in_words(error, (self._daemon.layout.state, self._daemon.layout.run))
        log.error("%s %s failed", request.method, request.path, exc_info=error)
        return _INTERNAL
