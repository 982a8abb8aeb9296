"""Whether what an engine tells is so: its answers beside the kernel and the disk."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pycompose.engine.linux import cgroups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .engine_root import EngineRoot

_ACTIVE = ("running", "paused")


def lies(engine: EngineRoot) -> list[str]:
    """What differs between the engine's word and what there is; empty in the end, after whatever was killed.

    Compared are states, pids and control groups, links, and directories of containers and volumes.
    """
    rows = engine.json("GET", "/containers/json?all=1")
    found: list[str] = []
    links = 0
    for row in rows:
        status, container = engine.request("GET", f"/containers/{row['Id']}/json")
        if status != 200:
            return [f"{row['Names']} is listed and not found"]
        details = json.loads(container)
        found += _of_container(engine, row, details)
        if details["State"]["Status"] in _ACTIVE:
            links += sum(bool(one["MacAddress"]) for one in details["NetworkSettings"]["Networks"].values())
    found += _of_instance(engine, {row["Id"] for row in rows}, {row["Id"] for row in rows if row["State"] in _ACTIVE})
    own = [name for name in os.listdir("/sys/class/net") if name.startswith(f"pv{engine.layout.instance}")]
    if len(own) != links:
        found.append(f"{links} endpoints are connected, and the links are {own}")
    return found


def _of_container(engine: EngineRoot, row: dict[str, Any], details: dict[str, Any]) -> Iterator[str]:
    state, name = details["State"], row["Names"][0]
    group = cgroups.at(f"/pycompose-{engine.layout.instance}/{row['Id']}")
    inside = group.procs()
    if row["State"] != state["Status"]:
        yield f"{name} is listed as {row['State']} and is {state['Status']}"
    if state["Status"] in _ACTIVE:
        if state["Pid"] not in inside:
            yield f"{name} is {state['Status']}, and its process {state['Pid']} is not among {inside}"
    elif state["Pid"] or inside:
        yield f"{name} is {state['Status']}, and has the processes {state['Pid']} and {inside}"
    elif any(map(os.path.isdir, group.directories)):
        yield f"{name} is {state['Status']}, and has a control group"


def _of_instance(engine: EngineRoot, known: set[str], active: set[str]) -> Iterator[str]:
    layout = engine.layout
    group = cgroups.at(f"/pycompose-{layout.instance}")
    for directory in group.directories:
        with suppress(FileNotFoundError):
            if strays := {entry.name for entry in os.scandir(directory) if entry.is_dir()} - active:
                yield f"control groups of nobody: {directory} {sorted(strays)}"
    for what, place, wanted in (
        ("state", layout.state / "containers", known),
        ("run directory", layout.run / "containers", active),
        ("step", layout.run / "build", set()),
        ("volume", layout.volumes, {one["Name"] for one in engine.json("GET", "/volumes")["Volumes"]}),
    ):
        names = set(os.listdir(place)) if place.is_dir() else set()
        if strays := names - wanted:
            yield f"{what} of nobody: {sorted(strays)}"
