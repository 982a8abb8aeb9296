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
    """As `look`, of a container's details."""
    if isinstance(operation, WaitCompleted):
        return _completed(tree["State"], operation)
    if isinstance(operation, MonitorContainer):
        return _monitored(tree, operation)
    return _healthy(tree, operation)


def _completed(state: ContainerState, operation: WaitCompleted) -> Ready | Progressing:
    if state.get("Status") not in ("exited", "dead"):
        return Progressing()
    if _exit_code(state) == 0:
        return Ready("Exited")
    raise NotReady(
        f'service "{operation.service}" didn\'t complete successfully: exit {_exit_code(state)}{_addition(state)}',
        operation.name,
        state,
    )


def _monitored(tree: Container, operation: MonitorContainer) -> Progressing:
    state, name = tree["State"], operation.name
    if state.get("Status") in ("exited", "dead", "restarting") or tree.get("RestartCount"):
        raise NotReady(f"container {name} {_ending(state)} while it was monitored", name, state)
    if _health(state) == "unhealthy":
        raise NotReady(f"container {name} is unhealthy", name, state)
    return Progressing()


def _healthy(tree: Container, operation: WaitHealthy) -> Ready | Progressing:
    state, name = tree["State"], operation.name
    status, health = state.get("Status"), _health(state)
    if status in ("exited", "dead"):
        restarts = ((tree.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name") not in (None, "", "no")
        if operation.running_is_enough and not restarts and _exit_code(state) == 0:
            return Ready("Exited")
        raise NotReady(f"container {name} {_ending(state)}", name, state)
    if status == "restarting":
        # What health it has is that of the run before; with a check the next run may do better, a few times.
        if health and (tree.get("RestartCount") or 0) < PATIENCE:
            return Progressing()
        if health or operation.running_is_enough:
            raise NotReady(f"container {name} is restarting: it {_ending(state)}", name, state)
    if health == "healthy":
        return Ready("Healthy")
    if health == "unhealthy":
        raise NotReady(f"container {name} is unhealthy", name, state)
    if not health and not operation.running_is_enough:
        raise NotReady(f"container {name} has no healthcheck configured", name, state)
    return Ready("Running") if not health and status == "running" else Progressing()


def _health(state: ContainerState) -> str:
    """The engine's word; empty for a container without a check."""
    word = (state.get("Health") or {}).get("Status") or ""
    return "" if word == "none" else word


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
