"""BuildKit's protobuf messages, made from the compiled descriptors in proto/. Importing this loads protobuf."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from ..errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from google.protobuf.timestamp_pb2 import Timestamp

M = TypeVar("M", bound=Message)
V = TypeVar("V")

_PROTO = Path(__file__).with_name("proto") / "buildkit.binpb"


def _pool() -> descriptor_pool.DescriptorPool:
    # A pool of its own: another library in this process may know files of the same names.
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(_PROTO.read_bytes()).file:
        pool.Add(file)
    return pool


_POOL = _pool()


def _class(name: str) -> type[Message]:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


class _Package:
    """Messages of one protobuf package, by name, each looked up once."""

    def __init__(self, package: str) -> None:
        self._package = package

    def __getattr__(self, name: str) -> type[Message]:
        found = _class(f"{self._package}.{name}")
        setattr(self, name, found)
        return found


if TYPE_CHECKING:
    from .proto import content_pb2, control_pb2, fsutil_pb2, gateway_pb2, ops_pb2, rpc_pb2, session_pb2

    content = content_pb2
    control = control_pb2
    fsutil = fsutil_pb2
    gateway = gateway_pb2
    ops = ops_pb2
    rpc = rpc_pb2
    session = session_pb2
else:
    content = _Package("containerd.services.content.v1")
    control = _Package("moby.buildkit.v1")
    gateway = _Package("moby.buildkit.v1.frontend")
    ops = _Package("pb")
    rpc = _Package("google.rpc")
    fsutil = _Package("fsutil.types")
    session = _Package("moby.session")


def parse(kind: type[M], data: bytes) -> M:
    """A message of ``kind`` from the wire. Raises InvalidParameter."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise InvalidParameter(f"not a {kind.DESCRIPTOR.full_name}: {error}") from None


def set_time(field: Timestamp, seconds: float) -> None:
    """``seconds`` since the epoch."""
    field.seconds = int(seconds)
    field.nanos = int((seconds - int(seconds)) * 1e9)


def update(field: MutableMapping[str, V], values: Mapping[str, V]) -> None:
    """Fill a map field."""
    for name, value in values.items():
        field[name] = value
