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
    """Frames as ``(stream, payload)``, payloads as they come: a large frame may be handed out in parts."""
    buffer = bytearray()
    stream, left = 0, 0
    for block in blocks:
        buffer += block
        while buffer:
            if left == 0:
                if len(buffer) < _HEADER:
                    break
                if buffer[0] > STDERR + 1 or buffer[1:4] != b"\0\0\0":
                    raise EngineError("the engine sent a stream that is not multiplexed")
                stream = buffer[0]
                left = int.from_bytes(buffer[4:8], "big")
                del buffer[:_HEADER]
                continue
            part = bytes(buffer[:left])
            del buffer[: len(part)]
            left -= len(part)
            if stream > STDERR:
                raise EngineError(part.decode("utf-8", "replace"))
            yield stream, part


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
