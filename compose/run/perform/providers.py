"""Provider services: an external program brings the resource up and reports by JSON lines.

Protocol: ``<type> compose --project-name P up|stop|down [--option=value …] SERVICE``; lines are objects with ``type``
(info, error, debug, setenv, rawsetenv) and ``message``. ``setenv KEY=VALUE`` becomes SERVICE_KEY in dependants.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from ...errors import OperationError
from ..events import DONE, ERROR, Output, Progress
from ..plugins import find_plugin

if TYPE_CHECKING:
    from ...model.values import Json
    from ...plan.ops import RunProvider
    from .world import World

_WORDS = {"up": ("Creating", "Created"), "stop": ("Stopping", "Stopped"), "down": ("Removing", "Removed")}


def run_provider(world: World, operation: RunProvider) -> None:
    provider = world.project.services[operation.service]["provider"]
    shown = operation.service
    working, done = _WORDS[operation.action]
    world.emit(Progress(shown, working))
    program = _program(provider["type"])
    command = [program, "compose", "--project-name", world.project.name, operation.action]
    for name, value in (provider.get("options") or {}).items():
        command += [f"--{name}={_text(one)}" for one in (value if isinstance(value, list) else [value])]
    command.append(operation.service)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            cwd=world.project.directory,
            env=plugin_environment(world),
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise OperationError(f"provider {provider['type']}: {error.strerror}") from error
    failure = ""
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            failure = _line(world, operation.service, line) or failure
    if process.returncode != 0:
        world.emit(Progress(shown, "Error", ERROR))
        raise OperationError(
            f"provider of service {operation.service} failed: {failure or f'exit code {process.returncode}'}"
        )
    world.emit(Progress(shown, done, DONE))


def _text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def plugin_environment(world: World) -> dict[str, str]:
    """This process's variables and the project's, and the engine at which this project lives."""
    return {**os.environ, **world.project.environment, "DOCKER_HOST": str(world.engine.endpoint.address)}


def _program(name: str) -> str:
    found = find_plugin(name) or shutil.which(name)
    if found is None:
        raise OperationError(
            f"provider {name!r}: no program docker-{name} on PATH or among Docker's CLI plugins, nor {name} on PATH"
        )
    return found


def _line(world: World, service: str, line: str) -> str:
    """Handle one line; the message when it is an error."""
    try:
        message = json.loads(line)
    except ValueError:
        world.emit(Output(service, line))
        return ""
    kind, text = message.get("type"), str(message.get("message", ""))
    if kind == "error":
        return text
    if kind in ("setenv", "rawsetenv"):
        key, _, value = text.partition("=")
        # Docker Compose keeps a dash in the prefix, which no shell can name: such a variable gets both names.
        names = {service.upper(), service.upper().replace("-", "_")}
        found = {key: value} if kind == "rawsetenv" else {f"{name}_{key}": value for name in names}
        world.provided.setdefault(service, {}).update(found)
    elif kind == "info":
        world.emit(Progress(service, text))
    return ""
