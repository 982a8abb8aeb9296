"""Actions and questions as runs of pycompose itself: their output goes to the page as it comes, in the command's own words.

A run goes on to its end when the page that asked for it has gone: a tab that is closed breaks no `up` off halfway.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

OUTPUT_LIMIT = 512 * 1024
"""Bytes of a run's output that are shown."""

QUESTION_LIMIT = 60.0
"""Seconds that a question may take."""


class Runner:
    """``engine`` are the options that name the engine: every run speaks to the one that the page shows."""

    def __init__(self, engine: Sequence[str]) -> None:
        self._command = (sys.executable, "-P", "-m", "pycompose.compose.cli.main", *engine)
        self._environment = {**os.environ, "COMPOSE_MENU": "0", "NO_COLOR": "1"}
        for name in ("COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"):
            self._environment.pop(name, None)

    def ask(self, words: Sequence[str]) -> tuple[int, str]:
        """Exit code and answer of something that only reads; warnings are no part of an answer, and of a failure all is told."""
        try:
            done = subprocess.run(
                [*self._command, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=self._environment,
                timeout=QUESTION_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return 1, f"no answer within {QUESTION_LIMIT:.0f} seconds\n"
        said = done.stdout + done.stderr if done.returncode else done.stdout
        return done.returncode, said[:OUTPUT_LIMIT].decode("utf-8", "replace")

    def _start(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._command, "--progress", "plain", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        )

    def foreground(self, words: Sequence[str]) -> int:
        """Exit code of a run that has this process's terminal until it ends."""
        environment = {name: value for name, value in self._environment.items() if name != "NO_COLOR"}
        if "NO_COLOR" in os.environ:
            environment["NO_COLOR"] = os.environ["NO_COLOR"]
        return subprocess.run([*self._command, *words], env=environment, check=False).returncode

    async def run(self, words: Sequence[str]) -> AsyncIterator[bytes]:
        """The output as it comes; its last line is ``exit code N``."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        process = await asyncio.to_thread(self._start, words)

        def tell(item: bytes | None) -> None:
            # The page's server may have ended meanwhile.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(queue.put_nowait, item)

        def pump() -> None:
            assert process.stdout is not None
            left = OUTPUT_LIMIT
            while data := process.stdout.read1(8192):  # type: ignore[attr-defined]
                if left > 0:
                    tell(data[:left])
                left -= len(data)
            code = process.wait()
            process.stdout.close()
            tell(f"\nexit code {code}\n".encode())
            tell(None)

        threading.Thread(target=pump, name="screens-run", daemon=True).start()
        while (item := await queue.get()) is not None:
            yield item
