"""`up` decided: desired project against observed state, as a plan. Pure.

Two passes over the services: forward (dependencies first) for what is created, replaced and removed, here; backward for
what is started, in `starting`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import Diagnostic, PlanError
from ..digest import service_digest
from ..graph import check, closure, dependencies, shared_services
from ..ops import (
    Cause,
    ConfigureModel,
    CreateContainer,
    RemoveContainer,
    RenameContainer,
    RunProvider,
    StartContainer,
    StopContainer,
    Unchanged,
)
from ..plan import Plan, assemble
from .containers import Replica, ServiceState, Situation, decide, orphans
from .identity import check_identity
from .images import plan_images
from .jobs import plan_jobs, scheduled
from .models import plan_models
from .options import NEVER
from .order import has_pre_stop
from .resources import plan_resources, replace_networks
from .restarts import Restarts
from .starting import Starting
from .update import Update, monitor, settle, succession, update_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...model import Project
    from ...model.service import Service
    from ..digest import ServiceDigest
    from ..observe import ObservedContainer, Snapshot
    from ..ops import Key, Operation
    from .images import ImagePlan
    from .options import UpOptions

_SHARED_NOTE = "images may change: whether containers of {} are replaced is decided after"


def reconcile_up(
    project: Project,
    snapshot: Snapshot,
    options: UpOptions,
    contents: Mapping[tuple[str, str], str],
    *,
    now: float = 0.0,
) -> Plan:
    """The plan that makes ``snapshot`` what ``project`` says. ``contents`` are digests of configs and secrets.

    Raises `PlanError` and `LoadError` for what cannot be planned.
    """
    return _Planner(project, snapshot, options, contents, now).plan()


def needs_image_stage(project: Project, snapshot: Snapshot, options: UpOptions, now: float) -> Plan | None:
    """The image operations alone, when their outcome decides about existing containers; None when one plan will do."""
    check(project)
    names = selection(project, options)
    images = plan_images(project, names, snapshot, options, now)
    if not any(snapshot.of_service(name) for name in images.refreshed):
        return None
    return assemble(
        project.name, images.operations, warnings=[_SHARED_NOTE.format(", ".join(sorted(images.refreshed)))]
    )


def selection(project: Project, options: UpOptions) -> list[str]:
    """The services to bring up, dependencies first. Raises `PlanError` for an unknown one."""
    for name in (*options.services, *options.scale):
        if name not in project.services:
            if name in project.disabled_services:
                raise PlanError(f'service "{name}" is disabled by its profiles; enable one of them with --profile')
            raise PlanError(f"no such service: {name}")
    wanted = list(options.services) or list(project.services)
    order = closure(project.services, wanted)
    return order if options.with_dependencies else [name for name in order if name in wanted]


class _Planner:
    def __init__(
        self,
        project: Project,
        snapshot: Snapshot,
        options: UpOptions,
        contents: Mapping[tuple[str, str], str],
        now: float,
    ) -> None:
        check(project)
        check_identity(project, snapshot)
        self.project = project
        self.snapshot = snapshot
        self.options = options
        self.names = selection(project, options)
        self.contents = contents
        jobs = [] if options.services else scheduled(project)
        view = project.with_jobs(*jobs)
        self.images: ImagePlan = plan_images(view, [*self.names, *jobs], snapshot, options, now)
        self.resources = plan_resources(view, [*self.names, *jobs], snapshot, everything=options.all_resources)
        self.digests: dict[str, ServiceDigest] = {
            name: service_digest(project, name, contents)
            for name in self.names
            if not project.services[name].get("provider")
        }
        self.states: dict[str, ServiceState] = {}
        self.operations: list[Operation] = [*self.images.operations, *self.resources.operations]
        self.unchanged: list[Unchanged] = []
        self.warnings = list(self.resources.warnings)
        self.restarts = Restarts(project, self.states, self._starts_first)
        self.restarting = self.restarts.causes
        self.removed: list[Key] = []
        self.updates: dict[str, Update] = {}
        self.leaving: dict[str, list[Key]] = {}
        self.left_over: dict[str, list[str]] = {}
        self.situation = Situation(project, snapshot, options, self.resources)
        self.starts = Starting(self.situation, self.names, self.states, self.restarting, self.operations, self.removed)

    def plan(self) -> Plan:
        self._keep_networks_in_use()
        self._orphans()
        for name in self.names:
            if name in self.digests:
                self._decide(name)
        for name in reversed(self.names):
            if name in self.digests:
                self.starts.decide(name)
        created = [name for name, state in self.states.items() if any(one.cause is not None for one in state.replicas)]
        self.operations += plan_models(self.project, created)
        for name in self.names:
            if name in self.digests:
                self._containers(name)
            else:
                self._provider(name)
        self.operations += replace_networks(self.project, self.resources, self.leaving)
        if not self.options.services:
            self.operations += plan_jobs(self.project, self.snapshot, self.contents, self.images, self.resources)
        if self.options.start:
            self.starts.add_operations()
        return assemble(self.project.name, self.operations, self.unchanged, self.warnings)

    # -- forward: what is created, replaced, removed

    def _decide(self, name: str) -> None:
        selected = not self.options.services or name in self.options.services
        self.states[name] = decide(self.situation, name, self.digests[name], self.states, selected=selected)
        self.restarts.decide(name)
        mode = self.options.recreate if selected else self.options.recreate_dependencies
        if mode != NEVER and self.restarts.are_late(name) and self._update_config(name).start_first:
            self.restarts.replace_instead(name, self.snapshot)

    def _provider(self, name: str) -> None:
        needs = self.starts.dependency_keys(name)
        cause = Cause(
            "provider services are brought up every time", mark=self.project.mark("services", name, "provider")
        )
        self.operations.append(RunProvider(service=name, action="up", needs=needs[0], after=needs[1], cause=cause))

    def _orphans(self) -> None:
        found = orphans(self.project, self.snapshot)
        if not found or self.options.ignore_orphans:
            return
        if not self.options.remove_orphans:
            names = ", ".join(one.name for one in found)
            self.warnings.append(
                f"Found orphan containers ([{names}]) for this project. If you removed or renamed this service in your"
                " compose file, you can run this command with the --remove-orphans flag to clean it up."
            )
            return
        for one in found:
            self.removed.append(self._remove(one, Cause(f"the model has no service {one.service}")))

    def _remove(
        self, one: ObservedContainer, cause: Cause, *, needs: tuple[Key, ...] = (), volumes: bool = False
    ) -> Key:
        """Stop and remove; the removal's key."""
        before = needs
        for network in self._replaced_networks(one):
            self.leaving.setdefault(network, []).append(RemoveContainer.key_of(one.name))
        if one.running:
            stop = self._stop(one, needs, cause)
            self.operations.append(stop)
            before = (stop.key,)
        remove = RemoveContainer(
            id=one.id,
            name=one.name,
            service=one.service,
            number=one.number,
            volumes=volumes,
            force=True,  # a start that a killed command has asked for may come through only now
            needs=before,
            cause=cause,
        )
        self.operations.append(remove)
        return remove.key

    def _stop(
        self, one: ObservedContainer, needs: tuple[Key, ...], cause: Cause, *, removing: bool = True
    ) -> StopContainer:
        return StopContainer(
            id=one.id,
            name=one.name,
            service=one.service,
            number=one.number,
            timeout=self.options.timeout,
            hooks=has_pre_stop(one, self.project),
            removing=removing,
            needs=needs,
            cause=cause,
        )

    def _replaced_networks(self, one: ObservedContainer) -> list[str]:
        """Keys of the networks with another configuration that the container is on."""
        return [key for key, found in self.resources.replaced.items() if found.name in one.networks]

    def _keep_networks_in_use(self) -> None:
        """A network is replaced only when everybody on it is replaced or removed; otherwise it stays, with a warning."""
        leaving = {one.id for one in orphans(self.project, self.snapshot)} if self.options.remove_orphans else set()
        for key, found in list(self.resources.replaced.items()):
            others = [
                one.name
                for one in self.snapshot.containers
                if found.name in one.networks
                and one.id not in leaving
                and (one.service not in self.digests or one.oneoff)
            ]
            if not others and self.options.recreate != NEVER:
                continue
            why = f"{', '.join(others)} would lose it" if others else "containers are not to be recreated"
            self.warnings.append(f"{self.resources.reasons[key]}; it stays as it is, because {why}")
            del self.resources.replaced[key], self.resources.reasons[key], self.resources.network_keys[key]

    def _containers(self, name: str) -> None:
        state = self.states[name]
        for left, why, volumes in state.abandoned():
            self.left_over.setdefault(name, []).append(self._remove(left, Cause(why), volumes=volumes))
        count = len(state.replicas)
        for extra in state.surplus:
            self._remove(extra, Cause(f"service {name} is scaled to {count}", mark=self.project.mark("services", name)))
        update = self._update_config(name)
        replaced: list[Key] = []
        kept: list[tuple[Replica, ObservedContainer]] = []
        for replica in state.replicas:
            one = replica.observed
            if one is None:
                self._create(replica, ())
            elif replica.cause is not None:
                gate = (
                    replaced[len(replaced) - update.batch] if update.batch and len(replaced) >= update.batch else None
                )
                if update.rolls_back and not self._replaced_networks(one):
                    self._replace_and_keep(replica, one, gate, update)
                    kept.append((replica, one))
                else:
                    self._replace(replica, one, gate, update)
                started = StartContainer.key_of(replica.name)
                if update.start_first and not self._replaced_networks(one):
                    started = self._succeed(replica, one, update)
                if update.monitor:
                    watch = monitor(self.project, replica, update, started)
                    self.operations.append(watch)
                    started = watch.key
                replaced.append(started)
            elif replica.name != one.name:
                self.operations.append(
                    RenameContainer(
                        id=one.id,
                        name=replica.name,
                        service=name,
                        number=one.number,
                        cause=Cause("an interrupted recreation left it with a temporary name"),
                    )
                )
            elif name in self.restarting and one.running:
                before = self._before_restart(name)
                self.operations.append(self._stop(one, before, self.restarting[name], removing=False))
            elif replica.name not in self.starts.starting[name] or not self.options.start:
                self.unchanged.append(Unchanged(one.name, name, one.state))

        if kept:
            self.operations += settle(self.project, name, kept, replaced, update, self._stop)

    def _starts_first(self, name: str) -> bool:
        replaced = [one.observed for one in self.states[name].replicas if one.cause is not None and one.observed]
        return self._update_config(name).start_first and not any(map(self._replaced_networks, replaced))

    def _before_restart(self, name: str) -> tuple[Key, ...]:
        """What the stop of a container that is restarted waits for."""
        if not self.restarts.are_late(name):
            return ()
        needs, after = self.starts.dependency_keys(name, self.restarts.sources(name))
        return (*needs, *after)

    def _update_config(self, name: str) -> Update:
        if name not in self.updates:
            self.updates[name] = self._read_update_config(name)
        return self.updates[name]

    def _read_update_config(self, name: str) -> Update:
        if not self.options.start:
            return Update()
        deploy = self.project.services[name].get("deploy") or {}
        grace = self.project.services[name].get("stop_grace_period")
        update = update_config(deploy.get("update_config") or {}, deploy.get("rollback_config") or {}, grace)
        services = self.project.services if update.rolls_back else {}
        if sharers := [other for other, tree in services.items() if name in shared_services(tree)]:
            path = ("services", name, "deploy", "update_config", "failure_action")
            message = f"no rollback: {', '.join(sharers)} shares namespaces or volumes of service {name}; it pauses"
            self.warnings.append(str(Diagnostic(message, path, self.project.mark(*path))))
            from dataclasses import replace

            return replace(update, rolls_back=False)
        return update

    def _create(self, replica: Replica, gate: tuple[Key, ...], delay: float = 0.0, after: tuple[Key, ...] = ()) -> Key:
        one = replica.observed
        assert replica.cause is not None
        create = CreateContainer(
            name=replica.name,
            service=replica.service,
            number=replica.number,
            config_hash=self.digests[replica.service].config_hash,
            replaces=one.id if one is not None else "",
            kept_volumes=replica.kept_volumes,
            delay=delay,
            # What an interrupted recreation has left holds the very name that the next one gives for the time being.
            needs=(*self._creation_needs(replica.service), *self.left_over.get(replica.service, ()), *gate),
            after=after,
            cause=replica.cause,
        )
        self.operations.append(create)
        return create.key

    def _replace(self, replica: Replica, one: ObservedContainer, gate: Key | None, update: Update) -> None:
        """Create under a temporary name, stop and remove the old one, rename; or start the new one first. All of it after
        ``gate``, where the update is gradual.

        A network that is itself replaced needs the old container gone before it can be made: then removal comes first.
        """
        assert replica.cause is not None
        blocked = self._replaced_networks(one)
        if blocked:
            removal = self._remove(one, replica.cause, needs=self._sharing_stops(replica.service, replaced=False))
            self._create(
                Replica(replica.name, replica.service, replica.number, None, replica.cause, replica.kept_volumes),
                (removal,),
            )
            return
        gates = (gate,) if gate else ()
        needs, after = ((), gates) if update.goes_on else (gates, ())
        created = self._create(replica, needs, update.delay if gate else 0.0, after)
        shared = self._sharing_stops(replica.service, replaced=True)
        before: tuple[Key, ...] = (created, *shared)
        if update.start_first:
            before = (succession(self.project, replica, one, update)[-1].key, *shared)
        replaced = Cause("it is replaced", mark=replica.cause.mark)
        removal = self._remove(one, replaced, needs=before)
        self.operations.append(
            RenameContainer(
                name=replica.name,
                service=replica.service,
                number=replica.number,
                needs=(created, removal),
                cause=replaced,
            )
        )

    def _succeed(self, replica: Replica, one: ObservedContainer, update: Update) -> Key:
        """Between the start of the new container and the end of the old one; the key of what that waits for."""
        steps = succession(self.project, replica, one, update)
        self.operations += steps
        return steps[-1].key

    def _replace_and_keep(self, replica: Replica, one: ObservedContainer, gate: Key | None, update: Update) -> None:
        """Create under a temporary name and stop the old one, which stays until the whole update has gone well."""
        assert replica.cause is not None
        gates = (gate,) if gate else ()
        created = self._create(replica, gates, update.delay if gate else 0.0)
        if one.running and not update.start_first:
            cause = Cause("it is replaced", mark=replica.cause.mark)
            self.operations.append(self._stop(one, (created,), cause))

    def _sharing_stops(self, name: str, *, replaced: bool) -> tuple[Key, ...]:
        """Stops of running dependants that are restarted around the replacement of ``name``, or replaced instead (where it
        starts first, the starts that end their restarts) and, with ``replaced``, stops of those that share its namespaces and are replaced
        themselves."""
        result: list[Key] = []
        for other, dependency in self.starts.followers[name].items():
            if dependency.restart and other in self.restarts.instead:
                result += self._replaced_stops(other)
            if dependency.restart and other in self.restarting:
                kind = StartContainer if self.restarts.are_late(other) else StopContainer
                result += [
                    kind.key_of(replica.name)
                    for replica in self.states[other].replicas
                    if replica.observed is not None and replica.observed.running and replica.cause is None
                ]
            tree = self.project.services[other]
            gradual = bool((tree.get("deploy") or {}).get("update_config"))  # its stops wait for starts
            if replaced and not gradual and other in self.states and name in shared_services(tree):
                result += self._replaced_stops(other)
        return tuple(result)

    def _replaced_stops(self, name: str) -> list[Key]:
        return [
            StopContainer.key_of(replica.observed.name)
            for replica in self.states[name].replicas
            if replica.observed is not None and replica.observed.running and replica.cause is not None
        ]

    def _creation_needs(self, name: str) -> tuple[Key, ...]:
        service = self.project.services[name]
        needs = list(self.images.keys.get(name, ()))
        if len(needs) > 1:
            needs = needs[-1:]  # a pull that may fail, and the build that stands in for it
        needs += self.images.dependents.get(name, ())
        needs += [ConfigureModel.key_of(model) for model in service.get("models") or ()]
        needs += [
            self.resources.network_keys[key]
            for key in service.get("networks") or ()
            if key in self.resources.network_keys
        ]
        for item in service.get("volumes") or ():
            if item.get("source") in self.resources.volume_keys and (item.get("type") or "volume") == "volume":
                needs.append(self.resources.volume_keys[item["source"]])
        for other, dependency in dependencies(service).items():
            if other in self.names and other not in self.states and dependency.required:
                needs.append(RunProvider.key_for("up", other))  # it gives variables
            if other in self.states and self._tied(service, other):
                needs += [
                    CreateContainer.key_of(one.name) for one in self.states[other].replicas if one.cause is not None
                ]
        return tuple(dict.fromkeys(needs))

    def _tied(self, service: Service, other: str) -> bool:
        return other in shared_services(service) or any(
            str(link).partition(":")[0] == other for link in service.get("links") or ()
        )
