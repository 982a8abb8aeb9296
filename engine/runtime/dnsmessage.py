"""DNS messages (RFC 1035, EDNS of RFC 6891), as much as a forwarding resolver needs: reading a query, writing a reply.

Packets are hostile. Names are read without following compression pointers at all: none can occur in the one question
of a query, which is all that is ever read of a packet besides its header and the query's OPT record.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

A, PTR, AAAA, OPT, ANY = 1, 12, 28, 41, 255
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 2, 3, 4, 5

QR, TC, RD, RA, CD = 0x8000, 0x0200, 0x0100, 0x0080, 0x0010
_OPCODE = 0x7800
_HEADER = struct.Struct(">HHHHHH")
_QUESTION = struct.Struct(">HH")
_RECORD = struct.Struct(">HHIH")

PLAIN_UDP = 512
"""Bytes that a client without EDNS takes by UDP."""
LARGEST_UDP = 4096
"""Bytes we send at most by UDP, whatever the client says: it is one loopback interface away, but not to be flooded."""
OUR_UDP = 1232
"""Bytes we say that we take by UDP: what fits through any path of IPv6's minimum MTU."""


class MalformedError(ValueError):
    """Not a DNS message that can be read."""


class Query(NamedTuple):
    """A client's question. ``name`` is lower-case text without the last dot, None when a label holds a dot."""

    identifier: int
    flags: int
    name: str | None
    kind: int
    klass: int
    question: bytes
    """The question section as it came, to be repeated in the reply."""
    udp_size: int
    edns: bool

    @property
    def opcode(self) -> int:
        return (self.flags & _OPCODE) >> 11


class Answer(NamedTuple):
    """A resource record for the name that was asked."""

    kind: int
    data: bytes


def parse_query(packet: bytes) -> Query:
    """The query in ``packet``. Raises MalformedError for anything but one plain question."""
    if len(packet) < _HEADER.size:
        raise MalformedError("shorter than a header")
    identifier, flags, questions, answers, authorities, additional = _HEADER.unpack_from(packet)
    if flags & QR:
        raise MalformedError("a response")
    if questions != 1 or answers or authorities:
        raise MalformedError("not one question alone")
    labels, offset = _labels(packet, _HEADER.size)
    if offset + _QUESTION.size > len(packet):
        raise MalformedError("the question ends early")
    kind, klass = _QUESTION.unpack_from(packet, offset)
    offset += _QUESTION.size
    question = packet[_HEADER.size : offset]
    name = None if any(b"." in label for label in labels) else b".".join(labels).lower().decode("latin-1")
    size = _edns_size(packet, offset, additional)
    return Query(identifier, flags, name, kind, klass, question, max(size or 0, PLAIN_UDP), size is not None)


def reply(query: Query, code: int, answers: list[Answer] | None = None, ttl: int = 0, limit: int = 65535) -> bytes:
    """A reply of at most ``limit`` bytes; answers that do not fit are left out and the reply is marked truncated."""
    option = b"\0" + _RECORD.pack(OPT, OUR_UDP, 0, 0) if query.edns else b""
    room = limit - _HEADER.size - len(query.question) - len(option)
    records: list[bytes] = []
    truncated = 0
    for answer in answers or ():
        # The name is a pointer to the question, which is always at offset 12.
        record = b"\xc0\x0c" + _RECORD.pack(answer.kind, IN, ttl, len(answer.data)) + answer.data
        room -= len(record)
        if room < 0:
            truncated = TC
            break
        records.append(record)
    flags = QR | RA | truncated | (query.flags & (_OPCODE | RD | CD)) | code
    header = _HEADER.pack(query.identifier, flags, 1, len(records), 0, 1 if option else 0)
    return b"".join((header, query.question, *records, option))


def malformed_reply(packet: bytes) -> bytes | None:
    """FORMERR for what could not be read; None when it must not be answered (a response, or no header at all)."""
    if len(packet) < _HEADER.size:
        return None
    identifier, flags = struct.unpack_from(">HH", packet)
    if flags & QR:
        return None
    return _HEADER.pack(identifier, QR | RA | (flags & (_OPCODE | RD)) | FORMERR, 0, 0, 0, 0)


def with_identifier(packet: bytes, identifier: int) -> bytes:
    return identifier.to_bytes(2, "big") + packet[2:]


def answers_query(packet: bytes, identifier: int, question: bytes) -> bool:
    """Whether ``packet`` is a response to this very question: else it is late, misdirected or forged."""
    if len(packet) < _HEADER.size:
        return False
    got, flags, questions, *_ = _HEADER.unpack_from(packet)
    end = _HEADER.size + len(question)
    return (
        got == identifier
        and bool(flags & QR)
        and questions == 1
        and packet[_HEADER.size : end].lower() == question.lower()
    )


def truncated(packet: bytes) -> bool:
    return bool(int.from_bytes(packet[2:4], "big") & TC)


def code(packet: bytes) -> int:
    return packet[3] & 0x0F


def truncate(packet: bytes, question: bytes) -> bytes:
    """The same response without its records, marked truncated: it makes the client ask again by TCP."""
    identifier, flags = struct.unpack_from(">HH", packet)
    return _HEADER.pack(identifier, flags | TC, 1, 0, 0, 0) + question


def encode_name(name: str) -> bytes | None:
    """``name`` in wire form; None when it is not a valid one."""
    wire = bytearray()
    for label in name.rstrip(".").split("."):
        raw = label.encode("utf-8", "surrogateescape")
        if not 0 < len(raw) < 64:
            return None
        wire.append(len(raw))
        wire += raw
    wire.append(0)
    return bytes(wire) if len(wire) <= 255 else None


def reverse_address(name: str) -> bytes | None:
    """The packed address a PTR name (``4.3.2.1.in-addr.arpa``, ``….ip6.arpa``) is for; None for other names."""
    labels = name.split(".")
    if len(labels) == 6 and labels[4:] == ["in-addr", "arpa"]:
        parts = labels[3::-1]
        if all(part.isascii() and part.isdigit() and len(part) <= 3 and int(part) < 256 for part in parts):
            return bytes(int(part) for part in parts)
    if len(labels) == 34 and labels[32:] == ["ip6", "arpa"]:
        digits = "".join(labels[31::-1])
        if len(digits) == 32 and all(digit in "0123456789abcdef" for digit in digits):
            return bytes.fromhex(digits)
    return None


def pack_address(text: str) -> bytes | None:
    """4 or 16 bytes for an address written in digits; None for anything else."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
    return None


def _labels(packet: bytes, offset: int) -> tuple[list[bytes], int]:
    labels: list[bytes] = []
    total = 0
    while True:
        if offset >= len(packet):
            raise MalformedError("the name ends early")
        length = packet[offset]
        offset += 1
        if length == 0:
            return labels, offset
        total += length + 1
        if length > 63 or total > 254:
            # 64 and up: a compression pointer or a label type nobody uses.
            raise MalformedError("not a plain name")
        if offset + length > len(packet):
            raise MalformedError("the name ends early")
        labels.append(packet[offset : offset + length])
        offset += length


def _edns_size(packet: bytes, offset: int, records: int) -> int | None:
    """The UDP size in the OPT record; None without one. Only the usual forms are looked at: OPT first, or after one."""
    for _ in range(min(records, 2)):
        if offset + 1 + _RECORD.size > len(packet) or packet[offset] != 0:
            return None
        kind, size, _, length = _RECORD.unpack_from(packet, offset + 1)
        if kind == OPT:
            return int(size)
        offset += 1 + _RECORD.size + length
    return None
