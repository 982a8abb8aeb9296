"""`debug`: tools beside a container that runs and one that does not, nothing of theirs changed, nothing left afterwards."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root

FILE = """
name: p
services:
  web: {image: bare, command: sh -c 'echo hi >/tmp/note; exec sleep 600', user: "1000", stop_grace_period: 0s}
  beside: {image: bare, command: sleep 600, network_mode: "service:web", stop_grace_period: 0s}
  job:
    image: bare
    command: sh -c 'ln -s /etc/passwd /link; echo bye >/note; echo kept >/data/x; exit 3'
    volumes: [data:/data]
volumes: {data: {}}
"""


def killed(command: Command) -> None:
    """Kill a `debug` in the middle, and wait until its container is gone."""
    environment = {**os.environ, "PYCOMPOSE_WARM": "0"}
    root = ["--root", str(command.root)]
    with subprocess.Popen(
        [PYCOMPOSE, *root, "system", "events", "--since", str(time.time()), "--filter", "event=destroy"],
        cwd=command.directory, env=environment, stdout=subprocess.PIPE,
    ) as events:  # fmt: skip
        with subprocess.Popen(
            [PYCOMPOSE, *root, "debug", "web", "sh", "-c", "echo there; exec sleep 600"],
            cwd=command.directory, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        ) as debug:  # fmt: skip
            assert debug.stdout is not None and debug.stdout.readline() == b"there\n"
            debug.send_signal(signal.SIGKILL)
        assert events.stdout is not None
        assert select.select([events.stdout], [], [], 60)[0], "the container of the killed command stays"
        events.terminate()


def test_debug(tmp_path: Path) -> None:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "compose.yaml").write_text(FILE)
    command = Command(tmp_path / "root", directory)
    command("image", "import", "-", "bare", stdin=busybox_rootfs().read())
    try:
        command("up", "-d")
        command("wait", "job", check=False)
        refused = command("debug", "web", check=False)
        assert refused.returncode == 1 and "name one with --image" in refused.stderr
        command("image", "tag", "bare", "busybox:1")
        before = command("container", "diff", "p-web-1").stdout

        seen = command(
            "debug", "web", "--", "sh", "-c", "cat /target/tmp/note; tr '\\0' ' ' </proc/1/cmdline; hostname"
        )
        assert seen.stdout.splitlines()[:2] == ["hi", "sleep 600 " + command("exec", "web", "hostname").stdout.strip()]
        assert "inside p-web-1" in seen.stderr and "Tools: busybox:1" in seen.stderr
        typed = command("debug", "--image", "bare", "web", stdin=b"echo typed; exit 7\n", check=False)
        assert (typed.stdout, typed.returncode) == ("typed\n", 7)

        assert command("debug", "beside", "hostname").stdout == command("exec", "web", "hostname").stdout

        ended = command("debug", "job", "sh", "-c", "cat /target/note /volumes/data/x; readlink /target/link")
        assert ended.stdout == "bye\nkept\n/etc/passwd\n" and "p-job-1 does not run" in ended.stderr
        assert command("debug", "job", "touch", "/volumes/data/x", check=False).returncode == 1

        killed(command)
        assert command("container", "diff", "p-web-1").stdout == before
        names = command("container", "ls", "-a", "--format", "{{.Names}}").stdout.split()
        assert sorted(names) == ["p-beside-1", "p-job-1", "p-web-1"]

        for words, told in (
            (("wbe",), "no such service: wbe"),
            (("--index", "3", "web"), "has no container #3"),
            (("--image", "Bad:", "web"), "--image Bad:"),
        ):
            found = command("debug", *words, check=False)
            assert found.returncode == 1 and told in found.stderr
    finally:
        command("down", "-v", check=False)
        command("engine", "stop", "--force")
    assert_nothing_left(tmp_path / "root")
