"""One exec instance of the API, as a value. What is done with it is execs.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from ...runtime.client import ExecProcess
    from ..spec.shown import ExecConfig, ExecInspect, ExecProcessConfig


class HasId(Protocol):
    @property
    def id(self) -> str: ...


Owner = TypeVar("Owner", bound=HasId)
"""The container: it knows its execs and they know it, so one of both has to do without the other's module."""


@dataclass(slots=True)
class Exec(Generic[Owner]):
    """One exec instance. ``exit_code`` is None until it has ended; ``attached`` while a client holds its streams."""

    id: str
    container: Owner
    config: ExecConfig
    process: ExecProcess | None = None
    started: bool = False
    running: bool = False
    attached: bool = False
    exit_code: int | None = None
    size: tuple[int, int] = field(default=(0, 0))

    def to_docker(self) -> ExecInspect:
        command = self.config["Cmd"] or [""]
        process: ExecProcessConfig = {
            "tty": self.config["Tty"],
            "entrypoint": command[0],
            "arguments": command[1:],
            "privileged": self.config["Privileged"],
        }
        if self.config["User"]:
            process["user"] = self.config["User"]
        return {
            "ID": self.id,
            "Running": self.running,
            "ExitCode": self.exit_code,
            "ProcessConfig": process,
            "OpenStdin": self.config["AttachStdin"],
            "OpenStderr": self.config["AttachStderr"],
            "OpenStdout": self.config["AttachStdout"],
            "CanRemove": False,  # Docker's note to itself, which nobody ever sees set
            "ContainerID": self.container.id,
            "DetachKeys": self.config["DetachKeys"],
            "Pid": self.process.pid if self.process else 0,
        }
