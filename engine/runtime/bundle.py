"""launch.json as values, its one writer and its one reader: what the engine asks the shim to run, checked once.

The ``bundle`` in it is an OCI runtime-spec configuration and stays a plain document; around it stand the things the
specification leaves to the engine (layers, log, restart policy, network, user by name). Nothing is decided here.

The shim itself works with an extract, :class:`ShimSpec`: it comes with the request to fork it, so that a shim never has
to read JSON of any size (what a forked process does for the first time costs it private memory).
"""

from __future__ import annotations

import json
import os
import signal
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ...grammar import signals
from .. import documents
from . import restart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..linux import oci
    from . import wire

VERSION = 1
"""Of launch.json."""


class LogSpec(NamedTuple):
    """Where output goes. ``driver`` is json-file, local, none or syslog; sizes in bytes, None is unlimited. ``compress``:
    what is rotated away is kept compressed. ``syslog`` is syslog.Target's document, with that driver only."""

    directory: str
    driver: str
    max_size: int | None
    max_file: int
    options: dict[str, str]
    compress: bool = False
    syslog: wire.SyslogTarget | None = None

    def document(self) -> wire.LogDocument:
        """The ``log`` of launch.json and of a shim's specification."""
        return {
            "directory": self.directory,
            "driver": self.driver,
            "max_size": self.max_size,
            "max_file": self.max_file,
            "options": self.options,
            "compress": self.compress,
            "syslog": self.syslog,
        }


class ShimSpec(NamedTuple):
    """What the shim has to know of a launch. Paths are absolute. ``pid_namespace`` is "new", "" (the host's) or a path."""

    launch: str
    id: str
    status: str
    control: str
    cgroup: str
    terminal: bool
    stdin_open: bool
    log: LogSpec
    restart: restart.Policy
    stop_signal: int = signal.SIGTERM
    stop_timeout: float = 10.0
    network_mode: str = "new"
    pid_namespace: str = "new"
    resolver: str | None = None
    runtime: str = ""
    user: str = ""
    """The user namespace: "" the host's, "new", or ``PID:STARTED`` of a process that is in it."""
    ids: int = 0
    """Where its ids begin on the host."""

    @staticmethod
    def parse(document: wire.ShimDocument | list[object]) -> ShimSpec:
        """From what json.loads makes of one, by name or by position. Raises TypeError, KeyError or ValueError for something
        else."""
        if isinstance(document, list):
            spec = ShimSpec(*document)  # type: ignore[arg-type]  # a keeper from before there were versions: all by position
            return spec._replace(log=LogSpec(*spec.log), restart=restart.Policy(*spec.restart))
        return documents.build(
            ShimSpec,
            document,
            log=documents.build(LogSpec, document["log"]),
            restart=documents.build(restart.Policy, document["restart"]),
        )

    def document(self) -> wire.ShimDocument:
        """By name, for the keeper."""
        return {
            "launch": self.launch,
            "id": self.id,
            "status": self.status,
            "control": self.control,
            "cgroup": self.cgroup,
            "terminal": self.terminal,
            "stdin_open": self.stdin_open,
            "log": self.log.document(),
            "restart": self.restart.document(),
            "stop_signal": self.stop_signal,
            "stop_timeout": self.stop_timeout,
            "network_mode": self.network_mode,
            "pid_namespace": self.pid_namespace,
            "resolver": self.resolver,
            "runtime": self.runtime,
            "user": self.user,
            "ids": self.ids,
        }

    def positions(self) -> list[object]:
        """By position, and no more of them than a keeper knows that is from before there were versions."""
        fields = self._replace(log=self.log[:7], restart=self.restart[:4])  # type: ignore[arg-type]
        return list(fields[:15])


class LaunchSpec(NamedTuple):
    """One container, ready to run. Paths are absolute; ``directory`` is that of launch.json itself."""

    directory: str
    id: str
    config: oci.Configuration
    lower: tuple[str, ...]
    upper: str
    work: str
    log: LogSpec
    status: str
    control: str
    user: str = ""
    additional_groups: tuple[str, ...] = ()
    seccomp: str | None = None
    init: bool = False
    stdin_open: bool = False
    stdin_once: bool = False
    restart: restart.Policy = restart.Policy("no")
    stop_signal: int = signal.SIGTERM
    stop_timeout: float = 10.0
    network_mode: str = "new"
    network_path: str = ""
    resolver: str | None = None
    runtime: str = ""
    own_files: tuple[str, ...] = ()
    """Sources of mounts that the container gets a copy of, in memory and bounded."""
    environment: str | None = None
    """A file of further variables, in memory: a JSON list of ``name=value``."""
    donors: Mapping[int, int] = MappingProxyType({})
    """Start times of the processes that the paths of joined namespaces name by their pids."""
    matched: tuple[str, ...] = ()
    """Destinations of bind mounts whose owner on the host is the container's user inside."""

    @property
    def ids(self) -> int:
        """Where the ids of the container's user namespace begin on the host; 0 without one."""
        mappings = self.linux.get("uidMappings") or ()
        return int(mappings[0]["hostID"]) if mappings and "user" in self.namespaces else 0

    def document(self) -> wire.LaunchDocument:
        """launch.json, as `parse` reads it."""
        return {
            "v": VERSION,
            "id": self.id,
            "runtime": self.runtime,
            "bundle": self.config,
            "rootfs": {"lower": list(self.lower), "upper": self.upper, "work": self.work},
            "user": self.user,
            "additional_groups": list(self.additional_groups),
            "seccomp": self.seccomp,
            "init": self.init,
            "stdin": {"open": self.stdin_open, "once": self.stdin_once},
            "log": self.log.document(),
            "restart": self.restart.document(),
            "stop": {"signal": signals.name(self.stop_signal), "timeout": self.stop_timeout},
            "network": {"mode": self.network_mode, "path": self.network_path},
            "resolver": self.resolver,
            "status": self.status,
            "control": self.control,
            "donors": {str(pid): started for pid, started in self.donors.items()},
            "own_files": list(self.own_files),
            "matched": list(self.matched),
            "environment": self.environment,
        }

    @property
    def terminal(self) -> bool:
        return bool(self.config["process"].get("terminal"))

    @property
    def root(self) -> str:
        """Where the root is attached in the child's mount namespace: the bundle's ``root.path``."""
        return os.path.join(self.directory, self.config.get("root", {}).get("path") or "rootfs")

    @property
    def cgroup(self) -> str:
        """The control group's path below each hierarchy, or "" for none."""
        return str(self.linux.get("cgroupsPath") or "")

    @property
    def linux(self) -> oci.Linux:
        return self.config.get("linux") or {}

    @property
    def namespaces(self) -> dict[str, str]:
        """Path of each namespace the configuration lists, "" for a new one."""
        return {entry["type"]: entry.get("path") or "" for entry in self.linux.get("namespaces") or ()}

    def for_shim(self) -> ShimSpec:
        """The shim's extract."""
        pids = self.namespaces.get("pid")
        return ShimSpec(
            launch=os.path.join(self.directory, "launch.json"),
            id=self.id,
            status=self.status,
            control=self.control,
            cgroup=self.cgroup,
            terminal=self.terminal,
            stdin_open=self.stdin_open,
            log=self.log,
            restart=self.restart,
            stop_signal=self.stop_signal,
            stop_timeout=self.stop_timeout,
            network_mode=self.network_mode,
            pid_namespace="new" if pids == "" else pids or "",
            resolver=self.resolver,
            runtime=self.runtime,
            user=self._user(),
            ids=self.ids,
        )

    def _user(self) -> str:
        path = self.namespaces.get("user")
        if path is None:
            return ""
        pid = int(path.split("/")[2]) if path else 0
        return f"{pid}:{self.donors[pid]}" if pid else "new"


def read(path: str) -> LaunchSpec:
    """The launch described by the file. Raises OSError, or ValueError when something is missing or malformed."""
    with open(path, "rb") as handle:
        document = json.loads(handle.read())
    try:
        documents.check(document.get(documents.KEY, 0), VERSION, path)
        spec = parse(document, os.path.dirname(os.path.abspath(path)))
        spec.for_shim()
        return spec
    except documents.NewerFormat as error:
        raise ValueError(str(error)) from None
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: missing or malformed: {error}") from error


def parse(document: wire.LaunchDocument, directory: str) -> LaunchSpec:
    """The launch in a parsed launch.json that lies in ``directory``: the reader of `LaunchSpec.document`."""
    rootfs = document.get("rootfs") or {}
    stdin = document.get("stdin") or {}
    stop = document.get("stop") or {}
    network = document.get("network") or {"mode": "new"}
    timeout = stop.get("timeout")
    if not document["bundle"]["process"]["args"]:
        raise ValueError("no command specified")
    if network["mode"] not in ("new", "host", "path"):
        raise ValueError(f"unknown network mode {network['mode']!r}")
    return LaunchSpec(
        directory=directory,
        id=document["id"],
        config=document["bundle"],
        lower=tuple(rootfs.get("lower") or ()),
        upper=rootfs.get("upper") or "",
        work=rootfs.get("work") or "",
        user=document.get("user") or "",
        additional_groups=tuple(document.get("additional_groups") or ()),
        seccomp=document.get("seccomp"),
        init=bool(document.get("init")),
        stdin_open=bool(stdin.get("open")),
        stdin_once=bool(stdin.get("once")),
        log=_log(document["log"]),
        restart=_policy(document.get("restart")),
        stop_signal=signals.parse(str(stop.get("signal") or "SIGTERM")),
        stop_timeout=10.0 if timeout is None else float(timeout),
        network_mode=network["mode"],
        network_path=network.get("path") or "",
        resolver=document.get("resolver"),
        status=document["status"],
        control=document["control"],
        runtime=document.get("runtime") or "",
        own_files=tuple(document.get("own_files") or ()),
        environment=document.get("environment"),
        donors={int(pid): int(started) for pid, started in (document.get("donors") or {}).items()},
        matched=tuple(document.get("matched") or ()),
    )


def _log(document: wire.LogDocument) -> LogSpec:
    return LogSpec(
        document["directory"],
        document.get("driver") or "json-file",
        document.get("max_size"),
        int(document.get("max_file") or 1),
        dict(document.get("options") or {}),
        bool(document.get("compress")),
        document.get("syslog"),
    )


def _policy(document: wire.PolicyDocument | None) -> restart.Policy:
    if not document:
        return restart.Policy("no")
    return restart.checked(
        document.get("name") or "no",
        int(document.get("maximum_retry_count") or 0),
        document.get("delay"),
        document.get("window"),
    )


def signature(path: str) -> tuple[int, int, int]:
    """What changes whenever the file is replaced or rewritten."""
    status = os.stat(path)
    return status.st_ino, status.st_mtime_ns, status.st_size


def with_environment(spec: LaunchSpec) -> LaunchSpec:
    """The launch with the variables of its ``environment`` file among the process's. Raises OSError and ValueError."""
    if not spec.environment:
        return spec
    with open(spec.environment, "rb") as handle:
        variables = json.loads(handle.read())
    config, process = spec.config.copy(), spec.config["process"].copy()
    process["env"] = [*(process.get("env") or ()), *variables]
    config["process"] = process
    return spec._replace(config=config)


def read_seccomp(spec: LaunchSpec) -> bytes:
    """The compiled filter the launch names, b"" for none. Raises OSError."""
    if not spec.seccomp:
        return b""
    with open(spec.seccomp, "rb") as handle:
        return handle.read()
