"""What soak tests need: the resources a process holds, raw streams that can be dropped, and many calls at once.

No docker-py here: it keeps pools of its own and would hide what the engine holds.
"""

from __future__ import annotations

import gc
import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .engine_root import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .engine_root import EngineRoot

Item = TypeVar("Item")
Answer = TypeVar("Answer")

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Held:
    """``private`` in KiB: pages nobody shares, from smaps_rollup."""

    descriptors: int
    threads: int
    private: int

    @classmethod
    def by(cls, pid: int) -> Self:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            private = sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
        return cls(len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task")), private)


def descriptors(pid: int) -> list[str]:
    """What each open descriptor of a process is, for the message of a failed test."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            continue
    return sorted(found)


def await_descriptors(pid: int, count: int) -> None:
    """Wait until ``pid`` holds no more than ``count`` descriptors. Our own dropped connections are closed first."""
    gc.collect()
    wait_for(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= count, lambda: f"{count} before, now: {descriptors(pid)}")


def at_once(work: Callable[[Item], Answer], items: Iterable[Item], threads: int = AT_ONCE) -> list[Answer]:
    """``work`` on every item in threads; the first exception is raised."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))


class Stream:
    """A connection with one request sent: read it, or drop it at any moment."""

    def __init__(self, engine: EngineRoot, method: str, path: str, body: bytes = b"", headers: str = "") -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        directory = os.open(engine.layout.socket.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            self.socket.connect(f"/proc/self/fd/{directory}/{engine.layout.socket.name}")
        finally:
            os.close(directory)
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: engine\r\n{headers}\r\n".encode() + body)

    def read_until(self, text: bytes, limit: int = 1 << 20) -> bytes:
        """Everything up to and with ``text``; AssertionError when the stream ends before."""
        data = b""
        while text not in data:
            more = self.socket.recv(65536)
            assert more and len(data) < limit, data
            data += more
        return data

    def read(self) -> bytes:
        """Everything until the engine closes."""
        data = []
        while more := self.socket.recv(65536):
            data.append(more)
        return b"".join(data)

    def drop(self) -> None:
        self.socket.close()


def create(engine: EngineRoot, command: list[str], **config: Any) -> str:
    """A container of the busybox image, not started; its id."""
    body = {"Image": "busybox", "Cmd": command, "StopSignal": "SIGKILL", **config}
    return str(engine.json("POST", "/containers/create", body)["Id"])


def start(engine: EngineRoot, container: str) -> None:
    engine.json("POST", f"/containers/{container}/start", timeout=120)


def remove(engine: EngineRoot, container: str) -> None:
    engine.json("DELETE", f"/containers/{container}?force=1", timeout=120)


def execute(engine: EngineRoot, container: str, command: list[str]) -> tuple[int, bytes]:
    """Run a command in a container to its end: exit code and the raw framed output."""
    body = {"Cmd": command, "AttachStdout": True, "AttachStderr": True}
    identity = engine.json("POST", f"/containers/{container}/exec", body)["Id"]
    status, output = engine.request("POST", f"/exec/{identity}/start", {"Detach": False, "Tty": False})
    assert status == 200, output
    return int(engine.json("GET", f"/exec/{identity}/json")["ExitCode"]), output


def unframed(data: bytes) -> bytes:
    """Docker's multiplexed stream without its frame headers."""
    result, position = [], 0
    while position < len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "big")
        result.append(data[position + 8 : position + 8 + size])
        position += 8 + size
    return b"".join(result)


def dechunked(response: bytes) -> bytes:
    """The body of a raw HTTP answer with chunked transfer encoding."""
    _, _, rest = response.partition(b"\r\n\r\n")
    result = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        result.append(rest[:length])
        rest = rest[length + 2 :]
    return b"".join(result)


def jsonified(value: Any) -> bytes:
    return json.dumps(value).encode()
