"""The two stream formats of the Docker Engine API: 8-byte multiplexed frames and JSON lines.

A frame is ``[stream, 0, 0, 0, size (4 bytes, big endian)]`` and then ``size`` bytes; stream 0 is stdin, 1 stdout,
2 stderr. Containers with a terminal send raw bytes instead, without frames.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..errors import EngineError
from .answers import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STDIN, STDOUT, STDERR = 0, 1, 2
_HEADER = 8


def demultiplex(blocks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Frames as ``(stream, payload)``. Payloads as they come: a large frame may be handed out in parts, and of many small ones of a
    stream, such as the lines of a log, all that one block has are handed out together."""
    rest = b""
    stream, left = 0, 0
    for block in blocks:
        data = rest + block if rest else block
        parts: list[bytes] = []
        at, end = 0, len(data)
        while at < end:
            if left == 0:
                if end - at < _HEADER:
                    break
                if data[at] != stream or data[at] > STDERR or data[at + 1 : at + 4] != b"\0\0\0":
                    if parts:
                        yield stream, b"".join(parts)
                        parts = []
                    _check(data, at)
                    stream = data[at]
                left = int.from_bytes(data[at + 4 : at + _HEADER], "big")
                at += _HEADER
                continue
            part = data[at : at + left]
            at += len(part)
            left -= len(part)
            if stream > STDERR:
                raise EngineError(part.decode("utf-8", "replace"))
            parts.append(part)
        rest = data[at:]
        if parts:
            yield stream, b"".join(parts)


def _check(data: bytes, at: int) -> None:
    if data[at] > STDERR + 1 or data[at + 1 : at + 4] != b"\0\0\0":
        raise EngineError("the engine sent a stream that is not multiplexed")


def raw(blocks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """A terminal's bytes in the shape of `demultiplex`: all of it is stdout."""
    for block in blocks:
        yield STDOUT, block


def json_lines(blocks: Iterable[bytes]) -> Iterator[Answer]:
    """JSON objects that follow each other with or without line ends between them."""
    decoder = json.JSONDecoder(object_hook=Answer)
    pending = b""
    for block in blocks:
        pending += block
        *lines, pending = pending.split(b"\n")
        for line in lines:
            yield from _objects(decoder, line)
    yield from _objects(decoder, pending)


def _objects(decoder: json.JSONDecoder, line: bytes) -> Iterator[Answer]:
    text = line.decode("utf-8", "replace").strip()
    while text:
        try:
            value, end = decoder.raw_decode(text)
        except (ValueError, RecursionError) as error:
            raise EngineError(f"the engine sent something that is not JSON: {text[:80]}") from error
        if isinstance(value, Answer):
            yield value
        text = text[end:].strip()
