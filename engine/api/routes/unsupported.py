"""What the Engine API has and this engine does not: swarm, plugins, checkpoints. 501 with words, never silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import NotFound, NotImplemented_, Unavailable
from ..http import Response
from ..router import Route

if TYPE_CHECKING:
    from ..daemon import Daemon
    from ..http import Request

NO_MANAGER = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.'


async def swarm(daemon: Daemon, request: Request) -> Response:
    if request.path.endswith(("/swarm/init", "/swarm/join")):
        raise NotImplemented_("pycompose has no swarm mode.")
    raise Unavailable(NO_MANAGER)


async def absent(daemon: Daemon, request: Request) -> Response:
    raise NotImplemented_(f"{request.method} {request.path}: this engine does not offer it")


async def no_plugins(daemon: Daemon, request: Request) -> Response:
    """There are none, and that is an answer: ``docker inspect`` asks for a plugin of the name as well."""
    return Response.json([])


async def no_plugin(daemon: Daemon, request: Request) -> Response:
    raise NotFound(f'plugin "{request["name"]}" not found')


_LISTED = ("nodes", "services", "tasks", "secrets", "configs")
_MADE = ("services", "secrets", "configs")
_SWARM_CALLS = {
    "GET": (
        *("/swarm", "/swarm/unlockkey", "/services/{id}/logs", "/tasks/{id}/logs"),
        *(f"/{noun}" for noun in _LISTED),
        *(f"/{noun}/{{id}}" for noun in _LISTED),
    ),
    "POST": (
        *(f"/swarm/{verb}" for verb in ("init", "join", "leave", "update", "unlock")),
        *(f"/{noun}/create" for noun in _MADE),
        *(f"/{noun}/{{id}}/update" for noun in ("nodes", *_MADE)),
    ),
    "DELETE": tuple(f"/{noun}/{{id}}" for noun in ("nodes", *_MADE)),
}
_ABSENT = ("/plugins/{rest:path}", "/containers/{id}/checkpoints", "/containers/{id}/checkpoints/{rest:path}")
_METHODS = ("GET", "POST", "PUT", "DELETE")

ROUTES = (
    Route("GET", "/plugins", no_plugins),
    Route("GET", "/plugins/{name:path}/json", no_plugin),
    Route("PUT", "/volumes/{name}", swarm),  # which only cluster volumes have
    *(Route(method, path, swarm) for method, paths in _SWARM_CALLS.items() for path in paths),
    *(Route(method, path, absent) for path in _ABSENT for method in _METHODS),
)
