"""Names in a Compose file: where services, networks, volumes, configs and secrets are defined and where they are used. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("services", "networks", "volumes", "configs", "secrets", "models")
_SHARED = ("network_mode", "ipc", "pid", "uts")
_MERGES = 8
"""So deep ``<<`` may lead from one anchor to the next."""

_MERGE = "tag:yaml.org,2002:merge"

_BREAKS = {0x85: " ", 0x2028: " ", 0x2029: " "}
"""Line ends of YAML 1.1 that editors count as characters."""


class Symbol(NamedTuple):
    """One occurrence; ``line``, ``start`` and ``end`` count from 0, and hold the name alone, without quotes. ``file`` is where
    `extends` says that the service is."""

    kind: str
    name: str
    line: int
    start: int
    end: int
    defines: bool
    file: str = ""


def _documents(text: str) -> list[yaml.Node]:
    """None for text that is no YAML."""
    try:
        return list(yaml.compose_all(text.translate(_BREAKS), Loader=yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return []


def symbols(text: str) -> list[Symbol]:
    """All occurrences in source order; none for text that is no YAML."""
    found: set[Symbol] = set()
    for root in _documents(text):
        for _, job in _pairs(_get(root, "jobs")):
            found.update(_of_service(text, job))
        for kind in KINDS:
            for key, value in _pairs(_get(root, kind)):
                found.update(_symbol(text, kind, key, defines=True))
                if kind == "services":
                    found.update(_of_service(text, value))
    return sorted(found, key=lambda one: (one.line, one.start))


def linked(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Files that this one includes, and files that its services extend services of, as they are written."""
    joined: dict[str, None] = {}
    extended: dict[str, None] = {}
    for root in _documents(text):
        for entry in _items(_get(root, "include")):
            path = _get(entry, "path") if isinstance(entry, yaml.MappingNode) else entry
            written = (path, *_items(path))
            joined |= dict.fromkeys(one.value for one in written if isinstance(one, yaml.ScalarNode))
        for _, service in _pairs(_get(root, "services")):
            extended[_value(_get(service, "extends"), "file")] = None
    return tuple(filter(_is_path, joined)), tuple(filter(_is_path, extended))


def _is_path(name: str) -> bool:
    return bool(name) and "://" not in name


def at(text: str, line: int, column: int) -> Symbol | None:
    """The occurrence that the cursor is on or just behind."""
    return next((one for one in symbols(text) if one.line == line and one.start <= column <= one.end), None)


def _of_service(text: str, service: yaml.Node | None) -> Iterator[Symbol]:
    for kind, key in (("services", "depends_on"), ("networks", "networks"), ("models", "models")):
        for node in _names(_get(service, key)):
            yield from _symbol(text, kind, node)
    for key in ("links", "volumes_from"):
        for node in _names(_get(service, key)):
            if key == "links" or node.value[: len("container:")] != "container:":
                yield from _symbol(text, "services", node, end=":")
    yield from _of_build(text, _get(service, "build"))
    extends = _get(service, "extends")
    if isinstance(extends, yaml.ScalarNode):
        yield from _symbol(text, "services", extends)
    else:
        for named in _symbol(text, "services", _get(extends, "service")):
            yield named._replace(file=_value(extends, "file"))
    for key in _SHARED:
        shared = _get(service, key)
        if isinstance(shared, yaml.ScalarNode) and shared.value.startswith("service:"):
            yield from _symbol(text, "services", shared, skip=len("service:"))
    yield from _of_mounts(text, service)
    for kind in ("configs", "secrets"):
        for one in _items(_get(service, kind)):
            yield from _symbol(text, kind, one if isinstance(one, yaml.ScalarNode) else _get(one, "source"))


def _of_mounts(text: str, service: yaml.Node | None) -> Iterator[Symbol]:
    for mount in _items(_get(service, "volumes")):
        if isinstance(mount, yaml.ScalarNode):
            if ":" in mount.value and mount.value[:1] not in "./~$":
                yield from _symbol(text, "volumes", mount, end=":")
        elif _value(mount, "type") in ("", "volume"):
            yield from _symbol(text, "volumes", _get(mount, "source"))


def _of_build(text: str, build: yaml.Node | None) -> Iterator[Symbol]:
    contexts = _get(build, "additional_contexts")
    for node in [value for _, value in _pairs(contexts)] or _items(contexts):
        if isinstance(node, yaml.ScalarNode):
            before, mark, _ = node.value.rpartition("service:")
            if mark and (not before or before.endswith("=")):
                yield from _symbol(text, "services", node, skip=len(before + mark))
    for one in _items(_get(build, "secrets")):
        yield from _symbol(text, "secrets", one if isinstance(one, yaml.ScalarNode) else _get(one, "source"))


def _symbol(
    text: str, kind: str, node: yaml.Node | None, *, defines: bool = False, skip: int = 0, end: str = ""
) -> Iterator[Symbol]:
    if not isinstance(node, yaml.ScalarNode) or not node.value or node.start_mark.line != node.end_mark.line:
        return
    name = node.value[skip:]
    name = name.partition(end)[0] if end else name
    start = node.start_mark.column + (1 if node.style in ("'", '"') else 0) + skip
    line = node.start_mark.line
    if name and text.split("\n")[line][start : start + len(name)] == name:
        yield Symbol(kind, name, line, start, start + len(name), defines)


def _pairs(node: yaml.Node | None, depth: int = 0) -> list[tuple[yaml.Node, yaml.Node]]:
    """Those of a mapping, and behind them those that ``<<`` merges into it."""
    if not isinstance(node, yaml.MappingNode):
        return []
    found = [(key, value) for key, value in node.value if key.tag != _MERGE]
    if depth < _MERGES:
        for key, value in node.value:
            if key.tag == _MERGE:
                for one in _items(value) or [value]:
                    found += _pairs(one, depth + 1)
    return found


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
