"""A build context as a tar stream: files in a stable order, without what `.dockerignore` leaves out."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING

from ...grammar.ignore import Ignore, PatternError, read_patterns
from ..errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import ReadableBuffer

    from ...grammar.ignore import Verdict

_BLOCK = 1024 * 1024


def ignore_patterns(directory: str, dockerfile: str) -> Ignore:
    """The patterns of ``<Dockerfile>.dockerignore``, else of ``.dockerignore``. Raises `OperationError`."""
    for name in (f"{dockerfile}.dockerignore", os.path.join(directory, ".dockerignore")):
        try:
            with open(os.path.join(directory, name), encoding="utf-8", errors="surrogateescape") as file:
                return Ignore(read_patterns(file.read()))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PatternError as error:
            raise OperationError(f"failed to read {os.path.join(directory, name)}: {error}") from None
        except OSError as error:
            raise OperationError(f"{error.filename}: {error.strerror}") from error
    return Ignore(())


def paths(directory: str, ignore: Ignore, keep: frozenset[str] = frozenset()) -> Iterator[str]:
    """Context paths in order, directories before their content; ``keep`` is never left out."""

    def walk(prefix: str, above: Verdict | None) -> Iterator[str]:
        try:
            names = sorted(os.listdir(os.path.join(directory, prefix)))
        except OSError as error:
            raise OperationError(f"build context {error.filename}: {error.strerror}") from error
        for name in names:
            path = f"{prefix}/{name}" if prefix else name
            verdict = ignore.check(path, above)
            out = verdict.ignored and path not in keep
            mode = os.lstat(os.path.join(directory, path)).st_mode
            if not out and not stat.S_ISSOCK(mode):
                yield path
            if not stat.S_ISDIR(mode):
                continue
            if not out or ignore.may_return(path) or any(one.startswith(f"{path}/") for one in keep):
                yield from walk(path, verdict)

    return walk("", None)


def tar_stream(directory: str, dockerfile: str, extra: dict[str, bytes]) -> Iterator[bytes]:
    """The context as tar blocks. ``extra`` adds files (an inline Dockerfile) that the directory does not have."""
    if not os.path.isdir(directory):
        raise OperationError(f"build context {directory} does not exist or is no directory")
    ignore = ignore_patterns(directory, dockerfile)
    keep = frozenset({os.path.normpath(dockerfile), ".dockerignore"})
    sink = TarSink()
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in paths(directory, ignore, keep):
            full = os.path.join(directory, path)
            info = tar.gettarinfo(full, arcname=path)
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            try:
                if info.isreg():
                    with open(full, "rb") as file:
                        tar.addfile(info, file)
                else:
                    tar.addfile(info)
            except OSError as error:
                raise OperationError(f"build context {full}: {error.strerror}") from error
            yield from sink.take()
        for name, content in extra.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o600
            tar.addfile(info, io.BytesIO(content))
    yield from sink.take(final=True)


class TarSink(io.RawIOBase):
    """A file that tarfile writes to and the stream is taken from."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = bytearray()

    def write(self, data: ReadableBuffer, /) -> int:
        block = memoryview(data)
        self._buffer += block
        return block.nbytes

    def take(self, *, final: bool = False) -> Iterator[bytes]:
        if len(self._buffer) >= _BLOCK or (final and self._buffer):
            data = bytes(self._buffer)
            self._buffer.clear()
            yield data
