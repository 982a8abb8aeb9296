"""What use cases give back and raise: containers as they are, ended commands, and the error of a stack that is not as asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dataclass import dataclass
from ..errors import OperationError
from ..labels import NUMBER, SERVICE, number
from ..status import exit_code, health_word

if TYPE_CHECKING:
    from ..client.bodies.containers import ContainerRow
    from .converge import Convergence


class StackError(OperationError):
    """The stack did not become what was asked for; ``str(error)`` is the report that `pycompose up` prints.

    ``result`` has every operation with its outcome, where there was a plan.
    """

    def __init__(self, message: str, result: Convergence | None = None) -> None:
        super().__init__(message)
        self.result = result
        if result is not None and result.failures:
            self.exit_code = max(error.exit_code for _, error in result.failures)


class CommandFailed(OperationError):
    """A command in a container ended with another exit code than 0; ``completed`` has its output."""

    def __init__(self, completed: Completed) -> None:
        super().__init__(f"exit code {completed.exit_code}\n{completed.stdout}{completed.stderr}".rstrip())
        self.completed = completed


class TimedOut(OperationError, TimeoutError):
    """Something took longer than the ``timeout`` that it was given. Of a command, ``completed`` has what it wrote until then."""

    def __init__(self, seconds: float, completed: Completed | None = None) -> None:
        super().__init__(f"no end after {seconds:g} s")
        self.completed = completed


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that has ended: its exit code (255 where it is unknown) and what it wrote, decoded as UTF-8."""

    exit_code: int
    stdout: str
    stderr: str

    def check(self) -> Completed:
        """Itself when the exit code is 0. Raises `CommandFailed`."""
        if self.exit_code != 0:
            raise CommandFailed(self)
        return self


@dataclass(frozen=True, slots=True)
class Port:
    """``host`` and ``published`` are "" and 0 for a port that is exposed and not published."""

    target: int
    protocol: str
    host: str
    published: int


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a project. ``state`` and ``health`` are the engine's words (health "" without a check);
    ``exit_code`` is None while it runs."""

    id: str
    name: str
    service: str
    number: int
    image: str
    state: str
    health: str
    exit_code: int | None
    ports: tuple[Port, ...]


def container(row: ContainerRow) -> Container:
    """From an element of GET /containers/json."""
    labels = row.get("Labels") or {}
    status = str(row.get("Status") or "")
    ports = [
        Port(int(one["PrivatePort"]), one.get("Type") or "tcp", one.get("IP") or "", int(one.get("PublicPort") or 0))
        for one in row.get("Ports") or ()
    ]
    return Container(
        id=str(row["Id"]),
        name=str((row.get("Names") or [row["Id"]])[0]).removeprefix("/"),
        service=str(labels.get(SERVICE) or ""),
        number=number(labels, NUMBER, 0),
        image=str(row.get("Image") or ""),
        state=str(row.get("State") or ""),
        health=health_word(status),
        exit_code=exit_code(status),
        ports=tuple(sorted(ports, key=lambda one: (one.target, one.protocol, one.host))),
    )
