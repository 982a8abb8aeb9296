"""A container's log as its driver says: the files, what compresses those that are full, and what forwards to syslog.

It is opened at the first start and stays open over restarts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .logcompress import Compressor
from .logfile import LogWriter, limits
from .syslog import Forwarder

if TYPE_CHECKING:
    from .bundle import LogSpec
    from .loop import Loop


class ContainerLog:
    def __init__(self, loop: Loop, spec: LogSpec) -> None:
        self._loop = loop
        self._spec = spec
        self._writer: LogWriter | None = None
        self._compressor: Compressor | None = None
        self._forwarder: Forwarder | None = None

    def open(self) -> LogWriter:
        if self._writer is None:
            spec = self._spec
            size = limits(spec.driver, spec.max_size, spec.max_file)
            if spec.compress:
                self._compressor = Compressor(self._loop, spec.directory)
            rotated = self._compressor.add if self._compressor is not None else None
            self._writer = LogWriter(spec.directory, size.max_size, size.max_file, rotated)
            if spec.syslog is not None:
                self._forwarder = Forwarder(self._loop, spec.directory, spec.syslog)
        return self._writer

    def flush(self) -> None:
        """Forward what has been written."""
        if self._forwarder is not None:
            self._forwarder.flush()

    def close(self) -> None:
        for part in (self._writer, self._forwarder, self._compressor):
            if part is not None:
                part.close()
        self._writer = self._forwarder = self._compressor = None
