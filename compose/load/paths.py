"""Relative paths of a tree made relative to another directory, or absolute: which attributes hold host paths, and which
values in them are no paths (URLs, service references, Windows paths).

A pure rewrite of strings, except that ``~`` needs the home directory and develop.watch paths follow symbolic links.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from ...grammar.git import is_remote
from .tree import Map, Rules, Seq, fail

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import Path
    from .tree import Node

    Rewrite = Callable[["PathResolver", Node, Path], Node]


def join(base: str, path: str) -> str:
    """``path`` below ``base``, cleaned of ``.`` and ``..``; an empty base adds nothing."""
    if not base:
        return clean(path)
    return clean(f"{base}/{path}")


def clean(path: str) -> str:
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def is_windows_absolute(path: str) -> bool:
    """A drive with a slash, or a UNC share."""
    if len(path) > 2 and path[1] == ":" and path[0].isascii() and path[0].isalpha():
        return path[2] in "\\/"
    if path.startswith(("\\\\", "//")) and len(path) > 2 and path[2] not in "\\/.":
        parts = path[2:].replace("\\", "/").split("/")
        return len(parts) > 2 and bool(parts[1])
    return False


def is_elsewhere(context: str) -> bool:
    """A build context that is fetched or built rather than read from a directory."""
    return "://" in context or context.startswith("service:") or is_remote(context)


class PathResolver:
    """Rewrites the paths of a tree against ``base``; ``home`` stands for ``~``."""

    def __init__(self, base: str, home: str, links: dict[str, str] | None = None) -> None:
        self.base = base
        self.home = home
        self.links: dict[str, str] = links if links is not None else {}
        """Watched paths and what they lead to."""

    def resolve(self, tree: Map) -> None:
        self._walk(tree, (), RULES)

    def _walk(self, value: Node, path: Path, rules: Rules[Rewrite]) -> None:
        if isinstance(value, Map):
            for key, item in value.items():
                below = rules.step(key)
                if below is None:
                    continue
                if below.rule is not None:
                    value[key] = below.rule(self, item, (*path, key))
                else:
                    self._walk(item, (*path, key), below)
        elif isinstance(value, Seq):
            below = rules.step("*")
            if below is None:
                return
            for index, item in enumerate(value):
                if below.rule is not None:
                    value[index] = below.rule(self, item, (*path, index))
                else:
                    self._walk(item, (*path, index), below)

    def expand_user(self, path: str) -> str:
        return join(self.home, path[1:]) if path.startswith("~") and self.home else path

    def absolute(self, value: Node, path: Path = ()) -> Node:
        if isinstance(value, Seq):
            return Seq([self.absolute(item) for item in value])
        if not isinstance(value, str):
            raise fail("expected a path", path)
        expanded = self.expand_user(value)
        if expanded.startswith("/") or not expanded:
            return expanded
        return join(self.base, expanded)

    def context(self, value: Node, path: Path = ()) -> Node:
        if not isinstance(value, str) or is_elsewhere(value):
            return value
        return self.absolute(value)

    def host_path(self, value: Node, path: Path = ()) -> Node:
        if not isinstance(value, str):
            return value
        expanded = self.expand_user(value)
        if expanded.startswith("/") or is_windows_absolute(expanded):
            return expanded
        return join(self.base, expanded)

    def mount(self, value: Node, path: Path = ()) -> Node:
        if isinstance(value, Map) and value.get("type") == "bind":
            source = value.get("source")
            if source is None:
                message = 'invalid mount config for type "bind": field Source must not be empty'
                raise fail(message, path, value.place)
            value["source"] = self.host_path(source)
        return value

    def driver_options(self, value: Node, path: Path = ()) -> Node:
        if isinstance(value, Map) and value.get("driver") == "local":
            options = value.get("driver_opts")
            if isinstance(options, Map) and options.get("o") == "bind" and "device" in options:
                options["device"] = self.host_path(options["device"])
        return value

    def watched(self, value: Node, path: Path = ()) -> Node:
        absolute = self.absolute(value)
        if isinstance(absolute, str):
            self.links[absolute] = resolve_link(absolute)
            return self.links[absolute]
        return absolute


def resolve_link(path: str) -> str:
    """``path`` with its first symbolic link replaced by what it leads to."""
    current = "/" if path.startswith("/") else ""
    for part in path.split("/"):
        if not part:
            continue
        current = join(current, part)
        if os.path.islink(current):
            return path.replace(current, os.path.realpath(current), 1)
    return path


_S = ("services", "*")
RULES: Rules[Rewrite] = Rules(
    {
        (*_S, "build", "context"): PathResolver.context,
        (*_S, "build", "additional_contexts", "*"): PathResolver.context,
        (*_S, "build", "ssh", "*"): PathResolver.host_path,
        (*_S, "env_file", "*", "path"): PathResolver.absolute,
        (*_S, "label_file", "*"): PathResolver.absolute,
        (*_S, "extends", "file"): PathResolver.absolute,
        (*_S, "develop", "watch", "*", "path"): PathResolver.watched,
        (*_S, "volumes", "*"): PathResolver.mount,
        ("configs", "*", "file"): PathResolver.host_path,
        ("secrets", "*", "file"): PathResolver.host_path,
        ("include", "path"): PathResolver.absolute,
        ("include", "project_directory"): PathResolver.absolute,
        ("include", "env_file"): PathResolver.absolute,
        ("volumes", "*"): PathResolver.driver_options,
    }
)
