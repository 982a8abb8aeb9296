"""Launching by another OCI runtime on PATH (``runtime: runc``): the shim stays, only the launch is given away.

    shim ── child: mount namespace, overlay at BUNDLE/rootfs, config.json ── execve(runtime run --detach)
                                                                                  │ creates, starts, exits 0
    shim ◄── adopts (subreaper) the container's first process, named by --pid-file

The bundle directory is that of launch.json. What is ours alone has no place in an OCI configuration: ``init: true`` and
a filter that is compiled already are refused rather than left out.
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
from typing import TYPE_CHECKING, NamedTuple

from . import bundle, defaults, filesystem, operations, users
from .program import find_program
from .stage import Failure, ProgramError

if TYPE_CHECKING:
    from ..linux import oci
    from .bundle import ShimSpec
    from .launch import Host
    from .stage import Operation, Stage


class Files(NamedTuple):
    """Where the runtime keeps and leaves things, all in the bundle directory."""

    bundle: str

    @classmethod
    def of(cls, spec: ShimSpec) -> Files:
        """Those of this container."""
        return cls(os.path.dirname(spec.launch))

    @property
    def state(self) -> str:
        return f"{self.bundle}/runtime"

    @property
    def log(self) -> str:
        return f"{self.bundle}/runtime.log"

    @property
    def pid(self) -> str:
        return f"{self.bundle}/runtime.pid"

    @property
    def console(self) -> str:
        return f"{self.bundle}/console.sock"


class ForeignLaunch(NamedTuple):
    """A launch yet to be compiled, as launch.Launch. ``netns`` is the shim's descriptor, -1 without."""

    path: str
    host: Host
    netns: int
    console: str
    """Address of the console's socket, "" without a terminal."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        return ()

    def compile(self) -> tuple[Operation, ...]:
        spec = bundle.read(self.path)
        if spec.init:
            raise ValueError(f"init is not available with runtime {spec.runtime!r}")
        if spec.seccomp and not spec.linux.get("seccomp"):
            raise ValueError(f"runtime {spec.runtime!r} needs the seccomp profile in the OCI configuration")
        root: Operation = (
            filesystem.MountOverlay(spec.lower, spec.upper, spec.work, spec.root)
            if spec.lower
            else filesystem.BindRoot(spec.root)
        )
        network = spec.network_path
        if spec.network_mode == "new":
            network = f"/proc/{os.getppid()}/fd/{self.netns}"
        return (
            operations.ExactModes(),
            operations.NewSession(),
            filesystem.IsolateMounts(),
            root,
            HoldDescriptors(),
            operations.ResolveUser(spec.user, spec.additional_groups),
            WriteConfiguration(spec, network),
            RunRuntime(spec.runtime, run_arguments(spec.for_shim(), self.console)),
        )


class HoldDescriptors(NamedTuple):
    """For the look-up of the user, as in our own launches. The host's /proc is in sight all the while: nobody leaves it here."""

    def execute(self, stage: Stage) -> None:
        stage.before_leaving()

    def describe(self) -> str:
        return "open /proc/self/fd"


class WriteConfiguration(NamedTuple):
    """config.json for the runtime: the bundle, with user and network as the specification wants them."""

    spec: bundle.LaunchSpec
    network: str

    def execute(self, stage: Stage) -> None:
        with open(f"{self.spec.directory}/config.json", "w") as handle:
            json.dump(configuration(self.spec, self.network, stage.identity), handle)

    def describe(self) -> str:
        return "write config.json"


class RunRuntime(NamedTuple):
    """Become the runtime."""

    name: str
    arguments: tuple[str, ...]

    def execute(self, stage: Stage) -> None:
        search = os.environ.get("PATH", "")
        try:
            program = find_program(self.name, f"{search}:{defaults.PATH}")
        except ProgramError as error:
            raise ValueError(f"runtime {self.name!r}: {error}") from None
        os.umask(0o022)
        os.execve(program, (self.name, *self.arguments), {"PATH": f"{search}:{defaults.PATH}"})

    def describe(self) -> str:
        return f"run by {self.name}"


def configuration(spec: bundle.LaunchSpec, network: str, identity: users.Identity) -> oci.Configuration:
    """The OCI configuration: ``network`` is the path of the namespace, "" for the host's."""
    process = spec.config["process"].copy()
    env = list(process.get("env") or ())
    if not any(entry.startswith("HOME=") for entry in env):
        env.append(f"HOME={identity.home}")
    process["env"] = env
    process["user"] = {
        "uid": identity.uid,
        "gid": identity.gid,
        "additionalGids": list(identity.groups),
        "umask": 0o022,
    }
    spaces = [entry for entry in spec.linux.get("namespaces") or () if entry["type"] != "network"]
    if network:
        spaces.append({"type": "network", "path": network})
    linux = spec.linux.copy()
    linux["namespaces"] = spaces
    root: oci.Root = {**(spec.config.get("root") or {}), "path": spec.root}
    return {"ociVersion": "1.0.2", **spec.config, "process": process, "linux": linux, "root": root}


def run_arguments(spec: bundle.ShimSpec, console: str) -> tuple[str, ...]:
    files = Files.of(spec)
    terminal = ("--console-socket", console) if console else ()
    return (*_common(files), "run", "--detach", "--pid-file", files.pid, *terminal, "--bundle", files.bundle, spec.id)


def delete_arguments(spec: bundle.ShimSpec) -> tuple[str, ...]:
    return (*_common(Files.of(spec)), "delete", "--force", spec.id)


def _common(files: Files) -> tuple[str, ...]:
    return ("--root", files.state, "--log", files.log, "--log-format", "json")


class Console:
    """The socket over which the runtime hands the terminal's master over."""

    def __init__(self, files: Files) -> None:
        self._path = files.console
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        if os.path.lexists(self._path):
            os.unlink(self._path)
        self._directory = os.open(files.bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        # A socket's address must be short, for the runtime as well; the directory's path may be long.
        self.address = f"/proc/{os.getpid()}/fd/{self._directory}/{os.path.basename(self._path)}"
        self._listener.bind(self.address)
        self._listener.listen(1)

    def receive(self) -> int:
        """The master, once the runtime has ended well. Raises OSError when it sent none."""
        connection, _ = self._listener.accept()
        with connection:
            _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        descriptors = array.array("i")
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(payload)
        if len(descriptors) != 1:
            raise OSError("the runtime handed over no terminal")
        return descriptors[0]

    def close(self) -> None:
        self._listener.close()
        os.close(self._directory)
        os.unlink(self._path)


def failure(spec: bundle.ShimSpec, code: int) -> Failure:
    """What the runtime's log says about its failure."""
    message = f"{spec.runtime} ended with exit code {code}"
    try:
        with open(Files.of(spec).log, "rb") as handle:
            for line in handle:
                entry = json.loads(line)
                if entry.get("level") == "error":
                    message = str(entry.get("msg"))
    except (OSError, ValueError):
        # Without a log the exit code has to do.
        pass
    exit_code = 128
    if "executable file not found" in message or "no such file or directory" in message:
        exit_code = 127
    elif "permission denied" in message or "is a directory" in message:
        exit_code = 126
    return Failure(f"run by {spec.runtime}", 0, message, exit_code)


def delete(spec: bundle.ShimSpec) -> int:
    """Have the runtime forget the container; the pid of the process that does it. Raises OSError."""
    program = find_program(spec.runtime, f"{os.environ.get('PATH', '')}:{defaults.PATH}")
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)]
    try:
        return os.posix_spawn(
            program,
            (spec.runtime, *delete_arguments(spec)),
            {"PATH": defaults.PATH},
            file_actions=actions,
            setsigdef=(signal.SIGPIPE,),
        )
    finally:
        os.close(null)
