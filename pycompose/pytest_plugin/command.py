"""The `pycompose` command, run to its end or followed line by line. Nothing of it is imported."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import CommandResult, StackError, StackOptions

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator


_PATIENCE = 5.0
"""Seconds that a command has to end after SIGTERM."""

_thread = threading.local()


class Calls:
    """The commands that one call of a `Stack` method starts, so that another thread can end them with it. As a context
    manager, in the thread that makes the call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen[Any]] = []
        self._ended = False

    def __enter__(self) -> None:
        _thread.calls = self

    def __exit__(self, *_: object) -> None:
        del _thread.calls

    def start(self, line: list[str], options: dict[str, Any]) -> subprocess.Popen[Any]:
        import subprocess

        with self._lock:
            if self._ended:
                raise StackError("the call was cancelled")
            process = subprocess.Popen(line, **options)
            self._running.append(process)
        return process

    def end(self) -> None:
        """Let no command start any more, and end those that run."""
        import subprocess

        with self._lock:
            self._ended = True
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _started(line: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A command that has ended when the block has."""
    calls: Calls = getattr(_thread, "calls", None) or Calls()
    process = calls.start(line, options)
    try:
        yield process
    finally:
        process.kill()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        process.wait()


def _command() -> list[str]:
    """`pycompose` beside this interpreter, else on PATH."""
    import shutil

    beside = Path(sys.executable).with_name("pycompose")
    if beside.exists():
        return [str(beside)]
    found = shutil.which("pycompose")
    if found is None:
        raise StackError("there is no pycompose command beside this Python or on PATH")
    return [found]


def _line(options: StackOptions, arguments: tuple[str, ...]) -> list[str]:
    files = [word for name in options.files for word in ("-f", str(options.directory / name))]
    return [*_command(), "--progress", "plain", *options.arguments, *files, *arguments]


def pycompose(options: StackOptions, *arguments: str) -> CommandResult:
    """Run a command of the stack's project to its end."""
    import subprocess

    with _started(
        _line(options, arguments),
        cwd=options.directory,
        env={**os.environ, **options.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        out, err = process.communicate()
    return CommandResult(process.returncode, out, err)


@contextmanager
def changes(options: StackOptions, project: str) -> Iterator[Callable[[float], bool]]:
    """Yields what waits for the next event of the project's containers, at most so many seconds; False when there will be
    no more, since the engine has gone. No event after the entry is missed."""
    import select
    import subprocess

    since = f"{time.time():.9f}"
    with _started(
        _line(options, ("-p", project, "events", "--json", f"--since={since}")),
        cwd=options.directory,
        env={**os.environ, **options.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)

        def wait(seconds: float) -> bool:
            return not poller.poll(seconds * 1000) or bool(os.read(descriptor, 65536))

        yield wait
