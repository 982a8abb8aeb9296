"""Netlink transport for rtnetlink and nfnetlink: attributes, requests and batches over a plain socket.

The kernel handles a netlink request within ``sendto``, so every answer is already queued when it returns: a batch of
requests costs one system call to send and one or two to drain. This module knows no message family; links.py and nft.py
do, with the attributes below. Errors carry operation, object and errno.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import EngineError
from ..linux import userns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_ROOT = 0x100
NLM_F_MATCH = 0x200
NLM_F_DUMP = NLM_F_ROOT | NLM_F_MATCH
NLM_F_EXCL = 0x200
NLM_F_REPLACE = 0x100
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF

_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_NETLINK_GET_STRICT_CHK = 12
_NLM_F_CAPPED = 0x100
_NLM_F_ACK_TLVS = 0x200
_NLMSGERR_ATTR_MSG = 1
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_PAGE = 1 << 18
_SO_SNDBUFFORCE = 32
_LARGE = 1 << 24  # a ruleset is one message to the socket, 80 bytes or so for a published port
# The kernel queues one acknowledgement of ~0.8 kB (socket accounting) per request; the default buffer holds ~250.
_CHUNK = 100


class NetlinkError(EngineError):
    """A request the kernel refused: what was asked, of which object, and errno (with the kernel's own words if any)."""

    def __init__(self, operation: str, errno: int, detail: str = "") -> None:
        self.operation = operation
        self.errno = errno
        text = f"{operation}: {os.strerror(errno)}"
        super().__init__(f"{text} ({detail})" if detail else text)


@dataclass(frozen=True, slots=True)
class Request:
    """One message: ``kind`` is nlmsg_type, ``payload`` the family header with its attributes, ``operation`` the words
    for an error message. ``tolerate`` lists errnos that mean "already so"."""

    operation: str
    kind: int
    flags: int
    payload: bytes
    tolerate: tuple[int, ...] = ()


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)


def nested(kind: int, *values: bytes) -> bytes:
    return attribute(kind | NLA_F_NESTED, b"".join(values))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def be32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("!I", value))


def be64(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("!Q", value))


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The attributes of a message or a nest, as (type without flags, value)."""
    offset = 0
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            return
        yield kind & NLA_TYPE_MASK, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def values(data: bytes, *wanted: int) -> dict[int, bytes]:
    """Those of the wanted types among the attributes of a message or a nest: a link has some fifty, most of them statistics."""
    found: dict[int, bytes] = {}
    offset, end = 0, len(data) - 4
    unpack = _ATTRIBUTE.unpack_from
    while offset <= end:
        length, kind = unpack(data, offset)
        if length < 4:
            break
        kind &= NLA_TYPE_MASK
        if kind in wanted:
            found[kind] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def message(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    return _HEADER.pack(16 + len(payload), kind, flags, sequence, 0) + payload


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """The messages of a datagram, as (type, flags, sequence, payload)."""
    offset = 0
    while offset + 16 <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < 16:
            return
        yield kind, flags, sequence, data[offset + 16 : offset + length]
        offset += (length + 3) & ~3


def refusal(flags: int, payload: bytes) -> tuple[int, str]:
    """errno (0: an acknowledgement) and the kernel's own words of an NLMSG_ERROR."""
    errno = -int.from_bytes(payload[:4], sys.byteorder, signed=True)
    if not flags & _NLM_F_ACK_TLVS:
        return errno, ""
    skip = 20
    if not flags & _NLM_F_CAPPED:
        skip += (max(int.from_bytes(payload[4:8], sys.byteorder), 16) - 16 + 3) & ~3
    for kind, value in attributes(payload[skip:]):
        if kind == _NLMSGERR_ATTR_MSG:
            return errno, value.rstrip(b"\0").decode(errors="replace")
    return errno, ""


class Netlink:
    """One netlink socket. Not locked: one thread at a time. ``fd`` adopts (a duplicate of) an existing socket, for
    example one that lives in a container's network namespace."""

    def __init__(self, protocol: int = NETLINK_ROUTE, fd: int | None = None) -> None:
        if fd is None:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
            self._socket.bind((0, 0))
        else:
            self._socket = socket.socket(fileno=os.dup(fd))
        for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        if protocol == NETLINK_NETFILTER:
            forced = _SO_SNDBUFFORCE if userns.is_initial() else socket.SO_SNDBUF
            self._socket.setsockopt(socket.SOL_SOCKET, forced, _LARGE)
        self._sequence = 1

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def run(self, requests: Sequence[Request]) -> None:
        """Send requests in order; raises NetlinkError for the first refusal that is not tolerated, after the whole
        batch was handled (the kernel does not stop at a refusal)."""
        for start in range(0, len(requests), _CHUNK):
            chunk = requests[start : start + _CHUNK]
            first = self._sequence
            self._sequence += len(chunk)
            self._send(
                b"".join(
                    message(item.kind, item.flags | NLM_F_REQUEST | NLM_F_ACK, first + index, item.payload)
                    for index, item in enumerate(chunk)
                )
            )
            answered = 0
            failure: NetlinkError | None = None
            while answered < len(chunk):
                for kind, flags, sequence, payload in messages(self._socket.recv(_PAGE)):
                    if kind != NLMSG_ERROR or not first <= sequence < first + len(chunk):
                        continue
                    answered += 1
                    request = chunk[sequence - first]
                    errno, detail = refusal(flags, payload)
                    if errno and errno not in request.tolerate and failure is None:
                        failure = NetlinkError(request.operation, errno, detail)
            if failure is not None:
                raise failure

    def transact(self, operation: str, batch: bytes) -> None:
        """Send a ready-made nfnetlink batch that is applied whole or not at all; raises for the first refusal.
        Its messages ask for no acknowledgement, so an empty queue afterwards means success."""
        self._send(batch)
        failure: NetlinkError | None = None
        while True:
            try:
                data = self._socket.recv(_PAGE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            for kind, flags, _, payload in messages(data):
                if kind == NLMSG_ERROR and failure is None:
                    errno, detail = refusal(flags, payload)
                    if errno:
                        failure = NetlinkError(operation, errno, detail)
        if failure is not None:
            raise failure

    def dump(self, operation: str, kind: int, payload: bytes, flags: int = NLM_F_DUMP) -> list[bytes]:
        """Payloads of all answers to one query (``flags=0`` for a query with a single answer)."""
        sequence = self._sequence
        self._sequence += 1
        self._send(message(kind, flags | NLM_F_REQUEST, sequence, payload))
        result: list[bytes] = []
        while True:
            for answer, answer_flags, number, body in messages(self._socket.recv(_PAGE)):
                if number != sequence:
                    continue
                if answer == NLMSG_ERROR:
                    errno, detail = refusal(answer_flags, body)
                    if errno:
                        raise NetlinkError(operation, errno, detail)
                    return result
                if answer == NLMSG_DONE:
                    return result
                result.append(body)
                if not flags & NLM_F_DUMP:
                    return result

    def _send(self, data: bytes) -> None:
        self._socket.sendto(data, (0, 0))
