"""What reads strangers' bytes, each as a function of bytes: returns, or raises what is not foreseen.

    TARGETS["http"](b"GET / HTTP/1.1\r\n\r\n")

``SEEDS`` has some well-formed inputs of each, for mutation to start from; inputs that have found something are kept in
tests/data/corpus.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import shutil
import struct
import tarfile
import tempfile
from collections import deque
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio

import pycompose.engine.buildkit.messages as wire
from pycompose.engine.api.http import Connection as HttpConnection
from pycompose.engine.api.http import Request, Response
from pycompose.engine.build.dockerfile import DockerfileError, lint, parse
from pycompose.engine.build.dockerfile.words import ExpansionError, expand
from pycompose.engine.buildkit import grpc, http2
from pycompose.engine.buildkit.filesync import Receiver
from pycompose.engine.errors import EngineError
from pycompose.engine.images import manifest
from pycompose.engine.images.tarstream import Limits, TarError, TarReader
from pycompose.engine.images.types import Platform
from pycompose.engine.images.unpack import unpack
from pycompose.engine.networks import links, netlink
from pycompose.engine.runtime import dnsmessage
from pycompose.engine.runtime.dns import DnsServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pycompose.engine.api.wire import Wire

_SMALL = Limits(entries=1000, total=1 << 22, file=1 << 22, names=1 << 20, trailer=1 << 20)


class Pipe:
    """A peer that has sent everything already, in pieces, and reads whatever it gets."""

    def __init__(self, data: bytes) -> None:
        step = 1 + len(data) // 3
        self._pieces = deque(data[at : at + step] for at in range(0, len(data), step))
        self.sent = 0

    async def receive(self, limit: int = 1 << 16) -> bytes:
        await anyio.lowlevel.checkpoint()
        return self._pieces.popleft() if self._pieces else b""

    async def send(self, data: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        self.sent += len(data)
        assert self.sent < 1 << 24, "answers without end"

    def unread(self, data: bytes) -> None:
        self._pieces.appendleft(data)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


# archives ------------------------------------------------------------------------------------------------------------
def tar(data: bytes) -> None:
    reader = TarReader([data], _SMALL)
    with contextlib.suppress(TarError):
        for entry in reader:
            assert b"\0" not in entry.name
            assert 0 <= entry.size <= 1 << 22
            reader.payload(len)


def unpacking(data: bytes) -> None:
    """Into a directory beside which something lies that must stay as it is."""
    with tempfile.TemporaryDirectory(prefix="pycompose-fuzz-") as place:
        below = Path(place, "outer", "root")
        below.mkdir(parents=True)
        Path(place, "outer", "file").write_bytes(b"as it was")
        with contextlib.suppress(TarError, OSError):
            unpack([data], below, layer=bool(len(data) & 1024), limits=_SMALL)
        assert sorted(os.listdir(below.parent)) == ["file", "root"]
        found = os.lstat(below.parent / "file")
        assert (found.st_size, found.st_nlink, found.st_mode & 0o7777) == (9, 1, 0o644)


# documents -----------------------------------------------------------------------------------------------------------
def document(data: bytes) -> None:
    with contextlib.suppress(EngineError):
        found = manifest.document(data, "it")
        kind = manifest.kind(found)
        for read in (
            partial(manifest.select, found, Platform("linux", "amd64"), "it"),
            partial(manifest.manifest, found, kind, "it"),
            partial(manifest.diff_ids, found, 1, "it"),
        ):
            with contextlib.suppress(EngineError):
                read()


def dockerfile(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(ExpansionError):
        expand(text, {"a": "x" * 100, "b": ""})
    with contextlib.suppress(DockerfileError):
        lint.lint(parse(text))


# protocols -----------------------------------------------------------------------------------------------------------
async def _answer(request: Request) -> Response | None:
    """Read all that a handler may ask a request for."""
    request.filters()
    for name in list(request.query)[:5]:
        request.flag(name)
        with contextlib.suppress(EngineError):
            request.number(name)
    if request.method == "PUT":
        while await request.chunk():
            pass
    body = await request.json() if request.method == "POST" else {}
    return Response.json({"path": request.path, "members": len(body)})


def http(data: bytes) -> None:
    pipe = Pipe(data)
    connection = HttpConnection(cast("Wire", pipe), lambda: [("Server", "x")])
    with contextlib.suppress(EngineError):
        anyio.run(connection.serve, _answer)


class _Udp:
    def __init__(self) -> None:
        self.sent: list[bytes] = []


@cache
def _names() -> DnsServer:
    """A resolver with one zone and no server to ask, which is asked without its sockets."""
    import socket

    directory = tempfile.mkdtemp(prefix="pycompose-fuzz-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    config = Path(directory, "resolver")
    config.write_text(json.dumps({"v": 1, "servers": [], "zones": []}))
    udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
    udp.bind(("127.0.0.1", 0))
    tcp.bind(("127.0.0.1", 0))
    tcp.listen(1)
    return DnsServer(udp, tcp, str(config))


def dns(data: bytes) -> None:
    answers: list[bytes] = []
    _names()._serve(data, answers.append, by_tcp=bool(len(data) & 1))
    assert len(answers) <= 1
    for one in answers:
        assert 12 <= len(one) <= max(4096, len(data) + 64)
    try:
        query = dnsmessage.parse_query(data)
    except dnsmessage.MalformedError:
        return
    assert dnsmessage.answers_query(dnsmessage.reply(query, 0), query.identifier, query.question)
    if query.name is not None:
        dnsmessage.reverse_address(query.name)
        dnsmessage.encode_name(query.name)


async def _echo(request: Any, call: grpc.ServerCall) -> Any:
    return request


def _both_roles(data: bytes, serve: bool) -> None:
    async def talk() -> None:
        methods = {"/echo": grpc.one(wire.fsutil.Packet, _echo), "/solve": grpc.one(wire.control.SolveRequest, _echo)}
        connection = http2.Connection(Pipe(data), partial(grpc.serve, methods) if serve else None)

        class Peer:
            def call(self, path: str, metadata: Any = None) -> grpc.ClientCall:
                return grpc.ClientCall(connection, path, metadata or {})

        async def ask() -> None:
            with contextlib.suppress(EngineError):
                await grpc.unary(Peer(), "/echo", wire.fsutil.Packet(), wire.fsutil.Packet, seconds=5)

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                if not serve:
                    group.start_soon(ask)
                with contextlib.suppress(EngineError):
                    await connection.run()

    anyio.run(talk)


def grpc_server(data: bytes) -> None:
    _both_roles(_PREFACE + data, serve=True)


def grpc_client(data: bytes) -> None:
    _both_roles(data, serve=False)


_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class _Packets:
    """fsutil packets in two-byte lengths; ``put`` is heard by nobody."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self) -> list[bytes]:
        if len(self._data) < 2:
            return []
        size = int.from_bytes(self._data[:2], "big")
        packet, self._data = self._data[2 : 2 + size], self._data[2 + size :]
        return [packet]

    def put(self, packets: list[bytes]) -> None:
        return

    def end(self) -> None:
        return


def filesync(data: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="pycompose-fuzz-") as place:
        below = Path(place, "outer", "root")
        below.mkdir(parents=True)
        Path(place, "outer", "file").write_bytes(b"as it was")
        with contextlib.suppress(EngineError):
            Receiver(_Packets(data), below, lambda: False).run()
        assert sorted(os.listdir(below.parent)) == ["file", "root"]
        found = os.lstat(below.parent / "file")
        assert (found.st_size, found.st_nlink, found.st_mode & 0o7777) == (9, 1, 0o644)


class _Answers(netlink.Netlink):
    """A socket whose answers are given."""

    def __init__(self, data: bytes) -> None:
        self._sequence = 1
        self._data = data

    def dump(self, operation: str, kind: int, payload: bytes, flags: int = netlink.NLM_F_DUMP) -> list[bytes]:
        return [body for _, _, _, body in netlink.messages(self._data)]


def kernel(data: bytes) -> None:
    for kind, flags, _, payload in netlink.messages(data):
        list(netlink.attributes(payload))
        if kind == netlink.NLMSG_ERROR:
            netlink.refusal(flags, payload)
    links.all_links(_Answers(data))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "tar": tar,
    "unpacking": unpacking,
    "document": document,
    "dockerfile": dockerfile,
    "http": http,
    "dns": dns,
    "grpc-server": grpc_server,
    "grpc-client": grpc_client,
    "filesync": filesync,
    "netlink": kernel,
}


# inputs to start from --------------------------------------------------------------------------------------------------
def _archive(format: int) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=format) as archive:
        for name, kind, link in (
            ("a", tarfile.DIRTYPE, ""),
            ("a/b" * 40, tarfile.REGTYPE, ""),
            ("a/l", tarfile.SYMTYPE, "../../x"),
            ("a/h", tarfile.LNKTYPE, "a/b"),
            ("a/.wh.gone", tarfile.REGTYPE, ""),
            ("é", tarfile.FIFOTYPE, ""),
            ("d", tarfile.CHRTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            if format == tarfile.PAX_FORMAT:
                member.pax_headers = {"SCHILY.xattr.user.a": "b", "mtime": "1.5"}
            if kind == tarfile.REGTYPE:
                member.size = 5
                archive.addfile(member, io.BytesIO(b"hello"))
            else:
                archive.addfile(member)
    return made.getvalue()


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


def _calls() -> bytes:
    from hpack import Encoder

    head = Encoder().encode(
        [(":method", "POST"), (":scheme", "http"), (":path", "/echo"), (":authority", "x"), ("te", "trailers"),
         ("content-type", "application/grpc"), ("grpc-timeout", "5S")])  # fmt: skip
    body = wire.fsutil.Packet(type=1, ID=3, data=b"x").SerializeToString()
    message = struct.pack(">BI", 0, len(body)) + body
    return _frame(4, 0, 0, b"") + _frame(1, 4, 1, head) + _frame(0, 1, 1, message) + _frame(8, 0, 0, b"\0\0\1\0")


def _answers(*, message: bool = True) -> bytes:
    from hpack import Encoder

    encoder = Encoder()
    head = encoder.encode([(":status", "200"), ("content-type", "application/grpc")])
    trailers = encoder.encode([("grpc-status", "0")])
    return (
        _frame(4, 0, 0, b"")
        + _frame(1, 4, 1, head)
        + (_frame(0, 0, 1, struct.pack(">BI", 0, 0)) if message else b"")
        + _frame(1, 5, 1, trailers)
    )


def _directory() -> bytes:
    stat = wire.fsutil.Stat
    packets = [
        wire.fsutil.Packet(type=0, stat=stat(path="d", mode=1 << 31 | 0o755, modTime=1)),
        wire.fsutil.Packet(type=0, stat=stat(path="d/f", mode=0o644, size=3)),
        wire.fsutil.Packet(type=0, stat=stat(path="d/h", mode=0o644, linkname="d/f")),
        wire.fsutil.Packet(type=0, stat=stat(path="l", mode=1 << 27 | 0o777, linkname="../outside")),
        wire.fsutil.Packet(type=0, stat=stat(path="p", mode=1 << 25 | 0o600)),
        wire.fsutil.Packet(type=0),
        wire.fsutil.Packet(type=2, ID=1, data=b"abc"),
        wire.fsutil.Packet(type=2, ID=1),
        wire.fsutil.Packet(type=3),
    ]
    raw = [one.SerializeToString() for one in packets]
    return b"".join(len(one).to_bytes(2, "big") + one for one in raw)


def _link(name: bytes) -> bytes:
    body = struct.pack("=BBHiII", 0, 0, 0, 7, 0, 0) + netlink.attribute(3, name + b"\0")
    body += netlink.nested(18, netlink.text(1, "bridge")) + netlink.attribute(10, struct.pack("=i", 3))
    return netlink.message(16, 0, 1, body)


_DIGEST = "sha256:" + "a" * 64
_CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": _DIGEST, "size": 3}
SEEDS: dict[str, tuple[bytes, ...]] = {
    "tar": tuple(_archive(one) for one in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)),
    "unpacking": tuple(_archive(one) for one in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)),
    "document": (
        json.dumps({"schemaVersion": 2, "config": _CONFIG, "layers": [_CONFIG]}).encode(),
        json.dumps(
            {"schemaVersion": 2, "manifests": [_CONFIG | {"platform": {"os": "linux", "architecture": "amd64"}}]}
        ).encode(),
        json.dumps({"rootfs": {"type": "layers", "diff_ids": [_DIGEST]}, "config": {"Env": ["A=b"]}}).encode(),
    ),
    "dockerfile": (
        b"# syntax=docker/dockerfile:1\nARG a=${b:-c}\nFROM scratch AS x\nENV a=$a$a ${b%%*}\nCOPY --from=x --chmod=u+x a b\n",
        b"FROM a\nRUN --mount=type=cache,target=/x <<EOF cat\n$a\nEOF\nHEALTHCHECK --interval=1s CMD [\"a\"]\nONBUILD ADD a /\n",
    ),
    "http": (
        b"GET /v1.47/containers/json?filters=%7B%22a%22%3A%5B%22b%22%5D%7D&all=1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b'POST /x HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}GET / HTTP/1.0\r\n\r\n',
        b"PUT /y HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ),
    "dns": (
        struct.pack(">HHHHHH", 1, 0x0100, 1, 0, 0, 1) + b"\x03web\x07example\0\0\x01\0\x01" + b"\0\0\x29\x10\0\0\0\0\0\0\0",
        struct.pack(">HHHHHH", 2, 0, 1, 0, 0, 0) + b"\x01\x34\x01\x33\x01\x32\x01\x31\x07in-addr\x04arpa\0\0\x0c\0\x01",
    ),
    "grpc-server": (_calls(),),
    "grpc-client": (_answers(), _answers(message=False)),
    "filesync": (_directory(),),
    "netlink": (_link(b"eth0") + _link(b"br0"), netlink.message(2, 0x200, 1, struct.pack("=i", -17) + bytes(16))),
}  # fmt: skip
