"""Whether a container is ready, judged from its own state: healthy, completed, running, or beyond hope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dataclass import dataclass
from ..errors import OperationError
from .ops import MonitorContainer, WaitCompleted

if TYPE_CHECKING:
    from ..client import Engine
    from ..client.bodies.containers import Container, ContainerState
    from .ops import WaitHealthy


PATIENCE = 5
"""So many restarts of a container with a check are waited for; with the usual delays they take three seconds."""


class NotReady(OperationError):
    """A container that will not become ready: the message says why, ``container`` and ``state`` whose and how."""

    def __init__(self, message: str, container: str, state: ContainerState) -> None:
        super().__init__(message)
        self.container = container
        self.state = state


@dataclass(frozen=True, slots=True)
class Ready:
    word: str


@dataclass(frozen=True, slots=True)
class Progressing:
    """Not yet; look again when something changed."""


def look(
    engine: Engine, identity: str, operation: WaitHealthy | WaitCompleted | MonitorContainer
) -> Ready | Progressing:
    """The verdict on the container as it is now. Raises `NotReady` when waiting longer is pointless."""
    tree = engine.containers.inspect(identity)
    return judge(tree, operation)


def judge(tree: Container, operation: WaitHealthy | WaitCompleted | MonitorContainer) -> Ready | Progressing:
    state = tree["State"]
    status = state.get("Status")
    name = operation.name
    restarts = str(((tree.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name") or "no") not in ("no", "")
    if isinstance(operation, WaitCompleted):
        if status not in ("exited", "dead"):
            return Progressing()
        if _exit_code(state) == 0:
            return Ready("Exited")
        raise NotReady(
            f'service "{operation.service}" didn\'t complete successfully: exit {_exit_code(state)}{_addition(state)}',
            name,
            state,
        )
    health = (state.get("Health") or {}).get("Status")
    if isinstance(operation, MonitorContainer):
        if status in ("exited", "dead", "restarting") or tree.get("RestartCount"):
            raise NotReady(f"container {name} {_ending(state)} while it was monitored", name, state)
        if health == "unhealthy":
            raise NotReady(f"container {name} is unhealthy", name, state)
        return Progressing()
    if status in ("exited", "dead"):
        if operation.running_is_enough and not restarts and _exit_code(state) == 0:
            return Ready("Exited")
        raise NotReady(f"container {name} {_ending(state)}", name, state)
    if status == "restarting":
        # What health it has is that of the run before; with a check the next run may do better, a few times.
        has_check = health not in (None, "", "none")
        if has_check and int(tree.get("RestartCount") or 0) < PATIENCE:
            return Progressing()
        if has_check or operation.running_is_enough:
            raise NotReady(f"container {name} is restarting: it {_ending(state)}", name, state)
    if health == "healthy":
        return Ready("Healthy")
    if health == "unhealthy":
        raise NotReady(f"container {name} is unhealthy", name, state)
    if health in (None, "", "none"):
        if not operation.running_is_enough:
            raise NotReady(f"container {name} has no healthcheck configured", name, state)
        if status == "running":
            return Ready("Running" if operation.running_is_enough else "Healthy")
    return Progressing()


def _exit_code(state: ContainerState) -> int:
    code = state.get("ExitCode")
    return 255 if code is None else int(code)


def _ending(state: ContainerState) -> str:
    return f"exited ({_exit_code(state)}){_addition(state)}"


def _addition(state: ContainerState) -> str:
    words = ", killed for want of memory" if state.get("OOMKilled") else ""
    if state.get("Error"):
        words += f": {state['Error']}"
    return words
