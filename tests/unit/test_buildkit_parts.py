"""BuildKit's wire formats and the frontend's attributes, without an engine."""

from __future__ import annotations

import ast
import asyncio
import keyword
import os
import re
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorSet
from hypothesis import given, settings
from hypothesis import strategies as st
from support import protos

import pycompose.engine.buildkit.messages as wire
from pycompose.engine.build.options import ReceivedContext, RemoteContext
from pycompose.engine.build.progress import Notice, StepCached, StepDone, StepFailed, StepLog, StepNote, StepStarted
from pycompose.engine.buildkit.filesync import Receiver, Sender, go_mode, mode_of
from pycompose.engine.buildkit.frontend import Asked, CacheImport, options
from pycompose.engine.buildkit.grpc import ClientCall, GrpcError, ServerCall, encoded, one, serve, unary
from pycompose.engine.buildkit.http2 import LARGEST, Connection
from pycompose.engine.buildkit.lent import LentFiles
from pycompose.engine.buildkit.progress import Told
from pycompose.engine.errors import InvalidParameter, NotImplemented_

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pycompose.engine.buildkit.lent import Lender

SCALARS = {
    FieldDescriptorProto.TYPE_STRING: "str",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_BOOL: "bool",
}


def test_the_compiled_descriptors_are_those_of_the_sources(tmp_path: Path) -> None:
    protos.descriptors(tmp_path / "buildkit.binpb")
    assert (tmp_path / "buildkit.binpb").read_bytes() == (protos.PROTO / "buildkit.binpb").read_bytes()


def stubbed(nodes: Sequence[ast.stmt], prefix: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """The messages of a stub, and the innermost types of their fields."""
    for node in nodes:
        if isinstance(node, ast.ClassDef) and ast.unparse(node.bases[0]) == "_message.Message":
            fields = {
                ast.unparse(one.target): re.findall(r"\w+", ast.unparse(one.annotation))[-1].removeprefix("_")
                for one in node.body
                if isinstance(one, ast.AnnAssign) and "ClassVar" not in ast.unparse(one.annotation)
            }
            yield prefix + node.name, fields
            yield from stubbed(node.body, f"{prefix}{node.name}.")


def described(messages: Iterable[DescriptorProto], prefix: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    for message in messages:
        inner = {one.name: one for one in message.nested_type}
        fields = {value.name: enum.name for enum in message.enum_type for value in enum.value}
        for field in message.field:
            entry = inner.get(field.type_name.rpartition(".")[2])
            told = entry.field[1] if entry is not None and entry.options.map_entry else field
            fields[field.name] = told.type_name.rpartition(".")[2] or SCALARS.get(told.type, "int")
        yield prefix + message.name, {name: kind for name, kind in fields.items() if not keyword.iskeyword(name)}
        yield from described(message.nested_type, f"{prefix}{message.name}.")


def test_the_stubs_are_those_of_the_descriptors() -> None:
    """Names of fields and their innermost types; the layout is that of whichever protoc has written them."""
    found = FileDescriptorSet.FromString((protos.PROTO / "buildkit.binpb").read_bytes())
    own = {file.name: file for file in found.file if not file.name.startswith("google/")}
    assert {f"{Path(name).stem}_pb2.pyi" for name in own} == {path.name for path in protos.PROTO.glob("*.pyi")}
    for name, file in own.items():
        stub = ast.parse((protos.PROTO / f"{Path(name).stem}_pb2.pyi").read_text())
        assert dict(stubbed(stub.body)) == dict(described(file.message_type)), name


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(InvalidParameter):
        wire.parse(wire.fsutil.Packet, b"\xff\xff")


@pytest.mark.parametrize(
    ("go", "mode"),
    [
        (0o644, stat.S_IFREG | 0o644),
        (1 << 31 | 0o755, stat.S_IFDIR | 0o755),
        (1 << 27 | 0o777, stat.S_IFLNK | 0o777),
        (1 << 23 | 1 << 20 | 0o755, stat.S_IFREG | stat.S_ISUID | stat.S_ISVTX | 0o755),
        (1 << 26 | 1 << 21 | 0o600, stat.S_IFCHR | 0o600),
    ],
)
def test_file_modes(go: int, mode: int) -> None:
    assert mode_of(go) == mode
    assert go_mode(mode) == go


def test_a_mode_of_no_type_is_refused() -> None:
    with pytest.raises(InvalidParameter):
        mode_of(1 << 31 | 1 << 27)


def test_metadata_that_is_not_ascii_is_quoted() -> None:
    assert encoded({"a": ["x y"], "b": ["ä+", "c"]}) == {"a": ["x y"], "b": ["%C3%A4%2B", "c"], "b-encoded": ["1"]}


class _Receiver:
    """The other end of a Sender: asks for every file."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.data: dict[int, bytes] = {}
        self._answers: list[bytes] = []
        self._ended = False

    def put(self, packets: list[bytes]) -> None:
        for raw in packets:
            packet = wire.parse(wire.fsutil.Packet, raw)
            if packet.type == 0 and packet.HasField("stat"):
                self.entries.append(packet.stat)
                if stat.S_ISREG(mode_of(packet.stat.mode)) and not packet.stat.linkname:
                    self._answers.append(wire.fsutil.Packet(type=1, ID=len(self.entries) - 1).SerializeToString())
            elif packet.type == 0:
                self._answers.append(wire.fsutil.Packet(type=3).SerializeToString())
            elif packet.type == 2:
                self.data[packet.ID] = self.data.get(packet.ID, b"") + packet.data

    def take(self) -> list[bytes]:
        found, self._answers = self._answers, []
        return found

    def end(self) -> None:
        self._ended = True


def test_a_directory_is_sent_in_order(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "z").write_bytes(b"z" * 100_000)
    (tmp_path / "a.b").write_text("ab")
    (tmp_path / "c").symlink_to("a/z")
    (tmp_path / "d").hardlink_to(tmp_path / "a.b")
    receiver = _Receiver()
    Sender(receiver, tmp_path, lambda: False).run()
    assert [(entry.path, entry.linkname) for entry in receiver.entries] == [
        ("a", ""), ("a/z", ""), ("a.b", ""), ("c", "a/z"), ("d", "a.b"),
    ]  # fmt: skip
    assert receiver.data == {1: b"z" * 100_000, 2: b"ab"}


class _Packets:
    """One end of a call between two threads."""

    def __init__(self, inbox: Queue[list[bytes]], outbox: Queue[list[bytes]]) -> None:
        self._inbox, self._outbox = inbox, outbox

    def take(self) -> list[bytes]:
        return self._inbox.get(timeout=20)

    def put(self, packets: list[bytes]) -> None:
        self._outbox.put(list(packets))

    def end(self) -> None:
        self._outbox.put([])


def _sync(source: Path, target: Path) -> None:
    """Send ``source``, receive it in ``target``."""
    here: Queue[list[bytes]] = Queue()
    there: Queue[list[bytes]] = Queue()

    def send() -> None:
        Sender(_Packets(there, here), source, lambda: False).run()

    sender = _Packets(there, here)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        Receiver(_Packets(here, there), target, lambda: False).run()
        sender._inbox.put([])  # as gRPC does: what the receiver has ended, ends for the sender
        sending.result(20)


def _seen(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content: Any = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        mode = 0 if path.is_symlink() else status.st_mode
        found[str(path.relative_to(root))] = (stat.S_IFMT(status.st_mode), mode, status.st_mtime_ns, content)
    return found


_NAMES = st.sampled_from(["a", "b", "a.b", "a-b", "B", "é"])
_TREES = st.dictionaries(
    st.lists(_NAMES, min_size=1, max_size=3).map("/".join),
    st.one_of(st.none(), st.binary(max_size=20), st.sampled_from(["link", "a/b"])),
    max_size=8,
)


def _write(root: Path, tree: dict[str, bytes | str | None]) -> None:
    """Files, directories (None) and links (text); what cannot stand beside the rest is left out."""
    for name, content in tree.items():
        path = root / name
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink() or path.exists() or any(above.is_symlink() for above in path.parents):
                continue
            if content is None:
                path.mkdir(mode=0o711)
            elif isinstance(content, bytes):
                path.write_bytes(content)
                path.chmod(0o640)
            else:
                path.symlink_to(content)


def _received(root: Path, *stats: Any) -> None:
    """Receive entries, of which no content is asked for."""
    inbox: Queue[list[bytes]] = Queue()
    packets = [wire.fsutil.Packet(type=0, stat=one) for one in stats]
    inbox.put([one.SerializeToString() for one in (*packets, wire.fsutil.Packet(type=0))])
    inbox.put([])
    Receiver(_Packets(inbox, Queue()), root, lambda: False).run()


def _directory_entry(path: str) -> Any:
    return wire.fsutil.Stat(path=path, mode=1 << 31 | 0o755)


@pytest.mark.parametrize(
    "stats",
    [
        [wire.fsutil.Stat(path="up", mode=1 << 27, linkname=".."), wire.fsutil.Stat(path="up/new", mode=0o644)],
        [wire.fsutil.Stat(path="up", mode=1 << 27, linkname=".."), _directory_entry("up/new")],
        [_directory_entry("d"), wire.fsutil.Stat(path="d/../../new", mode=0o644)],
        [wire.fsutil.Stat(path="/new", mode=1 << 25)],
        [wire.fsutil.Stat(path="h", mode=0o644, linkname="../kept")],
        [wire.fsutil.Stat(path="up", mode=1 << 27, linkname="../kept"), wire.fsutil.Stat(path="h", linkname="up")],
        [_directory_entry("d"), wire.fsutil.Stat(path="d", mode=1 << 27, linkname="..")],
    ],
)
@pytest.mark.parametrize("before", ["nothing", "a link", "a directory"])
def test_a_sender_stays_in_its_directory(tmp_path: Path, stats: list[Any], before: str) -> None:
    """Also when what came the last time lies there."""
    root = tmp_path / "outer" / "root"
    root.mkdir(parents=True)
    (root.parent / "kept").write_text("as it was")
    if before == "a link":
        (root / "d").symlink_to("..")
    elif before == "a directory":
        (root / "up").mkdir()
    with pytest.raises(InvalidParameter):
        _received(root, *stats)
    assert sorted(os.listdir(root.parent)) == ["kept", "root"]
    assert (root.parent / "kept").stat().st_nlink == 1


def test_a_directory_without_end_is_refused(tmp_path: Path) -> None:
    names = ["/".join("d" * depth) for depth in range(1, 300)]
    with pytest.raises(InvalidParameter, match="too deep"):
        _received(tmp_path, *(_directory_entry(name) for name in names))


def test_a_deep_tree_of_before_goes_away(tmp_path: Path) -> None:
    place = os.open(tmp_path, os.O_RDONLY)
    for _ in range(400):
        os.mkdir("d", dir_fd=place)
        below = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(place)
    _received(tmp_path, wire.fsutil.Stat(path="d", mode=1 << 27, linkname="x"))
    assert os.readlink(tmp_path / "d") == "x"


@given(first=_TREES, second=_TREES)
@settings(max_examples=15, deadline=None)
def test_a_received_directory_is_the_one_that_was_sent(first: Any, second: Any) -> None:
    """Whatever was there from the time before."""
    with TemporaryDirectory() as directory:
        target = Path(directory) / "target"
        target.mkdir()
        for number, tree in enumerate((first, second, second)):
            source = Path(directory) / str(number)
            source.mkdir()
            _write(source, tree)
            _sync(source, target)
            assert _seen(target) == _seen(source)


def test_calls_between_both_roles() -> None:
    """Messages larger than a window, errors with any text, and methods that are not there."""
    kind = wire.session.BytesMessage

    async def echo(request: Any, call: ServerCall) -> Any:
        if request.data == b"fail":
            raise GrpcError("nö % \n yes", 5, [("type/x", b"\0detail")])
        return request

    class Wire:
        def __init__(self, end: socket.socket) -> None:
            end.setblocking(False)
            self._end, self._loop = end, asyncio.get_running_loop()

        async def receive(self, limit: int) -> bytes:
            return await self._loop.sock_recv(self._end, limit)

        async def send(self, data: bytes) -> None:
            await self._loop.sock_sendall(self._end, data)

    client: Any = None

    class Peer:
        def call(self, path: str, metadata: Any = None) -> ClientCall:
            return ClientCall(client, path, metadata or {})

    async def talk() -> None:
        nonlocal client
        client = Connection(Wire(right))
        async with anyio.create_task_group() as group:
            group.start_soon(Connection(Wire(left), partial(serve, {"/echo": one(kind, echo)})).run)
            group.start_soon(client.run)
            with anyio.fail_after(20):
                answer = await unary(Peer(), "/echo", kind(data=b"x" * 3_000_000), kind)
                assert len(answer.data) == 3_000_000
                with pytest.raises(GrpcError, match="nö % \n yes") as failed:
                    await unary(Peer(), "/echo", kind(data=b"fail"), kind)
                assert (failed.value.code, failed.value.details) == (5, (("type/x", b"\0detail"),))
                with pytest.raises(GrpcError, match="does not offer it"):
                    await unary(Peer(), "/other", kind(), kind)
                with pytest.raises(GrpcError):
                    await unary(Peer(), "/echo", kind(data=bytes(LARGEST)), kind)
            group.cancel_scope.cancel()

    left, right = socket.socketpair()
    with left, right:
        anyio.run(talk)


class _NoLender:
    """A session that lends nothing and is asked for nothing."""

    session = SimpleNamespace(shared_key="")

    def of_session(self, id: str) -> _NoLender:
        return self


def _options(attributes: dict[str, str], **more: Any) -> Any:
    return options(Asked(attributes, **more), cast("Lender", _NoLender()), Path("/agents"))


def test_attributes_become_options() -> None:
    found = _options(
        {
            "filename": "Other",
            "target": "t",
            "build-arg:A": "1",
            "label:l": "v",
            "no-cache": "x,y",
            "image-resolve-mode": "pull",
            "platform": "linux/amd64",
            "add-hosts": "a=1.2.3.4,b=::1",
            "shm-size": "1000",
            "ulimit": "nofile=10:20,nproc=5",
            "memory": "4096",
            "context:docker.io/library/base": "docker-image://busybox",
            "context:here": "local:here",
            "context:in": "input:one",
            "cache-imports": '[{"Type": "registry", "Attrs": {"ref": "r/c:1"}}, {"Type": "gha"}]',
            "cache-from": "r/d,r/c:1",
        },
        cache_exports=(CacheImport("inline", {}),),
        inputs={"one": "sha256:12"},
    )
    assert isinstance(found.context, ReceivedContext)
    assert (found.dockerfile, found.target, found.pull, found.no_cache) == ("Other", "t", True, False)
    assert (found.args, found.labels) == ({"A": "1"}, {"l": "v"})
    assert found.no_cache_filter == ("x", "y")
    assert found.platforms == ("linux/amd64",)
    assert found.extra_hosts == ("a:1.2.3.4", "b:::1")
    assert (found.shm_size, found.ulimits) == (1000, {"nofile": (10, 20), "nproc": (5, 5)})
    assert found.resources["memory"]["limit"] == 4096
    assert found.contexts == {
        "base": "docker-image://busybox",
        "here": "local:here",
        "in": "docker-image://sha256:12",
    }
    assert isinstance(found.received["here"], LentFiles)
    assert (found.cache_from, found.cache_to) == (("r/c:1", "r/d"), ("type=inline",))
    assert _options({"no-cache": ""}).no_cache


def test_a_remote_context_may_have_its_dockerfile_elsewhere() -> None:
    found = _options({"context": "https://h/r.git#main", "contextsubdir": "sub", "dockerfilekey": "dockerfile"})
    assert found.context == RemoteContext("https://h/r.git#main:sub")
    assert found.definition is not None


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"source": "example.com/frontend:1"}, "own Dockerfile frontend"),
        ({"context:x": "oci-layout://a@sha256:1"}, "unsupported context source oci-layout"),
        ({"attest:sbom": "generator=x"}, "SBOM generators"),
        ({"force-network-mode": "host"}, "network.host is not allowed"),
        ({"force-network-mode": "moon"}, "invalid netmode moon"),
        ({"ulimit": "nofile=x"}, "invalid ulimit"),
        ({"shm-size": "x"}, "invalid shm-size"),
        ({"context:x": "input:absent"}, "invalid input absent"),
    ],
)
def test_what_is_not_offered_is_refused(attributes: dict[str, str], words: str) -> None:
    with pytest.raises((InvalidParameter, NotImplemented_), match=words):
        _options(attributes)


def test_the_syntax_line_of_dockers_own_frontend_is_this_frontend() -> None:
    _options({"source": "docker/dockerfile:1"})
    _options({"attest:provenance": "mode=min,inline-only=true"})


def test_events_become_vertexes() -> None:
    async def read() -> list[Any]:
        told = Told("ref")
        told.tell(StepStarted(1, "", "[internal] load build definition from Dockerfile", 0, 0, kind="internal"))
        told.tell(StepNote(1, "transferring dockerfile: 3B"))
        told.tell(StepDone(1, 0.1))
        told.tell(StepStarted(2, "one", "FROM Busybox AS one", 1, 10, 1, "base"))
        told.tell(StepStarted(3, "one", "ENV a=b", 0, 0, 2, "config"))
        told.tell(StepStarted(4, "one", "RUN x", 2, 10, 3))
        told.tell(StepLog(4, "stderr", b"log"))
        told.tell(StepFailed(4, "no", ""))
        told.tell(StepStarted(5, "", "RUN y", 3, 10, 4))
        told.tell(StepCached(5))
        told.tell(Notice("careful", 7))
        told.tell(Notice("no slash", 8, "WorkdirRelativePath"))
        told.tell(StepStarted(6, "", "[internal] other", 0, 0, kind="internal"))
        told.fail("broken")
        told.end()
        return [response async for response in told.read()]

    (response,) = anyio.run(read)
    last = {vertex.name: vertex for vertex in response.vertexes}
    assert list(last) == [
        "[internal] load build definition from Dockerfile",
        "[one  1/10] FROM Busybox",
        "[one  2/10] RUN x",
        "[ 3/10] RUN y",
        "[internal] other",
    ]
    assert last["[one  2/10] RUN x"].error == "no"
    assert last["[ 3/10] RUN y"].cached
    assert last["[internal] other"].error == "broken"
    assert [(log.stream, log.msg) for log in response.logs] == [(2, b"log")]
    assert [status.name for status in response.statuses] == ["transferring dockerfile: 3B"]
    warning, finding = response.warnings
    assert finding.short == b"WorkdirRelativePath: no slash (line 8)"
    assert finding.url.endswith("/workdir-relative-path/")
    assert (warning.short, warning.ranges[0].start.line) == (b"careful", 7)


def test_logs_that_nobody_reads_are_bounded() -> None:
    async def read() -> int:
        told = Told("ref")
        told.tell(StepStarted(1, "", "RUN x", 1, 1))
        for _ in range(40):
            told.tell(StepLog(1, "stdout", bytes(1 << 20)))
        told.end()
        return sum([len(log.msg) async for response in told.read() for log in response.logs])

    assert 0 < anyio.run(read) <= 9 << 20
