"""Bringing things from engine to engine: sums of archives, requests made of what an engine shows, and what a Compose file says of it."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any, cast

import pytest
from support.busybox_image import busybox_rootfs

from pycompose.compose.app.moving import adopting, bodies, inventory, matching, move, sums
from pycompose.compose.cli.main import main
from pycompose.compose.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pycompose.compose.client.bodies.containers import Container

TREE: Mapping[str, tuple[bytes, bytes, int]] = {
    ".": (tarfile.DIRTYPE, b"", 0o750),
    "a": (tarfile.REGTYPE, b"hello", 0o644),
    "b": (tarfile.LNKTYPE, b"a", 0o644),
    "c": (tarfile.SYMTYPE, b"a", 0o777),
    "d": (tarfile.DIRTYPE, b"", 0o2755),
    "d/e": (tarfile.REGTYPE, b"x" * 70000, 0o4755),
    "d/p": (tarfile.FIFOTYPE, b"", 0o600),
}


def archive(tree: Mapping[str, tuple[bytes, bytes, int]], prefix: str = "./", form: int = tarfile.PAX_FORMAT) -> bytes:
    """``tree`` maps names to kind, content or target, and mode."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, (kind, content, mode) in tree.items():
            info = tarfile.TarInfo("./" if name == "." else f"{prefix}{name}")
            info.type, info.mode, info.uid, info.gid, info.mtime = kind, mode, 33, 44, 1_600_000_000
            if kind == tarfile.REGTYPE:
                info.size = len(content)
            elif content:
                info.linkname = prefix + content.decode() if kind == tarfile.LNKTYPE else content.decode()
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def summed(data: bytes, block: int = 4096) -> sums.Sum:
    return sums.sum_of(data[at : at + block] for at in range(0, len(data), block))


def test_dialects_and_order_make_no_difference() -> None:
    """dockerd's ./names, podman's names, GNU headers, another of two hard links first, blocks of any size."""
    expected = summed(archive(TREE))
    assert (expected.files, expected.size) == (7, 70005)
    assert summed(archive(TREE, "")) == expected
    assert summed(archive(TREE, form=tarfile.GNU_FORMAT), 7) == expected
    turned = {**dict(reversed(list(TREE.items()))), "b": TREE["a"], "a": (tarfile.LNKTYPE, b"b", 0o644)}
    first = {name: turned[name] for name in ("d/p", "d/e", "d", "c", "b", "a", ".")}
    assert summed(archive(first)) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"a": (tarfile.REGTYPE, b"hallo", 0o644)},
        {"a": (tarfile.REGTYPE, b"hello", 0o600)},
        {"c": (tarfile.SYMTYPE, b"b", 0o777)},
        {"d": (tarfile.DIRTYPE, b"", 0o755)},
        {"d/p": (tarfile.REGTYPE, b"", 0o600)},
        {"more": (tarfile.REGTYPE, b"", 0o644)},
    ],
    ids=["content", "mode", "target", "directory", "kind", "count"],
)
def test_every_fact_counts(change: dict[str, tuple[bytes, bytes, int]]) -> None:
    assert summed(archive({**TREE, **change})) != summed(archive(TREE))


def test_an_archive_that_breaks_off_has_no_sum() -> None:
    with pytest.raises(OperationError, match="cannot be read"):
        summed(archive(TREE)[:40000])


def test_blocks_pass_unchanged_while_they_are_summed() -> None:
    data, summing = busybox_rootfs().read(), sums.Summing()
    assert b"".join(summing.tee(data[at : at + 9999] for at in range(0, len(data), 9999))) == data
    assert summing.result() == summed(data)


def shown(**changes: Any) -> Container:
    """A container as inspect has it."""
    identity = "ab" * 32
    container = {
        "Id": identity,
        "Name": "/shop-db-1",
        "Image": "sha256:1",
        "Config": {
            "Hostname": identity[:12],
            "Image": "db:1",
            "Env": ["A=1", "PATH=/bin"],
            "Cmd": ["serve"],
            "Labels": {"com.docker.compose.project": "shop", "tier": "back"},
            "ExposedPorts": {"80/tcp": {}},
        },
        "HostConfig": {
            "Binds": ["shop_data:/data:rw"],
            "Mounts": [{"Type": "volume", "Target": "/anon", "VolumeOptions": {}}],
            "NetworkMode": "shop_back",
            "LogConfig": {"Type": "json-file", "Config": {}},
            "Runtime": "runc",
            "ConsoleSize": [0, 0],
            "ShmSize": 64 << 20,
            "CgroupnsMode": "host",
            "Memory": 1 << 26,
            "MemorySwap": 1 << 27,
        },
        "NetworkSettings": {
            "Networks": {"shop_back": {"NetworkID": "n1", "Aliases": ["db", identity[:12]], "IPAMConfig": {}}}
        },
        "Mounts": [
            {"Type": "volume", "Name": "shop_data", "Destination": "/data", "RW": True, "Source": "/v/shop_data"},
            {"Type": "volume", "Name": "f" * 64, "Destination": "/anon", "RW": False, "Source": "/v/f"},
        ],
    }
    for key, value in changes.items():
        cast("dict[str, Any]", container[key]).update(value)
    return cast("Container", container)


def test_a_request_is_made_of_what_is_shown() -> None:
    made = bodies.draft(shown(), "db:1", {})
    assert "Hostname" not in made.config
    assert made.config["Env"] == ["A=1", "PATH=/bin"]
    assert "Runtime" not in made.host and "ConsoleSize" not in made.host
    assert made.endpoints == {"shop_back": {"Aliases": ["db"]}}
    assert made.kept == ("f" * 64,)
    assert made.host["Mounts"] == [{"Type": "volume", "Source": "f" * 64, "Target": "/anon", "ReadOnly": True}]
    assert cast("dict[str, str]", made.config["Labels"])["io.pycompose.kept-volumes"] == "f" * 64


def test_shared_namespaces_are_those_of_the_new_container() -> None:
    made = bodies.draft(shown(HostConfig={"NetworkMode": "container:old"}), "db:1", {"old": "new"})
    assert made.host["NetworkMode"] == "container:new"
    assert made.endpoints == {}
    assert "ExposedPorts" not in made.config


def test_the_words_of_podman() -> None:
    host = {
        "Binds": ["v:/v:rw,rprivate,nosuid,nodev,rbind", "/src:/src:ro,rslave,nosuid"],
        "UTSMode": "private",
        "PidMode": "private",
        "NetworkMode": "bridge",
        "LogConfig": {"Type": "journald"},
        "Ulimits": [
            {"Name": "RLIMIT_NOFILE", "Soft": 1 << 20, "Hard": 1 << 20},
            {"Name": "RLIMIT_CORE", "Soft": 0, "Hard": 0},
        ],
    }
    made = bodies.draft(shown(HostConfig=host, NetworkSettings={"Networks": {"podman": {}}}), "db:1", {})
    assert made.host["Binds"] == ["v:/v:rw", "/src:/src:ro,rslave"]
    assert "UTSMode" not in made.host and "PidMode" not in made.host and "LogConfig" not in made.host
    assert made.host["Ulimits"] == [{"Name": "core", "Soft": 0, "Hard": 0}]
    assert (made.host["NetworkMode"], made.endpoints) == ("default", {})
    assert made.notes == ("logs go to the default driver, not to journald",)


def test_links_are_asked_for_as_one_writes_them() -> None:
    made = bodies.draft(shown(HostConfig={"Links": ["/cache:/shop-db-1/store"]}), "db:1", {})
    assert made.host["Links"] == ["cache:store"]


def test_subnets_come_along_for_fixed_addresses_only() -> None:
    network: Any = {
        "Name": "n",
        "Driver": "bridge",
        "IPAM": {"Config": [{"Subnet": "10.9.0.0/24", "Gateway": "", "IPRange": ""}]},
    }
    assert cast("Any", bodies.network_body(network, addressed=False))["IPAM"]["Config"] == []
    assert cast("Any", bodies.network_body(network, addressed=True))["IPAM"]["Config"] == [{"Subnet": "10.9.0.0/24"}]
    fixed = shown(NetworkSettings={"Networks": {"n": {"IPAMConfig": {"IPv4Address": "10.9.0.5"}}}})
    assert bodies.has_fixed_address(fixed, "n") and not bodies.has_fixed_address(shown(), "shop_back")


def test_containers_whose_namespaces_are_shared_come_first() -> None:
    one = shown(HostConfig={"NetworkMode": "container:beef"})
    other = cast("Container", {**shown(), "Id": "beef", "Name": "/other"})
    assert [one["Id"] for one in move.ordered((one, other))] == ["beef", one["Id"]]
    turning = cast("Container", {**shown(HostConfig={"NetworkMode": f"container:{one['Id']}"}), "Id": "beef"})
    assert len(move.ordered((one, turning))) == 2


ASKED: Mapping[str, object] = {
    "Env": ["A=1"],
    "Labels": {"tier": "back", "com.docker.compose.project": "shop"},
    "ExposedPorts": {"80/tcp": {}},
    "HostConfig": {
        "Mounts": [
            {"Type": "volume", "Target": "/anon", "VolumeOptions": {}},
            {"Type": "volume", "Source": "shop_data", "Target": "/data", "VolumeOptions": {}},
        ],
        "NetworkMode": "shop_back",
        "LogConfig": {"Type": "", "Config": {}},
        "Memory": 1 << 26,
    },
}
IMAGE: Mapping[str, object] = {"Env": ["PATH=/bin"], "Cmd": ["serve"], "Labels": None}
NETWORKS = ({"shop_back"}, {"shop_back"})


def differences(**changes: Any) -> list[str]:
    container = shown(**changes)
    had = {"Config": bodies.draft(container, "db:1", {}).config, "HostConfig": container["HostConfig"]}
    return list(matching.differences(ASKED, had, IMAGE, NETWORKS, frozenset()))


def test_what_a_file_asks_for_is_found_in_the_container() -> None:
    """With the image's part, an engine's own defaults, and a mount in either of its forms."""
    assert differences(HostConfig={"LogConfig": {"Type": ""}}) == []


@pytest.mark.parametrize(
    ("part", "change", "expected"),
    [
        ("Config", {"Env": ["A=2", "PATH=/bin"]}, "Env"),
        ("Config", {"Env": ["A=1", "PATH=/bin", "GONE=1"]}, "Env"),
        ("Config", {"Cmd": ["other"]}, "Cmd"),
        ("Config", {"User": "1000"}, "User"),
        ("Config", {"Labels": {}}, "Labels"),
        ("Config", {"ExposedPorts": {}}, "ExposedPorts"),
        ("Config", {"Healthcheck": {"Test": ["CMD", "true"]}}, "Healthcheck"),
        ("HostConfig", {"Privileged": True}, "HostConfig.Privileged"),
        ("HostConfig", {"Memory": 1}, "HostConfig.Memory"),
        ("HostConfig", {"MemorySwap": 1}, "HostConfig.MemorySwap"),
        ("HostConfig", {"ShmSize": 1}, "HostConfig.ShmSize"),
        ("HostConfig", {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}, "HostConfig.PortBindings"),
        ("HostConfig", {"Binds": ["shop_data:/data:ro"]}, "HostConfig.Mounts"),
        ("HostConfig", {"Binds": ["shop_data:/data", "/x:/x"]}, "HostConfig.Mounts"),
        ("HostConfig", {"Mounts": []}, "HostConfig.Mounts"),
    ],
)
def test_a_difference_is_told(part: str, change: dict[str, object], expected: str) -> None:
    first = {"LogConfig": {"Type": ""}}
    changes = {"HostConfig": first, part: {**(first if part == "HostConfig" else {}), **change}}
    assert expected in differences(**changes)


def test_docker_compose_gets_its_own_hash_back() -> None:
    own = {
        "com.docker.compose.config-hash": "ours",
        "io.pycompose.fields": "{}",
        adopting.HASH_BEFORE: "theirs",
        "a": "b",
    }
    assert adopting.given_back(own) == {"com.docker.compose.config-hash": "theirs", "a": "b"}
    assert adopting.given_back({"a": "b"}) == {"a": "b"}


def test_an_image_is_called_by_its_tags() -> None:
    assert inventory.WantedImage("sha256:" + "a" * 64, (), 1).title == "a" * 12
    assert inventory.WantedImage("sha256:1", ("b:1", "c:2"), 1).title == "b:1, c:2"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["import", "elsewhere"], "import: want docker, not 'elsewhere'"),
        (
            ["import", "docker", "--from", "ftp://x"],
            "--from: unknown scheme 'ftp' in 'ftp://x' (unix://, tcp:// or ssh://)",
        ),
        (
            ["import", "docker", "--from", "/nope.sock"],
            "cannot connect to the engine at unix:///nope.sock: nobody listens there",
        ),
        (["export", "web", "--to", "/x"], "export --to /x: want docker, not 'web'"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///target.sock")
    assert main(words) != 0
    assert capsys.readouterr().err.splitlines()[0].startswith(expected)
