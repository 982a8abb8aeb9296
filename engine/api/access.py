"""Who may connect to the API socket: root, and the members of the group ``pycompose`` where this machine has one.

Whoever may connect is root on this machine; there is no smaller permission. The keeper binds the socket for its own user
only; the engine opens it to the group. Never to others, and never over TCP.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..layout import Layout

GROUP = "pycompose"


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
