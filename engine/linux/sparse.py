"""Where a file has data and where it has holes."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 512
"""What st_blocks counts in."""


def has_holes(info: os.stat_result) -> bool:
    """Whether fewer blocks are allocated than the size asks for; such a file is worth a look at its extents."""
    return info.st_blocks * BLOCK < info.st_size


def extents(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """(offset, length) of each run of data in the first ``size`` bytes. Moves the file's position."""
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole from here on
                return
            raise
        if start >= size:
            return
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        yield start, end - start
