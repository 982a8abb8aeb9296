"""What engine, keeper, shim and guard write for each other, in types: launch.json, status.json and the messages.

Only type checkers import this, so it costs keeper and shims nothing. Who reads a document decides what is missing or
wrong in it (bundle.py, statusfile.py, protocol.py); versions are documents.py's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from ..linux import oci

RunState = Literal["created", "running", "restarting", "exited"]


class SyslogTls(TypedDict):
    """Paths of PEM files, "" for none."""

    ca: str
    certificate: str
    key: str
    verify: bool


class SyslogTarget(TypedDict):
    """Where the syslog driver sends lines. ``protocol`` is udp, tcp, tcp+tls, unix or unixgram; ``host`` is a path with the
    last two, and ``address`` the resolved one with the others."""

    protocol: str
    host: str
    address: str
    port: int
    facility: int
    format: str
    tag: str
    hostname: str
    tls: NotRequired[SyslogTls]


class LogDocument(TypedDict):
    directory: str
    driver: NotRequired[str]
    max_size: NotRequired[int | None]
    max_file: NotRequired[int]
    options: NotRequired[dict[str, str]]
    compress: NotRequired[bool]
    syslog: NotRequired[SyslogTarget | None]


class PolicyDocument(TypedDict):
    """A restart policy; ``delay`` and ``window`` in seconds."""

    name: str
    maximum_retry_count: NotRequired[int]
    delay: NotRequired[float | None]
    window: NotRequired[float | None]


class RootDocument(TypedDict, total=False):
    lower: list[str]
    upper: str
    work: str


class StdinDocument(TypedDict, total=False):
    open: bool
    once: bool


class StopDocument(TypedDict, total=False):
    """``timeout`` in seconds."""

    signal: str
    timeout: float | None


class NetworkDocument(TypedDict):
    """``mode`` is new, host, or path with a ``path``."""

    mode: str
    path: NotRequired[str]


class LaunchDocument(TypedDict):
    """launch.json; ``bundle`` is the OCI runtime configuration."""

    v: NotRequired[int]
    id: str
    runtime: NotRequired[str]
    bundle: oci.Configuration
    rootfs: NotRequired[RootDocument]
    user: NotRequired[str]
    additional_groups: NotRequired[list[str]]
    seccomp: NotRequired[str | None]
    init: NotRequired[bool]
    stdin: NotRequired[StdinDocument]
    log: LogDocument
    restart: NotRequired[PolicyDocument]
    stop: NotRequired[StopDocument]
    network: NotRequired[NetworkDocument]
    resolver: NotRequired[str | None]
    status: str
    control: str
    donors: NotRequired[dict[str, int]]
    own_files: NotRequired[list[str]]
    matched: NotRequired[list[str]]
    environment: NotRequired[str | None]


class ShimDocument(TypedDict, total=False):
    """ShimSpec by the names of its members, for the keeper."""

    launch: str
    id: str
    status: str
    control: str
    cgroup: str
    terminal: bool
    stdin_open: bool
    log: LogDocument
    restart: PolicyDocument
    stop_signal: int
    stop_timeout: float
    network_mode: str
    pid_namespace: str
    resolver: str | None
    runtime: str
    user: str
    ids: int


class Status(TypedDict):
    """status.json without its version. Times in ns since the epoch; ``exit_code`` None is unknown."""

    status: RunState
    pid: int | None
    pid_starttime: int | None
    shim_pid: int
    shim_starttime: int | None
    started_at: int | None
    finished_at: int | None
    exit_code: int | None
    oom_killed: bool
    error: str
    restart_count: int
    manual: bool


class StatusChange(TypedDict, total=False):
    """Members of ``Status`` that change together."""

    status: RunState
    pid: int | None
    pid_starttime: int | None
    started_at: int | None
    finished_at: int | None
    exit_code: int | None
    oom_killed: bool
    error: str
    manual: bool


class Answer(TypedDict, total=False):
    """``ok`` of a reply: a process that runs, with what a container's start says besides."""

    pid: int
    pid_starttime: int
    started_at: int | None
    restart_count: int
    warnings: list[str]


class Problem(TypedDict):
    """``error`` of a reply. With an ``operation`` a launch has failed: ``errno`` is the kernel's, ``exit_code`` Docker's."""

    message: str
    operation: NotRequired[str]
    errno: NotRequired[int]
    exit_code: NotRequired[int]


class ExitDocument(TypedDict):
    exit_code: int | None
    oom_killed: bool
    started_at: int | None
    finished_at: int | None
    restart_count: int
    error: str
    restarting: bool
    delay: float
    manual: bool


class ExecDocument(TypedDict, total=False):
    """What a request to execute one more program says: client.ExecSpec by the names of its members, without ``stdin``."""

    args: list[str]
    env: list[str]
    cwd: str
    user: str
    additional_groups: list[str]
    terminal: bool
    rows: int
    columns: int
    capabilities: oci.Capabilities | None
    privileged: bool


class Fields(ExecDocument, total=False):
    """Members of requests: ``exec`` numbers an exec, ``grace`` and ``seconds`` are seconds (None: never), ``first``
    numbers a published port's socket, ``on`` says whether relays take what comes, and ``towards`` to which address and port
    they carry on what comes to each socket (None: to the one of all)."""

    shim: ShimDocument | list[object]
    lease: str
    control: str
    seconds: float | None
    signal: int
    grace: float | None
    sources: list[str]
    policy: PolicyDocument | list[object]
    exec: int
    first: int
    on: bool
    towards: list[tuple[str, int] | None]
    form: str
    """One of `loglines.FORMATS`."""


class Message(Fields, total=False):
    """One message on a channel: a request (``id``, ``op``), a reply (``reply`` with ``ok`` or ``error``) or an ``event``; which
    members stand together is drawn in protocol.py."""

    id: int
    op: str
    reply: int
    ok: Answer | None
    error: Problem
    event: str
    v: int
    ops: list[str]
    state: Status
    started: Answer
    exited: ExitDocument
    exit_code: int
    reason: str
    memfd: bool
    failure: tuple[str, int, str, int]
    """A child's last word: stage.Failure by position."""
    last: list[str]
    program: str
    warnings: list[str]
    listener: bool
    files: bool


class ZoneDocument(TypedDict):
    """zone.json of a network: addresses by name in lower case, names by address."""

    network: str
    name: str
    names: dict[str, list[str]]
    reverse: dict[str, str]


class ResolverDocument(TypedDict):
    """resolver.json of a container; ``networks`` are paths of zone files, ``names`` the container's private ones."""

    networks: list[str]
    names: dict[str, list[str]]
    servers: list[str]
    search: list[str]
    options: list[str]
