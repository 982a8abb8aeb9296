"""What every use case has in hand: the choices made, the engine, the project's identity and, when asked for, the loaded
project."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import ComposeError, PlanError, UsageError
from ..labels import HOOK, NUMBER, ONEOFF, PROJECT, SERVICE, WORKING_DIR, belongs, number
from ..plan.recorded import by_their_makers
from ..remote import is_remote
from .identity import ConfigurationNotFound, Identity, find_identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..client import Engine
    from ..client.bodies.containers import ContainerRow
    from ..model import LoadOptions, Project
    from .choices import Choices, Listener


class Session:
    """Lazily everything a use case may need. One per command, or per `Stack`."""

    def __init__(self, choices: Choices, listener: Listener) -> None:
        self.choices = choices
        self.listener = listener

    @cached_property
    def engine(self) -> Engine:
        from ..client import choose, connect  # `config` needs no engine
        from ..credentials import docker_config

        if fault := docker_config.read().fault:
            self.listener.warn(f"error loading config file: {fault}")
        choices = self.choices
        engine = connect(choose(choices.environment, os.geteuid(), choices.host, choices.root))
        if engine.endpoint.own:
            engine.greeted = self._greeted
        return engine

    def _greeted(self, headers: Mapping[str, str]) -> None:
        if warning := other_version(headers):
            self.listener.warn(warning)

    @cached_property
    def identity(self) -> Identity:
        """The project's identity; the model is loaded only when the name cannot be read without."""
        choices = self.choices
        found = find_identity(
            choices.directory,
            choices.environment,
            project_name=choices.project_name,
            files=choices.files,
            project_directory=choices.project_directory,
            env_files=choices.env_files,
        )
        if found.name is not None:
            return found
        project = self.project
        directory = None if found.directory is None else str(project.directory)
        return Identity(project.name, directory, project.files, explicit=False)

    @property
    def name(self) -> str:
        assert self.identity.name is not None
        return self.identity.name

    @cached_property
    def declared(self) -> frozenset[str] | None:
        """The enabled services of the Compose files; None where there is no file, or none that loads: then what the engine
        has recorded counts."""
        from ..errors import LoadError
        from .outline import declared_in

        if not self.identity.files:
            return None
        if found := declared_in(self.identity.files):
            return found
        try:
            return frozenset(self.project.services)
        except LoadError:
            return None

    @cached_property
    def project(self) -> Project:
        """The loaded project. Its warnings are told once."""
        from dataclasses import replace

        from ..load import load_project

        options = self.load_options()
        require_files(self.choices)
        project = load_project(options)
        if profiles := profiles_of(self.choices.services, project):
            project = load_project(replace(options, profiles=(*project.profiles, *profiles)))
        project = replace(
            project, separator="_" if self._is_compatible() else "-", env_files=self._env_files(project.environment)
        )
        for warning in project.warnings:
            self.listener.warn(str(warning))
        if self.choices.ephemeral:
            from ..plan.ephemeral import ephemeral, lost_addresses

            for words in lost_addresses(project):
                self.listener.warn(words)
            project = ephemeral(project)
        from ..plan.ports_auto import wants_auto, with_auto_ports

        automatic = wants_auto(
            self.choices.ports, self.choices.environment, "auto" if self.choices.ephemeral else "fixed"
        )
        return with_auto_ports(project) if automatic else project

    def naming(self, services: Sequence[str]) -> Session:
        """A session in which these services are enabled: itself, unless one of them waits for its profile."""
        if not any(name in self.project.disabled_services for name in services):
            return self
        from dataclasses import replace

        other = Session(replace(self.choices, services=(*self.choices.services, *services)), self.listener)
        other.__dict__["engine"] = self.engine
        return other

    def _is_compatible(self) -> bool:
        return self.choices.compatibility or is_set(self.choices.environment.get("COMPOSE_COMPATIBILITY"))

    def _env_files(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        named = self.choices.env_files or filter(None, environment.get("COMPOSE_ENV_FILES", "").split(","))
        return tuple(os.path.normpath(os.path.join(self.choices.directory, name)) for name in named)

    def load_options(self) -> LoadOptions:
        """The loader's options from what was chosen."""
        from pathlib import Path

        from ..model import LoadOptions

        choices = self.choices
        return LoadOptions(
            files=choices.files,
            project_directory=choices.project_directory,
            project_name=choices.project_name,
            env_files=choices.env_files,
            profiles=choices.profiles,
            environment=dict(choices.environment),
            cwd=Path(choices.directory),
            all_resources=choices.all_resources,
            stdin=choices.stdin() if "-" in choices.files else None,
        )

    def containers(
        self, services: Sequence[str] = (), *, all: bool = True, oneoff: bool = False, labels: Sequence[str] = ()
    ) -> list[ContainerRow]:
        """The project's containers as the engine lists them, by service and number; refuses another directory's project.
        Containers of hooks are not among them."""
        wanted = [f"{PROJECT}={self.name}", *labels]
        if not oneoff:
            wanted.append(f"{ONEOFF}=False")
        found = self.engine.containers.list({"label": wanted}, all=all)
        self.check_directory(found)
        found = [one for one in found if belongs(one["Labels"]) and not one["Labels"].get(HOOK)]
        if services:
            found = [one for one in found if one["Labels"].get(SERVICE) in services]
        return sorted(by_their_makers(self.engine, found), key=container_order)

    def container_of(self, service: str, index: int = 0, *, all: bool = True) -> ContainerRow:
        """One container of a service: number ``index``, or the first, one-off containers last. Raises `NotRunning`."""
        wanted = [f"{SERVICE}={service}", *([f"{NUMBER}={index}"] if index > 0 else [])]
        found = self.containers(labels=wanted, all=all, oneoff=True)
        if not found:
            number = f" container #{index}" if index > 0 else ""
            self.require_declared([service])
            raise NotRunning(f'service "{service}" is not running{number}')
        return min(found, key=lambda one: one["Labels"].get(ONEOFF) == "True")

    def require_declared(self, services: Sequence[str], known: Iterable[str | None] = ()) -> None:
        """Raise `NoSuchService` for the first name that is neither in the Compose files nor among ``known``. Without files
        every name may be one, unless ``known`` has some."""
        missing = [name for name in services if name not in known]
        declared = self.declared if missing else None
        if declared is None:
            if any(known):
                require_services(missing, [])
            return
        if any(name not in declared for name in missing):
            require_services(missing, [*self.project.services, *self.project.disabled_services])

    def check_directory(self, containers: Sequence[ContainerRow]) -> None:
        """Two checkouts with one name are two projects. A name that the user wrote out means just what it says."""
        if self.identity.explicit or self.identity.directory is None:
            return
        refuse_foreign(self.name, self.identity.directory, [one["Labels"] for one in containers])


def other_version(headers: Mapping[str, str]) -> str:
    """A warning when the engine is another release's, else "": it goes on over an upgrade of the command."""
    from ...version import __version__

    name, slash, rest = headers.get("server", "").partition("/")
    version = rest.partition(" ")[0]
    if name != "pycompose" or not slash or version == __version__:
        return ""
    return (
        f"the engine is pycompose {version}, this command is {__version__}:"
        ' "pycompose engine restart" changes the engine and leaves containers running'
    )


def profiles_of(names: Sequence[str], project: Project) -> list[str]:
    """The profiles of those services among ``names`` that are disabled."""
    every = {**project.disabled_services, **project.disabled_jobs}
    disabled = [every[name] for name in names if name in every]
    return [profile for service in disabled for profile in service.get("profiles") or ()]


def require_files(choices: Choices) -> None:
    """Raise `ConfigurationNotFound` when no file can be found, or one that was named is not there."""
    found = find_identity(
        choices.directory,
        choices.environment,
        files=choices.files,
        project_directory=choices.project_directory,
        env_files=choices.env_files,
    )
    if not found.files:
        raise ConfigurationNotFound("no configuration file provided: not found")
    for path in found.files:
        if path != "-" and not is_remote(path) and not os.path.lexists(path):
            error = ConfigurationNotFound(f"open {path}: no such file or directory")
            if not choices.files:
                error.exit_code = 1  # COMPOSE_FILE names it; Docker Compose tells the two apart
            raise error


def refuse_foreign(name: str, directory: str, labels: Sequence[dict[str, str]]) -> None:
    """Raise `PlanError` when objects of project ``name`` were made from another directory."""
    others = sorted({one[WORKING_DIR] for one in labels if one.get(WORKING_DIR)})
    foreign = [other for other in others if os.path.realpath(other) != os.path.realpath(directory)]
    if foreign and len(foreign) == len(others):
        raise PlanError(
            f'project "{name}" already exists, made from {foreign[0]}; this is {directory}.'
            f" Choose another name with -p or COMPOSE_PROJECT_NAME, or run the command there."
        )


def container_order(container: ContainerRow) -> tuple[str, int, str]:
    labels = container.get("Labels") or {}
    return (labels.get(SERVICE, ""), number(labels, NUMBER, 0), (container["Names"] or [""])[0])


def require_services(names: Sequence[str], known: Sequence[str]) -> None:
    """Raise `UsageError` for the first name that is no service."""
    for name in names:
        if name not in known:
            from ..load.suggest import nearest

            hint = nearest(name, known)
            raise NoSuchService(f"no such service: {name}{f' ({hint})' if hint else ''}")


class NotRunning(ComposeError):
    """The service has no container of the kind that is wanted."""


class NoSuchService(UsageError):
    """A word where the name of a service was wanted."""


def is_set(value: str | None) -> bool:
    """Whether a variable such as COMPOSE_REMOVE_ORPHANS says yes."""
    return (value or "").lower() in ("1", "true", "t", "yes", "y", "on")
