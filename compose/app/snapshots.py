"""Saving and restoring a project's named volumes: what has to stop, in which order, and how it comes back.

Light on purpose (no model, no event loop): a test resets its database with this between two cases.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ..errors import OperationError
from ..labels import PROJECT, VOLUME
from ..plan.observe import list_containers
from ..plan.reconcile.order import stop_levels
from ..run.lock import project_lock
from ..run.parallel import in_parallel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..client import Engine
    from ..plan.observe import ObservedContainer
    from .session import Session

READY_SECONDS = 120.0


def project_volumes(engine: Engine, project: str) -> dict[str, str]:
    """Key in the Compose file -> name, of the volumes that belong to the project."""
    found = engine.volumes.list({"label": [f"{PROJECT}={project}"]})
    return {tags[VOLUME]: one["Name"] for one in found if VOLUME in (tags := one.get("Labels") or {})}


def save(session: Session, name: str, timeout: int | None) -> list[str]:
    """Stop what runs on the volumes, save them, start it again and wait until it is ready; what was paused is paused again. The
    volumes' keys."""
    engine = session.engine
    with _lock(session):
        volumes = project_volumes(engine, session.name)
        if not volumes:
            raise _nothing(session.name, name, restoring=False)
        lease = next((one["Id"] for one in engine.leases.list() if one["Labels"].get(PROJECT) == session.name), "")
        users = _users(engine, session.name, volumes)
        try:
            _stop(engine, users, timeout)
            engine.snapshots.save(session.name, name, volumes, lease)
        finally:
            _start(engine, users)
    return sorted(volumes)


def restore(session: Session, name: str) -> list[str]:
    """Bring the project's volumes back to snapshot ``name``. What runs on them is killed (its data is dropped anyway),
    started again, and ready on return."""
    engine = session.engine
    with _lock(session):
        saved = _saved(engine, session.name, name)
        volumes = {key: volume for key, volume in project_volumes(engine, session.name).items() if key in saved}
        if not volumes:
            raise _nothing(session.name, name, restoring=True)
        users = _users(engine, session.name, volumes)
        try:
            _stop(engine, users, 0)
            engine.snapshots.restore(session.name, name, volumes)
        finally:
            _start(engine, users)
    return sorted(volumes)


def planned(session: Session, name: str, *, restoring: bool = False) -> list[tuple[str, str]]:
    """What `save`, or `restore`, would do, in order: ``("Container shop-db-1", "Stopping")``. Raises as they do."""
    engine = session.engine
    volumes = project_volumes(engine, session.name)
    if restoring:
        saved = _saved(engine, session.name, name)
        volumes = {key: volume for key, volume in volumes.items() if key in saved}
    if not volumes:
        raise _nothing(session.name, name, restoring=restoring)
    users = [f"Container {one.name}" for level in stop_levels(_users(engine, session.name, volumes)) for one in level]
    word = "Restoring: what was written since is lost" if restoring else "Saving"
    return [
        *((one, "Stopping") for one in users),
        *((f"Volume {volume}", word) for volume in sorted(volumes.values())),
        *((one, "Starting") for one in reversed(users)),
    ]


def _nothing(project: str, name: str, *, restoring: bool) -> OperationError:
    if restoring:
        return OperationError(f"project {project} has none of the volumes of snapshot {name}: see up --from")
    return OperationError(f"project {project} has no named volumes to save")


@contextmanager
def _lock(session: Session) -> Iterator[None]:
    """Nobody else stops or starts the project's containers meanwhile."""

    def waiting() -> None:
        print(f"another command is changing project {session.name}; waiting for it", file=sys.stderr)

    with project_lock(str(session.engine.endpoint.address), session.name, waiting):
        yield


def restore_into(session: Session, group: str, name: str) -> None:
    """Before an `up`: the project's volumes, made where they are missing, get what snapshot ``name`` of ``group`` holds."""
    from ..convert.volume import volume_body
    from ..labels import volume_name

    engine, project = session.engine, session.project
    keys = [key for key in _saved(engine, group, name) if key in project.volumes]
    if not keys:
        raise OperationError(f"the Compose file has none of the volumes of snapshot {name}")
    volumes = {key: volume_name(project, key) for key in keys if not (project.volumes[key] or {}).get("external")}
    with _lock(session):
        for key in volumes:
            engine.volumes.create(volume_body(project, key))
        _stop(engine, _users(engine, session.name, volumes), 0)
        engine.snapshots.restore(group, name, volumes)


def known(session: Session, names: Sequence[str]) -> None:
    """Raises `OperationError` for a name that is none of the project's snapshots."""
    for name in names:
        _saved(session.engine, session.name, name)


def _saved(engine: Engine, group: str, name: str) -> list[str]:
    for one in engine.snapshots.list(group):
        if one["Name"] == name:
            return list(one["Volumes"])
    raise OperationError(f"project {group} has no snapshot {name}")


def _users(engine: Engine, project: str, volumes: Mapping[str, str]) -> list[ObservedContainer]:
    names = set(volumes.values())
    return [
        one
        for one in list_containers(engine, project)
        if one.running and any(mount.kind == "volume" and mount.name in names for mount in one.mounts)
    ]


def _stop(engine: Engine, users: Sequence[ObservedContainer], timeout: int | None) -> None:
    for level in stop_levels(users):
        if timeout == 0:
            in_parallel([partial(_kill, engine, one.id) for one in level])
        else:
            in_parallel([partial(engine.containers.stop, one.id, timeout) for one in level])


def _kill(engine: Engine, identity: str) -> None:
    """SIGKILL at once, and a restart policy has no say in it."""
    engine.containers.stop(identity, 0)


def _start(engine: Engine, users: Sequence[ObservedContainer]) -> None:
    for level in reversed(stop_levels(users)):
        in_parallel([partial(engine.containers.start, one.id) for one in level])
        for one in level:
            _await_ready(engine, one)
            if one.state == "paused":
                engine.containers.pause(one.id)


def _await_ready(engine: Engine, container: ObservedContainer) -> None:
    """Until it is healthy, or merely runs when it has no check. Raises `OperationError`."""
    events = engine.system.events({"container": [container.id]})
    timer = threading.Timer(READY_SECONDS, events.close)
    timer.start()
    try:
        if _is_ready(engine, container) or any(_is_ready(engine, container) for _ in events):
            return
    finally:
        timer.cancel()
        events.close()
    raise OperationError(f"container {container.name} did not come back within {READY_SECONDS:.0f} s")


def _is_ready(engine: Engine, container: ObservedContainer) -> bool:
    state = engine.containers.inspect(container.id)["State"]
    health = (state.get("Health") or {}).get("Status")
    if not state.get("Running") or health == "unhealthy":
        raise OperationError(f"container {container.name} did not come back: {health or state.get('Status')}")
    return health in (None, "", "none", "healthy")
