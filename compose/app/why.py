"""Why a service is as it is: its state, what it waits for, the first line of trouble, what changed, and what to do.

Findings are plain values, for people and for programs; what they say comes from the engine's facts and the plan.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from ..client.frames import demultiplex, raw
from ..dataclass import dataclass
from ..errors import ComposeError, EngineError
from ..plan.graph import COMPLETED, HEALTHY, dependencies
from ..plan.ops import CreateContainer
from .report import ending, hint_for, last_lines

if TYPE_CHECKING:
    from ..client.bodies.containers import Container, ContainerState
    from ..client.http import Query
    from ..model import Project
    from ..model.values import Json
    from ..plan.observe import ObservedContainer, Snapshot
    from ..plan.plan import Plan
    from .session import Session

ERROR = re.compile(rb"\b(error|fatal|panic|exception|traceback|refused|denied|failed|cannot|no such)\b", re.IGNORECASE)
_LINES = 2000
"""So many lines of output, from the end, are looked through for the first that tells of trouble."""


@dataclass(frozen=True, slots=True)
class Why:
    """One container. ``chain`` leads from the service to what it waits for in the end; ``changes`` are fields of the file
    that differ from what the container was made with."""

    service: str
    container: str
    state: str
    chain: tuple[str, ...] = ()
    probe: str = ""
    first_error: str = ""
    last_lines: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    fix: str = ""

    def text(self) -> str:
        """The paragraph for people."""
        lines = [f"{self.container or self.service}: {self.state}"]
        lines += [f"  {one}" for one in self.chain]
        lines += [f"  last health probe: {self.probe}"] if self.probe else []
        lines += [f"  first line of trouble: {self.first_error}"] if self.first_error else []
        if self.last_lines:
            lines += ["  last lines:", *(f"    {one}" for one in self.last_lines)]
        lines += [f"  differs from the file: {one}" for one in self.changes]
        lines += [f"  fix: {self.fix}"] if self.fix else []
        return "\n".join(lines)

    def tree(self) -> dict[str, Json]:
        """The JSON form."""
        return {
            "Service": self.service,
            "Container": self.container,
            "State": self.state,
            "Chain": list(self.chain),
            "Probe": self.probe,
            "FirstError": self.first_error,
            "LastLines": list(self.last_lines),
            "Changes": list(self.changes),
            "Fix": self.fix,
        }


def explain(session: Session, project: Project, snapshot: Snapshot, plan: Plan | str, name: str) -> list[Why]:
    """One finding for each container of the service, or one for the service when it has none. ``plan`` is the words of what
    keeps one from being made."""
    chain = tuple(blame(project, snapshot, name))
    found = snapshot.of_service(name)
    if not found:
        remedy = plan if isinstance(plan, str) else _before_creation(session, project, name)
        return [Why(name, "", "has no container", chain, fix=remedy)]
    return [_of(session, project, plan, name, one, chain) for one in found]


def _before_creation(session: Session, project: Project, name: str) -> str:
    """What `up` would refuse the service for; a port that somebody has keeps its container from being made at all."""
    from ..plan.preflight import fixed_ports
    from .holders import ports_in_use

    taken = ports_in_use(session.engine, project, fixed_ports(project, [name]))
    return str(taken[0]) if taken else f"pycompose up {name} creates it"


def _of(
    session: Session, project: Project, plan: Plan | str, name: str, one: ObservedContainer, chain: tuple[str, ...]
) -> Why:
    tree = session.engine.containers.inspect(one.id)
    state = tree["State"]
    well = state.get("Status") == "running" and (state.get("Health") or {}).get("Status") in (None, "none", "healthy")
    changes = tuple(_changes(plan, one.name))
    words = _state(state, int(tree.get("RestartCount") or 0))
    if well:
        fix = f"pycompose up {name} applies the changes" if changes else ""
        return Why(name, one.name, words, (), changes=changes, fix=fix)
    terminal = bool((tree.get("Config") or {}).get("Tty"))
    log = ((state.get("Health") or {}).get("Log") or [{}])[-1] or {}
    probe = " ".join(str(log.get("Output") or "").split())
    return Why(
        name,
        one.name,
        words,
        chain,
        f"exit code {log['ExitCode']}{f': {probe}' if probe else ''}" if log.get("ExitCode") else "",
        first_error(session, one.id, terminal),
        tuple(last_lines(session.engine, one.id, terminal)[-5:]),
        changes,
        _fix(session, project, name, tree)
        or (f"pycompose up {name} tries again" if state.get("Status") == "exited" else ""),
    )


def _state(state: ContainerState, restarts: int) -> str:
    health = (state.get("Health") or {}).get("Status")
    words = ending(state) or str(state.get("Status") or "unknown")
    words += f", {health}" if health not in (None, "", "none") and state.get("Status") == "running" else ""
    return words + (f", restarted {restarts} time{'s'[: restarts != 1]}" if restarts else "")


def _fix(session: Session, project: Project, name: str, tree: Container) -> str:
    from ..plan import remedies
    from .holders import port_holder

    error = str(tree["State"].get("Error") or "")
    if error:
        try:
            found = remedies.explain(project, name, error, partial(port_holder, session.engine))
        except ComposeError:
            found = None
        if found is not None:
            return str(found)
    return hint_for(tree, tree["State"])


def blame(project: Project, snapshot: Snapshot, name: str) -> list[str]:
    """What keeps the service waiting, from its own dependency down to the one that waits for nobody."""
    lines: list[str] = []
    seen = {name}
    while True:
        for other, dependency in dependencies(project.services.get(name) or {}).items():
            words = _unmet(snapshot, other, dependency.condition)
            if words and other not in seen:
                lines.append(f"{name} waits for {other}, which {words}")
                seen.add(other)
                name = other
                break
        else:
            return lines


def _unmet(snapshot: Snapshot, name: str, condition: str) -> str:
    found = snapshot.of_service(name)
    if not found:
        return "has no container"
    for one in found:
        if condition == COMPLETED:
            if one.state != "exited":
                return f"is {one.state} and has not completed"
            if one.exit_code != 0:
                return f"ended with exit code {one.exit_code}"
        elif not one.running:
            return f"is {one.state}" + (f" with exit code {one.exit_code}" if one.exit_code is not None else "")
        elif condition == HEALTHY and one.health != "healthy":
            return f"is {one.health or 'without a health check'}"
    return ""


def _changes(plan: Plan | str, container: str) -> list[str]:
    """Fields of the file that the container was not made with."""
    if isinstance(plan, str):
        return []
    return [
        str(change)
        for operation in plan.operations
        if isinstance(operation, CreateContainer) and operation.name == container
        for change in operation.cause.changes
    ]


def first_error(session: Session, identity: str, terminal: bool) -> str:
    """The first line of the present run's output that looks like trouble."""
    query: Query = {"stdout": 1, "stderr": 1, "tail": str(_LINES)}
    try:
        with session.engine.containers.log_stream(identity, query) as response:
            data = b"".join(part for _, part in (raw if terminal else demultiplex)(response.blocks()))
    except EngineError:
        return ""
    found = next((line for line in data.splitlines() if ERROR.search(line)), b"")
    return found.decode("utf-8", "replace").strip()[:300]
