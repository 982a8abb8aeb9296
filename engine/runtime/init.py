"""The pid 1 of ``init: true``: it reaps whatever is orphaned in the container and passes signals on to the program.

It is this very process after all privileges are gone, so it keeps Python's pages; it wipes what it inherited of the
host's environment and is not dumpable, so that nobody in the container looks into it or at its executable.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from ..linux import lsm, process

_NEVER_FORWARDED = {signal.SIGCHLD, signal.SIGKILL, signal.SIGSTOP}
# Raised by our own faults, not meant for the program.
_SYNCHRONOUS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGABRT}


def fork_program(terminal: bool, own_profile: tuple[str, int] | None = None) -> None:
    """Return in a child, which becomes the program. The caller itself stays behind as init and never returns.

    ``own_profile`` is what AppArmor is to hold it to, by a descriptor of `lsm.open_own_profile`: the program's, for a process may
    signal and trace only those of its own profile, and ``kill 1`` is for everybody in the container.
    """
    waited = signal.valid_signals() - _NEVER_FORWARDED - _SYNCHRONOUS | {signal.SIGCHLD}
    # Blocked before the fork: a signal that comes early is kept, not lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    # Without a handler the kernel would reap for us, and exit codes would be lost.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid:
        process.set_dumpable(False)
        if own_profile is not None:
            lsm.change_profile(own_profile[1], own_profile[0])
        process.set_title("/sbin/docker-init --")
        process.set_name("docker-init")  # what ps shows; scripts look for it
        process.close_all_except((0, 1, 2))
        _supervise(pid, waited)
    os.setpgid(0, 0)
    if terminal:
        # tcsetpgrp from the background raises SIGTTOU, which is blocked here.
        os.tcsetpgrp(0, os.getpid())
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _supervise(program: int, waited: set[int] | set[signal.Signals]) -> NoReturn:
    while True:
        received = signal.sigwait(waited)
        if received == signal.SIGCHLD:
            code = _reap(program)
            if code is not None:
                os._exit(code)
            continue
        if received in (signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE):
            continue
        try:
            os.kill(program, received)
        except (ProcessLookupError, PermissionError):
            # Gone by now, or running as another user whom we may not signal.
            continue


def _reap(program: int) -> int | None:
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == program:
            code = os.waitstatus_to_exitcode(status)
            code = 128 - code if code < 0 else code
