"""The user namespaces of this engine's containers: who has which ids, and with whom they are shared."""

from __future__ import annotations

import itertools
import random
from contextlib import suppress
from typing import TYPE_CHECKING

from ...errors import EngineError, NotFound
from ...linux import userns
from ..spec import userspace
from ..spec.container import OWN_RUNTIMES
from ..spec.userspace import Wanted
from . import idranges

if TYPE_CHECKING:
    from ..spec.record import ContainerRecord
    from .container import Container
    from .service import Containers


def mode(containers: Containers, wanted: Wanted) -> str:
    """UsernsMode, the engine's where the container names none. Raises InvalidParameter for what cannot be."""
    if not wanted.mode and containers.ids.mode == "auto" and userns.is_initial() and not wanted.joined:
        wanted = wanted._replace(mode="auto")
    userspace.refuse(wanted, wanted.runtime in OWN_RUNTIMES, userns.is_initial())
    return wanted.mode


def base(containers: Containers, wanted: Wanted) -> int:
    """As userspace.base. Raises Conflict. A container that it shares with and that is not there is told by the start."""
    donors = []
    for ref in wanted.joined.values():
        with suppress(NotFound):
            donors.append(containers.get(ref).record)
    return userspace.base(wanted.mode, [userspace.Donor(donor.name, donor.ids) for donor in donors])


async def reserve(containers: Containers, id: str, wanted: Wanted, given: int = 0) -> int:
    """Where the ids of a container begin, 0: the host's. One of its own is nobody else's on this machine until it is given back;
    ``given`` is what it has had until now. Raises as base, and EngineError without a range that is left."""
    found = base(containers, wanted)
    if found != userspace.OWN:
        return found
    used = {container.record.ids for container in containers if container.id != id}
    # Anywhere: what a container that was removed has left in bind mounts should not be the next one's, and engines seldom
    # ask for the same.
    ranges = userspace.unused(containers.ids, used, random.randrange(containers.ids.ranges))
    candidates = itertools.chain((given,), ranges) if given else ranges
    try:
        taken = await containers.blocking(idranges.take, candidates, containers.layout.container_state(id))
    except OSError as error:
        raise EngineError(f"cannot reserve ids for a user namespace: {error}") from None
    if taken is None:
        raise userspace.nothing_left(containers.ids)
    return taken


async def renew(containers: Containers, container: Container) -> None:
    """Before a start: whom it shares with may have been made anew since it was created, and after a reboot somebody else may have
    its ids. Raises as reserve."""
    record = container.record
    found = await reserve(containers, container.id, Wanted.of(record.spec.host), record.ids)
    if found != record.ids:
        await containers.save(container, ids=found)


def donor(record: ContainerRecord) -> str:
    """The kind of namespace, of those that are joined, whose owner's user namespace counts; "" when none is."""
    return next(iter(Wanted.of(record.spec.host).joined), "") if record.ids else ""
