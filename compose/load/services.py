"""Which services a project runs, and what their ``env_file`` and ``label_file`` add.

Profiles choose services; env files fill in ``environment`` under what the service itself says. Works on bound services.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import Diagnostic, FileMissing, LoadError, Mark, Path, UnknownService, dotted
from . import dotenv
from .merge import as_map
from .source import Files
from .suggest import nearest
from .tree import Map, clone, fail, mark, place_at, places_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..model import Project


def has_profile(service: Mapping[str, Any], profiles: Iterable[str]) -> bool:
    """Whether ``profiles`` enable the service; one without profiles always is."""
    own = service.get("profiles")
    return not own or any(profile == "*" or profile in own for profile in profiles)


def select(services: Map, profiles: tuple[str, ...]) -> tuple[Map, Map]:
    """The services that the profiles enable, and the others."""
    active, disabled = Map(), Map()
    for name, service in services.items():
        (active if has_profile(service, profiles) else disabled).take(name, services, service)
    return active, disabled


def used_resources(sections: Mapping[str, Map], services: Map) -> dict[str, Map]:
    """The resources that the services refer to."""
    wanted: dict[str, set[str]] = {name: set() for name in ("networks", "volumes", "configs", "secrets", "models")}
    for service in services.values():
        wanted["networks"].update(service.get("networks") or ())
        wanted["models"].update(service.get("models") or ())
        wanted["volumes"].update(
            volume["source"]
            for volume in service.get("volumes") or ()
            if volume.get("type") == "volume" and "source" in volume
        )
        wanted["configs"].update(use.get("source", "") for use in service.get("configs") or ())
        wanted["secrets"].update(use.get("source", "") for use in service.get("secrets") or ())
        wanted["secrets"].update(use.get("source", "") for use in (service.get("build") or {}).get("secrets") or ())
    out = {}
    for section, names in wanted.items():
        kept = Map()
        for name, resource in sections[section].items():
            if name in names:
                kept.take(name, as_map(sections[section]), resource)
        out[section] = kept
    return out


def with_services(project: Project, names: Iterable[str], *, dependencies: bool = True) -> Project:
    """The project reduced to ``names`` and, unless told otherwise, what they depend on.

    A named service is enabled whatever its profiles; its resources are there only if ``project`` still has them, so
    LoadOptions.services is the way to name one that profiles leave out. Raises `LoadError` for an unknown name.
    """
    chosen = list(names)
    if not chosen:
        return project
    everything = {**project.services, **project.disabled_services}
    for name in chosen:
        if name not in everything:
            raise UnknownService(Diagnostic(f"no such service: {name}", hint=nearest(name, everything)))
    profiles = [*project.profiles]
    for name in chosen:
        if name not in project.services:
            profiles += everything[name].get("profiles") or ()
    warnings = list(project.warnings)
    active, disabled = Map(), Map()
    for name in sorted(everything):
        if name in project.services or has_profile(everything[name], profiles):
            active[name] = clone(everything[name])
        else:
            disabled[name] = everything[name]
    fresh = Map({name: service for name, service in active.items() if name not in project.services})
    resolve_files(fresh, Files(), project.environment, warnings)
    sections = {key: as_map(getattr(project, key)) for key in ("networks", "volumes", "configs", "secrets", "models")}
    used = used_resources(sections, active)
    kept: set[str] = set()
    pending = list(chosen)
    while pending:
        name = pending.pop()
        if name in kept:
            continue
        service = active.get(name)
        if service is None:
            raise UnknownService(Diagnostic(f"no such service: {name}"))
        kept.add(name)
        if dependencies:
            needed = service.get("depends_on") or {}
            pending += [other for other, how in needed.items() if other in active or how.get("required")]
    for name in list(active):
        if name not in kept:
            disabled[name] = active.pop(name)
    for service in active.values():
        depends = service.get("depends_on")
        if depends:
            for other in [other for other in depends if other not in kept]:
                del depends[other]
            if not depends:
                del service["depends_on"]
    return replace(
        project,
        services=active,
        disabled_services=Map(sorted(disabled.items())),
        profiles=tuple(profiles),
        warnings=tuple(warnings),
        networks=used["networks"],
        volumes=used["volumes"],
        configs=used["configs"],
        secrets=used["secrets"],
        models=used["models"],
    )


def resolve_files(
    services: Map, files: Files, environment: Mapping[str, str] | None, warnings: list[Diagnostic]
) -> None:
    """Read env files and label files into ``environment`` and ``labels``, and drop the two attributes.

    ``environment`` is what env files may refer to; None leaves them alone.
    """
    for name, service in services.items():
        if environment is not None:
            _resolve_environment(service, ("services", name), files, environment, warnings)
        _resolve_labels(service, ("services", name), files, warnings)


def _resolve_environment(
    service: Map, path: Path, files: Files, environment: Mapping[str, str], warnings: list[Diagnostic]
) -> None:
    own = service.get("environment") or Map()
    for key, value in own.items():
        if value is None and key in environment:
            own[key] = environment[key]
    entries = service.get("env_file")
    if not entries:
        if own:
            service["environment"] = own
        return
    found = Map()

    def lookup(name: str) -> str | None:
        value = found.get(name)
        return value if value is not None else environment.get(name)

    for index, (entry, place) in enumerate(zip(entries, places_of(entries), strict=True)):
        long = entry if isinstance(entry, dict) else {"path": entry, "required": True}
        at = (*path, "env_file", index)
        _read(
            found,
            long.get("path", ""),
            long.get("required", True),
            long.get("format", ""),
            files,
            lookup,
            at,
            place,
            warnings,
        )
    for key, value in own.items():
        found.take(key, own, value)
    merged = Map()
    for key in sorted(found):
        merged.take(key, found, found[key])
    _put_back(service, "environment", merged)
    del service["env_file"]


def _resolve_labels(service: Map, path: Path, files: Files, warnings: list[Diagnostic]) -> None:
    names = service.get("label_file")
    if not names:
        return
    found = Map()
    for index, (name, place) in enumerate(zip(names, places_of(names), strict=True)):
        _read(found, name, True, "", files, found.get, (*path, "label_file", index), place, warnings, "label file")
    own = service.get("labels") or Map()
    for key, value in own.items():
        found.take(key, own, value)
    merged = Map()
    for key in sorted(found):
        merged.take(key, found, found[key])
    _put_back(service, "labels", merged)
    del service["label_file"]


def _put_back(service: Map, key: str, value: Map) -> None:
    """Set an attribute without losing the order of attributes."""
    from .bind import SERVICE

    place = place_at(service, (key,))
    if key in service or not value:
        if value:
            service[key] = value
        return
    order = [field.key for field in SERVICE]
    following = order[order.index(key) + 1 :]
    moved = [(name, service.pop(name)) for name in following if name in service]
    service.put(key, value, place)
    for name, item in moved:
        service[name] = item


def _read(
    out: Map,
    name: str,
    required: bool,
    kind: str,
    files: Files,
    lookup: Callable[[str], str | None],
    path: Path,
    place: Any,
    warnings: list[Diagnostic],
    what: str = "env file",
) -> None:
    if not files.exists(name):
        if required:
            raise FileMissing(Diagnostic(f"{what} {name} not found", path, mark(place)))
        return
    try:
        content = files.read(name).decode("utf-8", "replace")
    except OSError as error:
        raise fail(f"{what} {name}: {(error.strerror or str(error)).lower()}", path, place) from None
    if kind == "raw":
        out.update(dotenv.parse_raw(content))
        return
    if kind:
        raise fail(f"unsupported env_file format {kind!r}", path, place, "raw is the only one")

    def unset(variable: str, line: int) -> None:
        message = f'The "{variable}" variable is not set. Defaulting to a blank string.'
        warnings.append(Diagnostic(message, mark=Mark(name, line, 1)))

    read: list[tuple[str, str, int]] = []
    try:
        read += dotenv.entries(content, lookup, unset)
    except dotenv.DotenvError as error:
        where = mark(place)
        reason = f"failed to read {what}: {error.message}"
        hint = f"named at {where}" if where is not None else f"named by {dotted(path)}"
        raise LoadError(Diagnostic(reason, mark=Mark(name, error.line, 1), hint=hint)) from None
    for key, value, line in read:
        out.put(key, value, (name, line, 1))
