"""The report after a failed `up`: which service, what it blocked, its last probe, its end, its last lines, and a hint."""

from __future__ import annotations

import errno
import os
import re
from functools import partial
from typing import TYPE_CHECKING

from ..client import NotFound
from ..client.frames import demultiplex, raw
from ..errors import ComposeError, EngineError
from ..plan.ops import ContainerOperation, RunPreStart, StartContainer, WaitCompleted, WaitHealthy
from ..plan.readiness import NotReady
from ..run.perform.prestart import HookFailed
from .results import StackError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..client import Engine
    from ..client.bodies.containers import Container, ContainerState
    from ..client.http import Query
    from ..plan.ops import Operation
    from ..run.perform import World
    from .converge import Convergence
    from .session import Session

LINES = 20
_PROBE_MISUSED = re.compile(
    r"(invalid|unrecognized|unrecognised|unknown|illegal|bad) (option|argument|flag|usage)|^usage: |command not found"
    r"|: not found$|syntax error|exec format error|executable file not found|unable to start container process",
    re.IGNORECASE | re.MULTILINE,
)
"""What programs and shells say when they are called in a wrong way, and not of what they were to look at."""


def settled(session: Session, result: Convergence) -> Convergence:
    """``result``, when nothing failed. Raises `StackError` with the report otherwise."""
    if result.failures:
        raise StackError(failure_report(session, result), result)
    return result


def failure_report(session: Session, result: Convergence) -> str:
    """The whole report as text, one paragraph per failure."""
    operations: dict[str, Operation] = {
        operation.key: operation for plan in result.plans for operation in plan.operations
    }
    parts: list[str] = []
    for key, error in result.failures:
        operation = operations.get(key)
        lines = [_in_terms_of_the_file(result.world, operation, error) or _headline(operation, error)]
        blocked = blocked_by(result, key)
        if blocked:
            lines.append(f"  not started because of it: {', '.join(blocked)}")
        if operation is not None and isinstance(operation, ContainerOperation) and result.world is not None:
            identity = result.world.container_ids.get(operation.name, "")
            # A container that never existed has nothing to tell.
            if identity and (
                isinstance(error, (NotReady, HookFailed)) or isinstance(operation, (WaitHealthy, WaitCompleted))
            ):
                lines += container_lines(session.engine, identity)
        parts.append("\n".join(lines))
    return "\n".join(parts)


def _in_terms_of_the_file(world: World | None, operation: Operation | None, error: ComposeError) -> str:
    """The line of the file that asks for what could not be had, and what to do; "" where only the engine's words tell."""
    from ..plan import remedies
    from .holders import port_holder

    if not isinstance(operation, ContainerOperation) or not isinstance(error, EngineError):
        return ""
    if world is None or not world.has_project:
        return ""
    found = remedies.explain(world.project, operation.service, str(error), partial(port_holder, world.engine))
    return str(found) if found is not None else ""


def _headline(operation: Operation | None, error: ComposeError) -> str:
    message = str(error)
    if operation is None or not isinstance(operation, ContainerOperation) or isinstance(operation, RunPreStart):
        return message
    if isinstance(operation, (WaitHealthy, WaitCompleted)):
        prefixed = operation.cause.reason.startswith("service ") and not isinstance(operation, WaitCompleted)
        return f"dependency failed to start: {message}" if prefixed else message
    refused = isinstance(error, EngineError) and error.status
    return f"Error response from daemon: {message}" if refused or operation.subject not in message else message


def blocked_by(result: Convergence, key: str) -> list[str]:
    """Services whose start was skipped because of ``key``, directly or through others, nearest first."""
    front = {key}
    grown = True
    while grown:
        grown = False
        for name, outcome in result.outcomes.items():
            if outcome.state == "skipped" and name not in front and outcome.blocked_by in front:
                front.add(name)
                grown = True
    blocked = [
        operation.service
        for plan in result.plans
        for operation in plan.operations
        if isinstance(operation, StartContainer) and operation.key in front and operation.key != key
    ]
    return list(dict.fromkeys(filter(None, blocked)))


def container_lines(engine: Engine, identity: str) -> list[str]:
    """What a container tells of its trouble: its end, its last probe, its last lines, and a hint."""
    try:
        tree = engine.containers.inspect(identity)
    except NotFound:
        return []
    state = tree["State"]
    lines: list[str] = []
    if words := ending(state):
        lines.append(f"  {words}")
    probes = (state.get("Health") or {}).get("Log") or []
    if probes:
        last = probes[-1]
        output = str(last.get("Output") or "").strip().splitlines()
        lines.append(f"  last health probe: exit code {last.get('ExitCode')}" + (":" if output else ""))
        lines += [f"    {one}" for one in output[-LINES:]]
    tail = last_lines(engine, identity, bool((tree.get("Config") or {}).get("Tty")))
    if tail:
        lines.append(f"  last {len(tail)} log line{'s'[: len(tail) != 1]}:")
        lines += [f"    {one}" for one in tail]
    hint = _hint_of_room(output_of(state), tail) or hint_for(tree, state) or _hint_of_one_id(engine, tree, state)
    if hint:
        lines.append(f"  hint: {hint}")
    return lines


_NO_ROOM = os.strerror(errno.ENOSPC).lower()


def output_of(state: ContainerState) -> list[str]:
    """What the engine said of the start, and what the last health probe wrote."""
    probes = (state.get("Health") or {}).get("Log") or [{}]
    return [str(state.get("Error") or ""), *str(probes[-1].get("Output") or "").splitlines()]


def _hint_of_room(*said: Sequence[str]) -> str:
    """A program writes that there was no room, on whatever disk: most often it is the one that has all volumes and images."""
    if not any(_NO_ROOM in line.lower() for lines in said for line in lines):
        return ""
    return "the disk is full: `system df` tells what takes the room, `system prune` frees what nothing uses"


def _hint_of_one_id(engine: Engine, tree: Container, state: ContainerState) -> str:
    """Where root is the only user, programs are told that they have become another one; some find out, by their files' owners."""
    if state.get("Status") not in ("exited", "restarting") or not state.get("ExitCode"):
        return ""
    if tree["Config"].get("User") not in ("", "0", "root"):
        return ""
    if not engine.system.has_one_id():
        return ""
    return (
        "this engine has one user id, so a program that gives up root (gosu, su) does so in appearance only: where it minds,"
        " name its user in user:, or install the package uidmap"
    )


def ending(state: ContainerState) -> str:
    if state.get("Status") == "created" and state.get("Error"):
        return f"could not be started: {start_error(str(state['Error']))}"
    if state.get("Status") not in ("exited", "dead", "restarting"):
        return ""
    code = state.get("ExitCode")
    words = "ended with an unknown exit code" if code is None else f"ended with exit code {code}"
    if code is not None and 128 < int(code) < 193:
        from ...grammar import signals

        words += f" (signal {signals.name(int(code) - 128)})"
    if state.get("OOMKilled"):
        words += ", killed because it was out of memory"
    if state.get("Error"):
        words += f": {state['Error']}"
    return words


_RUNTIME = "unable to start container process: "


def start_error(text: str) -> str:
    """Why a container could not be started, without the names of the programs that have passed the reason on."""
    return text.rpartition(_RUNTIME)[2].removesuffix(": unknown")


def last_lines(engine: Engine, identity: str, tty: bool) -> list[str]:
    query: Query = {"stdout": 1, "stderr": 1, "tail": str(LINES)}
    try:
        with engine.containers.log_stream(identity, query) as response:
            data = b"".join(part for _, part in (raw if tty else demultiplex)(response.blocks()))
    except EngineError:
        return []
    return data.decode("utf-8", "replace").splitlines()[-LINES:]


def hint_for(tree: Container, state: ContainerState) -> str:
    code = state.get("ExitCode")
    latest = ((state.get("Health") or {}).get("Log") or [{}])[-1] or {}
    probe, last = latest.get("ExitCode"), str(latest.get("Output") or "")
    if state.get("OOMKilled"):
        return "raise the service's memory limit (mem_limit or deploy.resources.limits.memory)"
    if state.get("Status") in ("created", "exited", "dead") and code == 127:
        return "the command was not found in the image"
    if state.get("Status") in ("created", "exited", "dead") and code == 126:
        return "the command is not executable"
    if state.get("Status") in ("exited", "dead", "restarting"):
        return ""  # its end is the cause, whatever its health was
    if probe in (126, 127):
        return "the health check's own command is not in the image"
    if _PROBE_MISUSED.search(last):
        return "the health check's own command is wrong: more time does not help"
    if (state.get("Health") or {}).get("Status") == "unhealthy":
        return "raise healthcheck.start_period or retries if the service only needs longer"
    return ""
