"""An HTTP server that keeps connections, and at SIGTERM ends as one should: each connection after its next answer.

python keep_alive_server.py PORT WORDS [SECONDS UNTIL IT LISTENS]
"""

from __future__ import annotations

import asyncio
import signal
import sys


async def main(port: int, words: bytes, delay: float) -> None:
    leaving = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leaving.set)

    connections: set[asyncio.Task[object] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                ends = leaving.is_set() or b"connection: close" in head.lower()
                more = b"Connection: close\r\n" if ends else b""
                writer.write(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (more, len(words), words))
                await writer.drain()
                if ends:
                    break
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            connections.discard(asyncio.current_task())
            writer.close()

    await asyncio.sleep(delay)
    server = await asyncio.start_server(serve, None, port, backlog=512)
    await leaving.wait()
    server.close()
    for one in [*connections]:
        if one is not None:
            await asyncio.wait([one])


asyncio.run(main(int(sys.argv[1]), sys.argv[2].encode(), float(sys.argv[3]) if len(sys.argv) > 3 else 0.0))
