"""Lists of an engine, read when an event says that they have changed, and folded into the store. Blocks; one thread's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...client import NotFound
from . import fold, holdings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from ...client import Engine
    from ...client.bodies.jobs import Job, Run
    from .state import State

OWN = {"job": "jobs", "snapshot": "snapshots", "lease": "leases", "build": "builds"}
"""Which list our engine's own types of events are about; all others are about containers and what these use."""

ALL = frozenset(("containers", *OWN.values()))


class Catalogue:
    """``read`` brings lists up to date; ``apply`` folds them in. What only our own engine has is read of that one."""

    def __init__(self, engine: Engine, apply: Callable[[Callable[[State], State]], None]) -> None:
        self._engine, self._apply = engine, apply
        self._runs: dict[str, tuple[Job, Sequence[Run]]] = {}
        self._revision = 0

    def forget(self) -> None:
        """What was read is another engine's: revisions of builds begin anew. It may be called from another thread."""
        self._revision = 0

    def read(self, kinds: Collection[str]) -> None:
        """``kinds`` of `ALL`. Raises `ComposeError`; what was read before it holds."""
        if "containers" in kinds:
            rows = self._engine.containers.list(all=True)
            self._apply(partial(fold.listed, rows=rows))
        if self._engine.is_pycompose:
            self._own(kinds)
        if "containers" in kinds:
            change = partial(
                fold.resources,
                networks=self._engine.networks.list(),
                volumes=self._engine.volumes.list(),
                images=self._engine.images.list(),
            )
            self._apply(change)

    def _own(self, kinds: Collection[str]) -> None:
        engine, apply = self._engine, self._apply
        if "jobs" in kinds:
            apply(partial(fold.scheduled, jobs=self._jobs()))
        if "snapshots" in kinds:
            apply(partial(fold.saved, snapshots=[*map(holdings.snapshot, engine.snapshots.list())]))
        if "leases" in kinds:
            apply(partial(fold.leased, leases=[*map(holdings.lease, engine.leases.list())]))
        if "builds" in kinds:
            self._builds()

    def _jobs(self) -> list[holdings.Job]:
        """Runs are asked for where the last one is not what it was."""
        jobs = self._engine.jobs.list({})
        before, self._runs = self._runs, {}
        for one in jobs:
            known = before.get(one["Name"])
            same = known is not None and known[0].get("LastRun") == one.get("LastRun")
            try:
                runs = known[1] if known is not None and same else self._engine.jobs.runs(one["Name"])
            except NotFound:
                continue  # removed meanwhile
            self._runs[one["Name"]] = one, runs
        return [holdings.job(*pair) for pair in self._runs.values()]

    def _builds(self) -> None:
        try:
            recents = self._engine.images.recent_builds(self._revision)
        except NotFound:
            return  # an engine of an earlier release
        self._revision = recents["Revision"]
        self._apply(partial(fold.built, recents=recents))
