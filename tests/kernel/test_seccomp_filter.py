"""The default seccomp profile loaded for real: each call is tried in a child that root's own capabilities would let pass.

Arguments are chosen so that a call the filter misses is refused by the kernel for another reason, harmlessly.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform

import pytest

from pycompose.engine.containers.spec import seccomp
from pycompose.engine.containers.spec.seccomp import Machine, resolve
from pycompose.engine.linux import process
from pycompose.engine.runtime import defaults

pyseccomp = pytest.importorskip("pyseccomp", exc_type=RuntimeError)
pytestmark = pytest.mark.root

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


@pytest.fixture(scope="module")
def default() -> bytes:
    return seccomp.compile_profile(resolve(seccomp.default_text(), defaults.CAPABILITIES, Machine.this()))


def attempt(program: bytes, number: int, *arguments: int) -> int:
    """The errno of the call under the filter, 0 for success."""
    pid = os.fork()
    if pid == 0:
        process.load_seccomp(program)
        result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments))
        os._exit(ctypes.get_errno() if result < 0 else 0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


NEWUSER, NEWNS, SIGCHLD = 0x10000000, 0x00020000, 17


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("getpid", (), 0),
        ("sync", (), 0),
        ("socket", (2, 1, 0), 0),
        ("socket", (16, 3, 0), 0),
        ("socket", (38, 5, 0), errno.EPERM),
        ("socket", (39, 1, 0), errno.EAFNOSUPPORT),
        ("socket", (40, 1, 0), errno.EPERM),
        ("move_pages", (0, 0, 0, 0, 0, 0), errno.EPERM),
        ("open_tree_attr", (-1, 0, 0, 0, 0), errno.ENOSYS),
        ("personality", (0xFFFFFFFF,), 0),
        ("personality", (0x0040000,), errno.EPERM),
        ("clone", (NEWUSER | SIGCHLD, 0, 0, 0, 0), errno.EPERM),
        ("clone", (NEWNS | SIGCHLD, 0, 0, 0, 0), errno.EPERM),
        ("clone3", (0, 0), errno.ENOSYS),
        ("unshare", (NEWNS,), errno.EPERM),
        ("setns", (-1, 0), errno.EPERM),
        ("mount", (0, 0, 0, 0, 0), errno.EPERM),
        ("umount2", (0, 0), errno.EPERM),
        ("pivot_root", (0, 0), errno.EPERM),
        ("keyctl", (-1, 0), errno.EPERM),
        ("add_key", (0, 0, 0, 0, 0), errno.EPERM),
        ("bpf", (-1, 0, 0), errno.EPERM),
        ("userfaultfd", (-1,), errno.EPERM),
        ("io_uring_setup", (0, 0), errno.EPERM),
        ("open_by_handle_at", (-1, 0, 0), errno.EPERM),
        ("init_module", (0, 0, 0), errno.EPERM),
        ("swapon", (0, 0), errno.EPERM),
        ("reboot", (0, 0, 0, 0), errno.EPERM),
        ("kexec_load", (0, 0, 0, -1), errno.EPERM),
        ("settimeofday", (0, 0), errno.EPERM),
        ("perf_event_open", (0, 0, 0, 0, 0), errno.EPERM),
        ("chroot", (0,), errno.EFAULT),
        ("close_range", (1000, 1000, 0), 0),
        ("openat2", (-1, 0, 0, 0), errno.EINVAL),
    ],
)
def test_default_profile(default: bytes, name: str, arguments: tuple[int, ...], expected: int) -> None:
    assert attempt(default, pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name), *arguments) == expected


def test_a_call_of_the_future(default: bytes) -> None:
    assert attempt(default, 999) == errno.ENOSYS


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 numbers")
def test_x32_is_no_way_around(default: bytes) -> None:
    assert attempt(default, 0x40000000 | 165, 0, 0, 0, 0, 0) == errno.ENOSYS


def test_with_sys_admin() -> None:
    capabilities = [*defaults.CAPABILITIES, "CAP_SYS_ADMIN"]
    program = seccomp.compile_profile(resolve(seccomp.default_text(), capabilities, Machine.this()))
    native = pyseccomp.Arch.NATIVE
    assert attempt(program, pyseccomp.resolve_syscall(native, "unshare"), NEWNS) == 0
    assert attempt(program, pyseccomp.resolve_syscall(native, "clone3"), 0, 0) == errno.EINVAL
    assert attempt(program, pyseccomp.resolve_syscall(native, "keyctl"), -1, 0) == errno.EPERM
