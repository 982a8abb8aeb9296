"""An ephemeral project: a copy under a name of its own that meets no other copy, in whatever directory.

Fixed names (``container_name``, ``name`` of networks and volumes that are not external) would collide, so they are
dropped; a dropped container name stays reachable as an alias. Images built for it are named after it and go with it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .model import Project


def ephemeral_name(base: str) -> str:
    """``base-test-1f2e3d4c``"""
    return f"{base[:40]}-test-{secrets.token_hex(4)}"


def ephemeral(project: Project) -> Project:
    """``project`` (already loaded under its ephemeral name) without fixed names."""

    def renamed(trees: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: tree if (tree or {}).get("external") else {**(tree or {}), "name": f"{project.name}_{key}"}
            for key, tree in trees.items()
        }

    services = {name: _service(tree) for name, tree in project.services.items()}
    return replace(project, services=services, networks=renamed(project.networks), volumes=renamed(project.volumes))


def _service(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    fixed = tree.get("container_name")
    if not fixed:
        return tree
    networks = {
        key: {**(settings or {}), "aliases": [*((settings or {}).get("aliases") or ()), fixed]}
        for key, settings in (tree.get("networks") or {}).items()
    }
    rest = {key: value for key, value in tree.items() if key != "container_name"}
    return {**rest, "networks": networks} if networks else rest


def built_images(project: Project) -> list[str]:
    """References that only this project's builds have: what is untagged with its lease."""
    return [
        f"{project.name}-{name}"
        for name, tree in project.services.items()
        if tree.get("build") and not tree.get("image")
    ]


def variable(text: str) -> str:
    """A service's name as a part of a variable's name: ``my-db`` → ``MY_DB``."""
    return re.sub(r"[^A-Z0-9]", "_", text.upper())
