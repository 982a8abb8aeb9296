"""Reading .deb files (deb(5)): the ar container, its control members and its data tar. Sources are verified before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import EngineError
from ..compression import CHUNK, decompress
from ..tarstream import REGULAR, TarReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

_MAGIC = b"!<arch>\n"
_HEADER = 60


def _members(file: BinaryIO, path: Path) -> Iterator[tuple[str, int]]:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise EngineError(f"{path.name}: not a Debian package")
    while header := file.read(_HEADER):
        if len(header) < _HEADER or header[58:] != b"`\n":
            raise EngineError(f"{path.name}: damaged Debian package")
        size = int(header[48:58])
        start = file.tell()
        yield header[:16].decode("ascii", "replace").strip().rstrip("/"), size
        file.seek(start + size + size % 2)


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size:
        data = file.read(min(CHUNK, size))
        if not data:
            raise EngineError("damaged Debian package: it ends too early")
        size -= len(data)
        yield data


def control(path: Path) -> dict[str, bytes]:
    """The control archive's files: control, conffiles, md5sums, preinst, postinst, triggers…"""
    with path.open("rb") as file:
        for name, size in _members(file, path):
            if name.startswith("control.tar"):
                reader = TarReader(decompress(_chunks(file, size)))
                files = {}
                for entry in reader:
                    base = entry.name.rstrip(b"/").rpartition(b"/")[2].decode("ascii", "replace")
                    if entry.type == REGULAR:
                        content = bytearray()
                        reader.payload(content.extend)
                        files[base] = bytes(content)
                return files
    raise EngineError(f"{path.name}: it has no control archive")


def data(path: Path) -> Iterator[bytes]:
    """The data archive, uncompressed, as chunks."""
    with path.open("rb") as file:
        for name, size in _members(file, path):
            if name.startswith("data.tar"):
                yield from decompress(_chunks(file, size))
                return
    raise EngineError(f"{path.name}: it has no data archive")
