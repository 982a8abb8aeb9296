"""From what is wanted and what is there to a plan: the same Plan with the same causes as for containers on one machine. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dataclass import dataclass, field
from ..errors import Diagnostic, PlanError
from ..plan.ops import Cause, Unchanged
from ..plan.plan import assemble
from .changes import described, differences
from .objects import COMPLETED
from .ops import AwaitService, CreateObject, RemoveObject, UpdateObject
from .state import FAILED
from .state import READY as IS_READY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..errors import Path
    from ..model import Project
    from ..plan.ops import Change, Key, Operation
    from ..plan.plan import Plan
    from .objects import Cluster, Found, Wanted


@dataclass(frozen=True, slots=True)
class Gate:
    """What a service waits for: the key of another's object, and until when (empty: until it is made)."""

    key: str
    how: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Rules:
    """What a target can do with an object that is there.

    ``proposed`` is what the server would hold of each wanted object, in the form of what is found. ``fixed`` are the beginnings of paths, by
    kind, that no update changes; ``replaced`` are kinds that are removed and made again for such a change, or when a job has failed.
    """

    proposed: Mapping[str, Mapping[str, object]]
    places: Mapping[str, Mapping[Path, Path]]
    fixed: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Options:
    wait: bool = True
    prune: bool = True


def plan_deployment(
    project: Project,
    wanted: Sequence[Wanted],
    cluster: Cluster,
    gates: Mapping[str, Sequence[Gate]],
    rules: Rules,
    options: Options,
) -> Plan:
    """The operations that bring the cluster to ``wanted``, in waves: a service follows what it waits for."""
    planner = _Planner(project, {one.key: one for one in wanted}, cluster, rules)
    for one in _in_order(wanted, gates):
        planner.converge(one, gates.get(one.key, ()))
    if options.wait:
        for one in wanted:
            if one.wait and planner.is_unsettled(one.key):
                planner.wait_for(one.key, one.wait, Cause(_reason(one), (), project.mark(*one.path)))
    if options.prune:
        planner.prune()
    return assemble(project.name, planner.operations, planner.unchanged)


def _in_order(wanted: Sequence[Wanted], gates: Mapping[str, Sequence[Gate]]) -> list[Wanted]:
    """Each after what it waits for: whether that changes has to be known then. There are no cycles, which loading has seen to."""
    by_key = {one.key: one for one in wanted}
    done: dict[str, Wanted] = {}

    def visit(key: str) -> None:
        if key in by_key and key not in done:
            for gate in gates.get(key, ()):
                visit(gate.key)
            done[key] = by_key[key]

    for one in wanted:
        visit(one.key)
    return list(done.values())


def _reason(wanted: Wanted) -> str:
    return (
        "deploy waits until jobs have completed"
        if wanted.wait == COMPLETED
        else "deploy waits until services are ready"
    )


CONTAINERS = frozenset({"Namespace"})
"""Kinds of objects that others are in."""


class _Planner:
    def __init__(self, project: Project, wanted: Mapping[str, Wanted], cluster: Cluster, rules: Rules) -> None:
        self._project = project
        self._wanted = wanted
        self._cluster = cluster
        self._rules = rules
        self._waits: dict[str, AwaitService] = {}
        self._changes: dict[str, Key] = {}
        self.unchanged: list[Unchanged] = []
        self._made: list[Operation] = []

    @property
    def operations(self) -> list[Operation]:
        return [*self._made, *self._waits.values()]

    def is_unsettled(self, key: str) -> bool:
        """Whether there is anything to wait for: a change, or a service that is not ready yet."""
        verdict = self._cluster.verdicts.get(key)
        return key in self._changes or verdict is None or verdict.state != IS_READY

    def converge(self, wanted: Wanted, gates: Sequence[Gate]) -> None:
        found = self._cluster.objects.get(wanted.key)
        mark = self._project.mark(*wanted.path)
        changes: tuple[Change, ...] = ()
        if found is None:
            cause = Cause("it does not exist", (), mark)
        else:
            differing = list(differences(found.body, self._rules.proposed[wanted.key]))
            changes = described(self._project, wanted, differing, self._rules.places.get(wanted.kind, {}))
            verdict = self._cluster.verdicts.get(wanted.key)
            again = not changes and wanted.wait == COMPLETED and verdict is not None and verdict.state == FAILED
            if not changes and not again:
                self.unchanged.append(Unchanged(wanted.name, wanted.service))
                return
            cause = Cause("it failed before" if again else "it differs", changes, mark)
        self._change(wanted, found, cause, self._edges(wanted, gates))

    def _edges(self, wanted: Wanted, gates: Sequence[Gate]) -> tuple[list[Key], list[Key]]:
        needs = [self._changes[key] for key in wanted.needs if key in self._changes]
        after: list[Key] = []
        for gate in gates:
            if gate.key not in self._wanted:
                continue
            if gate.how and self.is_unsettled(gate.key):
                reason = f"{wanted.key} depends on it"
                place = self._project.mark(*wanted.path, "depends_on", self._wanted[gate.key].service)
                self.wait_for(gate.key, gate.how, Cause(reason, (), place), optional=not gate.required)
                (needs if gate.required else after).append(self._waits[gate.key].key)
            elif not gate.how and gate.key in self._changes:
                (needs if gate.required else after).append(self._changes[gate.key])
        return needs, after

    def _change(self, wanted: Wanted, found: Found | None, cause: Cause, edges: tuple[list[Key], list[Key]]) -> None:
        needs, after = tuple(edges[0]), tuple(edges[1])
        operation: Operation
        if found is None:
            operation = CreateObject(wanted=wanted, cause=cause, needs=needs, after=after)
        elif self._must_replace(wanted, cause):
            removal = RemoveObject(found=found, cause=cause, needs=needs, after=after)
            self._made.append(removal)
            operation = CreateObject(wanted=wanted, cause=cause, needs=(removal.key,))
        else:
            again = not cause.changes
            operation = UpdateObject(wanted=wanted, found=found, cause=cause, needs=needs, after=after, again=again)
        self._made.append(operation)
        self._changes[wanted.key] = operation.key

    def _must_replace(self, wanted: Wanted, cause: Cause) -> bool:
        """Whether no update does it. Raises `PlanError` where the target cannot replace the object either."""
        if not cause.changes:
            return wanted.kind in self._rules.replaced
        fixed = self._rules.fixed.get(wanted.kind, ())
        hit = next((one for one in cause.changes if any(_starts(one.path, path) for path in fixed)), None)
        if hit is None:
            return False
        if wanted.kind in self._rules.replaced:
            return True
        words = f"{wanted.key} is there with another {hit.path}, which the target cannot change"
        place = self._project.mark(*wanted.path)
        raise PlanError(str(Diagnostic(words, (), place, "take the project down first, or give it another name")))

    def wait_for(self, key: str, how: str, cause: Cause, *, optional: bool = False) -> None:
        known = self._waits.get(key)
        if known is not None:
            if known.optional and not optional:
                from dataclasses import replace

                self._waits[key] = replace(known, optional=False)
            return
        change = self._changes.get(key)
        wanted = self._wanted[key]
        # What has completed is ready as well; what is a job is waited for to its end.
        how = COMPLETED if wanted.wait == COMPLETED else how
        self._waits[key] = AwaitService(
            wanted=wanted, how=how, cause=cause, needs=(change,) if change else (), optional=optional
        )

    def prune(self) -> None:
        """Remove what the project made and no longer wants, once everything else has gone well. Services go before what they use."""
        settled = tuple(one.key for one in self.operations)
        removed: list[Key] = []
        for services_first in (True, False):
            for key, found in self._cluster.objects.items():
                if key in self._wanted or found.kept or bool(found.service) != services_first:
                    continue
                cause = Cause("the project no longer has it")
                operation = RemoveObject(
                    found=found, cause=cause, needs=(*settled, *([] if services_first else removed))
                )
                self._made.append(operation)
                if services_first:
                    removed.append(operation.key)


def _starts(path: str, start: Path) -> bool:
    word = ".".join(map(str, start))
    return not word or path == word or path.startswith((f"{word}.", f"{word}["))


def plan_removal(project: str, cluster: Cluster, *, volumes: bool) -> Plan:
    """Everything of the project: services first, then what they used, what holds all of it last. What is kept goes only with ``volumes``."""
    waves: list[list[Found]] = [[], [], []]
    for one in cluster.objects.values():
        if volumes or not one.kept:
            waves[0 if one.service else 2 if one.kind in CONTAINERS else 1].append(one)
    operations: list[Operation] = []
    for wave in waves:
        before = tuple(one.key for one in operations)
        operations += [RemoveObject(found=one, cause=Cause("down removes it"), after=before) for one in wave]
    return assemble(project, operations)
