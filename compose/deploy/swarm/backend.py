"""A swarm, reached by the engine of one of its managers, and one stack on it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ...client import NotFound
from ...credentials.lookup import registry_auth
from ...errors import EngineError, OperationError
from ..findings import Findings
from ..images import Unknown
from ..objects import Cluster
from ..plan import Gate, Rules, plan_deployment, plan_removal
from .convert import PIN, convert, gates
from .labels import SERVICE, STACK
from .listing import published, units
from .observe import aligned, observe, proposed, require_manager, volumes_at
from .perform import TRIES, Hands
from .places import FIXED, PLACES
from .versions import check as check_versions
from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ...client import Engine
    from ...client.bodies import swarm as bodies
    from ...model import Project
    from ...model.service import HealthCheck
    from ...plan.plan import Plan
    from ..backend import LogLine, LogOptions
    from ..objects import Found, Wanted
    from ..plan import Options
    from ..target import Target
    from ..units import Unit
    from .nodes import Nodes


LOOK_AGAIN = 1.0
"""Seconds between two looks at the tasks."""


class SwarmBackend:
    def __init__(self, engine: Engine, name: str, target: Target, nodes: Nodes) -> None:
        self._engine = engine
        self._name = name
        self._target = target
        self._nodes = nodes
        self._watch = Watch(engine, name, self._remove_volume)
        self.users: Mapping[str, tuple[int, int]] = {}
        self.checks: Mapping[str, HealthCheck] = {}
        self.address = str(engine.endpoint.address)

    def lookup(self, ref: str) -> str:
        try:
            found = self._engine.swarm.distribution(ref, registry_auth(ref))
        except EngineError as error:
            words = str(error).lower()
            if error.status == 404 or "manifest unknown" in words or "not found" in words:
                raise Unknown(f"{ref} is not in its registry: {error}") from error
            raise
        return str((found.get("Descriptor") or {}).get("digest") or "")

    def local_registry(self) -> tuple[str, str]:
        return "", ""  # Swarm has no place to say so

    def check(self, project: Project, findings: Findings) -> None:
        convert(project, {}, findings, allow_binds=self._target.allow_binds)

    def plan(self, project: Project, images: Mapping[str, str], options: Options) -> Plan:
        require_manager(self._engine)
        findings = Findings(project)
        wanted = convert(project, images, findings, allow_binds=self._target.allow_binds)
        check_versions(wanted, self._engine.version, findings)
        findings.check()
        forms = {one.key: proposed(one) for one in wanted}
        objects = observe(self._engine, self._name)
        for key, found in list(objects.items()):
            if found.kind == "network" and key in forms:
                objects[key] = replace(found, body=aligned(found.body, forms[key]))
        cluster = Cluster(objects, self._watch.verdicts())
        rules = Rules(forms, PLACES, FIXED, frozenset({"service"}))
        return plan_deployment(project, wanted, cluster, self._gates(project, wanted), rules, options)

    def _gates(self, project: Project, wanted: Sequence[Wanted]) -> dict[str, list[Gate]]:
        return {
            one.key: [Gate(f"service {other}", how, required) for other, how, required in gates(project, one.service)]
            for one in wanted
            if one.service
        }

    def plan_removal(self, *, volumes: bool) -> Plan:
        require_manager(self._engine)
        objects = observe(self._engine, self._name)
        if volumes:
            pinned = {(one.name, one.id) for one in objects.values() if one.kind == PIN}
            there = [one for one in self._volumes() if (one.body["volume"], one.id) not in pinned]
            objects = {one.key: one for one in there} | objects
        return plan_removal(self._name, Cluster(objects), volumes=volumes)

    def _volumes(self) -> Iterator[Found]:
        """The project's volumes on all nodes whose engines can be asked. One that cannot be counts only where tasks tell of a volume."""
        for node in self._engine.swarm.nodes():
            with suppress(OperationError, EngineError):
                engine = self._nodes.engine(str(node["Description"]["Hostname"]), str(node["ID"]))
                yield from list(volumes_at(engine, self._name, node))

    def hands(self, project: Project | None) -> Hands:
        return Hands(self._engine, project, self._watch, self._name)

    def await_news(self, seconds: float) -> None:
        time.sleep(min(seconds, LOOK_AGAIN))  # Swarm has no events of tasks

    def units(self) -> list[Unit]:
        require_manager(self._engine)
        swarm = self._engine.swarm
        return list(units(self._services(), self._tasks(), swarm.nodes()))

    def images(self) -> dict[str, str]:
        return {
            str((one["Spec"].get("Labels") or {}).get(SERVICE) or ""): str(
                one["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
            )
            for one in self._services()
        }

    def services(self) -> list[str]:
        return sorted(str((one["Spec"].get("Labels") or {}).get(SERVICE) or "") for one in self._services())

    def _filters(self) -> dict[str, list[str]]:
        return {"label": [f"{STACK}={self._name}"]}

    def _services(self) -> list[bodies.Service]:
        return self._engine.swarm.services(self._filters())

    def logs(self, services: Sequence[str], options: LogOptions, line: LogLine) -> None:
        from .logs import print_logs

        require_manager(self._engine)
        print_logs(self._engine, self._name, services, options, line)

    def scale(self, counts: Mapping[str, int]) -> None:
        for service, count in counts.items():
            self._change(service, lambda spec, count=count: _scaled(spec, count))  # type: ignore[misc]

    def restart(self, services: Sequence[str]) -> None:
        for service in services or self.services():
            self._change(service, _restarted)

    def _change(self, service: str, change: Callable[[bodies.ServiceSpec], bodies.ServiceSpec]) -> None:
        """Read, change and write a service's spec; again when another has written in between."""
        for attempt in range(TRIES):
            try:
                current = self._engine.swarm.service(f"{self._name}_{service}")
            except NotFound:
                raise OperationError(f"no such service: {service}") from None
            spec = change(current["Spec"].copy())
            try:
                self._engine.swarm.update("services", current["ID"], current["Version"]["Index"], spec)
            except EngineError as error:
                if "out of sequence" not in str(error) or attempt + 1 == TRIES:
                    raise
            else:
                return

    def container(self, service: str, index: int) -> tuple[Engine, str]:
        """The engine and the id of a running container of ``service``; ``index`` is its slot, 0 for the first."""
        hosts = {str(one["ID"]): str(one["Description"]["Hostname"]) for one in self._engine.swarm.nodes()}
        filters = {**self._filters(), "desired-state": ["running"], "service": [f"{self._name}_{service}"]}
        tasks = [
            one
            for one in self._engine.swarm.tasks(filters)
            if one["Status"]["State"] == "running" and (not index or one.get("Slot") == index)
        ]
        if not tasks:
            raise OperationError(f'service "{service}" is not running' + (f" task #{index}" if index else ""))
        task = min(tasks, key=lambda one: (int(one.get("Slot") or 0), str(one["ID"])))
        return self._container_of(task, hosts)

    def _container_of(self, task: bodies.Task, hosts: Mapping[str, str]) -> tuple[Engine, str]:
        node = task["NodeID"]
        identity = (task["Status"]["ContainerStatus"] or {}).get("ContainerID", "")
        return self._nodes.engine(hosts.get(node, node), node), identity

    def processes(self, unit: Unit) -> str:
        task = self._engine.swarm.task(unit.id)
        engine, container = self._container_of(task, {str(task["NodeID"]): unit.node})
        found = engine.containers.top(container)
        return "\n".join("\t".join(row) for row in (found["Titles"] or (), *(found["Processes"] or ())))

    def addresses(self, service: str, port: int, protocol: str) -> list[str]:
        nodes = self._engine.swarm.nodes()
        return published(self._services(), self._tasks(), nodes, service, (port, protocol))

    def _tasks(self) -> list[bodies.Task]:
        return self._engine.swarm.tasks(self._filters())

    def _remove_volume(self, node: str, volume: str) -> None:
        """Remove a volume on the node that is pinned for it; the tasks that used it may be about to end."""
        tree = self._engine.swarm.node(node)
        engine = self._nodes.engine(str(tree["Description"]["Hostname"]), node)
        self._watch.remove_when_free(lambda: engine.volumes.remove(volume))

    def follow(self, service: str, line: LogLine) -> int:
        from .logs import follow_job

        return follow_job(self._engine, self._name, service, self._watch, line)

    def remove(self, service: str) -> None:
        with suppress(NotFound):
            self._engine.swarm.remove("services", f"{self._name}_{service}")

    def events(self) -> Iterator[dict[str, str]]:
        from .events import stack_events

        return stack_events(self._engine, self._name)

    def emit(self, project: Project, images: Mapping[str, str], write: Callable[[str, bytes], None]) -> None:
        from .stackfile import write_stack

        findings = Findings(project)
        wanted = convert(project, images, findings, allow_binds=self._target.allow_binds)
        findings.check()
        write_stack(project, wanted, write)


def _scaled(spec: bodies.ServiceSpec, count: int) -> bodies.ServiceSpec:
    if "Replicated" not in spec["Mode"]:
        raise OperationError(f"{spec['Name']} is not replicated: it has as many tasks as there are nodes, or is a job")
    return {**spec, "Mode": {"Replicated": {"Replicas": count}}}


def _restarted(spec: bodies.ServiceSpec) -> bodies.ServiceSpec:
    template = spec["TaskTemplate"].copy()
    return {**spec, "TaskTemplate": {**template, "ForceUpdate": int(template.get("ForceUpdate") or 0) + 1}}
