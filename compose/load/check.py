"""The rules that no schema can say: values that exclude each other, and references that must lead somewhere.

Pure: takes trees, raises one `LoadError` with everything found. Cycles through depends_on are looked for here as well, since
a project with one cannot be planned.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ..contents import uses
from ..errors import Diagnostic, LoadError, Mark, Path, dotted
from . import probes
from .bind import DEPLOY
from .binder import insert
from .bounds import duplicate_names, service_bounds
from .normalize import is_true
from .suggest import nearest
from .tree import Map, Section, diagnostic, list_at, map_at, maps_in, places_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..model.build import Build
    from ..model.deploy import Deploy
    from ..model.resources import FileObject
    from ..model.service import Service
    from .bind import Bound
    from .tree import Node

    Report = Callable[[Path, str], None]

_DEVICES: tuple[tuple[str, ...], ...] = (("gpus",), ("deploy", "resources", "reservations", "devices"))


def exclusive(tree: Map) -> None:
    """Sources of configs and secrets, external volumes, device requests and watched paths of a canonical tree."""
    found: list[Diagnostic] = []

    def report(path: Path, message: str) -> None:
        found.append(diagnostic(tree, path, f"{dotted(path)}: {message}"))

    for section, keys in (("configs", ("file", "environment", "content")), ("secrets", ("file", "environment"))):
        for name, resource in (map_at(tree, section) or {}).items():
            _one_source(resource, keys, (section, name), report)
    for name, volume in maps_in(tree, "volumes"):
        if is_true(volume.get("external")):
            for key in volume:
                if key not in ("name", "external") and not key.startswith("x-"):
                    report(("volumes", name), f'conflicting parameters "external" and "{key}" specified')
    for name, service in maps_in(tree, "services"):
        _exclusive_in_service(service, ("services", name), report)
    if found:
        raise LoadError(found)


def _one_source(resource: Node, keys: tuple[str, ...], path: Path, report: Report) -> None:
    given = [key for key in keys if key in resource] if isinstance(resource, Map) else []
    if len(given) > 1:
        report(path, f"{'|'.join(keys)} attributes are mutually exclusive")
    elsewhere = isinstance(resource, Map) and ("driver" in resource or "external" in resource)
    if not given and not elsewhere:
        report(path, f"one of {'|'.join(keys)} must be set")


def _exclusive_in_service(service: Map, path: Path, report: Report) -> None:
    for index, item in enumerate(list_at(service, "develop", "watch") or ()):
        if isinstance(item, Map) and item.get("path") == "":
            report((*path, "develop", "watch", index, "path"), "value can't be blank")
    check = map_at(service, "healthcheck")
    if check is not None:
        probes.check(check, (*path, "healthcheck"), report)
    for at in _DEVICES:
        for index, request in enumerate(list_at(service, *at) or ()):
            if isinstance(request, Map) and "count" in request and "device_ids" in request:
                report((*path, *at, index), '"count" and "device_ids" attributes are exclusive')


def warnings(tree: Map) -> list[Diagnostic]:
    """What a canonical tree holds that is allowed but hardly meant: ports added twice, options that go nowhere."""
    found: list[Diagnostic] = []
    for name, service in maps_in(tree, "services"):
        found += _ports_added_up(tree, name, service)
    for name, network in maps_in(tree, "networks"):
        ipam = map_at(network, "ipam")
        if ipam is not None and ipam.get("options"):
            message = f"networks.{name}.ipam.options has no effect: no address management driver here takes options"
            found.append(diagnostic(tree, ("networks", name, "ipam"), message))
    return found


def _ports_added_up(tree: Map, name: str, service: Map) -> Iterator[Diagnostic]:
    published: dict[tuple[str, ...], tuple[int, Mark | None]] = {}
    for index, port in enumerate(list_at(service, "ports") or ()):
        if not isinstance(port, Map) or not port.get("published"):
            continue
        path: Path = ("services", name, "ports", index)
        key = tuple(map(str, (port.get("target"), port.get("protocol", "tcp"), port.get("host_ip", ""))))
        place = diagnostic(tree, path, "").mark
        first, earlier = published.setdefault(key, (index, place))
        if first != index and earlier is not None and place is not None and earlier.file != place.file:
            message = f"{dotted(path)} publishes port {key[0]} once more, beside {earlier}"
            yield diagnostic(tree, path, message, "lists of ports add up; write `ports: !override` to replace")


class _Consistency:
    def __init__(self, bound: Bound, active: Section[Service], disabled: Section[Service]) -> None:
        self.bound = bound
        self.active = active
        self.disabled = disabled
        services = Section({**active, **disabled})
        services.places = {**disabled.places, **active.places}
        self.tree = {
            "services": services,
            "networks": bound.networks,
            "volumes": bound.volumes,
            "configs": bound.configs,
            "secrets": bound.secrets,
            "models": bound.models,
        }
        self.found: list[Diagnostic] = []

    def report(self, path: Path, message: str, hint: str = "") -> None:
        self.found.append(diagnostic(self.tree, path, message, hint))

    def run(self) -> None:
        for name, service in self.active.items():
            self.service(name, service)
            for path, message in service_bounds(name, service):
                self.report(path, message)
        for path, message in duplicate_names(self.active):
            self.report(path, message)
        for name, config in self.bound.configs.items():
            self.config(name, config)
        for name, secret in self.bound.secrets.items():
            if not secret.get("external") and not secret.get("file") and not secret.get("environment"):
                self.report(("secrets", name), f'secret "{name}" must declare either `file` or `environment`')
        if not self.found:
            self.cycles()

    def config(self, name: str, config: FileObject) -> None:
        # Content may be empty: the bound tree leaves it out then.
        given = config.get("external") or config.get("file") or config.get("environment") or config.get("driver")
        if not given and "content" not in places_in(config):
            self.report(("configs", name), f'config "{name}" must declare one of `file`, `environment` and `content`')

    def service(self, name: str, service: Service) -> None:
        path: Path = ("services", name)
        build = service.get("build")
        if build is None and not service.get("image") and "provider" not in service:
            self.report(path, f'service "{name}" has neither an image nor a build context specified')
        if build is not None:
            self.build(name, service, build)
        self.networks(name, service)
        test = service.get("healthcheck", {}).get("test")
        if test and test[0] not in ("CMD", "CMD-SHELL", "NONE"):
            at = (*path, "healthcheck", "test")
            self.report(at, 'healthcheck.test must start either by "CMD", "CMD-SHELL" or "NONE"')
        self.dependencies(name, service)
        self.references(name, service)
        self.limits(name, service)
        for index, watch in enumerate(service.get("develop", {}).get("watch", ())):
            if not watch.get("target") and watch.get("action") not in ("rebuild", "restart"):
                at = (*path, "develop", "watch", index)
                self.report(at, "target is required for non-rebuild actions")

    def dependencies(self, name: str, service: Service) -> None:
        path: Path = ("services", name)
        for other, how in service.get("depends_on", {}).items():
            if other in self.active or (other in self.disabled and not how.get("required")):
                continue
            hint = nearest(other, self.active)
            if other in self.disabled:
                hint = f"its profiles are not active: {', '.join(self.disabled[other].get('profiles', ()))}"
            self.report((*path, "depends_on", other), f'service "{name}" depends on undefined service "{other}"', hint)
        self.shared_network(name, service)

    def networks(self, name: str, service: Service) -> None:
        path: Path = ("services", name)
        if service.get("network_mode") and service.get("networks"):
            at = (*path, "network_mode")
            self.report(at, f"service {name} declares mutually exclusive `network_mode` and `networks`")
        for network in service.get("networks", ()):
            self.reference(name, (*path, "networks", network), "network", network, self.bound.networks)

    def references(self, name: str, service: Service) -> None:
        path: Path = ("services", name)
        for index, volume in enumerate(service.get("volumes", ())):
            if volume.get("type") == "volume" and "source" in volume:
                self.reference(name, (*path, "volumes", index), "volume", volume["source"], self.bound.volumes)
        for use in uses(service):
            known = self.bound.configs if use.noun == "configs" else self.bound.secrets
            at = (*path, use.noun, use.position)
            self.reference(name, at, use.noun.removesuffix("s"), use.reference.get("source", ""), known)
        for model in service.get("models", ()):
            self.reference(name, (*path, "models", model), "model", model, self.bound.models)

    def reference(self, name: str, path: Path, kind: str, wanted: str, known: Mapping[str, object]) -> None:
        if wanted not in known:
            self.report(path, f'service "{name}" refers to undefined {kind} {wanted}', nearest(wanted, known))

    def shared_network(self, name: str, service: Service) -> None:
        mode = service.get("network_mode", "")
        target = mode.removeprefix("service:")
        if mode.startswith("service:") and target not in self.active:
            at = ("services", name, "network_mode")
            message = f"service {target!r} not found for network_mode 'service:{target}'"
            if not any(item.path == ("services", name, "depends_on", target) for item in self.found):
                self.report(at, message, nearest(target, self.active))

    def build(self, name: str, service: Service, build: Build) -> None:
        path: Path = ("services", name, "build")
        if build.get("dockerfile_inline") and build.get("dockerfile"):
            message = f'service "{name}" declares mutually exclusive dockerfile and dockerfile_inline'
            self.report((*path, "dockerfile_inline"), message)
        for context, target in build.get("additional_contexts", {}).items():
            if target.startswith("service:"):
                other = self.active.get(target.removeprefix("service:"))
                what = "unknown" if other is None else "non-buildable"
                if other is None or other.get("build") is None:
                    message = (
                        f'service "{name}" declares {what} service "{target[8:]}" as additional contexts {context}'
                    )
                    self.report((*path, "additional_contexts", context), message)
        platforms = build.get("platforms")
        if platforms and service.get("platform") and service["platform"] not in platforms:
            message = f'service.build.platforms MUST include service.platform "{service["platform"]}"'
            self.report((*path, "platforms"), message)
        for index, use in enumerate(build.get("secrets", ())):
            wanted = use.get("source", "")
            if wanted not in self.bound.secrets:
                at = (*path, "secrets", index)
                message = f'service "{name}" refers to undefined build secret {wanted}'
                self.report(at, message, nearest(wanted, self.bound.secrets))

    def limits(self, name: str, service: Service) -> None:
        path: Path = ("services", name)
        deploy = service.get("deploy")
        if deploy is not None:
            self.deploy(name, service, deploy)
        count = service.get("scale")
        attribute = "scale"
        if count is None:
            attribute = "deploy.replicas"
            count = deploy.get("replicas") if deploy is not None else None
        if service.get("container_name") and count is not None and count > 1:
            message = f"can't set container_name and {attribute} as container name must be unique"
            self.report((*path, "container_name"), message)

    def deploy(self, name: str, service: Service, deploy: Deploy) -> None:
        path: Path = ("services", name)
        scale, replicas = service.get("scale"), deploy.get("replicas")
        if scale is not None:
            if replicas is not None and scale != replicas:
                message = "can't set distinct values on 'scale' and 'deploy.replicas'"
                self.report((*path, "scale"), message)
            insert(deploy, DEPLOY, "replicas", scale)
        resources = deploy.get("resources", {})
        limits, reservations = resources.get("limits"), resources.get("reservations")
        for key, given, where, other in (
            ("cpus", service.get("cpus"), "limits.cpus", None if limits is None else limits.get("cpus", 0)),
            (
                "mem_limit",
                service.get("mem_limit"),
                "limits.memory",
                None if limits is None else limits.get("memory", 0),
            ),
            (
                "mem_reservation",
                service.get("mem_reservation"),
                "reservations.memory",
                None if reservations is None else reservations.get("memory", 0),
            ),
            ("pids_limit", service.get("pids_limit"), "limits.pids", None if limits is None else limits.get("pids", 0)),
        ):
            if given and other is not None and other != given:
                message = f"can't set distinct values on '{key}' and 'deploy.resources.{where}'"
                self.report((*path, key), message)

    def cycles(self) -> None:
        done: set[str] = set()
        for start in self.active:
            trail: list[str] = []
            stack: list[tuple[str, bool]] = [(start, True)]
            while stack:
                name, entering = stack.pop()
                if not entering:
                    trail.pop()
                    done.add(name)
                    continue
                if name in trail:
                    cycle = [*trail[trail.index(name) :], name]
                    steps = (f"{a} at {self.where(a, b)}" for a, b in pairwise(cycle))
                    message = f"dependency cycle detected: {' -> '.join(cycle)}"
                    self.report(("services", cycle[0], "depends_on", cycle[1]), message, ", ".join(steps))
                    return
                if name in done or name not in self.active:
                    continue
                trail.append(name)
                stack.append((name, False))
                stack += [(other, True) for other in reversed(list(self.active[name].get("depends_on", ())))]

    def where(self, name: str, other: str) -> str:
        place = diagnostic(self.tree, ("services", name, "depends_on", other), "").mark
        return str(place) if place is not None else "an implied dependency"


def consistency(bound: Bound, active: Section[Service], disabled: Section[Service]) -> None:
    """References and limits of a bound project; raises `LoadError` with every finding."""
    run = _Consistency(bound, active, disabled)
    run.run()
    if run.found:
        raise LoadError(run.found)
