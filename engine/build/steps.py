"""One command run on top of layers: what a RUN instruction needs, and what image bootstrap needs for its packages.

The protocol is the seam between the builder, which decides, and the container runtime, which runs. A step is not a
container: it has no record, no log file, no restart policy; it leaves its changes in ``upper`` and is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from ..linux import oci

Stream = Literal["stdout", "stderr"]
Output = Callable[[Stream, bytes], None]


def _discard(stream: Stream, data: bytes) -> None:
    """The default output: nobody listens."""


@dataclass(frozen=True, slots=True)
class BindMount:
    """A file or directory of the engine host (already resolved) shown at ``target``.

    When ``writable``, the command may write, and what it writes is thrown away with the step: ``source`` never changes.
    """

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class CacheMount:
    """A persistent directory (``source``, owned by the builder) shown writable at ``target``."""

    source: Path
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class TmpfsMount:
    """An empty tmpfs of at most ``size`` bytes (None: the kernel's default)."""

    target: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class SecretMount:
    """Bytes shown as a read-only file at ``target``; they live in memory only and never in a layer."""

    content: bytes = field(repr=False)
    target: str
    mode: int = 0o400
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class SshMount:
    """An ssh-agent socket of the engine host (``source``) shown at ``target``."""

    source: Path
    target: str
    mode: int = 0o600
    uid: int = 0
    gid: int = 0


StepMount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount


@dataclass(frozen=True, slots=True)
class RunStep:
    """One command to run.

    ``lower`` are overlay directories, top-most first; ``upper`` and ``work`` exist and lie on one file system, ``upper``
    is empty or holds earlier changes. ``args`` is the complete argv; ``env`` the complete environment, and
    ``secret_names`` those of its variables whose values go into no file on disk. ``user`` is
    Docker's ``name|uid[:group|gid]``, resolved inside the root. ``shm_size`` in bytes. ``ulimits`` maps a name to
    (soft, hard). ``resources`` is the ``linux.resources`` object of the OCI runtime specification (None: no limits). ``output`` is called
    with chunks as they arrive, from one thread at a time. When ``cancel`` is set the command is killed.
    """

    lower: Sequence[Path]
    upper: Path
    work: Path
    args: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_names: frozenset[str] = frozenset()
    cwd: str = "/"
    user: str = ""
    mounts: Sequence[StepMount] = ()
    network: Literal["default", "none", "host"] = "default"
    security: Literal["sandbox", "insecure"] = "sandbox"
    hostname: str = "pycomposebuild"
    extra_hosts: Sequence[str] = ()
    shm_size: int | None = None
    ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    resources: oci.Resources | None = None
    output: Output = _discard
    cancel: threading.Event | None = None


class StepRunner(Protocol):
    """Runs steps. Implementations: engine/build/runner.py for the real thing, a chroot in the tests."""

    def run(self, step: RunStep) -> int:
        """Run to the end and return the exit code.

        128+n for signal n; 126 when the program cannot be executed, 127 when it cannot be found.

        Raises EngineError when the step could not be set up at all, or was cancelled.
        """
        ...
