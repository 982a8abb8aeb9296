"""Builds for real: layers on disk, copies, caching, stages, mounts; RUN by a chroot so that only the builder is tested."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import socket
import stat
import subprocess
import tarfile
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.busybox_image import busybox_rootfs
from support.step_runner import ChrootRunner

from engine.build.options import BuildOptions, DirectoryContext, EmptyContext, RemoteContext, TarContext
from engine.build.progress import Event, Finished, Notice, StepCached, StepFailed, StepLog, StepStarted
from engine.build.service import Builder
from engine.build.stage import StepError
from engine.errors import EngineError
from engine.images.service import Images
from engine.layout import Layout
from engine.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root


class Bench:
    """An image store with ``busybox``, a builder, and a context directory."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout.for_root(root / "engine")
        self.store = Store(self.layout.database)
        self.images = Images(self.layout, self.store, lambda *event: None)
        self.images.recover()
        self.images.import_rootfs(busybox_rootfs(), ref="busybox", changes=['CMD ["sh"]', "ENV BASE=yes"])
        self.runner = ChrootRunner()
        self.builder = Builder(self.images, self.runner, self.layout, self.store, lambda *event: None)
        self.context = root / "context"
        self.context.mkdir()
        self.events: list[Event] = []

    def write(self, files: dict[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.context / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def build(self, text: str | None = None, **options: Any) -> str:
        self.events = []
        if text is not None:
            self.write({"Dockerfile": text})
        options.setdefault("context", DirectoryContext(self.context))
        return self.builder.build(BuildOptions(**options), self.events.append)

    @property
    def ran(self) -> list[str]:
        """Texts of steps that were really done."""
        cached = {event.step for event in self.events if isinstance(event, StepCached)}
        return [e.text for e in self.events if isinstance(e, StepStarted) and e.step not in cached]

    @property
    def output(self) -> str:
        return b"".join(event.data for event in self.events if isinstance(event, StepLog)).decode()

    def config(self, image: str) -> dict[str, Any]:
        return dict(self.images.resolve(image).config)

    @contextmanager
    def view(self, image: str) -> Iterator[Path]:
        with self.images.mounted(self.images.layer_paths(self.images.resolve(image))) as path:
            yield path

    def listing(self, image: str, below: str = "") -> dict[str, tuple[int, int, int, str]]:
        """(mode, uid, gid, content or link) of each file of an image below a directory."""
        found = {}
        with self.view(image) as root:
            top = root / below
            for path in sorted(top.rglob("*")):
                status = path.lstat()
                text = ""
                if stat.S_ISREG(status.st_mode) and status.st_size < 1 << 16:
                    text = path.read_text(errors="replace")
                elif stat.S_ISLNK(status.st_mode):
                    text = os.readlink(path)
                found[str(path.relative_to(top))] = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, text)
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.builder.close()
    bench.images.close()
    bench.store.close()
    mounts = Path("/proc/self/mountinfo").read_text()
    assert str(tmp_path) not in mounts
    assert not list((bench.layout.cache / "build" / "work").glob("*"))
    assert [path.name for path in bench.layout.ingest.glob("*")] == []


def test_a_small_image(bench: Bench) -> None:
    bench.write({"app/hello.txt": "hello"})
    image = bench.build(
        """FROM busybox
LABEL a=b c="d e"
ENV PATH=/opt/bin:$PATH GREETING=hi
WORKDIR /srv/app
COPY app/ .
RUN echo "$GREETING $BASE" > out && pwd
EXPOSE 80 53/udp
VOLUME /data
USER user
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=5s CMD true
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo ok"]
""",
        tags=("test:one", "two"),
    )
    config = bench.config("test:one")
    process = config["config"]
    assert process["Cmd"] == ["echo ok"]
    assert process["Entrypoint"] == ["/bin/sh", "-c"]
    assert process["Labels"] == {"a": "b", "c": "d e"}
    assert "GREETING=hi" in process["Env"] and "BASE=yes" in process["Env"]
    assert process["Env"][1].startswith("PATH=/opt/bin:/usr/local/sbin") or "PATH=/opt/bin:" in str(process["Env"])
    assert process["WorkingDir"] == "/srv/app"
    assert process["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert process["Volumes"] == {"/data": {}}
    assert process["User"] == "user"
    assert process["StopSignal"] == "SIGQUIT"
    assert process["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000}
    assert bench.listing(image, "srv/app") == {
        "hello.txt": (0o644, 0, 0, "hello"),
        "out": (0o644, 0, 0, "hi yes\n"),
    }
    assert "/srv/app" in bench.output
    layers = [entry for entry in config["history"] if not entry.get("empty_layer")]
    assert len(layers) == len(config["rootfs"]["diff_ids"]) == 4
    assert bench.events[-1] == Finished(image, ("test:one", "two:latest"))


def test_an_unchanged_build_is_the_same_image_and_runs_nothing(bench: Bench) -> None:
    bench.write({"file": "1"})
    text = "FROM busybox\nCOPY file /\nRUN date +%N > /stamp\nCMD true\n"
    first = bench.build(text)
    assert bench.build() == first
    assert not any("RUN" in step or "COPY" in step for step in bench.ran)
    os.utime(bench.context / "file", ns=(1, 1))  # times do not count
    assert bench.build() == first
    os.chmod(bench.context / "file", 0o755)  # modes do
    assert bench.build() != first
    bench.write({"file": "2"})
    os.chmod(bench.context / "file", 0o644)
    second = bench.build()
    assert second != first
    assert bench.build(no_cache=True) != second


def test_arguments_and_their_scope(bench: Bench) -> None:
    bench.build(
        """ARG BASE=busybox
ARG VERSION=1
FROM $BASE
ARG VERSION
ARG OTHER=${VERSION}-x
ARG TARGETARCH
RUN echo "v=$VERSION o=$OTHER u=$UNDECLARED p=$http_proxy arch=$TARGETARCH"
""",
        args={"VERSION": "7", "UNDECLARED": "no", "http_proxy": "http://proxy"},
    )
    assert "v=7 o=7-x u= p=http://proxy arch=" in bench.output
    assert "arch=\n" not in bench.output


def test_only_needed_stages_are_built_and_copied_from(bench: Bench) -> None:
    image = bench.build(
        """FROM busybox AS base
RUN mkdir /out && echo one > /out/one && ln -s one /out/link && chown 7:8 /out/one
FROM base AS unused
RUN false
FROM busybox AS parallel
RUN echo two > /two
FROM scratch
COPY --from=base /out/ /out/
COPY --from=2 two /renamed
COPY --from=busybox /etc/passwd /
"""
    )
    found = bench.listing(image)
    assert found["out/one"] == (0o644, 7, 8, "one\n")
    assert found["out/link"][3] == "one"
    assert found["renamed"][3] == "two\n"
    assert "passwd" in found
    assert bench.build(target="parallel") != image


def test_destinations_as_docker_has_them(bench: Bench) -> None:
    bench.write({"d/a": "a", "d/sub/b": "b", "f.txt": "f", "g.txt": "g"})
    os.symlink("d", bench.context / "to-d")
    image = bench.build(
        """FROM busybox
RUN mkdir -p /real /exists && ln -s /real /link && ln -s ../../../real /climbs
COPY d /newdir
COPY d /exists/
COPY to-d /through/
COPY f.txt /renamed
COPY f.txt /slash/
COPY *.txt /many/
COPY f.txt /link/
COPY g.txt /climbs
COPY --chown=user:audio --chmod=u=rwX,go=rX d /owned
COPY --chown=55 f.txt /numeric
"""
    )
    found = bench.listing(image)
    assert found["newdir/a"][3] == "a" and found["newdir/sub/b"][3] == "b"
    assert found["exists/a"][3] == "a"
    assert found["through/sub/b"][3] == "b"
    assert found["renamed"][3] == "f" and found["slash/f.txt"][3] == "f"
    assert {name for name in found if name.startswith("many/")} == {"many/f.txt", "many/g.txt"}
    assert found["real/f.txt"][3] == "f" and found["real/g.txt"][3] == "g"
    assert found["owned/a"][:3] == (0o644, 1000, 29) and found["owned/sub"][:3] == (0o755, 1000, 29)
    assert found["numeric"][1:3] == (55, 55)


def test_parents_exclude_and_link(bench: Bench) -> None:
    bench.write({"x/y/keep.go": "1", "x/y/skip.md": "2", "x/z/other.go": "3"})
    image = bench.build(
        """FROM busybox
COPY --parents x/**/*.go /p/
COPY --parents x/./y/keep.go /q/
COPY --exclude=*/*.md x /r/
COPY --link x/y/keep.go /s/
"""
    )
    found = bench.listing(image)
    assert {name for name in found if name.startswith(("p/", "q/", "r/", "s/")) and found[name][3]} == {
        "p/x/y/keep.go",
        "p/x/z/other.go",
        "q/y/keep.go",
        "r/y/keep.go",
        "r/z/other.go",
        "s/keep.go",
    }


def test_ignored_files(bench: Bench) -> None:
    bench.write(
        {
            ".dockerignore": "*\n!src\nsrc/*.tmp\n!Dockerfile\n",
            "src/a": "1",
            "src/b.tmp": "2",
            "secret": "3",
            "Other.dockerignore": "src\n",
            "Other": "FROM busybox\nCOPY . /c/\n",
        }
    )
    image = bench.build("FROM busybox\nCOPY . /c/\nRUN --mount=target=/ctx ls -R /ctx > /seen\n")
    assert set(bench.listing(image, "c")) == {"src", "src/a", "Dockerfile"}
    with bench.view(image) as root:
        seen = (root / "seen").read_text()
        assert "secret" not in seen and "b.tmp" not in seen and "a\n" in seen
    image = bench.build(dockerfile="Other")
    assert "src" not in bench.listing(image, "c") and "secret" in bench.listing(image, "c")
    with pytest.raises(EngineError, match=r"excluded by \.dockerignore"):
        bench.build("FROM busybox\nCOPY secret /\n")


def test_hostile_context(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("private")
    os.symlink(outside, bench.context / "absolute")
    os.symlink("../outside", bench.context / "climbing")
    os.symlink("loop", bench.context / "loop")
    for source in ("absolute", "climbing", "../outside", "loop/x", "/../../outside"):
        with pytest.raises(EngineError):
            bench.build(f"FROM busybox\nCOPY {source} /got\n")
    # As links inside a directory they are copied as links.
    bench.write({"d/x": ""})
    os.symlink(outside, bench.context / "d" / "link")
    image = bench.build("FROM busybox\nCOPY d /d\n")
    assert bench.listing(image, "d")["link"][3] == str(outside)


def test_heredocs(bench: Bench) -> None:
    image = bench.build(
        """FROM busybox
ENV NAME=world
COPY <<one <<'two' /docs/
hello $NAME
one
raw $NAME
two
RUN <<EOF
echo first > /ran
echo second >> /ran
EOF
RUN cat <<A >> /ran
third
A
RUN <<-EOF
#!/bin/sh
	echo "fourth $0" >> /ran
EOF
"""
    )
    found = bench.listing(image)
    assert found["docs/one"][3] == "hello world\n"
    assert found["docs/two"][3] == "raw $NAME\n"
    assert found["ran"][3] == "first\nsecond\nthird\nfourth /dev/pipes/EOF\n"
    assert "dev/pipes" not in found


def test_add_unpacks_local_archives(bench: Bench) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("dir/file")
        member.size, member.uid, member.gid = 2, 5, 6
        tar.addfile(member, io.BytesIO(b"hi"))
    bench.write({"a.tar.gz": archive.getvalue(), "fake.tar.gz": "no archive"})
    image = bench.build(
        "FROM busybox\nADD a.tar.gz /x/\nADD fake.tar.gz /y/\nADD --unpack=false a.tar.gz /z/\n"
        "ADD --chown=9:9 a.tar.gz /w\nCOPY a.tar.gz /v/\n"
    )
    found = bench.listing(image)
    assert found["x/dir/file"] == (0o644, 5, 6, "hi")
    assert found["y/fake.tar.gz"][3] == "no archive"
    assert "z/a.tar.gz" in found and "v/a.tar.gz" in found
    assert found["w/dir/file"] == (0o644, 9, 9, "hi")


def test_run_mounts(bench: Bench) -> None:
    bench.write({"script": "echo from context"})
    image = bench.build(
        """FROM busybox AS tool
RUN echo tool > /tool
FROM busybox
RUN --mount=type=bind,source=script,target=/s/script sh /s/script > /out
RUN --mount=type=bind,from=tool,target=/t cat /t/tool >> /out
RUN --mount=type=cache,target=/cache,id=c echo $(ls /cache | wc -l) >> /out && touch /cache/$$
RUN --mount=type=tmpfs,target=/scratch touch /scratch/x && echo tmp >> /out
RUN --mount=type=bind,target=/ctx,rw touch /ctx/new && echo rw >> /out
""",
    )
    found = bench.listing(image)
    assert found["out"][3] == "from context\ntool\n0\ntmp\nrw\n"
    assert not {"s", "t", "cache", "scratch", "ctx"} & set(found)
    assert not (bench.context / "new").exists()
    image = bench.build(no_cache=True)
    assert bench.listing(image)["out"][3] == "from context\ntool\n1\ntmp\nrw\n"
    assert len([entry for entry in bench.builder.usage() if entry["Type"] == "exec.cachemount"]) == 1
    bench.builder.prune(all=True)
    assert bench.builder.usage() == []


def test_secrets_stay_out_of_everything(bench: Bench) -> None:
    secret = b"s3cr3t-value-42"
    text = """FROM busybox
RUN --mount=type=secret,id=token cat /run/secrets/token | md5sum | grep -q ^11d0 || echo read $(wc -c < /run/secrets/token)
RUN --mount=type=secret,id=token,env=TOKEN echo env ${#TOKEN}
RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent
"""
    image = bench.build(text, secrets={"token": secret})
    assert f"read {len(secret)}" in bench.output and f"env {len(secret)}" in bench.output
    assert bench.build(secrets={"token": b"another"}) == image  # no part of the key
    for path in bench.layout.state.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert secret not in path.read_bytes(), path
    assert "run/secrets" not in bench.listing(image)
    with pytest.raises(EngineError, match="secret token: not found"):
        bench.build("FROM busybox\nRUN --mount=type=secret,id=token,required true\n")


def test_onbuild(bench: Bench) -> None:
    bench.write({"f": "x"})
    bench.build("FROM busybox\nONBUILD COPY f /f\nONBUILD RUN cat /f\n", tags=("parent",))
    assert bench.config("parent")["config"]["OnBuild"] == ["COPY f /f", "RUN cat /f"]
    image = bench.build("FROM parent\nRUN echo after\n")
    assert "x" in bench.output and "after" in bench.output
    assert "OnBuild" not in bench.config(image)["config"]
    assert "f" in bench.listing(image)


def test_reset_rules(bench: Bench) -> None:
    bench.build('FROM busybox\nCMD ["a"]\n', tags=("parent",))
    assert "Cmd" not in bench.config(bench.build('FROM parent\nENTRYPOINT ["e"]\n'))["config"]
    config = bench.config(bench.build('FROM parent\nCMD ["c"]\nENTRYPOINT ["e"]\n'))["config"]
    assert config["Cmd"] == ["c"] and config["Entrypoint"] == ["e"]
    config = bench.config(bench.build('FROM parent\nSHELL ["/bin/ash", "-ec"]\nCMD echo x\n'))["config"]
    assert config["Cmd"] == ["/bin/ash", "-ec", "echo x"]


def test_metadata_makes_no_layer(bench: Bench) -> None:
    base = len(bench.images.resolve("busybox").layers)
    image = bench.build("FROM busybox\nENV A=1\nLABEL l=m\nWORKDIR /tmp\nUSER 5\nEXPOSE 1\nCMD x\n", labels={"o": "p"})
    assert len(bench.images.resolve(image).layers) == base
    assert bench.config(image)["config"]["Labels"] == {"l": "m", "o": "p"}
    assert bench.build(labels={"o": "p"}) == image


def test_failure_tells_line_and_output(bench: Bench) -> None:
    with pytest.raises(StepError, match="did not complete successfully: exit code: 3") as caught:
        bench.build("FROM busybox\n\nRUN echo before; \\\n  exit 3\nRUN true\n")
    (failed,) = [event for event in bench.events if isinstance(event, StepFailed)]
    assert failed.code == 3 and failed.output == "before"
    assert "Dockerfile:3" in failed.excerpt and ">>> RUN echo before" in failed.excerpt
    assert caught.value.output == "before"
    assert bench.ran[-1].startswith("RUN echo before")


def test_bad_files_are_refused_before_anything_runs(bench: Bench) -> None:
    with pytest.raises(EngineError, match="dockerfile parse error on line 2: unknown instruction: FOO"):
        bench.build("FROM busybox\nFOO bar\n")
    with pytest.raises(EngineError, match="failed to read dockerfile: open Nothing"):
        bench.build(dockerfile="Nothing")
    with pytest.raises(EngineError, match=r'target stage "buidl" could not be found \(did you mean build'):
        bench.build("FROM busybox AS build\n", target="buidl")
    with pytest.raises(EngineError, match='"/nothing": not found'):
        bench.build("FROM busybox\nCOPY nothing /\n")
    with pytest.raises(EngineError, match="needs to be defined before"):
        bench.build("FROM busybox AS last\nCOPY --from=later /a /\nFROM busybox AS later\n", target="last")
    assert not bench.runner.steps


def test_a_parallel_failure_stops_the_others(bench: Bench) -> None:
    text = """FROM busybox AS a
RUN sleep 0.2; false
FROM busybox AS b
RUN sleep 0.1
RUN sleep 0.3
RUN echo never
FROM busybox
COPY --from=a / /a
COPY --from=b / /b
"""
    with pytest.raises(EngineError, match="exit code: 1"):
        bench.build(text)
    assert "never" not in bench.output


def test_cancel(bench: Bench) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(EngineError, match="cancel"):
        bench.build("FROM busybox\nRUN sleep 5\n", cancel=cancel)
    assert not bench.runner.steps


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


def test_source_date_epoch_is_reproducible(bench: Bench) -> None:
    bench.write({"f": "1"})
    text = "FROM busybox\nCOPY f /f\nRUN echo x > /x\n"
    first = bench.build(text, args={"SOURCE_DATE_EPOCH": "1000000000"})
    config = bench.config(first)
    assert config["created"] == "2001-09-09T01:46:40Z"
    with bench.view(first) as root:
        assert (root / "x").stat().st_mtime == 1_000_000_000
    assert bench.build(args={"SOURCE_DATE_EPOCH": "1000000000"}, no_cache=True) == first


def test_cache_travels_by_directory_and_image(bench: Bench, tmp_path: Path) -> None:
    text = "FROM scratch\nADD rootfs.tar /\nRUN date +%N > /stamp\nRUN echo done > /done\n"
    bench.write({"rootfs.tar": busybox_rootfs().read()})
    exported = tmp_path / "exported"
    first = bench.build(text, cache_to=(f"type=local,dest={exported}",))
    stamp = bench.listing(first)["stamp"][3]
    (tmp_path / "second").mkdir()
    fresh = Bench(tmp_path / "second")
    fresh.write({"rootfs.tar": busybox_rootfs().read()})
    image = fresh.build(text, cache_from=(f"type=local,src={exported}",))
    assert fresh.ran == ["FROM scratch"]
    assert fresh.listing(image)["stamp"][3] == stamp
    fresh.builder.close()
    fresh.images.close()
    fresh.store.close()

    bench.build(text, cache_to=("type=inline",), tags=("cached",))
    bench.builder.prune(all=True)
    image = bench.build(text, cache_from=("cached",))
    assert bench.ran == ["FROM scratch"]
    assert bench.listing(image)["stamp"][3] == stamp


def test_whiteouts_and_special_files_in_copies(bench: Bench) -> None:
    image = bench.build(
        """FROM busybox AS a
RUN mkdir /d && echo 1 > /d/gone && echo 2 > /d/stays && mkfifo /d/pipe && ln /d/stays /d/hard && chmod 4755 /d/stays
RUN rm /d/gone
FROM busybox
COPY --from=a /d /d
RUN test -p /d/pipe && rm -r /d/pipe && mkdir /d/gone
"""
    )
    found = bench.listing(image, "d")
    assert found["stays"][0] == 0o4755
    assert found["gone"][0] == 0o755
    assert "pipe" not in found
    with bench.view(image) as root:
        assert (root / "d/hard").stat().st_nlink == 2


def test_mount_points_leave_nothing_in_layers(bench: Bench) -> None:
    image = bench.build(
        """FROM busybox
RUN --mount=type=secret,id=s --mount=type=cache,target=/etc/new/cache --mount=type=tmpfs,target=/opt/t true
RUN --mount=type=bind,target=/opt/t touch /opt/kept
""",
        secrets={"s": b"x"},
    )
    first, second = bench.images.resolve(image).layers[-2:]
    assert list(bench.images.layer_path(first).rglob("*")) == []
    assert [path.name for path in bench.images.layer_path(second).rglob("*")] == ["opt", "kept"]


def test_pruning_frees_what_no_image_has(bench: Bench) -> None:
    bench.build("FROM busybox\nRUN echo kept > /kept\n", tags=("kept",))
    bench.build("FROM busybox\nRUN head -c 100000 /dev/zero > /gone\n", tags=("gone",))
    bench.images.remove("gone", in_use=lambda id: ())
    removed, freed = bench.builder.prune()
    assert len(removed) == 1 and freed >= 100_000
    bench.build("FROM busybox\nRUN echo kept > /kept\n")
    assert bench.ran == ["FROM busybox"]
    assert bench.builder.prune(until=0) == ([], 0)


@contextmanager
def http_server(directory: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """No lines on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


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


def test_notices(bench: Bench) -> None:
    bench.build("# check=skip=all\nFROM busybox\nMAINTAINER me\n", args={"NOBODY": "1", "http_proxy": "x"}, sbom=True)
    texts = [event.text for event in bench.events if isinstance(event, Notice)]
    assert texts == [
        "MAINTAINER is deprecated, use a label instead",
        "One or more build-args [NOBODY] were not consumed",
        "provenance and sbom attestations are not made by this engine: ignored",
    ]
    with pytest.raises(EngineError, match='invalid check option "bogus"'):
        bench.build("# check=bogus=1\nFROM busybox\n")
