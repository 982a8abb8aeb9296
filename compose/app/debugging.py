"""The container that `debug` looks at another with: its request, the image with the tools, and where the other's files are."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from ...grammar import references
from ..errors import OperationError
from ..labels import DEBUG, NUMBER, ONEOFF, PROJECT, SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..plan.observe import ObservedContainer, ObservedMount

TOOL_IMAGES = ("debian", "ubuntu", "alpine", "busybox")
"""Images with a shell and tools, the fullest first."""

TARGET, VOLUMES = "/target", "/volumes"
"""Where the container's file system is seen, and the volumes and bind mounts of one that does not run."""

SHELL = ("/bin/sh", "-c", "if command -v bash >/dev/null; then exec bash; fi; exec sh")


class Modes(NamedTuple):
    """What an inspected container shares: `HostConfig.IpcMode` and `PidMode`, and `State.Pid`."""

    ipc: str
    pid: str
    process: int


class HostConfig(TypedDict, total=False):
    NetworkMode: str
    PidMode: str
    IpcMode: str
    Mounts: list[dict[str, object]]
    AutoRemove: bool
    CapAdd: list[str]
    ConsoleSize: list[int]


class Request(TypedDict):
    """The body of `POST /containers/create`."""

    Image: str
    Entrypoint: list[str]
    Cmd: list[str]
    User: str
    WorkingDir: str
    Env: list[str]
    Tty: bool
    OpenStdin: bool
    StdinOnce: bool
    AttachStdin: bool
    AttachStdout: bool
    AttachStderr: bool
    Healthcheck: dict[str, list[str]]
    Labels: dict[str, str]
    HostConfig: HostConfig


class View(NamedTuple):
    """What is shared with the container. ``root`` is where its file system is seen, None where a copy of it is needed;
    ``notes`` are what the user should know."""

    host: HostConfig
    root: str | None
    notes: tuple[str, ...] = ()


def tool_image(tags: Sequence[str]) -> str:
    """The one of the engine's images to take when none is named. Raises `OperationError`."""
    for name in TOOL_IMAGES:
        for tag in tags:
            if references.split_version(tag)[0] in (name, f"docker.io/library/{name}", f"library/{name}"):
                return tag
    raise OperationError(
        f"no image with tools is there ({', '.join(TOOL_IMAGES)}): name one with --image, or make one with"
        " `pycompose image bootstrap debian:bookworm-slim`"
    )


def debugged(found: Iterable[ObservedContainer], index: int) -> ObservedContainer | None:
    """Which of a service's containers is meant: number ``index``, else one that runs, else any; those of `run` last."""
    wanted = [one for one in found if index <= 0 or one.number == index]
    return min(wanted, key=lambda one: (one.oneoff, one.state not in ("running", "paused")), default=None)


def view_of(container: ObservedContainer, modes: Modes) -> View:
    """What can be shared with ``container``."""
    if container.state not in ("running", "paused"):
        return View({"NetworkMode": "none", "Mounts": _read_only(container.mounts)}, None)
    joined = f"container:{container.id}"
    shared: HostConfig = {"NetworkMode": joined, "PidMode": joined}
    notes: list[str] = []
    if modes.ipc in ("shareable", "host"):
        shared["IpcMode"] = joined
    else:
        notes.append("its System V IPC and /dev/shm are its own (`ipc: shareable` opens them)")
    if modes.pid.startswith("container:"):
        notes.append("its processes are another container's: its files are in /proc/PID/root of its own ones")
    return View(shared, f"/proc/{modes.process if modes.pid == 'host' else 1}/root", tuple(notes))


def _read_only(mounts: Iterable[ObservedMount]) -> list[dict[str, object]]:
    """The mounts of a container that does not run, as it would see them, below `VOLUMES`."""
    return [
        {
            "Type": one.kind,
            "Source": one.name if one.kind == "volume" else one.source,
            "Target": posixpath.normpath(f"{VOLUMES}/{one.target}"),
            "ReadOnly": True,
            **({"VolumeOptions": {"NoCopy": True}} if one.kind == "volume" else {}),
        }
        for one in mounts
        if one.kind in ("volume", "bind")
    ]


def request(
    project: str, container: ObservedContainer, view: View, image: str, command: Sequence[str], *, tty: bool
) -> Request:
    """The container with the tools. It removes itself; `down` and `rm` know it as a one-off one."""
    return {
        "Image": image,
        "Entrypoint": list(command or SHELL),
        "Cmd": [],
        "User": "0:0",
        "WorkingDir": "/",
        "Env": [f"TARGET={TARGET}"],
        "Tty": tty,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": {
            PROJECT: project,
            SERVICE: container.service,
            NUMBER: str(container.number),
            ONEOFF: "True",
            DEBUG: container.id,
        },
        # Without SYS_PTRACE the kernel shows no other user's /proc/PID/root, and strace attaches to nothing.
        "HostConfig": {**view.host, "AutoRemove": True, "CapAdd": ["SYS_PTRACE"]},
    }
