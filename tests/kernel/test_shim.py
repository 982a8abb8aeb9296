"""What a shim does for its container: streams, signals, restarts, exec, adoption; and what its death means."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest
from support.runtime_bench import Bench, bench, discard, exited, until

from pycompose.engine.linux import cgroups, process
from pycompose.engine.runtime import statusfile
from pycompose.engine.runtime.client import ExecSpec, Exited, LaunchError, Lost, ShimClient, ShimLost, Started
from pycompose.engine.runtime.defaults import PATH
from pycompose.engine.runtime.restart import Policy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from pycompose.engine.runtime.client import ExecProcess, KeeperClient
    from pycompose.engine.runtime.loopfd import LoopFd

pytestmark = pytest.mark.root

ENVIRONMENT = [f"PATH={PATH}"]


def scenario(root: Path, steps: Callable[[Bench, KeeperClient], Awaitable[None]]) -> None:
    """Run ``steps`` on a bench, with an end to all waiting, and assert that nothing is left."""

    async def main() -> None:
        async with bench(root) as (made, client), asyncio.timeout(60):
            await steps(made, client)

    asyncio.run(main())


async def read_all(descriptor: LoopFd) -> bytes:
    """Everything up to the end of file (or of the terminal)."""

    def read() -> bytes:
        chunks: list[bytes] = []
        while True:
            try:
                chunk = descriptor.read(65536)
            except BlockingIOError:
                time.sleep(0.002)
                continue
            except OSError:
                chunk = b""
            if not chunk:
                return b"".join(chunks)
            chunks.append(chunk)

    return await asyncio.to_thread(read)


async def finish(process: ExecProcess) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of an exec without a terminal; closes its descriptors."""
    assert process.stdout is not None
    assert process.stderr is not None
    out, err, code = await asyncio.gather(read_all(process.stdout), read_all(process.stderr), process.wait())
    for descriptor in (process.stdin, process.stdout, process.stderr):
        if descriptor is not None:
            descriptor.close()
    return code, out, err


# -- streams ---------------------------------------------------------------------------------------------------------


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        code, output = await made.run(client, "a", "/bin/sh", "-c", "echo out; sleep 0.05; echo err >&2; printf end")
        assert (code, output) == (0, "out\nerr\nend")

    scenario(tmp_path / "root", steps)


def test_much_output_is_complete(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        _, output = await made.run(client, "a", "/bin/sh", "-c", "head -c 50000000 /dev/zero; echo end")
        assert len(output) == 50_000_004

    scenario(tmp_path / "root", steps)


def test_stdin_pipe(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        shim = await client.fork_shim(made.launch("a", "/bin/cat", stdin={"open": True, "once": True}))
        await shim.start()
        stdin = await shim.open_stdin()
        stdin.write(b"hello\n")
        await until(lambda: made.output("a") == b"hello\n")
        stdin.close()
        await shim.close_stdin()
        assert (await exited(shim)).exit_code == 0
        await shim.release()

    scenario(tmp_path / "root", steps)


def test_terminal(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        script = "stty size; tty; ls -l /dev/console | cut -c1; read line; echo got $line; stty size; exit 5"
        shim = await client.fork_shim(
            made.launch(
                "a", "/bin/sh", "-c", script, stdin={"open": True, "once": False}, bundle__process__terminal=True
            )
        )
        await shim.resize(33, 101)
        await shim.start()
        await until(lambda: made.output("a").count(b"\n") >= 3)
        master = await shim.open_stdin()
        await shim.resize(40, 120)
        master.write(b"line\r")
        event = await exited(shim)
        assert event.exit_code == 5
        master.close()
        assert made.output("a").decode().splitlines() == ["33 101", "/dev/pts/0", "c", "line", "got line", "40 120"]
        await shim.release()

    scenario(tmp_path / "root", steps)


def test_control_c_at_the_terminal(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        script = "trap 'echo interrupted; exit 9' INT; echo ready; while true; do sleep 0.05; done"
        shim = await client.fork_shim(
            made.launch(
                "a", "/bin/sh", "-c", script, stdin={"open": True, "once": False}, bundle__process__terminal=True
            )
        )
        await shim.start()
        await until(lambda: b"ready" in made.output("a"))
        master = await shim.open_stdin()
        master.write(b"\x03")
        assert (await exited(shim)).exit_code == 9
        master.close()
        await shim.release()

    scenario(tmp_path / "root", steps)


# -- stop and restart ------------------------------------------------------------------------------------------------


def test_stop_with_grace(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        script = "trap 'exit 3' TERM; echo ready; while true; do sleep 0.01; done"
        polite = await client.fork_shim(made.launch("a", "/bin/sh", "-c", script))
        stubborn = await client.fork_shim(made.launch("b", "/bin/sh", "-c", "trap '' TERM; echo ready; sleep 1000"))
        for shim, letter in ((polite, "a"), (stubborn, "b")):
            await shim.start()
            await until(lambda letter=letter: b"ready" in made.output(letter))  # type: ignore[misc]
        before = time.monotonic()
        await polite.stop(signal.SIGTERM, 10)
        assert time.monotonic() - before < 3
        assert (await exited(polite)).exit_code == 3
        assert made.status("a")["status"] == "exited"
        before = time.monotonic()
        await stubborn.stop(signal.SIGTERM, 0.3)
        assert 0.3 <= time.monotonic() - before < 3
        event = await exited(stubborn)
        assert (event.exit_code, event.manual) == (137, True)
        await asyncio.gather(polite.release(), stubborn.release())

    scenario(tmp_path / "root", steps)


def test_stop_of_a_frozen_container(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
        await shim.start()
        cgroups.at(f"/pycompose-{made.layout.instance}/{made.id('a')}").freeze()
        await shim.stop(signal.SIGTERM, 0.1)
        assert made.status("a")["exit_code"] == 137
        await shim.release()

    scenario(tmp_path / "root", steps)


def test_start_again_keeps_the_network_namespace(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        path = made.launch("a", "/bin/readlink", "/proc/self/ns/net")
        shim = await client.fork_shim(path)
        prepared = await shim.prepared()
        await shim.start()
        await exited(shim)
        first = made.output("a").decode().strip()
        assert prepared.netns_fd is not None
        assert first == os.readlink(f"/proc/self/fd/{prepared.netns_fd}")
        made.launch("a", "/bin/sh", "-c", "readlink /proc/self/ns/net; exit 4")
        started = await shim.start()
        assert started.restart_count == 0
        assert (await exited(shim)).exit_code == 4
        assert made.output("a").decode().split() == [first, first]
        await shim.release()

    scenario(tmp_path / "root", steps)


def test_restart_on_failure_with_back_off(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        policy = {"name": "on-failure", "maximum_retry_count": 3}
        path = made.launch("a", "/bin/sh", "-c", "echo run; exit 1", restart=policy)
        shim = await client.fork_shim(path)
        await shim.start()
        delays = []
        async for event in shim.events():
            if isinstance(event, Exited):
                delays.append(event.delay)
                if not event.restarting:
                    break
        assert delays == [0.1, 0.2, 0.4, 0.0]
        assert made.output("a") == b"run\n" * 4
        assert made.status("a")["restart_count"] == 3
        assert made.status("a")["exit_code"] == 1
        await shim.release()

    scenario(tmp_path / "root", steps)


def test_a_kill_between_two_runs_ends_restarting(tmp_path: Path) -> None:
    """The program may end by itself a moment before: what was asked for holds, whoever was faster."""

    async def steps(made: Bench, client: KeeperClient) -> None:
        shim = await client.fork_shim(made.launch("a", "/bin/false", restart={"name": "always"}))
        await shim.start()
        await until(lambda: made.status("a")["status"] == "restarting" and made.status("a")["restart_count"] >= 3)
        await shim.kill()
        await until(lambda: made.status("a")["status"] == "exited")
        assert made.status("a")["manual"]
        await shim.release()

    scenario(tmp_path / "root", steps)


def test_a_manual_stop_ends_restarting(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        shim = await client.fork_shim(made.launch("a", "/bin/false", restart={"name": "always"}))
        await shim.start()
        await until(lambda: made.status("a")["status"] == "restarting" and made.status("a")["restart_count"] >= 2)
        await shim.stop(signal.SIGTERM, 5)
        assert made.status("a")["status"] == "exited"
        event = await exited(shim)
        assert event.manual
        await shim.release()

    scenario(tmp_path / "root", steps)


def test_kill_forbids_and_signal_does_not(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000", restart={"name": "always"}))
        await shim.start()
        await shim.signal(signal.SIGKILL)
        events = shim.events()
        seen = [await anext(events) for _ in range(3)]
        assert isinstance(seen[1], Exited)
        assert (seen[1].exit_code, seen[1].restarting) == (137, True)
        assert isinstance(seen[2], Started)
        assert seen[2].restart_count == 1
        await shim.kill(signal.SIGKILL)
        last = await anext(events)
        assert isinstance(last, Exited)
        assert not last.restarting
        await shim.set_restart(Policy("no"))
        await shim.release()

    scenario(tmp_path / "root", steps)


# -- exec ------------------------------------------------------------------------------------------------------------


def test_exec(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
        started = await shim.start()
        script = "id; hostname; grep -E 'CapEff|CapBnd' /proc/self/status; echo $HOME; pwd; echo err >&2; cat; exit 6"
        spec = ExecSpec(["sh", "-c", script], ENVIRONMENT, cwd="/tmp", user="alice", stdin=True)
        running = await shim.exec(spec)
        assert process.start_time(running.pid) == running.pid_starttime
        assert running.stdin is not None
        running.stdin.write(b"input\n")
        running.stdin.close()
        running.stdin = None
        code, out, err = await finish(running)
        assert (code, err) == (6, b"err\n")
        assert out.decode().splitlines() == [
            "uid=1000(alice) gid=1000(alice) groups=29(audio),1000(alice)",
            "a" * 12,
            "CapEff:\t0000000000000000",
            "CapBnd:\t00000000a80425fb",
            "/home/alice",
            "/tmp",
            "input",
        ]
        script = "for n in mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$n; done; cat /proc/self/cgroup"
        code, out, err = await finish(await shim.exec(ExecSpec(["/bin/sh", "-c", script], ENVIRONMENT)))
        lines = out.decode().split()
        assert lines[:6] == [
            os.readlink(f"/proc/{started.pid}/ns/{name}") for name in ("mnt", "pid", "net", "ipc", "uts", "cgroup")
        ]
        assert all(line.endswith(":/") for line in lines[6:])
        await discard(shim)

    scenario(tmp_path / "root", steps)


def test_exec_with_a_terminal(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
        await shim.start()
        spec = ExecSpec(["sh", "-c", "tty; stty size; exit 2"], ENVIRONMENT, terminal=True, rows=20, columns=70)
        running = await shim.exec(spec)
        assert running.terminal is not None
        output = await read_all(running.terminal)
        assert output.decode().split() == ["/dev/pts/0", "20", "70"]
        assert await running.wait() == 2
        running.resize(1, 2)
        running.terminal.close()
        await discard(shim)

    scenario(tmp_path / "root", steps)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["nothing"], 127, 'exec: "nothing": executable file not found in $PATH'),
        (["/etc/passwd"], 126, 'exec: "/etc/passwd": permission denied'),
    ],
)
def test_exec_of_what_cannot_be_executed(tmp_path: Path, args: list[str], code: int, message: str) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
        await shim.start()
        with pytest.raises(LaunchError) as caught:
            await shim.exec(ExecSpec(args, ENVIRONMENT))
        assert (caught.value.exit_code, caught.value.message) == (code, message)
        with pytest.raises(LaunchError, match="chdir"):
            await shim.exec(ExecSpec(["true"], ENVIRONMENT, cwd="/nowhere"))
        await discard(shim)

    scenario(tmp_path / "root", steps)


def test_privileged_exec_and_large_environment(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
        await shim.start()
        every = {kind: ["CAP_SYS_ADMIN"] for kind in ("bounding", "effective", "permitted")}
        large = [*ENVIRONMENT, f"LARGE={'x' * 120_000}"]
        spec = ExecSpec(["sh", "-c", "grep CapEff /proc/self/status; echo ${#LARGE}"], large, privileged=True)
        code, out, _ = await finish(await shim.exec(ExecSpec(spec.args, spec.env, privileged=True, capabilities=every)))
        assert (code, out) == (0, b"CapEff:\t0000000000200000\n120000\n")
        await discard(shim)

    scenario(tmp_path / "root", steps)


def test_exec_ends_with_its_container(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
        await shim.start()
        running = await shim.exec(ExecSpec(["sleep", "1000"], ENVIRONMENT))
        await shim.stop(signal.SIGKILL, None)
        assert (await finish(running))[0] == 137
        await shim.release()

    scenario(tmp_path / "root", steps)


# -- without an engine -----------------------------------------------------------------------------------------------


def test_adoption(tmp_path: Path) -> None:
    """The engine dies; the container goes on, restarts and writes; a new engine takes over."""

    async def steps(made: Bench, client: KeeperClient) -> None:
        control = made.layout.container_run(made.id("a")) / "shim.sock"
        script = "echo run; sleep 0.3; exit 1"
        path = made.launch("a", "/bin/sh", "-c", script, restart={"name": "on-failure", "maximum_retry_count": 1})
        shim = await client.fork_shim(path)
        prepared = await shim.prepared()
        assert prepared.netns_fd is not None
        namespace = os.readlink(f"/proc/self/fd/{prepared.netns_fd}")
        await shim.start()
        shim.close()
        await until(lambda: made.status("a")["status"] == "exited")
        assert made.output("a") == b"run\nrun\n"
        adopted = await ShimClient.connect(control)
        again = await adopted.prepared()
        assert (again.state.status, again.state.exit_code, again.state.restart_count) == ("exited", 1, 1)
        assert again.netns_fd is not None
        assert os.readlink(f"/proc/self/fd/{again.netns_fd}") == namespace
        newer = await ShimClient.connect(control)
        await newer.prepared()
        await adopted.closed.wait()
        with pytest.raises(ShimLost):
            await adopted.signal(15)
        adopted.close()
        await newer.release()
        with pytest.raises(ShimLost):
            await ShimClient.connect(control)

    scenario(tmp_path / "root", steps)


def test_a_shim_that_nobody_starts_goes_with_its_engine(tmp_path: Path) -> None:
    """The engine was killed between the fork and the start; the next one may look before there is a status file."""

    async def steps(made: Bench, client: KeeperClient) -> None:
        shim = await client.fork_shim(made.launch("a", "/bin/sleep", "100"))
        facts = (await shim.prepared()).state
        pidfd = os.pidfd_open(facts.shim_pid)
        shim.close()
        await until(lambda: bool(select.select([pidfd], [], [], 0)[0]))
        os.close(pidfd)

    scenario(tmp_path / "root", steps)


def test_a_killed_keeper_harms_nothing(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
        started = await shim.start()
        assert made.keeper is not None
        made.keeper.kill()
        made.keeper.wait()
        await client.closed.wait()
        with pytest.raises(ShimLost):
            await client.fork_shim(made.launch("b", "/bin/true"))
        assert process.is_alive(started.pid, started.pid_starttime)
        code, out, _ = await finish(await shim.exec(ExecSpec(["echo", "alive"], ENVIRONMENT)))
        assert (code, out) == (0, b"alive\n")
        await discard(shim)

    scenario(tmp_path / "root", steps)


@pytest.mark.parametrize("user", ["", "alice"])
def test_a_killed_shim_takes_its_container_along(tmp_path: Path, user: str) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        other = await client.fork_shim(made.launch("b", "/bin/sleep", "1000"))
        other_started = await other.start()
        shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000", user=user))
        started = await shim.start()
        running = await shim.exec(ExecSpec(["sleep", "1000"], ENVIRONMENT))
        stopping = asyncio.ensure_future(shim.stop(signal.SIGCONT, 30))
        await asyncio.sleep(0.05)
        assert shim.pid is not None
        os.kill(shim.pid, signal.SIGKILL)
        with pytest.raises(ShimLost):
            await stopping
        with pytest.raises(ShimLost):
            await running.wait()
        for descriptor in (running.stdout, running.stderr):
            assert descriptor is not None
            descriptor.close()
        assert [type(event) async for event in shim.events()] == [Started, Lost]
        await until(lambda: not process.is_alive(started.pid, started.pid_starttime))
        await until(lambda: made.status("a")["status"] == "exited")
        assert made.status("a")["exit_code"] is None
        assert "not known" in made.status("a")["error"]
        assert process.is_alive(other_started.pid, other_started.pid_starttime)
        shim.close()
        await discard(other)

    scenario(tmp_path / "root", steps)


def test_a_program_that_changed_its_user_does_not_outlive_the_shim(tmp_path: Path) -> None:
    """A change of user revokes the kernel's death signal; the keeper makes up for it."""

    async def steps(made: Bench, client: KeeperClient) -> None:
        script = "exec su alice -s /bin/sh -c 'exec sleep 1000'"
        shim = await client.fork_shim(made.launch("a", "/bin/sh", "-c", script))
        started = await shim.start()
        await until(lambda: os.stat(f"/proc/{started.pid}").st_uid == 1000)
        assert shim.pid is not None
        os.kill(shim.pid, signal.SIGKILL)
        await until(lambda: not process.is_alive(started.pid, started.pid_starttime))
        await until(lambda: made.status("a")["status"] == "exited")
        shim.close()

    scenario(tmp_path / "root", steps)


def test_burial_after_keeper_and_shim_are_gone(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
        started = await shim.start()
        path = str(made.layout.container_state(made.id("a")) / "status.json")
        cgroup = f"/pycompose-{made.layout.instance}/{made.id('a')}"
        with pytest.raises(ValueError, match="alive"):
            statusfile.bury(path, cgroup)
        assert made.keeper is not None
        assert shim.pid is not None
        made.keeper.kill()
        made.keeper.wait()
        os.kill(shim.pid, signal.SIGKILL)
        await shim.closed.wait()
        await until(lambda: not process.is_alive(started.pid, started.pid_starttime))
        for _ in range(2):
            status = statusfile.bury(path, cgroup)
            assert status is not None
            assert (status["status"], status["exit_code"]) == ("exited", None)
        shim.close()

    scenario(tmp_path / "root", steps)


def test_sigterm_stops_the_container(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        script = "trap 'exit 0' TERM; echo ready; while true; do sleep 0.01; done"
        shim = await client.fork_shim(made.launch("a", "/bin/sh", "-c", script, restart={"name": "always"}))
        await shim.start()
        await until(lambda: b"ready" in made.output("a"))
        assert shim.pid is not None
        os.kill(shim.pid, signal.SIGTERM)
        await shim.closed.wait()
        assert made.status("a")["status"] == "exited"
        assert made.status("a")["exit_code"] == 0
        assert not made.status("a")["manual"], "nobody asked for it: unless-stopped has to start it after the boot"
        shim.close()

    scenario(tmp_path / "root", steps)


def test_sigterm_calls_a_pending_restart_off(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        policy = {"name": "unless-stopped", "delay": 1000}
        shim = await client.fork_shim(made.launch("a", "/bin/sh", "-c", "exit 3", restart=policy))
        await shim.start()
        await until(lambda: made.status("a")["status"] == "restarting")
        assert shim.pid is not None
        os.kill(shim.pid, signal.SIGTERM)
        await shim.closed.wait()
        status = made.status("a")
        assert (status["status"], status["exit_code"], status["manual"]) == ("exited", 3, False)
        shim.close()

    scenario(tmp_path / "root", steps)


# -- network ---------------------------------------------------------------------------------------------------------


def test_the_netlink_socket_acts_in_the_namespace(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
        prepared = await shim.prepared()
        assert prepared.rtnl_fd is not None
        with socket.socket(fileno=os.dup(prepared.rtnl_fd)) as netlink:
            assert (netlink.family, netlink.type, netlink.proto) == (socket.AF_NETLINK, socket.SOCK_DGRAM, 0)
        await discard(shim)

    scenario(tmp_path / "root", steps)


def test_names_are_served_without_an_engine(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        zone = tmp_path / "zone.json"
        zone.write_text(json.dumps({"network": "n", "name": "net", "names": {"db": ["10.1.2.3"]}, "reverse": {}}))
        resolver = tmp_path / "resolver.json"
        resolver.write_text(
            json.dumps({"networks": [str(zone)], "names": {}, "servers": [], "search": [], "options": []})
        )
        (made.layer / "etc/resolv.conf").write_text("nameserver 127.0.0.11\n")
        path = made.launch("a", "/bin/sh", "-c", "sleep 0.1; nslookup db 127.0.0.11", resolver=str(resolver))
        shim = await client.fork_shim(path)
        await shim.start()
        shim.close()
        await until(lambda: made.status("a")["status"] == "exited")
        assert b"10.1.2.3" in made.output("a")
        adopted = await ShimClient.connect(made.layout.container_run(made.id("a")) / "shim.sock")
        await adopted.release()

    scenario(tmp_path / "root", steps)


def test_held_sockets_live_until_the_release(tmp_path: Path) -> None:
    async def steps(made: Bench, client: KeeperClient) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            address = listener.getsockname()
            shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"), [listener.fileno()] * 300)
        await shim.start()
        with socket.socket() as other:
            with pytest.raises(OSError, match="in use"):
                other.bind(address)
            await discard(shim)
            await asyncio.sleep(0.05)
            other.bind(address)

    scenario(tmp_path / "root", steps)
