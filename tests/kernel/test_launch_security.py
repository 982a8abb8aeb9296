"""What a hostile image or program must not achieve, and that we are no laxer than dockerd."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.runtime_bench import bench, discard, exited, until

from pycompose.engine.containers.spec import seccomp
from pycompose.engine.layout import Layout
from pycompose.engine.linux import mount, namespace, process
from pycompose.engine.runtime import defaults
from pycompose.engine.runtime.client import ExecSpec, LaunchError, ShimClient

pytestmark = pytest.mark.root

ENVIRONMENT = [f"PATH={defaults.PATH}"]


def run(root: Path, script: str, **changes: Any) -> str:
    """Output of a shell script in a container of its own."""

    async def scenario() -> str:
        async with bench(root) as (made, client):
            return (await made.run(client, "a", "/bin/sh", "-c", script, **changes))[1]

    return asyncio.run(scenario())


def filter_for(tmp_path: Path) -> str:
    """The default profile, compiled for Docker's default capabilities."""
    return str(seccomp.program(Layout.for_root(tmp_path / "cache"), "default", list(defaults.CAPABILITIES)))


@pytest.mark.parametrize("user", ["", "alice"])
@pytest.mark.parametrize("no_new_privileges", [False, True])
def test_seccomp_is_loaded(tmp_path: Path, user: str, no_new_privileges: bool) -> None:
    output = run(
        tmp_path / "root",
        "grep Seccomp: /proc/self/status; grep NoNew /proc/self/status; unshare -m true; unshare -U true; echo end",
        seccomp=filter_for(tmp_path),
        user=user,
        bundle__process__noNewPrivileges=no_new_privileges,
    )
    assert "Seccomp:\t2" in output
    assert f"NoNewPrivs:\t{int(no_new_privileges)}" in output
    assert output.count("Operation not permitted") == 2
    assert "end\n" in output


def test_seccomp_holds_for_exec_and_init(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            program = filter_for(tmp_path)
            shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000", seccomp=program, init=True))
            started = await shim.start()
            running = await shim.exec(ExecSpec(["sh", "-c", "grep -h Seccomp: /proc/*/status"], ENVIRONMENT))
            assert running.stdout is not None
            assert running.stderr is not None
            assert await running.wait() == 0
            assert set(running.stdout.read(4096).split(b"\n")) == {b"Seccomp:\t2", b""}
            running.stdout.close()
            running.stderr.close()
            init = await asyncio.to_thread(Path(f"/proc/{started.pid}/status").read_text)
            assert "CapBnd:\t00000000a80425fb" in init
            assert "CapEff:\t00000000a80425fb" in init
            await discard(shim)

    asyncio.run(scenario())


def test_the_working_directory_cannot_be_outside(tmp_path: Path) -> None:
    """CVE-2024-21626: a descriptor of the host as working directory."""

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            for number in range(3, 20):
                shim = await client.fork_shim(
                    made.launch("a", "/bin/pwd", bundle__process__cwd=f"/proc/self/fd/{number}")
                )
                try:
                    await shim.start()
                except LaunchError:
                    await shim.release()
                    continue
                await exited(shim)
                await discard(shim)
                assert made.output("a").decode().splitlines()[-1].startswith("/")
                assert not made.output("a").decode().splitlines()[-1].startswith(str(tmp_path))

    asyncio.run(scenario())


def test_exec_is_invisible_to_the_container_until_it_is_harmless(tmp_path: Path) -> None:
    """CVE-2019-5736: a program of the container that waits for somebody to enter, and opens what it can of them."""
    watcher = """
    while true; do
      for p in /proc/[0-9]*; do
        case ${p#/proc/} in 1|$$) continue ;; esac
        readlink $p/exe | grep -v busybox
        readlink $p/cwd | grep -v '^/$'
        for f in $p/fd/*; do readlink $f | grep -vE '^(pipe:|/dev/null|/proc|socket:|$)'; done
      done
    done 2>/dev/null
    """

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            shim = await client.fork_shim(made.launch("a", "/bin/sh", "-c", watcher))
            await shim.start()
            for _ in range(30):
                running = await shim.exec(ExecSpec(["true"], ENVIRONMENT))
                assert await running.wait() == 0
                for descriptor in (running.stdout, running.stderr):
                    assert descriptor is not None
                    descriptor.close()
            await discard(shim)
            assert made.output("a") == b""

    asyncio.run(scenario())


def test_passwd_may_be_a_trap(tmp_path: Path) -> None:
    """A pipe in the place of /etc/passwd must not block the launch, a link must not lead out."""

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            passwd = made.layer / "etc/passwd"
            passwd.unlink()
            os.mkfifo(passwd)
            script = "grep Uid /proc/self/status"
            assert await made.run(client, "a", "/bin/sh", "-c", script, user="5") == (0, "Uid:\t5\t5\t5\t5\n")
            passwd.unlink()
            passwd.symlink_to("/../../../../../../../../../etc/passwd")
            shim = await client.fork_shim(made.launch("b", "/bin/true", user="root"))
            with pytest.raises(LaunchError, match="unable to find user root"):
                await shim.start()
            await shim.release()

    asyncio.run(scenario())


def test_keys_of_the_host_are_not_inherited(tmp_path: Path) -> None:
    output = run(tmp_path / "root", "cat /proc/self/status >/dev/null; cat /proc/key-users | wc -l; cat /proc/keys")
    assert len(output.splitlines()) == 1


def test_mounts_made_after_the_keeper_are_seen(tmp_path: Path) -> None:
    """The keeper has a mount namespace of its own; a bind source is looked up in the user's."""
    point = tmp_path / "late"
    point.mkdir()

    async def scenario() -> str:
        async with bench(tmp_path / "root") as (made, client):
            filesystem = mount.new_filesystem("tmpfs", ["size=64k"])
            target = os.open(point, os.O_PATH)
            mount.move_mount(filesystem, target, str(point))
            os.close(target)
            os.close(filesystem)
            try:
                (point / "file").write_text("late\n")
                entry = {"destination": "/m", "type": "bind", "source": str(point), "options": ["rbind", "ro"]}
                mounts = [*defaults.mounts(), entry]
                script = "cat /m/file; touch /m/x 2>/dev/null || echo refused"
                return (await made.run(client, "a", "/bin/sh", "-c", script, bundle__mounts=mounts))[1]
            finally:
                mount.umount(str(point))

    assert asyncio.run(scenario()) == "late\nrefused\n"


@pytest.mark.parametrize(("propagation", "seen"), [("rprivate", False), ("rslave", True)])
def test_propagation_into_the_container(tmp_path: Path, propagation: str, seen: bool) -> None:
    """A mount made on the host under a shared bind source shows up, or not, as asked."""

    base = tmp_path / "base"
    (base / "sub").mkdir(parents=True)

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            entry = {"destination": "/m", "type": "bind", "source": str(base), "options": ["rbind", propagation]}
            script = "while [ ! -e /m/go ]; do sleep 0.01; done; cat /m/sub/file 2>/dev/null; echo end"
            path = made.launch("a", "/bin/sh", "-c", script, bundle__mounts=[*defaults.mounts(), entry])
            shim = await client.fork_shim(path)
            await shim.start()
            await asyncio.to_thread(mount_command, "-t", "tmpfs", "tmpfs", str(base / "sub"))
            (base / "sub/file").write_text("propagated\n")
            (base / "go").touch()
            await exited(shim)
            await shim.release()
            assert made.output("a").decode() == ("propagated\nend\n" if seen else "end\n")

    mount_command("--bind", str(base), str(base))
    try:
        mount_command("--make-shared", str(base))
        asyncio.run(scenario())
    finally:
        subprocess.run(["umount", "-R", str(base)], check=True)


def mount_command(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def test_killed_while_launching(tmp_path: Path) -> None:
    """kill -9 of the shim right after each request leaves nothing, whatever it was doing."""

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            for number in range(12):
                letter = "abcdefghijkl"[number]
                shim = await client.fork_shim(made.launch(letter, "/bin/sleep", "1000"))
                await shim.prepared()
                starting = asyncio.ensure_future(shim.start())
                await asyncio.sleep(number * 0.001)
                assert shim.pid is not None
                os.kill(shim.pid, 9)
                await asyncio.gather(starting, return_exceptions=True)
                await shim.closed.wait()
                shim.close()
            await until(lambda: not any(entry.startswith("cgroup") for entry in made.leftovers()))

    asyncio.run(scenario())


def test_a_killed_client_leaves_containers_to_the_next(tmp_path: Path) -> None:
    """The engine goes away in the middle of things: prepared only, started, restarting."""

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            prepared = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
            await prepared.prepared()
            started = await client.fork_shim(made.launch("b", "/bin/sleep", "1000"))
            await started.start()
            restarting = await client.fork_shim(made.launch("c", "/bin/false", restart={"name": "always"}))
            await restarting.start()
            await until(lambda: made.status("c")["restart_count"] >= 1)
            client.close()
            for shim in (prepared, started, restarting):
                shim.close()
            # One that nobody has asked to start goes with its engine: the next may not know of it, and would start another.
            unused = made.layout.container_run(made.id("a")) / "shim.sock"
            await until(lambda: not unused.exists())
            for letter in "bc":
                shim = await ShimClient.connect(made.layout.container_run(made.id(letter)) / "shim.sock")
                state = (await shim.prepared()).state
                expected = {"b": ("running",), "c": ("restarting", "running", "exited")}[letter]
                assert state.status in expected
                await discard(shim)

    asyncio.run(scenario())


def test_namespaces_do_not_leak_from_the_shim(tmp_path: Path) -> None:
    """After making a network namespace the shim itself is back on the host: its name server asks upstream from there."""

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
            started = await shim.start()
            assert shim.pid is not None
            own = os.readlink("/proc/self/ns/net")
            assert os.readlink(f"/proc/{shim.pid}/ns/net") == own
            assert os.readlink(f"/proc/{started.pid}/ns/net") != own
            assert namespace.names(namespace.CLONE_NEWNET) == "network"
            assert process.start_time(shim.pid) is not None
            await discard(shim)

    asyncio.run(scenario())
