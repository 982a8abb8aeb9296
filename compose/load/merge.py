"""How a later file's tree is laid over an earlier one, attribute by attribute, and which list entries are the same thing.

Rules as in the Compose Specification, "Merge": mappings merge, lists append, scalars and commands are replaced, key=value
lists and the lists in `UNIQUE` keep one entry per key (the last). Nothing here reads files or knows the canonical form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import shortforms
from ..errors import Path, dotted
from .scalars import text
from .tree import Map, Place, Rules, Seq, fail, places_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .scalars import Scalar
    from .tree import Node

    Merger = Callable[[Node, Node, Path, Place | None], Node]
    Indexer = Callable[[Node, Path], object]


def merge(base: Map, override: Map) -> Map:
    """``override`` over ``base``, which is changed in place and returned; raises `LoadError` where shapes disagree."""
    return _merge_maps(base, override, (), MERGERS)


def merge_service(base: Map, override: Map, name: str) -> Map:
    """The same for one service, as ``extends`` does it."""
    return _merge_maps(base, override, ("services", name), MERGERS.at("services", name))


def _merge(base: Node, over: Node, path: Path, place: Place | None, rules: Rules[Merger] | None) -> Node:
    if rules is not None and rules.rule is not None:
        return rules.rule(base, over, path, place)
    if over is None:
        return base
    if isinstance(base, Map):
        if not isinstance(over, Map):
            raise fail(f"cannot override {dotted(path)}: it is a mapping in the file below", path, place)
        return _merge_maps(base, over, path, rules)
    if isinstance(base, Seq):
        if not isinstance(over, Seq):
            raise fail(f"cannot override {dotted(path)}: it is a list in the file below", path, place)
        return _append(base, over)
    return over


def _append(base: Seq, over: Seq) -> Seq:
    return Seq([*base, *over], [*places_of(base), *places_of(over)])


def _merge_maps(base: Map, over: Map, path: Path, rules: Rules[Merger] | None) -> Map:
    for key, value in over.items():
        place = over.places.get(key)
        if key not in base or key.startswith("x-"):
            base.put(key, value, place)
            continue
        merged = _merge(base[key], value, (*path, key), place, rules.step(key) if rules is not None else None)
        kept = merged is base[key] and not isinstance(merged, (dict, list))
        base[key] = merged
        if place is not None and (not kept or value is not None):
            base.places[key] = place
    return base


def _replace(base: Node, over: Node, path: Path, place: Place | None) -> Node:
    return over


def sequence_of(value: Node) -> Seq | None:
    """A key=value list from a mapping (sorted by text), a list or a string."""
    if isinstance(value, Map):
        items: list[tuple[str, Place | None]] = []
        for key, item in value.items():
            place = value.places.get(key)
            if item is None:
                items.append((key, place))
            elif isinstance(item, Seq):
                items += [(f"{key}={text(part)}", place) for part in item]
            else:
                items.append((f"{key}={text(item)}", place))
        items.sort(key=lambda pair: pair[0])
        return Seq([item for item, _ in items], [place for _, place in items])
    if isinstance(value, Seq):
        return Seq(value, list(places_of(value)))
    if isinstance(value, str):
        return Seq([value])
    return None


def _to_sequence(base: Node, over: Node, path: Path, place: Place | None) -> Node:
    left, right = sequence_of(base), sequence_of(over)
    if isinstance(over, str) and right is not None:
        right.places = [place]
    if left is None and right is None:
        return Seq()
    return _append(left or Seq(), right or Seq())


def _extra_hosts(base: Node, over: Node, path: Path, place: Place | None) -> Node:
    left, right = sequence_of(base) or Seq(), sequence_of(over) or Seq()
    fresh = [(item, where) for item, where in right.pairs() if item not in left]
    return _append(left, Seq([item for item, _ in fresh], [where for _, where in fresh]))


def _mapping_of(value: Node, default: Mapping[str, Scalar] | None) -> Map | None:
    if isinstance(value, Map):
        return value
    if isinstance(value, Seq):
        out = Map()
        for item, place in zip(value, places_of(value), strict=True):
            if isinstance(item, str):
                out.put(item, None if default is None else Map(default), place)
        return out
    return None


def _as_mappings(default: Mapping[str, Scalar] | None) -> Merger:
    def merger(base: Node, over: Node, path: Path, place: Place | None) -> Node:
        left, right = _mapping_of(base, default), _mapping_of(over, default)
        return _merge_maps(left if left is not None else Map(), right or Map(), path, MERGERS.at(*map(str, path)))

    return merger


def _build(base: Node, over: Node, path: Path, place: Place | None) -> Node:
    def long(value: Node, where: Place | None) -> Map:
        if isinstance(value, str):
            out = Map()
            out.put("context", value, where)
            return out
        return value if isinstance(value, Map) else Map()

    return _merge_maps(long(base, None), long(over, place), path, MERGERS.at(*map(str, path)))


def _logging(base: Node, over: Node, path: Path, place: Place | None) -> Node:
    if not isinstance(base, Map) or not isinstance(over, Map):
        return over if over is not None else base
    if over.get("driver") == base.get("driver") or "driver" not in over or "driver" not in base:
        return _merge_maps(base, over, path, MERGERS.at(*map(str, path)))
    return over


def _ulimit(base: Node, over: Node, path: Path, place: Place | None) -> Node:
    return over


def _ipam(base: Node, over: Node, path: Path, place: Place | None) -> Node:
    if not isinstance(base, Seq) or not isinstance(over, Seq):
        return over if over is not None else base
    merged = Seq()

    def index_of(subnet: Node) -> int:
        return next((i for i, item in enumerate(merged) if isinstance(item, Map) and item.get("subnet") == subnet), -1)

    for original in base:
        for left, where in zip(over, places_of(over), strict=True):
            if not isinstance(original, Map) or not isinstance(left, Map):
                raise fail(f"{dotted(path)}: expected a list of mappings", path, where or place)
            if left.get("subnet") != original.get("subnet") and index_of(left.get("subnet")) < 0:
                merged.add(left, where)
                continue
            both = _merge_maps(original, left, path, None)
            at = index_of(both.get("subnet"))
            if at >= 0:
                merged[at] = both
            else:
                merged.add(both, where)
    return merged


_STARTED: Mapping[str, Scalar] = {"condition": "service_started", "required": True}
_S = ("services", "*")
MERGERS: Rules[Merger] = Rules(
    {
        ("networks", "*", "ipam", "config"): _ipam,
        ("networks", "*", "labels"): _to_sequence,
        ("volumes", "*", "labels"): _to_sequence,
        (*_S, "annotations"): _to_sequence,
        (*_S, "build"): _build,
        (*_S, "build", "args"): _to_sequence,
        (*_S, "build", "additional_contexts"): _to_sequence,
        (*_S, "build", "extra_hosts"): _extra_hosts,
        (*_S, "build", "labels"): _to_sequence,
        (*_S, "command"): _replace,
        (*_S, "depends_on"): _as_mappings(_STARTED),
        (*_S, "deploy", "labels"): _to_sequence,
        (*_S, "dns"): _to_sequence,
        (*_S, "dns_opt"): _to_sequence,
        (*_S, "dns_search"): _to_sequence,
        (*_S, "entrypoint"): _replace,
        (*_S, "env_file"): _to_sequence,
        (*_S, "label_file"): _to_sequence,
        (*_S, "environment"): _to_sequence,
        (*_S, "extra_hosts"): _extra_hosts,
        (*_S, "healthcheck", "test"): _replace,
        (*_S, "labels"): _to_sequence,
        (*_S, "logging"): _logging,
        (*_S, "models"): _as_mappings(None),
        (*_S, "networks"): _as_mappings(None),
        (*_S, "sysctls"): _to_sequence,
        (*_S, "tmpfs"): _to_sequence,
        (*_S, "ulimits", "*"): _ulimit,
    }
)


def unique(tree: Map) -> Map:
    """The tree in which each list of `UNIQUE` holds one entry per key: the last, at the place of the first."""
    _unique(tree, UNIQUE, ())
    return tree


def _unique(tree: Map, rules: Rules[Indexer], path: Path) -> None:
    for key, value in tree.items():
        below = rules.step(key)
        if below is None:
            continue
        if isinstance(value, Map):
            _unique(value, below, (*path, key))
        elif isinstance(value, Seq) and below.rule is not None and len(value) > 0:
            tree[key] = _unique_list(value, below.rule, (*path, key))


def _unique_list(items: Seq, index: Indexer, path: Path) -> Seq:
    out = Seq()
    seen: dict[object, int] = {}
    for position, (item, place) in enumerate(zip(items, places_of(items), strict=True)):
        try:
            key = index(item, (*path, position))
        except ValueError as error:
            raise fail(str(error), (*path, position), place) from None
        if isinstance(key, (Map, Seq)):
            key = text(key)
        at = seen.get(key)
        if at is None:
            seen[key] = len(out)
            out.add(item, place)
        else:
            out[at] = item
            out.places[at] = place
    return out


def _by_key(item: Node, path: Path) -> object:
    if not isinstance(item, str):
        raise ValueError(f"{dotted(path)}: expected a string, got {text(item)}")
    return item.partition("=")[0]


def _by_target(item: Node, path: Path) -> object:
    if isinstance(item, Map):
        target = item.get("target")
        if not isinstance(target, str):
            raise ValueError("service volume is missing a mount target")
        return target
    if isinstance(item, str):
        return shortforms.volume_target(item) if len(item.encode()) > 2 else item
    return ""


def _by_device(item: Node, path: Path) -> object:
    if isinstance(item, Map):
        target = item.get("target")
        if not isinstance(target, str):
            raise ValueError("service device is missing a mount target")
        return target
    if isinstance(item, str):
        parts = item.split(":")
        return parts[0] if len(parts) == 1 else parts[1]
    return ""


def _by_exposed(item: Node, path: Path) -> object:
    if isinstance(item, str) or (isinstance(item, int) and not isinstance(item, bool)):
        return str(item)
    raise ValueError(f"unsupported expose value {text(item)}")


def _by_mount(default: str) -> Indexer:
    def indexer(item: Node, path: Path) -> object:
        if isinstance(item, str):
            return f"{default}/{item}"
        if isinstance(item, Map):
            return item["target"] if "target" in item else f"{default}/{text(item.get('source'))}"
        raise ValueError(f"unsupported value {text(item)}")

    return indexer


def _by_port(item: Node, path: Path) -> object:
    if isinstance(item, Map):
        if "target" not in item:
            raise ValueError("service port is missing a target port")
        published = item.get("published")
        return (
            text(item.get("host_ip", "0.0.0.0")),
            type(published).__name__,
            text(published),
            isinstance(item["target"], str),
            text(item["target"]),
            text(item.get("protocol", "tcp")),
        )
    if isinstance(item, str):
        return item
    return str(item) if isinstance(item, int) else ""


def _by_path(item: Node, path: Path) -> object:
    if isinstance(item, Map):
        found = item.get("path")
        if not isinstance(found, str):
            raise ValueError("the path of an env_file entry is missing")
        return found
    return item if isinstance(item, str) else ""


UNIQUE: Rules[Indexer] = Rules(
    {
        ("networks", "*", "labels"): _by_key,
        ("networks", "*", "ipam", "options"): _by_key,
        (*_S, "annotations"): _by_key,
        (*_S, "build", "args"): _by_key,
        (*_S, "build", "additional_contexts"): _by_key,
        (*_S, "build", "platform"): _by_key,
        (*_S, "build", "tags"): _by_key,
        (*_S, "build", "labels"): _by_key,
        (*_S, "cap_add"): _by_key,
        (*_S, "cap_drop"): _by_key,
        (*_S, "devices"): _by_device,
        (*_S, "configs"): _by_mount(""),
        (*_S, "deploy", "labels"): _by_key,
        (*_S, "dns"): _by_key,
        (*_S, "dns_opt"): _by_key,
        (*_S, "dns_search"): _by_key,
        (*_S, "environment"): _by_key,
        (*_S, "env_file"): _by_path,
        (*_S, "expose"): _by_exposed,
        (*_S, "labels"): _by_key,
        (*_S, "links"): _by_key,
        (*_S, "networks", "*", "aliases"): _by_key,
        (*_S, "networks", "*", "link_local_ips"): _by_key,
        (*_S, "ports"): _by_port,
        (*_S, "profiles"): _by_key,
        (*_S, "secrets"): _by_mount("/run/secrets"),
        (*_S, "sysctls"): _by_key,
        (*_S, "tmpfs"): _by_key,
        (*_S, "volumes"): _by_target,
    }
)
