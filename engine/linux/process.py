"""Processes: creation into namespaces with a handle that cannot be reused (pidfd), identity, and how they end.

A process is named by its pid *and* its start time, or by a pidfd; never by pid alone. What the new process does until
it executes a program is runtime/operations.py.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import ctypes
import errno
import os
import resource
import signal
from typing import TYPE_CHECKING

from . import libc, userns
from .libc import KernelError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterable

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_CHILD_SUBREAPER = 36
_SECCOMP_MODE_FILTER = 2
_SECCOMP_SET_MODE_FILTER, _SECCOMP_NEW_LISTENER = 1, 8
_CLONE_PIDFD = 0x00001000
_CLONE_VFORK = 0x00004000
_CLONE_PARENT = 0x00008000
_CLONE_PARENT_SETTID = 0x00100000
_CLONE_INTO_CGROUP = 0x200000000
_CLOSE_RANGE_CLOEXEC = 4
_KEYCTL_JOIN_SESSION_KEYRING = 1
_OF_THE_LIBRARY = (32, 33)
"""Signals that the C library keeps for itself; whoever started us may have left them ignored."""
_SIGACTION, _SIGSET = 32, 8
"""Sizes of the kernel's struct sigaction and signal set; all zeros is SIG_DFL."""
_DEFAULT_ACTION = bytes(_SIGACTION)
_ALL_DESCRIPTORS = 0x7FFFFFFF
_PF_EXITING = 0x4


class _CloneArgs(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            "flags",
            "pidfd",
            "child_tid",
            "parent_tid",
            "exit_signal",
            "stack",
            "stack_size",
            "tls",
            "set_tid",
            "set_tid_size",
            "cgroup",
        )
    )


class _SockFilterProgram(ctypes.Structure):
    # Takes the program's own bytes: a buffer would be a copy, and of a type of its own for each length, made at every launch.
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


# The GIL must stay with the calling thread through the fork, as in os.fork(): hence a PyDLL.
_python = ctypes.PyDLL(None, use_errno=True)
_python.syscall.restype = ctypes.c_long
_python.PyOS_BeforeFork.restype = None
_python.PyOS_AfterFork_Parent.restype = None
_python.PyOS_AfterFork_Child.restype = None


def clone(flags: int, cgroup_fd: int | None = None) -> tuple[int, int]:
    """fork(2) into new namespaces (CLONE_NEW* of namespace.py), optionally straight into a cgroup v2 directory.

    Returns ``(pid, pidfd)`` to the parent and ``(0, -1)`` to the child. The caller must be single-threaded.
    """
    pidfd = ctypes.c_int(-1)
    arguments = _CloneArgs(flags=flags | _CLONE_PIDFD, pidfd=ctypes.addressof(pidfd), exit_signal=signal.SIGCHLD)
    if cgroup_fd is not None:
        arguments.flags |= _CLONE_INTO_CGROUP
        arguments.cgroup = cgroup_fd
    size = ctypes.c_size_t(ctypes.sizeof(arguments))
    _python.PyOS_BeforeFork()
    pid: int = _python.syscall(ctypes.c_long(libc.SYS_CLONE3), ctypes.byref(arguments), size)
    code = ctypes.get_errno()
    if pid == 0:
        _python.PyOS_AfterFork_Child()
        return 0, -1
    _python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise KernelError(code, "clone3")
    return pid, pidfd.value


def clone_sibling(slot: mmap.mmap, *, until_executed: bool = False) -> bool:
    """fork(2) a child of the caller's own parent, in the namespaces of the caller's children; True in it, False in the caller, with
    ``until_executed`` only after the child has executed its program or ended.

    Its pid, as the caller sees it, stands at the beginning of ``slot``, memory that the parent shares, before it runs.
    The caller must be single-threaded and end at once, the new process execute a program: Python is told of neither, whose
    care for locks, threads and random numbers would cost a millisecond.
    """
    place = ctypes.c_int.from_buffer(slot)
    flags = _CLONE_PARENT | _CLONE_PARENT_SETTID | signal.SIGCHLD | (_CLONE_VFORK if until_executed else 0)
    arguments = (flags, 0, ctypes.addressof(place), 0, 0)
    pid: int = _python.syscall(ctypes.c_long(libc.SYS_CLONE), *map(ctypes.c_long, arguments))
    if pid < 0:
        raise KernelError(ctypes.get_errno(), "clone")
    return pid == 0


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot (proc(5), field 22 of stat); None when there is none."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def parent(pid: int) -> int:
    """Of a thread the process it belongs to, of a process its parent; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/status", errors="replace") as file:
            fields = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    except OSError:
        return 0
    leader = int(fields["Tgid"])
    return leader if leader != pid else int(fields["PPid"])


def open_pidfd(pid: int, started: int | None) -> int | None:
    """A pidfd of the process with this pid *and* start time, or None when that process is gone."""
    if pid <= 0 or started is None:
        return None
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    # The handle first, the identity after: what it refers to cannot change any more.
    if start_time(pid) != started:
        os.close(descriptor)
        return None
    return descriptor


def duplicate_descriptor(pidfd: int, number: int) -> int:
    """A duplicate of descriptor ``number`` of another process (pidfd_getfd(2)), close-on-exec. Raises KernelError."""
    return libc.call(libc.SYS_PIDFD_GETFD, "pidfd_getfd", str(number), pidfd, number, 0)


def is_alive(pid: int, started: int | None) -> bool:
    """Whether the process with this pid and start time exists and is no zombie."""
    fields = _stat(pid)
    return bool(fields) and int(fields[19]) == started and fields[0] not in (b"Z", b"X")


def open_namespace(pid: int, started: int | None, kind: str) -> int:
    """A handle on a namespace of the process with this pid *and* start time. Raises ProcessLookupError when it is gone."""
    try:
        handle = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH)) from None
    # The handle first, the identity after: what it refers to cannot change any more.
    if started is None or not is_alive(pid, started):
        os.close(handle)
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    return handle


def open_root(pid: int, started: int | None) -> int:
    """A handle on the root directory of the process with this pid *and* start time. Raises OSError when it is gone."""
    handle = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if started is None or not is_alive(pid, started):
        os.close(handle)
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    return handle


def is_ending(pid: int, started: int | None) -> bool:
    """Whether the process has ended or is about to: the first one of a namespace ends after all others were killed."""
    fields = _stat(pid)
    return not fields or int(fields[19]) != started or fields[0] in (b"Z", b"X") or bool(int(fields[6]) & _PF_EXITING)


def of_same_namespace(kind: str, first: int) -> list[int]:
    """The processes in the ``pid`` or ``mnt`` namespace of ``first``: it alone when that is the caller's own; none when it is gone."""
    try:
        own, caller = os.stat(f"/proc/{first}/ns/{kind}"), os.stat(f"/proc/self/ns/{kind}")
    except OSError:
        return []
    return [first] if os.path.samestat(own, caller) else of_namespace(kind, own)


def of_namespace(kind: str, own: os.stat_result) -> list[int]:
    """The processes in this namespace that can be looked at and have not ended."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.path.samestat(os.stat(f"/proc/{name}/ns/{kind}"), own):
                    found.append(int(name))
            except OSError:  # gone, or somebody else's
                continue
    return found


def signal_all(pids: Iterable[int], number: int) -> None:
    """Send a signal to each of them that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def is_stopped(pid: int) -> bool:
    """Whether the process is stopped, or no longer there."""
    fields = _stat(pid)
    return not fields or fields[0] in (b"T", b"t", b"Z", b"X")


def usage(pids: Iterable[int]) -> tuple[int, int, int]:
    """Of these processes: ticks of the processor in user and in kernel mode, and bytes of memory."""
    user = kernel = memory = 0
    for pid in pids:
        if fields := _stat(pid):
            user, kernel = user + int(fields[11]), kernel + int(fields[12])
            memory += int(fields[21]) * resource.getpagesize()
    return user, kernel, memory


def _stat(pid: int | str) -> list[bytes]:
    """The fields after the command's name, which may hold anything; the first is the state. Empty: no such process."""
    # Not open(): in a shim that has just been forked its layers would cost 150 kB of private pages.
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        text = os.read(descriptor, 4096)
    except ProcessLookupError:
        return []
    finally:
        os.close(descriptor)
    return text[text.rindex(b")") + 2 :].split()


def send_signal(pidfd: int, number: int) -> bool:
    """Signal the process; False when it is gone."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    return True


def reap(pidfd: int) -> int | None:
    """The exit code of a child that has ended (128 + signal number for a killed one), or None while it runs."""
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else 128 + result.si_status


def die_with_parent() -> None:
    """SIGKILL for the caller when its parent ends. Must come after all changes of credentials, which clear it."""
    libc.check(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl PR_SET_PDEATHSIG")


def set_dumpable(value: bool) -> None:
    """Not dumpable: /proc/PID of the caller belongs to root, and nobody without CAP_SYS_PTRACE looks into it."""
    libc.check(libc.prctl(_PR_SET_DUMPABLE, int(value), 0, 0, 0), "prctl PR_SET_DUMPABLE")


def set_name(name: str) -> None:
    """What ps(1) shows as the command name; 15 bytes."""
    buffer = ctypes.create_string_buffer(os.fsencode(name)[:15])
    libc.check(libc.prctl(_PR_SET_NAME, ctypes.addressof(buffer), 0, 0, 0), "prctl PR_SET_NAME", name)


def become_subreaper() -> None:
    libc.check(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl PR_SET_CHILD_SUBREAPER")


def no_new_privileges() -> None:
    libc.check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl PR_SET_NO_NEW_PRIVS")


def load_seccomp(program: bytes) -> None:
    """Install a compiled BPF filter (an array of struct sock_filter, 8 bytes each) for the calling thread."""
    fprog = _SockFilterProgram(len(program) // 8, program)
    result = libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(fprog), 0, 0)
    libc.check(result, "prctl PR_SET_SECCOMP")


def load_asking_seccomp(program: bytes) -> int:
    """Install a filter that asks somebody (SECCOMP_RET_USER_NOTIF): the descriptor over which to answer. Raises KernelError."""
    fprog = _SockFilterProgram(len(program) // 8, program)
    return libc.call(
        libc.SYS_SECCOMP, "seccomp", "", _SECCOMP_SET_MODE_FILTER, _SECCOMP_NEW_LISTENER, ctypes.byref(fprog)
    )


def new_session_keyring(name: str) -> None:
    """Leave the host's session keyring for a new one. Kernels without keys have nothing to leave.

    An ordinary user may have some 200 keys: then it stays with the one that the keeper has made for all.
    """
    try:
        libc.call(libc.SYS_KEYCTL, "keyctl", name, _KEYCTL_JOIN_SESSION_KEYRING, os.fsencode(name), 0, 0, 0)
    except KernelError as error:
        if error.errno != errno.ENOSYS and (error.errno != errno.EDQUOT or userns.is_initial()):
            raise


def close_on_exec_from(first: int) -> None:
    """Mark every descriptor from ``first`` on close-on-exec."""
    libc.call(libc.SYS_CLOSE_RANGE, "close_range", "", first, 0xFFFFFFFF, _CLOSE_RANGE_CLOEXEC)


def close_all_except(keep: Iterable[int]) -> None:
    """Close every descriptor but those in ``keep``."""
    first = 0
    for descriptor in sorted(set(keep)):
        # An empty range starting at 0 would be taken for everything.
        if descriptor > first:
            os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, _ALL_DESCRIPTORS)


_SETTABLE = tuple(map(int, signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}))
"""As numbers, made once, and asked of the module below ``signal``: a launch, in whose fresh process everything that is touched is
a page to be copied, would spend more than half a millisecond on the names of signals."""


def reset_signals() -> None:
    """Default action for every signal and an empty mask: what a program expects, and what Python has changed."""
    for number in _SETTABLE:  # unasked: Python only knows what was set through it
        _signal.signal(number, _signal.SIG_DFL)
    for reserved in _OF_THE_LIBRARY:
        libc.call(libc.SYS_RT_SIGACTION, "rt_sigaction", "", reserved, _DEFAULT_ACTION, 0, _SIGSET)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


def set_resource_limit(name: str, soft: int, hard: int) -> None:
    """setrlimit(2); ``name`` as in ``RLIMIT_NOFILE``, -1 is unlimited. Raises KernelError."""
    number = getattr(resource, name, None)
    if number is None:
        raise KernelError(errno.EINVAL, "setrlimit", name)
    try:
        resource.setrlimit(number, (soft, hard))
    except (OSError, ValueError) as error:
        now = resource.getrlimit(number)
        raise KernelError(
            error.errno or errno.EPERM if isinstance(error, OSError) else errno.EPERM,
            "setrlimit",
            f"{name} soft={soft} hard={hard}",
            f"the limit of this host is soft={now[0]} hard={now[1]}",
        ) from None


def oom_score() -> int:
    """What /proc/self/oom_score_adj says."""
    descriptor = os.open("/proc/self/oom_score_adj", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return int(os.read(descriptor, 16))
    finally:
        os.close(descriptor)


def set_oom_score(value: int) -> None:
    """/proc/self/oom_score_adj, -1000 to 1000. Lowering it takes CAP_SYS_RESOURCE."""
    try:
        with open("/proc/self/oom_score_adj", "w") as handle:
            handle.write(str(value))
    except OSError as error:
        raise KernelError(error.errno or 0, "write", "oom_score_adj", str(value)) from None


def set_title(title: str) -> None:
    """Overwrite the argument and environment area that ps(1) and /proc/PID/environ show.

    What stood there (the host's environment) is gone afterwards from this process; os.environ is a copy and stays.
    """
    # Fields 48–51 of proc(5): arg_start, arg_end, env_start, env_end.
    first, arguments_end, environment, last = map(int, _stat("self")[45:49])
    if first == 0 or arguments_end == 0:
        return
    if environment and last > environment:
        ctypes.memset(environment, 0, last - environment)
    room = arguments_end - first
    encoded = os.fsencode(title)[: room - 1]
    ctypes.memset(first, 0, room)
    ctypes.memmove(first, encoded, len(encoded))
