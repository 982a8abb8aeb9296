"""The wire between engine, keeper and shim, and the client's promise that no request waits for ever."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest

from pycompose.engine.runtime import protocol, statusfile
from pycompose.engine.runtime.client import KeeperClient, Lost, RequestError, ShimClient, ShimLost
from pycompose.engine.runtime.loop import Loop

if TYPE_CHECKING:
    import socket
    from pathlib import Path


def test_messages_with_descriptors_and_of_any_size() -> None:
    ours, theirs = protocol.pair()
    with ours, theirs:
        reader, writer = os.pipe()
        for size in (1, 1_000_000):
            protocol.send(ours, {"text": "x" * size}, (writer,))
            received = protocol.receive(theirs)
            assert received is not None
            message, (copy,) = received
            assert message == {"text": "x" * size}
            os.write(copy, b"!")
            os.close(copy)
            assert os.read(reader, 1) == b"!"
        with pytest.raises(BlockingIOError):
            protocol.receive(theirs)
        ours.close()
        assert protocol.receive(theirs) is None
        os.close(reader)
        os.close(writer)


def test_socket_paths_may_be_long(tmp_path: Path) -> None:
    path = tmp_path / ("d" * 120) / "s.sock"
    path.parent.mkdir()
    for _ in range(2):
        with protocol.listen(str(path)) as listener:
            assert path.stat().st_mode & 0o777 == 0o600
            with protocol.connect(str(path)):
                accepted, _ = listener.accept()
                accepted.close()
    with pytest.raises(ConnectionRefusedError):
        protocol.connect(str(path))


def test_requests_fail_when_the_peer_dies() -> None:
    async def scenario() -> None:
        ours, theirs = protocol.pair()
        shim = ShimClient(ours)
        pending = [asyncio.ensure_future(shim.signal(15)), asyncio.ensure_future(shim.prepared())]
        await asyncio.sleep(0)
        theirs.close()
        for future in pending:
            with pytest.raises(ShimLost):
                await asyncio.wait_for(future, 5)
        with pytest.raises(ShimLost):
            await shim.start()
        assert [event async for event in shim.events()] == [Lost()]
        shim.close()

    asyncio.run(scenario())


def test_a_cancelled_request_does_not_keep_late_descriptors() -> None:
    async def scenario() -> None:
        ours, theirs = protocol.pair()
        with theirs:
            shim = ShimClient(ours)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(shim.open_stdin(), 0.05)
            request = protocol.receive(theirs)
            assert request is not None
            before = len(os.listdir("/proc/self/fd"))
            protocol.send(theirs, {"reply": request[0]["id"], "ok": None}, (0,))
            second = asyncio.ensure_future(shim.signal(9))
            await asyncio.sleep(0.05)
            request = protocol.receive(theirs)
            assert request is not None
            protocol.send(theirs, {"reply": request[0]["id"], "error": {"message": "no"}})
            with pytest.raises(RequestError, match="no"):
                await second
            assert len(os.listdir("/proc/self/fd")) == before
            shim.close()

    asyncio.run(scenario())


def test_a_peer_that_does_not_read_is_waited_for() -> None:
    async def drain(channel: socket.socket) -> None:
        count = 0
        while count < 3000:
            try:
                received = protocol.receive(channel)
            except BlockingIOError:
                await asyncio.sleep(0.001)
                continue
            assert received is not None
            while True:
                try:
                    protocol.send(channel, {"reply": received[0]["id"], "ok": None})
                    break
                except BlockingIOError:
                    await asyncio.sleep(0.001)
            count += 1

    async def scenario() -> None:
        ours, theirs = protocol.pair()
        with theirs:
            shim = ShimClient(ours)
            requests = [asyncio.ensure_future(shim.signal(1)) for _ in range(3000)]
            await asyncio.sleep(0.05)
            await asyncio.wait_for(drain(theirs), 30)
            await asyncio.wait_for(asyncio.gather(*requests), 30)
            shim.close()

    asyncio.run(scenario())


def test_keeper_client_knows_when_the_keeper_is_gone() -> None:
    async def scenario() -> None:
        ours, theirs = protocol.pair()
        keeper = KeeperClient(ours.detach())
        theirs.close()
        await asyncio.wait_for(keeper.closed.wait(), 5)
        with pytest.raises(ShimLost):
            await keeper.shutdown()

    asyncio.run(scenario())


def test_loop_timers_and_descriptors() -> None:
    loop = Loop()
    reader, writer = os.pipe()
    seen: list[str] = []

    def readable(_: int) -> None:
        seen.append(os.read(reader, 10).decode())
        loop.forget(reader)
        loop.after(0.01, loop.stop)

    loop.watch(reader, readable)
    loop.after(0.01, lambda: seen.append("cancelled")).cancel()
    loop.after(0.02, lambda: os.write(writer, b"late") and None)
    before = time.monotonic()
    loop.run()
    assert seen == ["late"]
    assert time.monotonic() - before < 5
    loop.close()
    os.close(reader)
    os.close(writer)


def test_status_files(tmp_path: Path) -> None:
    path = str(tmp_path / "status.json")
    assert statusfile.read(path) is None
    status = statusfile.created()
    statusfile.write(path, status)
    assert statusfile.read(path) == status
    assert statusfile.shim_is_alive(status)
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]
    # A shim by the same pid that started at another time is another process.
    status |= {"status": "running", "pid": os.getpid(), "pid_starttime": 1, "shim_starttime": 1}
    statusfile.write(path, status)
    buried = statusfile.bury(path, "")
    assert buried is not None
    assert (buried["status"], buried["exit_code"], buried["pid"]) == ("exited", None, None)
    (tmp_path / "status.json").write_text("{")
    assert statusfile.read(path) is None
