"""Attributes whose effect is an image, a file in a container or a model, rather than a setting of what runs: build, watch,
hooks, extends, include."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.engine_root import assert_nothing_left, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("files")
    command = Command(root, root)
    command("image", "import", "-c", 'CMD ["sh"]', "-", "busybox", stdin=busybox_rootfs().read())
    yield root
    command("engine", "stop", "--force")
    assert_nothing_left(root)


@pytest.fixture
def command(root: Path, tmp_path: Path) -> Iterator[Command]:
    directory = tmp_path / "demo"
    directory.mkdir()
    command = Command(root, directory)
    yield command
    (directory / "compose.yaml").unlink()
    command("-p", "demo", "down", "-v", "-t", "0")
    assert command("container", "ls", "--all", "--quiet").stdout == ""


def write(command: Command, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = command.directory / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(content)


BUILD = """
services:
  web:
    image: made
    build:
      context: ./context
      dockerfile: Other.Dockerfile
      target: wanted
      args: {GIVEN: argument, FROM_ENVIRONMENT: }
      additional_contexts: {more: ./more}
      extra_hosts: ['build.test:192.0.2.9']
      labels: {built: 'yes'}
      network: none
      no_cache_filter: [wanted]
      secrets:
        - {source: token, target: tok, uid: '7', gid: '8', mode: 0440}
      shm_size: 4mb
      ssh: [default]
      tags: ['made:second']
      ulimits: {nofile: {soft: 99, hard: 111}, nproc: 77}
      pull: false
secrets: {token: {file: ./token}}
"""
DOCKERFILE = """
FROM busybox AS base
RUN cat /proc/sys/kernel/random/uuid > /base
FROM base AS wanted
ARG GIVEN
ARG FROM_ENVIRONMENT
COPY --from=more file /more
COPY file /file
RUN --mount=type=secret,id=tok --mount=type=ssh \\
    { echo "$GIVEN $FROM_ENVIRONMENT"; cat /more /file; grep build.test /etc/hosts | cut -f1; \\
      ls /sys/class/net; ulimit -Sn; ulimit -Hn; grep processes /proc/self/limits | tr -s ' ' | cut -d' ' -f3; \\
      df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2; cat /run/secrets/tok; \\
      test -S "$SSH_AUTH_SOCK" && echo agent; } > /facts
RUN cat /proc/sys/kernel/random/uuid > /wanted
FROM wanted AS unwanted
RUN false
"""


def test_build(command: Command, tmp_path: Path) -> None:
    write(
        command,
        {
            "compose.yaml": BUILD,
            "context/Other.Dockerfile": DOCKERFILE,
            "context/file": "from the context\n",
            "more/file": "from more\n",
            "token": "hush\n",
        },
    )
    agent = socket.socket(socket.AF_UNIX)
    agent.bind(str(tmp_path / "agent"))
    agent.listen()
    environment = {"FROM_ENVIRONMENT": "variable", "SSH_AUTH_SOCK": str(tmp_path / "agent")}
    command("build", **environment)

    def show(image: str, path: str) -> str:
        return command("container", "run", "--rm", image, "cat", path).stdout

    assert show("made", "/facts").splitlines() == [
        "argument variable",
        "from more",
        "from the context",
        "192.0.2.9",
        "lo",
        "99",
        "111",
        "77",
        "4096",
        "hush",
        "agent",
    ]
    tree = json.loads(command("image", "inspect", "made").stdout)[0]
    assert tree["Config"]["Labels"]["built"] == "yes"
    assert {"made:latest", "made:second"} <= {*tree["RepoTags"]}
    stages = [show("made", f"/{stage}") for stage in ("base", "wanted")]
    command("build", **environment)
    again = [show("made", f"/{stage}") for stage in ("base", "wanted")]
    assert again[0] == stages[0] and again[1] != stages[1], "no_cache_filter leaves the other stages cached"
    write(command, {"compose.yaml": BUILD.replace("pull: false", "no_cache: true")})
    command("build", **environment)
    assert show("made", "/base") != stages[0]
    agent.close()


HOOKS = """
services:
  web:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    user: '1000'
    working_dir: /tmp
    environment: {BASE: service}
    volumes: ['./out:/out']
    post_start: &hooks
      - {command: [sh, -c, "echo $$(id -u) $$PWD $$BASE $$(grep CapEff /proc/self/status | cut -f2) > /out/WHEN-plain"]}
      - command: [sh, -c, "echo $$(id -u) $$PWD $$BASE $$(grep CapEff /proc/self/status | cut -f2) > /out/WHEN-set"]
        user: root
        privileged: true
        working_dir: /var
        environment: [BASE=hook]
"""


def test_hooks(command: Command) -> None:
    stop = HOOKS[HOOKS.index("    post_start") :].replace("post_start: &hooks", "pre_stop:").replace("WHEN", "stop")
    write(command, {"compose.yaml": HOOKS.replace("&hooks", "").replace("WHEN", "start") + stop})
    out = command.directory / "out"
    out.mkdir()
    out.chmod(0o777)
    command("up", "-d")
    command("stop")
    everything = Path("/proc/self/status").read_text().split("CapBnd:")[1].split()[0]
    for when in ("start", "stop"):
        assert (out / f"{when}-plain").read_text() == "1000 /tmp service 0000000000000000\n"
        assert (out / f"{when}-set").read_text() == f"0 /var hook {everything}\n"


WATCH = """
services:
  web:
    image: busybox
    command: sh -c 'date >> /out/starts; exec sleep 1000'
    stop_signal: SIGKILL
    volumes: ['./out:/out']
    develop:
      watch:
        - {action: sync, path: ./sync, target: /app, include: ['*.py', sub/], ignore: ['*.tmp.py'], initial_sync: true}
        - action: sync+exec
          path: ./exec
          target: /exec
          exec:
            command: [sh, -c, 'echo $$(id -u) $$PWD $$WHY $$(cat /exec/file) >> /out/executed']
            user: '12'
            working_dir: /tmp
            environment: {WHY: changed}
            privileged: true
        - {action: sync+restart, path: ./restart, target: /restart}
        - {action: restart, path: ./only}
  built:
    build: {context: ., dockerfile_inline: "FROM busybox\\nCOPY rebuild/file /file"}
    command: sleep 1000
    stop_signal: SIGKILL
    develop: {watch: [{action: rebuild, path: ./rebuild}]}
"""


def test_watch(command: Command) -> None:
    write(command, {"compose.yaml": WATCH, "sync/first.py": "1", "sync/other.txt": "no", "sync/sub/deep.txt": "deep"})
    write(command, {f"{name}/file": "old" for name in ("exec", "restart", "only", "rebuild")})
    out = command.directory / "out"
    out.mkdir()
    out.chmod(0o777)
    command("up", "-d", "--build")
    starts = out / "starts"
    wait_for(starts.exists, "the first start")
    process = watching(command)

    def inside(service: str, *words: str) -> str:
        return command("exec", "-T", service, *words, check=False).stdout

    try:
        assert inside("web", "ls", "/app").split() == ["first.py", "sub"], "initial_sync, include"
        write(command, {"sync/never.tmp.py": "no", "sync/second.py": "2"})
        wait_for(lambda: "second.py" in inside("web", "ls", "/app"), "sync")
        assert "never" not in inside("web", "ls", "/app"), "ignore"
        write(command, {"exec/file": "new"})
        wait_for((out / "executed").exists, "sync+exec")
        wait_for(
            lambda: (out / "executed").read_text() == "12 /tmp changed new\n", lambda: (out / "executed").read_text()
        )
        write(command, {"restart/file": "new"})
        wait_for(lambda: len(starts.read_text().splitlines()) == 2, "sync+restart")
        assert inside("web", "cat", "/restart/file") == "new"
        write(command, {"only/file": "new"})
        wait_for(lambda: len(starts.read_text().splitlines()) == 3, "restart")
        write(command, {"rebuild/file": "new"})
        wait_for(lambda: inside("built", "cat", "/file") == "new", "rebuild")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def watching(command: Command) -> subprocess.Popen[str]:
    """`watch`, once it watches."""
    process = subprocess.Popen(
        [str(PYCOMPOSE), "--root", str(command.root), "watch", "--no-up"],
        cwd=command.directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={
            key: value for key, value in os.environ.items() if not key.startswith(("COMPOSE_", "DOCKER_", "PYCOMPOSE_"))
        },
    )
    assert process.stderr is not None
    while "Watch enabled" not in (line := process.stderr.readline()):
        assert line, "watch has ended"
    threading.Thread(target=process.stderr.read, daemon=True).start()
    return process


def test_extends_include_attach_and_modes(command: Command) -> None:
    write(
        command,
        {
            "compose.yaml": "include:\n"
            "  - path: [part/one.yaml, part/two.yaml]\n    project_directory: ./base\n    env_file: part/values.env\n"
            "services:\n"
            "  web:\n    extends: {file: base/common.yaml, service: template}\n    depends_on: {job: {condition:"
            " service_completed_successfully, required: true}, gone: {condition: service_started, required: false}}\n"
            "    deploy: {mode: global}\n"
            "  quiet: {image: busybox, command: echo silence, attach: false}\n"
            "  loud: {image: busybox, command: echo noise, restart: 'on-failure:1'}\n"
            "  gone: {image: busybox, profiles: [never]}\n",
            "base/common.yaml": "services: {template: {image: busybox, command: cat /mounted/mark, volumes: ['.:/mounted']}}\n",
            "base/mark": "of base\n",
            "part/one.yaml": "services: {job: {image: busybox, command: 'echo ${VALUE}', volumes: ['./:/here']}}\n",
            "part/two.yaml": "services: {job: {labels: {merged: 'yes'}}}\n",
            "part/values.env": "VALUE=included\n",
        },
    )
    shown = command("up").stdout
    for line in ("web-1   | of base", "job-1   | included", "loud-1  | noise"):
        assert line in shown
    assert "silence" not in shown
    job = json.loads(command("container", "inspect", "demo-job-1").stdout)[0]
    assert job["Config"]["Labels"]["merged"] == "yes"
    assert job["Mounts"][0]["Source"] == str(command.directory / "base")
    loud = json.loads(command("container", "inspect", "demo-loud-1").stdout)[0]
    assert loud["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 1}
