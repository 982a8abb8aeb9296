"""The atomic operations a plan is made of, as data. How each is carried out is in perform/; nothing here acts.

``needs`` must have succeeded before, ``after`` must merely be over. Keys are unique in a plan and name the operation as
users read it: ``create demo-db-1``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NewType

from ..dataclass import dataclass

if TYPE_CHECKING:
    from ..errors import Mark


Key = NewType("Key", str)
"""The name of an operation, by which others wait for it. Only operations make one (`Operation.key`, `Operation.key_of`): a plan is
made in several passes, and most of them speak of operations that a later one makes."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs from what the container was made with."""

    path: str
    kind: str
    mark: Mark | None = None

    def __str__(self) -> str:
        return f"{self.path} {self.kind}" + (f" ({self.mark})" if self.mark else "")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an operation is in the plan: a reason, the fields behind it, and where the model says so."""

    reason: str
    changes: tuple[Change, ...] = ()
    mark: Mark | None = None

    def __str__(self) -> str:
        if self.changes:
            return f"{self.reason}: " + ", ".join(str(change) for change in self.changes)
        return self.reason + (f" ({self.mark})" if self.mark else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    cause: Cause
    needs: tuple[Key, ...] = ()
    after: tuple[Key, ...] = ()

    verb: ClassVar[str] = ""
    noun: ClassVar[str] = ""
    words: ClassVar[tuple[str, str]] = ("", "")
    """What is shown while it is carried out ("" for nothing), and when it is done ("" for its verb)."""

    @property
    def subject(self) -> str:
        raise NotImplementedError

    @classmethod
    def key_of(cls, subject: str) -> Key:
        """The key of this kind's operation on ``subject``, which need not have been made yet."""
        return Key(f"{cls.verb} {subject}")

    @property
    def key(self) -> Key:
        return self.key_of(self.subject)


# -- images


@dataclass(frozen=True, slots=True, kw_only=True)
class PullImage(Operation):
    """``optional``: a failure is a warning, because the image can be built, or is there and only older than wanted."""

    verb: ClassVar[str] = "pull"
    noun: ClassVar[str] = "image"
    words: ClassVar[tuple[str, str]] = ("Pulling", "Pulled")

    ref: str
    service: str
    platform: str = ""
    optional: bool = False

    @property
    def subject(self) -> str:
        return self.ref


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildImage(Operation):
    """``unless_pulled``: only when the pull before it brought no image."""

    verb: ClassVar[str] = "build"
    noun: ClassVar[str] = "image"
    words: ClassVar[tuple[str, str]] = ("Building", "Built")

    ref: str
    service: str
    unless_pulled: bool = False

    @property
    def subject(self) -> str:
        return self.ref


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveImage(Operation):
    verb: ClassVar[str] = "remove image"
    noun: ClassVar[str] = "image"
    words: ClassVar[tuple[str, str]] = ("Removing", "Removed")

    ref: str

    @property
    def subject(self) -> str:
        return self.ref


# -- networks and volumes


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateNetwork(Operation):
    verb: ClassVar[str] = "create network"
    noun: ClassVar[str] = "network"
    words: ClassVar[tuple[str, str]] = ("Creating", "Created")

    network: str
    name: str

    @property
    def subject(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNetwork(Operation):
    verb: ClassVar[str] = "remove network"
    noun: ClassVar[str] = "network"
    words: ClassVar[tuple[str, str]] = ("Removing", "Removed")

    id: str
    name: str

    @property
    def subject(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVolume(Operation):
    verb: ClassVar[str] = "create volume"
    noun: ClassVar[str] = "volume"
    words: ClassVar[tuple[str, str]] = ("Creating", "Created")

    volume: str
    name: str

    @property
    def subject(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveVolume(Operation):
    verb: ClassVar[str] = "remove volume"
    noun: ClassVar[str] = "volume"
    words: ClassVar[tuple[str, str]] = ("Removing", "Removed")

    name: str

    @property
    def subject(self) -> str:
        return self.name


# -- containers


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOperation(Operation):
    """``name`` is the container's final name; ``service`` and ``number`` say which replica it is."""

    noun: ClassVar[str] = "container"

    name: str
    service: str = ""
    number: int = 0

    @property
    def subject(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateContainer(ContainerOperation):
    """With ``replaces`` (an id), under a temporary name, taking over the anonymous volumes in ``kept_volumes``.

    ``delay``: seconds between the end of what it needs and its beginning (``update_config``).
    """

    verb: ClassVar[str] = "create"
    words: ClassVar[tuple[str, str]] = ("Creating", "Created")

    config_hash: str
    replaces: str = ""
    kept_volumes: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StartContainer(ContainerOperation):
    """``id`` is empty for a container that this plan creates. ``hooks``: run the service's post_start commands.
    ``behind``: a container whose published ports and names it is to have later, by `TakeOverPorts`."""

    verb: ClassVar[str] = "start"
    words: ClassVar[tuple[str, str]] = ("Starting", "Started")

    id: str = ""
    hooks: bool = False
    behind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOverPorts(ContainerOperation):
    """Lead the published ports and the names on its networks to the container, and wait until those who were connected to the one before are done, for
    ``drain`` seconds at most."""

    verb: ClassVar[str] = "lead clients to"

    drain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPreStart(ContainerOperation):
    """Run hook ``index`` of the service's pre_start in a container of its own, to its end. ``name`` is that container's;
    ``target`` is the container whose mounts and networks it shares, ``id`` that one's id or empty if this plan creates it.
    """

    verb: ClassVar[str] = "run"
    words: ClassVar[tuple[str, str]] = ("Running", "Exited")

    index: int
    target: str
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopContainer(ContainerOperation):
    verb: ClassVar[str] = "stop"
    words: ClassVar[tuple[str, str]] = ("Stopping", "Stopped")

    id: str
    timeout: int | None = None
    hooks: bool = False
    removing: bool = False
    """It is removed afterwards: a pre_stop hook that fails is told of, and does not keep it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveContainer(ContainerOperation):
    verb: ClassVar[str] = "remove"
    words: ClassVar[tuple[str, str]] = ("Removing", "Removed")

    id: str
    volumes: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameContainer(ContainerOperation):
    """Give the replacement its final name. ``id`` is empty for a container that this plan creates."""

    verb: ClassVar[str] = "rename"
    words: ClassVar[tuple[str, str]] = ("Recreate", "Recreated")

    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitHealthy(ContainerOperation):
    """Until the container is healthy. ``running_is_enough``: a service without a health check counts when it runs,
    and one that ended with 0 and is not restarted counts too (``up --wait``)."""

    verb: ClassVar[str] = "wait until healthy"
    words: ClassVar[tuple[str, str]] = ("Waiting", "Healthy")

    id: str = ""
    running_is_enough: bool = False
    optional: bool = False
    """Only services with ``required: false`` wait for it: then it may fail, and they start anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitCompleted(ContainerOperation):
    """Until the container has ended with exit code 0."""

    verb: ClassVar[str] = "wait until completed"
    words: ClassVar[tuple[str, str]] = ("Waiting", "Exited")

    id: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorContainer(ContainerOperation):
    """See that a container that has just been replaced still runs, and is not unhealthy, ``seconds`` later."""

    verb: ClassVar[str] = "monitor"
    words: ClassVar[tuple[str, str]] = ("Monitoring", "Monitored")

    seconds: float
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack(Operation):
    """Put the containers before back in place of those that an update made, if one of ``watched`` has failed: nothing to
    do otherwise. ``replicas`` are (name, id of the container before, whether that ran)."""

    verb: ClassVar[str] = "roll back"
    noun: ClassVar[str] = "service"
    words: ClassVar[tuple[str, str]] = ("", "Rolled back if the update fails")

    service: str
    replicas: tuple[tuple[str, str, bool], ...]
    watched: tuple[Key, ...]
    batch: int = 0
    delay: float = 0.0
    start_first: bool = False

    @property
    def subject(self) -> str:
        return self.service


# -- provider services


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProvider(Operation):
    """``action`` is up, stop or down of the provider protocol."""

    noun: ClassVar[str] = "provider"

    service: str
    action: str

    @property
    def subject(self) -> str:
        return self.service

    @staticmethod
    def key_for(action: str, service: str) -> Key:
        return Key(f"{action} provider {service}")

    @property
    def key(self) -> Key:
        return self.key_for(self.action, self.service)


# -- models


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigureModel(Operation):
    """Have the model runner pull and configure the model, and learn where it answers."""

    verb: ClassVar[str] = "configure model"
    noun: ClassVar[str] = "model"
    words: ClassVar[tuple[str, str]] = ("Configuring", "Configured")

    model: str

    @property
    def subject(self) -> str:
        return self.model


# -- jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterJob(Operation):
    """Give a job to the engine, or another definition of one. ``job`` is its key, ``name`` what the engine calls it."""

    verb: ClassVar[str] = "register job"
    noun: ClassVar[str] = "job"

    job: str
    name: str

    @property
    def subject(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveJob(Operation):
    """End and remove a job with its runs."""

    verb: ClassVar[str] = "remove job"
    noun: ClassVar[str] = "job"

    name: str

    @property
    def subject(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A container that the plan leaves alone: shown as running, no operation."""

    name: str
    service: str
    state: str = "running"
