"""Further processes in a running container: the exec of the API, and captured commands for health checks.

An exec lives in memory: after a restart of the engine its process goes on, but nobody can ask for it any more.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import anyio

from ...errors import Conflict, EngineError, InvalidParameter, NotFound
from ...runtime import defaults
from ...runtime.client import ExecProcess, ExecSpec, LaunchError, RequestError, ShimLost
from ...shapes import Field, normalize
from ..spec import bundle, security
from . import pump
from .execution import Exec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..spec.shown import ExecConfig
    from .container import Container
    from .service import Containers

_FIELDS: Mapping[str, Field] = {
    "User": Field("string", ""),
    "Privileged": Field("bool", False),
    "Tty": Field("bool", False),
    "ConsoleSize": Field("ints"),
    "AttachStdin": Field("bool", False),
    "AttachStderr": Field("bool", False),
    "AttachStdout": Field("bool", False),
    "DetachKeys": Field("string", ""),
    "Env": Field("strings"),
    "WorkingDir": Field("string", ""),
    "Cmd": Field("strings"),
}


class ExecFailed(EngineError):
    """The command could not be started."""

    status = 400

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ContainerGone(EngineError):
    """The container ended before or while the command ran."""

    status = 409


def _words(command: Sequence[str]) -> str:
    """The command as Docker's events have it: program, blank, arguments."""
    program, *arguments = command
    return f"{program} {' '.join(arguments)}"


def configuration(body: Mapping[str, object]) -> ExecConfig:
    """A request's body, checked and complete. Raises InvalidParameter."""
    config = cast("ExecConfig", normalize(_FIELDS, body, ""))
    command = config["Cmd"]
    if not command:
        raise InvalidParameter("No exec command specified")
    if any("\0" in word for word in command):
        raise InvalidParameter("invalid Cmd: it contains a NUL byte")
    return config


def create(containers: Containers, container: Container, config: ExecConfig) -> Exec[Container]:
    """A new exec instance of this ``configuration``; nothing runs yet."""
    check_running(container)
    pump.parse_keys(config["DetachKeys"])
    execution = Exec(secrets.token_hex(32), container, config)
    container.execs[execution.id] = execution
    containers.publish(container, f"exec_create: {_words(execution.config['Cmd'] or ())}", execID=execution.id)
    return execution


def forget_unstarted(container: Container) -> None:
    """What was prepared for a run of the container goes with that run."""
    for id in [id for id, one in container.execs.items() if not one.started]:
        del container.execs[id]


def find(containers: Containers, id: str) -> Exec[Container]:
    for container in containers:
        if execution := container.execs.get(id):
            return execution
    raise NotFound(f"No such exec instance: {id}")


def check_running(container: Container) -> None:
    if container.state.status == "paused":
        raise Conflict(f"Container {container.name} is paused, unpause the container before exec")
    if container.state.status == "restarting":
        raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
    if not container.state.running:
        raise Conflict(f"Container {container.id} is not running")


def check_startable(execution: Exec[Container]) -> None:
    if execution.started:
        raise Conflict(
            f"Error: Exec command {execution.id} is already running"
            if execution.running
            else f"exec {execution.id} has already run"
        )
    check_running(execution.container)


async def run(containers: Containers, execution: Exec[Container], *, rows: int = 0, columns: int = 0) -> ExecProcess:
    """Start the process. Raises ExecFailed, ContainerGone."""
    config, container = execution.config, execution.container
    execution.started = True
    size, command = config["ConsoleSize"] or [0, 0], config["Cmd"] or []
    asked = ExecSpec(
        args=command,
        env=config["Env"] or (),
        user=config["User"],
        cwd=config["WorkingDir"],
        terminal=config["Tty"],
        stdin=config["AttachStdin"],
        privileged=config["Privileged"],
        rows=rows or execution.size[0] or size[0],
        columns=columns or execution.size[1] or size[-1],
    )
    specification = spec(container, asked)
    try:
        process = await _exec(container, specification)
    except ExecFailed as error:
        execution.exit_code = error.exit_code
        raise
    except ContainerGone:
        execution.exit_code = KILLED
        raise
    execution.process = process
    execution.running = True
    containers.publish(container, f"exec_start: {_words(command)}", execID=execution.id)

    async def wait() -> None:
        try:
            code = await process.wait()
        except ShimLost:
            code = KILLED
        ended(containers, execution, code)

    containers.spawn(f"exec {execution.id[:12]}", wait)
    return process


def ended(containers: Containers, execution: Exec[Container], code: int) -> None:
    execution.exit_code = code
    execution.running = False
    execution.container.notify()
    containers.publish(execution.container, "exec_die", execID=execution.id, exitCode=str(code))


async def _exec(container: Container, specification: ExecSpec) -> ExecProcess:
    shim = container.shim
    if shim is None or not container.state.running:
        raise ContainerGone(f"container {container.id} is not running")
    try:
        return await shim.exec(specification)
    except LaunchError as error:
        raise ExecFailed(*_as_docker(error)) from None
    except (RequestError, ShimLost) as error:
        raise ContainerGone(f"container {container.id} is not running: {error}") from None


KILLED = 137
"""The exit code of an exec that was killed, or ended with its container."""
NOT_STARTED = 126
"""The exit code of an exec whose program cannot run."""
NOT_FOUND = 127
"""The exit code of an exec whose program, or its directory, is not there."""
NO_LAUNCH = 128
"""The exit code of an exec that was refused before anybody looked for its program."""
_CHDIR = re.compile(r"chdir (\S+): chdir to cwd .*: No such file or directory")


def _as_docker(error: LaunchError) -> tuple[str, int]:
    """A launch failure in the words of Docker's runtime, which scripts match on, and the exit code."""
    message = error.message.replace("is a directory", "permission denied")
    if message.startswith("unable to find "):
        return message, NOT_STARTED
    if match := _CHDIR.fullmatch(message):
        if not match[1].startswith("/"):
            return "OCI runtime exec failed: exec failed: Cwd must be an absolute path", NO_LAUNCH
        message = f'chdir to cwd ("{match[1]}") set in config.json failed: no such file or directory'
    absent = "executable file not found" in message or "no such file or directory" in message
    return (
        f"OCI runtime exec failed: exec failed: unable to start container process: {message}",
        NOT_FOUND if absent else NOT_STARTED,
    )


def spec(container: Container, asked: ExecSpec) -> ExecSpec:
    """What the shim needs: ``asked``, whose ``env`` is what comes on top, with the container's environment, groups and
    capabilities."""
    terminal, user = asked.terminal, asked.user
    record = container.record
    environment = dict(entry.split("=", 1) for entry in bundle.environment(record, record.spec.hostname))
    if terminal:
        environment.setdefault("TERM", "xterm")
    elif not any(entry.startswith("TERM=") for entry in record.spec.env):
        environment.pop("TERM", None)
    for entry in asked.env:
        name, given, value = entry.partition("=")
        if given:
            environment[name] = value
        else:
            environment.pop(name, None)
    return replace(
        asked,
        env=[f"{name}={value}" for name, value in environment.items()],
        additional_groups=list(record.spec.groups) if not user else [],
        capabilities=defaults.capabilities(security.CAPABILITIES) if asked.privileged else None,
    )


def close(process: ExecProcess) -> None:
    """Close what is still open of an exec's descriptors."""
    for descriptor in (process.stdin, process.stdout, process.stderr, process.terminal):
        if descriptor is not None:
            pump.close(descriptor)
    process.stdin = process.stdout = process.stderr = process.terminal = None


async def capture(
    containers: Containers, container: Container, command: Sequence[str], *, limit: int, patience: float
) -> tuple[int, bytes]:
    """Run a command to its end: exit code and up to ``limit`` bytes of what it wrote on both streams. It is told in events
    like any exec, but cannot be asked for.

    Raises TimeoutError (the process is killed), ExecFailed, ContainerGone.
    """
    id = secrets.token_hex(32)
    containers.publish(container, f"exec_create: {_words(command)}", execID=id)
    process = await _exec(container, spec(container, ExecSpec(list(command), ())))
    containers.publish(container, f"exec_start: {_words(command)}", execID=id)
    code = KILLED
    output = bytearray()
    readers = [pump.Reader(one) for one in (process.stdout, process.stderr) if one is not None]

    async def drain(reader: pump.Reader) -> None:
        async for data in reader:
            output.extend(data[: max(0, limit - len(output))])

    try:
        with anyio.fail_after(patience):
            async with anyio.create_task_group() as group:
                for reader in readers:
                    group.start_soon(drain, reader)
                try:
                    code = await process.wait()
                except ShimLost:
                    code = KILLED
                for reader in readers:
                    reader.finish()
    except TimeoutError:
        _signal(process, signal.SIGKILL)
        raise
    finally:
        close(process)
        containers.publish(container, "exec_die", execID=id, exitCode=str(code))
    return code, bytes(output)


def kill(execution: Exec[Container], number: int) -> None:
    """Send a signal to the command and, as the leader of a session, to all of its group. Raises Conflict where nothing runs."""
    if execution.process is None or not execution.running:
        raise Conflict(f"exec {execution.id} is not running")
    _signal(execution.process, number)


def _signal(process: ExecProcess, number: int) -> None:
    """To nobody where the process is gone, whoever has its pid by now."""
    from ...linux import process as kernel

    pidfd = kernel.open_pidfd(process.pid, process.pid_starttime)
    if pidfd is None:
        return
    try:
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, number)
        else:
            kernel.send_signal(pidfd, number)
    except ProcessLookupError:
        return
    finally:
        os.close(pidfd)
