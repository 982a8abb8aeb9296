"""What a hostile program tries with the runtime's own processes; each test looks at the host, and at what it got hold of."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.runtime_bench import bench, discard, exited, until

from pycompose.engine.containers.spec import seccomp
from pycompose.engine.layout import Layout
from pycompose.engine.runtime import defaults
from pycompose.engine.runtime.client import ExecSpec, LaunchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pycompose.engine.runtime.client import ExecProcess, ShimClient

pytestmark = pytest.mark.root

ENVIRONMENT = [f"PATH={defaults.PATH}"]
TRACING = defaults.capabilities((*defaults.CAPABILITIES, "CAP_SYS_PTRACE"))


async def shell(shim: ShimClient, script: str) -> str:
    """What a script prints in the running container, on both streams."""
    running = await shim.exec(ExecSpec(["sh", "-c", f"exec 2>&1; {script}"], ENVIRONMENT))
    assert running.stdout is not None
    await running.wait()
    output = b""
    while chunk := running.stdout.read(65536):
        output += chunk
    close(running)
    return output.decode()


def close(running: ExecProcess) -> None:
    for descriptor in (running.stdin, running.stdout, running.stderr, running.terminal):
        if descriptor is not None:
            descriptor.close()


def filter_for(tmp_path: Path, capabilities: Sequence[str] = defaults.CAPABILITIES) -> str:
    """The default profile, compiled for these capabilities."""
    return str(seccomp.program(Layout.for_root(tmp_path / "cache"), "default", list(capabilities)))


def test_the_runtime_cannot_be_executed_or_changed(tmp_path: Path) -> None:
    """CVE-2019-5736: the runtime's program as the container's, as an interpreter, and by way of init."""
    program = Path(os.path.realpath(sys.executable))
    before = program.stat()

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            script = made.layer / "bin/evil"
            script.write_text("#!/proc/self/exe\n")
            script.chmod(0o755)
            for letter, word in (("a", "/proc/self/exe"), ("b", "/bin/evil")):
                shim = await client.fork_shim(
                    made.launch(letter, word, "-c", "import os; os.chmod(os.sys.executable, 0o4755)")
                )
                with pytest.raises(LaunchError, match="permission denied") as refused:
                    await shim.start()
                assert refused.value.exit_code == 126
                await shim.release()
            changes = {"init": True, "bundle__process__capabilities": TRACING}
            shim = await client.fork_shim(made.launch("c", "/bin/sleep", "1000", **changes))
            started = await shim.start()
            with pytest.raises(LaunchError, match="permission denied"):
                await shim.exec(ExecSpec(["/bin/evil"], ENVIRONMENT))
            assert "Read-only file system" in await shell(shim, "chmod 4755 /proc/1/exe")
            assert "Read-only file system" in await shell(shim, "touch -d @0 /proc/1/exe")
            assert "Permission denied" in await shell(shim, "/proc/1/exe -c pass")
            inode = os.stat(f"/proc/{started.pid}/exe")
            assert (inode.st_dev, inode.st_ino) != (before.st_dev, before.st_ino)
            mapped = f"/proc/{started.pid}/map_files"
            for name in os.listdir(mapped):
                with pytest.raises(OSError) as read_only:
                    os.open(f"{mapped}/{name}", os.O_WRONLY)
                # A program that runs is busy besides.
                assert read_only.value.errno in (errno.EROFS, errno.ETXTBSY)
            await discard(shim)

    asyncio.run(scenario())
    after = program.stat()
    assert (after.st_mode, after.st_ctime_ns) == (before.st_mode, before.st_ctime_ns)


WATCHER = """
# Look into whoever appears: root directory, environment, memory maps, until told to end.
while [ ! -e /tmp/end ]; do
  for p in /proc/[0-9]*; do
    case ${p#/proc/} in 1|$$) continue ;; esac
    [ -e $p/root/outside ] && echo "root of $p is the host's"
    [ -e $p/cwd/outside ] && echo "directory of $p is the host's"
    for f in $p/fd/*; do
      for way in . .. ../../.. ; do [ -e $f/$way/outside ] && echo "$f leads to the host"; done
      readlink $f 2>/dev/null | grep -E '^/(proc|sys)|net:|mnt:|socket:' && echo "$f of the host"
    done
    grep -q ONLY_THE_HOST $p/environ 2>/dev/null && echo "environment of $p is the host's"
    grep -q ONLY_THE_HOST $p/cmdline 2>/dev/null && echo "arguments of $p are the host's"
    grep -q '^CapEff:.*ffffffff$' $p/status 2>/dev/null && echo "all capabilities: $p"
    grep -q '^Seccomp:.0' $p/status 2>/dev/null && echo "no seccomp: $p"
    grep -q '^NoNewPrivs:.0' $p/status 2>/dev/null && echo "no_new_privs missing: $p"
    if [ $USER_ID != 0 ]; then grep -q '^Uid:.0' $p/status 2>/dev/null && echo "host's user: $p"; fi
  done
done
"""


@pytest.mark.parametrize("user", ["1000", "0"])
def test_who_enters_has_nothing_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    """An exec (so a health check and a hook too) under the eyes of a container that may trace; so with a joined namespace."""
    marker = Path("/outside")
    marker.touch()
    monkeypatch.setenv("ONLY_THE_HOST", "a password of the shell that started the engine")
    try:
        asyncio.run(enter_under_eyes(tmp_path, user))
    finally:
        marker.unlink()


async def enter_under_eyes(tmp_path: Path, user: str) -> None:
    limits = {
        "user": user,
        "seccomp": filter_for(tmp_path, (*defaults.CAPABILITIES, "CAP_SYS_PTRACE")),
        "bundle__process__capabilities": defaults.capabilities((*defaults.CAPABILITIES, "CAP_SYS_PTRACE"), ambient=True)
        | {"inheritable": ["CAP_SYS_PTRACE"], "ambient": ["CAP_SYS_PTRACE"]},
        "bundle__process__noNewPrivileges": True,
    }
    async with bench(tmp_path / "root") as (made, client):
        shim = await client.fork_shim(made.launch("a", "/bin/sh", "-c", f"USER_ID={user}; {WATCHER}", **limits))
        started = await shim.start()
        for _ in range(40):
            running = await shim.exec(ExecSpec(["true"], ENVIRONMENT))
            assert await running.wait() == 0
            close(running)
        namespaces = [
            entry | ({"path": f"/proc/{started.pid}/ns/pid"} if entry["type"] == "pid" else {})
            for entry in defaults.namespaces()
        ]
        donors = {str(started.pid): started.pid_starttime}
        for letter in "bcdef":
            changes = limits | {"bundle__linux__namespaces": namespaces, "donors": donors}
            code, output = await made.run(
                client, letter, "/bin/sh", "-c", "echo $$; ls -d /proc/1/ns /proc/$$", **changes
            )
            assert code == 0
            assert output.split()[1:] == ["/proc/1/ns", f"/proc/{output.split()[0]}"]
        await shell(shim, "touch /tmp/end")
        await exited(shim)
        await shim.release()
        assert made.output("a") == b""
        # The other container has ended: its pid, if it is anybody's by now, is nobody's that may be joined.
        refused = await client.fork_shim(
            made.launch("g", "/bin/true", bundle__linux__namespaces=namespaces, donors={str(os.getpid()): 1})
        )
        with pytest.raises(LaunchError, match="ns/pid"):
            await refused.start()
        await refused.release()


MEMORY = r"""
grep ' rw' /proc/1/maps | while read -r range rest; do
  from=0x${range%-*} to=0x${range#*-}
  dd if=/proc/1/mem bs=4096 skip=$((from / 4096)) count=$(((to - from) / 4096)) 2>/dev/null
done > /tmp/memory
grep -c ONLY_THE_HOST /tmp/memory; grep -c "a password of the shell" /tmp/memory; grep -q docker-init /tmp/memory && echo read
"""


def test_init_remembers_nothing_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the engine's shell had exported is not in the memory of who stays in the container, as `init: true` has it."""
    monkeypatch.setenv("ONLY_THE_HOST", "a password of the shell that started the engine")

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            changes = {"init": True, "bundle__process__capabilities": TRACING}
            shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000", **changes))
            await shim.start()
            assert (await shell(shim, MEMORY)).split() == ["0", "0", "read"]
            await discard(shim)

    asyncio.run(scenario())


COPY = """
import os, sys
from pycompose.engine.linux.mount import Attributes
from pycompose.engine.runtime.filesystem import MountJoinedProc

copy = MountJoinedProc("/proc", Attributes(), (int(sys.argv[1]), int(sys.argv[2])))._copy()
print(sorted(int(name) for name in os.listdir(f"/proc/self/fd/{copy}") if name.isdigit()))
print(os.readlink("/proc/self/ns/mnt"))
"""


def test_proc_of_a_joined_namespace_on_older_kernels(tmp_path: Path) -> None:
    """Before Linux 6.17 the other container's own procfs is copied, whatever has been mounted on parts of it."""

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            shim = await client.fork_shim(made.launch("a", "/bin/sleep", "1000"))
            started = await shim.start()
            command = [sys.executable, "-c", COPY, str(started.pid), str(started.pid_starttime)]
            done = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            output, _ = await done.communicate()
            assert output.decode().splitlines() == ["[1]", os.readlink("/proc/self/ns/mnt")]
            await discard(shim)

    asyncio.run(scenario())


IGNORING = """
from pycompose.engine.linux import libc, process
import ctypes, sys
ignore = ctypes.create_string_buffer(b"\\x01", 32)
for number in (10, 32, 33):
    libc.call(libc.SYS_RT_SIGACTION, "rt_sigaction", "", number, ctypes.addressof(ignore), 0, 8)
process.reset_signals()
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("SigIgn")])
"""


def test_no_signal_stays_ignored() -> None:
    """The C library hides two signals, which whoever started the engine may have left ignored."""
    done = subprocess.run([sys.executable, "-c", IGNORING], capture_output=True, text=True, check=True)
    assert done.stdout == f"['{0:016x}']\n"


NULLS = """
change() { chmod 4777 $1 2>/dev/null; touch -d @0 $1 2>/dev/null; chown 1000 $1 2>/dev/null; }
change /proc/self/fd/0
for path in /proc/keys /proc/interrupts /proc/timer_list; do change $path; stat -c '%n %t:%T' $path; done
cat /proc/keys; echo nothing > /proc/keys; readlink /proc/self/fd/0; [ -c /proc/self/fd/0 ] && echo device
grep -c ' /proc/keys ro,nosuid,noexec' /proc/self/mountinfo
"""


@pytest.mark.parametrize("devices", ["own", "host"])
def test_the_null_device_of_the_host_is_out_of_reach(tmp_path: Path, devices: str) -> None:
    """Masks and standard streams, of the program and of an exec, also where /dev is the host's."""
    before = os.stat("/dev/null")
    mounts = [entry for entry in defaults.mounts() if devices == "own" or not entry["destination"].startswith("/dev")]
    other = tmp_path / "dev"
    other.mkdir()
    if devices == "host":
        # As `-v /dev:/dev`, but with a null device that a test may lose.
        os.mknod(other / "null", 0o20666, os.makedev(1, 3))
        mounts.append({"destination": "/dev", "type": "bind", "source": str(other), "options": ["rbind"]})

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            shim = await client.fork_shim(
                made.launch("a", "/bin/sh", "-c", f"{NULLS}\nexec sleep 1000", bundle__mounts=mounts)
            )
            await shim.start()
            await until(lambda: made.output("a").endswith(b"1\n"))
            expected = ["/proc/keys 1:3", "/proc/interrupts 1:3", "/proc/timer_list 1:3", "/dev/null", "device", "1"]
            assert made.output("a").decode().splitlines() == expected
            assert (await shell(shim, NULLS)).splitlines() == expected
            # Something else in its place is not opened.
            await shell(shim, "rm /dev/null; mkfifo /dev/null")
            assert "/null\n1:3" in await shell(shim, "readlink /proc/self/fd/0; stat -L -c %t:%T /proc/self/fd/0")
            await discard(shim)

    asyncio.run(scenario())
    after = os.stat("/dev/null")
    assert (after.st_mode, after.st_uid, after.st_ctime_ns) == (before.st_mode, before.st_uid, before.st_ctime_ns)


@pytest.mark.parametrize(
    ("destination", "kind", "refusal"),
    [
        ("/proc", "bind", "not of type proc"),
        ("/proc", "tmpfs", "not of type proc"),
        ("/proc/sys", "bind", "inside /proc"),
        ("/proc/self/attr", "tmpfs", "inside /proc"),
        ("/link", "bind", "not of type proc"),
        ("/link/version", "bind", "inside /proc"),
        ("/link/uptime", "bind", ""),
        ("/sys/kernel", "bind", ""),
    ],
)
def test_mounts_over_proc(tmp_path: Path, destination: str, kind: str, refusal: str) -> None:
    """Neither a volume, nor a bind, nor a tmpfs stands for what the kernel says of processes, by no link of the image's."""
    source = tmp_path / "source"
    if destination.endswith(("version", "uptime")):
        source.write_text("forged\n")
    else:
        source.mkdir()
    entry = {"destination": destination, "type": kind, "source": str(source), "options": []}
    if kind == "bind":
        entry["options"] = ["rbind"]
    default = [mount for mount in defaults.mounts() if mount["destination"] != destination]

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            (made.layer / "link").symlink_to("/proc")
            path = made.launch("a", "/bin/true", bundle__mounts=[*default, entry])
            shim = await client.fork_shim(path)
            if refusal:
                with pytest.raises(LaunchError, match=refusal):
                    await shim.start()
            else:
                await shim.start()
                await exited(shim)
            await shim.release()

    asyncio.run(scenario())


def test_files_of_the_engine_are_copies(tmp_path: Path) -> None:
    """/etc/hosts and its like: filled up, made setuid, and written anew by the engine while the container runs."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 before\n")
    hosts.chmod(0o644)
    entry = {"destination": "/etc/hosts", "type": "bind", "source": str(hosts), "options": ["rbind", "rprivate"]}
    script = "exec 2>&1; cat /etc/hosts; chmod 4777 /etc/hosts; cat /dev/zero > /etc/hosts; stat -c %s /etc/hosts; exec sleep 1000"

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            mounts = [*defaults.mounts(), entry]
            path = made.launch("a", "/bin/sh", "-c", script, bundle__mounts=mounts, own_files=[str(hosts)])
            shim = await client.fork_shim(path)
            await shim.start()
            await until(lambda: made.output("a").count(b"\n") == 3)
            first, trouble, size = made.output("a").decode().splitlines()
            assert (first, int(size) <= 1 << 20) == ("127.0.0.1 before", True)
            assert "No space left" in trouble
            assert (hosts.read_text(), hosts.stat().st_mode & 0o7777) == ("127.0.0.1 before\n", 0o644)
            hosts.write_text("127.0.0.1 after\n")
            await shim.refresh_files([str(hosts)])
            assert await shell(shim, "cat /etc/hosts") == "127.0.0.1 after\n"
            assert "nosuid,nodev,noexec" in await shell(shim, "grep ' /etc/hosts ' /proc/mounts")
            await discard(shim)

    asyncio.run(scenario())
