"""What `up` starts and waits for, decided backwards: dependants first, because a one-shot that ended well runs again only
when somebody who depends on it starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph import COMPLETED, HEALTHY, dependants, dependencies
from ..ops import (
    Cause,
    CreateContainer,
    RenameContainer,
    RollBack,
    RunProvider,
    StartContainer,
    StopContainer,
    TakeOverPorts,
    WaitCompleted,
    WaitHealthy,
)
from .hooks import Fresh, Order, left_over, plan_steps
from .update import stands_by

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ..ops import Key, Operation
    from .containers import Replica, ServiceState, Situation


class Starting:
    """Appends start and wait operations to ``operations``. ``states`` are the decided services (providers are not among
    them), ``restarting`` those that are restarted and why; both may still grow until `decide` is called."""

    def __init__(
        self,
        situation: Situation,
        names: Sequence[str],
        states: Mapping[str, ServiceState],
        restarting: Mapping[str, Cause],
        operations: list[Operation],
        removed: Sequence[Key],
    ) -> None:
        self.project = situation.project
        self.options = situation.options
        self.names = names
        self.states = states
        self.restarting = restarting
        self.operations = operations
        self.removed = removed
        self.snapshot = situation.snapshot
        self.starting: dict[str, set[str]] = {}
        self.followers = dependants(self.project.services)
        """Those that depend on a service, for each: made once, since it takes a look at all of them."""

    def decide(self, name: str) -> None:
        chosen: set[str] = set()
        followers = self.followers[name]
        one_shot = any(one.condition == COMPLETED for one in followers.values())
        wanted = name in self.options.services or any(self.starting.get(other) for other in followers)
        for replica in self.states[name].replicas:
            one = replica.observed
            if one is None or replica.cause is not None:
                chosen.add(replica.name)
            elif one.running and one.state != "paused":
                if name in self.restarting or (one.pending and self.project.services[name].get("post_start")):
                    chosen.add(replica.name)
            elif one_shot and not wanted and one.state == "exited" and one.exit_code == 0:
                continue  # a one-shot that has done its work for dependants that stay as they are
            else:
                chosen.add(replica.name)
        self.starting[name] = chosen

    def add_operations(self) -> None:
        for name in self.names:
            if name not in self.states:
                continue
            needs, after = self.dependency_keys(name) if self.starting[name] else ((), ())
            hooks = bool(self.project.services[name].get("post_start"))
            update = (self.project.services[name].get("deploy") or {}).get("update_config") or {}
            start_first = update.get("order") == "start-first"
            gates = self._pre_start(name, needs, after, start_first=start_first)
            for replica in self.states[name].replicas:
                if replica.name in self.starting[name]:
                    gate = gates.get(replica.name, ())
                    self._start(replica, (*gate, *needs), after, hooks, start_first=start_first)
        if self.options.wait:
            for name in self.names:
                if name in self.states:
                    self._wait_for(name)

    def _pre_start(
        self, name: str, needs: tuple[Key, ...], after: tuple[Key, ...], *, start_first: bool
    ) -> Mapping[str, tuple[Key, ...]]:
        """Adds the steps that come before the first start of the service's containers; what each start needs of them."""
        recorded = self.snapshot.hooks_of(name)
        hooks = self.project.services[name].get("pre_start") or ()
        fresh = [
            Fresh(
                replica.name,
                replica.number,
                "" if replica.cause is not None or replica.observed is None else replica.observed.id,
                self._own(replica, start_first=start_first)[0],
            )
            for replica in self.states[name].replicas
            if hooks and replica.name in self.starting[name] and _never_started(replica)
        ]
        settled = any(not _never_started(replica) for replica in self.states[name].replicas)
        steps = plan_steps(
            self.project.name,
            name,
            [(hook, self.project.mark("services", name, "pre_start", index)) for index, hook in enumerate(hooks)],
            fresh,
            recorded,
            settled=settled,
            order=Order(needs, (*after, *self.removed)),
        )
        self.operations += steps.operations
        self.operations += left_over(recorded, (operation.subject for operation in steps.operations))
        return steps.gates

    def _own(self, replica: Replica, *, start_first: bool) -> tuple[tuple[Key, ...], Cause | None]:
        """The operations on the container itself that come before its start, and why it starts, as far as they say."""
        one = replica.observed
        own: tuple[Key, ...] = ()
        cause = (
            None if replica.cause is None else Cause("it is replaced" if one else "it is new", mark=replica.cause.mark)
        )
        if one is None:
            own = (CreateContainer.key_of(replica.name),)
        elif replica.cause is not None:
            known = {operation.key for operation in self.operations}
            rename = RenameContainer.key_of(replica.name)
            created, stopped = CreateContainer.key_of(replica.name), StopContainer.key_of(one.name)
            if start_first or rename not in known:
                own = (created,)
            elif any(operation.key == RollBack.key_of(replica.service) for operation in self.operations):
                own = (created, stopped) if stopped in known else (created,)
            else:
                own = (rename,)
        elif replica.name != one.name:
            own = (RenameContainer.key_of(replica.name),)
        elif one.running and replica.service in self.restarting:
            own, cause = (StopContainer.key_of(replica.name),), self.restarting[replica.service]
        return own, cause

    def _start(
        self, replica: Replica, needs: tuple[Key, ...], after: tuple[Key, ...], hooks: bool, *, start_first: bool
    ) -> None:
        one = replica.observed
        own, cause = self._own(replica, start_first=start_first)
        if cause is None:
            state = "is not running"
            if one is not None and one.running:
                state = "has been started, and its post_start hooks have not ended"
            elif one is not None and one.exit_code is not None:
                state = f"has exited with code {one.exit_code}"
            cause = Cause(f"it {state}", mark=self.project.mark("services", replica.service))
        self.operations.append(
            StartContainer(
                id=one.id if one is not None and replica.cause is None else "",
                name=replica.name,
                service=replica.service,
                number=replica.number,
                hooks=hooks,
                behind=one.id if start_first and one is not None and stands_by(replica, one) else "",
                needs=(*own, *needs),
                after=(*after, *self.removed),
                cause=cause,
            )
        )

    def dependency_keys(
        self, name: str, only: Collection[str] | None = None
    ) -> tuple[tuple[Key, ...], tuple[Key, ...]]:
        """Operations that must succeed, and those that must be over, before ``name`` starts; of all its dependencies, or
        ``only`` of these."""
        needs: list[Key] = []
        after: list[Key] = []
        for other, dependency in dependencies(self.project.services[name]).items():
            if other not in self.names or (only is not None and other not in only):
                continue
            keys = needs if dependency.required else after
            if other not in self.states:
                keys.append(RunProvider.key_for("up", other))
                continue
            cause = Cause(
                f"service {name} waits for it to be {'healthy' if dependency.condition == HEALTHY else 'completed'}",
                mark=self.project.mark("services", name, "depends_on", other),
            )
            for replica in self.states[other].replicas:
                keys += self._condition(replica, dependency.condition, cause, optional=not dependency.required)
        return tuple(dict.fromkeys(needs)), tuple(dict.fromkeys(after))

    def _condition(self, replica: Replica, condition: str, cause: Cause, *, optional: bool) -> list[Key]:
        """The operation after which the replica meets ``condition``; none when it does already."""
        starts = replica.name in self.starting[replica.service]
        start = (StartContainer.key_of(replica.name),) if starts else ()
        # Where the old container still runs beside it, who starts now shall find the new one behind its name.
        lead = TakeOverPorts.key_of(replica.name)
        led = [lead] if any(operation.key == lead for operation in self.operations) else []
        one = replica.observed
        identity = one.id if one is not None and replica.cause is None else ""
        if condition == HEALTHY:
            kind: type[WaitHealthy | WaitCompleted] = WaitHealthy
            met = one is not None and one.health == "healthy"
        elif condition == COMPLETED:
            kind = WaitCompleted
            met = one is not None and one.state == "exited"
        else:
            return [*start, *led]
        if met and not starts:
            return []
        wait = kind(
            id=identity,
            name=replica.name,
            service=replica.service,
            number=replica.number,
            optional=optional,
            needs=start,
            cause=cause,
        )
        self._add_wait(wait)
        return [wait.key, *led]

    def _add_wait(self, wait: WaitHealthy | WaitCompleted) -> None:
        """Add it once; a wait that one service can do without and another cannot is one that must succeed, and
        one for health is not met by running."""
        for index, known in enumerate(self.operations):
            if known.key == wait.key and isinstance(known, (WaitHealthy, WaitCompleted)):
                if (known.optional and not wait.optional) or (_enough(known) and not _enough(wait)):
                    self.operations[index] = wait
                return
        self.operations.append(wait)

    def _wait_for(self, name: str) -> None:
        """`--wait`: everything runs, and is healthy where there is a check, or has ended well."""
        known = {operation.key for operation in self.operations}
        for replica in self.states[name].replicas:
            if WaitCompleted.key_of(replica.name) in known:
                continue
            one = replica.observed
            starts = replica.name in self.starting[name]
            if not starts and (one is None or not one.running):
                continue
            # What restarts at this moment has no health in the listing.
            if not starts and one is not None and one.state != "restarting" and one.health in ("", "healthy"):
                continue
            start = (StartContainer.key_of(replica.name),) if starts else ()
            self._add_wait(
                WaitHealthy(
                    id=one.id if one is not None and replica.cause is None else "",
                    name=replica.name,
                    service=name,
                    number=replica.number,
                    running_is_enough=True,
                    needs=start,
                    cause=Cause("--wait was given"),
                )
            )


def _enough(wait: WaitHealthy | WaitCompleted) -> bool:
    return isinstance(wait, WaitHealthy) and wait.running_is_enough


def _never_started(replica: Replica) -> bool:
    one = replica.observed
    return one is None or replica.cause is not None or one.state == "created"
