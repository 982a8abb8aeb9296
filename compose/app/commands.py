"""Commands in containers, and what containers have written, as values: no terminal is involved.

A command is begun, and then waited for: whoever waits may give up in between, from another thread, and then it is ended.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Protocol

from ..dataclass import dataclass, field
from ..errors import EngineError
from .results import Completed, TimedOut

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypedDict

    from ..client import Engine
    from ..client.containers import Wait
    from ..client.dialogue import Dialogue
    from .oneoff import OneOffOptions
    from .session import Session

    class ExecKeywords(TypedDict, total=False):
        """The members of `ExecOptions`, as keywords."""

        user: str
        environment: Mapping[str, str]
        working_dir: str
        index: int
        privileged: bool


UNKNOWN_EXIT = 255


@dataclass(frozen=True, slots=True)
class ExecOptions:
    """How a command runs in a container that is there: as which ``user`` ("" is the container's own), with which variables on
    top of the container's, in which directory; in the container with number ``index`` (0 is the first)."""

    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    index: int = 0
    privileged: bool = False


def exec_body(
    command: Sequence[str], options: ExecOptions, *, stdin: bool, output: bool = True, tty: bool = False
) -> dict[str, object]:
    """As POST /containers/{id}/exec takes it."""
    return {
        "AttachStdin": stdin,
        "AttachStdout": output,
        "AttachStderr": output,
        "Tty": tty,
        "Cmd": list(command),
        "Env": [f"{key}={value}" for key, value in options.environment.items()],
        "User": options.user,
        "WorkingDir": options.working_dir,
        "Privileged": options.privileged,
    }


class Command(Protocol):
    """A command that has been begun."""

    def result(self, timeout: float | None = None) -> Completed:
        """Its end. Raises `TimedOut` after ``timeout`` seconds; then it has been ended."""

    def cancel(self) -> None:
        """End it, unless it has ended; from any thread, and more than once."""


class ExecCommand:
    """One that runs in a container that is there. Docker has no call to end it: on other engines than ours it goes on then,
    without anybody who reads what it writes."""

    def __init__(self, engine: Engine, ident: str, dialogue: Dialogue, given: bytes | None) -> None:
        self._engine, self._ident = engine, ident
        self._dialogue, self._given = dialogue, given
        self._open = [ident]  # taken out by whoever ends it first
        self._is_awaited = False

    def result(self, timeout: float | None = None) -> Completed:
        self._is_awaited = True
        out, err, in_time = _told(self._dialogue, self._given, timeout)
        if not in_time:
            self.cancel()
            raise TimedOut(_seconds(timeout), Completed(UNKNOWN_EXIT, out, err))
        code = self._engine.execs.inspect(self._ident).get("ExitCode")
        self._open.clear()
        return Completed(UNKNOWN_EXIT if code is None else int(code), out, err)

    def cancel(self) -> None:
        try:
            ident = self._open.pop()
        except IndexError:
            return
        if self._engine.is_pycompose:
            with contextlib.suppress(
                EngineError
            ):  # it has just ended, or its container has, or the engine is of an earlier release
                self._engine.execs.kill(ident)
        self._dialogue.interrupt()
        if not self._is_awaited:
            self._dialogue.close()


def begin_exec(
    session: Session, service: str, command: Sequence[str], given: str | bytes | None, options: ExecOptions
) -> ExecCommand:
    """Start ``command`` in a running container of ``service`` with ``given`` on its standard input. Raises `NotRunning`."""
    from ..client.dialogue import Dialogue

    if not command:
        from ..errors import UsageError

        raise UsageError("exec: no command was given")
    engine = session.engine
    container = str(session.container_of(service, options.index, all=False)["Id"])
    ident = engine.execs.create(container, exec_body(command, options, stdin=given is not None))
    return ExecCommand(engine, ident, Dialogue(engine.execs.start(ident, tty=False)), _bytes(given))


class OneOffCommand:
    """One that has a container of its own, which is removed with its end."""

    def __init__(self, engine: Engine, container: str, waiting: Wait, dialogue: Dialogue, given: bytes | None) -> None:
        self._engine, self._open = engine, [container]
        self._waiting, self._dialogue, self._given = waiting, dialogue, given
        self._is_awaited = False

    def result(self, timeout: float | None = None) -> Completed:
        self._is_awaited = True
        try:
            out, err, in_time = _told(self._dialogue, self._given, timeout)
            if not in_time:
                raise TimedOut(_seconds(timeout), Completed(UNKNOWN_EXIT, out, err))
            return Completed(self._waiting.finish(), out, err)
        finally:
            self.cancel()
            self._waiting.cancel()

    def cancel(self) -> None:
        try:
            container = self._open.pop()
        except IndexError:
            return
        try:
            self._engine.containers.remove(container, force=True, volumes=True)
        finally:
            self._dialogue.interrupt()
            self._waiting.interrupt()
            if not self._is_awaited:
                self._dialogue.close()
                self._waiting.cancel()


def begin_run(
    session: Session, service: str, command: Sequence[str], given: str | bytes | None, options: OneOffOptions | None
) -> OneOffCommand:
    """Start ``command`` in a container of its own, made like those of ``service``, with ``given`` on its standard input."""
    from ..client.dialogue import Dialogue
    from .converge import check_supported
    from .oneoff import Attachment, OneOffOptions, create, prepare_world
    from .session import require_services

    project, engine = session.project, session.engine
    require_services([service], list(project.services))
    check_supported(project, session)
    options = options or OneOffOptions()
    if command:
        from dataclasses import replace  # here: it imports inspect, which costs more than exec itself

        options = replace(options, command=tuple(command))
    world = prepare_world(session, service, options)
    slug = os.urandom(6).hex()
    how = Attachment(f"{project.name}-{service}-run-{slug}", slug, stdin=given is not None)
    identity = create(session, world, service, options, how)
    try:
        waiting = engine.containers.wait_begin(identity, "next-exit")
        dialogue = Dialogue(engine.containers.attach(identity, stdin=given is not None))
        engine.containers.start(identity)
    except BaseException:
        engine.containers.remove(identity, force=True, volumes=True)
        raise
    return OneOffCommand(engine, identity, waiting, dialogue, _bytes(given))


def output(
    engine: Engine, identity: str, *, tail: int | None = None, since: str | None = None, timestamps: bool = False
) -> Completed:
    """What a container has written so far; its exit code is not looked at."""
    from ..client.containers import LogWindow

    tty = bool((engine.containers.inspect(identity).get("Config") or {}).get("Tty"))
    window = LogWindow(since=since, timestamps=timestamps, tail=None if tail is None else str(tail))
    out, err = _collected(engine.containers.logs(identity, window, tty=tty))
    return Completed(0, out, err)


def _told(dialogue: Dialogue, given: bytes | None, timeout: float | None) -> tuple[str, str, bool]:
    """Standard output, standard error, and whether that is all of it."""
    from ..client.dialogue import Expired

    try:
        out, err = dialogue.run(given, timeout)
    except Expired as expired:
        return _text(expired.output), _text(expired.error), False
    return _text(out), _text(err), True


def _collected(pieces: Iterable[tuple[int, bytes]]) -> tuple[str, str]:
    """Standard output and standard error."""
    found = {1: bytearray(), 2: bytearray()}
    for stream, data in pieces:
        found[2 if stream == 2 else 1] += data
    return _text(found[1]), _text(found[2])


def _text(data: bytes | bytearray) -> str:
    return data.decode("utf-8", "replace")


def _bytes(given: str | bytes | None) -> bytes | None:
    return given.encode() if isinstance(given, str) else given


def _seconds(timeout: float | None) -> float:
    assert timeout is not None, "only who has a limit can be late"
    return timeout
