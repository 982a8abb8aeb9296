"""What verbs do with leases: take one for a session's project, find one by what the user wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import OperationError
from ..labels import LEASE, PROJECT
from .owner import parse_owner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..client import Engine
    from ..client.bodies.jobs import Lease
    from .session import Session


def take_lease(session: Session, owner: str, images: Sequence[str] = ()) -> str:
    """Bind the project to ``owner`` from here on; everything this session starts falls under it. The lease's id."""
    engine = session.engine
    lease = engine.leases.create(parse_owner(owner), {PROJECT: session.name}, images)
    engine.lease = str(lease["Id"])
    return engine.lease


def find_lease(leases: Sequence[Lease], text: str) -> Lease:
    """By id, unique beginning of one, or project. Raises `OperationError`."""
    found = [one for one in leases if one["Id"] == text or one["Labels"].get(PROJECT) == text]
    found = found or [one for one in leases if text and one["Id"].startswith(text)]
    if len(found) != 1:
        raise OperationError(f"no lease {text!r}" if not found else f"several leases begin with {text!r}")
    return found[0]


def doomed(engine: Engine, lease: Lease) -> list[tuple[str, str]]:
    """What the lease's end takes away: ``("Container shop-db-1", "Removing")``. Volumes go that were made under it."""
    under = [f"{LEASE}={lease['Id']}"]
    selected = [f"{name}={value}" for name, value in lease["Labels"].items()]
    choices = [under, selected] if selected else [under]
    found: dict[str, None] = {}
    for labels in choices:
        for row in engine.containers.list({"label": labels}, all=True):
            found[f"Container {row['Names'][0].removeprefix('/')}"] = None
    for labels in choices:
        found |= dict.fromkeys(f"Network {one['Name']}" for one in engine.networks.list({"label": labels}))
    found |= dict.fromkeys(f"Volume {one['Name']}" for one in engine.volumes.list({"label": under}))
    found |= dict.fromkeys(f"Image {name}" for name in lease["Images"])
    return [*((one, "Removing") for one in found), (f"Lease {lease['Id']}", "Ending")]


def owner_words(lease: Lease) -> str:
    """The owner as users write it, with what is left of a time."""
    owner = lease["Owner"]
    if owner["Kind"] != "ttl":
        return str(owner["Text"])
    import time

    left = max(0, round(owner["Expires"] / 1e9 - time.time()))
    return f"{owner['Text']} ({left} s left)"
