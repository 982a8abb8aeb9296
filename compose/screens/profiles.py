"""Which profiles a project was started with. No label of a container says so: what runs does, beside the Compose file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .commands import Target
    from .runner import Runner
    from .store.state import State


def profiles(
    declared: Mapping[str, Sequence[str]], enabled: Collection[str], there: Collection[str]
) -> tuple[str, ...]:
    """The profiles to name, so that every service that is ``there`` is enabled and, where the file allows it, no other one is. ``declared``
    has the profiles of each service of the file, ``enabled`` the services that are so without naming any. Pure."""
    missing = [name for name in declared if name in there and name not in enabled]
    if not missing:
        return ()
    members: dict[str, list[str]] = {}
    for name, its in declared.items():
        for profile in its:
            members.setdefault(profile, []).append(name)
    known = {*enabled, *there}
    found = [profile for profile, names in members.items() if known.issuperset(names)]
    found += [declared[name][0] for name in missing if not set(declared[name]) & set(found)]
    return tuple(dict.fromkeys(found))


def with_profiles(runner: Runner, target: Target, state: State) -> Target:
    """``target`` with the profiles that its containers were started with. Blocks while the command reads the files; where it cannot,
    the action will say why."""
    there = {one.service for one in state.containers.values() if one.project == target.project and not one.oneoff}
    if not target.files or not there:
        return target
    code, text = runner.ask([*target.options, "config", "--no-interpolate", "--services"])
    enabled = text.split()
    if code or there.issubset(enabled):
        return target
    code, text = runner.ask([*target.options, "--profile", "*", "config", "--no-interpolate", "--format", "json"])
    try:
        services = json.loads(text)["services"].items() if not code else ()
    except ValueError:  # longer than an answer may be
        return target
    declared = {name: tuple(map(str, one.get("profiles") or ())) for name, one in services}
    return replace(target, profiles=(*target.profiles, *profiles(declared, enabled, there)))
