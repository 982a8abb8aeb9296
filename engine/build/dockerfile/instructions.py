"""The instructions of a Dockerfile as values: what was written, before any variable is expanded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .errors import Span
    from .lines import Heredoc


@dataclass(frozen=True, slots=True)
class Instruction:
    """Common to all: where it stands, and its text on one line (``code``)."""

    span: Span
    code: str


@dataclass(frozen=True, slots=True)
class From(Instruction):
    """``base`` may hold variables; ``name`` is lower-case, "" when the stage has none."""

    base: str
    name: str
    platform: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command line: ``shell`` form has one element that a shell is to interpret, exec form is an argv."""

    words: tuple[str, ...]
    shell: bool


Network = Literal["default", "none", "host"]
Security = Literal["sandbox", "insecure"]
NETWORKS: Mapping[str, Network] = {"default": "default", "none": "none", "host": "host"}
SECURITY: Mapping[str, Security] = {"sandbox": "sandbox", "insecure": "insecure"}
"""Of a RUN, by the words of its flags."""


@dataclass(frozen=True, slots=True)
class Run(Instruction):
    """``mounts`` and ``devices`` are the flag values as written; mounts.py reads them once variables are known."""

    command: Command
    heredocs: tuple[Heredoc, ...]
    mounts: tuple[str, ...]
    devices: tuple[str, ...]
    network: Network
    security: Security


@dataclass(frozen=True, slots=True)
class Cmd(Instruction):
    command: Command


@dataclass(frozen=True, slots=True)
class Entrypoint(Instruction):
    command: Command


@dataclass(frozen=True, slots=True)
class Env(Instruction):
    """(name, value, legacy) as in arguments.name_values."""

    pairs: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True, slots=True)
class Label(Instruction):
    pairs: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True, slots=True)
class Arg(Instruction):
    """(name, default); None when there is no default."""

    pairs: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Copy(Instruction):
    """COPY and ADD. ``documents`` are here-documents among the sources, each a file named after its delimiter.

    ``keep_git_dir`` and ``unpack`` are None when the flag was not given; both belong to ADD, ``source`` (``--from``) and
    ``parents`` to COPY.
    """

    add: bool
    sources: tuple[str, ...]
    documents: tuple[Heredoc, ...]
    target: str
    source: str = ""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    keep_git_dir: bool | None = None
    unpack: bool | None = None


@dataclass(frozen=True, slots=True)
class Expose(Instruction):
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Healthcheck(Instruction):
    """``test`` is Docker's list (NONE; CMD argv…; CMD-SHELL text); times in nanoseconds, 0 for the default."""

    test: tuple[str, ...]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Maintainer(Instruction):
    author: str


@dataclass(frozen=True, slots=True)
class Onbuild(Instruction):
    """``expression`` is the trigger, bodies of its here-documents included."""

    expression: str


@dataclass(frozen=True, slots=True)
class Shell(Instruction):
    shell: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stopsignal(Instruction):
    signal: str


@dataclass(frozen=True, slots=True)
class User(Instruction):
    user: str


@dataclass(frozen=True, slots=True)
class Volume(Instruction):
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Workdir(Instruction):
    path: str
