"""Short forms to long forms: each attribute that has several syntaxes gets the one that later phases read.

A table from path patterns to functions; also the defaults that belong to long forms. Filling in what the project as a whole
implies (networks, names, dependencies) is normalize.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...grammar.ports import parse as parse_ports
from .. import shortforms
from ..errors import Diagnostic, Path, dotted
from .tree import Map, Place, Rules, Seq, as_tree, fail, list_at, map_at, maps_in, mark, places_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .tree import Node

    Transform = Callable[["Canonical", Node, Path, Place | None], Node]


class Canonical:
    """One run over a tree. With ``lenient``, what cannot be parsed stays as it is (uninterpolated files)."""

    def __init__(self, lenient: bool = False) -> None:
        self.lenient = lenient
        self.warnings: list[Diagnostic] = []

    def apply(self, tree: Map) -> Map:
        result = self.walk(tree, (), None, RULES)
        assert isinstance(result, Map)
        return result

    def walk(self, value: Node, path: Path, place: Place | None, rules: Rules[Transform]) -> Node:
        """``value`` with the rules applied at and below ``path``."""
        if rules.rule is not None:
            return rules.rule(self, value, path, place)
        return self.below(value, path, place, rules)

    def below(self, value: Node, path: Path, place: Place | None, rules: Rules[Transform]) -> Node:
        if not rules.below:
            return value
        if isinstance(value, Map):
            for key, item in value.items():
                step = rules.step(key)
                if step is not None:
                    value[key] = self.walk(item, (*path, key), value.places.get(key) or place, step)
        elif isinstance(value, Seq):
            step = rules.step("*")
            if step is not None:
                for index, (item, where) in enumerate(zip(value, places_of(value), strict=True)):
                    value[index] = self.walk(item, (*path, index), where or place, step)
        return value

    def into(self, value: Node, path: Path, place: Place | None) -> Node:
        rules = RULES.at(*map(str, path))
        return self.below(value, path, place, rules) if rules is not None else value


def _wrong(value: Node, path: Path, place: Place | None, expected: str) -> Exception:
    return fail(f"{dotted(path)}: expected {expected}", path, place)


def single(key: str, value: Node, place: Place | None, **more: Node) -> Map:
    """A mapping made from a short form."""
    out = Map((), place)
    out.put(key, value, place)
    for name, item in more.items():
        out.put(name, item, place)
    return out


def _long(key: str, expected: str) -> Transform:
    def transform(run: Canonical, value: Node, path: Path, place: Place | None) -> Node:
        if isinstance(value, str):
            return single(key, value, place)
        if isinstance(value, Map):
            return run.into(value, path, place)
        raise _wrong(value, path, place, expected)

    return transform


def _string_list(run: Canonical, value: Node, path: Path, place: Place | None) -> Node:
    return Seq([value], [place]) if isinstance(value, str) else value


def _key_values(run: Canonical, value: Node, path: Path, place: Place | None) -> Node:
    if isinstance(value, Map):
        return value
    if isinstance(value, Seq):
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


def _depends_on(run: Canonical, value: Node, path: Path, place: Place | None) -> Node:
    if isinstance(value, Map):
        for key, item in value.items():
            if not isinstance(item, Map):
                raise _wrong(item, (*path, key), value.places.get(key), "a mapping")
            item.setdefault("condition", "service_started")
            item.setdefault("required", True)
        return value
    if isinstance(value, Seq):
        out = Map((), place)
        for item, where in zip(value, places_of(value), strict=True):
            out.put(str(item), single("condition", "service_started", where, required=True), where)
        return out
    raise _wrong(value, path, place, "a list of services or a mapping")


def _env_file(run: Canonical, value: Node, path: Path, place: Place | None) -> Node:
    def entry(item: Node, where: Place | None) -> Node:
        if isinstance(item, str):
            return single("path", item, where, required=True)
        if isinstance(item, Map):
            item.setdefault("required", True)
            return item
        return None

    if isinstance(value, str):
        return Seq([entry(value, place)], [place])
    if isinstance(value, Seq):
        places = places_of(value)
        return Seq([entry(item, where) for item, where in zip(value, places, strict=True)], list(places))
    raise _wrong(value, path, place, "a path or a list of paths")


def _gpus(run: Canonical, value: Node, path: Path, place: Place | None) -> Node:
    if isinstance(value, Seq):
        return value
    if isinstance(value, str):
        return Seq([single("count", "all", place)], [place])
    raise _wrong(value, path, place, "`all` or a list of devices")


def _names(run: Canonical, value: Node, path: Path, place: Place | None) -> Node:
    if isinstance(value, Seq):
        out = Map((), place)
        for item, where in zip(value, places_of(value), strict=True):
            out.put(str(item), None, where)
        return out
    return value


def _volume(run: Canonical, value: Node, path: Path, place: Place | None) -> Node:
    if isinstance(value, Map):
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
            out.put(key, as_tree(item), place)
        return out
    raise _wrong(value, path, place, "a string or a mapping")


def _device(run: Canonical, value: Node, path: Path, place: Place | None) -> Node:
    if isinstance(value, Map):
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


def _ports(run: Canonical, value: Node, path: Path, place: Place | None) -> Node:
    if not isinstance(value, Seq):
        raise _wrong(value, path, place, "a list of ports")
    out = Seq()
    for index, (item, where) in enumerate(zip(value, places_of(value), strict=True)):
        if isinstance(item, Map):
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


def _ssh(run: Canonical, value: Node, path: Path, place: Place | None) -> Node:
    if isinstance(value, Map):
        return value
    if isinstance(value, Seq):
        out = Map((), place)
        for item, where in zip(value, places_of(value), strict=True):
            key, separator, rest = str(item).partition("=")
            if not separator and key != "default":
                raise fail(f"invalid ssh key {item!r}", path, where, "write ID=PATH, or `default`")
            out.put(key, rest if separator else None, where)
        return out
    raise _wrong(value, path, place, "a list or a mapping")


def _ulimit(run: Canonical, value: Node, path: Path, place: Place | None) -> Node:
    if isinstance(value, Map) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise _wrong(value, path, place, "a number or a mapping of soft and hard")


def _maybe_external(run: Canonical, value: Node, path: Path, place: Place | None) -> Node:
    if not isinstance(value, Map):
        return value
    resource = value
    external = resource.get("external")
    if isinstance(external, Map):
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
    for _, service in maps_in(tree, "services"):
        servers = service.get("dns")
        if isinstance(servers, Seq):
            kept = [
                (item, where) for item, where in zip(servers, places_of(servers), strict=True) if item not in (None, "")
            ]
            service["dns"] = Seq([item for item, _ in kept], [where for _, where in kept])


def defaults(tree: Map) -> None:
    """Set what the long forms of single attributes default to."""
    for name, service in maps_in(tree, "services"):
        build = map_at(service, "build")
        if build is not None:
            build.setdefault("context", ".")
        for secret in list_at(service, "secrets") or ():
            if isinstance(secret, Map):
                secret.setdefault("target", f"/run/secrets/{secret.get('source') or ''}")
        for port in list_at(service, "ports") or ():
            if isinstance(port, Map):
                port.setdefault("protocol", "tcp")
                port.setdefault("mode", "ingress")
        for at in (("gpus",), ("deploy", "resources", "reservations", "devices")):
            _device_requests(list_at(service, *at) or Seq(), ("services", name, *at))


def _device_requests(requests: Seq, path: Path) -> None:
    for index, (request, place) in enumerate(zip(requests, places_of(requests), strict=True)):
        if not isinstance(request, Map):
            raise fail(f"{dotted((*path, index))}: expected a mapping", (*path, index), place)
        if "count" not in request and "device_ids" not in request:
            request["count"] = "all"
