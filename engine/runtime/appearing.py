"""Operations at the end of a launch: into a pid namespace, where others may see us, and bound to the shim's life.

What those others could reach until the program runs is decided here; who is told of the outcome, and how, in child.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ..linux import process
from ..linux.libc import KernelError
from .stage import ProgramError

if TYPE_CHECKING:
    from .stage import Operation, Stage


class EnterPids(NamedTuple):
    """Go on as another child of the shim's, the first one in the pid namespace made before."""

    def execute(self, stage: Stage) -> None:
        if not _born(stage, until_executed=False):
            os._exit(0)

    def describe(self) -> str:
        return "enter pid namespace"


class Appear(NamedTuple):
    """Take the ``last`` steps as another child of the shim's, in the pid namespace joined before. From its first moment the
    container's processes see that child: whoever may trace it gets nothing that it does not have. So nothing of the host's
    is left by now, the channel is closed, and what goes wrong is told by a number (slot.py). We stay until it is over, out
    of sight."""

    last: tuple[Operation, ...]
    program: str

    def execute(self, stage: Stage) -> None:
        assert stage.slot is not None
        shim = os.getppid()
        _assert_shim_lives(stage)
        stage.announce(self.last, self.program)
        stage.slot.hide_pid()
        if _born(stage, until_executed=True):
            self._finish(stage)
        if os.getppid() != shim:
            # It died before its death would have been the child's.
            with contextlib.suppress(OSError):
                os.kill(stage.slot.pid, signal.SIGKILL)
        os._exit(0)

    def _finish(self, stage: Stage) -> NoReturn:
        assert stage.slot is not None
        done = 0
        try:
            for step in self.last:
                step.execute(stage)
                done += 1
        except (OSError, ProgramError) as error:
            stage.slot.fail(done, error.errno or 0)
        finally:
            os._exit(128)

    def describe(self) -> str:
        return f"appear, then {', '.join(step.describe() for step in self.last)}"


def _born(stage: Stage, *, until_executed: bool) -> bool:
    assert stage.slot is not None
    try:
        return process.clone_sibling(stage.slot.memory, until_executed=until_executed)
    except KernelError as error:
        raise KernelError(error.errno or 0, error.syscall, "", "into the container's pid namespace") from None


def _assert_shim_lives(stage: Stage) -> None:
    """Nobody reads the channel any more where it does not."""
    if select.select([stage.channel], [], [], 0)[0]:
        raise KernelError(errno.ESRCH, "prctl PR_SET_PDEATHSIG", "shim", "it is gone")


class DieWithShim(NamedTuple):
    """The kernel kills us when the shim ends. After every change of credentials, since those revoke it."""

    def execute(self, stage: Stage) -> None:
        process.die_with_parent()
        # It may have died before. Where there is no channel any more, who waits for us looks (Appear).
        if stage.channel.fileno() >= 0:
            _assert_shim_lives(stage)

    def describe(self) -> str:
        return "die with shim"
