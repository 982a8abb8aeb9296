"""Profiles as read, and compiled programs run by a small interpreter of BPF (no privileges needed)."""

from __future__ import annotations

import errno
import json
import os
import platform
import struct
from typing import TYPE_CHECKING, Any

import pytest

from pycompose.engine.containers.spec import seccomp
from pycompose.engine.containers.spec.seccomp import Machine, Profile, resolve
from pycompose.engine.errors import InvalidParameter
from pycompose.engine.layout import Layout
from pycompose.engine.runtime import defaults

if TYPE_CHECKING:
    from pathlib import Path

pyseccomp = pytest.importorskip("pyseccomp", exc_type=RuntimeError)
pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of x86_64")

HERE = Machine("x86_64", (6, 1))
ALLOW = 0x7FFF0000
X86_64, X86 = 0xC000003E, 0x40000003


def run(code: bytes, number: int, *arguments: int, architecture: int = X86_64) -> int:
    """What the program returns for a system call (seccomp(2), BPF_PROG_TYPE_SOCKET_FILTER's classic form)."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=iIQ6Q", number, architecture, 0, *(word & (1 << 64) - 1 for word in words))
    instructions = list(struct.iter_unpack("=HBBI", code))
    position, value = 0, 0
    k: int
    while True:
        operation, yes, no, k = instructions[position]
        position += 1
        if operation == 0x20:
            value = struct.unpack_from("=I", data, k)[0]
        elif operation == 0x06:
            return k
        elif operation == 0x05:
            position += k
        elif operation == 0x54:
            value &= k
        else:
            holds = {0x15: value == k, 0x25: value > k, 0x35: value >= k, 0x45: bool(value & k)}[operation]
            position += yes if holds else no


def error(number: int) -> int:
    return 0x00050000 | number


def compiled(*extra: str, drop: tuple[str, ...] = ()) -> bytes:
    capabilities = [name for name in (*defaults.CAPABILITIES, *extra) if name not in drop]
    return seccomp.compile_profile(resolve(seccomp.default_text(), capabilities, HERE))


@pytest.fixture(scope="module")
def default() -> bytes:
    return compiled()


def number(name: str, architecture: int = X86_64) -> int:
    return int(pyseccomp.resolve_syscall(architecture, name))


@pytest.mark.parametrize(
    "name",
    [
        "read",
        "write",
        "openat",
        "clone",
        "fork",
        "execve",
        "mmap",
        "futex",
        "epoll_wait",
        "io_submit",
        "copy_file_range",
        "statx",
        "openat2",
        "chroot",
        "ptrace",
        "getrandom",
        "rseq",
        "close_range",
        "memfd_create",
        "bind",
        "accept4",
        "sendmmsg",
        "fsetxattr",
        "fallocate",
        "pselect6",
        "setgroups",
    ],
)
def test_allowed(default: bytes, name: str) -> None:
    assert run(default, number(name), 0) == ALLOW


@pytest.mark.parametrize(
    "name",
    [
        "mount",
        "umount2",
        "setns",
        "unshare",
        "bpf",
        "perf_event_open",
        "keyctl",
        "add_key",
        "request_key",
        "userfaultfd",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "kexec_load",
        "init_module",
        "finit_module",
        "reboot",
        "swapon",
        "pivot_root",
        "open_by_handle_at",
        "settimeofday",
        "mbind",
        "set_mempolicy",
        "syslog",
        "acct",
        "iopl",
        "kcmp",
        "pidfd_getfd",
        "fsopen",
        "move_mount",
    ],
)
def test_denied(default: bytes, name: str) -> None:
    assert run(default, number(name), 0) == error(errno.EPERM)


@pytest.mark.parametrize(
    ("capability", "name"),
    [
        ("CAP_SYS_ADMIN", "mount"),
        ("CAP_SYS_ADMIN", "unshare"),
        ("CAP_SYS_ADMIN", "clone3"),
        ("CAP_SYS_NICE", "mbind"),
        ("CAP_SYS_PTRACE", "kcmp"),
        ("CAP_SYS_TIME", "clock_settime"),
        ("CAP_BPF", "bpf"),
        ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    ],
)
def test_a_capability_opens_its_calls(default: bytes, capability: str, name: str) -> None:
    assert run(default, number(name)) != ALLOW
    assert run(compiled(capability), number(name)) == ALLOW


def test_without_sys_chroot() -> None:
    assert run(compiled(drop=("CAP_SYS_CHROOT",)), number("chroot")) == error(errno.EPERM)


@pytest.mark.parametrize(
    ("name", "argument", "result"),
    [
        ("socket", 2, ALLOW),
        ("socket", 40, error(errno.EPERM)),
        ("personality", 0, ALLOW),
        ("personality", 0xFFFFFFFF, ALLOW),
        ("personality", 0x0040000, error(errno.EPERM)),
        ("clone", 17, ALLOW),
        ("clone", 0x3D0F00, ALLOW),
        *(("clone", flag | 17, error(errno.EPERM)) for flag in (1 << 17, *(1 << bit for bit in range(25, 31)))),
    ],
)
def test_arguments(default: bytes, name: str, argument: int, result: int) -> None:
    assert run(default, number(name), argument) == result


def test_new_calls_do_not_exist(default: bytes) -> None:
    assert run(default, number("clone3")) == error(errno.ENOSYS)
    for unknown in (600, 9999, 0x40000000):
        assert run(default, unknown) == error(errno.ENOSYS)
    assert run(default, 0, architecture=X86) == ALLOW


def test_32_bit_programs(default: bytes) -> None:
    assert run(default, number("openat", X86), architecture=X86) == ALLOW
    assert run(default, number("mount", X86), architecture=X86) == error(errno.EPERM)
    for obsolete in ("readdir", "sgetmask", "sigaction", "oldstat"):
        assert run(default, number(obsolete, X86), architecture=X86) == error(errno.EPERM), obsolete
    assert run(default, 9999, architecture=X86) == error(errno.ENOSYS)
    # An architecture that is not in the profile: killed.
    assert run(default, 0, architecture=0xC00000B7) == 0


def profile(**members: Any) -> str:
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [], **members})


def rule(**members: Any) -> dict[str, Any]:
    return {"names": ["read"], "action": "SCMP_ACT_ALLOW", **members}


@pytest.mark.parametrize(
    ("conditions", "taken"),
    [
        ({}, True),
        ({"includes": {"caps": ["CAP_A"]}}, True),
        ({"includes": {"caps": ["CAP_A", "CAP_B"]}}, False),
        ({"includes": {"arches": ["amd64"]}}, True),
        ({"includes": {"arches": ["arm64"]}}, False),
        ({"includes": {"minKernel": "4.8"}}, True),
        ({"includes": {"minKernel": "6.2"}}, False),
        ({"includes": {"arches": ["amd64"], "caps": ["CAP_B"]}}, False),
        ({"excludes": {"caps": ["CAP_A", "CAP_B"]}}, False),
        ({"excludes": {"caps": ["CAP_B"]}}, True),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"includes": {"caps": ["CAP_A"]}, "excludes": {"caps": ["CAP_A"]}}, False),
        ({"includes": {}, "excludes": {}}, True),
    ],
)
def test_conditions(conditions: dict[str, Any], taken: bool) -> None:
    found = resolve(profile(syscalls=[rule(**conditions)]), ["CAP_A"], HERE)
    assert bool(found.rules) is taken


def test_oci_form() -> None:
    text = profile(
        defaultErrnoRet=38,
        architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        syscalls=[{"name": "read", "action": "SCMP_ACT_TRACE", "errnoRet": 7}],
    )
    found = resolve(text, [], HERE)
    assert found == Profile(
        error(errno.ENOSYS), ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"), (seccomp.Rule(("read",), 0x7FF00007),)
    )
    assert run(seccomp.compile_profile(found), 1) == error(errno.ENOSYS)


def test_allow_by_default() -> None:
    text = profile(
        defaultAction="SCMP_ACT_ALLOW", syscalls=[rule(names=["chmod", "no_such_call"], action="SCMP_ACT_KILL")]
    )
    code = seccomp.compile_profile(resolve(text, [], HERE))
    assert run(code, number("chmod")) == 0
    assert run(code, number("read")) == ALLOW
    assert run(code, 9999) == ALLOW


def test_the_same_argument_twice_means_either() -> None:
    arguments = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in (3, 5)]
    code = seccomp.compile_profile(resolve(profile(syscalls=[rule(args=arguments)]), [], HERE))
    assert [run(code, number("read"), value) == ALLOW for value in (3, 4, 5)] == [True, False, True]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"defaultAction": "SCMP_ACT_FLY"}',
        '{"defaultAction": "SCMP_ACT_NOTIFY"}',
        profile(syscalls={"read": 1}),
        profile(syscalls=["read"]),
        profile(syscalls=[rule(names=[])]),
        profile(syscalls=[rule(names=[7])]),
        profile(syscalls=[rule(args=[{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}])]),
        profile(syscalls=[rule(args=[{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}])]),
        profile(syscalls=[rule(args=[{"index": 0, "value": 1, "op": "EQ"}])]),
        profile(syscalls=[rule(action="SCMP_ACT_ERRNO", errnoRet=5000)]),
        profile(syscalls=[rule(includes=[1])]),
        profile(architectures=["amiga"]),
    ],
)
def test_bad_profiles(text: str) -> None:
    with pytest.raises(InvalidParameter, match="Decoding seccomp profile failed"):
        resolve(text, [], HERE)


def test_programs_are_cached_by_content(tmp_path: Path) -> None:
    layout = Layout.for_root(tmp_path)
    first = seccomp.program(layout, "default", ["CAP_CHOWN", "CAP_KILL"])
    before = os.stat(first)
    assert len(first.read_bytes()) % 8 == 0
    assert seccomp.program(layout, "default", ["CAP_KILL", "CAP_CHOWN"]) == first
    assert os.stat(first).st_ino == before.st_ino
    assert seccomp.program(layout, "default", ["CAP_KILL"]) != first
    assert seccomp.program(layout, profile(), []) != first
    assert len(os.listdir(first.parent)) == 3
