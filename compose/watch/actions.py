"""Carrying out what `rules` decided: copying into containers, deleting there, executing, restarting."""

from __future__ import annotations

import os
import posixpath
import tarfile
import tempfile
from typing import TYPE_CHECKING, BinaryIO

from ..archives import add_file, member
from ..client.frames import demultiplex
from ..convert.hooks import exec_body
from ..errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..client import Engine
    from ..model.service import Hook
    from .rules import Work

_BLOCK = 1 << 20
_ARGUMENTS = 64 << 10


def synchronize(engine: Engine, containers: Sequence[str], work: Work, remark: Callable[[str], None]) -> None:
    """Copy changed files into every container of the service, and delete those that went. A file that cannot be read is
    left out with a remark."""
    with tempfile.TemporaryFile() as copies:
        if work.changed:
            write_archive(copies, work.changed, frozenset(rule.path for rule in work.rules), remark)
        for identity in containers:
            for places in _portions(work.deleted):
                execute(engine, identity, {"command": ["rm", "-rf", "--", *places], "user": "0"})
            if work.changed:
                copies.seek(0)
                engine.containers.put_archive(identity, "/", iter(lambda: copies.read(_BLOCK), b""))


def _portions(places: Sequence[str]) -> Iterator[list[str]]:
    """As many at a time as one command line takes (execve(2): ARG_MAX)."""
    portion: list[str] = []
    size = 0
    for place in places:
        if portion and size + len(place) > _ARGUMENTS:
            yield portion
            portion, size = [], 0
        portion.append(place)
        size += len(os.fsencode(place)) + 9
    if portion:
        yield portion


def write_archive(
    archive: BinaryIO, files: Iterable[tuple[str, str]], followed: frozenset[str], remark: Callable[[str], None]
) -> None:
    """A tar of local paths under their places in the container, all of them root's. Symbolic links are kept, but for those
    ``followed``. What vanished meanwhile is left out, and so are sockets and devices."""
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, target in files:
            try:
                _add(tar, path, posixpath.normpath(target).lstrip("/"), follow=path in followed)
            except FileNotFoundError:
                continue
            except OSError as error:
                remark(f"not copied: {path}: {error.strerror}")


def _add(tar: tarfile.TarFile, path: str, name: str, *, follow: bool) -> None:
    info = member(os.stat(path, follow_symlinks=follow), path, name)
    if info is None or info.ischr() or info.isblk():
        return
    if info.isreg():
        add_file(tar, info, path, follow=follow)
    else:
        tar.addfile(info)


def execute(engine: Engine, identity: str, hook: Hook, output: Callable[[str], None] | None = None) -> None:
    """Run a command in the container. Raises `OperationError` when it fails."""
    ident = engine.execs.create(identity, exec_body(hook))
    text = b""
    with engine.execs.start(ident, tty=False) as response:
        for _, data in demultiplex(response.blocks()):
            text += data
            if output is not None:
                output(data.decode("utf-8", "replace"))
    code = engine.execs.inspect(ident).get("ExitCode")
    if code != 0:
        raise OperationError(f"exit code {code}: {text.decode('utf-8', 'replace').strip()[-400:]}")
