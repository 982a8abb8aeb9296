"""post_start and pre_stop: commands executed in a running container; one that fails fails its operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..client.frames import demultiplex
from ..convert.values import pairs
from ..errors import OperationError
from ..events import Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .world import World


def run_hooks(world: World, service: str, name: str, identity: str, phase: str) -> None:
    """Run the service's ``phase`` hooks one after the other."""
    for hook in world.project.services.get(service, {}).get(phase) or ():
        code = _run(world, name, identity, hook)
        if code != 0:
            command = hook["command"] if isinstance(hook["command"], str) else " ".join(hook["command"])
            raise OperationError(f"{phase} hook of {name} exited with code {code}: {command}")


def _run(world: World, name: str, identity: str, hook: Mapping[str, Any]) -> int:
    command = hook["command"]
    body = {
        "AttachStdout": True,
        "AttachStderr": True,
        "Cmd": ["/bin/sh", "-c", command] if isinstance(command, str) else list(command),
        "Env": [key if value is None else f"{key}={value}" for key, value in pairs(hook.get("environment")).items()],
        "User": hook.get("user") or "",
        "Privileged": bool(hook.get("privileged")),
        "WorkingDir": hook.get("working_dir") or "",
    }
    ident = world.engine.execs.create(identity, body)
    with world.engine.execs.start(ident, tty=False) as response:
        for _, data in demultiplex(response.blocks()):
            world.emit(Output(name, data.decode("utf-8", "replace")))
    code = world.engine.execs.inspect(ident).get("ExitCode")
    if code is None:
        raise OperationError(f"a hook of {name} was lost: the engine knows no exit code")
    return int(code)
