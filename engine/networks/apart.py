"""Bridges in a network namespace of their own, for an engine that may not make them in the host's (runtime/inner.py).

A thread that has entered the namespace does what the kernel is asked for; everybody else stays where they are.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..linux import namespace
from ..runtime import inner
from .kernel import Kernel
from .netlink import Netlink

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..layout import Layout

T = TypeVar("T")


class Resident:
    """A thread that lives in the network namespace behind ``handle``, which it takes over."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._thread = ThreadPoolExecutor(1, "inner-network", self._enter)

    def _enter(self) -> None:
        namespace.setns(self._handle, namespace.CLONE_NEWNET, "network namespace of the engine")

    def call(self, action: Callable[[], T]) -> T:
        """The result of ``action``, or its exception."""
        return self._thread.submit(action).result()


class _Living:
    """Stands for an object whose methods run on a resident's thread."""

    def __init__(self, target: object, resident: Resident) -> None:
        self._target = target
        self._resident = resident

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found):
            return found

        @wraps(found)
        def call(*arguments: Any, **options: Any) -> Any:
            return self._resident.call(lambda: found(*arguments, **options))

        return call


def living(target: T, resident: Resident) -> T:
    """``target`` as seen from here; attributes that are no methods are its own."""
    return cast("T", _Living(target, resident))


def kernel(layout: Layout) -> Kernel:
    """The engine's part in the kernel: in the host's network namespace, or in its own where it has one."""
    handle = inner.open_existing(layout)
    if handle is None:
        return Kernel(layout.instance)
    return living(Kernel(layout.instance, Netlink()), Resident(handle))
