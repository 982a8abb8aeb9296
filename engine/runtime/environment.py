"""The environment that an engine was started with, out of sight of all that is forked from its keeper.

A fork of the keeper stays in the container as its init (``init: true``), and others stand there for a moment before they
execute a program: whoever may trace them reads their memory. So what a shell or a service manager has exported, passwords
among it, is in a file in memory that the keeper holds and never reads. Only who executes another program of ours does.
"""

from __future__ import annotations

import os

_OURS = frozenset(
    (
        *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
        *("XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "PYCOMPOSE_OWNER"),
    )
)
"""What the keeper itself goes by (layout.py), and the C library."""
_SERVICE_MANAGER = frozenset(("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
"""For the keeper alone (activation.py)."""

_held = -1


def put_aside() -> tuple[int, dict[str, str]]:
    """A file with the caller's environment, which the next program inherits, and what that one is to have of it."""
    file = os.memfd_create("environment", 0)
    kept = [name + b"=" + value for name, value in os.environb.items() if os.fsdecode(name) not in _SERVICE_MANAGER]
    with open(file, "wb", closefd=False) as handle:
        handle.write(b"\0".join(kept))
    return file, {name: value for name, value in os.environ.items() if name in _OURS | _SERVICE_MANAGER}


def hold(file: int) -> None:
    """From here on the environment is what that file says."""
    global _held
    os.set_inheritable(file, False)
    _held = file


def held() -> tuple[int, ...]:
    """The file, for who closes everything else and is to start a keeper."""
    return (_held,) if _held >= 0 else ()


def read() -> dict[bytes, bytes]:
    """The environment for a program of ours. Only for a process that is about to execute it."""
    if _held < 0:
        return dict(os.environb)
    text = os.pread(_held, os.fstat(_held).st_size, 0)
    pairs = (entry.partition(b"=") for entry in text.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}
