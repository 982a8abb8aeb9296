"""The engine's leases: registered before anything is created, watched by guards, ended when the owner exits.

    held ──owner gone, or DELETE──► ending ──everything taken away──► no lease
      └────────────release──────────────────────────────────────────►

Creation asks ``claim`` which lease an object belongs to and runs ``within`` it; an ending lease admits nothing, and what
is under way is broken off and waited for before the removal begins, so nothing can slip through. Records are in the
store: an engine that restarts adopts the guards (or forks new ones) and finishes what was ending. Lives on the event
loop's thread.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from ..errors import Conflict, NotFound
from ..linux import process
from ..runtime.client import RequestError, ShimLost
from ..runtime.guardclient import GuardClient
from ..volumes.types import LEASE
from .record import Lease, Owner, check_id
from .removal import take_away

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from ..containers.life.service import Containers
    from ..layout import Layout
    from ..runtime.client import KeeperClient
    from ..store import Store
    from ..volumes.snapshots import Snapshots

log = logging.getLogger(__name__)

KIND = "lease"
_TRIES = 5
_PAUSE = 1.0
ABANDONED = "its owner was gone when the engine came back"


class LeaseEnded(Conflict):
    """The lease is over, or about to be: nothing is created under it any more."""


class Leases:
    def __init__(
        self, layout: Layout, store: Store, containers: Containers, snapshots: Snapshots, keeper: KeeperClient
    ) -> None:
        self._layout = layout
        self._store = store
        self._containers = containers
        self._snapshots = snapshots
        self._keeper = keeper
        self._leases: dict[str, Lease] = {}
        self._guards: dict[str, GuardClient] = {}
        self._owned: dict[str, int] = {}  # descriptors of owners by lease, for another guard should this one die
        self._running: dict[str, dict[object, Callable[[], None]]] = {}
        self._gone: dict[str, anyio.Event] = {}
        self._changed = anyio.Event()

    # look-up -------------------------------------------------------------------------------------------------------
    def get(self, id: str) -> Lease:
        """Raises NotFound."""
        found = self._leases.get(id)
        if found is None:
            raise NotFound(f"No such lease: {id}")
        return found

    def list(self) -> list[Lease]:
        """Oldest first."""
        return sorted(self._leases.values(), key=lambda lease: (lease.created, lease.id))

    @property
    def ending(self) -> bool:
        """Whether something is being taken away: the engine had better not leave now."""
        return any(lease.ending for lease in self._leases.values())

    def claim(self, labels: Mapping[str, object]) -> Lease | None:
        """The lease that an object with these labels falls under. Raises LeaseEnded when that one is over."""
        wanted = labels.get(LEASE)
        if wanted is not None:
            return self.held(str(wanted))
        for lease in self._leases.values():
            if lease.selects(labels):
                return self.held(lease.id)
        return None

    def held(self, id: str) -> Lease:
        lease = self._leases.get(id)
        if lease is None or lease.ending:
            reason = f" ({lease.ending})" if lease is not None else ""
            raise LeaseEnded(f"lease {id} has ended{reason}: nothing is created under it any more")
        return lease

    @asynccontextmanager
    async def within(self, id: str, abort: Callable[[], None]) -> AsyncIterator[None]:
        """Work under a lease: when the lease ends, ``abort`` is called and the work waited for. Raises LeaseEnded."""
        self.held(id)
        token = object()
        running = self._running.setdefault(id, {})
        running[token] = abort
        try:
            yield
        finally:
            del running[token]
            changed, self._changed = self._changed, anyio.Event()
            changed.set()

    # change --------------------------------------------------------------------------------------------------------
    async def create(self, owner: Owner, labels: Mapping[str, str], images: tuple[str, ...] = ()) -> Lease:
        """A lease held by ``owner``. The same owner asking for the same selection again gets the lease it has. Raises
        Conflict when the owner is gone, or somebody else has a lease on that selection."""
        descriptor = _open(owner)
        try:
            for other in self._leases.values():
                if labels and other.labels == labels:
                    if not other.ending and other.owner == owner and owner.kind == "pid":
                        return other
                    state = "is ending" if other.ending else f"is held by {other.owner.words()}"
                    raise Conflict(f"{_selection(labels)} is under lease {other.id} already, which {state}")
            lease = Lease(secrets.token_hex(8), owner, dict(labels), images, time.time_ns())
            await self._save(lease)
            try:
                await self._guard(lease, descriptor)
            except BaseException:
                self._forget(lease.id)
                raise
        except BaseException:
            _close(descriptor)
            raise
        self._keep(lease.id, descriptor)
        self._tell(lease, "create")
        return lease

    async def hand_over(self, id: str, owner: Owner) -> Lease:
        """Another owner, or more time from now on. Raises LeaseEnded, and Conflict when the new owner is gone."""
        check_id(id)
        self.get(id)
        self.held(id)
        descriptor = _open(owner)
        try:
            lease = replace(self.held(id), owner=owner)
            # The record first: a guard that is forked anew goes by it.
            await self._save(lease)
            with suppress(ShimLost):
                await self._guards[id].own(descriptor, _seconds(owner))
        except BaseException:
            _close(descriptor)
            raise
        self._keep(id, descriptor)
        self._tell(lease, "hand-over")
        return lease

    async def release(self, id: str) -> None:
        """End the lease and leave its things as they are: nobody's, to be removed by hand. Raises LeaseEnded."""
        self.get(id)
        lease = self.held(id)
        guard = self._guards.pop(id, None)
        self._forget(id)
        self._tell(lease, "release")
        if guard is not None:
            await guard.release()

    def end(self, id: str, reason: str) -> anyio.Event:
        """Let nothing more in and take everything away, in the background; the event is set when all is gone."""
        lease = self.get(id)
        if id in self._gone:
            return self._gone[id]
        lease = replace(lease, ending=lease.ending or reason)
        self._store.keep(KIND, lease.id, lease.record())  # on a full disk as well: it makes room
        self._leases[lease.id] = lease
        done = self._gone[id] = anyio.Event()
        self._tell(lease, "end", reason=lease.ending)

        async def work() -> None:
            await self._end(lease)
            done.set()

        self._containers.spawn(f"end of lease {id}", work)
        return done

    async def _end(self, lease: Lease) -> None:
        for attempt in range(_TRIES):
            running = self._running.get(lease.id, {})
            for abort in list(running.values()):
                abort()
            while running:
                await self._changed.wait()
            failures = await take_away(self._containers, self._snapshots, lease)
            if not failures:
                break
            log.warning("lease %s: attempt %d: %s", lease.id, attempt + 1, "; ".join(failures))
            await anyio.sleep(_PAUSE)  # what is busy is about to be let go of; nobody tells when
        else:
            # The record stays: the next start of the engine tries again.
            log.error("lease %s: could not take everything away", lease.id)
            return
        self._running.pop(lease.id, None)
        guard = self._guards.pop(lease.id, None)
        self._forget(lease.id)
        self._tell(lease, "remove")
        if guard is not None:
            await guard.release()

    # the engine's life -----------------------------------------------------------------------------------------------
    async def recover(self) -> None:
        """Adopt the guards, fork those that are missing, and end the leases whose owner is gone. Before the API opens."""
        await self._release_stale_guards()
        for body in self._store.all(KIND).values():
            lease = Lease.from_record(body)
            self._leases[lease.id] = lease
            try:
                self._adopt(lease.id, await GuardClient.connect(self._layout.lease_control(lease.id)))
            except ShimLost:
                if lease.ending:
                    continue
                await self._replace_guard(lease)
        for lease in self.list():
            if lease.ending:
                self.end(lease.id, lease.ending)

    async def _release_stale_guards(self) -> None:
        """End the guards of leases that no longer exist, and remove the sockets that killed guards have left."""
        for control in self._layout.lease_control("").parent.glob("*.sock"):
            if self._store.get(KIND, control.stem) is None:
                with suppress(ShimLost):
                    await (await GuardClient.connect(control)).release()
                control.unlink(missing_ok=True)

    def lasts(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels may go on: it is under no lease, or under one that is held."""
        wanted = labels.get(LEASE)
        leases = [lease for lease in self._leases.values() if lease.id == wanted or lease.selects(labels)]
        return not any(lease.ending for lease in leases)

    async def drained(self) -> None:
        """Return when no lease is ending."""
        for event in list(self._gone.values()):
            await event.wait()

    def close(self) -> None:
        """Let go of the guards without ending them."""
        for guard in self._guards.values():
            guard.close()
        for descriptor in self._owned.values():
            os.close(descriptor)
        self._guards, self._owned = {}, {}

    async def _guard(self, lease: Lease, descriptor: int | None) -> None:
        control = self._layout.lease_control(lease.id)
        control.parent.mkdir(mode=0o700, exist_ok=True)
        self._adopt(
            lease.id, await GuardClient.fork(self._keeper, lease.id, control, descriptor, _seconds(lease.owner))
        )

    def _adopt(self, id: str, guard: GuardClient) -> None:
        self._guards[id] = guard
        self._containers.spawn(f"watch of lease {id}", lambda: self._watch(id, guard))

    async def _watch(self, id: str, guard: GuardClient) -> None:
        """Until the guard tells of the owner's end, or dies itself."""
        began = time.monotonic()
        async with anyio.create_task_group() as group:

            async def either(event: Callable[[], object]) -> None:
                await event()  # type: ignore[misc]
                group.cancel_scope.cancel()

            group.start_soon(either, guard.ended.wait)
            group.start_soon(either, guard.closed.wait)
        if self._guards.get(id) is not guard:
            return
        if guard.ended.is_set():
            self.end(id, guard.reason)
        elif not self._keeper.closed.is_set() and not self._leases[id].ending:
            log.warning("lease %s: its guard was killed", id)
            # Limit the rate of respawns of a guard that dies at once.
            await anyio.sleep(max(0.0, _PAUSE - (time.monotonic() - began)))
            await self._replace_guard(self._leases[id])

    async def _replace_guard(self, lease: Lease) -> None:
        descriptor = self._owned.get(lease.id)
        if descriptor is None:
            try:
                if lease.owner.kind == "fd":
                    raise Conflict(ABANDONED)
                descriptor = _open(lease.owner)
            except Conflict:
                self.end(lease.id, ABANDONED)
                return
            self._keep(lease.id, descriptor)
        try:
            await self._guard(lease, descriptor)
        except (ShimLost, RequestError) as error:
            log.error("lease %s: no guard: %s", lease.id, error)

    async def _save(self, lease: Lease) -> None:
        """Raises Unavailable when the disk does not take it; then all is as before."""
        before, self._leases[lease.id] = self._leases.get(lease.id), lease  # at once: nobody else gets the selection
        try:
            with anyio.CancelScope(shield=True):
                await self._containers.blocking(self._store.put, KIND, lease.id, lease.record())
        except BaseException:
            if self._leases.get(lease.id) is lease:  # it may have begun to end meanwhile
                del self._leases[lease.id]
                if before is not None:
                    self._leases[lease.id] = before
            raise

    def _forget(self, id: str) -> None:
        self._store.delete(KIND, id)
        self._layout.lease_control(id).unlink(missing_ok=True)  # of a guard that was killed
        self._leases.pop(id, None)
        self._gone.pop(id, None)
        _close(self._owned.pop(id, None))

    def _tell(self, lease: Lease, action: str, **attributes: str) -> None:
        about = {**lease.labels, "name": lease.id, "owner": lease.owner.words(), **attributes}
        self._containers.events.publish("lease", action, lease.id, about)

    def _keep(self, id: str, descriptor: int | None) -> None:
        _close(self._owned.pop(id, None))
        if descriptor is not None:
            self._owned[id] = descriptor


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def _open(owner: Owner) -> int | None:
    """A descriptor that tells of the owner's end; None for an owner by time. Raises Conflict when it is gone."""
    if owner.kind == "ttl":
        if owner.expires <= time.time_ns():
            raise Conflict("the lease's time is over already")
        return None
    pidfd = process.open_pidfd(owner.pid, owner.started) if owner.boot == boot_id() else None
    if pidfd is None or not process.is_alive(owner.pid, owner.started):
        _close(pidfd)
        raise Conflict(f"the lease's owner, process {owner.pid}, is gone")
    if owner.kind == "pid":
        return pidfd
    try:
        return process.duplicate_descriptor(pidfd, owner.fd)
    except OSError as error:
        raise Conflict(f"cannot take descriptor {owner.fd} of process {owner.pid}: {error.strerror}") from None
    finally:
        os.close(pidfd)


def _seconds(owner: Owner) -> float | None:
    return max(0.0, (owner.expires - time.time_ns()) / 1e9) if owner.kind == "ttl" else None


def _selection(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items())


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)
