"""Work inside a container's network namespace without forking: a thread of its own joins it, does the work and ends.

/proc/sys/net shows the namespace of the thread that looks, so sysctls are written there too. A thread that changed its
namespace is never used again.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, TypeVar

from ..errors import EngineError
from ..linux import namespace, threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


def inside(netns_fd: int, action: Callable[[], T]) -> T:
    """``action()`` as seen from the network namespace ``netns_fd``; its result or its exception."""
    results: list[T] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            namespace.setns(netns_fd, namespace.CLONE_NEWNET, "network namespace of the container")
            results.append(action())
        except BaseException as error:  # handed to the caller, whatever it is
            failures.append(error)
        finally:
            done.set()

    threads.begin(work)
    done.wait()
    if failures:
        raise failures[0]
    return results[0]


def write_sysctl(name: str, value: str) -> None:
    """Write one setting below /proc/sys, ``name`` as a path; EngineError naming it when the kernel refuses."""
    try:
        fd = os.open(f"/proc/sys/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise EngineError(f"set sysctl {name.replace('/', '.')} to {value}: {error.strerror}") from error


def write_sysctls(settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        write_sysctl(name, value)
