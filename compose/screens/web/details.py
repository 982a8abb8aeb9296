"""What the page asks for when somebody looks closer: one container, one image, a directory in a container. Synchronous; called
from worker threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...app.report import container_lines
from ...client import NotFound
from ...errors import OperationError
from ...load.explain import mask
from .. import containerfiles
from ..loglines import plain
from ..store import read
from .views import sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...client import Engine
    from ..store.state import State, Usage

Section = dict[str, object]

PROBES = 20


def container(engine: Engine, identity: str, state: State) -> Section:
    """Environment (secrets masked), probes, limits and what it tells of its trouble."""
    tree = engine.containers.inspect(identity)
    config, host, now = tree.get("Config") or {}, tree.get("HostConfig") or {}, tree.get("State") or {}
    pairs = [str(one).partition("=")[::2] for one in config.get("Env") or ()]
    health = now.get("Health") or {}
    return {
        "id": str(tree.get("Id")),
        "name": str(tree.get("Name") or "").removeprefix("/"),
        "command": [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())],
        "user": config.get("User") or "",
        "directory": config.get("WorkingDir") or "",
        "restart": (host.get("RestartPolicy") or {}).get("Name") or "no",
        "restarts": tree.get("RestartCount") or 0,
        "memory": host.get("Memory") or 0,
        "started": now.get("StartedAt") or "",
        "finished": now.get("FinishedAt") or "",
        "environment": [[name, str(mask(("services", "", "environment", name), value))] for name, value in pairs],
        "test": (config.get("Healthcheck") or {}).get("Test") or [],
        "failing": health.get("FailingStreak") or 0,
        "probes": [
            {
                "at": one.get("Start") or "",
                "end": one.get("End") or "",
                "code": one.get("ExitCode"),
                "output": plain(str(one.get("Output") or ""))[:2000],
            }
            for one in (health.get("Log") or [])[-PROBES:]
        ],
        "report": [plain(line) for line in container_lines(engine, identity)],
        "usage": [sample(one) for one in _hour(engine, str(tree.get("Id")), state)],
    }


def _hour(engine: Engine, identity: str, state: State) -> Sequence[Usage]:
    """The last hour: what our own engine has kept, and what was sampled here."""
    seen = state.usage.get(identity, ())
    if not engine.is_pycompose:
        return seen
    try:
        return read.history(engine.containers.hour(identity), seen)
    except NotFound:
        return seen  # it is gone, or the engine is one that keeps none


def image(engine: Engine, ref: str) -> Section:
    """Layers from the base up, with their sizes and what made them."""
    return {
        "layers": [
            {"by": plain(str(one.get("CreatedBy") or "")), "size": one.get("Size") or 0, "tags": one.get("Tags") or []}
            for one in reversed(engine.images.history(ref))
        ]
    }


def directory(engine: Engine, identity: str, path: str) -> Section:
    """What is directly in ``path``; ``whole`` is False when there was more than is looked at."""
    found = containerfiles.directory(engine, identity, path)
    return {"stat": found.stat, "entries": [one._asdict() for one in found.entries], "whole": found.whole}


def file(engine: Engine, identity: str, path: str) -> Section:
    """The beginning of a regular file as text; ``binary`` says that it is none."""
    try:
        return containerfiles.beginning(engine, identity, path)._asdict()
    except OperationError as error:
        return {"error": str(error)}
