"""Launching real containers: what their program sees, may do, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from support.runtime_bench import bench, discard, exited, until

from pycompose.engine.linux import cgroups
from pycompose.engine.runtime import defaults
from pycompose.engine.runtime.client import LaunchError, RequestError

if TYPE_CHECKING:
    from pathlib import Path

    from pycompose.engine.linux.cgroup import Cgroup

pytestmark = pytest.mark.root


def run(root: Path, *args: str, **changes: Any) -> tuple[int | None, str]:
    """Exit code and output of one container on a bench of its own."""

    async def scenario() -> tuple[int | None, str]:
        async with bench(root) as (made, client):
            return await made.run(client, "a", *args, **changes)

    return asyncio.run(scenario())


def shell(root: Path, script: str, **changes: Any) -> str:
    """Output of a shell script that must succeed."""
    code, output = run(root, "/bin/sh", "-ec", script, **changes)
    assert code == 0, output
    return output


def refused(root: Path, *args: str, **changes: Any) -> LaunchError:
    """The error of a launch that must fail."""

    async def scenario() -> LaunchError:
        async with bench(root) as (made, client):
            shim = await client.fork_shim(made.launch("a", *args, **changes))
            await shim.prepared()
            with pytest.raises(LaunchError) as caught:
                await shim.start()
            status = made.status("a")
            assert (status["status"], status["exit_code"]) == ("created", caught.value.exit_code)
            await shim.release()
            return caught.value

    return asyncio.run(scenario())


def mounts_with(*entries: dict[str, Any]) -> list[dict[str, Any]]:
    return [*defaults.mounts(), *entries]


def bind(source: Path, destination: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": "bind", "source": str(source), "options": ["rbind", *options]}


def test_exit_codes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            assert (await made.run(client, "a", "/bin/true"))[0] == 0
            assert (await made.run(client, "b", "/bin/sh", "-c", "exit 42"))[0] == 42
            assert (await made.run(client, "c", "/bin/sh", "-c", "kill -9 $$; sleep 1; exit 3"))[0] == 3
            assert (await made.run(client, "d", "/bin/sh", "-c", "sh -c 'kill -SEGV $$'; exit $?"))[0] == 128 + 11

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("nothing-here",), 127, 'exec: "nothing-here": executable file not found in $PATH'),
        (("/nothing/here",), 127, 'exec: "/nothing/here": stat /nothing/here: no such file or directory'),
        (("/etc/passwd",), 126, 'exec: "/etc/passwd": permission denied'),
        (("/etc",), 126, 'exec: "/etc": is a directory'),
    ],
)
def test_a_program_that_cannot_be_executed(tmp_path: Path, args: tuple[str, ...], code: int, message: str) -> None:
    error = refused(tmp_path / "root", *args)
    assert (error.exit_code, error.message) == (code, message)


def test_unknown_user_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path / "root", "/bin/true", user="mallory")
    assert error.message == "unable to find user mallory: no matching entries in passwd file"
    assert error.exit_code == 128


def test_missing_bind_source_names_the_operation(tmp_path: Path) -> None:
    error = refused(tmp_path / "root", "/bin/true", bundle__mounts=mounts_with(bind(tmp_path / "missing", "/data")))
    assert error.operation.startswith("open sources")
    assert "No such file or directory" in error.message


def test_a_container_sees_only_itself(tmp_path: Path) -> None:
    output = shell(
        tmp_path / "root",
        """
        echo pid $$; echo processes $(ls -d /proc/[0-9]* | wc -l); hostname; id; pwd; umask
        ls /; echo cgroup $(cut -d: -f3 /proc/self/cgroup | sort -u)
        """,
    )
    lines = output.splitlines()
    assert lines[0] == "pid 1"
    # The shell and the two commands of the pipe.
    assert lines[1] in ("processes 3", "processes 4")
    assert lines[2:6] == ["a" * 12, "uid=0(root) gid=0(root) groups=0(root)", "/", "0022"]
    assert lines[6:] == ["bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "cgroup /"]


def test_all_namespaces_are_its_own(tmp_path: Path) -> None:
    output = shell(tmp_path / "root", "for n in mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$n; done")
    for line in output.split():
        assert line != os.readlink(f"/proc/self/ns/{line.partition(':')[0]}")


def test_dev_has_exactly_the_usual_nodes(tmp_path: Path) -> None:
    output = shell(
        tmp_path / "root", "ls -1 /dev; stat -c '%A %t:%T %n' /dev/*; for n in ptmx fd stdin; do readlink /dev/$n; done"
    )
    names = ["fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm"]
    names += ["stderr", "stdin", "stdout", "tty", "urandom", "zero"]
    assert output.split("\n")[: len(names)] == names
    for line in ("crw-rw-rw- 1:3 /dev/null", "crw-rw-rw- 5:0 /dev/tty", "crw-rw-rw- 1:9 /dev/urandom"):
        assert line in output
    assert output.endswith("pts/ptmx\n/proc/self/fd\n/proc/self/fd/0\n")


def test_masked_and_protected_paths(tmp_path: Path) -> None:
    output = run(
        tmp_path / "root",
        "/bin/sh",
        "-c",
        """
        cat /proc/keys /proc/timer_list; ls /sys/firmware; ls /proc/acpi
        touch /sys/firmware/x && echo writable
        echo 1 >/proc/sys/kernel/sysrq && echo writable
        echo h >/proc/sysrq-trigger && echo writable
        mkdir /sys/fs/cgroup/memory/x && echo writable
        mount -o remount,rw /sys && echo writable
        umount /proc/keys && echo writable
        exec 2>/dev/null
        mknod /tmp/disk b 254 0 && dd if=/tmp/disk of=/dev/null bs=1 count=1 && echo readable
        true
        """,
    )[1]
    assert "writable" not in output
    assert "readable" not in output


def test_capabilities_are_dockers(tmp_path: Path) -> None:
    output = shell(tmp_path / "root", "grep Cap /proc/self/status; grep NoNew /proc/self/status")
    sets = dict(line.split(":\t") for line in output.splitlines())
    assert sets == {
        "CapInh": "0000000000000000",
        "CapPrm": "00000000a80425fb",
        "CapEff": "00000000a80425fb",
        "CapBnd": "00000000a80425fb",
        "CapAmb": "0000000000000000",
        "NoNewPrivs": "0",
    }


def test_a_plain_user_has_no_capabilities(tmp_path: Path) -> None:
    output = shell(
        tmp_path / "root",
        "id; grep Cap /proc/self/status; echo $HOME; echo out >/dev/stdout; ls -ld /proc/self/fd/",
        user="alice",
        bundle__process__noNewPrivileges=True,
    )
    assert "uid=1000(alice) gid=1000(alice) groups=29(audio),1000(alice)" in output
    assert "CapEff:\t0000000000000000" in output
    assert "CapPrm:\t0000000000000000" in output
    assert "CapBnd:\t00000000a80425fb" in output
    assert "/home/alice" in output
    assert "out\n" in output


def test_user_by_number_with_groups(tmp_path: Path) -> None:
    output = shell(tmp_path / "root", "id; echo $HOME", user="1234:29", additional_groups=["alice", "77"])
    assert output == "uid=1234 gid=29(audio) groups=29(audio),77,1000(alice)\n/\n"


def test_working_directory_is_made(tmp_path: Path) -> None:
    assert shell(tmp_path / "root", "pwd; stat -c '%a %u' .", bundle__process__cwd="/srv/new/place") == (
        "/srv/new/place\n755 0\n"
    )


def test_environment_is_exactly_what_was_given(tmp_path: Path) -> None:
    code, output = run(tmp_path / "root", "/bin/env", bundle__process__env=["PATH=/bin", "A=b=c", "EMPTY="])
    assert (code, sorted(output.splitlines())) == (0, ["A=b=c", "EMPTY=", "HOME=/root", "PATH=/bin"])


def test_read_only_root(tmp_path: Path) -> None:
    output = shell(
        tmp_path / "root",
        "touch /x 2>&1 || echo refused; echo ok >/dev/shm/x; touch /etc/passwd 2>&1 || echo refused",
        bundle__root={"path": "rootfs", "readonly": True},
    )
    assert output.count("refused") == 2


def test_binds(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    (source / "file").write_text("content\n")
    single = tmp_path / "single"
    single.write_text("one file\n")
    output = shell(
        tmp_path / "root",
        """
        cat /data/file /etc/single; echo written >/data/new
        touch /fixed/x 2>/dev/null || echo refused; touch /fixed/below/x 2>/dev/null || echo refused
        ls -ld /deep/er/dir >/dev/null && echo made
        """,
        bundle__mounts=mounts_with(
            bind(source, "/data"),
            bind(source, "/fixed", "rro"),
            bind(single, "/etc/single", "ro"),
            bind(source, "/deep/er/dir"),
        ),
    )
    assert output == "content\none file\nrefused\nrefused\nmade\n"
    assert (source / "new").read_text() == "written\n"


def test_destinations_stay_inside_the_root(tmp_path: Path) -> None:
    """An image full of treacherous links changes nothing outside."""
    source = tmp_path / "source"
    source.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()

    async def scenario() -> str:
        async with bench(tmp_path / "root") as (made, client):
            (made.layer / "escape").symlink_to(outside)
            (made.layer / "up").symlink_to("../../../../../../../..")
            (made.layer / "later").symlink_to("/not/yet/there")
            mounts = mounts_with(bind(source, "/escape/a"), bind(source, f"/up{outside}/b"), bind(source, "/later/c"))
            script = f"ls -d /not/yet/there/c {outside}/a {outside}/b"
            code, output = await made.run(client, "a", "/bin/sh", "-ec", script, bundle__mounts=mounts)
            assert code == 0
            return output

    assert asyncio.run(scenario()).split() == ["/not/yet/there/c", f"{outside}/a", f"{outside}/b"]
    assert list(outside.iterdir()) == []


def test_proc_behind_a_link_is_refused(tmp_path: Path) -> None:
    async def scenario() -> str:
        async with bench(tmp_path / "root") as (made, client):
            (made.layer / "proc").rmdir()
            (made.layer / "proc").symlink_to("/tmp")
            shim = await client.fork_shim(made.launch("a", "/bin/true"))
            with pytest.raises(LaunchError) as caught:
                await shim.start()
            await shim.release()
            return caught.value.message

    assert "must be an ordinary directory" in asyncio.run(scenario())


def test_tmpfs_takes_its_options(tmp_path: Path) -> None:
    def tmpfs(destination: str, *options: str) -> dict[str, Any]:
        return {"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", *options]}

    output = shell(
        tmp_path / "root",
        "grep -E ' /(a|b|tmp) ' /proc/mounts | cut -d' ' -f2-4; stat -c '%a %u' /a /b /tmp",
        bundle__mounts=mounts_with(tmpfs("/a", "size=1m", "mode=700", "uid=1000"), tmpfs("/b", "ro"), tmpfs("/tmp")),
    )
    lines = output.splitlines()
    # Some kernels are built to say inode64 at the end.
    assert lines[0].removesuffix(",inode64") == "/a tmpfs rw,nosuid,relatime,size=1024k,mode=700,uid=1000"
    assert lines[1].startswith("/b tmpfs ro,nosuid")
    assert lines[3:] == ["700 1000", "1777 0", "1777 0"]


def test_sysctls_of_its_own_namespaces(tmp_path: Path) -> None:
    values = {"net.core.somaxconn": "1234", "kernel.shmmax": "65536"}
    output = shell(
        tmp_path / "root",
        "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_unprivileged_port_start",
        bundle__linux__sysctl=values,
    )
    assert output.split() == ["1234", "65536", "0"]


@pytest.mark.parametrize("key", ["kernel.panic", "vm.swappiness", "net/../kernel/panic", "kernel.hostname"])
def test_sysctls_of_the_host_are_refused(tmp_path: Path, key: str) -> None:
    error = refused(tmp_path / "root", "/bin/true", bundle__linux__sysctl={key: "1"})
    assert "sysctl" in error.message


def test_resource_limits(tmp_path: Path) -> None:
    limits = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
    output = shell(tmp_path / "root", "ulimit -Sn; ulimit -Hn; ulimit -c", bundle__process__rlimits=limits)
    assert output.split() == ["100", "200", "0"]


def test_a_limit_that_cannot_be_raised_is_an_error(tmp_path: Path) -> None:
    limits = [{"type": "RLIMIT_NOFILE", "soft": 1 << 40, "hard": 1 << 40}]
    error = refused(tmp_path / "root", "/bin/true", bundle__process__rlimits=limits)
    assert "RLIMIT_NOFILE" in error.message
    assert "the limit of this host is" in error.message


def test_oom_score(tmp_path: Path) -> None:
    assert shell(tmp_path / "root", "cat /proc/self/oom_score_adj", bundle__process__oomScoreAdj=321) == "321\n"


def test_devices_asked_for(tmp_path: Path) -> None:
    device = {"path": "/dev/my/zero", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 0, "gid": 29}
    rules = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "access": "m"},
        {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "r"},
    ]
    output = shell(
        tmp_path / "root",
        """
        stat -c '%A %g %t:%T' /dev/my/zero
        (exec 3</dev/my/zero) && echo readable; (exec 3>/dev/my/zero) 2>/dev/null || echo refused
        """,
        bundle__linux__devices=[device],
        bundle__linux__resources={"devices": rules},
    )
    assert output == "crw-r----- 29 1:5\nreadable\nrefused\n"


def test_memory_limit_and_oom(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            resources = {"devices": defaults.device_rules(), "memory": {"limit": 8 << 20, "swap": 8 << 20}}
            script = "head -c 64m /dev/zero | tail -c 64m >/dev/null; exit 0"
            path = made.launch("a", "/bin/sh", "-c", f"exec sh -c '{script}'", bundle__linux__resources=resources)
            shim = await client.fork_shim(path)
            await shim.start()
            event = await exited(shim)
            assert event.oom_killed
            assert made.status("a")["oom_killed"] is True
            await discard(shim)

    asyncio.run(scenario())


def test_host_network_and_pid(tmp_path: Path) -> None:
    namespaces = [entry for entry in defaults.namespaces() if entry["type"] not in ("pid", "network")]
    output = shell(
        tmp_path / "root",
        "readlink /proc/self/ns/net; readlink /proc/self/ns/pid; sleep 1000 & true",
        network={"mode": "host"},
        bundle__linux__namespaces=namespaces,
    )
    # The sleeping child has been killed with the container, or the bench would find it.
    assert output.split() == [os.readlink("/proc/self/ns/net"), os.readlink("/proc/self/ns/pid")]


def test_sharing_namespaces_with_another_container(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            first = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
            started = await first.start()
            spaces = f"/proc/{started.pid}/ns"
            namespaces = [
                {"type": "mount"},
                {"type": "uts", "path": f"{spaces}/uts"},
                {"type": "ipc", "path": f"{spaces}/ipc"},
                {"type": "pid", "path": f"{spaces}/pid"},
                {"type": "cgroup"},
            ]
            code, output = await made.run(
                client,
                "b",
                "/bin/sh",
                "-c",
                "hostname; readlink /proc/1/exe; kill -0 1 && echo seen; for n in uts ipc pid net; do readlink /proc/self/ns/$n; done",
                network={"mode": "path", "path": f"{spaces}/net"},
                bundle__linux__namespaces=namespaces,
            )
            lines = output.split()
            assert lines[:3] == ["a" * 12, "/bin/busybox", "seen"]
            assert lines[3:] == [os.readlink(f"{spaces}/{name}") for name in ("uts", "ipc", "pid", "net")]
            assert code == 0
            await discard(first)

    asyncio.run(scenario())


def test_init_reaps_and_forwards(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            script = """
            trap 'echo got TERM; exit 7' TERM
            sh -c 'sleep 0.05 & exit 0'
            sleep 0.2
            echo zombies $(grep -l '^State:.Z' /proc/[0-9]*/status | wc -l)
            echo pid $$; cat /proc/1/cmdline | tr '\\0' ' '; echo
            cat /proc/1/environ 2>/dev/null | wc -c; readlink /proc/1/exe || echo hidden
            ls /proc/1/fd 2>/dev/null | tr '\\n' ' '; echo
            echo ready; while true; do sleep 0.01; done
            """
            shim = await client.fork_shim(made.launch("a", "/bin/sh", "-c", script, init=True))
            await shim.start()
            await until(lambda: b"ready" in made.output("a"))
            await shim.stop(signal.SIGTERM, 5)
            assert (await exited(shim)).exit_code == 7
            await shim.release()
            output = made.output("a").decode()
            lines = output.split("\n")
            assert lines[0] == "zombies 0"
            assert lines[1] == "pid 2"
            assert lines[2].strip() == "/sbin/docker-init --"
            assert lines[3:6] == ["0", "hidden", "0 1 2 "]
            assert "got TERM" in output

    asyncio.run(scenario())


def test_init_reports_a_missing_program(tmp_path: Path) -> None:
    error = refused(tmp_path / "root", "nothing", init=True)
    assert error.exit_code == 127


def test_no_descriptor_of_the_host_leaks(tmp_path: Path) -> None:
    code, output = run(tmp_path / "root", "/bin/ls", "-l", "/proc/self/fd")
    assert code == 0
    targets = [line.split(" -> ")[1] for line in output.splitlines() if " -> " in line]
    assert targets[0] == "/dev/null"
    assert all(target.startswith(("/dev/null", "pipe:", "/proc")) for target in targets)


def test_a_broken_launch_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            path = made.launch("a", "/bin/true")
            path.write_text("{")
            with pytest.raises(LaunchError):
                await client.fork_shim(path)
            with pytest.raises(LaunchError, match="invalid restart policy"):
                await client.fork_shim(made.launch("b", "/bin/true", restart={"name": "sometimes"}))
            path = made.launch("c", "/bin/true", control=str(tmp_path / "no/such/directory/shim.sock"))
            shim = await client.fork_shim(path)
            with pytest.raises(LaunchError, match="No such file"):
                await shim.prepared()
            shim.close()

    asyncio.run(scenario())


def test_wrong_limits_are_reported(tmp_path: Path) -> None:
    error = refused(
        tmp_path / "root", "/bin/true", bundle__linux__resources={"devices": [], "cpu": {"cpus": "4096-9999"}}
    )
    assert "cpuset" in error.message


def test_requests_in_the_wrong_state(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
            with pytest.raises(RequestError, match="not running"):
                await shim.signal(15)
            await shim.start()
            with pytest.raises(RequestError, match="already running"):
                await shim.start()
            with pytest.raises(RequestError, match="running"):
                await shim.release()
            with pytest.raises(RequestError, match="no stdin"):
                await shim.open_stdin()
            await discard(shim)

    asyncio.run(scenario())


def test_cgroup_has_the_process(tmp_path: Path) -> None:
    async def scenario() -> Cgroup:
        async with bench(tmp_path / "root") as (made, client):
            shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
            started = await shim.start()
            group = cgroups.at(f"/pycompose-{made.layout.instance}/{made.id('a')}")
            assert group.procs() == [started.pid]
            await discard(shim)
            return group

    group = asyncio.run(scenario())
    assert not any(os.path.exists(directory) for directory in group.directories)
