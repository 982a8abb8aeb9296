"""`pycompose engine logs`: what our engine and its keeper have logged, while they run and afterwards. Starts none."""

from __future__ import annotations

import os
import sys
from collections import deque
from typing import TYPE_CHECKING, BinaryIO

from ....client.endpoint import choose, log_files
from ....errors import OperationError, UsageError
from ..logs import tail_count

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="Follow the log until the engine ends")
    parser.add_argument(
        "-n",
        "--tail",
        default="all",
        type=tail_count,
        metavar="LINES",
        help="Number of lines to show from the end of the log",
    )


def run(args: Namespace) -> int:
    endpoint = choose(os.environ, os.geteuid(), args.host, args.root)
    if not endpoint.own:
        raise UsageError(f"engine logs reads files of our own engine: {endpoint.origin} names another one")
    running, kept = log_files(endpoint.root, os.environ, os.geteuid())
    for path in (running, kept):
        try:
            with open(path, "rb") as file:
                _show(file, None if args.tail == "all" else int(args.tail))
                if args.follow and path == running:
                    _follow(file, path)
                return 0
        except FileNotFoundError:
            continue
        except OSError as error:
            raise OperationError(f"{path}: {error.strerror}") from None
    raise OperationError(f"no engine has logged anything at {running} (`engine run` logs to its own stderr)")


def _show(file: BinaryIO, tail: int | None) -> None:
    for line in file if tail is None else deque(file, maxlen=tail):
        sys.stdout.buffer.write(line)
    sys.stdout.flush()


def _follow(file: BinaryIO, path: str) -> None:
    """Until the file is deleted, as an engine that ends does after its last line."""
    from ....watch.inotify import IN_DELETE, IN_MODIFY, ITSELF, Inotify

    directory, name = os.path.split(path)
    events = Inotify()
    try:
        events.add(directory, IN_MODIFY | IN_DELETE | ITSELF)
        while True:
            _show(file, None)
            if _is_gone(file, path):
                _show(file, None)
                return
            while not any(one.name in (name, "") for one in events.wait(None) or ()):
                continue
    finally:
        events.release()


def _is_gone(file: BinaryIO, path: str) -> bool:
    """Whether the file has lost its name, to nothing or to the next engine's log."""
    try:
        return not os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return True
