"""Who a process believes to be, where it cannot be anybody but root: the rules of set*id, without the kernel.

With one mapped id nobody can become somebody else. Programs that give up their rights look whether they have (apt, PostgreSQL's
clients, many servers), so what they were told is remembered and told again. Pure; supervisor.py asks.
"""

from __future__ import annotations

import errno
from typing import NamedTuple

KEEP = 0xFFFFFFFF
"""-1 as an id: leave it."""


class Ids(NamedTuple):
    """Real, effective and saved id, of a user or a group."""

    real: int = 0
    effective: int = 0
    saved: int = 0

    def set(self, wanted: int, *, privileged: bool) -> Ids:
        """setuid(2), setgid(2). Raises PermissionError."""
        if privileged:
            return Ids(wanted, wanted, wanted)
        self._permit(wanted, self.real, self.saved)
        return self._replace(effective=wanted)

    def set_two(self, real: int, effective: int, *, privileged: bool) -> Ids:
        """setreuid(2), setregid(2). Raises PermissionError."""
        if not privileged:
            self._permit(real, self.real, self.effective)
            self._permit(effective, self.real, self.effective, self.saved)
        after = Ids(_kept(real, self.real), _kept(effective, self.effective), self.saved)
        if real != KEEP or (effective != KEEP and after.effective != self.real):
            return after._replace(saved=after.effective)
        return after

    def set_three(self, real: int, effective: int, saved: int, *, privileged: bool) -> Ids:
        """setresuid(2), setresgid(2). Raises PermissionError."""
        if not privileged:
            for wanted in (real, effective, saved):
                self._permit(wanted, self.real, self.effective, self.saved)
        return Ids(_kept(real, self.real), _kept(effective, self.effective), _kept(saved, self.saved))

    def _permit(self, wanted: int, *own: int) -> None:
        if wanted != KEEP and wanted not in own:
            raise PermissionError(errno.EPERM, "")


def _kept(wanted: int, own: int) -> int:
    return own if wanted == KEEP else wanted


class Credentials(NamedTuple):
    """What one process believes of itself."""

    user: Ids = Ids()
    group: Ids = Ids()
    groups: tuple[int, ...] = ()
    program: str = ""
    """The program for which the next two hold: execve(2) ends them."""
    keeps: bool = False
    """PR_SET_KEEPCAPS: becoming another user takes no rights away."""
    kept: bool = False
    """Root's rights, of somebody who is another user now."""

    @property
    def privileged(self) -> bool:
        return self.user.effective == 0 or self.kept

    def become(self, user: Ids) -> Credentials:
        """Another user, with the rights that are kept."""
        return self._replace(user=user, kept=self.kept or (self.keeps and self.privileged))

    def running(self, program: str) -> Credentials:
        """The same, in a process that runs this program."""
        return self if program == self.program else self._replace(program="", keeps=False, kept=False)


ROOT = Credentials()
