"""`down` and `stop` decided from what the engine has recorded: no model is needed, and a changed file changes nothing.

Order comes from the containers' own depends_on labels: dependants stop first, everything that may stop at once does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import labels
from ..ops import (
    Cause,
    RemoveContainer,
    RemoveImage,
    RemoveJob,
    RemoveNetwork,
    RemoveVolume,
    RunProvider,
    StopContainer,
)
from ..plan import Plan, assemble
from .order import has_pre_stop, recorded_dependencies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...model import Project
    from ..observe import BuiltImage, ObservedContainer, Snapshot
    from ..ops import Key, Operation
    from .options import DownOptions


def reconcile_down(
    snapshot: Snapshot, options: DownOptions, project: Project | None = None, built: Sequence[BuiltImage] = ()
) -> Plan:
    """Everything of the project away: containers, then networks and, where asked, volumes and images.

    Containers that `run` made stay unless ``remove_orphans``, and, with ``project`` (but ``by_name``), those of services it does not have. ``built`` are
    the images that were built for the project; they matter where images are to go.
    """
    operations: list[Operation] = []
    warnings: list[str] = []
    containers = [one for one in snapshot.containers if not one.oneoff or one.hook or options.remove_orphans]
    if options.services:
        containers = [one for one in containers if one.service in options.services]
    elif project is not None and not options.remove_orphans and not options.by_name:
        known = {*project.services, *project.disabled_services, *project.jobs, *project.disabled_jobs}
        orphans = [one for one in containers if one.service not in known]
        if orphans:
            warnings.append(
                f"Found orphan containers ([{', '.join(one.name for one in orphans)}]) for this project. If you removed or"
                " renamed this service in your compose file, you can run this command with the --remove-orphans flag to"
                " clean it up."
            )
            containers = [one for one in containers if one.service in known]
    removals = _containers(containers, options, project, operations)
    if not options.services:
        jobs = [RemoveJob(name=name, cause=Cause("the project is taken down")) for name in sorted(snapshot.jobs)]
        operations += jobs
        removals += tuple(one.key for one in jobs)
    if project is not None:
        _providers(project, options, operations)
    cause = Cause("the project is taken down")
    nets = [one for one in snapshot.networks.values() if one.labels.get(labels.PROJECT) == snapshot.project]
    if options.services:
        staying = {name for one in snapshot.containers if one not in containers for name in one.networks}
        nets = [one for one in nets if one.name not in staying]
    operations += [RemoveNetwork(id=one.id, name=one.name, needs=removals, cause=cause) for one in nets]
    if options.volumes:
        cause = Cause("--volumes was given")
        mine = [one.name for one in snapshot.volumes.values() if one.labels.get(labels.PROJECT) == snapshot.project]
        if options.services:
            used = {mount.name for one in containers for mount in one.mounts}
            mine = [name for name in mine if name in used]
        mine += [name for one in containers for name in one.kept_volumes]
        wanted = [one for one in dict.fromkeys(mine) if not _external(project, one)]
        operations += [RemoveVolume(name=one, needs=removals, cause=cause) for one in wanted]
    if options.images:
        cause = Cause(f"--rmi {options.images} was given")
        operations += [
            RemoveImage(ref=ref, needs=removals, cause=cause) for ref in _images(containers, options, project, built)
        ]
    return assemble(snapshot.project, operations, warnings=warnings)


def _containers(
    containers: Sequence[ObservedContainer], options: DownOptions, project: Project | None, operations: list[Operation]
) -> tuple[Key, ...]:
    cause = Cause("the project is taken down")
    needs = recorded_dependencies(containers)
    stops: dict[str, list[Key]] = {}
    for one in containers:
        if one.running:
            stops.setdefault(one.service, []).append(StopContainer.key_of(one.name))
    removals: list[Key] = []
    for one in containers:
        before: tuple[Key, ...] = ()
        if one.running:
            followers = tuple(
                key
                for service, others in needs.items()
                if one.service in others and service != one.service
                for key in stops.get(service, ())
            )
            stop = StopContainer(
                id=one.id,
                name=one.name,
                service=one.service,
                number=one.number,
                timeout=options.timeout,
                hooks=has_pre_stop(one, project),
                removing=True,
                after=_acyclic(one, followers, needs),
                cause=cause,
            )
            operations.append(stop)
            before = (stop.key,)
        remove = RemoveContainer(
            id=one.id,
            name=one.name,
            service=one.service,
            number=one.number,
            volumes=options.volumes,
            force=True,
            needs=before,
            cause=cause,
        )
        operations.append(remove)
        removals.append(remove.key)
    return tuple(removals)


def _acyclic(one: ObservedContainer, followers: tuple[Key, ...], needs: Mapping[str, set[str]]) -> tuple[Key, ...]:
    """Labels of two generations of a model may contradict each other: then nobody waits."""
    seen: set[str] = set()
    front = set(needs.get(one.service, ()))
    while front:
        name = front.pop()
        if name == one.service:
            return ()
        if name not in seen:
            seen.add(name)
            front |= needs.get(name, set())
    return followers


def _providers(project: Project, options: DownOptions, operations: list[Operation]) -> None:
    for name, service in project.services.items():
        if service.get("provider") and (not options.services or name in options.services):
            cause = Cause("the project is taken down", mark=project.mark("services", name, "provider"))
            operations.append(RunProvider(service=name, action="down", cause=cause))


def _external(project: Project | None, name: str) -> bool:
    if project is None:
        return False
    return any(
        (tree or {}).get("external") and (tree or {}).get("name", key) == name for key, tree in project.volumes.items()
    )


def _images(
    containers: Sequence[ObservedContainer],
    options: DownOptions,
    project: Project | None,
    built: Sequence[BuiltImage],
) -> list[str]:
    """References to remove: with ``local``, only those that were built here or have the name a build gives."""
    if project is None:
        refs = [one.image for one in containers] if options.images == "all" else []
        return list(dict.fromkeys([*refs, *(one.ref for one in built)]))
    names = [name for name in project.services if not options.services or name in options.services]
    refs = [
        labels.image_name(project, name)
        for name in names
        if not project.services[name].get("provider")
        and (options.images == "all" or not project.services[name].get("image"))
    ]
    refs += [one.ref for one in built if options.remove_orphans or one.service in names]
    return list(dict.fromkeys(ref.removesuffix(":latest") for ref in refs))
