"""launch.json as values: what the engine asks the shim to run, checked once.

The ``bundle`` in it is an OCI runtime-spec configuration and stays a plain document; around it stand the things the
specification leaves to the engine (layers, log, restart policy, network, user by name). Nothing is decided here.

The shim itself works with an extract, :class:`ShimSpec`: it comes with the request to fork it, so that a shim never has
to read JSON of any size (what a forked process does for the first time costs it private memory).
"""

from __future__ import annotations

import json
import os
import signal
from typing import Any, NamedTuple

from ...grammar import signals
from .. import documents
from . import restart

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
    syslog: dict[str, Any] | None = None


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

    @staticmethod
    def parse(document: dict[str, Any] | list[Any]) -> ShimSpec:
        """From what json.loads makes of one, by name or by position. Raises TypeError, KeyError or ValueError for something
        else."""
        if isinstance(document, list):
            spec = ShimSpec(*document)
            return spec._replace(log=LogSpec(*spec.log), restart=restart.Policy(*spec.restart))
        return documents.build(
            ShimSpec,
            document,
            log=documents.build(LogSpec, document["log"]),
            restart=documents.build(restart.Policy, document["restart"]),
        )

    def document(self) -> dict[str, Any]:
        """By name, for the keeper."""
        return {**self._asdict(), "log": self.log._asdict(), "restart": self.restart._asdict()}

    def positions(self) -> list[Any]:
        """By position, and no more of them than a keeper knows that is from before there were versions."""
        fields = self._replace(log=self.log[:7], restart=self.restart[:4])  # type: ignore[arg-type]
        return list(fields[:15])


class LaunchSpec(NamedTuple):
    """One container, ready to run. Paths are absolute; ``directory`` is that of launch.json itself."""

    directory: str
    id: str
    config: dict[str, Any]
    lower: tuple[str, ...]
    upper: str
    work: str
    user: str
    additional_groups: tuple[str, ...]
    seccomp: str | None
    init: bool
    stdin_open: bool
    stdin_once: bool
    log: LogSpec
    restart: restart.Policy
    stop_signal: int
    stop_timeout: float
    network_mode: str
    network_path: str
    resolver: str | None
    status: str
    control: str
    runtime: str
    own_files: tuple[str, ...]
    """Sources of mounts that the container gets a copy of, in memory and bounded."""
    environment: str | None
    """A file of further variables, in memory: a JSON list of ``name=value``."""
    donors: dict[int, int]
    """Start times of the processes that the paths of joined namespaces name by their pids."""

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
    def linux(self) -> dict[str, Any]:
        linux: dict[str, Any] = self.config.get("linux") or {}
        return linux

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
        )


def read(path: str) -> LaunchSpec:
    """The launch described by the file. Raises OSError, or ValueError when something is missing or malformed."""
    with open(path, "rb") as handle:
        document = json.loads(handle.read())
    try:
        spec = parse(documents.checked(document, VERSION, path), os.path.dirname(os.path.abspath(path)))
        spec.for_shim()
        return spec
    except documents.NewerFormat as error:
        raise ValueError(str(error)) from None
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: missing or malformed: {error}") from error


def parse(document: dict[str, Any], directory: str) -> LaunchSpec:
    """The launch in a parsed launch.json that lies in ``directory``."""
    rootfs = document.get("rootfs") or {}
    stdin = document.get("stdin") or {}
    log = document["log"]
    policy = document.get("restart") or {}
    stop = document.get("stop") or {}
    network = document.get("network") or {"mode": "new"}
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
        log=LogSpec(
            log["directory"],
            log.get("driver") or "json-file",
            log.get("max_size"),
            int(log.get("max_file") or 1),
            dict(log.get("options") or {}),
            bool(log.get("compress")),
            log.get("syslog"),
        ),
        restart=restart.checked(
            policy.get("name") or "no",
            int(policy.get("maximum_retry_count") or 0),
            policy.get("delay"),
            policy.get("window"),
        ),
        stop_signal=signals.parse(str(stop.get("signal") or "SIGTERM")),
        stop_timeout=float(10 if stop.get("timeout") is None else stop["timeout"]),
        network_mode=network["mode"],
        network_path=network.get("path") or "",
        resolver=document.get("resolver"),
        status=document["status"],
        control=document["control"],
        runtime=document.get("runtime") or "",
        own_files=tuple(document.get("own_files") or ()),
        environment=document.get("environment"),
        donors={int(pid): int(started) for pid, started in (document.get("donors") or {}).items()},
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
    process = spec.config["process"]
    return spec._replace(config=spec.config | {"process": process | {"env": [*(process.get("env") or ()), *variables]}})


def read_seccomp(spec: LaunchSpec) -> bytes:
    """The compiled filter the launch names, b"" for none. Raises OSError."""
    if not spec.seccomp:
        return b""
    with open(spec.seccomp, "rb") as handle:
        return handle.read()
