"""Overlap of reading, hashing and writing: an iterator run ahead on a thread, and digests computed beside the work.

hashlib and the decompressors release the interpreter's lock, so two cores are busy while the main thread writes files.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

_DEPTH = 8


class Ahead(Generic[T]):
    """An iterable consumed on a thread, ``depth`` items ahead. Errors of the source are raised at the same place.

    Leave the ``with`` block early and the thread ends at its next item.
    """

    def __init__(self, source: Iterable[T], depth: int = _DEPTH) -> None:
        self._source = source
        self._queue: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="images-ahead", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._items()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        while self._thread.is_alive():
            with suppress(queue.Empty):
                self._queue.get(timeout=0.05)  # unblocks a producer that waits for room
        self._thread.join()

    def _run(self) -> None:
        try:
            for item in self._source:
                self._queue.put((False, item))
                if self._stop.is_set():
                    return
        except BaseException as error:
            self._queue.put((True, error))  # carried to the consumer, raised there
        else:
            self._queue.put((True, None))

    def _items(self) -> Iterator[T]:
        while True:
            end, item = self._queue.get()
            if not end:
                yield item  # type: ignore[misc]
            elif isinstance(item, BaseException):
                raise item
            else:
                return


class Produced:
    """What a function writes (it takes a write callback), as chunks to iterate; the function runs on a thread.

    Leave the ``with`` block early and the function's next write raises BrokenPipeError inside it.
    """

    def __init__(self, produce: Callable[[Callable[[bytes | bytearray], None]], object]) -> None:
        self._produce = produce
        self._queue: queue.Queue[bytes | bytearray | BaseException | None] = queue.Queue(_DEPTH)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="images-produced", daemon=True)

    def __enter__(self) -> Iterator[bytes]:
        self._thread.start()
        return self._items()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        while self._thread.is_alive():
            with suppress(queue.Empty):
                self._queue.get(timeout=0.05)
        self._thread.join()

    def _write(self, data: bytes | bytearray) -> None:
        if self._stop.is_set():
            raise BrokenPipeError
        self._queue.put(data)

    def _run(self) -> None:
        try:
            self._produce(self._write)
        except BaseException as error:
            self._queue.put(error)  # carried to the consumer, raised there
        else:
            self._queue.put(None)

    def _items(self) -> Iterator[bytes]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item  # type: ignore[misc] # a bytearray nobody changes any more serves as bytes


class Digester:
    """SHA-256 on a thread of its own: ``update`` returns at once, ``hexdigest`` waits for the rest."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._queue: queue.Queue[bytes | bytearray | None] = queue.Queue(_DEPTH)
        self._thread = threading.Thread(target=self._run, name="images-digest", daemon=True)
        self._thread.start()
        self.size = 0

    def __enter__(self) -> Digester:
        return self

    def __exit__(self, *_: object) -> None:
        self._finish()

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            self._hash.update(data)

    def _finish(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def update(self, data: bytes | bytearray) -> None:
        """``data`` must not change afterwards."""
        self.size += len(data)
        self._queue.put(data)

    def tee(self, source: Iterable[bytes]) -> Iterator[bytes]:
        """The source's items, each digested in passing."""
        for data in source:
            self.update(data)
            yield data

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of all data; no update may follow."""
        self._finish()
        return f"sha256:{self._hash.hexdigest()}"
