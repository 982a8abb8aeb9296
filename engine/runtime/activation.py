"""The API socket that a service manager has opened for us and passes on, as sd_listen_fds(3) describes it.

It stays the service manager's: clients wait in its queue while no engine runs, and we do not take its file away.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

FIRST = 3
"""The descriptor of the first socket that is passed."""

_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def count(environment: MutableMapping[str, str], pid: int) -> int:
    """How many descriptors are passed to process ``pid``. The variables are taken out: they are for nobody that we start."""
    given, number, _ = (environment.pop(name, "") for name in _VARIABLES)
    return int(number) if given == str(pid) and number.isdigit() else 0


def passed_listener(path: str) -> socket.socket | None:
    """The socket that listens at ``path`` for this process, None when none was passed. Raises OSError for another one."""
    passed = count(os.environ, os.getpid())
    if passed == 0:
        return None
    if passed > 1:
        raise OSError(f"the service manager passes {passed} sockets where one is expected, that of {path}")
    listener = socket.socket(fileno=FIRST)
    listening = listener.type == socket.SOCK_STREAM and listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if listener.family != socket.AF_UNIX or not listening or not _is_at(listener.getsockname(), path):
        name = listener.getsockname()
        listener.detach()
        raise OSError(f"the service manager passes the socket {name!r}, the engine's is {path}")
    listener.setblocking(False)
    listener.set_inheritable(False)
    return listener


def _is_at(name: object, path: str) -> bool:
    try:
        return isinstance(name, str) and os.path.samefile(name, path)
    except OSError:
        return False
