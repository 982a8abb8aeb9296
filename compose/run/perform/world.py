"""What operations act upon: the engine, the project, and what earlier operations of the same plan have made."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ...dataclass import dataclass, field
from ...errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...build.trees import BuildFlags
    from ...client import Engine
    from ...model import Project
    from ...plan.observe import Snapshot
    from ..events import Emit, Event


def _no_flags() -> BuildFlags:
    return {}


@dataclass(frozen=True, slots=True)
class Settings:
    """How to carry out, as far as a plan does not say: build options, registry credentials."""

    build: BuildFlags = field(default_factory=_no_flags)
    quiet_pull: bool = False
    quiet_build: bool = False


class World:
    """Shared by all operations of one run; the maps are filled as containers and images appear."""

    def __init__(
        self,
        engine: Engine,
        snapshot: Snapshot,
        emit: Emit,
        project: Project | None = None,
        contents: Mapping[tuple[str, str], str] | None = None,
        settings: Settings | None = None,
        load: Callable[[], Project | None] | None = None,
    ) -> None:
        """``load`` gives the project when an operation turns out to need it, for commands that mostly do without."""
        self.engine = engine
        self.snapshot = snapshot
        self._emit = emit
        self._lock = threading.Lock()
        self._project = project
        self._load = load
        self.contents = contents or {}
        self.settings = settings or Settings()
        self.container_ids = {one.name: one.id for one in snapshot.containers}
        self.service_containers: dict[str, str] = {}
        for one in snapshot.containers:
            if not one.oneoff and not one.unfinished:
                self.service_containers.setdefault(one.service, one.id)
        self.image_ids: dict[str, str] = {ref: image.id for ref, image in snapshot.images.items() if image is not None}
        self.replacing: set[str] = set()
        self.provided: dict[str, dict[str, str]] = {}
        self.model_endpoints: dict[str, str] = {}
        self.pulled: set[str] = set()
        self.on_start: Callable[[str, str], None] | None = None

    @property
    def project(self) -> Project:
        if not self.has_project:
            raise OperationError("this operation needs the Compose file")
        assert self._project is not None
        return self._project

    @property
    def has_project(self) -> bool:
        with self._lock:
            load, self._load = self._load, None
            if load is not None:
                self._project = load()
            return self._project is not None

    def listen(self, emit: Emit) -> None:
        """Tell ``emit`` from now on, in place of whoever was told before."""
        with self._lock:
            self._emit = emit

    def emit(self, event: Event) -> None:
        with self._lock:
            self._emit(event)

    def created(self, name: str, service: str, number: int, identity: str) -> None:
        with self._lock:
            self.container_ids[name] = identity
            if number == 1 or service not in self.service_containers:
                self.service_containers[service] = identity
            else:
                known = {one.id for one in self.snapshot.containers}
                if self.service_containers[service] in known and name in self.replacing:
                    self.service_containers[service] = identity

    def container_id(self, name: str, identity: str = "") -> str:
        return identity or self.container_ids[name]
