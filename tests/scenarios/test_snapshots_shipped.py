"""`snapshot push` and `pull`: a colleague starts from a seeded database, by way of a real registry."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.engine_root import assert_nothing_left
from support.registry import available, registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.root,
    pytest.mark.peer,
    pytest.mark.skipif(not available(), reason="docker-registry is not installed"),
    pytest.mark.timeout(600),
]

PROJECT = """
name: shop
services:
  db:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    volumes: ["data:/data", "files:/files"]
volumes: {data: , files: }
"""
SEED = """
cd /data; chown 33:44 .; chmod 2750 .; echo hello >a; ln a b; ln -s a c; mkdir -p x/y; chown 7:8 x; mkfifo x/p
dd if=/dev/urandom of=big bs=1M count=70 2>/dev/null; truncate -s 30M holes; touch -d '2020-01-02 03:04:05' a; echo 1 >/files/one
"""
LOOK = """
cd /data; find . /files | sort | xargs stat -c '%n %A %u %g %N'; find . /files ! -type d | sort | xargs stat -c '%n %h %s'
find . /files -type f | sort | xargs md5sum; date -r a
"""
"""A directory's links are counted otherwise by an overlay."""


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[Command, Command]]:
    """Two people with the same project."""
    made = []
    for name in ("mine", "theirs"):
        directory = tmp_path / f"{name}-project"
        directory.mkdir()
        (directory / "compose.yaml").write_text(PROJECT)
        command = Command(tmp_path / name, directory)
        command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
        made.append(command)
    try:
        yield made[0], made[1]
    finally:
        for command in made:
            command("down", "-v", check=False)
            command("engine", "stop", "--force", check=False)
    for command in made:
        assert_nothing_left(command.root)


def test_a_colleague_starts_from_what_was_pushed(sides: tuple[Command, Command], tmp_path: Path) -> None:
    mine, theirs = sides
    with registry(tmp_path / "registry", user=("ada", "secret")) as host:
        ref = f"{host}/shop/seed:1"
        auth = {"auths": {host: {"auth": base64.b64encode(b"ada:secret").decode()}}}
        (tmp_path / "docker").mkdir()
        (tmp_path / "docker/config.json").write_text(json.dumps(auth))
        known = {"DOCKER_CONFIG": str(tmp_path / "docker")}
        mine("up", "-d")
        mine("exec", "db", "sh", "-c", SEED)
        mine("snapshot", "save", "first")
        mine("exec", "db", "sh", "-c", "rm /data/c; echo more >/data/more; rm -r /data/x/y; chmod 600 /data/big")
        mine("snapshot", "save", "seeded")
        content = mine("exec", "db", "sh", "-c", LOOK).stdout
        refused = mine("snapshot", "push", "seeded", ref, check=False)
        assert refused.returncode != 0 and len(refused.stderr.splitlines()) == 1, refused.stderr
        assert "no snapshot gone" in mine("snapshot", "push", "gone", ref, check=False, **known).stderr

        killed(mine, "snapshot", "push", "seeded", ref, environment=known)
        told = [
            json.loads(line)
            for line in mine("snapshot", "push", "seeded", ref, "--format", "json", **known).stdout.splitlines()
        ]
        assert told[-1]["aux"]["Digest"].startswith("sha256:")
        again = mine("snapshot", "push", "seeded", ref, **known).stdout
        assert "data: Already exists" in again and "files: Already exists" in again

        killed(theirs, "snapshot", "pull", ref, environment=known)
        assert theirs("snapshot", "ls", "-q", check=False).stdout.split() in ([], ["seeded"])
        if not theirs("snapshot", "ls", "-q", check=False).stdout:
            out = theirs("snapshot", "pull", ref, **known).stdout
            assert "data: Pull complete" in out and "seeded: data, files" in out
        twice = theirs("snapshot", "pull", ref, check=False, **known)
        assert "has a snapshot seeded already" in twice.stderr and twice.returncode != 0
        theirs("snapshot", "pull", ref, "--name", "another", "-q", **known)
        theirs("up", "-d")
        theirs("snapshot", "restore", "seeded")
        assert theirs("exec", "db", "sh", "-c", LOOK).stdout == content
        blocks = theirs("exec", "db", "stat", "-c", "%b", "/data/holes").stdout
        assert int(blocks) * 512 < 1 << 20, "holes stay holes"
        theirs("snapshot", "rm", "seeded")
        assert theirs("exec", "db", "sh", "-c", LOOK).stdout == content


def test_what_is_no_snapshot_or_not_whole_is_refused(sides: tuple[Command, Command], tmp_path: Path) -> None:
    mine, theirs = sides
    with registry(tmp_path / "registry") as host:
        mine("image", "tag", "busybox", f"{host}/image:1")
        mine("image", "push", f"{host}/image:1")
        assert "this is no snapshot but" in one_line(theirs, "snapshot", "pull", f"{host}/image:1")
        assert "not found" in one_line(theirs, "snapshot", "pull", f"{host}/nothing:1")
        mine("up", "-d")
        mine("exec", "db", "sh", "-c", SEED)
        mine("snapshot", "save", "seeded")
        mine("snapshot", "push", "seeded", f"{host}/seed:1")
        manifest = got(host, "manifests/1")
        config = got(host, f"blobs/{manifest['config']['digest']}")
        config["volumes"]["data"]["digest"] = "sha256:" + "0" * 64
        put(host, manifest, config, "wrong")
        assert "volume data of the snapshot is not what its digest says" in one_line(
            theirs, "snapshot", "pull", f"{host}/seed:wrong"
        )
        put(host, {**manifest, "layers": manifest["layers"][1:]}, config, "short")
        assert one_line(theirs, "snapshot", "pull", f"{host}/seed:short")
        put(host, manifest, {**config, "version": 2}, "newer")
        assert "use a newer pycompose" in one_line(theirs, "snapshot", "pull", f"{host}/seed:newer")
        assert theirs("snapshot", "ls", "-q").stdout == ""
        assert os.listdir(theirs.root / "state/layered") == []
        assert [name for name in os.listdir(theirs.root / "state/volumes") if name.startswith(".import")] == []


def one_line(command: Command, *words: str) -> str:
    done = command(*words, check=False)
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def killed(command: Command, *words: str, environment: dict[str, str]) -> None:
    """Kill the command at its first line."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "PYCOMPOSE_"))}
    process = subprocess.Popen(
        [str(PYCOMPOSE), "--root", str(command.root), *words, "--format", "json"],
        cwd=command.directory,
        env={**clean, **environment, "PYCOMPOSE_WARM": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)


def got(host: str, what: str) -> Any:
    headers = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    with urllib.request.urlopen(urllib.request.Request(f"http://{host}/v2/seed/{what}", headers=headers)) as answer:
        return json.load(answer)


def put(host: str, manifest: dict[str, Any], config: dict[str, Any], tag: str) -> None:
    """The manifest under another tag, with this configuration."""
    data = json.dumps(config).encode()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    begun = urllib.request.Request(f"http://{host}/v2/seed/blobs/uploads/", method="POST")
    with urllib.request.urlopen(begun) as answer:
        url = answer.headers["Location"]
    sent = urllib.request.Request(f"{url}&digest={digest}", data=data, method="PUT")
    sent.add_header("Content-Type", "application/octet-stream")
    urllib.request.urlopen(sent).close()
    document = {**manifest, "config": {**manifest["config"], "digest": digest, "size": len(data)}}
    named = urllib.request.Request(
        f"http://{host}/v2/seed/manifests/{tag}", data=json.dumps(document).encode(), method="PUT"
    )
    named.add_header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
    urllib.request.urlopen(named).close()
