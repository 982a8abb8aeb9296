"""``include``: other Compose models, with their own directory and environment, imported beside this one.

An included model is loaded on its own; its resources must not clash with those already there, unless they are the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import Path, dotted
from . import source
from .paths import join
from .tree import Map, Place, Seq, fail, map_at, places_of

if TYPE_CHECKING:
    from .layers import Loading
    from .tree import Node

SECTIONS = ("services", "volumes", "networks", "secrets", "configs", "models")


def apply_include(loader: Loading, tree: Map, included: tuple[str, ...]) -> None:
    """Load what ``include`` names into ``tree`` and drop the attribute."""
    entries = tree.get("include")
    if "include" not in tree:
        return
    place = tree.places.get("include")
    if entries is None:
        del tree["include"]
        return
    if not isinstance(entries, Seq):
        raise fail("`include` must be a list", ("include",), place)
    for index, (entry, where) in enumerate(zip(entries, places_of(entries), strict=True)):
        _include(loader, tree, entry, included, ("include", index), where or place)
    del tree["include"]


def _strings(value: Node, path: Path, place: Place | None) -> list[str]:
    if value is None:
        return []
    items = value if isinstance(value, Seq) else [value]
    texts = [item for item in items if isinstance(item, str)]
    if len(texts) < len(items):
        raise fail(f"{dotted(path)}: expected a path or a list of paths", path, place)
    return texts


def _include(
    loader: Loading,
    tree: Map,
    entry: Node,
    included: tuple[str, ...],
    path: Path,
    place: Place | None,
) -> None:
    if isinstance(entry, str):
        entry = Map({"path": entry})
    if not isinstance(entry, Map):
        raise fail(f"{dotted(path)}: expected a path or a mapping", path, place)
    unknown = sorted(set(entry) - {"path", "env_file", "project_directory"})
    names = _strings(entry.get("path"), (*path, "path"), place)
    base = loader.base
    files = [loader.local(name, path, place) for name in names]
    if unknown:
        raise fail(
            f"{dotted(path)}: unknown key {unknown[0]!r}", path, place, "path, env_file and project_directory are known"
        )
    project_directory = entry.get("project_directory") or ""
    if not isinstance(project_directory, str):
        raise fail(f"{dotted((*path, 'project_directory'))}: expected a path", path, place)
    if not files:
        return
    if not project_directory:
        relative = os.path.relpath(os.path.dirname(files[0]), base)
        home = os.path.dirname(files[0])
    elif os.path.isabs(project_directory):
        relative = home = project_directory
    else:
        target = join(base, project_directory)
        relative = os.path.relpath(target if os.path.isdir(target) else os.path.dirname(target), base)
        home = target
    if files[0] in included:
        steps = "\n include ".join((*included, files[0]))
        raise fail(f"include cycle detected:\n{steps}", path, place)
    env_files = _env_files(loader, entry, home, path, place)
    variables = source.read_env_files(env_files, loader.environment, loader.files, None, loader.warnings)
    child = loader.child(source.Environment({**variables, **loader.environment}, loader.environment.used), home)
    imported = child.load_model(tuple(files), relative, included=included)
    _import(imported, tree, path, place)


def _env_files(loader: Loading, entry: Map, home: str, path: Path, place: Place | None) -> list[str]:
    names = _strings(entry.get("env_file"), (*path, "env_file"), place)
    if not names:
        default = join(home, ".env")
        return [default] if loader.files.is_file(default) else []
    found = []
    for name in names:
        absolute = name if os.path.isabs(name) else join(loader.base, name)
        if not os.path.exists(absolute):
            raise fail(f"env file {absolute} not found", (*path, "env_file"), place)
        if os.path.isdir(absolute):
            raise fail(f"{absolute} is not a file", (*path, "env_file"), place)
        found.append(absolute)
    return found


def _import(imported: Map, tree: Map, path: Path, place: Place | None) -> None:
    for section in SECTIONS:
        resources = map_at(imported, section)
        if resources is None:
            continue
        target = map_at(tree, section)
        if target is None:
            target = Map()
            tree.put(section, target, imported.places.get(section))
        for name, resource in resources.items():
            if name in target:
                if target[name] == resource:
                    continue
                message = f"{section}.{name} conflicts with imported resource"
                raise fail(message, (section, name), target.places.get(name) or place)
            target.put(name, resource, resources.places.get(name))
