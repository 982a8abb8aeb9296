from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel

from pycompose.engine.watchdog import LIMIT, MOST, Held, watched_loop


def watch(work: object) -> list[Held]:
    found: list[Held] = []
    anyio.run(work, backend_options={"loop_factory": partial(watched_loop, found.append)})
    return found


def test_who_holds_the_loop_is_told_once_with_the_stack() -> None:
    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name("GET /slow")
        hold_the_loop(LIMIT + 0.4)
        await anyio.sleep(0.01)

    (held,) = watch(work)
    assert held.task == "GET /slow"
    assert "in hold_the_loop" in held.stack
    assert LIMIT <= held.seconds < LIMIT + 0.3


def hold_the_loop(seconds: float) -> None:
    time.sleep(seconds)


def test_what_keeps_the_interpreter_to_itself_is_told_afterwards() -> None:
    async def work() -> None:
        sys.setswitchinterval(10)
        try:
            began = time.thread_time()
            while time.thread_time() - began < LIMIT + 0.1:
                pass
        finally:
            sys.setswitchinterval(0.005)

    (held,) = watch(work)
    assert "interpreter" in held.task


def test_many_short_turns_and_waiting_threads_hold_nobody() -> None:

    async def work() -> None:
        began = time.monotonic()
        while time.monotonic() - began < LIMIT * 2:
            await anyio.lowlevel.checkpoint()
        await anyio.to_thread.run_sync(time.sleep, LIMIT * 1.5)
        await anyio.sleep(LIMIT * 1.5)

    assert watch(work) == []


def test_an_idle_loop_has_an_idle_watchdog() -> None:
    async def work() -> None:
        await anyio.sleep(0.2)
        (native,) = [thread.native_id for thread in threading.enumerate() if thread.name == "watchdog"]
        status = Path(f"/proc/self/task/{native}/status")
        before = _switches(status)
        await anyio.sleep(1.0)
        assert _switches(status) - before <= 10

    assert watch(work) == []


def _switches(status: Path) -> int:
    return sum(int(line.split()[1]) for line in status.read_text().splitlines() if "ctxt_switches" in line)


def test_a_turn_takes_so_many_descriptors_and_keeps_nobody_out() -> None:
    """More than one turn takes are ready for ever, and read nothing: whoever else is ready comes to its turn all the same."""
    loop = watched_loop(lambda _: None)
    calls: list[list[int]] = [[]]
    quiet: set[int] = set()
    pairs = [socket.socketpair() for _ in range(4 * MOST)]
    busy, late = pairs[: 2 * MOST], pairs[2 * MOST :]

    def ready(index: int, end: socket.socket) -> None:
        if not calls[-1]:
            loop.call_soon(calls.append, [])
        calls[-1].append(index)
        if index >= len(busy):
            end.recv(1)
            quiet.add(index)
            if len(quiet) == len(late):
                loop.stop()

    try:
        for index, (end, other) in enumerate(pairs):
            end.setblocking(False)
            loop.add_reader(end, ready, index, end)
            other.send(b"x")
        loop.call_later(10, loop.stop)
        loop.run_forever()
        assert len(quiet) == len(late)
        assert max(map(len, calls)) <= MOST
        assert len(calls) < 20
    finally:
        for end, other in pairs:
            loop.remove_reader(end)
            end.close()
            other.close()
        loop.close()
