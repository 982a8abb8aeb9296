"""Dependencies between services: what each needs, what a selection drags in, cycles and critical paths.

The one module that uses networkx, and only to report (a cycle's trail, the longest path, drawing layers): the everyday
questions are answered from the edges, so that starting a project does not pay for the import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import Diagnostic, LoadError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..model import Project
    from ..model.service import Service

STARTED = "service_started"
HEALTHY = "service_healthy"
COMPLETED = "service_completed_successfully"


class Dependency(NamedTuple):
    condition: str
    required: bool
    restart: bool


def dependencies(service: Service) -> dict[str, Dependency]:
    """What a service depends on: ``depends_on``, and the services whose namespaces, volumes or links it uses."""
    found: dict[str, Dependency] = {}
    for name, tree in (service.get("depends_on") or {}).items():
        tree = tree or {}
        found[name] = Dependency(
            tree.get("condition") or STARTED, bool(tree.get("required", True)), bool(tree.get("restart", False))
        )
    for name in shared_services(service):
        found.setdefault(name, Dependency(STARTED, True, True))
    for link in service.get("links") or ():
        found.setdefault(str(link).partition(":")[0], Dependency(STARTED, True, False))
    return found


def shared_services(service: Service) -> list[str]:
    """Services whose *containers* this one is tied to: replacing them means replacing this one."""
    result = []
    for key in ("network_mode", "ipc", "pid", "uts"):
        value = str(service.get(key) or "")
        if value.startswith("service:"):
            result.append(value.removeprefix("service:"))
    donors = (str(item) for item in service.get("volumes_from") or ())
    result += [item.partition(":")[0] for item in donors if not item.startswith("container:")]
    return list(dict.fromkeys(result))


def closure(services: Mapping[str, Service], names: Iterable[str]) -> list[str]:
    """``names`` and all they depend on, dependencies first. Unknown optional dependencies are left out."""
    order: list[str] = []
    state: dict[str, bool] = {}

    def visit(name: str) -> None:
        if name in state:
            return
        state[name] = False
        for other in dependencies(services[name]):
            if other in services:
                visit(other)
        state[name] = True
        order.append(name)

    for name in names:
        visit(name)
    return order


def dependants(services: Mapping[str, Service]) -> dict[str, dict[str, Dependency]]:
    """The edges the other way round: service -> those that depend on it, with their condition."""
    result: dict[str, dict[str, Dependency]] = {name: {} for name in services}
    for name, service in services.items():
        for other, dependency in dependencies(service).items():
            if other in result:
                result[other][name] = dependency
    return result


def check(project: Project) -> None:
    """Raise `LoadError` for a dependency cycle (with its trail) or a required dependency that is not there."""
    findings: list[Diagnostic] = []
    for name, service in project.services.items():
        for other, dependency in dependencies(service).items():
            if other not in project.services and dependency.required:
                path = ("services", name, "depends_on", other)
                why = "is disabled by its profiles" if other in project.disabled_services else "is not defined"
                findings.append(
                    Diagnostic(f'service "{name}" depends on "{other}", which {why}', path, project.mark(*path))
                )
    if findings:
        raise LoadError(findings)
    if _has_cycle(project.services):
        raise LoadError(_cycle(project))


def _has_cycle(services: Mapping[str, Service]) -> bool:
    waiting = {name: {one for one in dependencies(tree) if one in services} for name, tree in services.items()}
    while waiting:
        ready = [name for name, needs in waiting.items() if not needs & waiting.keys()]
        if not ready:
            return True
        for name in ready:
            del waiting[name]
    return False


def _cycle(project: Project) -> Diagnostic:
    import networkx

    graph: networkx.DiGraph[str] = networkx.DiGraph(
        (name, other) for name, tree in project.services.items() for other in dependencies(tree)
    )
    edges = networkx.find_cycle(graph)
    trail = " -> ".join([*(edge[0] for edge in edges), edges[0][0]])
    path = ("services", edges[0][0], "depends_on", edges[0][1])
    return Diagnostic(f"dependency cycle detected: {trail}", ("services",), project.mark(*path))


def layers(services: Mapping[str, Service]) -> list[list[str]]:
    """Services by distance from those that need nothing: the start order, level by level."""
    import networkx

    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(services)
    graph.add_edges_from(
        (other, name) for name, tree in services.items() for other in dependencies(tree) if other in services
    )
    return [sorted(level) for level in networkx.topological_generations(graph)]


def critical_path(durations: Mapping[str, float], edges: Sequence[tuple[str, str]]) -> list[str]:
    """The chain of nodes with the longest summed duration; ``edges`` are (before, after)."""
    import networkx

    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(durations)
    for before, after in edges:
        if before in durations and after in durations:
            graph.add_edge(before, after, weight=durations[after])
    # dag_longest_path weighs edges, so a common source carries the weight of the first nodes
    for name, duration in durations.items():
        graph.add_edge("", name, weight=duration)
    return [name for name in networkx.dag_longest_path(graph, weight="weight") if name]
