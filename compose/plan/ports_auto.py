"""Automatic host ports: the declared ones are left to the engine, which picks free ones and keeps them (`--ports auto`).

Pure: a project in, a project out. The label tells our engine to remember what it picked; any other engine picks anew at
every start.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Project
    from ..model.service import Port, Service

LABEL = "io.pycompose.ports"
MODES = ("auto", "fixed")


def wants_auto(flag: str | None, environment: Mapping[str, str], default: str = "fixed") -> bool:
    """``--ports``, else PYCOMPOSE_PORTS, else ``default``. Raises `UsageError`."""
    origin, value = ("--ports", flag) if flag else ("PYCOMPOSE_PORTS", environment.get("PYCOMPOSE_PORTS") or default)
    if value not in MODES:
        raise UsageError(f"{origin}: {value!r} is neither auto nor fixed")
    return value == "auto"


def with_auto_ports(project: Project) -> Project:
    """``project`` with every published port left open."""
    return replace(project, services={name: _service(tree) for name, tree in project.services.items()})


def _service(tree: Service) -> Service:
    if not tree.get("ports"):
        return tree
    ports: list[Port] = [{**port} for port in tree["ports"]]
    for port in ports:
        port.pop("published", None)
    return {**tree, "ports": ports, "labels": {**(tree.get("labels") or {}), LABEL: "auto"}}
