"""post_start and pre_stop: commands executed in a running container; one that fails fails its operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...client.frames import demultiplex
from ...convert.hooks import exec_body
from ...errors import EngineError, OperationError
from ..events import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...client import Engine
    from ...model.service import Hook
    from ..events import Emit
    from .world import World


def pre_stop_hooks(world: World, service: str, identity: str) -> Sequence[Hook]:
    """What was recorded when the container was created; the model's where another program created it."""
    one = next((one for one in world.snapshot.containers if one.id == identity), None)
    if one is None or one.pre_stop:
        return () if one is None else one.pre_stop
    if one.fields is not None or not world.has_project:
        return ()
    return world.project.services.get(service, {}).get("pre_stop", ())


def post_start_hooks(world: World, service: str, identity: str) -> Sequence[Hook]:
    """What was recorded when the container was created; the model's for one that this run has made, or another program."""
    one = next((one for one in world.snapshot.containers if one.id == identity), None)
    if one is not None and one.post_start:
        return one.post_start
    return world.project.services.get(service, {}).get("post_start", ()) if world.has_project else ()


def run_hooks(engine: Engine, emit: Emit, name: str, identity: str, phase: str, hooks: Sequence[Hook]) -> None:
    """Run ``hooks`` in the container, one after the other. Raises `OperationError`, `EngineError`."""
    for hook in hooks:
        try:
            code = _run(engine, emit, name, identity, hook)
        except EngineError as error:
            if phase == "pre_stop" and error.status in (404, 409):
                return  # it has ended, or is paused or between two runs: nothing to run the hook in
            raise
        if code != 0:
            command = " ".join(hook["command"] or ())
            raise OperationError(f"{phase} hook of {name} exited with code {code}: {command}")


def _run(engine: Engine, emit: Emit, name: str, identity: str, hook: Hook) -> int:
    ident = engine.execs.create(identity, exec_body(hook))
    with engine.execs.start(ident, tty=False) as response:
        for _, data in demultiplex(response.blocks()):
            emit(Output(name, data.decode("utf-8", "replace")))
    code = engine.execs.inspect(ident).get("ExitCode")
    if code is None:
        raise OperationError(f"a hook of {name} was lost: the engine knows no exit code")
    return int(code)
