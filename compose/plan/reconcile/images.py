"""Which images must be pulled or built before the containers: pull policies and build flags, decided."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...dataclass import dataclass, field
from ...errors import Diagnostic, PlanError
from ...labels import dependent_images, image_name
from ..ops import BuildImage, Cause, PullImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...model import Project
    from ..observe import Snapshot
    from ..ops import Key, Operation
    from .options import UpOptions

_EVERY = {"daily": 86400.0, "weekly": 7 * 86400.0}
_PART = re.compile(r"(\d+)([wdhms])")
_SECONDS = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}


@dataclass(slots=True)
class ImagePlan:
    """``keys`` maps each service to the operations its containers wait for, ``dependents`` to those for the images it needs
    besides its own (of hooks, and such as it mounts); ``refreshed`` are services whose image exists
    and may change, so that only after these operations it is known whether their containers are out of date."""

    operations: list[Operation] = field(default_factory=list)
    keys: dict[str, tuple[Key, ...]] = field(default_factory=dict)
    dependents: dict[str, tuple[Key, ...]] = field(default_factory=dict)
    refreshed: set[str] = field(default_factory=set)


def plan_images(
    project: Project, names: Sequence[str], snapshot: Snapshot, options: UpOptions, now: float
) -> ImagePlan:
    """Raises `PlanError` for an image that is missing and may be neither pulled nor built."""
    plan = ImagePlan()
    made: dict[str, tuple[Key, ...]] = {}
    for name in names:
        service = project.services[name]
        if service.get("provider"):
            continue
        ref = image_name(project, name)
        present = snapshot.images.get(ref) is not None
        if ref in made:
            plan.keys[name] = made[ref]
            continue
        maker = _maker(project, name, ref)
        operations = _decide(project, maker, ref, present, snapshot, options, now)
        plan.operations += operations
        made[ref] = plan.keys[name] = tuple(operation.key for operation in operations)
    for name, keys in plan.keys.items():
        if keys and snapshot.of_service(name):
            plan.refreshed.add(name)
    _order_builds(project, plan)
    for name in names:
        if not project.services[name].get("provider"):
            plan.dependents[name] = tuple(_dependents(project, name, snapshot, options, now, made, plan))
    return plan


def _dependents(
    project: Project,
    name: str,
    snapshot: Snapshot,
    options: UpOptions,
    now: float,
    made: dict[str, tuple[Key, ...]],
    plan: ImagePlan,
) -> list[Key]:
    """Keys of the operations for images that the service needs besides its own: pulled by its policy, never built here
    unless another service builds them."""
    keys: list[Key] = []
    for ref in dependent_images(project, name):
        if ref not in made:
            policy = _policy(project, name, options)
            policy = "missing" if policy == "build" else policy
            present = snapshot.images.get(ref) is not None
            due = _due(policy, ref, present, snapshot, now)
            pulls: list[Operation] = []
            if due:
                mark = project.mark("services", name)
                optional = present and policy != "always"
                pulls.append(PullImage(ref=ref, service=ref, optional=optional, cause=Cause(due, mark=mark)))
            plan.operations += pulls
            made[ref] = tuple(one.key for one in pulls)
        keys += made[ref]
    return keys


def _maker(project: Project, name: str, ref: str) -> str:
    """The service that says how ``ref`` comes about: one that builds it, where services share an image."""
    if project.services[name].get("build"):
        return name
    makers = (
        other for other, tree in project.services.items() if tree.get("build") and image_name(project, other) == ref
    )
    return next(makers, name)


def _decide(
    project: Project,
    name: str,
    ref: str,
    present: bool,
    snapshot: Snapshot,
    options: UpOptions,
    now: float,
) -> list[Operation]:
    service = project.services[name]
    policy = _policy(project, name, options)
    mark = project.mark("services", name, "pull_policy") or project.mark("services", name, "image")
    build_mark = project.mark("services", name, "build")
    platform = str(service.get("platform") or "")
    buildable = bool(service.get("build")) and options.build is not False
    if service.get("build") and (options.build or policy == "build") and buildable:
        why = "--build was given" if options.build else "pull_policy is build"
        return [BuildImage(ref=ref, service=name, cause=Cause(why, mark=build_mark))]
    due = _due(policy, ref, present, snapshot, now)
    if due and service.get("image"):
        optional = buildable or (present and policy != "always")
        pull = PullImage(ref=ref, service=name, platform=platform, optional=optional, cause=Cause(due, mark=mark))
        if not buildable:
            return [pull]
        build = BuildImage(
            ref=ref,
            service=name,
            unless_pulled=True,
            after=(pull.key,),
            cause=Cause("if it cannot be pulled", mark=build_mark),
        )
        return [pull] if present else [pull, build]
    if present:
        return []
    if buildable:
        return [BuildImage(ref=ref, service=name, cause=Cause("image is missing", mark=build_mark))]
    if service.get("build"):
        reason = f'image "{ref}" of service "{name}" is missing, and --no-build forbids to build it'
    elif policy in ("never", "build"):
        reason = f'image "{ref}" of service "{name}" is missing, and its pull policy is "{policy}"'
    else:
        reason = f'service "{name}" has neither an image nor a build section'
    path = ("services", name, "image")
    raise PlanError(str(Diagnostic(reason, path, project.mark(*path) or mark)))


def _policy(project: Project, name: str, options: UpOptions) -> str:
    """The pull policy that counts; ``refresh`` after a time is ``every_`` that time. Raises `PlanError` for no time."""
    service = project.services[name]
    if options.pull and options.pull != "policy":
        return options.pull
    policy = str(service.get("pull_policy") or "")
    after = str(service.get("pull_refresh_after") or "")
    if policy != "refresh" or not after:
        return "always" if policy == "refresh" else policy
    if not re.fullmatch(f"({_PART.pattern})+", after):
        path = ("services", name, "pull_refresh_after")
        raise PlanError(str(Diagnostic(f"{after!r} is no time such as 12h or 1w2d", path, project.mark(*path))))
    return f"every_{after}"


def _due(policy: str, ref: str, present: bool, snapshot: Snapshot, now: float) -> str:
    """Why the image must be pulled; "" when it need not."""
    if policy in ("never", "build"):
        return ""
    if not present:
        return "image is missing"
    if policy == "always":
        return "pull policy is always"
    age = _EVERY.get(policy)
    if age is None and policy.startswith("every_"):
        age = float(sum(int(count) * _SECONDS[unit] for count, unit in _PART.findall(policy.removeprefix("every_"))))
    image = snapshot.images[ref]
    if age is not None and image is not None and (image.pulled is None or now - image.pulled >= age):
        return f"pull policy is {policy}"
    return ""


def _order_builds(project: Project, plan: ImagePlan) -> None:
    """A build with the context ``service:x`` waits for x's image."""
    for index, operation in enumerate(plan.operations):
        if not isinstance(operation, BuildImage):
            continue
        contexts = (project.services[operation.service].get("build") or {}).get("additional_contexts") or {}
        sources = (
            contexts.values() if isinstance(contexts, dict) else [str(item).partition("=")[2] for item in contexts]
        )
        needs = [
            key
            for source in sources
            if str(source).startswith("service:")
            for key in plan.keys.get(str(source).removeprefix("service:"), ())
        ]
        if needs:
            plan.operations[index] = BuildImage(
                ref=operation.ref,
                service=operation.service,
                unless_pulled=operation.unless_pulled,
                after=operation.after,
                needs=tuple(needs),
                cause=operation.cause,
            )
