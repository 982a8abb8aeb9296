"""The rules that no schema can say: values that exclude each other, and references that must lead somewhere.

Pure: takes trees, raises one `LoadError` with everything found. Cycles through depends_on are looked for here as well, since
a project with one cannot be planned.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..errors import Diagnostic, LoadError, Path, dotted
from . import probes
from .bounds import duplicate_names, service_bounds
from .normalize import is_true
from .suggest import nearest
from .tree import Map, diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_DEVICES: tuple[tuple[str, ...], ...] = (("gpus",), ("deploy", "resources", "reservations", "devices"))


def exclusive(tree: Map) -> None:
    """Sources of configs and secrets, external volumes, device requests and watched paths of a canonical tree."""
    found: list[Diagnostic] = []

    def report(path: Path, message: str) -> None:
        found.append(diagnostic(tree, path, f"{dotted(path)}: {message}"))

    for section, keys in (("configs", ("file", "environment", "content")), ("secrets", ("file", "environment"))):
        for name, resource in _items(tree, section):
            if not isinstance(resource, dict):
                report((section, name), f"one of {'|'.join(keys)} must be set")
                continue
            given = [key for key in keys if key in resource]
            if len(given) > 1:
                report((section, name), f"{'|'.join(keys)} attributes are mutually exclusive")
            if not given and "driver" not in resource and "external" not in resource:
                report((section, name), f"one of {'|'.join(keys)} must be set")
    for name, volume in _items(tree, "volumes"):
        if isinstance(volume, dict) and is_true(volume.get("external")):
            for key in volume:
                if key not in ("name", "external") and not key.startswith("x-"):
                    report(("volumes", name), f'conflicting parameters "external" and "{key}" specified')
    for name, service in _items(tree, "services"):
        if not isinstance(service, dict):
            continue
        path: Path = ("services", name)
        for index, item in enumerate(_list(service, "develop", "watch")):
            if isinstance(item, dict) and item.get("path") == "":
                report((*path, "develop", "watch", index, "path"), "value can't be blank")
        if isinstance(service.get("healthcheck"), dict):
            probes.check(service["healthcheck"], (*path, "healthcheck"), report)
        for at in _DEVICES:
            for index, request in enumerate(_list(service, *at)):
                if isinstance(request, dict) and "count" in request and "device_ids" in request:
                    report((*path, *at, index), '"count" and "device_ids" attributes are exclusive')
    if found:
        raise LoadError(found)


def warnings(tree: Map) -> list[Diagnostic]:
    """What a canonical tree holds that is allowed but hardly meant: ports added twice, options that go nowhere."""
    found: list[Diagnostic] = []
    for name, service in _items(tree, "services"):
        published: dict[tuple[Any, ...], tuple[int, Any]] = {}
        ports = service.get("ports") if isinstance(service, dict) else None
        for index, port in enumerate(ports if isinstance(ports, list) else ()):
            if not isinstance(port, dict) or not port.get("published"):
                continue
            path: Path = ("services", name, "ports", index)
            key = (port.get("target"), port.get("protocol", "tcp"), port.get("host_ip", ""))
            place = diagnostic(tree, path, "").mark
            earlier = published.setdefault(key, (index, place))
            if earlier[0] != index and earlier[1] is not None and place is not None and earlier[1].file != place.file:
                message = f"{dotted(path)} publishes port {key[0]} once more, beside {earlier[1]}"
                found.append(
                    diagnostic(tree, path, message, "lists of ports add up; write `ports: !override` to replace")
                )
    for name, network in _items(tree, "networks"):
        ipam = network.get("ipam") if isinstance(network, dict) else None
        if isinstance(ipam, dict) and ipam.get("options"):
            message = f"networks.{name}.ipam.options has no effect: no address management driver here takes options"
            found.append(diagnostic(tree, ("networks", name, "ipam"), message))
    return found


def _items(tree: Mapping[str, Any], section: str) -> Iterable[tuple[str, Any]]:
    resources = tree.get(section)
    return resources.items() if isinstance(resources, dict) else ()


def _list(node: Any, *keys: str) -> list[Any]:
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, list) else []


class _Consistency:
    def __init__(self, sections: Mapping[str, Map], active: Map, disabled: Map) -> None:
        self.sections = sections
        self.active = active
        self.disabled = disabled
        self.tree = Map({**sections, "services": Map({**active, **disabled})})
        self.tree["services"].places = {**disabled.places, **active.places}
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
        for name, config in self.sections["configs"].items():
            self.config(name, config)
        for name, secret in self.sections["secrets"].items():
            if not secret.get("external") and not secret.get("file") and not secret.get("environment"):
                self.report(("secrets", name), f'secret "{name}" must declare either `file` or `environment`')
        if not self.found:
            self.cycles()

    def config(self, name: str, config: Map) -> None:
        # Content may be empty: the bound tree leaves it out then.
        given = config.get("external") or config.get("file") or config.get("environment") or config.get("driver")
        if not given and "content" not in config.places:
            self.report(("configs", name), f'config "{name}" must declare one of `file`, `environment` and `content`')

    def service(self, name: str, service: Map) -> None:
        path: Path = ("services", name)
        build = service.get("build")
        if build is None and not service.get("image") and "provider" not in service:
            self.report(path, f'service "{name}" has neither an image nor a build context specified')
        if build is not None:
            self.build(name, service, build)
        if service.get("network_mode") and service.get("networks"):
            at = (*path, "network_mode")
            self.report(at, f"service {name} declares mutually exclusive `network_mode` and `networks`")
        for network in service.get("networks") or ():
            self.reference(name, (*path, "networks", network), "network", network, self.sections["networks"])
        test = (service.get("healthcheck") or {}).get("test")
        if test and test[0] not in ("CMD", "CMD-SHELL", "NONE"):
            at = (*path, "healthcheck", "test")
            self.report(at, 'healthcheck.test must start either by "CMD", "CMD-SHELL" or "NONE"')
        for other, how in (service.get("depends_on") or {}).items():
            if other in self.active or (other in self.disabled and not how.get("required")):
                continue
            hint = nearest(other, self.active)
            if other in self.disabled:
                hint = f"its profiles are not active: {', '.join(self.disabled[other].get('profiles', ()))}"
            self.report((*path, "depends_on", other), f'service "{name}" depends on undefined service "{other}"', hint)
        self.shared_network(name, service)
        for index, volume in enumerate(service.get("volumes") or ()):
            wanted = volume.get("source")
            if volume.get("type") == "volume" and wanted:
                self.reference(name, (*path, "volumes", index), "volume", wanted, self.sections["volumes"])
        for kind, section in (("config", "configs"), ("secret", "secrets")):
            for index, use in enumerate(service.get(section) or ()):
                self.reference(name, (*path, section, index), kind, use.get("source", ""), self.sections[section])
        for model in service.get("models") or ():
            self.reference(name, (*path, "models", model), "model", model, self.sections["models"])
        self.limits(name, service)
        for index, watch in enumerate((service.get("develop") or {}).get("watch") or ()):
            if not watch.get("target") and watch.get("action") not in ("rebuild", "restart"):
                at = (*path, "develop", "watch", index)
                self.report(at, "target is required for non-rebuild actions")

    def reference(self, name: str, path: Path, kind: str, wanted: str, known: Mapping[str, Any]) -> None:
        if wanted not in known:
            self.report(path, f'service "{name}" refers to undefined {kind} {wanted}', nearest(wanted, known))

    def shared_network(self, name: str, service: Map) -> None:
        mode = service.get("network_mode") or ""
        target = mode.removeprefix("service:")
        if mode.startswith("service:") and target not in self.active:
            at = ("services", name, "network_mode")
            message = f"service {target!r} not found for network_mode 'service:{target}'"
            if not any(item.path == ("services", name, "depends_on", target) for item in self.found):
                self.report(at, message, nearest(target, self.active))

    def build(self, name: str, service: Map, build: Map) -> None:
        path: Path = ("services", name, "build")
        if build.get("dockerfile_inline") and build.get("dockerfile"):
            message = f'service "{name}" declares mutually exclusive dockerfile and dockerfile_inline'
            self.report((*path, "dockerfile_inline"), message)
        for context, target in (build.get("additional_contexts") or {}).items():
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
        for index, use in enumerate(build.get("secrets") or ()):
            wanted = use.get("source", "")
            if wanted not in self.sections["secrets"]:
                at = (*path, "secrets", index)
                message = f'service "{name}" refers to undefined build secret {wanted}'
                self.report(at, message, nearest(wanted, self.sections["secrets"]))

    def limits(self, name: str, service: Map) -> None:
        path: Path = ("services", name)
        deploy = service.get("deploy")
        if deploy is not None:
            self.deploy(name, service, deploy)
        count = service.get("scale")
        attribute = "scale"
        if count is None:
            attribute = "deploy.replicas"
            count = (deploy or {}).get("replicas")
        if service.get("container_name") and count is not None and count > 1:
            message = f"can't set container_name and {attribute} as container name must be unique"
            self.report((*path, "container_name"), message)

    def deploy(self, name: str, service: Map, deploy: Map) -> None:
        path: Path = ("services", name)
        scale, replicas = service.get("scale"), deploy.get("replicas")
        if scale is not None:
            if replicas is not None and scale != replicas:
                message = "can't set distinct values on 'scale' and 'deploy.replicas'"
                self.report((*path, "scale"), message)
            _put_replicas(deploy, scale)
        resources = deploy.get("resources") or {}
        for key, group, other in (
            ("cpus", "limits", "cpus"),
            ("mem_limit", "limits", "memory"),
            ("mem_reservation", "reservations", "memory"),
            ("pids_limit", "limits", "pids"),
        ):
            bounds = resources.get(group)
            if service.get(key) and bounds is not None and bounds.get(other, 0) != service[key]:
                message = f"can't set distinct values on '{key}' and 'deploy.resources.{group}.{other}'"
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
                stack += [(other, True) for other in reversed(list(self.active[name].get("depends_on") or ()))]

    def where(self, name: str, other: str) -> str:
        place = diagnostic(self.tree, ("services", name, "depends_on", other), "").mark
        return str(place) if place is not None else "an implied dependency"


def _put_replicas(deploy: Map, count: int) -> None:
    if "replicas" in deploy:
        deploy["replicas"] = count
        return
    items = list(deploy.items())
    at = 1 if "mode" in deploy else 0
    deploy.clear()
    deploy.update([*items[:at], ("replicas", count), *items[at:]])


def consistency(sections: Mapping[str, Map], active: Map, disabled: Map) -> None:
    """References and limits of a bound project; raises `LoadError` with every finding."""
    run = _Consistency(sections, active, disabled)
    run.run()
    if run.found:
        raise LoadError(run.found)
