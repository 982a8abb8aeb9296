"""Every system call, made on the running kernel in our container and in dockerd's: what theirs refuses, ours refuses.

A program goes through the table with arguments that no call can carry out (-1), each in a process of its own, then through
calls that profiles tell apart by their arguments, and through the two other ways to call (x32, int 0x80). Refused is EPERM,
ENOSYS or a death by SIGSYS; both containers have the same capabilities, so a difference is the profile's.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from support.docker_daemon import DOCKERD, dockerd, load
from support.engine_root import EngineRoot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.root,
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(DOCKERD is None, reason="dockerd is not installed"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86-64"),
]

PROGRAM = r"""
import ctypes, mmap, os, signal

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

# eax = first argument, ebx = ecx = edx = -1, int 0x80
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("53 89f8 bbffffffff b9ffffffff baffffffff beffffffff cd80 5b c3".replace(" ", "")))
compat = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))

def made(call):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(2)
        os.write(write, b"%d" % call())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as answer:
        text = answer.read()
    status = os.waitpid(child, 0)[1]
    number = int(text) if text else 0
    if number in (1, 38) or os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS:
        return "refused"
    return "made"

def native(number, *arguments):
    def call():
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(one) for one in arguments or (-1,) * 6))
        return ctypes.get_errno() if result < 0 else 0
    return call

def old(number):
    return lambda: -compat(number)

ends = {15, 34, 57, 58, 60, 153, 231}  # sigreturn, pause, fork, vfork, exit, vhangup, exit_group: they answer nothing
for number in range(470):
    if number not in ends:
        print("call", number, made(native(number)))
for flags in [0x10000000, 0x20000, 0x40000000, 0x20000000, 0x8000000, 0x4000000, 0x2000000, 0x80]:
    print("clone %#x" % flags, made(native(56, flags | 0x12345, 0, 0, 0, 0)))
    print("unshare %#x" % flags, made(native(272, flags)))
for persona in [0, 8, 0x20000, 0x20008, 0xFFFFFFFF, 0x40000, 1 << 22]:
    print("personality %#x" % persona, made(native(135, persona)))
for family in range(46):
    print("socket", family, made(native(41, family, 2, 0)), made(native(41, family, 3, 0)))
for command in range(45):
    print("bpf", command, made(native(321, command, 0, 0)))
for command in [0, 1, 16, 17, 0x4206]:
    print("ptrace", command, made(native(101, command, 0, 0, 0)))
for operation in [0x5412, 0x541C, 0x541D]:
    print("ioctl %#x" % operation, made(native(16, 0, operation, 0)))
for number in [1 << 30 | 0, 1 << 30 | 39, 1 << 30 | 520, 1 << 30 | 521, 1 << 30 | 547]:
    print("x32", number & 0xFFFF, made(native(number)))
for number in [*range(3, 120), *range(121, 190), *range(191, 440)]:
    if number not in (72, 86, 111, 119, 173, 179, 252):
        print("int80", number, made(old(number)))
"""

CAPABILITIES: tuple[dict[str, Any], ...] = (
    {},
    {"CapDrop": ["ALL"]},
    {"CapAdd": ["SYS_PTRACE", "SYSLOG", "SYS_CHROOT", "SYS_NICE", "SYS_PACCT", "SYS_TIME", "SYS_TTY_CONFIG"]},
    {"CapAdd": ["SYS_ADMIN"]},
    {"CapAdd": ["BPF", "PERFMON", "DAC_READ_SEARCH", "SYS_BOOT", "SYS_MODULE", "SYS_RAWIO", "NET_ADMIN"]},
    {"SecurityOpt": ["no-new-privileges"]},
    {"Privileged": True},
)


@pytest.mark.timeout(600)
def test_no_call_is_made_that_docker_refuses(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    with dockerd(tmp_path / "d") as docker, EngineRoot(tmp_path / "root") as engine:
        load(docker)
        load(engine.request)
        laxer = {}
        for host in CAPABILITIES:
            theirs, ours = (answers(request, host, tmp_path) for request in (docker, engine.request))
            assert theirs.keys() == ours.keys() and len(ours) > 900
            assert "refused" in ours.values() or host.get("Privileged")
            found = [one for one, answer in ours.items() if "made" in answer.replace(theirs[one], "")]
            if found:
                laxer[json.dumps(host)] = found
        assert laxer == {}


def answers(request: Callable[..., tuple[int, bytes]], host: dict[str, Any], place: Path) -> dict[str, str]:
    binds = [f"{path}:{path}:ro" for path in ("/usr", "/lib", "/lib64") if os.path.exists(path)] + [f"{place}:/p:ro"]
    body = {
        "Image": "busybox",
        "Cmd": ["/usr/bin/python3", "-I", "/p/program.py"],
        "HostConfig": {"NetworkMode": "none", "Binds": binds, **host},
    }
    status, answer = request("POST", "/containers/create", body)
    assert status == 201, answer
    id = json.loads(answer)["Id"]
    try:
        status, answer = request("POST", f"/containers/{id}/start")
        assert status == 204, answer
        _, ended = request("POST", f"/containers/{id}/wait", timeout=300)
        _, raw = request("GET", f"/containers/{id}/logs?stdout=1&stderr=1")
    finally:
        request("DELETE", f"/containers/{id}?force=1")
    lines = unframed(raw).splitlines()
    assert json.loads(ended)["StatusCode"] == 0, lines[-20:]
    split = [line.split(" ", 2) for line in lines]
    return {" ".join(words[:2]): words[2] for words in split}


def unframed(raw: bytes) -> str:
    """Docker's multiplexed log: one byte of stream, four of length."""
    text = b""
    while raw:
        size = int.from_bytes(raw[4:8], "big")
        text, raw = text + raw[8 : 8 + size], raw[8 + size :]
    return text.decode()
