"""Short forms to long forms: each attribute that has several syntaxes gets the one that later phases read.

A table from path patterns to functions; also the defaults that belong to long forms. Filling in what the project as a whole
implies (networks, names, dependencies) is normalize.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...grammar.ports import parse as parse_ports
from .. import shortforms
from ..errors import Diagnostic, Path, dotted
from .merge import as_map
from .tree import Map, Place, Rules, Seq, fail, mark, places_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Transform = Callable[["Canonical", Any, Path, Place | None], Any]


class Canonical:
    """One run over a tree. With ``lenient``, what cannot be parsed stays as it is (uninterpolated files)."""

    def __init__(self, lenient: bool = False) -> None:
        self.lenient = lenient
        self.warnings: list[Diagnostic] = []

    def apply(self, tree: Map) -> Map:
        result = self.walk(tree, (), None, RULES)
        assert isinstance(result, Map)
        return result

    def walk(self, value: Any, path: Path, place: Place | None, rules: Rules[Transform]) -> Any:
        """``value`` with the rules applied at and below ``path``."""
        if rules.rule is not None:
            return rules.rule(self, value, path, place)
        return self.below(value, path, place, rules)

    def below(self, value: Any, path: Path, place: Place | None, rules: Rules[Transform]) -> Any:
        if not rules.below:
            return value
        if isinstance(value, dict):
            places = value.places if isinstance(value, Map) else {}
            for key, item in value.items():
                step = rules.step(key)
                if step is not None:
                    value[key] = self.walk(item, (*path, key), places.get(key) or place, step)
        elif isinstance(value, list):
            step = rules.step("*")
            if step is not None:
                for index, (item, where) in enumerate(zip(value, places_of(value), strict=True)):
                    value[index] = self.walk(item, (*path, index), where or place, step)
        return value

    def into(self, value: Any, path: Path, place: Place | None) -> Any:
        rules = RULES.at(*map(str, path))
        return self.below(value, path, place, rules) if rules is not None else value


def _wrong(value: Any, path: Path, place: Place | None, expected: str) -> Exception:
    return fail(f"{dotted(path)}: expected {expected}", path, place)


def single(key: str, value: Any, place: Place | None, **more: Any) -> Map:
    """A mapping made from a short form."""
    out = Map((), place)
    out.put(key, value, place)
    for name, item in more.items():
        out.put(name, item, place)
    return out


def _long(key: str, expected: str) -> Transform:
    def transform(run: Canonical, value: Any, path: Path, place: Place | None) -> Any:
        if isinstance(value, str):
            return single(key, value, place)
        if isinstance(value, dict):
            return run.into(value, path, place)
        raise _wrong(value, path, place, expected)

    return transform


def _string_list(run: Canonical, value: Any, path: Path, place: Place | None) -> Any:
    return Seq([value], [place]) if isinstance(value, str) else value


def _key_values(run: Canonical, value: Any, path: Path, place: Place | None) -> Any:
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        out = Map((), place)
        for item, where in zip(value, places_of(value), strict=True):
            key, separator, rest = str(item).partition("=")
            if not separator:
                if run.lenient:
                    return value
                raise fail(f"{dotted(path)}: invalid value {item}, expected key=value", path, where)
            out.put(key, rest, where)
        return out
    raise _wrong(value, path, place, "a mapping or a list of key=value")


def _depends_on(run: Canonical, value: Any, path: Path, place: Place | None) -> Any:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(item, dict):
                raise _wrong(item, (*path, key), as_map(value).places.get(key), "a mapping")
            item.setdefault("condition", "service_started")
            item.setdefault("required", True)
        return value
    if isinstance(value, list):
        out = Map((), place)
        for item, where in zip(value, places_of(value), strict=True):
            out.put(str(item), single("condition", "service_started", where, required=True), where)
        return out
    raise _wrong(value, path, place, "a list of services or a mapping")


def _env_file(run: Canonical, value: Any, path: Path, place: Place | None) -> Any:
    def entry(item: Any, where: Place | None) -> Any:
        if isinstance(item, str):
            return single("path", item, where, required=True)
        if isinstance(item, dict):
            item.setdefault("required", True)
            return item
        return None

    if isinstance(value, str):
        return Seq([entry(value, place)], [place])
    if isinstance(value, list):
        places = places_of(value)
        return Seq([entry(item, where) for item, where in zip(value, places, strict=True)], list(places))
    raise _wrong(value, path, place, "a path or a list of paths")


def _gpus(run: Canonical, value: Any, path: Path, place: Place | None) -> Any:
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return Seq([single("count", "all", place)], [place])
    raise _wrong(value, path, place, "`all` or a list of devices")


def _names(run: Canonical, value: Any, path: Path, place: Place | None) -> Any:
    if isinstance(value, list):
        out = Map((), place)
        for item, where in zip(value, places_of(value), strict=True):
            out.put(str(item), None, where)
        return out
    return value


def _volume(run: Canonical, value: Any, path: Path, place: Place | None) -> Any:
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        try:
            fields = shortforms.parse_volume(value)
        except ValueError as error:
            if run.lenient:
                return value
            raise fail(str(error), path, place) from None
        out = Map((), place)
        for key, item in fields.items():
            out.put(key, Map(item.items()) if isinstance(item, dict) else item, place)
        return out
    raise _wrong(value, path, place, "a string or a mapping")


def _device(run: Canonical, value: Any, path: Path, place: Place | None) -> Any:
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        try:
            fields = shortforms.parse_device(value)
        except ValueError as error:
            if run.lenient:
                return value
            raise fail(str(error), path, place) from None
        return single("source", fields["source"], place, target=fields["target"], permissions=fields["permissions"])
    raise _wrong(value, path, place, "a string or a mapping")


def _ports(run: Canonical, value: Any, path: Path, place: Place | None) -> Any:
    if not isinstance(value, list):
        raise _wrong(value, path, place, "a list of ports")
    out = Seq()
    for index, (item, where) in enumerate(zip(value, places_of(value), strict=True)):
        if isinstance(item, dict):
            out.add(item, where)
            continue
        if isinstance(item, bool) or not isinstance(item, (int, str)):
            raise _wrong(item, (*path, index), where, "a port number, a string or a mapping")
        try:
            ports = parse_ports(str(item))
        except ValueError as error:
            if run.lenient:
                return value
            raise fail(str(error), (*path, index), where) from None
        for port in ports:
            entry = single("mode", "ingress", where)
            if port.host_ip:
                entry.put("host_ip", port.host_ip, where)
            entry.put("target", port.target, where)
            if port.published:
                entry.put("published", port.published, where)
            entry.put("protocol", port.protocol, where)
            out.add(entry, where)
    return out


def _ssh(run: Canonical, value: Any, path: Path, place: Place | None) -> Any:
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        out = Map((), place)
        for item, where in zip(value, places_of(value), strict=True):
            key, separator, rest = str(item).partition("=")
            if not separator and key != "default":
                raise fail(f"invalid ssh key {item!r}", path, where, "write ID=PATH, or `default`")
            out.put(key, rest if separator else None, where)
        return out
    raise _wrong(value, path, place, "a list or a mapping")


def _ulimit(run: Canonical, value: Any, path: Path, place: Place | None) -> Any:
    if isinstance(value, dict) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise _wrong(value, path, place, "a number or a mapping of soft and hard")


def _maybe_external(run: Canonical, value: Any, path: Path, place: Place | None) -> Any:
    if not isinstance(value, dict):
        return value
    resource = as_map(value)
    external = resource.get("external")
    if isinstance(external, dict):
        resource["external"] = True
        if "name" in external:
            where = resource.places.get("external") or place
            self_warning = f"{dotted(path)}: external.name is deprecated. Please set name and external: true"
            run.warnings.append(Diagnostic(self_warning, path, mark(where)))
            if "name" in resource and resource["name"] != external["name"]:
                raise fail(f"{dotted(path)}: name and external.name conflict; only use name", path, where)
            if "name" not in resource:
                resource.put("name", external["name"], where)
    return resource


_S = ("services", "*")
_file_mount = _long("source", "a name or a mapping")
RULES: Rules[Transform] = Rules(
    {
        (*_S, "build"): _long("context", "a path or a mapping"),
        (*_S, "build", "secrets", "*"): _file_mount,
        (*_S, "build", "additional_contexts"): _key_values,
        (*_S, "build", "no_cache_filter"): _string_list,
        (*_S, "build", "ssh"): _ssh,
        (*_S, "build", "ulimits", "*"): _ulimit,
        (*_S, "configs", "*"): _file_mount,
        (*_S, "depends_on"): _depends_on,
        (*_S, "develop", "watch", "*", "ignore"): _string_list,
        (*_S, "develop", "watch", "*", "include"): _string_list,
        (*_S, "devices", "*"): _device,
        (*_S, "dns"): _string_list,
        (*_S, "env_file"): _env_file,
        (*_S, "extends"): _long("service", "a service or a mapping"),
        (*_S, "gpus"): _gpus,
        (*_S, "label_file"): _string_list,
        (*_S, "models"): _names,
        (*_S, "networks"): _names,
        (*_S, "ports"): _ports,
        (*_S, "secrets", "*"): _file_mount,
        (*_S, "ulimits", "*"): _ulimit,
        (*_S, "volumes", "*"): _volume,
        ("configs", "*"): _maybe_external,
        ("networks", "*"): _maybe_external,
        ("secrets", "*"): _maybe_external,
        ("volumes", "*"): _maybe_external,
        ("include", "*"): _long("path", "a path or a mapping"),
    }
)


def drop_empty(tree: Map) -> None:
    """Remove empty entries where they mean nothing (``dns``)."""
    services = tree.get("services")
    for service in services.values() if isinstance(services, dict) else ():
        servers = service.get("dns") if isinstance(service, dict) else None
        if isinstance(servers, list):
            kept = [
                (item, where) for item, where in zip(servers, places_of(servers), strict=True) if item not in (None, "")
            ]
            service["dns"] = Seq([item for item, _ in kept], [where for _, where in kept])


def defaults(tree: Map) -> None:
    """Set what the long forms of single attributes default to."""
    services = tree.get("services")
    for name, service in services.items() if isinstance(services, dict) else ():
        if not isinstance(service, dict):
            continue
        build = service.get("build")
        if isinstance(build, dict):
            build.setdefault("context", ".")
        for secret in service.get("secrets") or ():
            if isinstance(secret, dict):
                secret.setdefault("target", f"/run/secrets/{secret.get('source') or ''}")
        for port in service.get("ports") or ():
            if isinstance(port, dict):
                port.setdefault("protocol", "tcp")
                port.setdefault("mode", "ingress")
        path: Path = ("services", name, "gpus")
        requests = service.get("gpus") or ()
        _device_requests(requests, path)
        node: Any = service
        for key in ("deploy", "resources", "reservations", "devices"):
            node = node.get(key) if isinstance(node, dict) else None
        _device_requests(node or (), ("services", name, "deploy", "resources", "reservations", "devices"))


def _device_requests(requests: Any, path: Path) -> None:
    for index, request in enumerate(requests):
        if not isinstance(request, dict):
            raise fail(f"{dotted((*path, index))}: expected a mapping", (*path, index), places_of(requests)[index])
        if "count" not in request and "device_ids" not in request:
            request["count"] = "all"
