"""Which services a project runs, and what their ``env_file`` and ``label_file`` add.

Profiles choose services; env files fill in ``environment`` under what the service itself says. Works on bound services.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..errors import Diagnostic, FileMissing, LoadError, Mark, Path, UnknownService, dotted
from . import dotenv
from .binder import insert
from .source import Files
from .suggest import nearest
from .tree import Map, Place, Placed, Section, clone, fail, mark, place_at, places_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..model import Project
    from ..model.resources import FileObject, Model, Network, Volume
    from ..model.service import Service

T = TypeVar("T")


def has_profile(own: Sequence[object] | None, profiles: Iterable[str]) -> bool:
    """Whether ``profiles`` enable a service with profiles ``own``; one without always is."""
    return not own or any(profile == "*" or profile in own for profile in profiles)


def select(services: Section[Service], profiles: tuple[str, ...]) -> tuple[Section[Service], Section[Service]]:
    """The services that the profiles enable, and the others."""
    active: Section[Service] = Section()
    disabled: Section[Service] = Section()
    for name, service in services.items():
        (active if has_profile(service.get("profiles"), profiles) else disabled).take(name, services, service)
    return active, disabled


class Resources(NamedTuple):
    """What services refer to, by name."""

    networks: Section[Network]
    volumes: Section[Volume]
    configs: Section[FileObject]
    secrets: Section[FileObject]
    models: Section[Model]

    def used_by(self, services: Iterable[Service]) -> Resources:
        """Those that the services refer to."""
        wanted = [_references(service) for service in services]

        def of(section: Section[T], index: int) -> Section[T]:
            names = {name for one in wanted for name in one[index]}
            kept: Section[T] = Section()
            for name, resource in section.items():
                if name in names:
                    kept.take(name, section, resource)
            return kept

        return Resources(
            of(self.networks, 0), of(self.volumes, 1), of(self.configs, 2), of(self.secrets, 3), of(self.models, 4)
        )


def _references(service: Service) -> tuple[Iterable[str], ...]:
    """The names of the networks, volumes, configs, secrets and models that a service refers to."""
    mounts = service.get("volumes", ())
    build_secrets = service.get("build", {}).get("secrets", ())
    return (
        service.get("networks", ()),
        [mount["source"] for mount in mounts if mount.get("type") == "volume" and "source" in mount],
        [use.get("source", "") for use in service.get("configs", ())],
        [use.get("source", "") for use in (*service.get("secrets", ()), *build_secrets)],
        service.get("models", ()),
    )


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
            profiles += everything[name].get("profiles", ())
    warnings = list(project.warnings)
    active: Section[Service] = Section()
    disabled: dict[str, Service] = {}
    for name in sorted(everything):
        if name in project.services or has_profile(everything[name].get("profiles"), profiles):
            active[name] = clone(everything[name])
        else:
            disabled[name] = everything[name]
    fresh = {name: service for name, service in active.items() if name not in project.services}
    resolve_files(fresh, Files(), project.environment, warnings)
    used = Resources(
        Section(project.networks),
        Section(project.volumes),
        Section(project.configs),
        Section(project.secrets),
        Section(project.models),
    ).used_by(active.values())
    kept = _reached(active, chosen, dependencies=dependencies)
    for name in list(active):
        if name not in kept:
            disabled[name] = active.pop(name)
    for service in active.values():
        for other in [other for other in service.get("depends_on", ()) if other not in kept]:
            del service["depends_on"][other]
        if "depends_on" in service and not service["depends_on"]:
            del service["depends_on"]
    return replace(
        project,
        services=active,
        disabled_services=dict(sorted(disabled.items())),
        profiles=tuple(profiles),
        warnings=tuple(warnings),
        **used._asdict(),
    )


def _reached(services: Mapping[str, Service], chosen: list[str], *, dependencies: bool) -> set[str]:
    """The names in ``chosen`` and what they depend on. Raises `UnknownService`."""
    kept: set[str] = set()
    pending = list(chosen)
    while pending:
        name = pending.pop()
        if name in kept:
            continue
        if name not in services:
            raise UnknownService(Diagnostic(f"no such service: {name}"))
        kept.add(name)
        if dependencies:
            needed = services[name].get("depends_on", {})
            pending += [other for other, how in needed.items() if other in services or how.get("required")]
    return kept


def resolve_files(
    services: Mapping[str, Service],
    files: Files,
    environment: Mapping[str, str] | None,
    warnings: list[Diagnostic],
) -> None:
    """Read env files and label files into ``environment`` and ``labels``, and drop the two attributes.

    ``environment`` is what env files may refer to; None leaves them alone.
    """
    for name, service in services.items():
        if environment is not None:
            _resolve_environment(service, ("services", name), files, environment, warnings)
        _resolve_labels(service, ("services", name), files, warnings)


def _resolve_environment(
    service: Service, path: Path, files: Files, environment: Mapping[str, str], warnings: list[Diagnostic]
) -> None:
    own = service.get("environment", {})
    for key, value in own.items():
        if value is None and key in environment:
            own[key] = environment[key]
    entries = service.get("env_file")
    if not entries:
        return
    found: Placed[str] = Placed()

    def lookup(name: str) -> str | None:
        value = found.get(name)
        return value if value is not None else environment.get(name)

    for index, entry in enumerate(entries):
        at = (*path, "env_file", index)
        asked = (
            _Asked(entry)
            if isinstance(entry, str)
            else _Asked(entry.get("path", ""), entry.get("required", True), entry.get("format", ""))
        )
        _read(found, asked, files, lookup, _Here(at, place_at(service, ("env_file", index)), warnings))
    merged = Map()
    for key in sorted({*found, *own}):
        merged.put(key, own[key] if key in own else found[key], places_in(own if key in own else found).get(key))
    _put_back(service, "environment", merged)
    del service["env_file"]


def _resolve_labels(service: Service, path: Path, files: Files, warnings: list[Diagnostic]) -> None:
    names = service.get("label_file")
    if not names:
        return
    found: Placed[str] = Placed()
    for index, name in enumerate(names):
        at = (*path, "label_file", index)
        here = _Here(at, place_at(service, ("label_file", index)), warnings)
        _read(found, _Asked(name, what="label file"), files, found.get, here)
    own = service.get("labels", {})
    merged = Map()
    for key in sorted({*found, *own}):
        merged.put(key, own.get(key, found.get(key)), places_in(own if key in own else found).get(key))
    _put_back(service, "labels", merged)
    del service["label_file"]


def _put_back(service: Service, key: str, value: Map) -> None:
    """Set an attribute without losing the order of attributes."""
    from .bind import SERVICE

    if value:
        insert(service, SERVICE, key, value, place_at(service, (key,)))


class _Asked(NamedTuple):
    """A file to be read, as a service names it."""

    name: str
    required: bool = True
    format: str = ""
    what: str = "env file"


class _Here(NamedTuple):
    """Where a file is named, and where to put warnings about it."""

    path: Path
    place: Place | None
    warnings: list[Diagnostic]


def _read(out: Placed[str], asked: _Asked, files: Files, lookup: Callable[[str], str | None], here: _Here) -> None:
    name, what, place = asked.name, asked.what, here.place
    if not files.exists(name):
        if asked.required:
            raise FileMissing(Diagnostic(f"{what} {name} not found", here.path, mark(place)))
        return
    try:
        content = files.read(name).decode("utf-8", "replace")
    except OSError as error:
        raise fail(f"{what} {name}: {(error.strerror or str(error)).lower()}", here.path, place) from None
    if asked.format == "raw":
        out.update(dotenv.parse_raw(content))
        return
    if asked.format:
        raise fail(f"unsupported env_file format {asked.format!r}", here.path, place, "raw is the only one")

    def unset(variable: str, line: int) -> None:
        message = f'The "{variable}" variable is not set. Defaulting to a blank string.'
        here.warnings.append(Diagnostic(message, mark=Mark(name, line, 1)))

    read: list[tuple[str, str, int]] = []
    try:
        read += dotenv.entries(content, lookup, unset)
    except dotenv.DotenvError as error:
        where = mark(place)
        reason = f"failed to read {what}: {error.message}"
        hint = f"named at {where}" if where is not None else f"named by {dotted(here.path)}"
        raise LoadError(Diagnostic(reason, mark=Mark(name, error.line, 1), hint=hint)) from None
    for key, value, line in read:
        out.put(key, value, (name, line, 1))
