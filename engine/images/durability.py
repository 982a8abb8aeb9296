"""When what was written is safe on disk: one sync of the file system per burst of work, behind it, never in its way.

A killed engine loses nothing the kernel already has; only a power cut does. So new layers and blobs are visible at once,
marked with this boot's id; a few seconds later, when the kernel has written most of it anyway, a thread syncs the file
system and takes the mark away. After a start in another boot, marked layers and blobs as young as the marker are checked
by digest, and what is damaged goes: whole or absent.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SLACK = 120.0
_DELAY = 5.0


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class Durability:
    """Syncs behind the work. ``sync`` is the effect (syncfs of the state directory), ``delay`` in seconds."""

    def __init__(self, marker: Path, sync: Callable[[], None], delay: float = _DELAY) -> None:
        self._delay = delay
        self._closing = threading.Event()
        self._marker = marker
        self._sync = sync
        self._boot = boot_id()
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], None] | None] = []
        self._writers = 0
        self._thread: threading.Thread | None = None

    def lost_since(self) -> float | None:
        """After a start: when the machine went down with unsynced work, the time from which files are in doubt."""
        try:
            marker = json.loads(self._marker.read_bytes())
            return None if marker["boot"] == self._boot else float(marker["since"]) - _SLACK
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return 0.0

    @property
    def pending(self) -> bool:
        """Whether an engine of this boot has left work that is not synced."""
        return self._marker.exists()

    def renew(self) -> None:
        """What was in doubt has been dealt with: from here on the marker stands for this boot's work."""
        with self._lock:
            self._mark()

    @contextmanager
    def writing(self, done: Callable[[], None] | None = None) -> Iterator[None]:
        """Around making something visible. The marker is on disk before; ``done`` is called once the rest is."""
        with self._lock:
            self._writers += 1
            if not self._marker.exists():
                self._mark()
        try:
            yield
        except BaseException:
            done = None
            raise
        finally:
            with self._lock:
                self._writers -= 1
                self._waiting.append(done)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="images-sync", daemon=True)
                    self._thread.start()

    def _mark(self) -> None:
        temporary = self._marker.with_suffix(".tmp")
        with temporary.open("w") as file:
            json.dump({"boot": self._boot, "since": time.time()}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._marker)

    def _run(self) -> None:
        while True:
            if self._closing.wait(self._delay):
                return
            with self._lock:
                waiting, self._waiting = self._waiting, []
                if not waiting:
                    if not self._writers:
                        self._marker.unlink(missing_ok=True)
                    self._thread = None
                    return
            self._sync()
            for done in waiting:
                if done is not None:
                    done()

    def close(self) -> None:
        """End. What is not synced yet keeps its marks, for the next engine to sync: a sync of a busy file system may take
        half a minute, and who stops an engine should not wait for other people's writes."""
        self._closing.set()
        thread = self._thread
        if thread is not None:
            thread.join()
