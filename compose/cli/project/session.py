"""What a verb has in hand: its options, the engine, the project's identity and, when it asks, the loaded project."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...errors import ComposeError, PlanError, UsageError
from ...labels import HOOK, NUMBER, ONEOFF, PROJECT, SERVICE, WORKING_DIR, belongs
from ...remote import is_remote
from .identity import ConfigurationNotFound, Identity, find_identity

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Mapping, Sequence

    from ...client import Engine
    from ...model import LoadOptions, Project


class Session:
    """Lazily everything a verb may need. One per command."""

    def __init__(self, args: Namespace, *, is_ephemeral: bool = False, services: Sequence[str] = ()) -> None:
        self.args = args
        self.is_ephemeral = is_ephemeral
        self._services = services

    @cached_property
    def engine(self) -> Engine:
        from ...client import choose, connect  # `config` needs no engine
        from ...credentials import docker_config

        if fault := docker_config.read().fault:
            print(f"warning: error loading config file: {fault}", file=sys.stderr)
        engine = connect(choose(os.environ, os.geteuid(), self.args.host, self.args.root))
        if engine.endpoint.own:
            engine.greeted = warn_of_version
        return engine

    @cached_property
    def identity(self) -> Identity:
        """The project's identity; the model is loaded only when the name cannot be read without."""
        args = self.args
        found = find_identity(
            os.getcwd(),
            os.environ,
            project_name=args.project_name,
            files=args.file,
            project_directory=args.project_directory,
            env_files=args.env_file,
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
    def project(self) -> Project:
        """The loaded project. Its warnings are printed once."""
        from dataclasses import replace

        from ...load import load_project

        options = self.load_options()
        require_files(self.args)
        project = load_project(options)
        if profiles := profiles_of(self.named_services, project):
            project = load_project(replace(options, profiles=(*project.profiles, *profiles)))
        project = replace(
            project, separator="_" if self._is_compatible() else "-", env_files=self._env_files(project.environment)
        )
        for warning in project.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        if self.is_ephemeral:
            from ...plan.ephemeral import ephemeral, lost_addresses

            for words in lost_addresses(project):
                print(f"warning: {words}", file=sys.stderr)
            project = ephemeral(project)
        from ...plan.ports_auto import wants_auto, with_auto_ports

        automatic = wants_auto(getattr(self.args, "ports", None), os.environ, "auto" if self.is_ephemeral else "fixed")
        return with_auto_ports(project) if automatic else project

    @property
    def named_services(self) -> list[str]:
        """The services on the command line: naming one enables its profiles."""
        named = [*self._services, *(getattr(self.args, "services", None) or ()), getattr(self.args, "service", None)]
        return [name for name in named if isinstance(name, str)]

    def _is_compatible(self) -> bool:
        return self.args.compatibility or is_set(os.environ.get("COMPOSE_COMPATIBILITY"))

    def _env_files(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        named = self.args.env_file or filter(None, environment.get("COMPOSE_ENV_FILES", "").split(","))
        return tuple(os.path.abspath(name) for name in named)

    def load_options(self, **overrides: Any) -> LoadOptions:
        """The loader's options from the global ones; ``overrides`` replace fields."""
        from pathlib import Path

        from ...model import LoadOptions

        args = self.args
        values: dict[str, Any] = {
            "files": tuple(args.file),
            "project_directory": args.project_directory,
            "project_name": args.project_name,
            "env_files": tuple(args.env_file),
            "profiles": tuple(args.profile),
            "environment": dict(os.environ),
            "cwd": Path.cwd(),
            "all_resources": bool(getattr(args, "all_resources", False)),
            "stdin": sys.stdin.read() if "-" in args.file else None,
        }
        values.update(overrides)
        return LoadOptions(**values)

    def containers(
        self, services: Sequence[str] = (), *, all: bool = True, oneoff: bool = False, labels: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """The project's containers as the engine lists them, by service and number; refuses another directory's project.
        Containers of hooks are not among them."""
        wanted = [f"{PROJECT}={self.name}", *labels]
        if not oneoff:
            wanted.append(f"{ONEOFF}=False")
        found = self.engine.containers.list({"label": wanted}, all=all)
        self.check_directory(found)
        found = [one for one in found if belongs(one["Labels"]) and not one["Labels"].get(HOOK)]
        if services:
            found = [one for one in found if one["Labels"].get("com.docker.compose.service") in services]
        return sorted(found, key=container_order)

    def container_of(self, service: str, index: int = 0, *, all: bool = True) -> dict[str, Any]:
        """One container of a service: number ``index``, or the first, one-off containers last. Raises `NotRunning`."""
        wanted = [f"{SERVICE}={service}", *([f"{NUMBER}={index}"] if index > 0 else [])]
        found = self.containers(labels=wanted, all=all, oneoff=True)
        if not found:
            number = f" container #{index}" if index > 0 else ""
            self.require_declared([service])
            raise NotRunning(f'service "{service}" is not running{number}')
        return min(found, key=lambda one: bool(one["Labels"].get(ONEOFF) == "True"))

    def require_declared(self, services: Sequence[str], known: Iterable[str | None] = ()) -> None:
        """Raise `NoSuchService` for the first name that is neither in the Compose files nor among ``known``. Without files
        every name may be one, unless ``known`` has some."""
        from .declared import declared_services

        missing = [name for name in services if name not in known]
        declared = declared_services(self) if missing else None
        if declared is None:
            if any(known):
                require_services(missing, [])
            return
        if any(name not in declared for name in missing):
            require_services(missing, [*self.project.services, *self.project.disabled_services])

    def check_directory(self, containers: Sequence[dict[str, Any]]) -> None:
        """Two checkouts with one name are two projects. A name that the user wrote out means just what it says."""
        if self.identity.explicit or self.identity.directory is None:
            return
        refuse_foreign(self.name, self.identity.directory, [one["Labels"] for one in containers])


def warn_of_version(headers: Mapping[str, str]) -> None:
    """An engine goes on over an upgrade of the command, which then speaks to an older one."""
    from .... import __version__

    name, slash, rest = headers.get("server", "").partition("/")
    version = rest.partition(" ")[0]
    if name == "pycompose" and slash and version != __version__:
        print(
            f"warning: the engine is pycompose {version}, this command is {__version__}:"
            ' "pycompose engine restart" changes the engine and leaves containers running',
            file=sys.stderr,
        )


def profiles_of(names: Sequence[str], project: Project) -> list[str]:
    """The profiles of those services among ``names`` that are disabled."""
    disabled = [project.disabled_services[name] for name in names if name in project.disabled_services]
    return [profile for service in disabled for profile in service.get("profiles") or ()]


def require_files(args: Namespace) -> None:
    """Raise `ConfigurationNotFound` when no file can be found, or one that was named is not there."""
    found = find_identity(
        os.getcwd(), os.environ, files=args.file, project_directory=args.project_directory, env_files=args.env_file
    )
    if not found.files:
        raise ConfigurationNotFound("no configuration file provided: not found")
    for path in found.files:
        if path != "-" and not is_remote(path) and not os.path.lexists(path):
            error = ConfigurationNotFound(f"open {path}: no such file or directory")
            if not args.file:
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


def container_order(container: dict[str, Any]) -> tuple[str, int, str]:
    labels = container.get("Labels") or {}
    number = labels.get("com.docker.compose.container-number", "0")
    return (
        labels.get("com.docker.compose.service", ""),
        int(number) if number.isdigit() else 0,
        (container["Names"] or [""])[0],
    )


def require_services(names: Sequence[str], known: Sequence[str]) -> None:
    """Raise `UsageError` for the first name that is no service."""
    for name in names:
        if name not in known:
            from ...load.suggest import nearest

            hint = nearest(name, known)
            raise NoSuchService(f"no such service: {name}{f' ({hint})' if hint else ''}")


class NotRunning(ComposeError):
    """The service has no container of the kind that is wanted."""


class NoSuchService(UsageError):
    """A word where the name of a service was wanted."""


def is_set(value: str | None) -> bool:
    """Whether a variable such as COMPOSE_REMOVE_ORPHANS says yes."""
    return (value or "").lower() in ("1", "true", "t", "yes", "y", "on")
