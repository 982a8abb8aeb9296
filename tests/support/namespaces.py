"""Stand-ins for containers in kernel tests: a child process in a network namespace of its own that runs small pieces of
Python sent to it, so that real sockets are used on both sides."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_CHILD = """
import array, json, os, socket, sys, threading, time
sys.path.insert(0, os.environ["SOURCE"])
from pycompose.engine.linux import loopback, namespace
namespace.unshare(namespace.CLONE_NEWNET)
loopback.bring_up()
control = socket.socket(fileno=int(sys.argv[1]))
route = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0)
control.sendmsg([b"ready"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [route.fileno()]))])

def serve_tcp(port, text, address="0.0.0.0", family=socket.AF_INET):
    listener = socket.create_server((address, port), family=family)
    def loop():
        while True:
            peer, name = listener.accept()
            with peer:
                peer.sendall(f"{text} {name[0]}".encode())
    threading.Thread(target=loop, daemon=True).start()

def serve_udp(port, text):
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("0.0.0.0", port))
    def loop():
        while True:
            data, name = receiver.recvfrom(2000)
            receiver.sendto(f"{text} {name[0]}".encode(), name)
    threading.Thread(target=loop, daemon=True).start()

def tcp(host, port, timeout=3.0):
    try:
        with socket.create_connection((host, port), timeout=timeout) as peer:
            return peer.recv(200).decode()
    except OSError as error:
        return type(error).__name__

def udp(host, port, timeout=3.0):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(timeout)
        try:
            peer.sendto(b"hello", (host, port))
            return peer.recv(200).decode()
        except OSError as error:
            return type(error).__name__

scope = dict(globals())
for line in sys.stdin:
    kind, source = json.loads(line)
    if kind == "eval":
        result = eval(source, scope)
    else:
        exec(source, scope)
        result = None
    print(json.dumps(result), flush=True)
"""


@dataclass
class Namespace:
    """``fd`` is the network namespace, ``rtnl_fd`` a route socket inside it, as the shim hands them over."""

    process: subprocess.Popen[str]
    fd: int
    rtnl_fd: int
    closed: bool = field(default=False)

    @staticmethod
    def make() -> Namespace:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        source = str(Path(__file__).resolve().parents[2])
        with ours, theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", _CHILD, str(theirs.fileno())],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[theirs.fileno()],
                env={**os.environ, "SOURCE": source},
            )  # fmt: skip
            _, ancillary, _, _ = ours.recvmsg(16, socket.CMSG_SPACE(4))
        descriptors = array("i", ancillary[0][2][:4])
        fd = os.open(f"/proc/{process.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        return Namespace(process, fd, descriptors[0])

    def evaluate(self, source: str) -> Any:
        """The value of an expression computed inside; ``tcp``, ``udp`` and the like are at hand there."""
        return self._ask("eval", source)

    def run(self, source: str) -> None:
        self._ask("exec", source)

    def _ask(self, kind: str, source: str) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([kind, source]) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the namespace's process ended"
        return json.loads(answer)

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        os.close(self.fd)
        os.close(self.rtnl_fd)
        self.process.kill()
        self.process.communicate()
