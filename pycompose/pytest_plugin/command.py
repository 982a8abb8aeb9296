"""The `pycompose` command, run to its end or followed line by line. Nothing of it is imported."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .options import CommandResult, StackError, StackOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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

    result = subprocess.run(
        _line(options, arguments),
        cwd=options.directory,
        env={**os.environ, **options.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return CommandResult(result.returncode, result.stdout, result.stderr)


@contextmanager
def changes(options: StackOptions, project: str) -> Iterator[Callable[[float], bool]]:
    """Yields what waits for the next event of the project's containers, at most so many seconds; False when there will be
    no more, since the engine has gone. No event after the entry is missed."""
    import select
    import subprocess

    since = f"{time.time():.9f}"
    process = subprocess.Popen(
        _line(options, ("-p", project, "events", "--json", f"--since={since}")),
        cwd=options.directory,
        env={**os.environ, **options.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)

    def wait(seconds: float) -> bool:
        return not poller.poll(seconds * 1000) or bool(os.read(descriptor, 65536))

    try:
        yield wait
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
