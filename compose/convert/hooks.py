"""Lifecycle hooks: as labels of a container, so that whoever starts or stops it needs no model, and as commands in one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.service import Hook, PreStartHook
    from .bodies import ExecBody


def recorded(hooks: Sequence[Hook]) -> str:
    """The label's text."""
    return json.dumps(hooks, separators=(",", ":"))


def read(text: str | None) -> tuple[PreStartHook, ...]:
    """What a label says. Anybody can write one: what is no list of commands counts as none."""
    if not text:
        return ()
    try:
        decoded: object = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    found = (_hook(one) for one in decoded) if isinstance(decoded, list) else ()
    return tuple(one for one in found if one is not None)


def _hook(tree: object) -> PreStartHook | None:
    """A hook of checked values; None for what is none. A command of None is the image's own."""
    if not isinstance(tree, dict) or not isinstance(tree.get("command"), (str, list, type(None))):
        return None
    command = tree.get("command")
    hook: PreStartHook = {"command": None if command is None else words(command)}
    if isinstance(tree.get("environment"), (dict, list)):
        hook["environment"] = _environment(tree["environment"])
    if tree.get("user"):
        hook["user"] = str(tree["user"])
    if tree.get("working_dir"):
        hook["working_dir"] = str(tree["working_dir"])
    if tree.get("image"):
        hook["image"] = str(tree["image"])
    if tree.get("privileged"):
        hook["privileged"] = True
    if tree.get("per_replica"):
        hook["per_replica"] = True
    return hook


def words(command: str | list[object]) -> list[str]:
    """A command as a list; text is the shell's."""
    return ["/bin/sh", "-c", command] if isinstance(command, str) else [str(one) for one in command]


def _environment(given: dict[str, object] | list[object]) -> dict[str, str | None]:
    if isinstance(given, dict):
        return {str(key): None if value is None else str(value) for key, value in given.items()}
    parts = (str(one).partition("=") for one in given)
    return {key: value if equals else None for key, equals, value in parts}


def exec_body(hook: Hook) -> ExecBody:
    """The body of POST /containers/{id}/exec that runs the hook."""
    environment = hook.get("environment", {}).items()
    return {
        "AttachStdout": True,
        "AttachStderr": True,
        "Cmd": hook["command"] or [],
        "Env": [name if value is None else f"{name}={value}" for name, value in environment],
        "User": hook.get("user", ""),
        "Privileged": hook.get("privileged", False),
        "WorkingDir": hook.get("working_dir", ""),
    }
