"""Pseudo-terminals opened in a given devpts instance, so that a container finds its terminal under its own /dev/pts."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

from . import paths

_TIOCGPTPEER = 0x5441
_TIOCSPTLCK = 0x40045431


def open_pair(root_fd: int) -> tuple[int, int]:
    """Master and slave of a new terminal in /dev/pts below ``root_fd``. Both close on exec."""
    master = paths.open_in_root(root_fd, "/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
        # The peer comes from the master itself: a name under /dev/pts could be something else by now.
        slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        os.close(master)
        raise
    return master, slave


def resize(descriptor: int, rows: int, columns: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def take_control(slave: int) -> None:
    """Make ``slave`` the controlling terminal of the caller's session, which the caller leads."""
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
