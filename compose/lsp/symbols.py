"""Names in a Compose file: where services, networks, volumes, configs and secrets are defined and where they are used. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("services", "networks", "volumes", "configs", "secrets")
_SHARED = ("network_mode", "ipc", "pid", "uts")


class Symbol(NamedTuple):
    """One occurrence; ``line``, ``start`` and ``end`` count from 0, and hold the name alone, without quotes."""

    kind: str
    name: str
    line: int
    start: int
    end: int
    defines: bool


def symbols(text: str) -> list[Symbol]:
    """All occurrences in source order; none for text that is no YAML."""
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
    found: set[Symbol] = set()
    for root in documents:
        for kind in KINDS:
            for key, value in _pairs(_get(root, kind)):
                found.update(_symbol(text, kind, key, defines=True))
                if kind == "services":
                    found.update(_of_service(text, value))
    return sorted(found, key=lambda one: (one.line, one.start))


def at(text: str, line: int, column: int) -> Symbol | None:
    """The occurrence that the cursor is on or just behind."""
    return next((one for one in symbols(text) if one.line == line and one.start <= column <= one.end), None)


def _of_service(text: str, service: yaml.Node | None) -> Iterator[Symbol]:
    for kind, key in (("services", "depends_on"), ("networks", "networks")):
        for node in _names(_get(service, key)):
            yield from _symbol(text, kind, node)
    for key in ("links", "volumes_from"):
        for node in _names(_get(service, key)):
            yield from _symbol(text, "services", node, end=":")
    extends = _get(service, "extends")
    if isinstance(extends, yaml.ScalarNode):
        yield from _symbol(text, "services", extends)
    elif _get(extends, "file") is None:
        yield from _symbol(text, "services", _get(extends, "service"))
    for key in _SHARED:
        shared = _get(service, key)
        if isinstance(shared, yaml.ScalarNode) and shared.value.startswith("service:"):
            yield from _symbol(text, "services", shared, skip=len("service:"))
    for mount in _items(_get(service, "volumes")):
        if isinstance(mount, yaml.ScalarNode):
            if ":" in mount.value and mount.value[:1] not in "./~$":
                yield from _symbol(text, "volumes", mount, end=":")
        elif _value(mount, "type") in ("", "volume"):
            yield from _symbol(text, "volumes", _get(mount, "source"))
    for kind in ("configs", "secrets"):
        for one in _items(_get(service, kind)):
            yield from _symbol(text, kind, one if isinstance(one, yaml.ScalarNode) else _get(one, "source"))


def _symbol(
    text: str, kind: str, node: yaml.Node | None, *, defines: bool = False, skip: int = 0, end: str = ""
) -> Iterator[Symbol]:
    if not isinstance(node, yaml.ScalarNode) or not node.value or node.start_mark.line != node.end_mark.line:
        return
    name = node.value[skip:]
    name = name.partition(end)[0] if end else name
    start = node.start_mark.column + (1 if node.style in ("'", '"') else 0) + skip
    line = node.start_mark.line
    if text.split("\n")[line][start : start + len(name)] == name:
        yield Symbol(kind, name, line, start, start + len(name), defines)


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _names(node: yaml.Node | None) -> list[yaml.Node]:
    """Of a list or of a mapping's keys."""
    return [key for key, _ in _pairs(node)] or _items(node)


def _get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    return next((value for name, value in _pairs(node) if name.value == key), None)


def _value(node: yaml.Node | None, key: str) -> str:
    found = _get(node, key)
    return found.value if isinstance(found, yaml.ScalarNode) else ""
