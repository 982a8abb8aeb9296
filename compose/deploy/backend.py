"""What the commands ask of a target, whichever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..model import Project
    from ..model.service import HealthCheck
    from ..plan.plan import Plan
    from .findings import Findings
    from .plan import Options
    from .run import Hands
    from .units import Unit


class LogLine(Protocol):
    """Called with the name of a task or pod and a line of its output; ``error`` for standard error."""

    def __call__(self, name: str, text: str, *, error: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Which output is wanted: ``since`` in seconds since the epoch as text, ``tail`` a number of lines or ``all``."""

    follow: bool = False
    since: str | None = None
    tail: str | None = None
    timestamps: bool = False


class Backend(Protocol):
    """A cluster and the name of a project on it."""

    @property
    def address(self) -> str:
        """Names the cluster to people and to the lock."""

    def lookup(self, ref: str) -> str:
        """The digest of an image in its registry, as `images.Lookup`."""

    users: Mapping[str, tuple[int, int]]
    """Numeric user and group by service, for users by name, as far as they are known."""

    checks: Mapping[str, HealthCheck]
    """Health checks of images that are built here, by service, for targets that do not look into images."""

    def local_registry(self) -> tuple[str, str]:
        """A registry that the cluster says it has for development: where we push to, and what its nodes call it. Empty without one."""

    def check(self, project: Project, findings: Findings) -> None:
        """Tell what cannot be done, without images and without asking the cluster."""

    def plan(self, project: Project, images: Mapping[str, str], options: Options) -> Plan:
        """What a deployment would do. Raises `ComposeError`."""

    def plan_removal(self, *, volumes: bool) -> Plan: ...

    def hands(self, project: Project | None) -> Hands: ...

    def await_news(self, seconds: float) -> None:
        """Until the tasks or pods may have changed, at most ``seconds``."""

    def units(self) -> list[Unit]:
        """Every task or pod of the project, ended ones too."""

    def images(self) -> dict[str, str]:
        """The image of each Compose service that is there."""

    def services(self) -> list[str]:
        """The Compose services that are there."""

    def logs(self, services: Sequence[str], options: LogOptions, line: LogLine) -> None:
        """Print output; with ``follow``, of tasks that come later as well, until interrupted."""

    def scale(self, counts: Mapping[str, int]) -> None: ...

    def restart(self, services: Sequence[str]) -> None: ...

    def processes(self, unit: Unit) -> str:
        """The processes of a running task or pod as a table. Raises `ComposeError`."""

    def addresses(self, service: str, port: int, protocol: str) -> list[str]:
        """``host:port`` from outside for a port of the service's containers."""

    def follow(self, service: str, line: LogLine) -> int:
        """Print a job's output until it has ended; its exit code. Raises `ComposeError` when it cannot begin."""

    def remove(self, service: str) -> None:
        """Remove the objects that run one service, and nothing that others use too."""

    def events(self) -> Iterator[dict[str, str]]: ...

    def emit(self, project: Project, images: Mapping[str, str], write: Callable[[str, bytes], None]) -> None:
        """The project as files that the target's own command takes; ``write`` is called with name and content."""
