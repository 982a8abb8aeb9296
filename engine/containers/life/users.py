"""The user namespaces of this engine's containers: who has which ids, and with whom they are shared."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ...errors import NotFound
from ...linux import userns
from ..spec import userspace
from ..spec.container import OWN_RUNTIMES
from ..spec.userspace import Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@contextmanager
def lend(containers: Containers, wanted: Wanted) -> Iterator[int]:
    """The first of the ids that the container is to have, 0: the host's. Nobody else is given them before the end of the block,
    by which they are in a record, or free again."""
    found = base(containers, wanted)
    if found != userspace.OWN:
        yield found
        return
    used = {container.record.ids for container in containers} | containers.lent
    found = userspace.free(containers.ids, used, containers.layout.instance)
    containers.lent.add(found)
    try:
        yield found
    finally:
        containers.lent.discard(found)


async def renew(containers: Containers, container: Container) -> None:
    """Before a start: whom it shares with may have been made anew since it was created. Raises as base."""
    found = base(containers, Wanted.of(container.record.spec.host))
    if found not in (userspace.OWN, container.record.ids):
        await containers.save(container, ids=found)


def donor(record: ContainerRecord) -> str:
    """The kind of namespace, of those that are joined, whose owner's user namespace counts; "" when none is."""
    return next(iter(Wanted.of(record.spec.host).joined), "") if record.ids else ""
