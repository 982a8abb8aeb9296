"""A plan in short: one line for each container that is replaced, with what its fields were and will be. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ops import CreateContainer, RemoveContainer, RenameContainer, StartContainer, StopContainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..client.bodies.containers import Container
    from ..model.service import Service
    from .ops import Key, Operation
    from .plan import Plan

_PARTS = (CreateContainer, StopContainer, RemoveContainer, RenameContainer, StartContainer)
_FOLDED = "it is replaced"
"""The cause of what comes after a creation that replaces something."""


def outline(plan: Plan, change_of: Callable[[Operation, str], str]) -> str:
    """As `Plan.text`, with a replacement's operations in one. ``change_of`` gives ``old → new`` for a field, or ""."""
    if plan.empty:
        return plan.text()
    groups = _groups(plan)
    places = {one.key: index for index, one in enumerate(plan.operations)}
    starts = [one.key for one in plan.operations if isinstance(one, StartContainer)]
    begins = {groups[key]: places[key] for key in starts if key in groups}
    # A replacement stands where the new container starts: what it waits for comes before.
    shown = sorted(
        (one for one in plan.operations if groups.get(one.key, one.key) == one.key),
        key=lambda one: begins.get(one.key, places[one.key]),
    )
    numbers = {one.key: index for index, one in enumerate(shown, 1)}
    width = len(str(len(shown)))
    lines = [f"{plan.project}: {len(shown)} step{'s'[: len(shown) != 1]}"]
    for index, operation in enumerate(shown, 1):
        parts = [one for one in plan.operations if groups.get(one.key, one.key) == operation.key]
        waits = {groups.get(key, key) for one in parts for key in (*one.needs, *one.after)}
        earlier = sorted(number for key in waits if (number := numbers.get(key, index)) < index)
        after = f"  [after {', '.join(map(str, earlier))}]" if earlier else ""
        words = f"recreate {operation.subject}" if len(parts) > 1 else operation.key
        place = f" ({operation.cause.mark})" if operation.cause.mark else ""
        lines.append(f"{index:>{width}}. {words}{after}")
        lines.append(f"{'':>{width}}    {operation.cause.reason}{place}")
        for change in operation.cause.changes:
            values = change_of(operation, change.path)
            lines.append(f"{'':>{width}}      {change}{f': {values}' if values else ''}")
    return "\n".join(lines) + "\n"


def _groups(plan: Plan) -> dict[Key, Key]:
    """The key of every operation that is part of a replacement -> the key of its creation."""
    found: dict[Key, Key] = {}
    for operation in plan.operations:
        if isinstance(operation, CreateContainer) and operation.replaces:
            found[operation.key] = operation.key
    for operation in plan.operations:
        create = CreateContainer.key_of(operation.subject)
        if create in found and isinstance(operation, _PARTS) and operation.cause.reason == _FOLDED:
            found[operation.key] = create
    return found


def recorded_value(details: Container, service: Service, path: tuple[str | int, ...]) -> object:
    """What field ``path`` of ``service`` was for the container that the engine's ``details`` describe; None for unknown."""
    config, host = details.get("Config") or {}, details.get("HostConfig") or {}
    match path:
        case ("environment", str(name)):
            pairs = dict(one.partition("=")[::2] for one in config.get("Env") or ())
            return pairs.get(name)
        case ("labels", str(name)):
            return (config.get("Labels") or {}).get(name)
        case ("command" | "entrypoint" as key, int(index)):
            words = (config.get("Cmd") if key == "command" else config.get("Entrypoint")) or ()
            return words[index] if index < len(words) else None
        case ("ports", int(index), "published"):
            port = (service.get("ports") or [{}])[index] if index < len(service.get("ports") or ()) else {}
            key = f"{port.get('target')}/{port.get('protocol') or 'tcp'}"
            bindings = (host.get("PortBindings") or {}).get(key) or [{}]
            return bindings[0].get("HostPort") or None
        case ("restart",):
            return (host.get("RestartPolicy") or {}).get("Name") or None
        case (str(key),) if key in _CONFIG:
            return config.get(_CONFIG[key])
        case (str(key),) if key in _HOST:
            return host.get(_HOST[key])
    return None


_CONFIG = {
    "user": "User",
    "working_dir": "WorkingDir",
    "hostname": "Hostname",
    "stop_signal": "StopSignal",
    "tty": "Tty",
}
_HOST = {
    "privileged": "Privileged",
    "read_only": "ReadonlyRootfs",
    "init": "Init",
    "mem_limit": "Memory",
    "pids_limit": "PidsLimit",
    "network_mode": "NetworkMode",
}
