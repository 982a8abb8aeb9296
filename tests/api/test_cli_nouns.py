"""`pycompose container|image|volume|network|system …` against our engine: outputs, exit codes and errors as docker's."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from support.engine_root import EngineRoot

pytestmark = pytest.mark.root

LOOP = 'trap "exit 5" TERM; while :; do sleep 0.05; done'


class Cli:
    def __init__(self, engine: EngineRoot) -> None:
        self.command = [sys.executable, "-m", "pycompose.compose.cli.main", "-H", engine.url]

    def __call__(self, *arguments: str, code: int = 0, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.command, *arguments], text=True, capture_output=True, input=stdin, timeout=30, check=False
        )
        assert done.returncode == code, (arguments, done)
        return done

    def out(self, *arguments: str, stdin: str | None = None) -> str:
        return self(*arguments, stdin=stdin).stdout

    def error(self, *arguments: str, code: int = 1) -> str:
        done = self(*arguments, code=code)
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture
def cli(engine: EngineRoot, client: object) -> Cli:
    return Cli(engine)


@pytest.fixture
def running(cli: Cli) -> Iterator[str]:
    yield cli.out(
        "container", "run", "-d", "--name", "c1", "--network", "none", "-l", "k=v", "busybox", "sh", "-c", LOOP
    ).strip()
    cli("container", "rm", "-f", "c1")


def test_run_gives_output_and_exit_code(cli: Cli) -> None:
    done = cli(
        "container", "run", "--rm", "--network", "none", "busybox", "sh", "-c", "echo o; echo e >&2; exit 7", code=7
    )
    assert (done.stdout, done.stderr) == ("o\n", "e\n")
    assert cli.out("container", "run", "--rm", "-i", "--network", "none", "busybox", "cat", stdin="typed") == "typed"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["busybox", "nosuchcommand"], 127, "executable file not found"),
        (["busybox", "/etc"], 126, "permission denied"),
        (["--pull", "never", "no/such:1"], 125, "No such image: no/such:1"),
        (["--pull", "sometimes", "busybox"], 125, "invalid pull option: 'sometimes'"),
        (["--memory", "x", "busybox"], 125, "invalid size: 'x'"),
        (["Bad"], 125, "must be lowercase"),
        (["--network", "nosuchnet", "busybox"], 125, "network nosuchnet not found"),
        (["-d", "-a", "stdout", "busybox"], 1, "Conflicting options: -a and -d"),
        (["-it", "busybox"], 1, "the input device is not a TTY"),
        ([], 1, "requires at least 1 argument."),
    ],
)
def test_run_that_cannot(cli: Cli, arguments: Sequence[str], code: int, words: str) -> None:
    assert words in cli.error("container", "run", "--rm", *arguments, code=code)
    assert cli.out("container", "ls", "--all", "--quiet") == ""  # not even for a moment longer


def test_listing(cli: Cli, running: str) -> None:
    ls = ("container", "ls", "--filter", "label=k=v")
    assert cli.out(*ls, "-q") == f"{running[:12]}\n"
    assert cli.out(*ls, "-q", "--no-trunc") == f"{running}\n"
    assert cli.out(*ls, "--format", '{{.Names}} {{.State}} {{.Label "k"}} {{upper .Names}}') == "c1 running v C1\n"
    assert re.fullmatch(r"NAMES +IMAGE\nc1 +busybox\n", cli.out(*ls, "--format", "table {{.Names}}\t{{.Image}}"))
    row = json.loads(cli.out(*ls, "--format", "json"))
    assert row["ID"] == running[:12]
    assert "Publishers" not in row
    assert cli.out("container", "ls", "-a", "--filter", "name=nosuch").splitlines() == [
        "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES"
    ]
    assert "can't evaluate field Bogus" in cli.error(*ls, "--format", "{{.Bogus}}")
    assert "bad format of filter" in cli.error("container", "ls", "--filter", "x", code=125)


def test_inspect_and_prefixes(cli: Cli, running: str) -> None:
    form = '{{.State.Status}} {{index .Config.Labels "k"}} {{.HostConfig.Binds}} {{json .Config.Cmd}}'
    assert (
        cli.out("container", "inspect", running[:7], "--format", form)
        == f"running v [] {json.dumps(['sh', '-c', LOOP], separators=(',', ':'))}\n"
    )
    assert json.loads(cli.out("container", "inspect", "c1"))[0]["Id"] == running
    assert "No such container: nosuch" in cli.error("container", "inspect", "nosuch")
    assert "unclosed action" in cli.error("container", "inspect", "c1", "--format", "{{.Id", code=64)


def test_exec(cli: Cli, running: str, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("FROM_FILE=1\n")
    script = "echo $A $FROM_FILE; pwd; exit 3"
    done = cli(
        "container",
        "exec",
        "-e",
        "A=2",
        "--env-file",
        str(tmp_path / "env"),
        "-w",
        "/tmp",
        "c1",
        "sh",
        "-c",
        script,
        code=3,
    )
    assert done.stdout == "2 1\n/tmp\n"
    cli("container", "exec", "c1", "nosuchcommand", code=127)
    assert "requires at least 2 arguments" in cli.error("container", "exec", "c1")


def test_life(cli: Cli, running: str) -> None:
    cli("container", "pause", "c1")
    assert "(Paused)" in cli.out("container", "ls")
    cli("container", "unpause", "c1")
    cli("container", "update", "--memory", "64m", "--memory-swap", "64m", "--restart", "on-failure:2", "c1")
    form = "{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}"
    assert cli.out("container", "inspect", "c1", "--format", form) == f"{64 << 20} on-failure\n"
    cli("container", "update", "--restart", "no", "c1")
    cli("container", "rename", "c1", "c2")
    assert cli.out("container", "stop", "-t", "5", "c2") == "c2\n"
    assert cli.out("container", "wait", "c2") == "5\n"
    assert "is not running" in cli.error("container", "kill", "c2")
    assert cli.out("container", "rm", "c2") == "c2\n"
    assert "failed to rename container named c2" in cli.error("container", "rename", "c2", "c1")
    assert cli.out("container", "create", "--name", "c1", "busybox").strip()


def test_copying_both_ways(cli: Cli, running: str, tmp_path: Path) -> None:
    source = tmp_path / "tree"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "file").write_text("content")
    cli("container", "cp", str(source), "c1:/tmp")
    cli("container", "cp", f"{source}/.", "c1:/tmp/contents")
    assert cli.out("container", "exec", "c1", "cat", "/tmp/tree/sub/file", "/tmp/contents/sub/file") == "contentcontent"
    cli("container", "cp", "c1:/tmp/tree", str(tmp_path / "back"))
    assert (tmp_path / "back" / "sub" / "file").read_text() == "content"
    assert "A /tmp/tree/sub/file" in cli.out("container", "diff", "c1").splitlines()
    assert "must specify at least one container source" in cli.error("container", "cp", "a", "b")
    assert "no such file or directory" in cli.error("container", "cp", str(tmp_path / "nosuch"), "c1:/")


def test_images(cli: Cli, running: str) -> None:
    cli("container", "commit", "-m", "words", "-c", 'CMD ["x"]', "c1", "made:1")
    assert (
        cli.out("image", "inspect", "made:1", "--format", "{{.Comment}} {{.Config.Cmd}} {{.RepoTags}}")
        == "words [x] [made:1]\n"
    )
    assert cli.out("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "made") == "made:1\n"
    cli("image", "tag", "made:1", "made:2")
    assert cli.out("image", "rm", "made:2") == "Untagged: made:2\n"
    assert "Deleted: sha256:" in cli.out("image", "rm", "made:1")
    assert "No such image: made:1" in cli.error("image", "rm", "made:1")


def test_images_of_several_platforms(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "for-amd64").write_text("a")
    (tmp_path / "for-arm64").write_text("b")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY for-$TARGETARCH /file\n")
    cli("image", "build", "--platform", "linux/amd64,linux/arm64", "-t", "several:1", str(tmp_path))
    shown = [
        cli.out("image", "inspect", "--platform", one, "-f", "{{.Architecture}}", "several:1")
        for one in ("arm64", "amd64")
    ]
    assert shown == ["arm64\n", "amd64\n"]
    assert "was found but does not provide" in cli.error("image", "history", "--platform", "s390x", "several:1")
    assert "invalid platform" in cli.error("image", "inspect", "--platform", "a/b/c/d", "several:1")
    archive = str(tmp_path / "one.tar")
    cli("image", "save", "--platform", "linux/arm64", "-o", archive, "several:1")
    assert "Use --force" in cli.error("image", "rm", "--platform", "linux/arm64", "several:1")
    assert "Deleted: sha256:" in cli.out("image", "rm", "--force", "--platform", "linux/arm64", "several:1")
    cli("image", "rm", "several:1")
    assert "is for linux/arm64" in cli.error("image", "load", "--platform", "linux/amd64", "-i", archive)
    assert "several:1" in cli.out("image", "load", "--platform", "linux/arm64", "-i", archive)
    cli("image", "rm", "several:1")


def test_volumes_and_networks(cli: Cli) -> None:
    assert cli.out("volume", "create", "--label", "a=b", "v1") == "v1\n"
    assert (
        cli.out("volume", "inspect", "v1", "--format", '{{.Driver}} {{index .Labels "a"}} {{.Options}}')
        == "local b map[]\n"
    )
    assert cli.out("volume", "ls", "-q", "--filter", "label=a=b") == "v1\n"
    assert cli.out("volume", "rm", "v1") == "v1\n"
    cli("network", "create", "--subnet", "10.213.9.0/24", "--gateway", "10.213.9.1", "n1")
    assert (
        cli.out("network", "inspect", "n1", "--format", "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}")
        == "10.213.9.0/24 10.213.9.1\n"
    )
    assert "no matching subnet" in cli.error(
        "network", "create", "--subnet", "10.1.0.0/24", "--gateway", "10.9.0.1", "n2"
    )
    assert cli.out("network", "rm", "n1") == "n1\n"


def test_system(cli: Cli) -> None:
    assert [line.split("  ")[0] for line in cli.out("system", "df").splitlines()] == [
        "TYPE",
        "Images",
        "Containers",
        "Local Volumes",
        "Build Cache",
    ]
    assert "Images space usage:" in cli.out("system", "df", "-v")
    assert set(json.loads(cli.out("system", "df", "-v", "--format", "json"))) == {
        "Images",
        "Containers",
        "Volumes",
        "BuildCache",
    }
    assert " Storage Driver: overlay" in cli.out("system", "info")
    assert cli.out("system", "info", "--format", "{{.OSType}}") == "linux\n"
    since = str(time.time())
    cli("volume", "create", "seen")
    events = cli.out("system", "events", "--since", since, "--until", "0s", "--filter", "type=volume")
    assert re.fullmatch(r"\S+ volume create seen \(driver=local\)\n", events)
    cli("container", "create", "--name", "old", "-l", "prune=me", "busybox")
    declined = cli.out("system", "prune", "--filter", "label=prune=me", stdin="n\n")
    assert declined.endswith("Are you sure you want to continue? [y/N] ")
    assert "Deleted Containers:" in cli.out("system", "prune", "--filter", "label=prune=me", stdin="y\n")
    assert cli.out("builder", "prune", "-f", "--filter", "until=9000h").startswith("Total reclaimed space: ")


def test_tab_completion_asks_the_engine(cli: Cli, running: str) -> None:
    words = ["__complete", *cli.command[3:]]
    complete = [sys.executable, "-m", "pycompose.compose.cli.main", *words]
    done = subprocess.run([*complete, "container", "stop", ""], text=True, capture_output=True, check=True)
    assert done.stdout == "c1\n"
    done = subprocess.run([*complete, "container", "run", "b"], text=True, capture_output=True, check=True)
    assert "busybox:latest\n" in done.stdout


def _read_until(master: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        assert select.select([master], [], [], 15)[0], seen
        seen += os.read(master, 4096)
    return seen


def test_terminal_and_detach(cli: Cli) -> None:
    master, slave = pty.openpty()
    arguments = ["container", "run", "-it", "--name", "tty", "--network", "none", "busybox", "sh"]
    process = subprocess.Popen([*cli.command, *arguments], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    try:
        _read_until(master, b"# ")
        os.write(master, b"stty -a; tty\n")
        _read_until(master, b"/dev/pts/0")
        os.write(master, b"\x10\x11")
        assert process.wait(10) == 0
        assert cli.out("container", "inspect", "tty", "--format", "{{.State.Running}}") == "true\n"
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_a_container_that_does_not_run_is_not_attached_to(cli: Cli) -> None:
    cli("container", "create", "--name", "idle", "busybox", "true")
    assert "You cannot attach to a stopped container, start it first" in cli.error("container", "attach", "idle")
    assert cli.out("container", "ls", "--last", "-1", "--format", "{{.Names}}") == ""
    assert "Neither old nor new names may be empty" in cli.error("container", "rename", "idle", "")
    missing = cli("container", "rm", "-f", "idle", "nosuch")
    assert (missing.stdout, "No such container: nosuch" in missing.stderr) == ("idle\n", True)


def test_engine_check(cli: Cli) -> None:
    found = {one["name"]: one for one in json.loads(cli.out("engine", "check", "--format", "json"))}
    assert set(found["root"]) == {"name", "state", "found", "remedy"}
    assert (found["root"]["state"], found["socket"]["state"], found["nftables"]["state"]) == ("ok", "ok", "ok")
    shown = cli.out("engine", "check")
    assert f"ok    root:             {found['root']['found']}\n" in shown
    assert "invalid format 'xml'" in cli.error("engine", "check", "--format", "xml")
