"""``extends``: a service takes another one, of this file or of another, as its base.

Bases are followed through chains; a chain that comes back to itself is an error that shows its trail. Paths in a base from
another file are made relative to the project before merging.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import LoadError
from . import merge
from .layers import Layer, clear
from .paths import PathResolver
from .tree import Map, clone, fail

if TYPE_CHECKING:
    from ..errors import Path
    from .layers import Loading
    from .tree import Node, Place

Trail = tuple[tuple[str, str], ...]


def apply_extends(loader: Loading, tree: Map, file: str, cleared: tuple[Path, ...]) -> None:
    """Replace each service that extends another by the merged result, in place."""
    services = tree.get("services")
    if "services" not in tree:
        return
    if not isinstance(services, Map):
        raise fail("services must be a mapping", ("services",), tree.places.get("services"))
    for name in services:
        services[name] = _extended(loader, name, services, file, (cleared,), ())


def _extended(
    loader: Loading,
    name: str,
    services: Map,
    file: str,
    cleared: tuple[tuple[Path, ...], ...],
    trail: Trail,
) -> Node:
    service = services[name]
    if service is None:
        return None
    path: Path = ("services", name)
    if not isinstance(service, Map):
        return service
    extends = service.get("extends")
    if extends is None:
        return service
    place = service.places.get("extends")
    reference = extends.get("service") if isinstance(extends, Map) else extends
    other = extends.get("file") if isinstance(extends, Map) else None
    if not isinstance(reference, str) or not (other is None or isinstance(other, str)):
        raise fail("extends must name a service", (*path, "extends"), place)
    pool = services
    where = file
    if other is not None:
        pool, more = _services_of(loader, name, reference, other, place)
        cleared = (*cleared, more)
        where = other
    elif reference not in services:
        message = f"cannot extend service {name!r} in {file}: service {reference!r} not found"
        raise fail(message, (*path, "extends"), place)
    step = (where, name)
    if step in trail:
        first, *rest = (*trail, step)
        steps = "".join(f" -> {service} ({os.path.basename(home)})" for home, service in rest)
        raise fail(f"circular reference in extends: {first[1]} ({os.path.basename(first[0])}){steps}", path, place)
    base = _extended(loader, reference, pool, file, cleared, (*trail, step))
    if not isinstance(base, Map):
        return service
    merged = clone(base)
    for patterns in cleared:
        clear(Map({"services": Map({name: merged})}), patterns)
    if loader.observe is not None:
        loader.observe(Layer("extends", where, Map({"services": Map({name: clone(merged)})})))
    result = merge.merge_service(merged, service, name)
    result.pop("extends", None)
    pool[name] = result
    return result


def _services_of(
    loader: Loading, name: str, reference: str, other: str, place: Place | None
) -> tuple[Map, tuple[Path, ...]]:
    local = loader.local(other, ("services", name, "extends"), place)
    path: Path = ("services", name, "extends")
    try:
        tree, cleared = loader.load_file(local, Map(), nested="extends")
    except LoadError as error:
        if any(one.mark is not None for one in error.diagnostics):
            raise
        raise fail(str(error), path, place) from None  # it cannot be read: what names it has a place
    services = tree.get("services")
    if not isinstance(services, Map):
        raise fail(f"cannot extend service {name!r} in {local}: no services section", path, place)
    if reference not in services:
        message = f"cannot extend service {name!r}: service {reference!r} not found in {other}"
        raise fail(message, path, place)
    relative = os.path.relpath(os.path.dirname(local), loader.base)
    PathResolver(relative, loader.home, loader.files.links).resolve(tree)
    return services, cleared
