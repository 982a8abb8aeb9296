"""Containers launched by runc under our shim. Needs runc on PATH."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest
from support.runtime_bench import bench, discard, exited, until

from pycompose.engine.containers.spec import seccomp
from pycompose.engine.runtime import defaults
from pycompose.engine.runtime.client import ExecSpec, LaunchError, ShimClient
from pycompose.engine.runtime.defaults import PATH

if TYPE_CHECKING:
    from pathlib import Path

RUNC = shutil.which("runc", path=f"{os.environ.get('PATH', '')}:{PATH}")

pytestmark = [pytest.mark.root, pytest.mark.peer, pytest.mark.skipif(RUNC is None, reason="runc is not installed")]


def test_output_exit_code_user_and_network(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            script = "id; echo $HOME; hostname; readlink /proc/self/ns/net; echo err >&2; exit 5"
            path = made.launch("a", "/bin/sh", "-c", script, runtime="runc", user="alice")
            shim = await client.fork_shim(path)
            prepared = await shim.prepared()
            assert prepared.netns_fd is not None
            network = os.readlink(f"/proc/self/fd/{prepared.netns_fd}")
            for round_ in range(2):
                started = await shim.start()
                assert started.restart_count == 0
                event = await exited(shim)
                assert (event.exit_code, event.error) == (5, "")
                lines = made.output("a").decode().splitlines()[5 * round_ :]
                assert lines[0].startswith("uid=1000(alice) gid=1000(alice)")
                assert lines[1:] == ["/home/alice", "a" * 12, network, "err"]
            await shim.release()

    asyncio.run(scenario())


def test_seccomp_profile_and_capabilities(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            script = "grep -E 'Seccomp:|CapEff' /proc/self/status"
            profile = seccomp.oci("default", list(defaults.CAPABILITIES))
            changes = {"runtime": "runc", "bundle__linux__seccomp": profile, "seccomp": None}
            code, output = await made.run(client, "a", "/bin/sh", "-c", script, **changes)
            assert (code, output) == (0, "CapEff:\t00000000a80425fb\nSeccomp:\t2\n")

    asyncio.run(scenario())


def test_stop_exec_and_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            script = "trap 'exit 3' TERM; echo ready; while true; do sleep 0.01; done"
            policy = {"name": "on-failure", "maximum_retry_count": 1}
            shim = await client.fork_shim(made.launch("a", "/bin/sh", "-c", script, runtime="runc", restart=policy))
            await shim.start()
            await until(lambda: made.output("a").count(b"ready") == 1)
            await shim.signal(signal.SIGTERM)
            await until(lambda: made.output("a").count(b"ready") == 2)
            await until(lambda: made.status("a")["status"] == "running")
            running = await shim.exec(ExecSpec(["hostname"], [f"PATH={PATH}"]))
            assert await running.wait() == 0
            for descriptor in (running.stdout, running.stderr):
                assert descriptor is not None
                descriptor.close()
            await shim.stop(signal.SIGTERM, 10)
            assert made.status("a")["exit_code"] == 3
            await shim.release()

    asyncio.run(scenario())


def test_terminal(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            path = made.launch(
                "a",
                "/bin/sh",
                "-c",
                "tty; read line; echo got $line",
                runtime="runc",
                bundle__process__terminal=True,
                stdin={"open": True, "once": False},
            )
            shim = await client.fork_shim(path)
            await shim.start()
            master = await shim.open_stdin()
            master.write(b"hello\r")
            assert (await exited(shim)).exit_code == 0
            master.close()
            assert made.output("a").decode().splitlines()[-1] == "got hello"
            await shim.release()

    asyncio.run(scenario())


def test_refusals(tmp_path: Path) -> None:
    async def refuse(shim: ShimClient) -> LaunchError:
        with pytest.raises(LaunchError) as caught:
            await shim.start()
        await discard(shim)
        return caught.value

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            error = await refuse(await client.fork_shim(made.launch("a", "nothing-here", runtime="runc")))
            assert error.exit_code == 127
            assert "executable file not found in $PATH" in error.message
            error = await refuse(await client.fork_shim(made.launch("b", "/bin/true", runtime="runc", init=True)))
            assert "init is not available" in error.message
            error = await refuse(await client.fork_shim(made.launch("c", "/bin/true", runtime="no-such-runtime")))
            assert "no-such-runtime" in error.message

    asyncio.run(scenario())
