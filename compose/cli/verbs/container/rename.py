"""`pycompose container rename`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import EngineError, OperationError
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("container")
    parser.add_argument("new_name", metavar="NEW_NAME")


def run(args: Namespace) -> int:
    if not args.container.strip() or not args.new_name.strip():
        raise OperationError("Error: Neither old nor new names may be empty")
    try:
        Session(args).engine.containers.rename(args.container, args.new_name)
    except EngineError as error:
        if not error.status:
            raise
        message = f"Error response from daemon: {error}\nError: failed to rename container named {args.container}"
        raise OperationError(message) from error
    return 0
