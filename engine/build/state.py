"""The image that a stage has become so far: its configuration, layers, history and environment.

Pure but for being mutable: instructions that make no layer are methods that change it, in Docker's words for the history.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from ...grammar import ports, signals
from .. import bounds
from .dockerfile.arguments import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..images.bodies import Healthcheck as HealthcheckBody
    from ..images.bodies import History, ImageConfig, Process
    from ..images.types import Image, Layer, Platform
    from .dockerfile.instructions import Command, Healthcheck

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")
COMMENT = "pycompose.dockerfile.v0"

_OWN_OF_PROCESS = {"OnBuild", "Image"}
_OWN_OF_CONFIG = {
    *("config", "history", "rootfs", "created", "container", "container_config", "docker_version", "id", "parent"),
}
"""What an image that is made of another does not take over."""


def _without(tree: Process | ImageConfig, names: set[str]) -> dict[str, object]:
    return {name: value for name, value in tree.items() if name not in names and value is not None}


def _no_process() -> Process:
    return {}


def _no_config() -> ImageConfig:
    return {}


@dataclass(slots=True)
class ImageState:
    """``process`` is the ``config`` member of the OCI image configuration, ``other`` the rest of it.

    ``history`` entries carry no time yet but that of their layer: service.py settles them at the end. ``env`` is what RUN
    and expansion see: the image's variables and the stage's build arguments. ``args`` are the latter in order of
    declaration.
    """

    process: Process = field(default_factory=_no_process)
    other: ImageConfig = field(default_factory=_no_config)
    layers: list[Layer] = field(default_factory=list)
    history: list[History] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    args: dict[str, str | None] = field(default_factory=dict)
    platform: str = ""
    command_set: bool = False
    size: int = 0  # characters of the history that this build has written

    @staticmethod
    def scratch(platform: Platform) -> ImageState:
        state = ImageState(other={"architecture": platform.architecture, "os": platform.os}, platform=str(platform))
        if platform.variant:
            state.other["variant"] = platform.variant
        state._default_path()
        state.process["WorkingDir"] = "/"  # as BuildKit's
        return state

    @staticmethod
    def of_image(image: Image) -> ImageState:
        """What FROM an image starts with. Its ONBUILD triggers are the caller's to take."""
        config = copy.deepcopy(image.config)
        process, history = config.get("config") or {}, config.get("history") or []
        state = ImageState(
            process=cast("Process", _without(process, _OWN_OF_PROCESS)),
            other=cast("ImageConfig", _without(config, _OWN_OF_CONFIG)),
            layers=list(image.layers),
            history=history,
        )
        for item in process.get("Env") or ():
            name, _, value = item.partition("=")
            state.env[name] = value
        system = (config.get("os", "linux"), config.get("architecture"), config.get("variant"))
        state.platform = "/".join(part for part in system if part)
        state._default_path()
        return state

    def branch(self) -> ImageState:
        """What FROM a stage starts with: all of it but the triggers; build arguments carry over."""
        state = copy.deepcopy(self)
        state.process.pop("OnBuild", None)
        state.command_set = False
        return state

    def _default_path(self) -> None:
        if "PATH" not in self.env:
            self.set_env("PATH", DEFAULT_PATH)

    # what instructions ask -----------------------------------------------------------------------------------------
    @property
    def chain_id(self) -> str:
        """Of the topmost layer; "" for scratch."""
        return self.layers[-1].chain_id if self.layers else ""

    @property
    def cwd(self) -> str:
        return self.process.get("WorkingDir") or "/"

    @property
    def user(self) -> str:
        return self.process.get("User") or ""

    def argv(self, command: Command) -> list[str]:
        """The command line to run or to store: shell form goes through the image's shell."""
        if not command.shell:
            return list(command.words)
        return [*(self.process.get("Shell") or DEFAULT_SHELL), " ".join(command.words)]

    def absolute(self, path: str) -> str:
        """A path of the image as an absolute one, relative to WORKDIR; a trailing slash is kept, ``.`` gets one."""
        if path in ("", "."):
            path = "./"
        slash = "/" if path.endswith(("/", "/.")) else ""
        clean: list[str] = []
        for part in (path if path.startswith("/") else f"{self.cwd}/{path}").split("/"):
            if part == "..":
                del clean[-1:]
            elif part not in ("", "."):
                clean.append(part)
        return f"/{'/'.join(clean)}{slash if clean else ''}"

    # history -------------------------------------------------------------------------------------------------------
    def record(self, created_by: str, layer: Layer | None = None, created: str = "") -> None:
        entry: History = {"created": created, "created_by": created_by, "comment": COMMENT}
        if layer is None:
            entry["empty_layer"] = True
        else:
            self.layers.append(layer)
        self.history.append(entry)
        self.size += len(created_by)
        if self.size > bounds.CONFIGURATION:
            raise ArgumentError(f"the image's history comes to more than {bounds.CONFIGURATION} bytes")

    # instructions --------------------------------------------------------------------------------------------------
    def set_env(self, name: str, value: str) -> None:
        self.env[name] = value
        variables = self.process["Env"] = self.process.get("Env") or []
        for index, item in enumerate(variables):
            if item.partition("=")[0] == name:
                variables[index] = f"{name}={value}"
                return
        variables.append(f"{name}={value}")

    def add_env(self, pairs: Sequence[tuple[str, str]]) -> None:
        for name, value in pairs:
            self.set_env(name, value)
        self.record("ENV " + " ".join(f"{name}={value}" for name, value in pairs))

    def add_args(self, pairs: Sequence[tuple[str, str | None]]) -> None:
        for name, value in pairs:
            self.args[name] = value
            if value is not None:
                self.env[name] = value
        self.record("ARG " + " ".join(name if value is None else f"{name}={value}" for name, value in pairs))

    def add_labels(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.process["Labels"] = {**(self.process.get("Labels") or {}), **dict(pairs)}
        self.record("LABEL " + " ".join(f"{name}={value}" for name, value in pairs))

    def set_command(self, command: Command) -> None:
        argv = self.process["Cmd"] = self.argv(command)
        self.command_set = True
        self.record(f"CMD {_quoted(argv)}")

    def set_entrypoint(self, command: Command) -> None:
        """A new entry point takes the base image's CMD away, but not one that this stage has set."""
        if command.words or command.shell:
            self.process["Entrypoint"] = self.argv(command)
        else:
            self.process.pop("Entrypoint", None)
        if not self.command_set:
            self.process.pop("Cmd", None)
        self.record(f"ENTRYPOINT {_quoted(self.process.get('Entrypoint') or [])}")

    def set_healthcheck(self, check: Healthcheck) -> None:
        body: HealthcheckBody = {"Test": list(check.test)}
        if check.interval:
            body["Interval"] = check.interval
        if check.timeout:
            body["Timeout"] = check.timeout
        if check.start_period:
            body["StartPeriod"] = check.start_period
        if check.start_interval:
            body["StartInterval"] = check.start_interval
        if check.retries:
            body["Retries"] = check.retries
        self.process["Healthcheck"] = body
        self.record(f"HEALTHCHECK {json.dumps(body, separators=(',', ':'))}")

    def expose(self, ports: Sequence[str]) -> None:
        self.process["ExposedPorts"] = {**(self.process.get("ExposedPorts") or {}), **{port: {} for port in ports}}
        self.record(f"EXPOSE [{' '.join(ports)}]")

    def add_volumes(self, paths: Sequence[str]) -> None:
        self.process["Volumes"] = {**(self.process.get("Volumes") or {}), **{path: {} for path in paths}}
        self.record(f"VOLUME [{' '.join(paths)}]")

    def set_user(self, user: str) -> None:
        self.process["User"] = user
        self.record(f"USER {user}")

    def set_shell(self, shell: Sequence[str]) -> None:
        self.process["Shell"] = list(shell)
        self.record(f"SHELL [{' '.join(shell)}]")

    def set_stop_signal(self, signal: str) -> None:
        self.process["StopSignal"] = signal
        self.record(f"STOPSIGNAL {signal}")

    def set_author(self, author: str) -> None:
        self.other["author"] = author
        self.record(f"MAINTAINER {author}")

    def add_trigger(self, expression: str) -> None:
        self.process["OnBuild"] = [*(self.process.get("OnBuild") or ()), expression]

    def run_text(self, argv: Sequence[str]) -> str:
        """How the history tells a RUN: with the build arguments that were in force before it."""
        used = [f"{name}={self.env.get(name, value or '')}" for name, value in self.args.items()]
        return " ".join([f"RUN |{len(used)}", *used, *argv] if used else ["RUN", *argv]) + " # buildkit"


def _quoted(words: Sequence[str]) -> str:
    return f"[{' '.join(json.dumps(word, ensure_ascii=False) for word in words)}]"


def exposed_ports(words: Sequence[str]) -> list[str]:
    """``80``, ``80/udp``, ``8000-8010``, and with a host part that means nothing here; raises ArgumentError."""
    found: list[str] = []
    for word in words:
        try:
            found += [f"{port.target}/{port.protocol}" for port in ports.parse(word)]
        except ValueError as error:
            raise ArgumentError(f'invalid port: "{word}": {error}') from None
    return found


def stop_signal(text: str) -> str:
    """The signal, if it is one; raises ArgumentError."""
    try:
        signals.parse(text)
    except ValueError as error:
        raise ArgumentError(str(error)) from None
    return text


def platform_arguments(build: Platform, target: Platform, stage: str, given: Mapping[str, str]) -> dict[str, str]:
    """The predefined arguments of every build, visible in FROM and, after ARG, in stages."""
    values = {
        "BUILDPLATFORM": str(build),
        "BUILDOS": build.os,
        "BUILDOSVERSION": "",
        "BUILDARCH": build.architecture,
        "BUILDVARIANT": build.variant,
        "TARGETPLATFORM": str(target),
        "TARGETOS": target.os,
        "TARGETOSVERSION": "",
        "TARGETARCH": target.architecture,
        "TARGETVARIANT": target.variant,
        "TARGETSTAGE": stage or "default",
    }
    return {name: given.get(name, value) for name, value in values.items()}
