"""A BuildKit client for tests: grpcio, a stranger to our HTTP/2 and gRPC, on connections that the engine has hijacked.

grpcio wants to make its own connections, so two relays of bytes stand between:

    grpc.Channel ─► unix socket ─► relay ─► POST /grpc          the engine serves
    grpc.Server  ◄─ unix socket ◄─ relay ◄─ POST /session       the engine calls
                                         or Control/Session, within the first

``Lent`` is what the session offers: directories as lists of entries, and secrets.
"""

from __future__ import annotations

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, Self

import grpc

from pycompose.engine.buildkit.messages import control, fsutil, gateway, session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

_STAT, _REQ, _DATA, _FIN, _ERR = range(5)
_DIRECTORY = 1 << 31


@dataclass(frozen=True)
class Entry:
    """A file, or a directory when ``data`` is None. ``data`` may be a function: called when the file is asked for."""

    path: str
    data: bytes | None = b""
    mode: int = 0o644
    link: str = ""


@dataclass
class Lent:
    """``directories`` by name, each in the order it is sent; ``asked`` are the metadata of each transfer, ``wanted`` the paths
    whose content was asked for."""

    directories: dict[str, list[Entry]] = field(default_factory=dict)
    secrets: dict[str, bytes] = field(default_factory=dict)
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)
    extra: Callable[[str], Iterator[Any]] | None = None  # packets to send instead of a directory's

    def files(self, packets: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        fields: dict[str, list[str]] = {}
        for name, value in context.invocation_metadata():
            fields.setdefault(name, []).append(value)
        self.asked.append(fields)
        name = fields["dir-name"][0]
        if self.extra is not None and name == "context":
            yield from self.extra(name)
            return
        entries = self.directories[name]
        wanted = fields.get("followpaths")
        if wanted is not None:
            entries = [entry for entry in entries if any(_matches(entry.path, pattern) for pattern in wanted)]
        for entry in entries:
            size = len(entry.data or b"")
            stat = fsutil.Stat(path=entry.path, mode=entry.mode, linkname=entry.link, modTime=10**18, size=size)
            if entry.data is None:
                stat.mode = _DIRECTORY | 0o755
            yield fsutil.Packet(type=_STAT, stat=stat)
        yield fsutil.Packet(type=_STAT)
        for packet in packets:
            if packet.type == _REQ:
                data = entries[packet.ID].data
                self.wanted.append(entries[packet.ID].path)
                for at in range(0, len(data or b""), 1000):
                    yield fsutil.Packet(type=_DATA, ID=packet.ID, data=(data or b"")[at : at + 1000])
                yield fsutil.Packet(type=_DATA, ID=packet.ID)
            elif packet.type == _FIN:
                yield fsutil.Packet(type=_FIN)
                return

    def secret(self, request: Any, context: grpc.ServicerContext) -> Any:
        if request.ID not in self.secrets:
            context.abort(grpc.StatusCode.NOT_FOUND, f"secret {request.ID}: not found")
        return session.GetSecretResponse(data=self.secrets[request.ID])


def _matches(path: str, pattern: str) -> bool:
    return fnmatch(path, pattern) or pattern.startswith(f"{path}/") or path.startswith(f"{pattern}/")


class BuildKitClient:
    """One session and one control connection. ``directory`` takes the relays' sockets. ``within`` opens the session by
    Control/Session."""

    def __init__(
        self, engine: Path, directory: Path, lent: Lent, *, shared_key: str = "", within: bool = False
    ) -> None:
        self._engine, self._directory, self._lent, self._shared_key = engine, directory, lent, shared_key
        self._within = within
        self._stack = ExitStack()
        self._session: socket.socket | None = None
        self.id = os.urandom(12).hex()
        self.ref = os.urandom(12).hex()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._connect(stack)
            self._serve(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _serve(self, stack: ExitStack) -> None:
        pool = stack.enter_context(ThreadPoolExecutor(8))
        server = grpc.server(pool)
        handlers = {
            "/moby.filesync.v1.FileSync/DiffCopy": grpc.stream_stream_rpc_method_handler(
                self._lent.files, fsutil.Packet.FromString, fsutil.Packet.SerializeToString
            ),
            "/moby.buildkit.secrets.v1.Secrets/GetSecret": grpc.unary_unary_rpc_method_handler(
                self._lent.secret, session.GetSecretRequest.FromString, session.GetSecretResponse.SerializeToString
            ),
        }
        server.add_generic_rpc_handlers([_Handlers(handlers)])
        address = f"unix:{self._directory}/session"
        assert server.add_insecure_port(address)
        server.start()
        stack.callback(lambda: server.stop(0).wait(5))
        headers = [
            ("X-Docker-Expose-Session-Uuid", self.id),
            ("X-Docker-Expose-Session-Sharedkey", self._shared_key),
            *(("X-Docker-Expose-Session-Grpc-Method", name) for name in handlers),
        ]
        if self._within:
            self._session = stack.enter_context(self._tunnel(headers, stack))
        else:
            self._session = stack.enter_context(hijack(self._engine, "/session", headers))
        inner = stack.enter_context(socket.socket(socket.AF_UNIX))
        inner.connect(f"{self._directory}/session")
        stack.callback(_relay(self._session, inner))

    def _tunnel(self, headers: list[tuple[str, str]], stack: ExitStack) -> socket.socket:
        """A connection that Control/Session carries."""
        ours, theirs = socket.socketpair()
        stack.enter_context(theirs)

        def said() -> Iterator[Any]:
            while data := theirs.recv(1 << 15):
                yield control.BytesMessage(data=data)

        method = self._channel.stream_stream(
            "/moby.buildkit.v1.Control/Session",
            control.BytesMessage.SerializeToString,
            control.BytesMessage.FromString,
        )
        call = method(said(), metadata=[(name.lower(), value) for name, value in headers])

        def heard() -> None:
            with suppress(OSError, grpc.RpcError):
                for message in call:
                    theirs.sendall(message.data)
            with suppress(OSError):
                theirs.shutdown(socket.SHUT_RDWR)

        hearing = threading.Thread(target=heard)
        hearing.start()
        stack.callback(hearing.join, 10)
        stack.callback(call.cancel)
        return ours

    def _connect(self, stack: ExitStack) -> None:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(f"{self._directory}/grpc")
        stack.callback((self._directory / "grpc").unlink)
        listener.listen()
        self._channel = grpc.insecure_channel(f"unix:{self._directory}/grpc")
        stack.callback(self._channel.close)
        ready = grpc.channel_ready_future(self._channel)
        outer, _ = listener.accept()
        stack.enter_context(outer)
        self._control = stack.enter_context(hijack(self._engine, "/grpc", []))
        stack.callback(_relay(outer, self._control))
        ready.result(10)

    def drop_session(self) -> None:
        """End the session's connection as a killed client would."""
        assert self._session is not None
        self._session.shutdown(socket.SHUT_RDWR)

    def open_session(self, id: str) -> Iterator[Any]:
        """Control/Session of another session, whose client says nothing."""
        method = self._channel.stream_stream(
            "/moby.buildkit.v1.Control/Session",
            control.BytesMessage.SerializeToString,
            control.BytesMessage.FromString,
        )
        return iter(method(iter(()), timeout=30, metadata=[("x-docker-expose-session-uuid", id)]))

    # calls -----------------------------------------------------------------------------------------------------------
    def call(self, path: str, request: Any, answer: Any) -> Any:
        method = self._channel.unary_unary(path, type(request).SerializeToString, answer.FromString)
        metadata = [("buildkit-controlapi-buildid", self.ref)]
        return method.future(request, timeout=60, metadata=metadata)

    def solve(self, **fields: Any) -> Any:
        """Begin Control.Solve; a future."""
        request = control.SolveRequest(Ref=self.ref, Session=self.id, **fields)
        return self.call("/moby.buildkit.v1.Control/Solve", request, control.SolveResponse)

    def gateway(self, name: str, request: Any, answer: Any) -> Any:
        return self.call(f"/moby.buildkit.v1.frontend.LLBBridge/{name}", request, answer).result()

    def status(self) -> Iterator[Any]:
        method = self._channel.unary_stream(
            "/moby.buildkit.v1.Control/Status",
            control.StatusRequest.SerializeToString,
            control.StatusResponse.FromString,
        )
        return iter(method(control.StatusRequest(Ref=self.ref), timeout=60))

    def history(self, request: Any) -> Any:
        method = self._channel.unary_stream(
            "/moby.buildkit.v1.Control/ListenBuildHistory",
            control.BuildHistoryRequest.SerializeToString,
            control.BuildHistoryEvent.FromString,
        )
        return method(request, timeout=60)

    def forget(self, request: Any) -> None:
        path = "/moby.buildkit.v1.Control/UpdateBuildHistory"
        self.call(path, request, control.UpdateBuildHistoryResponse).result()

    def prune(self, request: Any) -> list[Any]:
        method = self._channel.unary_stream(
            "/moby.buildkit.v1.Control/Prune", control.PruneRequest.SerializeToString, control.UsageRecord.FromString
        )
        return list(method(request, timeout=60))

    def build(self, attributes: dict[str, str], *, name: str = "") -> Any:
        """A whole build as buildx drives it: the exporter's answer."""
        exporter = control.Exporter(Type="moby", Attrs={"name": name} if name else {})
        solving = self.solve(Exporters=[exporter])
        pong = self.gateway("Ping", gateway.PingRequest(), gateway.PongResponse)
        assert any(cap.ID == "return" for cap in pong.FrontendAPICaps)
        request = gateway.SolveRequest(
            Frontend="dockerfile.v0", FrontendOpt=attributes, allowResultReturn=True, allowResultArrayRef=True
        )
        result = self.gateway("Solve", request, gateway.SolveResponse).result
        self.gateway("Return", gateway.ReturnRequest(result=result), gateway.ReturnResponse)
        return solving.result().ExporterResponse


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, handlers: dict[str, Any]) -> None:
        self._handlers = handlers

    def service(self, details: Any) -> Any:
        return self._handlers.get(details.method)


def hijack(engine: Path, path: str, headers: list[tuple[str, str]]) -> socket.socket:
    """A connection that the engine has upgraded to HTTP/2."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    directory = os.open(engine.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{directory}/{engine.name}")
    finally:
        os.close(directory)
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: h2c"]
    lines += [f"{name}: {value}" for name, value in headers]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, head
        head += byte
    assert head.startswith(b"HTTP/1.1 101 "), head
    return connection


def _relay(left: socket.socket, right: socket.socket) -> Callable[[], None]:
    """Move bytes both ways until one side ends; what ends it."""

    def move(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    threads = [threading.Thread(target=move, args=pair) for pair in ((left, right), (right, left))]
    for thread in threads:
        thread.start()

    def end() -> None:
        for one in (left, right):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)

    return end
