"""What a client's session lends to a build, in the forms that the builder takes: files, an uploaded tar, secrets, logins and
ssh agents. Used from the build's threads; each thing is asked for when it is needed, and not before.
"""

from __future__ import annotations

import asyncio
import io
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio

from ..errors import EngineError
from ..images.chunks import Chunks
from ..images.types import Auth
from . import messages
from .filesync import Receiver, Sender
from .grpc import NOT_FOUND, UNAVAILABLE, UNIMPLEMENTED, GrpcError, unary

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Coroutine, Sequence
    from typing import BinaryIO

    from _typeshed import ReadableBuffer
    from anyio.abc import TaskGroup
    from google.protobuf.message import Message

    from ..bridge import Bridge
    from .grpc import ClientCall
    from .messages import M
    from .sessions import Session, Sessions

V = TypeVar("V")

_DIFF_COPY = "/moby.filesync.v1.FileSync/DiffCopy"
_FILE_SEND = "/moby.filesync.v1.FileSend/DiffCopy"
_CREDENTIALS = "/moby.filesync.v1.Auth/Credentials"
_GET_SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
_CHECK_AGENT = "/moby.sshforward.v1.SSH/CheckAgent"
_FORWARD_AGENT = "/moby.sshforward.v1.SSH/ForwardAgent"
_PULL = "/moby.upload.v1.Upload/Pull"

_DOCKER_HUB = "registry-1.docker.io"
_PIECE = 32 << 10
_LARGEST_SECRET = 512 << 10
_AGENTS = 32  # connections to agents at a time


class Lender:
    """One build's dealings with its session. ``group`` runs what serves the build's sockets, until the build ends; when
    ``cancel`` is set, ``abort`` breaks off what is under way."""

    def __init__(
        self, sessions: Sessions, session: Session, bridge: Bridge, group: TaskGroup, cancel: threading.Event
    ) -> None:
        self._sessions, self.session = sessions, session
        self._bridge, self._group, self._cancel = bridge, group, cancel
        self._calls: set[ClientCall] = set()
        self._others: list[Lender] = []

    def of_session(self, id: str) -> Lender:
        """The same for another of the client's sessions; "" is this one."""
        if id in ("", self.session.id):
            return self
        session = self._bridge.call(self._sessions.get, id)
        other = Lender(self._sessions, session, self._bridge, self._group, self._cancel)
        self._others.append(other)
        return other

    def offers(self, path: str) -> bool:
        return self.session.offers(path)

    def abort(self) -> None:
        """On the loop's thread: give up all calls, so that no thread waits for the client any more."""
        for call in list(self._calls):
            call.abort()
        for other in self._others:
            other.abort()

    def cancelled(self) -> bool:
        return self._cancel.is_set()

    async def _begin(self, path: str, metadata: Mapping[str, Sequence[str]]) -> ClientCall:
        if self.cancelled():
            raise GrpcError("context canceled")
        call = self.session.call(path, metadata)
        self._calls.add(call)
        return call

    def _end(self, call: ClientCall) -> None:
        self._calls.discard(call)
        call.abort()

    def open(self, path: str, **metadata: Sequence[str]) -> OpenCall:
        """A call for use in a thread; underscores in the names of metadata are hyphens."""
        fields = {name.replace("_", "-"): values for name, values in metadata.items()}
        return OpenCall(self._bridge, self._bridge.call(self._begin, path, fields), self._end)

    def ask(self, path: str, request: Message, answer: type[M]) -> M:
        """One message there and one back. Raises GrpcError."""
        return self._bridge.call(_unary, self.session, path, request, answer)

    def run(self, function: Callable[..., Coroutine[Any, Any, V]], *arguments: Any) -> V:
        return self._bridge.call(function, *arguments)

    def begin(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """On the loop's thread: run something until the build ends."""
        self._group.start_soon(function, *arguments)


async def _unary(session: Session, path: str, request: Message, answer: type[M]) -> M:
    return await unary(session, path, request, answer)


class OpenCall:
    """A call's messages, from a thread. As a context it is given up at the end, if it has not ended."""

    def __init__(self, bridge: Bridge, call: ClientCall, end: Callable[[ClientCall], None]) -> None:
        self._bridge, self._call, self._release = bridge, call, end

    def __enter__(self) -> OpenCall:
        return self

    def __exit__(self, *_: object) -> None:
        async def release() -> None:
            self._release(self._call)

        self._bridge.call(release)

    def take(self) -> list[bytes]:
        return self._bridge.call(self._call.receive)

    def put(self, packets: list[bytes]) -> None:
        self._bridge.call(self._call.send, *packets)

    def end(self) -> None:
        async def end() -> None:
            self._call.end()

        self._bridge.call(end)


# files -------------------------------------------------------------------------------------------------------------------
class LentFiles:
    """A directory of the client's by its name in the session: a FileSource."""

    def __init__(self, lender: Lender, name: str) -> None:
        self._lender, self._name = lender, name
        key = lender.session.shared_key
        self.identity = f"{name} of {key}" if key else ""

    def receive(self, root: Path, *, excluded: Sequence[str] = (), paths: Sequence[str] | None = None) -> int:
        if not self._lender.offers(_DIFF_COPY):
            raise GrpcError("no local sources enabled")
        metadata: dict[str, Sequence[str]] = {"dir_name": [self._name]}
        if excluded:
            metadata["exclude_patterns"] = excluded
        if paths is not None:
            metadata["followpaths"] = paths
        with self._lender.open(_DIFF_COPY, **metadata) as call:
            return Receiver(call, root, self._lender.cancelled).run()


def uploaded(lender: Lender, host: str, path: str) -> BinaryIO:
    """A tar that the client uploads, by the path of its URL."""
    call = lender.open(_PULL, urlpath=[path], urlhost=[host])

    def pieces() -> Iterator[bytes]:
        while found := call.take():
            for one in found:
                yield messages.parse(messages.session.BytesMessage, one).data

    return cast("BinaryIO", io.BufferedReader(Chunks(pieces()), 256 << 10))


class SentFile(io.RawIOBase):
    """A file that is sent to the client as it is written: what ``--output dest=`` names."""

    def __init__(self, lender: Lender, exporter: int) -> None:
        if not lender.offers(_FILE_SEND):
            raise GrpcError(f"method {_FILE_SEND} not supported by the client")
        self._call = lender.open(_FILE_SEND, buildkit_attachable_exporter_id=[str(exporter)])

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        raw = bytes(data)
        pieces = [raw[at : at + _PIECE] for at in range(0, len(raw), _PIECE)]
        self._call.put([messages.session.BytesMessage(data=piece).SerializeToString() for piece in pieces])
        return len(raw)

    def finish(self) -> None:
        """Wait until the client has it. Raises GrpcError."""
        self._call.end()
        while self._call.take():
            pass


def send_directory(lender: Lender, root: Path, exporter: int) -> int:
    """Send a directory to where the client's ``--output`` leads; the bytes sent."""
    if not lender.offers(_FILE_SEND):
        raise GrpcError(f"method {_FILE_SEND} not supported by the client")
    with lender.open(_FILE_SEND, buildkit_attachable_exporter_id=[str(exporter)]) as call:
        return Sender(call, root, lender.cancelled).run()


# what is looked up by name -----------------------------------------------------------------------------------------------
class _LookedUp(Mapping[str, V]):
    """A mapping that the client answers for: nobody can list it."""

    def __init__(self, lender: Lender) -> None:
        self._lender = lender
        self._known: dict[str, V | None] = {}

    def _look_up(self, name: str) -> V | None:
        raise NotImplementedError

    def __getitem__(self, name: str) -> V:
        if name not in self._known:
            self._known[name] = self._look_up(name)
        found = self._known[name]
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Secrets(_LookedUp[bytes]):
    """Secrets by id."""

    def _look_up(self, name: str) -> bytes | None:
        if not self._lender.offers(_GET_SECRET):
            return None
        request = messages.session.GetSecretRequest(ID=name)
        try:
            data: bytes = self._lender.ask(_GET_SECRET, request, messages.session.GetSecretResponse).data
        except GrpcError as error:
            if error.code in (NOT_FOUND, UNIMPLEMENTED):
                return None
            raise
        if len(data) > _LARGEST_SECRET:
            raise GrpcError(f"secret {name} is larger than {_LARGEST_SECRET} bytes")
        return data


class Logins(_LookedUp[Auth]):
    """Credentials by the registry's domain."""

    def _look_up(self, name: str) -> Auth | None:
        if not self._lender.offers(_CREDENTIALS):
            return None
        host = _DOCKER_HUB if name == "docker.io" else name
        request = messages.session.CredentialsRequest(Host=host)
        try:
            found = self._lender.ask(_CREDENTIALS, request, messages.session.CredentialsResponse)
        except GrpcError as error:
            if error.code in (NOT_FOUND, UNIMPLEMENTED):
                return None
            raise
        if not found.Username:
            return Auth("", "", found.Secret, "") if found.Secret else None
        return Auth(found.Username, found.Secret, "", "")


class Agents(_LookedUp[Path]):
    """ssh agents by id, each a socket in ``directory`` that leads to the client's."""

    def __init__(self, lender: Lender, directory: Path) -> None:
        super().__init__(lender)
        self._directory = directory

    def _look_up(self, name: str) -> Path | None:
        if not self._lender.offers(_FORWARD_AGENT):
            return None
        try:
            self._lender.ask(
                _CHECK_AGENT, messages.session.CheckAgentRequest(ID=name), messages.session.CheckAgentResponse
            )
        except GrpcError as error:
            if error.code == UNAVAILABLE:
                raise
            return None
        self._directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        path = self._directory / f"agent{len(self._known)}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        directory = os.open(self._directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # The address of a unix socket holds 107 bytes; a path below --root is easily longer.
            listener.bind(f"/proc/self/fd/{directory}/{path.name}")
            listener.listen(_AGENTS)
        except OSError as error:
            listener.close()
            raise EngineError(f"cannot forward the ssh agent: {error.strerror}") from None
        finally:
            os.close(directory)
        # The command's user may be anybody; the directory is the builder's and the step's alone.
        path.chmod(0o666)

        async def begin() -> None:
            self._lender.begin(_serve_agent, self._lender.session, listener, name)

        self._lender.run(begin)
        return path


async def _serve_agent(session: Session, listener: socket.socket, id: str) -> None:
    """Each connection to the socket becomes a call of the client's agent."""
    limit = anyio.Semaphore(_AGENTS)
    with listener:
        async with anyio.create_task_group() as group:
            while True:
                async with limit:  # not more are accepted than can be served
                    await anyio.wait_readable(listener)
                try:
                    connection, _ = listener.accept()
                except BlockingIOError:
                    continue
                group.start_soon(_forward, session, connection, id, limit)


async def _forward(session: Session, connection: socket.socket, id: str, limit: anyio.Semaphore) -> None:
    async with limit:
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        try:
            call = session.call(_FORWARD_AGENT, {"buildkit.ssh.id": [id]})
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(_upwards, reader, call)
                    while found := await call.receive():
                        for raw in found:
                            writer.write(messages.parse(messages.session.BytesMessage, raw).data)
                        await writer.drain()
                    group.cancel_scope.cancel()
            finally:
                call.abort()
        except* (EngineError, OSError):
            pass  # the command sees its agent's connection end, as it would see the agent end
        finally:
            writer.close()


async def _upwards(reader: asyncio.StreamReader, call: ClientCall) -> None:
    while data := await reader.read(_PIECE):
        await call.send(messages.session.BytesMessage(data=data).SerializeToString())
    call.end()
