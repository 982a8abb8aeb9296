"""One lock per project and engine: two commands never change the same project at once, and never wait for another one's.

An flock on a file in the user's run directory: it goes with the process that holds it, whatever becomes of it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def lock_directory() -> str:
    """In the user's run directory; without one a directory in /tmp, of one level, that goes with the last lock."""
    user = os.geteuid()
    base = os.environ.get("XDG_RUNTIME_DIR") or ("/run" if user == 0 else "")
    return os.path.join(base, "pycompose-locks") if base else f"/tmp/pycompose-locks-{user}"


@contextmanager
def project_lock(engine_address: str, project: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock of ``project`` on this engine; ``waiting`` is called once when somebody else holds it."""
    directory = lock_directory()
    digest = hashlib.sha256(engine_address.encode()).hexdigest()[:8]
    path = os.path.join(directory, f"{project}-{digest}.lock")
    try:
        handle = _acquire(path, waiting)
    except OSError as error:
        raise PlanError(f"cannot lock project {project}: {error.filename}: {error.strerror}") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
            os.rmdir(directory)
        os.close(handle)


def await_unlocked(engine_address: str, project: str) -> None:
    """Return when no other command changes ``project``: what has ended by then has not ended to start again. Not for those
    who hold the lock. Where there can be no lock, nobody is waited for."""
    with contextlib.suppress(PlanError), project_lock(engine_address, project):
        pass


def _acquire(path: str, waiting: Callable[[], None] | None) -> int:
    """The locked file. It may have been removed by its last holder between open and lock: then it is opened anew."""
    while True:
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            handle = _open(path)
        except FileNotFoundError:
            continue  # the last holder removed the directory in between
        except FileExistsError:
            if os.path.lexists(os.path.dirname(path)) and not os.path.isdir(os.path.dirname(path)):
                raise
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
                waiting = None
            fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.stat(path), os.fstat(handle)):
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)


def _open(path: str) -> int:
    """The file, in a directory that nobody else has made: below /tmp another user could have, to hold our locks for good or to
    have files made where a link leads."""
    where = os.path.dirname(path)
    try:
        directory = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except NotADirectoryError:
        raise PermissionError(
            errno.EPERM, "it is no directory of yours: remove it, or set XDG_RUNTIME_DIR", where
        ) from None
    try:
        found = os.fstat(directory)
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise PermissionError(errno.EPERM, "others write there: remove it, or set XDG_RUNTIME_DIR", where)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(os.path.basename(path), flags, 0o600, dir_fd=directory)
    finally:
        os.close(directory)
