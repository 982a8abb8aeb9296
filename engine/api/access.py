"""Who may reach what: nobody but the engine its state, and the API socket root and the members of the group ``pycompose``
where this machine has one.

Whoever may connect is root on this machine; there is no smaller permission. The keeper binds the socket for its own user
only; the engine opens it to the group. Never to others, and never over TCP.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..layout import Layout

GROUP = "pycompose"


def make_private(layout: Layout) -> None:
    """Make the directories that everything else lies in, and close them (those of an older engine as well).

    A volume may hold a set-user-ID program of the container's root, and a layer one with a known hole: to a user of this
    machine who can reach it, it is as good as installed (CVE-2021-41091).
    """
    for directory in (layout.state, layout.run):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for directory in (layout.state, *layout.closed):
        directory.mkdir(exist_ok=True, mode=0o700)
        if directory.stat().st_mode & 0o077:
            directory.chmod(0o700)


def open_to_group(layout: Layout) -> None:
    """Mode 0660 and the group, if it exists and we are root; the run directory lets the group pass through."""
    import grp

    if os.geteuid() != 0:
        return
    try:
        group = grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return
    os.chown(layout.run, -1, group)
    os.chmod(layout.run, 0o710)
    os.chown(layout.socket, -1, group)
    os.chmod(layout.socket, 0o660)
