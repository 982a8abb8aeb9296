"""One command in the foreground: its exit code as a shell has it, and every signal passed on to it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_SI_KERNEL = 0x80
_LEAVING_SECONDS = 0.5
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def run_command(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run it to its end. A key typed at the terminal reaches the command by itself; what others send is passed on."""
    watched = {*PASSED_ON, signal.SIGCHLD}
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            # The set-up's, about to end. What does not block a signal takes it from us.
            thread.join(_LEAVING_SECONDS)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        try:
            pid = os.posix_spawnp(command[0], list(command), dict(environment), setsigmask=before, setsigdef=PASSED_ON)
        except FileNotFoundError:
            print(f"pycompose test: {command[0]}: command not found", file=sys.stderr)
            return NOT_FOUND
        except OSError as error:
            print(f"pycompose test: {command[0]}: {error.strerror}", file=sys.stderr)
            return NOT_EXECUTABLE
        waiter = threading.Thread(target=_tell, args=(pid, threading.get_ident()), daemon=True)
        waiter.start()
        while True:
            received = signal.sigwaitinfo(watched)
            if received.si_signo == signal.SIGCHLD:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    waiter.join()
                    code = os.waitstatus_to_exitcode(status)
                    return code if code >= 0 else 128 - code
            elif received.si_code != _SI_KERNEL:
                os.kill(pid, received.si_signo)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _tell(pid: int, thread: int) -> None:
    """SIGCHLD to this very thread when the command has ended: the kernel's own may go to any thread of the process."""
    with suppress(ChildProcessError):  # the kernel's came first, and the other thread was quicker
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    signal.pthread_kill(thread, signal.SIGCHLD)
