"""Containers in user namespaces of their own, and binds whose owner is the container's user: what their root can do, and to whom."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import test_hostile_processes as processes
import test_launch as launches
import test_launch_security as security
from support.runtime_bench import Bench, bench, discard, until

from pycompose.engine.linux import idmap, mount
from pycompose.engine.runtime import defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

FIRST = 0x7A000000

WALLS: tuple[Callable[[Path], None], ...] = (
    processes.test_files_of_the_engine_are_copies,
    security.test_seccomp_holds_for_exec_and_init,
    security.test_the_working_directory_cannot_be_outside,
    security.test_exec_is_invisible_to_the_container_until_it_is_harmless,
    security.test_passwd_may_be_a_trap,
    security.test_keys_of_the_host_are_not_inherited,
    security.test_killed_while_launching,
    security.test_namespaces_do_not_leak_from_the_shim,
    launches.test_a_container_sees_only_itself,
    launches.test_all_namespaces_are_its_own,
)


@pytest.fixture
def own_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bench, "first_ids", FIRST)


@pytest.mark.usefixtures("own_ids")
@pytest.mark.parametrize("attack", WALLS, ids=lambda one: one.__name__.removeprefix("test_"))
def test_the_walls_stand_in_a_user_namespace(attack: Callable[[Path], None], tmp_path: Path) -> None:
    attack(tmp_path)


@pytest.mark.usefixtures("own_ids")
def test_null_devices_are_the_containers_own(tmp_path: Path) -> None:
    processes.test_the_null_device_of_the_host_is_out_of_reach(tmp_path, "own")


@pytest.mark.usefixtures("own_ids")
def test_root_inside_is_nobody_outside(tmp_path: Path) -> None:
    """With the strongest capabilities, which count inside only: the host's files, devices, priorities."""
    secret, shared = tmp_path / "secret", tmp_path / "shared"
    secret.mkdir(mode=0o700)
    (secret / "x").write_text("host's")
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    (shared / "of-root").write_text("host's")
    (shared / "of-root").chmod(0o600)
    entries = [
        {"destination": f"/{path.name}", "type": "bind", "source": str(path), "options": ["rbind"]}
        for path in (secret, shared)
    ]
    everything = defaults.capabilities(
        (*defaults.CAPABILITIES, "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH")
    )
    script = """
    exec 2>&1
    cat /secret/x && echo BROKEN; cat /shared/of-root && echo BROKEN; chown 0:0 /shared/of-root && echo BROKEN
    touch /shared/made && chmod 4755 /shared/made && echo made
    mknod /shared/sda b 8 0 && echo BROKEN; mknod /tmp/mem c 1 1 && echo BROKEN
    mount -t ext4 /dev/zero /tmp && echo BROKEN; echo 1 > /proc/sysrq-trigger && echo BROKEN
    mount -t tmpfs none /tmp && echo mounted; hostname changed && hostname
    renice -n -5 1 && echo BROKEN
    ls /proc/[0-9]*/root/ | grep -c etc; chroot /proc/1/root true && echo same
    cat /proc/self/uid_map
    """

    async def scenario() -> tuple[int | None, str]:
        async with bench(tmp_path / "root") as (made, client):
            mounts = [*defaults.mounts(), *entries]
            changes: dict[str, Any] = {"bundle__mounts": mounts, "bundle__process__capabilities": everything}
            return await made.run(client, "a", "/bin/sh", "-c", script, **changes)

    _, output = asyncio.run(scenario())
    assert "BROKEN" not in output, output
    for word in ("made\n", "mounted\n", "changed\n", f"0 {FIRST}      65536"):
        assert word in output, output
    made = (shared / "made").stat()
    assert (made.st_uid, made.st_gid) == (FIRST, FIRST), "a setuid file of the container's root is nobody's"


@pytest.mark.usefixtures("own_ids")
def test_two_containers_are_strangers_and_their_disks_begin_at_zero(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    entry = {"destination": "/v", "type": "bind", "source": str(volume), "options": ["rbind", "idmap"]}
    script = "touch /etc/made /v/$(hostname); chown 33:44 /v/$(hostname) /etc/made; exec sleep 1000"

    async def scenario() -> None:
        async with bench(tmp_path / "root") as (made, client):
            shims, uids = [], []
            for letter in ("a", "b"):
                mounts = [*defaults.mounts(), entry]
                shim = await client.fork_shim(made.launch(letter, "/bin/sh", "-c", script, bundle__mounts=mounts))
                started = await shim.start()
                shims.append(shim)
                uids.append(os.stat(f"/proc/{started.pid}").st_uid)
                owned = made.layout.container_state(Bench.id(letter)) / "upper/etc/made"
                await until(lambda path=owned: path.exists() and path.stat().st_uid)  # type: ignore[misc]
                assert (owned.stat().st_uid, owned.stat().st_gid) == (33, 44)
            assert uids == [FIRST, FIRST + idmap.IDS]
            assert {(one.stat().st_uid, one.stat().st_gid) for one in volume.iterdir()} == {(33, 44)}
            assert len(list(volume.iterdir())) == 2
            for shim in shims:
                await discard(shim)

    asyncio.run(scenario())


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    """A directory of user 1001 on a disk, with a tmpfs of the same user's in it."""
    made = tmp_path / "source"
    (made / "sub").mkdir(parents=True)
    (made / "own").write_text("theirs\n")
    for path in (made, made / "sub", made / "own"):
        os.chown(path, 1001, 1001)
    (made / "of-root").write_text("root's\n")
    mount.attach(mount.new_filesystem("tmpfs", ["uid=1001", "gid=1001", "mode=755"]), made / "sub")
    yield made
    subprocess.run(["umount", made / "sub"], check=True)


def matched(root: Path, source: Path, script: str, user: str, **changes: Any) -> tuple[int | None, str]:
    entry = {"destination": "/s", "type": "bind", "source": str(source), "options": ["rbind"]}

    async def scenario() -> tuple[int | None, str]:
        async with bench(root) as (made, client):
            (made.layer / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nwww:x:33:33::/:/bin/sh\n")
            mounts = [*defaults.mounts(), entry]
            words = {"bundle__mounts": mounts, "matched": ["/s"], "user": user, **changes}
            return await made.run(client, "a", "/bin/sh", "-c", script, **words)

    return asyncio.run(scenario())


def owned(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


@pytest.mark.parametrize("ids", [0, FIRST])
@pytest.mark.parametrize("user", ["www", "0", "1234:1234"])
def test_a_setuid_file_written_through_a_matched_bind_is_never_roots(
    tmp_path: Path, source: Path, user: str, ids: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bench, "first_ids", ids)
    script = """
    exec 2>&1; set -e
    [ "$(stat -c %u:%g /s/own)" = $(id -u):$(id -g) ]; cat /s/own; echo more >> /s/own
    for directory in /s /s/sub; do
        cp /bin/busybox $directory/suid; chmod 6755 $directory/suid
        [ "$(stat -c %u /s/of-root)" = 65534 ]
        for id in 0 1001 33; do [ $id = $(id -u) ] || ! chown $id $directory/suid || [ $id = 33 ]; done
    done
    chmod 6755 /s/suid; echo done
    """
    everything = defaults.capabilities((*defaults.CAPABILITIES, "CAP_SYS_ADMIN"))
    code, output = matched(tmp_path / "root", source, script, user, bundle__process__capabilities=everything)
    assert code == 0 and output.endswith("done\n"), output
    assert (source / "own").read_text() == "theirs\nmore\n"
    for path in (source / "suid", source / "sub/suid"):
        assert path.stat().st_uid != 0 and path.stat().st_gid != 0
    if user == "www":
        assert owned(source / "suid") == (1001, 1001, 0o6755)


def test_root_inside_writes_nothing_of_roots_when_the_user_is_another(tmp_path: Path, source: Path) -> None:
    script = "exec 2>&1; cp /bin/busybox /s/sub/as-user; exec su root -c 'touch /s/as-root; cat /s/of-root'"
    (source / "of-root").chmod(0o600)
    code, output = matched(tmp_path / "root", source, f"chmod 4755 /bin/busybox; {script}", "www")
    assert not (source / "as-root").exists(), (code, output)
    assert owned(source / "sub/as-user")[:2] == (1001, 1001)


def test_a_single_file(tmp_path: Path, source: Path) -> None:
    code, output = matched(tmp_path / "root", source / "own", "id -u; stat -c %u /s; echo x >> /s", "www")
    assert (code, output) == (0, "33\n33\n")
    assert (source / "own").read_text() == "theirs\nx\n"


@pytest.mark.parametrize("ids", [0, FIRST])
def test_what_cannot_be_matched_says_why(tmp_path: Path, ids: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bench, "first_ids", ids)
    ours = tmp_path / "ours"
    ours.mkdir()
    error = str(refusal(tmp_path / "one", ours))
    assert f"map the owners of {ours}" in error and "it belongs to root" in error
    layers = [tmp_path / name for name in ("lower", "upper", "work", "merged")]
    for path in layers:
        path.mkdir()
        os.chown(path, 1001, 1001)
    mount.attach(mount.mount_overlay((str(layers[0]),), str(layers[1]), str(layers[2])), layers[3])
    try:
        error = str(refusal(tmp_path / "two", layers[3]))
        assert "Invalid argument (its file system (overlay" in error and "cannot show other owners" in error
    finally:
        subprocess.run(["umount", layers[3]], check=True)


def refusal(root: Path, source: Path) -> object:
    entry = {"destination": "/s", "type": "bind", "source": str(source), "options": ["rbind"]}
    return launches.refused(root, "/bin/true", bundle__mounts=[*defaults.mounts(), entry], matched=["/s"], user="33:33")
