"""Where builds get files from: tars, inline Dockerfiles, named contexts, URLs, git."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import socket
import subprocess
import tarfile
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from support.build_bench import Bench

from pycompose.engine.build.options import EmptyContext, RemoteContext, TarContext
from pycompose.engine.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as made:
        yield made


def test_tar_context_inline_and_stdin(bench: Bench) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in (("Dockerfile", b"FROM busybox\nCOPY data /data\n"), ("data", b"1")):
            member = tarfile.TarInfo(name)
            member.size, member.uid = len(content), 77
            tar.addfile(member, io.BytesIO(content))
    image = bench.build(context=TarContext(io.BytesIO(archive.getvalue())))
    assert bench.listing(image)["data"] == (0o644, 0, 0, "1")
    bench.write({"data": "1"})
    os.chmod(bench.context / "data", 0o644)
    assert bench.build(dockerfile_inline="FROM busybox\nCOPY data /data\n") == image
    assert bench.ran == ["FROM busybox"]
    lone = bench.build(context=TarContext(io.BytesIO(b"FROM busybox\nENV X=1\n")))
    assert bench.build(context=EmptyContext(), dockerfile_inline="FROM busybox\nENV X=1\n") == lone


def test_named_contexts(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("from other")
    bench.build("FROM busybox\nRUN echo replaced > /who\n", tags=("mine",))
    image = bench.build(
        "FROM alpine:3 AS base\nCOPY --from=extra file /file\nRUN cat /who\n",
        contexts={"alpine:3": "docker-image://mine", "extra": str(other)},
    )
    assert "replaced" in bench.output
    assert bench.listing(image)["file"][3] == "from other"
    image = bench.build("FROM nowhere AS lib\nFROM scratch\nCOPY --from=lib / /\n", contexts={"lib": str(other)})
    assert bench.listing(image) == {"file": (0o644, 0, 0, "from other")}


@contextmanager
def http_server(directory: Path, answers: list[str] | None = None) -> Iterator[str]:
    """Its address. ``answers`` gets a status and a path for each request."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """No lines on stderr."""

        def log_request(self, code: object = "-", size: object = "-") -> None:
            if answers is not None:
                answers.append(f"{int(str(getattr(code, 'value', code)))} {self.path}")

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_urls_are_fetched_by_the_proxy_of_the_environment(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redirects as well; the proxy here answers itself, whatever host is asked for."""
    asked: list[str] = []

    class Proxy(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """No lines on stderr."""

        def do_GET(self) -> None:
            asked.append(self.path)
            moved = self.path == "http://files.example/moved"
            self.send_response(302 if moved else 200)
            if moved:
                self.send_header("Location", "//other.example/file")
            self.send_header("Content-Length", "0" if moved else "3")
            self.end_headers()
            self.wfile.write(b"" if moved else b"got")

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_address[1]}")
            image = bench.build("FROM busybox\nADD http://files.example/moved /x\n")
        finally:
            server.shutdown()
            thread.join()
    assert bench.listing(image)["x"][3] == "got"
    assert asked == ["http://files.example/moved", "http://other.example/file"]
    with pytest.raises(EngineError, match=r'^Get "http://files.example/y": proxyconnect tcp .*connection refused$'):
        bench.build("FROM busybox\nADD http://files.example/y /x\n")


def test_files_of_here_documents_were_made_now(bench: Bench) -> None:
    """No zip archive holds one of 1970."""
    before = time.time()
    image = bench.build("FROM busybox\nCOPY <<EOF /x\ntext\nEOF\nRUN stat -c 'made %Y' /x\n")
    assert bench.listing(image)["x"] == (0o644, 0, 0, "text\n")
    made = int(bench.output.split("made ")[1].split()[0])
    assert int(before) <= made <= time.time()


def test_urls_are_fetched_only_when_they_changed(bench: Bench, tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    (served / "file").write_text("one")
    os.utime(served / "file", (1_000_000, 1_000_000))
    answers: list[str] = []
    with http_server(served, answers) as url:
        text = f"FROM busybox\nADD {url}/file /x\n"
        first = bench.build(text)
        assert bench.build(text) == first and bench.ran == ["FROM busybox"]
        assert answers == ["200 /file", "304 /file"]
        again = bench.build(text, no_cache=True)  # the content is needed after all
        assert bench.listing(again)["x"] == (0o600, 0, 0, "one")
        (served / "file").write_text("two")
        assert bench.listing(bench.build(text))["x"][3] == "two"
        answers.clear()
        pinned = f"FROM busybox\nADD --checksum=sha256:{hashlib.sha256(b'two').hexdigest()} {url}/file /y\n"
        bench.build(pinned)
        bench.build(pinned)
        assert answers == ["200 /file"]  # what is known by its digest is not even asked for


def test_add_fetches_urls(bench: Bench, tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    (served / "file.txt").write_text("served")
    os.utime(served / "file.txt", (1_000_000, 1_000_000))
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("inside"))
    (served / "a.tar").write_bytes(archive.getvalue())
    good = "sha256:" + hashlib.sha256(b"served").hexdigest()
    with http_server(served) as url:
        text = f"FROM busybox\nADD {url}/file.txt /d/\nADD {url}/a.tar /e/\nADD --unpack {url}/a.tar /f/\n"
        image = bench.build(text)
        found = bench.listing(image)
        assert found["d/file.txt"] == (0o600, 0, 0, "served")
        assert "e/a.tar" in found and "f/inside" in found
        with bench.view(image) as root:
            assert (root / "d/file.txt").stat().st_mtime == 1_000_000
        assert bench.build(text) == image
        bench.build(f"FROM busybox\nADD --checksum={good} {url}/file.txt /x\n")
        with pytest.raises(EngineError, match="digest mismatch"):
            bench.build(f"FROM busybox\nADD --checksum=sha256:{'0' * 64} {url}/file.txt /x\n")
        with pytest.raises(EngineError, match="server answered 404"):
            bench.build(f"FROM busybox\nADD {url}/nothing /x\n")
        with pytest.raises(EngineError, match="source can't be a URL for COPY"):
            bench.build(f"FROM busybox\nCOPY {url}/file.txt /x\n")
        (served / "Dockerfile.txt").write_text("FROM busybox\nENV FROM_URL=1\n")
        image = bench.build(context=RemoteContext(f"{url}/Dockerfile.txt"))
        assert "FROM_URL=1" in bench.config(image)["config"]["Env"]


def test_git_sources_and_contexts(bench: Bench, tmp_path: Path) -> None:
    work = tmp_path / "repositories" / "work"
    work.mkdir(parents=True)
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": str(tmp_path)}

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
        return subprocess.run(command, cwd=work, env=env, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    (work / "sub").mkdir()
    (work / "sub/Dockerfile").write_text("FROM busybox\nCOPY data /data\n")
    (work / "sub/data").write_text("one")
    git("add", ".")
    git("commit", "--quiet", "-m", "one")
    first = git("rev-parse", "HEAD")
    git("tag", "v1")
    (work / "sub/data").write_text("two")
    git("commit", "--quiet", "-am", "two")
    git("clone", "--quiet", "--bare", ".", "../repo.git")
    git("--git-dir=../repo.git", "update-server-info")
    with http_server(tmp_path / "repositories") as plain:
        image = bench.build(context=RemoteContext(f"{plain}/repo.git#v1:sub"))
        assert bench.listing(image)["data"][3] == "one"
    port = free_port()
    command = ["git", "daemon", "--reuseaddr", "--export-all", f"--base-path={tmp_path / 'repositories'}"]
    command += ["--listen=127.0.0.1", f"--port={port}"]
    daemon = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0)
    try:
        wait_for_port(port)
        url = f"git://127.0.0.1:{port}/repo.git"
        image = bench.build(f"FROM busybox\nADD {url}#v1 /one\nADD --keep-git-dir {url}#main:sub /two\n")
        found = bench.listing(image)
        assert found["one/sub/data"][3] == "one" and found["two/data"][3] == "two"
        assert "one/.git" not in found
        image = bench.build(context=RemoteContext(f"{url}#main:sub"))
        assert bench.listing(image)["data"][3] == "two"
        bench.build(f"FROM busybox\nADD --checksum={first} {url}#v1 /one\n")
        with pytest.raises(EngineError, match="expected checksum to match"):
            bench.build(f"FROM busybox\nADD --checksum={first} {url}#main /one\n")
        with pytest.raises(EngineError, match="git fetch"):
            bench.build(f"FROM busybox\nADD {url}#nothing /one\n")
    finally:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()


def wait_for_port(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("git daemon did not start")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


SSH = """#!/bin/sh
printf '%s\\n' "$*" "agent: $SSH_AUTH_SOCK" >> {log}
exit 255
"""
SSH_TO_DISK = """#!/bin/sh
for word; do command=$word; done
printf '%s\\n' "ssh $* agent: $SSH_AUTH_SOCK" >> {log}
cd {repositories} && eval "exec $command"
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What ssh is called with: as root's own agent would be there, and a program of this name first in PATH."""
    log = tmp_path / "asked"
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "ssh").write_text(SSH.format(log=log))
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/of/the/engines/user")
    return log


@pytest.mark.parametrize("source", ["git@127.0.0.1:private/x.git", "ssh://git@127.0.0.1:1/private/x.git"])
def test_a_dockerfile_has_no_keys_of_the_engines_user(bench: Bench, asked: Path, source: str) -> None:
    """A stranger's Dockerfile names a private repository: it is fetched with what the client lends, or not at all."""
    with pytest.raises(EngineError, match="it takes an agent that the client lends"):
        bench.build(f"FROM scratch\nADD {source} /x\n")
    assert not asked.exists()
    with pytest.raises(EngineError, match="git fetch"):
        bench.build(f"FROM scratch\nADD {source} /x\n", ssh={"default": asked.parent / "lent"})
    told = asked.read_text()
    assert f"agent: {asked.parent / 'lent'}" in told and "-o IdentityFile=none" in told
    assert "/of/the/engines/user" not in told


def test_a_context_by_ssh_is_fetched_as_the_engines_user(bench: Bench, asked: Path) -> None:
    """The client has named it, as one names it to git."""
    with pytest.raises(EngineError, match="git fetch"):
        bench.build(context=RemoteContext("git@127.0.0.1:own/x.git"))
    told = asked.read_text()
    assert "agent: /of/the/engines/user" in told and "IdentityFile" not in told


@pytest.mark.parametrize("lent", [False, True])
def test_submodules_have_no_keys_of_the_engines_user(bench: Bench, asked: Path, tmp_path: Path, lent: bool) -> None:
    """Whoever writes to a repository names its submodules: one that only the engine's user may read would end in their image.
    The context itself comes over ssh, with that user's keys."""
    (asked.parent / "programs/ssh").write_text(SSH_TO_DISK.format(log=asked, repositories=tmp_path))
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"]
    for name in ("public", "private"):
        subprocess.run([*git, "init", "--quiet", name], cwd=tmp_path, check=True)
        (tmp_path / name / "Dockerfile").write_text("FROM busybox\nCOPY . /all\n")
    (tmp_path / "private/secret").write_text("only for the engine's user")
    url = "git@127.0.0.1:private" if lent else "ssh://git@127.0.0.1:1/private"
    (tmp_path / "public/.gitmodules").write_text(f'[submodule "s"]\n\tpath = s\n\turl = {url}\n')
    for name in ("private", "public"):
        subprocess.run([*git, "add", "."], cwd=tmp_path / name, check=True)
        if name == "public":
            head = ["git", "-C", "../private", "rev-parse", "HEAD"]
            commit = subprocess.run(
                head, cwd=tmp_path / name, check=True, capture_output=True, text=True
            ).stdout.strip()
            subprocess.run(
                [*git, "update-index", "--add", "--cacheinfo", f"160000,{commit},s"], cwd=tmp_path / name, check=True
            )
        subprocess.run([*git, "commit", "--quiet", "-m", "x"], cwd=tmp_path / name, check=True)
    context = RemoteContext("git@127.0.0.1:public")
    if lent:
        image = bench.build(context=context, ssh={"default": tmp_path / "lent"})
        assert bench.listing(image)["all/s/secret"][3] == "only for the engine's user"
    else:
        with pytest.raises(EngineError, match="git submodule: over ssh it takes an agent that the client lends"):
            bench.build(context=context)
    told = [line.partition(" ")[2] for line in asked.read_text().splitlines()]
    others = [line for line in told if "private" in line]
    assert all("IdentityFile=none" in line and f"agent: {tmp_path / 'lent'}" in line for line in others), others
    assert bool(others) == lent and any("public" in line and "agent: /of/the/engines/user" in line for line in told)
    # Without the check of who it is git would have fetched it.
    assert bench.listing(bench.build(context=RemoteContext(f"ssh://git@127.0.0.1{tmp_path}/public?submodules=false")))[
        "all"
    ]
